#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/api/venue_gateway.h"
#include "engine/market/ledger.h"
#include "engine/market/order.h"
#include "engine/market/position.h"
#include "strategy/slot.h"
#include "strategy/strategy.h"

namespace holdfast {

// What the loop decided and an engine carries out.
struct PlaceIntent {
  OrderNumber number;
  ClientOrderId client_order_id;
  InstrumentId instrument;
  Side side = Side::kBuy;
  Price price;
  Quantity quantity;
  bool is_post_only = true;
  SlotKey slot_key;
  int64_t decide_time_ns = 0;
};

struct CancelIntent {
  OrderNumber number;
  ClientOrderId client_order_id;
  VenueOrderId venue_order_id;
  InstrumentId instrument;
};

// Changes of state that must survive a restart. One record is one atomic change: it is stored whole
// or not at all. Records are stored in the order given.
struct OrderRecord {
  Order order;  // the whole order after the change; keyed by number
};

// A fill with everything it moved.
struct FillRecord {
  Fill fill;
  std::optional<Order> order;  // after the fill; nullopt for a fill of an order that is not ours
  std::optional<Slot> slot;    // after the fill
  SlotRest slot_rest = {};     // after the fill
  LedgerTransaction transaction;
  InstrumentId instrument;
  Position position;  // after the fill
};

struct SlotRecord {
  InstrumentId instrument;
  Slot slot;
  SlotRest slot_rest = {};  // after the change
};

struct MemoryRecord {
  InstrumentId instrument;
  StrategyMemory memory;
};

struct LedgerRecord {
  LedgerTransaction transaction;  // opening balance, transfer, adjustment
};

// Gates and breakers that must outlive a crash loop (law 8 of risk: limits are durable).
struct RiskRecord {
  bool is_risk_mode_active = false;
  bool is_paused = false;
  bool is_killed = false;  // only an operator clears it
  int64_t since_ns = 0;
  // Venue breaker: no placements before this wall time; 0 = closed.
  int64_t breaker_open_until_ns = 0;
  InlineString<64> reason;
};

// The tick size changed between two runs, and with it the lines of slots, which are prices. Stored
// ones are converted; the client order ids of older orders still carry the old ones.
struct SlotLineChange {
  OrderNumber first_number;  // ids from here on carry lines in the new tick
  Decimal old_tick_size;
  Decimal new_tick_size;
  friend bool operator==(const SlotLineChange&, const SlotLineChange&) = default;
};

// What was stored when the last run ended, however it ended.
struct RecoveredState {
  std::vector<Order> open_orders;  // not final when last recorded
  std::vector<Slot> slots;         // not free
  SlotRest slot_rest;
  StrategyMemory memory;
  Position position;
  Ledger ledger;
  VenueTradeId last_trade_id;  // newest booked fill; 0 = none yet
  // Trade ids booked last, for deduplication of what the venue repeats: the newest 1,000 or more,
  // or all there are.
  std::vector<VenueTradeId> recent_trade_ids;
  RiskRecord risk;
  bool is_first_run = true;
  int64_t stored_time_ns = 0;  // our wall clock of the newest record
  // The last run ended with RecordProvenStop() and no order number was given out since: nothing is
  // on its way to the venue. Without it an order that no record tells of may still arrive there.
  bool is_stop_proven = false;
  std::optional<SlotLineChange> line_change;  // since an earlier run
};

// Carries out intents and keeps state: SimpleEngine sends at once and stores beside, DurableEngine
// commits first. The quoting loop is the same object code over both (X1).
//
// Threads: all calls come from the loop's thread. Nothing blocks except Open() and Close(); nothing
// allocates after Open().
class Engine {
 public:
  virtual ~Engine();

  // Opens the store, takes the exclusive right to this account and loads what is known. Blocks.
  // Errors: kFailedPrecondition = another process owns the account or store; kDataLoss = the store
  // is damaged; kInvalidArgument = it belongs to another account or a newer version.
  virtual absl::StatusOr<RecoveredState> Open() = 0;
  // Starts the venue's gateway; events arrive through Poll().
  virtual absl::Status Start() = 0;
  // Stores everything still queued, closes connections, gives up the right to the account.
  virtual absl::Status Close() = 0;

  // A number never handed out before and never again, crash or not; nullopt while the next block of
  // numbers is not reserved yet (then do not place).
  virtual std::optional<OrderNumber> NextOrderNumber() = 0;

  // The outcome arrives through Poll() as OrderAccepted, OrderRejected or OrderAmbiguous. Errors:
  // kResourceExhausted, kUnavailable, kFailedPrecondition (a gate closed): not sent, nothing
  // recorded.
  virtual absl::Status Place(const PlaceIntent& intent) = 0;
  virtual absl::Status Cancel(const CancelIntent& intent) = 0;
  virtual absl::Status CancelAll(RequestId request_id, InstrumentId instrument) = 0;

  // Queries of the venue; same answers as VenueGateway's.
  virtual absl::Status QueryOrder(RequestId request_id, InstrumentId instrument,
                                  const ClientOrderId& client_order_id) = 0;
  virtual absl::Status QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                           VenueOrderId venue_order_id);
  virtual absl::Status QueryOpenOrders(RequestId request_id, InstrumentId instrument) = 0;
  virtual absl::Status QueryFills(RequestId request_id, InstrumentId instrument, VenueTradeId after,
                                  int64_t since_venue_time_ns) = 0;
  virtual absl::Status QueryBalances(RequestId request_id) = 0;
  virtual absl::Status QueryAccount(RequestId request_id) = 0;
  virtual absl::Status QueryInstrument(RequestId request_id, InstrumentId instrument) = 0;
  virtual absl::Status QueryServerTime(RequestId request_id) = 0;

  virtual int Poll(VenueEventSink& sink, int max_events) = 0;

  virtual GatewayCapabilities capabilities() const = 0;
  virtual RateBudget rate_budget() const = 0;
  virtual bool is_order_entry_up() const = 0;
  virtual bool is_private_stream_up() const = 0;

  // Records. False = the record queue is full: nothing was taken; the loop must keep the change,
  // stop placing and try again. Order events are never dropped.
  [[nodiscard]] virtual bool Record(const OrderRecord& record) = 0;
  [[nodiscard]] virtual bool Record(const FillRecord& record) = 0;
  [[nodiscard]] virtual bool Record(const SlotRecord& record) = 0;
  [[nodiscard]] virtual bool Record(const MemoryRecord& record) = 0;
  [[nodiscard]] virtual bool Record(const LedgerRecord& record) = 0;
  [[nodiscard]] virtual bool Record(const RiskRecord& record) = 0;
  // The last record of a run: it is proven that nothing of ours rests at the venue or is on its way
  // there. The next run then has nothing to wait for. An engine that keeps no such record answers
  // true, and the next run waits.
  [[nodiscard]] virtual bool RecordProvenStop();

  // False while the store can't take records (disk full, database gone): no new orders, cancels go
  // on.
  virtual bool is_store_healthy() const = 0;
  // Why not, for the operator; empty when healthy.
  virtual std::string store_problem() const = 0;
};

}  // namespace holdfast
