#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "connectors/api/venue_gateway.h"
#include "engine/base/clock.h"
#include "engine/quoting/engine.h"
#include "engine/simple/loop_runner.h"
#include "engine/simple/store.h"
#include "engine/simple/store_queue.h"

namespace holdfast {

struct SimpleEngineOptions {
  StoreOptions store;
  StoreQueueOptions queue;
  // False: no thread; Poll() does the store's work, so that a simulation with a ManualClock runs on
  // one thread and repeats exactly.
  bool has_store_thread = true;
  std::optional<int> store_cpu = std::nullopt;  // pins the store's thread
  // Close() tries this long to store what is queued.
  int64_t close_limit_ns = 5 * kNanosPerSecond;
};

// The engine without workflows: intents go to the venue at once, what changed is stored beside by a
// thread of its own. For trading with one process and no database server, and for backtests.
//
// What holds after a crash at any instant (docs/store_format.md):
//   - A client order id is never used twice: its number lies in a block that was committed before
//     the first number of it was handed out.
//   - The store holds a prefix of the records, each whole. What came after it (at most what was
//     queued) is found again by asking the venue: open orders by the account's tag, their slot by
//     the client order id, fills by their trade id.
//   - A run that did not stop with proof is known as such, so that the next one waits for what may
//     still be on its way: the mark of a proven stop is off the disk before the first order is
//     sent.
//
// While the store fails, Place() refuses (the last gate before the wire), Cancel() goes on, records
// gather in the queue. It heals by itself.
//
// Threads: the loop's, and one for the store ("holdfast-store") between Open() and Close(). Calls
// come from the loop's thread; is_store_healthy(), store_problem() and store_stats() from any.
class SimpleEngine final : public Engine {
 public:
  // `gateway` and `clock` must outlive the engine. `clock` must be thread-safe when there is a
  // store thread.
  SimpleEngine(const SimpleEngineOptions& options, VenueGateway& gateway, const Clock& clock);
  // With a store of the caller's; options.store is not used.
  SimpleEngine(const SimpleEngineOptions& options, VenueGateway& gateway, const Clock& clock,
               std::unique_ptr<Store> store);
  ~SimpleEngine() override;  // closes

  // Also kUnavailable or kResourceExhausted: the disk cannot be read or written.
  absl::StatusOr<RecoveredState> Open() override;
  absl::Status Start() override;
  // kUnavailable: some records could not be stored within close_limit_ns; the message says how many
  // and why. The next run recovers them from the venue, as after a crash.
  absl::Status Close() override;

  std::optional<OrderNumber> NextOrderNumber() override;

  // REQUIRES: intent.number came from NextOrderNumber() of this run.
  absl::Status Place(const PlaceIntent& intent) override;
  absl::Status Cancel(const CancelIntent& intent) override;
  absl::Status CancelAll(RequestId request_id, InstrumentId instrument) override;

  absl::Status QueryOrder(RequestId request_id, InstrumentId instrument,
                          const ClientOrderId& client_order_id) override;
  absl::Status QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                   VenueOrderId venue_order_id) override;
  absl::Status QueryOpenOrders(RequestId request_id, InstrumentId instrument) override;
  absl::Status QueryFills(RequestId request_id, InstrumentId instrument, VenueTradeId after,
                          int64_t since_venue_time_ns) override;
  absl::Status QueryBalances(RequestId request_id) override;
  absl::Status QueryAccount(RequestId request_id) override;
  absl::Status QueryInstrument(RequestId request_id, InstrumentId instrument) override;
  absl::Status QueryServerTime(RequestId request_id) override;

  // Also wakes the store's thread for what was recorded in the turn before: one wake-up per turn,
  // after that turn's orders are on the wire.
  int Poll(VenueEventSink& sink, int max_events) override;

  GatewayCapabilities capabilities() const override;
  RateBudget rate_budget() const override;
  bool is_order_entry_up() const override;
  bool is_private_stream_up() const override;

  [[nodiscard]] bool Record(const OrderRecord& record) override;
  [[nodiscard]] bool Record(const FillRecord& record) override;
  [[nodiscard]] bool Record(const SlotRecord& record) override;
  [[nodiscard]] bool Record(const MemoryRecord& record) override;
  [[nodiscard]] bool Record(const LedgerRecord& record) override;
  [[nodiscard]] bool Record(const RiskRecord& record) override;
  [[nodiscard]] bool RecordProvenStop() override;

  bool is_store_healthy() const override;
  std::string store_problem() const override;
  StoreQueueStats store_stats() const;

 private:
  absl::Status StartStoreThread();

  const SimpleEngineOptions options_;
  VenueGateway& gateway_;
  const Clock& clock_;
  const absl::Status store_failing_;  // made once: an error text would be an allocation
  std::unique_ptr<Store> store_;
  std::unique_ptr<StoreQueue> queue_;         // while open
  std::unique_ptr<LoopRunner> store_thread_;  // while open, unless single-threaded
};

}  // namespace holdfast
