// Proves what SimpleEngine promises the loop: numbers only from committed blocks, records in order
// and whole, a full queue that takes nothing, a failing store that stops placing but not canceling
// and heals, a close that stores what is queued or says what it could not. How: one thread, a
// ManualClock, a gateway and a store that do as they are told.
#include "engine/simple/simple_engine.h"

#include <catch2/catch.hpp>

#include "engine/simple/memory_store.h"
#include "tests/engine/simple/fake_gateway.h"
#include "tests/engine/simple/scripted_store.h"
#include "tests/engine/simple/store_testing.h"

namespace holdfast::testing {
namespace {

using Catch::Matchers::Contains;
using Mode = ScriptedStore::Mode;

class NullSink final : public VenueEventSink {
 public:
  void OnVenueEvent(const VenueEvent&) override { ++count; }
  int count = 0;
};

class EngineBench {
 public:
  explicit EngineBench(StoreQueueOptions queue = {}) {
    options.queue = queue;
    options.has_store_thread = false;
    options.store = TestStoreOptions("");
    auto owned = std::make_unique<ScriptedStore>(options.store, clock);
    store = owned.get();
    engine = std::make_unique<SimpleEngine>(options, gateway, clock, std::move(owned));
  }

  // One turn of the loop.
  void Turn() { engine->Poll(sink, 100); }
  PlaceIntent Intent(OrderNumber number) {
    PlaceIntent intent;
    intent.number = number;
    intent.slot_key = {.line = -3};
    intent.client_order_id =
        MakeClientOrderId(MakeAccountTag("test"), number, intent.slot_key.Packed());
    intent.instrument = TestInstrument().id;
    intent.side = Side::kSell;
    intent.price = Price::FromTicks(5);
    intent.quantity = Quantity::FromLots(6);
    intent.decide_time_ns = 9;
    return intent;
  }
  uint64_t RecordedNumber(size_t index) {
    return std::get<OrderRecord>(store->records().at(index).record).order.number.value();
  }

  ManualClock clock;
  FakeGateway gateway;
  NullSink sink;
  SimpleEngineOptions options;
  ScriptedStore* store = nullptr;
  std::unique_ptr<SimpleEngine> engine;
};

}  // namespace

TEST_CASE("simple engine: an order goes to the gateway as it was decided", "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  REQUIRE(bench.engine->Start().ok());
  CHECK(bench.gateway.is_started);
  const std::optional<OrderNumber> number = bench.engine->NextOrderNumber();
  REQUIRE(number.has_value());
  const PlaceIntent intent = bench.Intent(*number);
  REQUIRE(bench.engine->Place(intent).ok());
  REQUIRE(bench.gateway.placed.size() == 1);
  const PlaceRequest& request = bench.gateway.placed[0];
  CHECK(request.client_order_id == intent.client_order_id);
  CHECK(request.instrument == intent.instrument);
  CHECK(request.side == Side::kSell);
  CHECK(request.price == intent.price);
  CHECK(request.quantity == intent.quantity);
  CHECK(request.is_post_only);
  CHECK_FALSE(request.is_market);
  CHECK(request.decide_time_ns == 9);
  // Its slot can be found from the id alone.
  const auto parsed = ParseClientOrderId(MakeAccountTag("test"), request.client_order_id.view());
  REQUIRE(parsed.has_value());
  CHECK(parsed->number == *number);
  CHECK(SlotKey::Unpack(parsed->slot_key) == intent.slot_key);
}

TEST_CASE("simple engine: cancels and queries are passed on", "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  const InstrumentId instrument = TestInstrument().id;
  const CancelIntent cancel = {.number = OrderNumber(1),
                               .client_order_id = ClientOrderId("abc"),
                               .venue_order_id = VenueOrderId(5),
                               .instrument = instrument};
  REQUIRE(bench.engine->Cancel(cancel).ok());
  REQUIRE(bench.gateway.canceled.size() == 1);
  CHECK(bench.gateway.canceled[0].client_order_id == cancel.client_order_id);
  CHECK(bench.gateway.canceled[0].venue_order_id == cancel.venue_order_id);
  CHECK(bench.engine->CancelAll(RequestId(1), instrument).ok());
  CHECK(bench.engine->QueryOrder(RequestId(2), instrument, ClientOrderId("abc")).ok());
  CHECK(bench.engine->QueryOpenOrders(RequestId(3), instrument).ok());
  CHECK(bench.engine->QueryFills(RequestId(4), instrument, VenueTradeId(1), 2).ok());
  CHECK(bench.engine->QueryBalances(RequestId(5)).ok());
  CHECK(bench.engine->QueryAccount(RequestId(6)).ok());
  CHECK(bench.engine->QueryInstrument(RequestId(7), instrument).ok());
  CHECK(bench.engine->QueryServerTime(RequestId(8)).ok());
  CHECK(bench.gateway.queries ==
        std::vector<std::string>{"cancel_all 1", "order 2", "open_orders 3", "fills 4",
                                 "balances 5", "account 6", "instrument 7", "server_time 8"});
  CHECK(bench.engine->capabilities().submit_window_ns == 77);
  CHECK(bench.engine->rate_budget().order_count_limit == 88);
  CHECK(bench.engine->is_order_entry_up());
  CHECK_FALSE(bench.engine->is_private_stream_up());
  bench.gateway.events.push_back(ConnectionChange{});
  CHECK(bench.engine->Poll(bench.sink, 10) == 1);
  CHECK(bench.sink.count == 1);
}

TEST_CASE("simple engine: what the gateway refuses is the answer", "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  bench.gateway.answer = absl::ResourceExhaustedError("queue full");
  const OrderNumber number = *bench.engine->NextOrderNumber();
  CHECK(absl::IsResourceExhausted(bench.engine->Place(bench.Intent(number))));
  CHECK(absl::IsResourceExhausted(bench.engine->Cancel({})));
}

TEST_CASE("simple engine: numbers rise by one within and across blocks and never wait for a disk",
          "[simple][engine]") {
  EngineBench bench({.number_block = 10});
  REQUIRE(bench.engine->Open().ok());
  OrderNumber last(0);
  for (int i = 0; i < 100; ++i) {
    const std::optional<OrderNumber> number = bench.engine->NextOrderNumber();
    REQUIRE(number.has_value());
    CHECK(*number > last);
    last = *number;
    bench.Turn();
  }
}

TEST_CASE("simple engine: without a reserved block there is no number, and then there is again",
          "[simple][engine]") {
  EngineBench bench({.number_block = 10});
  REQUIRE(bench.engine->Open().ok());
  bench.store->mode = Mode::kDiskFull;
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 30; ++i) {
    if (const auto number = bench.engine->NextOrderNumber()) numbers.push_back(number->value());
    bench.Turn();
  }
  CHECK(numbers.size() == 10);
  CHECK_FALSE(bench.engine->is_store_healthy());
  bench.store->mode = Mode::kWork;
  bench.clock.Advance(2 * kNanosPerSecond);
  bench.Turn();
  CHECK(bench.engine->is_store_healthy());
  const std::optional<OrderNumber> number = bench.engine->NextOrderNumber();
  REQUIRE(number.has_value());
  CHECK(number->value() > numbers.back());
}

TEST_CASE("simple engine: the first number waits until what explains it is durable",
          "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(1)}));
  CHECK_FALSE(bench.engine->NextOrderNumber().has_value());
  bench.Turn();
  CHECK(bench.engine->NextOrderNumber().has_value());
  // Later ones do not wait.
  REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(2)}));
  CHECK(bench.engine->NextOrderNumber().has_value());
}

TEST_CASE("simple engine: a store that is down at the start is waited for", "[simple][engine]") {
  EngineBench bench;
  bench.store->mode = Mode::kDiskFull;
  REQUIRE(bench.engine->Open().ok());  // so that open orders can be canceled
  CHECK_FALSE(bench.engine->is_store_healthy());
  CHECK_FALSE(bench.engine->NextOrderNumber().has_value());
  bench.store->mode = Mode::kWork;
  bench.clock.Advance(kNanosPerSecond);
  bench.Turn();
  CHECK(bench.engine->is_store_healthy());
  CHECK(bench.engine->NextOrderNumber().has_value());
}

TEST_CASE("simple engine: every kind of record arrives whole, in order, with its time",
          "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  RecordMaker maker(21);
  for (int i = 0; i < 400; ++i) {
    const StampedRecord stamped = maker.Next();
    bench.clock.AdvanceTo(std::max(bench.clock.WallNs(), stamped.record_time_ns));
    REQUIRE(RecordAny(*bench.engine, stamped.record));
    if (i % 7 == 0) bench.Turn();
  }
  REQUIRE(bench.engine->Close().ok());
  // The store behind the engine holds what the model holds.
  const ManualClock clock;
  MemoryStore replayed(TestStoreOptions(""), clock);
  REQUIRE(replayed.Open().ok());
  REQUIRE(replayed.Append(bench.store->records()).ok());
  REQUIRE(replayed.Close().ok());
  CHECK(Describe(*replayed.Open()) == DescribePrefix(21, 400));
}

TEST_CASE("simple engine: records that gathered go in one transaction, bounded",
          "[simple][engine]") {
  EngineBench bench({.max_batch_records = 16});
  REQUIRE(bench.engine->Open().ok());
  for (uint64_t i = 1; i <= 40; ++i) REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(i)}));
  for (int i = 0; i < 4; ++i) bench.Turn();
  CHECK(bench.store->batch_sizes() == std::vector<size_t>{16, 16, 8});
  CHECK(bench.engine->store_stats().stored_count == 40);
  CHECK(bench.engine->store_stats().batch_count == 3);
}

TEST_CASE("simple engine: a full queue takes nothing and loses nothing", "[simple][engine]") {
  EngineBench bench({.queue_bytes = 4096, .max_batch_records = 4});
  REQUIRE(bench.engine->Open().ok());
  bench.store->mode = Mode::kDiskFull;
  uint64_t taken = 0;
  while (bench.engine->Record(OrderRecord{MakeOrder(taken + 1)})) {
    ++taken;
    REQUIRE(taken < 1000);
  }
  CHECK(taken > 4);
  CHECK_FALSE(bench.engine->Record(OrderRecord{MakeOrder(taken + 1)}));
  bench.Turn();  // a batch is taken out of the queue and fails: there is room again, in order
  CHECK_FALSE(bench.engine->is_store_healthy());
  while (bench.engine->Record(OrderRecord{MakeOrder(taken + 1)})) ++taken;
  bench.store->mode = Mode::kWork;
  bench.clock.Advance(kNanosPerSecond);
  for (int i = 0; i < 100; ++i) bench.Turn();
  REQUIRE(bench.store->records().size() == taken);
  for (uint64_t i = 0; i < taken; ++i) CHECK(bench.RecordedNumber(i) == i + 1);
}

TEST_CASE("simple engine: while the store fails nothing is placed, cancels go, and it heals",
          "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  const OrderNumber number = *bench.engine->NextOrderNumber();
  bench.store->mode = Mode::kDiskFull;
  REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(1)}));
  CHECK(bench.engine->is_store_healthy());
  CHECK(bench.engine->store_problem().empty());
  bench.Turn();
  CHECK_FALSE(bench.engine->is_store_healthy());
  CHECK_THAT(bench.engine->store_problem(), Contains("disk full"));
  CHECK(absl::IsFailedPrecondition(bench.engine->Place(bench.Intent(number))));
  CHECK(bench.gateway.placed.empty());
  CHECK(bench.engine->Cancel({}).ok());
  CHECK(bench.gateway.canceled.size() == 1);

  bench.store->mode = Mode::kWork;
  REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(2)}));
  bench.clock.Advance(kNanosPerSecond);
  bench.Turn();
  CHECK(bench.engine->is_store_healthy());
  CHECK(bench.engine->store_problem().empty());
  CHECK(bench.engine->Place(bench.Intent(number)).ok());
  REQUIRE(bench.store->records().size() == 2);
  CHECK(bench.RecordedNumber(0) == 1);
  CHECK(bench.RecordedNumber(1) == 2);
}

TEST_CASE("simple engine: a failing store is tried again with growing, bounded waits",
          "[simple][engine]") {
  EngineBench bench({.retry_min_ns = 10, .retry_max_ns = 70});
  REQUIRE(bench.engine->Open().ok());
  bench.store->mode = Mode::kDiskFull;
  REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(1)}));
  std::vector<int64_t> attempts_at;
  int seen = 0;
  for (int64_t t = 0; t < 400; ++t) {
    bench.Turn();
    if (bench.store->append_count > seen) attempts_at.push_back(t);
    seen = bench.store->append_count;
    bench.clock.Advance(1);
  }
  CHECK(attempts_at == std::vector<int64_t>{0, 10, 30, 70, 140, 210, 280, 350});
  CHECK(bench.engine->store_stats().failure_count == 8);
}

TEST_CASE("simple engine: a refused record stops the queue for good, what came before is stored",
          "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  const OrderNumber number = *bench.engine->NextOrderNumber();
  bench.store->mode = Mode::kRefuseBad;
  for (const uint64_t n : {uint64_t{1}, uint64_t{2}, ScriptedStore::kBadNumber, uint64_t{3}}) {
    REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(n)}));
  }
  for (int i = 0; i < 10; ++i) {
    bench.Turn();
    bench.clock.Advance(kNanosPerSecond);
  }
  REQUIRE(bench.store->records().size() == 2);
  CHECK(bench.RecordedNumber(1) == 2);
  CHECK_FALSE(bench.engine->is_store_healthy());
  CHECK_THAT(bench.engine->store_problem(), Contains("restart"));
  CHECK(absl::IsFailedPrecondition(bench.engine->Place(bench.Intent(number))));
  const absl::Status closed = bench.engine->Close();
  CHECK(absl::IsUnavailable(closed));
  CHECK_THAT(std::string(closed.message()), Contains("count=2"));
}

TEST_CASE("simple engine: close stores what is queued", "[simple][engine]") {
  EngineBench bench({.max_batch_records = 3});
  REQUIRE(bench.engine->Open().ok());
  for (uint64_t i = 1; i <= 20; ++i) REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(i)}));
  CHECK(bench.engine->Close().ok());
  CHECK(bench.gateway.is_stopped);
  CHECK(bench.store->records().size() == 20);
  CHECK_FALSE(bench.engine->is_store_healthy());
  CHECK(bench.engine->Close().ok());  // again: nothing to do
}

TEST_CASE("simple engine: close says how much could not be stored and why", "[simple][engine]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  bench.store->mode = Mode::kDiskFull;
  for (uint64_t i = 1; i <= 5; ++i) REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(i)}));
  const absl::Status closed = bench.engine->Close();
  CHECK(absl::IsUnavailable(closed));
  CHECK_THAT(std::string(closed.message()), Contains("count=5"));
  CHECK_THAT(std::string(closed.message()), Contains("disk full"));
}

// The mark of a proven stop, as the next run finds it.
TEST_CASE("simple engine: a proven stop is known to the next run, and to that one only",
          "[simple][engine][restart]") {
  EngineBench bench;
  REQUIRE_FALSE(bench.engine->Open()->is_stop_proven);
  REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(1, OrderState::kCanceled)}));
  REQUIRE(bench.engine->RecordProvenStop());
  REQUIRE(bench.engine->Close().ok());
  CHECK(std::holds_alternative<StopRecord>(bench.store->records().back().record));
  CHECK(bench.engine->Open()->is_stop_proven);
  // Before a number can be given out the mark is off, whatever is recorded later.
  REQUIRE(bench.store->Close().ok());
  CHECK_FALSE(bench.store->Open()->is_stop_proven);
}

TEST_CASE("simple engine: a close alone proves nothing", "[simple][engine][restart]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  REQUIRE(bench.engine->Record(OrderRecord{MakeOrder(1)}));
  REQUIRE(bench.engine->Close().ok());
  CHECK_FALSE(bench.engine->Open()->is_stop_proven);
}

TEST_CASE("simple engine: a proof that cannot be stored is no proof", "[simple][engine][restart]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  bench.store->mode = Mode::kDiskFull;
  REQUIRE(bench.engine->RecordProvenStop());
  CHECK(absl::IsUnavailable(bench.engine->Close()));
  bench.store->mode = Mode::kWork;
  CHECK_FALSE(bench.engine->Open()->is_stop_proven);
}

TEST_CASE("simple engine: the mark stays while the disk lets nothing be sent",
          "[simple][engine][restart]") {
  EngineBench bench;
  REQUIRE(bench.engine->Open().ok());
  REQUIRE(bench.engine->RecordProvenStop());
  REQUIRE(bench.engine->Close().ok());
  bench.store->mode = Mode::kDiskFull;
  REQUIRE(bench.engine->Open()->is_stop_proven);
  CHECK_FALSE(bench.engine->NextOrderNumber().has_value());
  bench.Turn();
  CHECK_FALSE(bench.engine->NextOrderNumber().has_value());
  REQUIRE(bench.store->Close().ok());
  CHECK(bench.store->Open()->is_stop_proven);  // killed here: nothing was sent
  bench.store->mode = Mode::kWork;
  bench.clock.Advance(kNanosPerSecond);
  bench.Turn();
  CHECK(bench.engine->NextOrderNumber().has_value());
  REQUIRE(bench.store->Close().ok());
  CHECK_FALSE(bench.store->Open()->is_stop_proven);
}

TEST_CASE("simple engine: the store is tidied up between records", "[simple][engine]") {
  EngineBench bench({.prune_interval_ns = kNanosPerSecond});
  REQUIRE(bench.engine->Open().ok());
  for (int i = 0; i < 100; ++i) {
    bench.Turn();
    bench.clock.Advance(100 * kNanosPerMilli);
  }
  CHECK(bench.store->prune_count == 10);
}

TEST_CASE("simple engine: a run on disk goes on where the last one was", "[simple][engine]") {
  const TempFolder folder;
  const SystemClock clock;
  FakeGateway gateway;
  SimpleEngineOptions options;
  options.store = TestStoreOptions(folder.File("store.db"));
  options.has_store_thread = false;
  OrderNumber last(0);
  {
    SimpleEngine engine(options, gateway, clock);
    const absl::StatusOr<RecoveredState> state = engine.Open();
    REQUIRE(state.ok());
    CHECK(state->is_first_run);
    REQUIRE(engine.Record(OrderRecord{MakeOrder(5)}));
    NullSink sink;
    engine.Poll(sink, 1);
    last = *engine.NextOrderNumber();
  }
  SimpleEngine engine(options, gateway, clock);
  const absl::StatusOr<RecoveredState> state = engine.Open();
  REQUIRE(state.ok());
  CHECK_FALSE(state->is_first_run);
  REQUIRE(state->open_orders.size() == 1);
  CHECK(*engine.NextOrderNumber() > last);
  // The first engine's file is in use now.
  SimpleEngine second(options, gateway, clock);
  CHECK(absl::IsFailedPrecondition(second.Open().status()));
}

TEST_CASE("simple engine: queue options are checked", "[simple][engine]") {
  CHECK(Validate(StoreQueueOptions{}).ok());
  CHECK_FALSE(Validate(StoreQueueOptions{.queue_bytes = 5000}).ok());
  CHECK_FALSE(Validate(StoreQueueOptions{.queue_bytes = 64}).ok());
  CHECK_FALSE(Validate(StoreQueueOptions{.max_batch_records = 0}).ok());
  CHECK_FALSE(Validate(StoreQueueOptions{.number_block = 1}).ok());
  CHECK_FALSE(Validate(StoreQueueOptions{.retry_min_ns = 0}).ok());
  CHECK_FALSE(Validate(StoreQueueOptions{.retry_min_ns = 5, .retry_max_ns = 4}).ok());
}

TEST_CASE("store queue: a disk that hangs without failing is noticed, and heals", "[simple]") {
  ManualClock clock;
  MemoryStore store(TestStoreOptions(""), clock);
  REQUIRE(store.Open().ok());
  StoreQueueOptions options;
  StoreQueue queue(options, store, clock);
  REQUIRE(queue.Prepare().ok());
  CHECK(queue.IsKeepingUp());
  REQUIRE(queue.Push(OrderRecord{MakeOrder(1)}));
  clock.Advance(options.max_record_age_ns);
  CHECK(queue.IsKeepingUp());
  clock.Advance(1);
  CHECK_FALSE(queue.IsKeepingUp());
  CHECK(queue.is_healthy());
  queue.RunOnce();
  CHECK(queue.IsKeepingUp());
  // An idle queue does not age.
  clock.Advance(10 * options.max_record_age_ns);
  REQUIRE(queue.Push(OrderRecord{MakeOrder(2)}));
  CHECK(queue.IsKeepingUp());
}

}  // namespace holdfast::testing
