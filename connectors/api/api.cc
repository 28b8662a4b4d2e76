#include "connectors/api/market_feed.h"
#include "connectors/api/venue_event.h"
#include "connectors/api/venue_gateway.h"

namespace holdfast {

MarketSink::~MarketSink() = default;
MarketFeed::~MarketFeed() = default;
VenueEventSink::~VenueEventSink() = default;
VenueGateway::~VenueGateway() = default;
absl::Status VenueGateway::QueryOrderByVenueId(RequestId, InstrumentId, VenueOrderId) {
  return absl::UnimplementedError("no query by the venue's order id");
}

std::string_view ToText(RejectReason reason) {
  switch (reason) {
    case RejectReason::kWouldTake:
      return "would_take";
    case RejectReason::kDuplicateId:
      return "duplicate_id";
    case RejectReason::kInsufficientBalance:
      return "insufficient_balance";
    case RejectReason::kFilter:
      return "filter";
    case RejectReason::kRateLimit:
      return "rate_limit";
    case RejectReason::kTooManyOrders:
      return "too_many_orders";
    case RejectReason::kClockSkew:
      return "clock_skew";
    case RejectReason::kAuthentication:
      return "authentication";
    case RejectReason::kNotTrading:
      return "not_trading";
    case RejectReason::kNotSent:
      return "not_sent";
    case RejectReason::kOther:
      return "other";
  }
  return "invalid";
}

std::string_view ToText(AmbiguityCause cause) {
  switch (cause) {
    case AmbiguityCause::kTimeout:
      return "timeout";
    case AmbiguityCause::kDisconnected:
      return "disconnected";
    case AmbiguityCause::kServerError:
      return "server_error";
    case AmbiguityCause::kUnreadableAnswer:
      return "unreadable_answer";
  }
  return "invalid";
}

std::string_view ToText(CancelRejectReason reason) {
  switch (reason) {
    case CancelRejectReason::kUnknownOrder:
      return "unknown_order";
    case CancelRejectReason::kRateLimit:
      return "rate_limit";
    case CancelRejectReason::kNotSent:
      return "not_sent";
    case CancelRejectReason::kAmbiguous:
      return "ambiguous";
    case CancelRejectReason::kOther:
      return "other";
  }
  return "invalid";
}

std::string_view ToText(EvidenceSource source) {
  switch (source) {
    case EvidenceSource::kStream:
      return "stream";
    case EvidenceSource::kOrderQuery:
      return "order_query";
    case EvidenceSource::kOpenOrdersQuery:
      return "open_orders_query";
    case EvidenceSource::kTradesQuery:
      return "trades_query";
    case EvidenceSource::kReply:
      return "reply";
  }
  return "invalid";
}

std::string_view ToText(VenueOrderStatus status) {
  switch (status) {
    case VenueOrderStatus::kNew:
      return "new";
    case VenueOrderStatus::kPartiallyFilled:
      return "partially_filled";
    case VenueOrderStatus::kFilled:
      return "filled";
    case VenueOrderStatus::kCanceled:
      return "canceled";
    case VenueOrderStatus::kRejected:
      return "rejected";
    case VenueOrderStatus::kExpired:
      return "expired";
  }
  return "invalid";
}

std::string_view ToText(QueryKind kind) {
  switch (kind) {
    case QueryKind::kOrder:
      return "order";
    case QueryKind::kOpenOrders:
      return "open_orders";
    case QueryKind::kFills:
      return "fills";
    case QueryKind::kBalances:
      return "balances";
    case QueryKind::kAccount:
      return "account";
    case QueryKind::kInstrument:
      return "instrument";
    case QueryKind::kServerTime:
      return "server_time";
    case QueryKind::kCancelAll:
      return "cancel_all";
  }
  return "invalid";
}

std::string_view ToText(QueryWait wait) {
  switch (wait) {
    case QueryWait::kNone:
      return "none";
    case QueryWait::kRequestWeight:
      return "request_weight";
    case QueryWait::kRequestCount:
      return "request_count";
    case QueryWait::kVenueBlock:
      return "venue_block";
  }
  return "invalid";
}

}  // namespace holdfast
