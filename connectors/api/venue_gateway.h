#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "connectors/api/venue_event.h"
#include "engine/market/ids.h"
#include "engine/market/order.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

struct PlaceRequest {
  InstrumentId instrument;
  ClientOrderId client_order_id;
  Side side = Side::kBuy;
  Price price;
  Quantity quantity;
  bool is_post_only = true;
  TimeInForce time_in_force = TimeInForce::kGoodTillCancel;  // ignored when post-only
  bool is_market = false;                                    // hard exit only; price is ignored
  // Carried for latency accounting: when the decision behind this request was made.
  int64_t decide_time_ns = 0;
};

struct CancelRequest {
  InstrumentId instrument;
  ClientOrderId client_order_id;
  VenueOrderId venue_order_id;  // 0 = cancel by client id
};

// Reduces the open quantity and keeps the queue position, where the venue can.
struct AmendRequest {
  InstrumentId instrument;
  ClientOrderId client_order_id;
  VenueOrderId venue_order_id;
  Quantity new_quantity;  // total, smaller than now
};

struct GatewayCapabilities {
  bool has_amend_keep_priority = false;
  bool has_dead_man_switch = false;
  // After a submission's expiry, how long until "absent" from a query is final.
  int64_t visibility_lag_ns = 0;
  // How long after sending the venue may still accept a submission.
  int64_t submit_window_ns = 0;
};

// What queries wait for before they may be sent.
enum class QueryWait : uint8_t {
  kNone,
  kRequestWeight,  // the venue's budget of request weight
  kRequestCount,   // its budget of requests, whatever their weight
  kVenueBlock,     // the venue told us to send nothing (429, 418)
};
std::string_view ToText(QueryWait wait);

// What is left of the venue's rate budgets, as the connector counts it; cancels have a reserve of
// their own. Relaxed snapshot, any thread.
struct RateBudget {
  int64_t request_weight_used = 0;
  int64_t request_weight_limit = 0;
  int64_t order_count_used = 0;  // in the shorter of the venue's windows
  int64_t order_count_limit = 0;
  bool is_placement_allowed = true;  // false: only cancels (from the reserve) and queries go out
  // Placements that may still go out, beyond those that were sent. What was handed over and is not
  // answered may not be counted yet: whoever places takes it off.
  int64_t placement_room = INT64_MAX;
  // Why the oldest query waits, used and limit of that budget (zero: a block), and until when on
  // our wall clock. Then it is looked at again; earlier when the venue's count allows it.
  QueryWait query_wait = QueryWait::kNone;
  int64_t query_wait_used = 0;
  int64_t query_wait_limit = 0;
  int64_t query_wait_until_ns = 0;
};

class VenueEventSink {
 public:
  virtual ~VenueEventSink();
  virtual void OnVenueEvent(const VenueEvent& event) = 0;
};

// Private side of one venue for one account: orders, fills, balances.
//
// Threads: everything here is called by one thread (the engine loop); network threads are the
// implementation's own. No call blocks or allocates; each hands a request to the implementation and
// its outcome arrives through Poll(), in the venue's order within one channel.
//
// Errors: kResourceExhausted = the outgoing queue is full, nothing was sent: try in a later turn.
// kUnavailable = not connected (order entry down and no fallback), nothing was sent. Anything that
// was handed over gets exactly one definite or ambiguous answer: an OrderAccepted, OrderRejected or
// OrderAmbiguous per Place(); an OrderReport (canceled) or CancelRejected per Cancel(); a QueryDone
// per query. An ambiguous answer is never reported as a failure.
class VenueGateway {
 public:
  virtual ~VenueGateway();

  // Begins to connect and returns at once; ConnectionChange events tell the progress. Keeps trying
  // with back-off and jitter; stops trying after a FatalVenueError.
  virtual absl::Status Start() = 0;
  // Closes connections. Requests in flight are answered as ambiguous.
  virtual void Stop() = 0;

  virtual GatewayCapabilities capabilities() const = 0;
  virtual RateBudget rate_budget() const = 0;
  virtual bool is_order_entry_up() const = 0;
  virtual bool is_private_stream_up() const = 0;

  virtual absl::Status Place(const PlaceRequest& request) = 0;
  virtual absl::Status Cancel(const CancelRequest& request) = 0;
  // kUnimplemented where the venue has none.
  virtual absl::Status Amend(const AmendRequest& request) = 0;
  // Confirmed (QueryDone, ok) only when no placement handed over before can come to rest any more:
  // each has been answered, or has expired unanswered, and all that rested was canceled after that.
  // Until then placements of the instrument may be refused (kNotSent) or canceled as well.
  virtual absl::Status CancelAll(RequestId request_id, InstrumentId instrument) = 0;

  // Rows, then QueryDone. Order: OrderReport or OrderAbsent. Open orders: one OrderReport each.
  virtual absl::Status QueryOrder(RequestId request_id, InstrumentId instrument,
                                  const ClientOrderId& client_order_id) = 0;
  // The same by the venue's id; the row carries the order's client id. No row and an end that is
  // ok: the venue knows no such order. kUnimplemented where the connector cannot ask so.
  virtual absl::Status QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                           VenueOrderId venue_order_id);
  virtual absl::Status QueryOpenOrders(RequestId request_id, InstrumentId instrument) = 0;
  // All our fills with trade id > `after`, oldest first, over as many pages as it takes. With
  // `after` = 0: those since `since_venue_time_ns`. One FillReport each.
  virtual absl::Status QueryFills(RequestId request_id, InstrumentId instrument, VenueTradeId after,
                                  int64_t since_venue_time_ns) = 0;
  // One BalanceReport each. The base and quote assets of our instruments are always among them,
  // with zeros when the account holds none; other assets may be left out when they are zero.
  virtual absl::Status QueryBalances(RequestId request_id) = 0;
  virtual absl::Status QueryAccount(RequestId request_id) = 0;
  virtual absl::Status QueryInstrument(RequestId request_id, InstrumentId instrument) = 0;
  virtual absl::Status QueryServerTime(RequestId request_id) = 0;

  // Delivers at most `max_events`; returns how many. Never blocks, never allocates.
  virtual int Poll(VenueEventSink& sink, int max_events) = 0;
};

}  // namespace holdfast
