#include "workflows/runtime/typed_json.h"

#include "workflows/runtime/text.h"

namespace holdfast::workflows::internal {
namespace {

// Long paths and texts are cut in messages.
constexpr size_t kShownBytesMax = 200;

std::string_view KindOf(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "object";
    case Json::value_t::array:
      return "array";
    case Json::value_t::string:
      return "string";
    case Json::value_t::boolean:
      return "boolean";
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
      return "integer";
    case Json::value_t::number_float:
      return "number";
    case Json::value_t::binary:
    case Json::value_t::discarded:
      break;
  }
  return "no JSON value";
}

}  // namespace

std::string JsonPlace::Text() const {
  // A root with a name is an argument; one without is the value itself.
  if (parent == nullptr) return std::string(name);
  std::string text = parent->Text();
  if (is_member) {
    absl::StrAppend(&text, "/", AbslView(name.substr(0, kShownBytesMax)));
  } else {
    absl::StrAppend(&text, "/", index);
  }
  return text;
}

absl::Status Expected(const JsonPlace& place, std::string_view what, const Json& got) {
  std::string where = place.Text();
  if (!where.empty()) where += ": ";
  std::string shown(KindOf(got));
  if (got.is_number()) absl::StrAppend(&shown, " ", got.dump());
  if (got.is_array()) absl::StrAppend(&shown, " of ", got.size());
  return absl::InvalidArgumentError(
      absl::StrCat(where, "expected ", AbslView(what), ", got ", shown));
}

absl::Status AdapterFailed(const JsonPlace& place, const std::exception& error) {
  std::string where = place.Text();
  if (!where.empty()) where += ": ";
  return absl::InvalidArgumentError(
      absl::StrCat(where, absl::string_view(error.what()).substr(0, kShownBytesMax)));
}

absl::Status CheckCounts(const Arguments& arguments, size_t parameter_count, bool takes_named) {
  for (size_t i = parameter_count; i < arguments.positional.size(); ++i) {
    if (arguments.positional[i].is_null()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("too many arguments: count=", arguments.positional.size(),
                     " parameters=", parameter_count));
  }
  if (!takes_named && !arguments.named.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no parameter takes named arguments: first=",
                     absl::string_view(arguments.named.begin().key()).substr(0, kShownBytesMax)));
  }
  return absl::OkStatus();
}

}  // namespace holdfast::workflows::internal
