// Proves that after the start the loop allocates nothing: operator new is counted over thousands of
// turns with market moves, placements, fills, cancels, rejects and unknown orders. The fakes here
// use fixed storage; a counter that is armed only inside RunOnce() would miss nothing either way.
#include <catch2/catch.hpp>

#include "count_allocations.h"
#include "engine/base/prng.h"
#include "fake_venue.h"

namespace holdfast::testing {
namespace {

// Counts what the loop allocates and not what the fakes behind its ports do.
class Uncounted {
 public:
  Uncounted() : was_counting_(is_counting_allocations) { is_counting_allocations = false; }
  ~Uncounted() { is_counting_allocations = was_counting_; }

 private:
  bool was_counting_;
};

class UncountedEngine final : public Engine {
 public:
  explicit UncountedEngine(FakeEngine& engine) : engine_(engine) {}
  absl::StatusOr<RecoveredState> Open() override { return engine_.Open(); }
  absl::Status Start() override { return engine_.Start(); }
  absl::Status Close() override { return engine_.Close(); }
  std::optional<OrderNumber> NextOrderNumber() override { return engine_.NextOrderNumber(); }
  absl::Status Place(const PlaceIntent& intent) override {
    Uncounted uncounted;
    return engine_.Place(intent);
  }
  absl::Status Cancel(const CancelIntent& intent) override {
    Uncounted uncounted;
    return engine_.Cancel(intent);
  }
  absl::Status CancelAll(RequestId id, InstrumentId instrument) override {
    return engine_.CancelAll(id, instrument);
  }
  absl::Status QueryOrder(RequestId id, InstrumentId instrument,
                          const ClientOrderId& client_id) override {
    Uncounted uncounted;
    return engine_.QueryOrder(id, instrument, client_id);
  }
  absl::Status QueryOrderByVenueId(RequestId id, InstrumentId instrument,
                                   VenueOrderId venue_order_id) override {
    Uncounted uncounted;
    return engine_.QueryOrderByVenueId(id, instrument, venue_order_id);
  }
  absl::Status QueryOpenOrders(RequestId id, InstrumentId instrument) override {
    Uncounted uncounted;
    return engine_.QueryOpenOrders(id, instrument);
  }
  absl::Status QueryFills(RequestId id, InstrumentId instrument, VenueTradeId after,
                          int64_t since_ns) override {
    Uncounted uncounted;
    return engine_.QueryFills(id, instrument, after, since_ns);
  }
  absl::Status QueryBalances(RequestId id) override {
    Uncounted uncounted;
    return engine_.QueryBalances(id);
  }
  absl::Status QueryAccount(RequestId id) override {
    Uncounted uncounted;
    return engine_.QueryAccount(id);
  }
  absl::Status QueryInstrument(RequestId id, InstrumentId instrument) override {
    Uncounted uncounted;
    return engine_.QueryInstrument(id, instrument);
  }
  absl::Status QueryServerTime(RequestId id) override {
    Uncounted uncounted;
    return engine_.QueryServerTime(id);
  }
  int Poll(VenueEventSink& sink, int max_events) override {
    int count = 0;
    while (count < max_events && !engine_.events.empty()) {
      const VenueEvent event = engine_.events.front();
      {
        Uncounted uncounted;
        engine_.events.pop_front();
      }
      sink.OnVenueEvent(event);
      ++count;
    }
    return count;
  }
  GatewayCapabilities capabilities() const override { return engine_.capabilities(); }
  RateBudget rate_budget() const override { return engine_.rate_budget(); }
  bool is_order_entry_up() const override { return engine_.is_order_entry_up(); }
  bool is_private_stream_up() const override { return engine_.is_private_stream_up(); }
  bool Record(const OrderRecord&) override { return true; }
  bool Record(const FillRecord&) override { return true; }
  bool Record(const SlotRecord&) override { return true; }
  bool Record(const MemoryRecord&) override { return true; }
  bool Record(const LedgerRecord&) override { return true; }
  bool Record(const RiskRecord&) override { return true; }
  bool is_store_healthy() const override { return true; }
  std::string store_problem() const override { return std::string(); }

 private:
  FakeEngine& engine_;
};

class UncountedFeed final : public MarketFeed {
 public:
  explicit UncountedFeed(FakeFeed& feed) : feed_(feed) {}
  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void RequestSnapshot(InstrumentId id) override { feed_.RequestSnapshot(id); }
  int Poll(MarketSink& sink, int max_messages) override {
    Forwarder forwarder(sink);
    Uncounted uncounted;
    return feed_.Poll(forwarder, max_messages);
  }

 private:
  struct Forwarder final : MarketSink {
    explicit Forwarder(MarketSink& target) : sink(target) {}
    void OnDepthSnapshot(const DepthSnapshot& snapshot) override { sink.OnDepthSnapshot(snapshot); }
    void OnDepthUpdate(const DepthUpdate& update) override {
      is_counting_allocations = true;
      sink.OnDepthUpdate(update);
      is_counting_allocations = false;
    }
    void OnBookTop(const BookTop& top) override { sink.OnBookTop(top); }
    void OnPublicTrade(const PublicTrade& trade) override { sink.OnPublicTrade(trade); }
    void OnFeedConnection(InstrumentId id, bool is_up, int64_t time_ns) override {
      sink.OnFeedConnection(id, is_up, time_ns);
    }
    MarketSink& sink;
  };
  FakeFeed& feed_;
};

// A ladder round the mid, without storage.
class MovingStrategy final : public Strategy {
 public:
  void Decide(const MarketView& view, const Inventory&, std::span<const Slot> slots,
              StrategyMemory& memory, TargetState& target) const override {
    target.Clear();
    memory.interval_ticks = 100'000;
    const int64_t mid = (view.best_bid.ticks() + view.best_ask.ticks()) / 200 * 100;
    for (int32_t i = 1; i <= 10; ++i) {
      target.orders.push_back(Want(BuyKey(i), mid - 1000 * i, 100));
      target.orders.push_back(Want(SellKey(i), mid + 1000 * i, 100));
    }
    for (const Slot& slot : slots) {
      if (slot.state != SlotState::kFilled || target.orders.full()) continue;
      const SlotKey key{.line = slot.line, .entry_side = slot.entry_side, .is_exit = true};
      const int64_t away = slot.entry_side == Side::kBuy ? 15'000 : -15'000;
      target.orders.push_back(Want(key, mid + away, slot.held.lots()));
    }
    target.is_valid = true;
  }
  int64_t price_tolerance_ticks() const override { return 50; }
};

TEST_CASE("loop: allocates nothing over thousands of turns of everything", "[quoting]") {
  ManualClock clock;
  FakeEngine engine(TestInstrument(), clock);
  FakeFeed feed(clock);
  UncountedEngine counted_engine(engine);
  UncountedFeed counted_feed(feed);
  MovingStrategy strategy;
  RiskLimits limits = TestLimits();
  limits.max_position = Decimal::FromInteger(1000);
  limits.breaker_failure_count = 1'000'000;
  RecoveredState recovered;
  recovered.is_stop_proven = true;  // quotes from the first turns on, as after an orderly stop
  QuotingLoop loop(clock, TestInstrument(), MakeAccountTag("test"), strategy, counted_feed,
                   counted_engine, limits, QuotingOptions(), recovered);
  REQUIRE(loop.Start().ok());

  FakeFeed::Message message;
  message.is_up = true;
  feed.messages.push_back(message);
  message.kind = FakeFeed::Message::Kind::kSnapshot;
  message.last_id = 1;
  message.bids = {{Price::FromTicks(World::kMid - 50), Quantity::FromLots(10)}};
  message.asks = {{Price::FromTicks(World::kMid + 50), Quantity::FromLots(10)}};
  feed.messages.push_back(message);
  Prng prng(7);
  int64_t bid = World::kMid - 50;
  is_counting_allocations = false;
  allocation_count = 0;
  for (int turn = 0; turn < 20'000; ++turn) {
    clock.Advance(10 * kNanosPerMilli);
    FakeFeed::Message update;
    update.kind = FakeFeed::Message::Kind::kUpdate;
    update.first_id = turn + 2;
    update.last_id = turn + 2;
    update.bids.push_back({Price::FromTicks(bid), Quantity()});
    update.asks.push_back({Price::FromTicks(bid + 100), Quantity()});
    bid += prng.Between(-200, 200);
    update.bids.push_back({Price::FromTicks(bid), Quantity::FromLots(10)});
    update.asks.push_back({Price::FromTicks(bid + 100), Quantity::FromLots(10)});
    feed.messages.push_back(update);
    switch (prng.Below(12)) {
      case 0:
        engine.next_place = FakeEngine::Fate::kRejectWouldTake;
        break;
      case 1:
        engine.next_place = FakeEngine::Fate::kLostRequest;
        break;
      case 2:
        engine.next_place = FakeEngine::Fate::kLostReply;
        break;
      case 3:
        engine.next_cancel = FakeEngine::CancelFate::kRateLimit;
        break;
      case 4:
        engine.next_cancel = FakeEngine::CancelFate::kAmbiguous;
        break;
      default:
        if (engine.open_count() > 0) {
          engine.FillAndTell(engine.Only(), Quantity::FromLots(prng.Chance(1, 2) ? 1 : 50));
        }
        break;
    }
    if (turn > 100) is_counting_allocations = true;
    loop.RunOnce();
    is_counting_allocations = false;
    // The fake venue's memory, not the loop's.
    if (turn % 100 == 0) {
      std::erase_if(engine.orders, [](const auto& entry) { return !entry.second.is_open(); });
      engine.fills.clear();
      engine.placed.clear();
      engine.canceled.clear();
    }
  }
  CHECK(allocation_count == 0);
  CHECK(loop.counters().orders_placed > 1000);
  CHECK(loop.counters().fills > 1000);
  CHECK(loop.counters().orders_canceled > 500);
  CHECK(loop.counters().orders_unknown > 100);
  loop.CheckInvariants();
}

}  // namespace
}  // namespace holdfast::testing
