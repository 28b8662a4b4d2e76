#include "connectors/sim/binance/parameter_reader.h"

#include <utility>

namespace holdfast::sim {

std::string_view ParameterReader::RequiredText(std::string_view name) {
  const auto text = parameters_.Find(name);
  if (!text.has_value() || text->empty()) {
    Fail(errors::Mandatory(name));
    return {};
  }
  return *text;
}

int64_t ParameterReader::Integer(std::string_view name, int64_t if_absent, int64_t low,
                                 int64_t high) {
  const auto result = parameters_.Integer(name);
  if (const auto* error = std::get_if<ApiError>(&result)) {
    Fail(*error);
    return if_absent;
  }
  const auto value = std::get<std::optional<int64_t>>(result);
  if (!value.has_value()) return if_absent;
  if (*value < low || *value > high) Fail(errors::InvalidData(name));
  return *value;
}

Decimal ParameterReader::Number(std::string_view name) {
  const auto result = parameters_.Number(name);
  if (const auto* error = std::get_if<ApiError>(&result)) {
    Fail(*error);
    return {};
  }
  return std::get<std::optional<Decimal>>(result).value_or(Decimal());
}

Decimal ParameterReader::RequiredNumber(std::string_view name) {
  if (RequiredText(name).empty()) return {};
  return Number(name);
}

bool ParameterReader::Boolean(std::string_view name, bool if_absent) {
  const auto text = parameters_.Find(name);
  if (!text.has_value()) return if_absent;
  if (*text == "true" || *text == "TRUE") return true;
  if (*text == "false" || *text == "FALSE") return false;
  Fail(errors::IllegalCharacters(name, "^true$|^false$"));
  return if_absent;
}

void ParameterReader::Forbid(std::string_view name) {
  if (parameters_.Has(name)) Fail(errors::NotRequired(name));
}

InstrumentId ParameterReader::RequiredInstrument(const SimVenue& venue, std::string_view name) {
  const std::string_view symbol = RequiredText(name);
  if (failed()) return {};
  for (const char c : symbol) {
    const bool is_legal =
        (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
    if (!is_legal) {
      Fail(errors::IllegalCharacters(name, "^[A-Z0-9-_.]{1,20}$"));
      return {};
    }
  }
  const auto instrument = venue.FindInstrument(symbol);
  if (!instrument.has_value()) {
    Fail(errors::InvalidSymbol());
    return {};
  }
  return *instrument;
}

std::string_view ParameterReader::ClientOrderIdText(std::string_view name) {
  const auto text = parameters_.Find(name);
  if (!text.has_value()) return {};
  bool is_legal = !text->empty() && text->size() <= 36;
  for (const char c : *text) {
    is_legal = is_legal && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                            (c >= '0' && c <= '9') || c == '-' || c == '_');
  }
  if (!is_legal) Fail(errors::IllegalCharacters(name, "^[a-zA-Z0-9-_]{1,36}$"));
  return *text;
}

}  // namespace holdfast::sim
