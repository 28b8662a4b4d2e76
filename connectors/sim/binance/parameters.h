#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "connectors/sim/binance/api_error.h"
#include "engine/base/decimal.h"

namespace holdfast::sim {

template <typename T>
using ApiResult = std::variant<T, ApiError>;

// Named text values of one request, from a query string, a form body or a JSON object. Lookups are
// linear: a request has a handful.
class Parameters {
 public:
  // Percent-decodes names and values. kIllegal: a broken percent sequence.
  // Returns the error when a name appears twice or a percent sequence is broken.
  std::optional<ApiError> AddQueryString(std::string_view text);
  void Add(std::string name, std::string value) {
    entries_.push_back({std::move(name), std::move(value)});
  }

  std::optional<std::string_view> Find(std::string_view name) const;
  bool Has(std::string_view name) const { return Find(name).has_value(); }
  size_t size() const { return entries_.size(); }

  // nullopt = not sent. An empty or malformed value is an error.
  ApiResult<std::optional<int64_t>> Integer(std::string_view name) const;
  ApiResult<std::optional<Decimal>> Number(std::string_view name) const;

  // "name=value&..." of all but `signature`, sorted by name, values as they are: what a signature
  // on the WebSocket API covers.
  std::string SortedPayload() const;

 private:
  struct Entry {
    std::string name;
    std::string value;
  };
  std::vector<Entry> entries_;
};

// Decodes %XX and '+'; nullopt when a sequence is broken.
std::optional<std::string> PercentDecode(std::string_view text);

// The signed part of a REST request: query and body joined, without the `signature` parameter.
std::string RestSignedPayload(std::string_view query, std::string_view body);

}  // namespace holdfast::sim
