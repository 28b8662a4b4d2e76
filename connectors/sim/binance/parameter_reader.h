#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "connectors/sim/binance/api_error.h"
#include "connectors/sim/binance/parameters.h"
#include "connectors/sim/venue.h"

namespace holdfast::sim {

// Reads the parameters of one request in turn and keeps the first error; what is read after an
// error is meaningless. Check failed() once, before acting.
class ParameterReader {
 public:
  explicit ParameterReader(const Parameters& parameters) : parameters_(parameters) {}

  bool failed() const { return error_.has_value(); }
  const ApiError& error() const { return *error_; }
  void Fail(ApiError error) {
    if (!error_.has_value()) error_ = std::move(error);
  }

  bool Has(std::string_view name) const { return parameters_.Has(name); }
  // Empty when not sent.
  std::string_view Text(std::string_view name) const {
    return parameters_.Find(name).value_or(std::string_view());
  }
  std::string_view RequiredText(std::string_view name);
  // `low` <= value <= `high`, else the parameter is "not valid".
  int64_t Integer(std::string_view name, int64_t if_absent, int64_t low = 0,
                  int64_t high = INT64_MAX);
  Decimal Number(std::string_view name);
  Decimal RequiredNumber(std::string_view name);
  bool Boolean(std::string_view name, bool if_absent);
  // Refuses a parameter that makes no sense here.
  void Forbid(std::string_view name);
  // Parameter `name`: required, and known to the venue.
  InstrumentId RequiredInstrument(const SimVenue& venue, std::string_view name = "symbol");
  // 1..36 of [a-zA-Z0-9-_]; empty when not sent.
  std::string_view ClientOrderIdText(std::string_view name);

 private:
  const Parameters& parameters_;
  std::optional<ApiError> error_;
};

}  // namespace holdfast::sim
