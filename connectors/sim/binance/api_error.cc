#include "connectors/sim/binance/api_error.h"

#include "connectors/sim/binance/json_writer.h"

namespace holdfast::sim {
namespace {

std::string Quoted(std::string_view before, std::string_view parameter, std::string_view after) {
  std::string text(before);
  text += '\'';
  text += parameter;
  text += '\'';
  text += after;
  return text;
}

ApiError FilterFailure(std::string_view filter) {
  return {400, -1013, "Filter failure: " + std::string(filter)};
}

}  // namespace

namespace errors {

ApiError IllegalCharacters(std::string_view parameter, std::string_view legal_range) {
  return {400, -1100,
          Quoted("Illegal characters found in parameter ", parameter, "; legal range is ") +
              Quoted("", legal_range, ".")};
}
ApiError Duplicate(std::string_view parameter) {
  return {400, -1101, Quoted("Duplicate values for parameter ", parameter, " detected.")};
}
ApiError Mandatory(std::string_view parameter) {
  return {
      400, -1102,
      Quoted("Mandatory parameter ", parameter, " was not sent, was empty/null, or malformed.")};
}
ApiError EitherOf(std::string_view first, std::string_view second) {
  return {400, -1102,
          Quoted("Param ", first, " or ") +
              Quoted("", second, " must be sent, but both were empty/null!")};
}
ApiError Empty(std::string_view parameter) {
  return {400, -1105, Quoted("Parameter ", parameter, " was empty.")};
}
ApiError NotRequired(std::string_view parameter) {
  return {400, -1106, Quoted("Parameter ", parameter, " sent when not required.")};
}
ApiError TooPrecise(std::string_view parameter) {
  return {400, -1111, Quoted("Parameter ", parameter, " has too much precision.")};
}
ApiError InvalidData(std::string_view parameter) {
  return {400, -1130, Quoted("Data sent for parameter ", parameter, " is not valid.")};
}
ApiError InvalidSymbol() { return {400, -1121, "Invalid symbol."}; }
ApiError OutsideRecvWindow() {
  return {400, -1021, "Timestamp for this request is outside of the recvWindow."};
}
ApiError AheadOfServer() {
  return {400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."};
}
ApiError RecvWindowTooLarge() { return {400, -1131, "recvWindow must be less than 60000."}; }
ApiError InvalidSignature() { return {400, -1022, "Signature for this request is not valid."}; }
ApiError BadKeyFormat() { return {401, -2014, "API-key format invalid."}; }
ApiError RejectedKey() { return {401, -2015, "Invalid API-key, IP, or permissions for action."}; }
ApiError UnknownOrderOnCancel() { return {400, -2011, "Unknown order sent."}; }
ApiError NoSuchOrder() { return {400, -2013, "Order does not exist."}; }
ApiError Archived() {
  return {400, -2026,
          "Order was canceled or expired with no executed qty over 90 days ago and has been "
          "archived."};
}
ApiError ExecutionUnknown() {
  return {504, -1007,
          "Timeout waiting for response from backend server. Send status unknown; execution "
          "status unknown."};
}
ApiError InvalidJson() { return {400, -1135, "Invalid JSON Request"}; }

}  // namespace errors

ApiError PlaceError(SimRefusal refusal) {
  switch (refusal) {
    case SimRefusal::kUnknownInstrument:
      return errors::InvalidSymbol();
    case SimRefusal::kUnknownAccount:
      return errors::RejectedKey();
    case SimRefusal::kBadClientOrderId:
      return errors::IllegalCharacters("newClientOrderId", "^[a-zA-Z0-9-_]{1,36}$");
    case SimRefusal::kDuplicateClientOrderId:
      return {400, -2010, "Duplicate order sent."};
    case SimRefusal::kMissingQuantity:
      return {400, -1013, "Invalid quantity."};
    case SimRefusal::kMissingPrice:
      return {400, -1013, "Invalid price."};
    case SimRefusal::kBadParameterCombination:
      return {400, -1128, "Combination of optional parameters invalid."};
    case SimRefusal::kInstrumentHalted:
    case SimRefusal::kInstrumentCancelOnly:
      return {400, -1013, "Market is closed."};
    case SimRefusal::kAccountCannotTrade:
      return {400, -2010, "This account may not place or cancel orders."};
    case SimRefusal::kWouldTake:
      return {400, -2010, "Order would immediately match and take."};
    case SimRefusal::kInsufficientBalance:
      return {400, -2010, "Account has insufficient balance for requested action."};
    case SimRefusal::kPriceFilter:
      return FilterFailure("PRICE_FILTER");
    case SimRefusal::kLotSize:
      return FilterFailure("LOT_SIZE");
    case SimRefusal::kNotional:
      return FilterFailure("NOTIONAL");
    case SimRefusal::kPercentPriceBySide:
      return FilterFailure("PERCENT_PRICE_BY_SIDE");
    case SimRefusal::kMaxOrderCount:
      return FilterFailure("MAX_NUM_ORDERS");
    case SimRefusal::kVenueFull:
      return {503, -1008,
              "Server is currently overloaded with other requests. Please try again in a few "
              "minutes."};
    case SimRefusal::kUnknownOrder:
    case SimRefusal::kCancelRestriction:
    case SimRefusal::kQuantityNotReduced:
      break;
  }
  return {400, -1013, "Invalid message."};
}

ApiError CancelError(SimRefusal refusal) {
  switch (refusal) {
    case SimRefusal::kUnknownOrder:
      return errors::UnknownOrderOnCancel();
    case SimRefusal::kCancelRestriction:
      return {400, -2011, "Order was not canceled due to cancel restrictions."};
    case SimRefusal::kInstrumentHalted:
      return {400, -2011, "Market is closed."};
    case SimRefusal::kAccountCannotTrade:
      return {400, -2011, "This account may not place or cancel orders."};
    default:
      return PlaceError(refusal);
  }
}

ApiError AmendError(SimRefusal refusal) {
  switch (refusal) {
    case SimRefusal::kUnknownOrder:
      return errors::NoSuchOrder();
    case SimRefusal::kQuantityNotReduced:
      return {400, -2038, "Order amend (quantity increase) is not supported."};
    default:
      return PlaceError(refusal);
  }
}

std::string ToJson(const ApiError& error) {
  std::string out;
  JsonWriter writer(out);
  writer.BeginObject().Field("code", error.code).Field("msg", std::string_view(error.text));
  if (!error.data_json.empty()) writer.Key("data").Raw(error.data_json);
  writer.EndObject();
  return out;
}

}  // namespace holdfast::sim
