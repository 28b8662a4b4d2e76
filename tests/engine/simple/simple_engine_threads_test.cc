// Proves that the loop's thread and the store's thread share a SimpleEngine without a race, an
// allocation on the loop's side, a lost or reordered record, or a wait, while the store fails and
// heals. How: real threads under ThreadSanitizer, a counted operator new, and the recovered state
// compared with a model.
#include <catch2/catch.hpp>
#include <thread>

#include "count_allocations.h"
#include "engine/simple/simple_engine.h"
#include "engine/simple/sqlite_store.h"
#include "tests/engine/simple/fake_gateway.h"
#include "tests/engine/simple/scripted_store.h"
#include "tests/engine/simple/store_testing.h"

namespace holdfast::testing {
namespace {

using Mode = ScriptedStore::Mode;
constexpr int64_t kLimitNs = 30 * kNanosPerSecond;  // a bound, not a measure

class NullSink final : public VenueEventSink {
 public:
  void OnVenueEvent(const VenueEvent&) override {}
};

template <typename Condition>
bool WaitFor(Condition condition) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + kLimitNs;
  while (!condition()) {
    if (clock.MonotonicNs() > deadline_ns) return false;
    std::this_thread::yield();
  }
  return true;
}

bool Push(SimpleEngine& engine, const StampedRecord& stamped) {
  return RecordAny(engine, stamped.record);
}

PlaceIntent Intent(OrderNumber number) {
  PlaceIntent intent;
  intent.number = number;
  intent.client_order_id = MakeClientOrderId(MakeAccountTag("test"), number, -4);
  intent.instrument = TestInstrument().id;
  intent.price = Price::FromTicks(6'000'000);
  intent.quantity = Quantity::FromLots(100);
  return intent;
}

}  // namespace

TEST_CASE("simple engine: the loop's thread never allocates after Open", "[simple][threads]") {
  const TempFolder folder;
  const SystemClock clock;
  FakeGateway gateway;
  SimpleEngineOptions options;
  options.store = TestStoreOptions(folder.File("store.db"));
  options.queue.number_block = 64;
  SimpleEngine engine(options, gateway, clock);
  REQUIRE(engine.Open().ok());
  RecordMaker maker(31);
  std::vector<StampedRecord> records(1500);
  for (StampedRecord& record : records) record = maker.Next();
  NullSink sink;

  const int64_t before = allocation_count;
  size_t next = 0;
  uint64_t placed = 0;
  uint64_t refused = 0;
  // More orders than a block has numbers, so that blocks are fetched on the way.
  constexpr uint64_t kOrderCount = 500;
  const int64_t deadline_ns = clock.MonotonicNs() + kLimitNs;
  while ((next < records.size() || placed < kOrderCount) && clock.MonotonicNs() < deadline_ns) {
    engine.Poll(sink, 100);
    for (int i = 0; i < 5 && next < records.size(); ++i) {
      if (!Push(engine, records[next])) break;
      ++next;
    }
    // No more than it needs: a slow disk must not fill the fake gateway.
    if (placed == kOrderCount) continue;
    if (const std::optional<OrderNumber> number = engine.NextOrderNumber()) {
      (engine.Place(Intent(*number)).ok() ? placed : refused) += 1;
    }
  }
  const int64_t allocations = allocation_count - before;
  CHECK(allocations == 0);
  CHECK(placed == kOrderCount);
  CHECK(refused == 0);
  REQUIRE(engine.Close().ok());

  SqliteStore store(options.store, clock);
  const absl::StatusOr<RecoveredState> state = store.Open();
  REQUIRE(state.ok());
  CHECK(store.record_count() == records.size());
  // Equal but for the times of recording, which are the clock's.
  RecoveredState expected = *state;
  expected.stored_time_ns = records.back().record_time_ns;
  CHECK(Describe(expected) == DescribePrefix(31, records.size()));
}

TEST_CASE("simple engine: a store that fails and heals all the time loses and reorders nothing",
          "[simple][threads]") {
  const SystemClock clock;
  FakeGateway gateway;
  SimpleEngineOptions options;
  options.queue.queue_bytes = 1 << 14;
  options.queue.max_batch_records = 8;
  options.queue.number_block = 8;
  options.queue.retry_min_ns = 1000;
  options.queue.retry_max_ns = 100'000;
  auto owned = std::make_unique<ScriptedStore>(TestStoreOptions(""), clock);
  ScriptedStore& store = *owned;
  SimpleEngine engine(options, gateway, clock, std::move(owned));
  REQUIRE(engine.Open().ok());
  NullSink sink;
  constexpr uint64_t kCount = 6000;
  uint64_t next = 1;
  uint64_t last_number = 0;
  int full_count = 0;
  for (int turn = 0; next <= kCount; ++turn) {
    store.mode = turn / 50 % 2 == 0 ? Mode::kWork : Mode::kDiskFull;
    engine.Poll(sink, 10);
    for (int i = 0; i < 10 && next <= kCount; ++i) {
      if (!engine.Record(OrderRecord{MakeOrder(next)})) {
        ++full_count;
        std::this_thread::yield();
        break;
      }
      ++next;
    }
    if (const std::optional<OrderNumber> number = engine.NextOrderNumber()) {
      if (number->value() <= last_number) FAIL("a number was repeated");
      last_number = number->value();
      const absl::Status placed = engine.Place(Intent(*number));
      if (!placed.ok() && !absl::IsFailedPrecondition(placed)) FAIL(placed);
    }
  }
  store.mode = Mode::kWork;
  CHECK(WaitFor([&] {
    engine.Poll(sink, 10);
    return engine.store_stats().stored_count == kCount;
  }));
  CHECK(WaitFor([&] { return engine.is_store_healthy(); }));
  CHECK(engine.store_problem().empty());
  const std::vector<StampedRecord> records = store.records();
  REQUIRE(records.size() == kCount);
  for (uint64_t i = 0; i < kCount; ++i) {
    if (std::get<OrderRecord>(records[i].record).order.number.value() != i + 1) FAIL("order");
  }
  INFO("full " << full_count << " times");
  CHECK(engine.Close().ok());
}

TEST_CASE("simple engine: what is queued at close is stored, waiting for a disk that heals",
          "[simple][threads]") {
  const SystemClock clock;
  FakeGateway gateway;
  SimpleEngineOptions options;
  options.queue.retry_min_ns = kNanosPerMilli;
  options.close_limit_ns = kLimitNs;
  auto owned = std::make_unique<ScriptedStore>(TestStoreOptions(""), clock);
  ScriptedStore& store = *owned;
  SimpleEngine engine(options, gateway, clock, std::move(owned));
  REQUIRE(engine.Open().ok());
  store.mode = Mode::kDiskFull;
  for (uint64_t i = 1; i <= 50; ++i) REQUIRE(engine.Record(OrderRecord{MakeOrder(i)}));
  std::thread healer([&store] {
    const int seen = store.append_count;
    WaitFor([&] { return store.append_count >= seen + 3; });
    store.mode = Mode::kWork;
  });
  CHECK(engine.Close().ok());
  healer.join();
  CHECK(store.records().size() == 50);
}

TEST_CASE("simple engine: close gives up after its limit", "[simple][threads]") {
  const SystemClock clock;
  FakeGateway gateway;
  SimpleEngineOptions options;
  options.close_limit_ns = 20 * kNanosPerMilli;
  auto owned = std::make_unique<ScriptedStore>(TestStoreOptions(""), clock);
  owned->mode = Mode::kDiskFull;
  SimpleEngine engine(options, gateway, clock, std::move(owned));
  REQUIRE(engine.Open().ok());
  REQUIRE(engine.Record(OrderRecord{MakeOrder(1)}));
  CHECK(absl::IsUnavailable(engine.Close()));
}

TEST_CASE("simple engine: a store thread that died is an unhealthy store", "[simple][threads]") {
  const SystemClock clock;
  FakeGateway gateway;
  auto owned = std::make_unique<ScriptedStore>(TestStoreOptions(""), clock);
  ScriptedStore& store = *owned;
  SimpleEngine engine(SimpleEngineOptions{}, gateway, clock, std::move(owned));
  REQUIRE(engine.Open().ok());
  const OrderNumber number = *engine.NextOrderNumber();
  store.mode = Mode::kThrow;
  REQUIRE(engine.Record(OrderRecord{MakeOrder(1)}));
  NullSink sink;
  CHECK(WaitFor([&] {
    engine.Poll(sink, 1);
    return !engine.is_store_healthy();
  }));
  CHECK_THAT(engine.store_problem(), Catch::Matchers::Contains("thread has ended"));
  CHECK(absl::IsFailedPrecondition(engine.Place(Intent(number))));
  store.mode = Mode::kWork;
  CHECK(engine.Close().ok());
  CHECK(store.records().size() == 1);
}

}  // namespace holdfast::testing
