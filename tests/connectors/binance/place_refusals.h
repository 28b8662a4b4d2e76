#pragma once

#include "connectors/api/venue_event.h"

namespace holdfast::testing {

// What the venue says when it refuses a placement, and what that means to us.
struct PlaceRefusal {
  int status;
  int code;
  const char* text;
  RejectReason reason;
};
inline constexpr PlaceRefusal kPlaceRefusals[] = {
    {400, -2010, "Order would immediately match and take.", RejectReason::kWouldTake},
    {400, -2010, "Duplicate order sent.", RejectReason::kDuplicateId},
    {400, -2010, "Account has insufficient balance for requested action.",
     RejectReason::kInsufficientBalance},
    {400, -2010, "Market is closed.", RejectReason::kNotTrading},
    {400, -2010, "This action is disabled on this account.", RejectReason::kNotTrading},
    {400, -2010, "This symbol is not permitted for this account.", RejectReason::kNotTrading},
    {400, -2010, "Filter failure: PRICE_FILTER", RejectReason::kFilter},
    {400, -2010, "Something new.", RejectReason::kOther},
    {400, -1013, "Filter failure: LOT_SIZE", RejectReason::kFilter},
    {400, -1013, "Filter failure: NOTIONAL", RejectReason::kFilter},
    {400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE", RejectReason::kFilter},
    {400, -1013, "Filter failure: MAX_NUM_ORDERS", RejectReason::kTooManyOrders},
    {400, -1013, "Filter failure: MAX_NUM_ORDERS_EXCHANGE", RejectReason::kTooManyOrders},
    {400, -1013, "Invalid quantity.", RejectReason::kFilter},
    {400, -1111, "Parameter 'price' has too much precision.", RejectReason::kFilter},
    {400, -1121, "Invalid symbol.", RejectReason::kNotTrading},
    {400, -1021, "Timestamp for this request is outside of the recvWindow.",
     RejectReason::kClockSkew},
    {400, -1022, "Signature for this request is not valid.", RejectReason::kAuthentication},
    {401, -2014, "API-key format invalid.", RejectReason::kAuthentication},
    {401, -2015, "Invalid API-key, IP, or permissions for action.", RejectReason::kAuthentication},
    {429, -1015, "Too many new orders.", RejectReason::kRateLimit},
    {429, -1003, "Too much request weight used.", RejectReason::kRateLimit},
    {418, -1003, "Way too much request weight used; IP banned.", RejectReason::kRateLimit},
    {418, 0, "", RejectReason::kRateLimit},
    {400, -1008, "Too many requests queued.", RejectReason::kRateLimit},
    {403, 0, "<html>", RejectReason::kOther},
    {400, -1100, "Illegal characters found in parameter.", RejectReason::kOther},
    {400, -1102, "Mandatory parameter 'price' was not sent.", RejectReason::kOther},
};

}  // namespace holdfast::testing
