#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "connectors/binance/private_decoder.h"
#include "engine/base/decimal.h"

namespace holdfast {

// Reads typed members of a JSON object and remembers whether any was missing or of another type:
// read everything, then ask ok() once. For .cc files of this folder only.
class JsonFields {
 public:
  explicit JsonFields(simdjson::dom::element element) {
    is_ok_ = element.get(object_) == simdjson::SUCCESS;
  }

  bool ok() const { return is_ok_; }
  bool Has(std::string_view key) const {
    return is_ok_ && object_[key].error() == simdjson::SUCCESS;
  }
  bool IsNull(std::string_view key) const { return Has(key) && object_[key].is_null(); }

  std::string_view Text(std::string_view key) { return Get<std::string_view>(key); }
  int64_t Integer(std::string_view key) { return Get<int64_t>(key); }
  bool Boolean(std::string_view key) { return Get<bool>(key); }
  // A decimal number, which the venue writes as text.
  Decimal Number(std::string_view key) {
    const auto value = Decimal::Parse(Get<std::string_view>(key));
    if (!value.ok()) is_ok_ = false;
    return value.ok() ? *value : Decimal();
  }

 private:
  template <typename T>
  T Get(std::string_view key) {
    T value = {};
    if (!is_ok_ || object_[key].get(value) != simdjson::SUCCESS) is_ok_ = false;
    return value;
  }
  simdjson::dom::object object_;
  bool is_ok_ = false;
};

// One entry of a `rateLimits` list; `used` is -1 where no count is stated (exchange information).
// nullopt for kinds and intervals that we don't know.
std::optional<RateLimitCount> ParseRateLimit(simdjson::dom::element entry);

}  // namespace holdfast
