#include "workflows/runtime/json.h"

#include <cmath>
#include <cstdio>
#include <exception>
#include <new>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast::workflows {
namespace {

// Objects with more members look for repeated names in a hash set.
constexpr size_t kLinearMembersMax = 16;

// The significant decimal digits of an integer literal: no sign, no zeros at either end.
std::string SignificantDigits(std::string_view literal) {
  if (!literal.empty() && literal.front() == '-') literal.remove_prefix(1);
  const size_t last = literal.find_last_not_of('0');
  return std::string(literal.substr(0, last == std::string_view::npos ? 0 : last + 1));
}

// Whether `value` has exactly the digits of `literal`, an integer too long for 64 bits.
bool IsFaithful(double value, std::string_view literal) {
  constexpr size_t kDoubleDigitsMax = 17;
  const std::string digits = SignificantDigits(literal);
  if (digits.empty() || digits.size() > kDoubleDigitsMax) return false;
  char text[40];
  std::snprintf(text, sizeof(text), "%.*e", static_cast<int>(digits.size()) - 1, std::fabs(value));
  std::string printed;
  for (const char* c = text; *c != 'e'; ++c) {
    if (*c != '.') printed.push_back(*c);
  }
  return printed == digits;
}

// Builds the tree from the parser's events; the parser itself does not recurse. Children are
// collected beside the tree and moved in when their parent closes, since a vector of an object's
// members copies them when it grows.
class TreeBuilder {
 public:
  bool null() { return Add(Json(nullptr)); }
  bool boolean(bool value) { return Add(Json(value)); }
  bool number_integer(Json::number_integer_t value) { return Add(Json(value)); }
  bool number_unsigned(Json::number_unsigned_t value) { return Add(Json(value)); }
  bool number_float(Json::number_float_t value, const std::string& literal) {
    const bool is_integer = literal.find_first_not_of("-0123456789") == std::string::npos;
    if (is_integer && !IsFaithful(value, literal)) {
      return Fail(absl::InvalidArgumentError("json: integer needs more than 64 bits"));
    }
    return Add(Json(value));
  }
  bool string(std::string& value) { return Add(Json(std::move(value))); }
  bool binary(Json::binary_t&) { return Fail(absl::InvalidArgumentError("json: bytes")); }

  bool start_object(size_t) { return Open(/*is_object=*/true); }
  bool start_array(size_t) { return Open(/*is_object=*/false); }
  bool key(std::string& name) {
    Frame& frame = frames_.back();
    if (!frame.IsNewName(name)) {
      return Fail(absl::InvalidArgumentError("json: a member is named twice"));
    }
    frame.members.emplace_back(std::move(name), Json());
    return true;
  }
  bool end_array() {
    Json array = Json::array();
    *array.get_ptr<Json::array_t*>() = std::move(frames_.back().elements);
    return Close(std::move(array));
  }
  bool end_object() {
    Json object = Json::object();
    auto& members = *object.get_ptr<Json::object_t*>();
    members.reserve(frames_.back().members.size());
    for (auto& [name, value] : frames_.back().members) {
      members.emplace_back(std::move(name), std::move(value));
    }
    return Close(std::move(object));
  }
  bool parse_error(size_t position, const std::string&, const std::exception&) {
    return Fail(absl::InvalidArgumentError(absl::StrCat("json: malformed at byte ", position)));
  }

  Json TakeRoot() && { return std::move(root_); }
  const absl::Status& status() const { return status_; }

 private:
  struct Frame {
    bool is_object = false;
    std::vector<Json> elements;
    std::vector<std::pair<std::string, Json>> members;
    absl::flat_hash_set<std::string> names;  // of the members, once there are many

    bool IsNewName(const std::string& name) {
      if (members.size() <= kLinearMembersMax) {
        for (const auto& [known, value] : members) {
          if (known == name) return false;
        }
        return true;
      }
      if (names.empty()) {
        for (const auto& [known, value] : members) names.insert(known);
      }
      return names.insert(name).second;
    }
  };

  bool Fail(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
    return false;
  }
  bool Count() {
    if (++value_count_ <= kJsonValueCountMax) return true;
    return Fail(absl::ResourceExhaustedError(
        absl::StrCat("json: more values than limit=", kJsonValueCountMax)));
  }
  bool Open(bool is_object) {
    if (frames_.size() >= static_cast<size_t>(kJsonDepthMax)) {
      return Fail(
          absl::ResourceExhaustedError(absl::StrCat("json: deeper than limit=", kJsonDepthMax)));
    }
    frames_.emplace_back().is_object = is_object;
    return Count();
  }
  bool Close(Json value) {
    frames_.pop_back();
    Place(std::move(value));
    return true;
  }
  bool Add(Json value) {
    Place(std::move(value));
    return Count();
  }
  void Place(Json value) {
    if (frames_.empty()) {
      root_ = std::move(value);
    } else if (Frame& frame = frames_.back(); frame.is_object) {
      HF_ASSERT(!frame.members.empty());
      frame.members.back().second = std::move(value);
    } else {
      frame.elements.push_back(std::move(value));
    }
  }

  absl::Status status_;
  std::vector<Frame> frames_;
  size_t value_count_ = 0;
  Json root_;
};

absl::Status CheckWritable(const Json& value, int depth, size_t& value_count) {
  if (++value_count > kJsonValueCountMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("json: more values than limit=", kJsonValueCountMax));
  }
  switch (value.type()) {
    case Json::value_t::null:
    case Json::value_t::boolean:
    case Json::value_t::string:
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return absl::OkStatus();
    case Json::value_t::number_float:
      if (std::isfinite(value.get<double>())) return absl::OkStatus();
      return absl::InvalidArgumentError("json: a number is not finite");
    case Json::value_t::binary:
    case Json::value_t::discarded:
      return absl::InvalidArgumentError("json: bytes cannot be written");
    case Json::value_t::object:
    case Json::value_t::array:
      break;
  }
  if (depth >= kJsonDepthMax) {
    return absl::ResourceExhaustedError(absl::StrCat("json: deeper than limit=", kJsonDepthMax));
  }
  for (const Json& child : value) {
    HF_RETURN_IF_ERROR(CheckWritable(child, depth + 1, value_count));
  }
  return absl::OkStatus();
}

absl::Status TooLong(size_t size_bytes) {
  return absl::ResourceExhaustedError(
      absl::StrCat("json: too long: size_bytes=", size_bytes, " limit=", kJsonBytesMax));
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text) {
  if (text.size() > kJsonBytesMax) return TooLong(text.size());
  // The parser takes a NUL byte for the end and would not look at what follows.
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("json: malformed at byte ", nul));
  }
  try {
    TreeBuilder builder;
    if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
      HF_RETURN_IF_ERROR(builder.status());
      return absl::InvalidArgumentError("json: malformed");
    }
    return std::move(builder).TakeRoot();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("json: out of memory");
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat("json: ", error.what()));
  }
}

absl::StatusOr<std::string> WriteJson(const Json& value) {
  size_t value_count = 0;
  HF_RETURN_IF_ERROR(CheckWritable(value, 0, value_count));
  try {
    std::string text = value.dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::strict);
    if (text.size() > kJsonBytesMax) return TooLong(text.size());
    return text;
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError("json: out of memory");
  } catch (const std::exception&) {
    return absl::InvalidArgumentError("json: a text is not UTF-8");
  }
}

std::string ValidUtf8(std::string_view text) {
  // The writer's own replacement is used, so that the two never differ in what they call valid.
  const std::string quoted =
      Json(text).dump(-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  return Json::parse(quoted).get<std::string>();
}

}  // namespace holdfast::workflows
