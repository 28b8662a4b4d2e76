#include "connectors/sim/binance/parameters.h"

#include <algorithm>
#include <charconv>
#include <utility>

namespace holdfast::sim {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Calls `visit(pair)` for each of "a=1&b=2"; stops when it returns false.
template <typename Visit>
void ForEachPair(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('&'), text.size());
    if (end > 0 && !visit(text.substr(0, end))) return;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void AppendUnsigned(std::string_view text, std::string& out) {
  bool is_first = true;
  ForEachPair(text, [&](std::string_view pair) {
    if (pair.starts_with("signature=")) return true;
    if (!is_first) out += '&';
    is_first = false;
    out += pair;
    return true;
  });
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+') {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = HexDigit(text[i + 1]);
      const int low = HexDigit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::optional<ApiError> Parameters::AddQueryString(std::string_view text) {
  std::optional<ApiError> error;
  ForEachPair(text, [&](std::string_view pair) {
    const size_t mark = std::min(pair.find('='), pair.size());
    const std::string_view raw_name = pair.substr(0, mark);
    auto name = PercentDecode(raw_name);
    auto value = PercentDecode(pair.substr(std::min(mark + 1, pair.size())));
    if (!name.has_value() || !value.has_value()) {
      error = errors::IllegalCharacters(raw_name, "^[\\x20-\\x7E]*$");
    } else if (Has(*name)) {
      error = errors::Duplicate(*name);
    } else {
      Add(*std::move(name), *std::move(value));
    }
    return !error.has_value();
  });
  return error;
}

std::optional<std::string_view> Parameters::Find(std::string_view name) const {
  for (const Entry& entry : entries_) {
    if (entry.name == name) return entry.value;
  }
  return std::nullopt;
}

ApiResult<std::optional<int64_t>> Parameters::Integer(std::string_view name) const {
  const auto text = Find(name);
  if (!text.has_value()) return std::nullopt;
  if (text->empty()) return errors::Empty(name);
  int64_t value = 0;
  const auto [end, code] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (code != std::errc() || end != text->data() + text->size() || value < 0) {
    return errors::IllegalCharacters(name, "^[0-9]{1,20}$");
  }
  return value;
}

ApiResult<std::optional<Decimal>> Parameters::Number(std::string_view name) const {
  const auto text = Find(name);
  if (!text.has_value()) return std::nullopt;
  if (text->empty()) return errors::Empty(name);
  const bool is_plain = text->find_first_not_of("0123456789.") == std::string_view::npos;
  const auto value = Decimal::Parse(*text);
  if (is_plain && value.ok()) return *value;
  if (is_plain && absl::IsOutOfRange(value.status())) {
    const bool has_fraction = text->find('.') != std::string_view::npos;
    if (has_fraction) return errors::TooPrecise(name);
    return ApiError{400, -1108, "Parameter '" + std::string(name) + "' overflowed."};
  }
  return errors::IllegalCharacters(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$");
}

std::string Parameters::SortedPayload() const {
  std::vector<const Entry*> sorted;
  sorted.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    if (entry.name != "signature") sorted.push_back(&entry);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Entry* a, const Entry* b) { return a->name < b->name; });
  std::string out;
  for (const Entry* entry : sorted) {
    if (!out.empty()) out += '&';
    out += entry->name;
    out += '=';
    out += entry->value;
  }
  return out;
}

std::string RestSignedPayload(std::string_view query, std::string_view body) {
  std::string out;
  out.reserve(query.size() + body.size());
  AppendUnsigned(query, out);
  AppendUnsigned(body, out);
  return out;
}

}  // namespace holdfast::sim
