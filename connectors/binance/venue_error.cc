#include "connectors/binance/venue_error.h"

#include "engine/base/assert.h"

namespace holdfast {
namespace {

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// -2010 NEW_ORDER_REJECTED covers everything the matching engine may say.
RejectReason ClassifyRejectedOrder(std::string_view text) {
  if (Contains(text, "immediately match")) return RejectReason::kWouldTake;
  if (Contains(text, "Duplicate order")) return RejectReason::kDuplicateId;
  if (Contains(text, "insufficient balance")) return RejectReason::kInsufficientBalance;
  if (Contains(text, "too many")) return RejectReason::kTooManyOrders;
  if (Contains(text, "Filter failure")) return RejectReason::kFilter;
  if (Contains(text, "Market is closed") || Contains(text, "not permitted") ||
      Contains(text, "not supported for this symbol") || Contains(text, "disabled")) {
    return RejectReason::kNotTrading;
  }
  return RejectReason::kOther;
}

RejectReason ClassifyInvalidMessage(std::string_view text) {
  if (Contains(text, "MAX_NUM_")) return RejectReason::kTooManyOrders;
  if (Contains(text, "Market is closed")) return RejectReason::kNotTrading;
  return RejectReason::kFilter;
}

}  // namespace

bool IsAmbiguous(const BinanceError& error) {
  switch (error.code) {
    case -1000:  // unknown error while processing
    case -1001:  // internal error, disconnected
    case -1006:  // unexpected answer from the back end
    case -1007:  // time-out waiting for the back end
      return true;
    default:
      break;
  }
  if (error.status == 408) return true;  // a proxy gave up waiting
  return error.status < 400 || error.status >= 500;
}

bool IsAuthenticationFailure(const BinanceError& error) {
  switch (error.code) {
    case -1002:  // not authorized
    case -1022:  // signature
    case -2014:  // key format
    case -2015:  // key, address or permission
      return true;
    default:
      return error.code == 0 && error.status == 401;
  }
}

RejectReason ClassifyPlaceError(const BinanceError& error) {
  HF_ASSERT(!IsAmbiguous(error));
  if (IsAuthenticationFailure(error)) return RejectReason::kAuthentication;
  if (error.status == 429 || error.status == 418) return RejectReason::kRateLimit;
  switch (error.code) {
    case kBinanceTooManyRequests:
    case kBinanceTooManyOrders:
    case -1008:  // overloaded, not taken
    case -1034:  // too many connections
      return RejectReason::kRateLimit;
    case kBinanceClockSkew:
      return RejectReason::kClockSkew;
    case -1013:
      return ClassifyInvalidMessage(error.text);
    case -1111:  // more digits than the asset has
      return RejectReason::kFilter;
    case -1121:  // invalid symbol
      return RejectReason::kNotTrading;
    case -2010:
      return ClassifyRejectedOrder(error.text);
    default:
      return RejectReason::kOther;
  }
}

CancelRejectReason ClassifyCancelError(const BinanceError& error) {
  HF_ASSERT(!IsAmbiguous(error));
  if (error.status == 429 || error.status == 418) return CancelRejectReason::kRateLimit;
  switch (error.code) {
    case kBinanceCancelRejected:
      // "Unknown order sent." is the common one; the code also covers "Order was not canceled due
      // to cancel restrictions.", after which the order still rests.
      return Contains(error.text, "restrictions") ? CancelRejectReason::kOther
                                                  : CancelRejectReason::kUnknownOrder;
    case kBinanceNoSuchOrder:
      return CancelRejectReason::kUnknownOrder;
    case kBinanceTooManyRequests:
    case kBinanceTooManyOrders:
    case -1008:
    case -1034:
      return CancelRejectReason::kRateLimit;
    default:
      return CancelRejectReason::kOther;
  }
}

}  // namespace holdfast
