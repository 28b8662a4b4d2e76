#include "engine/simple/simple_engine.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {

SimpleEngine::SimpleEngine(const SimpleEngineOptions& options, VenueGateway& gateway,
                           const Clock& clock)
    : SimpleEngine(options, gateway, clock, MakeStore(options.store, clock)) {}

SimpleEngine::SimpleEngine(const SimpleEngineOptions& options, VenueGateway& gateway,
                           const Clock& clock, std::unique_ptr<Store> store)
    : options_(options),
      gateway_(gateway),
      clock_(clock),
      store_failing_(absl::FailedPreconditionError("engine: not sent: the store is failing")),
      store_(std::move(store)) {}

SimpleEngine::~SimpleEngine() {
  const absl::Status closed = Close();
  static_cast<void>(closed);  // whoever wants to know calls Close()
}

absl::StatusOr<RecoveredState> SimpleEngine::Open() {
  HF_ASSERT(queue_ == nullptr);
  HF_RETURN_IF_ERROR(Validate(options_.queue));
  HF_ASSIGN_OR_RETURN(RecoveredState state, store_->Open());
  queue_ = std::make_unique<StoreQueue>(options_.queue, *store_, clock_);
  absl::Status status = queue_->Prepare();
  if (status.ok() && options_.has_store_thread) status = StartStoreThread();
  if (status.ok()) return state;
  store_thread_.reset();
  queue_.reset();
  const absl::Status closed = store_->Close();
  static_cast<void>(closed);  // the first error is the one to report
  return status;
}

absl::Status SimpleEngine::StartStoreThread() {
  const LoopRunnerOptions options = {.thread_name = "holdfast-store",
                                     .idle_policy = IdlePolicy::kBlock,
                                     .max_sleep_ns = options_.queue.retry_max_ns,
                                     .cpu = options_.store_cpu};
  store_thread_ = std::make_unique<LoopRunner>(options, *queue_, queue_->waker());
  return store_thread_->Start();
}

absl::Status SimpleEngine::Start() {
  HF_ASSERT(queue_ != nullptr);
  return gateway_.Start();
}

absl::Status SimpleEngine::Close() {
  if (queue_ == nullptr) return absl::OkStatus();
  gateway_.Stop();
  if (store_thread_ != nullptr) {
    // The thread ends after the write it is in; the rest is stored from here.
    const absl::Status ended = store_thread_->Stop();
    static_cast<void>(ended);  // however it ended, what is queued is stored from here
    store_thread_.reset();
  }
  const uint64_t unstored_count =
      queue_->Drain(clock_.MonotonicNs() + options_.close_limit_ns, options_.has_store_thread);
  const std::string problem = queue_->problem();
  queue_.reset();
  const absl::Status closed = store_->Close();
  if (unstored_count == 0) return closed;
  return absl::UnavailableError(absl::StrCat(
      "engine: closed with records not stored: count=", unstored_count, " reason=", problem));
}

std::optional<OrderNumber> SimpleEngine::NextOrderNumber() {
  HF_ASSERT(queue_ != nullptr);
  return queue_->NextOrderNumber();
}

absl::Status SimpleEngine::Place(const PlaceIntent& intent) {
  HF_ASSERT(queue_->IsHandedOut(intent.number));
  HF_ASSERT(!intent.client_order_id.empty());
  HF_ASSERT(intent.quantity.is_positive());
  if (!is_store_healthy()) return store_failing_;
  return gateway_.Place(PlaceRequest{.instrument = intent.instrument,
                                     .client_order_id = intent.client_order_id,
                                     .side = intent.side,
                                     .price = intent.price,
                                     .quantity = intent.quantity,
                                     .is_post_only = intent.is_post_only,
                                     .decide_time_ns = intent.decide_time_ns});
}

absl::Status SimpleEngine::Cancel(const CancelIntent& intent) {
  return gateway_.Cancel(CancelRequest{.instrument = intent.instrument,
                                       .client_order_id = intent.client_order_id,
                                       .venue_order_id = intent.venue_order_id});
}

absl::Status SimpleEngine::CancelAll(RequestId request_id, InstrumentId instrument) {
  return gateway_.CancelAll(request_id, instrument);
}

absl::Status SimpleEngine::QueryOrder(RequestId request_id, InstrumentId instrument,
                                      const ClientOrderId& client_order_id) {
  return gateway_.QueryOrder(request_id, instrument, client_order_id);
}
absl::Status SimpleEngine::QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                               VenueOrderId venue_order_id) {
  return gateway_.QueryOrderByVenueId(request_id, instrument, venue_order_id);
}
absl::Status SimpleEngine::QueryOpenOrders(RequestId request_id, InstrumentId instrument) {
  return gateway_.QueryOpenOrders(request_id, instrument);
}
absl::Status SimpleEngine::QueryFills(RequestId request_id, InstrumentId instrument,
                                      VenueTradeId after, int64_t since_venue_time_ns) {
  return gateway_.QueryFills(request_id, instrument, after, since_venue_time_ns);
}
absl::Status SimpleEngine::QueryBalances(RequestId request_id) {
  return gateway_.QueryBalances(request_id);
}
absl::Status SimpleEngine::QueryAccount(RequestId request_id) {
  return gateway_.QueryAccount(request_id);
}
absl::Status SimpleEngine::QueryInstrument(RequestId request_id, InstrumentId instrument) {
  return gateway_.QueryInstrument(request_id, instrument);
}
absl::Status SimpleEngine::QueryServerTime(RequestId request_id) {
  return gateway_.QueryServerTime(request_id);
}

int SimpleEngine::Poll(VenueEventSink& sink, int max_events) {
  HF_ASSERT(queue_ != nullptr);
  if (options_.has_store_thread) {
    queue_->Flush();
  } else {
    queue_->RunOnce();
  }
  return gateway_.Poll(sink, max_events);
}

GatewayCapabilities SimpleEngine::capabilities() const { return gateway_.capabilities(); }
RateBudget SimpleEngine::rate_budget() const { return gateway_.rate_budget(); }
bool SimpleEngine::is_order_entry_up() const { return gateway_.is_order_entry_up(); }
bool SimpleEngine::is_private_stream_up() const { return gateway_.is_private_stream_up(); }

// What is asserted here is checked again by the store: a broken record must stop the program where
// it was made.
bool SimpleEngine::Record(const OrderRecord& record) {
  HF_ASSERT(record.order.number.value() != 0);
  HF_ASSERT(record.order.filled <= record.order.quantity);
  return queue_->Push(record);
}
bool SimpleEngine::Record(const FillRecord& record) {
  HF_ASSERT(record.fill.trade_id.value() != 0);
  HF_ASSERT(record.transaction.IsBalanced());
  return queue_->Push(record);
}
bool SimpleEngine::Record(const SlotRecord& record) { return queue_->Push(record); }
bool SimpleEngine::Record(const MemoryRecord& record) { return queue_->Push(record); }
bool SimpleEngine::Record(const LedgerRecord& record) {
  HF_ASSERT(record.transaction.IsBalanced());
  return queue_->Push(record);
}
bool SimpleEngine::Record(const RiskRecord& record) { return queue_->Push(record); }
bool SimpleEngine::RecordProvenStop() { return queue_->Push(StopRecord()); }

bool SimpleEngine::is_store_healthy() const {
  if (queue_ == nullptr || !queue_->is_healthy() || !queue_->IsKeepingUp()) return false;
  return store_thread_ == nullptr || store_thread_->is_running();
}

std::string SimpleEngine::store_problem() const {
  if (queue_ == nullptr) return "engine: the store is not open";
  if (store_thread_ != nullptr && !store_thread_->is_running()) {
    return absl::StrCat("engine: the store's thread has ended: ",
                        store_thread_->status().message());
  }
  std::string problem = queue_->problem();
  if (problem.empty() && !queue_->IsKeepingUp()) problem = "engine: the store does not keep up";
  return problem;
}

StoreQueueStats SimpleEngine::store_stats() const {
  return queue_ != nullptr ? queue_->stats() : StoreQueueStats{};
}

}  // namespace holdfast
