#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <variant>

#include "engine/base/decimal.h"
#include "engine/base/inline_string.h"
#include "engine/market/fill.h"
#include "engine/market/ids.h"
#include "engine/market/instrument.h"
#include "engine/market/order_state.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

// What a venue told us about our account, as plain values. All are trivially copyable: they cross
// threads through rings. Text of foreign origin is truncated.

using VenueText = InlineString<96>;

// --- answers to order requests ---------------------------------------------------------------

// The venue accepted the order; it may rest or may already have filled (fills come separately).
struct OrderAccepted {
  ClientOrderId client_order_id;
  VenueOrderId venue_order_id;
  int64_t venue_time_ns = 0;
  int64_t receive_time_ns = 0;
};

enum class RejectReason : uint8_t {
  kWouldTake,    // post-only would have matched
  kDuplicateId,  // an open order with this client id exists: the first copy arrived
  kInsufficientBalance,
  kFilter,     // tick, lot, range, notional, price band
  kRateLimit,  // order count or weight
  kTooManyOrders,
  kClockSkew,  // outside recvWindow: definite, the venue did not take it
  kAuthentication,
  kNotTrading,
  kNotSent,  // our own connector refused before the wire: not connected, budget, queue full
  kOther,
};
std::string_view ToText(RejectReason reason);

// Definite: the order does not exist.
struct OrderRejected {
  ClientOrderId client_order_id;
  RejectReason reason = RejectReason::kOther;
  int32_t venue_code = 0;
  VenueText text;
  int64_t receive_time_ns = 0;
};

enum class AmbiguityCause : uint8_t { kTimeout, kDisconnected, kServerError, kUnreadableAnswer };
std::string_view ToText(AmbiguityCause cause);

// The request left (or may have left) and its answer is missing or means nothing. The order is
// UNKNOWN. After `submit_expiry_ns` on the venue's clock the venue refuses the request if it is
// still on its way, so "absent" read later than that (plus the venue's visibility lag) is final.
struct OrderAmbiguous {
  ClientOrderId client_order_id;
  AmbiguityCause cause = AmbiguityCause::kTimeout;
  int64_t submit_expiry_ns = 0;
  int64_t receive_time_ns = 0;
};

enum class CancelRejectReason : uint8_t {
  kUnknownOrder,  // not open: filled, canceled, or never seen; success only once the fills are
                  // known
  kRateLimit,
  kNotSent,
  kAmbiguous,  // no or no usable answer: ask for the order
  kOther,
};
std::string_view ToText(CancelRejectReason reason);

struct CancelRejected {
  ClientOrderId client_order_id;  // of the order
  CancelRejectReason reason = CancelRejectReason::kOther;
  int32_t venue_code = 0;
  VenueText text;
  int64_t receive_time_ns = 0;
};

// --- state of an order, from the private stream or from a query --------------------------------

enum class EvidenceSource : uint8_t {
  kStream,
  kOrderQuery,
  kOpenOrdersQuery,
  kTradesQuery,
  kReply
};
std::string_view ToText(EvidenceSource source);

enum class VenueOrderStatus : uint8_t {
  kNew,
  kPartiallyFilled,
  kFilled,
  kCanceled,
  kRejected,
  kExpired
};
std::string_view ToText(VenueOrderStatus status);

struct OrderReport {
  RequestId request_id;  // 0 when it came by stream
  EvidenceSource source = EvidenceSource::kStream;
  ClientOrderId client_order_id;  // the order's own id, also on a cancel
  VenueOrderId venue_order_id;
  InstrumentId instrument;
  Side side = Side::kBuy;
  VenueOrderStatus status = VenueOrderStatus::kNew;
  Price price;
  Quantity quantity;
  Quantity filled;  // cumulative, as the venue says
  int64_t venue_time_ns = 0;
  int64_t receive_time_ns = 0;
};

struct FillReport {
  RequestId request_id;  // 0 when it came by stream
  EvidenceSource source = EvidenceSource::kStream;
  Fill fill;
};

// The venue answers that it knows no such order (QueryOrder).
struct OrderAbsent {
  RequestId request_id;
  ClientOrderId client_order_id;
  int64_t venue_time_ns = 0;  // venue's clock when it answered; compare with submit_expiry_ns
  int64_t receive_time_ns = 0;
};

// --- account and venue ---------------------------------------------------------------------------

struct BalanceReport {
  RequestId request_id;  // 0 when it came by stream
  AssetCode asset;
  Decimal free;
  Decimal locked;
  int64_t venue_time_ns = 0;
};

struct AccountReport {
  RequestId request_id;
  bool can_trade = false;
  Decimal maker_fee_rate;  // signed: negative = rebate
  Decimal taker_fee_rate;
};

// Answer to QueryInstrument, and pushed when the venue's filters changed while running.
struct InstrumentReport {
  RequestId request_id;
  Instrument instrument;
};

struct ServerTimeReport {
  RequestId request_id;
  int64_t offset_ns = 0;  // venue clock minus our wall clock
  int64_t round_trip_ns = 0;
};

enum class QueryKind : uint8_t {
  kOrder,
  kOpenOrders,
  kFills,
  kBalances,
  kAccount,
  kInstrument,
  kServerTime,
  kCancelAll
};
std::string_view ToText(QueryKind kind);

// Ends a query: all its rows have been delivered (`is_ok`), or it failed and the rows seen so far
// prove nothing. For kCancelAll: is_ok = the venue confirmed (nothing open counts as confirmed).
struct QueryDone {
  RequestId request_id;
  QueryKind kind = QueryKind::kOrder;
  bool is_ok = false;
  int32_t row_count = 0;
  int32_t venue_code = 0;
  VenueText text;
  int64_t receive_time_ns = 0;
};

enum class Channel : uint8_t { kPrivateStream, kOrderEntry };

// Up means: connected, authenticated and (private stream) subscribed. Down on the private stream
// means events may have been missed: reconcile before quoting.
struct ConnectionChange {
  Channel channel = Channel::kPrivateStream;
  bool is_up = false;
  VenueText text;
  int64_t receive_time_ns = 0;
};

// Wrong key, wrong signature, missing permission: retrying cannot help and would get the address
// banned. The connector stops trying; the process is expected to stop with this message.
struct FatalVenueError {
  int32_t venue_code = 0;
  VenueText text;
};

using VenueEvent =
    std::variant<OrderAccepted, OrderRejected, OrderAmbiguous, CancelRejected, OrderReport,
                 FillReport, OrderAbsent, BalanceReport, AccountReport, InstrumentReport,
                 ServerTimeReport, QueryDone, ConnectionChange, FatalVenueError>;
static_assert(std::is_trivially_copyable_v<VenueEvent>);

}  // namespace holdfast
