#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "connectors/api/market_feed.h"
#include "engine/base/clock.h"
#include "engine/quoting/engine.h"
#include "engine/quoting/loop_observer.h"
#include "engine/quoting/quoting_loop.h"
#include "strategy/strategy.h"

namespace holdfast::testing {

// A venue with a memory of its own behind the Engine port, played by the test: what the next
// requests meet is set by knobs, what the venue knows can be read and changed, events are delivered
// at the next Poll(). Also the store: it keeps every record.
class FakeEngine final : public Engine {
 public:
  enum class Fate {
    kAccept,
    kRejectWouldTake,
    kRejectOther,
    kNotSent,      // the connector does not send it
    kLostRequest,  // never arrives; the answer is ambiguous
    kLostReply,    // arrives; the answer is ambiguous, no stream event
    kSilent,       // arrives; nothing is ever said
    kSilentLost,   // never arrives; nothing is ever said
    kRefuse,       // the engine does not take it
  };
  enum class CancelFate { kCancel, kUnknownOrder, kRateLimit, kAmbiguous, kSilent, kRefuse };

  struct VenueOrder {
    PlaceIntent intent;
    VenueOrderId id;
    VenueOrderStatus status = VenueOrderStatus::kNew;
    Quantity filled;
    bool is_open() const {
      return status == VenueOrderStatus::kNew || status == VenueOrderStatus::kPartiallyFilled;
    }
  };

  FakeEngine(const Instrument& traded, const ManualClock& manual_clock)
      : instrument(traded), clock(manual_clock) {}

  // --- knobs ---
  Fate next_place = Fate::kAccept;
  CancelFate next_cancel = CancelFate::kCancel;
  bool is_fate_sticky = false;
  bool answers_queries = true;
  bool answers_fills = true;  // false: a query of fills gets no answer
  bool lists_fills = true;    // false: the trade list lags and shows nothing
  bool lists_orders = true;   // false: so does the list of open orders
  bool has_stream = true;
  bool has_entry = true;
  bool is_healthy = true;
  bool takes_records = true;
  bool is_budget_open = true;
  int64_t placement_room = INT64_MAX;  // less one with each placement
  bool counts_at_once = true;          // false: the test takes from the room itself
  bool can_trade = true;
  Decimal maker_fee;
  int64_t clock_offset_ns = 0;
  bool has_numbers = true;
  std::map<std::string, std::pair<Decimal, Decimal>> balances = {
      {"BTC", {Decimal::FromInteger(10), Decimal()}},
      {"USDT", {Decimal::FromInteger(1'000'000), Decimal()}}};

  // --- what happened ---
  Instrument instrument;
  const ManualClock& clock;
  std::vector<PlaceIntent> placed;
  std::vector<CancelIntent> canceled;
  std::map<std::string, VenueOrder> orders;  // by client id
  std::vector<Fill> fills;                   // the venue's list
  std::deque<VenueEvent> events;
  int order_query_count = 0;
  int open_orders_query_count = 0;
  RequestId last_open_orders_query;
  std::vector<int64_t> open_orders_queried_at;
  int fills_query_count = 0;
  std::vector<VenueTradeId> fills_after;
  RequestId last_fills_query;
  std::vector<int64_t> fills_since;  // of each query; 0 = by cursor
  std::vector<OrderRecord> order_records;
  std::vector<FillRecord> fill_records;
  std::vector<LedgerRecord> ledger_records;
  std::vector<MemoryRecord> memory_records;
  std::vector<RiskRecord> risk_records;
  int proven_stop_count = 0;
  uint64_t next_number = 1;
  int64_t next_trade_id = 1000;
  int64_t next_venue_id = 1;
  static constexpr int64_t kLagNs = 100 * kNanosPerMilli;
  static constexpr int64_t kWindowNs = 5 * kNanosPerSecond;

  // --- acting as the market ---
  VenueOrder& Only() {
    VenueOrder* found = nullptr;
    for (auto& [id, order] : orders) {
      if (order.is_open()) found = &order;
    }
    HF_ASSERT(found != nullptr);
    return *found;
  }
  VenueOrder& ByKey(SlotKey key) {
    VenueOrder* found = nullptr;
    for (auto& [id, order] : orders) {
      if (order.is_open() && order.intent.slot_key == key) found = &order;
    }
    HF_ASSERT(found != nullptr);
    return *found;
  }
  int open_count() const {
    return static_cast<int>(std::count_if(
        orders.begin(), orders.end(), [](const auto& entry) { return entry.second.is_open(); }));
  }
  // Executes; the fill is in the venue's list. Returns it without telling anybody.
  Fill Execute(VenueOrder& order, Quantity quantity) {
    order.filled += quantity;
    order.status = order.filled == order.intent.quantity ? VenueOrderStatus::kFilled
                                                         : VenueOrderStatus::kPartiallyFilled;
    Fill fill;
    fill.instrument = instrument.id;
    fill.trade_id = VenueTradeId(next_trade_id++);
    fill.venue_order_id = order.id;
    fill.client_order_id = order.intent.client_order_id;
    fill.side = order.intent.side;
    fill.price = order.intent.price;
    fill.quantity = quantity;
    fill.fee = Multiply(instrument.NotionalOf(fill.price, quantity), maker_fee, Rounding::kNearest);
    fill.fee_asset = instrument.quote_asset;
    fill.venue_time_ns = clock.WallNs();
    fill.receive_time_ns = clock.WallNs();
    fills.push_back(fill);
    const Decimal base = instrument.ToDecimal(quantity) * Sign(fill.side);
    const Decimal quote = instrument.NotionalOf(fill.price, quantity) * -Sign(fill.side);
    balances["BTC"].first += base;
    balances["USDT"].first += quote - fill.fee;
    return fill;
  }
  void TellFill(const Fill& fill, EvidenceSource source = EvidenceSource::kStream) {
    events.push_back(FillReport{.request_id = RequestId(), .source = source, .fill = fill});
  }
  OrderReport ReportOf(const VenueOrder& order, EvidenceSource source, RequestId id = {}) const {
    OrderReport report;
    report.request_id = id;
    report.source = source;
    report.client_order_id = order.intent.client_order_id;
    report.venue_order_id = order.id;
    report.instrument = instrument.id;
    report.side = order.intent.side;
    report.status = order.status;
    report.price = order.intent.price;
    report.quantity = order.intent.quantity;
    report.filled = order.filled;
    report.venue_time_ns = clock.WallNs();
    report.receive_time_ns = clock.WallNs();
    return report;
  }
  void TellOrder(const VenueOrder& order, EvidenceSource source = EvidenceSource::kStream) {
    events.push_back(ReportOf(order, source));
  }
  // As the stream does: report and fill together.
  void FillAndTell(VenueOrder& order, Quantity quantity) {
    const Fill fill = Execute(order, quantity);
    TellOrder(order);
    TellFill(fill);
  }
  VenueOrder& AddOrder(const PlaceIntent& intent) {
    VenueOrder order;
    order.intent = intent;
    order.id = VenueOrderId(next_venue_id++);
    return orders[std::string(intent.client_order_id.view())] = order;
  }

  // --- Engine ---
  absl::StatusOr<RecoveredState> Open() override { return RecoveredState(); }
  absl::Status Start() override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
  std::optional<OrderNumber> NextOrderNumber() override {
    if (!has_numbers) return std::nullopt;
    return OrderNumber(next_number++);
  }
  absl::Status Place(const PlaceIntent& intent) override {
    const Fate fate = next_place;
    if (!is_fate_sticky) next_place = Fate::kAccept;
    if (fate == Fate::kRefuse || !has_entry) return absl::UnavailableError("");
    HF_ASSERT(orders.find(std::string(intent.client_order_id.view())) == orders.end());
    placed.push_back(intent);
    if (placement_room != INT64_MAX && counts_at_once) --placement_room;
    Answer(intent, fate);
    return absl::OkStatus();
  }
  absl::Status Cancel(const CancelIntent& intent) override {
    const CancelFate fate = next_cancel;
    if (!is_fate_sticky) next_cancel = CancelFate::kCancel;
    if (fate == CancelFate::kRefuse || !has_entry) return absl::UnavailableError("");
    canceled.push_back(intent);
    AnswerCancel(intent, fate);
    return absl::OkStatus();
  }
  absl::Status CancelAll(RequestId, InstrumentId) override { return absl::OkStatus(); }

  absl::Status QueryOrder(RequestId id, InstrumentId, const ClientOrderId& client_id) override {
    ++order_query_count;
    if (!has_entry) return absl::UnavailableError("");
    if (!answers_queries) return absl::OkStatus();
    const auto found = orders.find(std::string(client_id.view()));
    if (found == orders.end()) {
      events.push_back(OrderAbsent{.request_id = id,
                                   .client_order_id = client_id,
                                   .venue_time_ns = clock.WallNs() + clock_offset_ns,
                                   .receive_time_ns = clock.WallNs()});
    } else {
      events.push_back(ReportOf(found->second, EvidenceSource::kOrderQuery, id));
    }
    End(id, QueryKind::kOrder);
    return absl::OkStatus();
  }
  absl::Status QueryOrderByVenueId(RequestId id, InstrumentId, VenueOrderId venue_id) override {
    if (!has_entry) return absl::UnavailableError("");
    if (!answers_queries) return absl::OkStatus();
    for (const auto& [client_id, order] : orders) {
      if (order.id == venue_id) {
        events.push_back(ReportOf(order, EvidenceSource::kOrderQuery, id));
      }
    }
    End(id, QueryKind::kOrder);
    return absl::OkStatus();
  }
  absl::Status QueryOpenOrders(RequestId id, InstrumentId) override {
    ++open_orders_query_count;
    last_open_orders_query = id;
    open_orders_queried_at.push_back(clock.MonotonicNs());
    if (!has_entry) return absl::UnavailableError("");
    if (!answers_queries) return absl::OkStatus();
    for (const auto& [client_id, order] : orders) {
      if (order.is_open() && lists_orders) {
        events.push_back(ReportOf(order, EvidenceSource::kOpenOrdersQuery, id));
      }
    }
    End(id, QueryKind::kOpenOrders);
    return absl::OkStatus();
  }
  absl::Status QueryFills(RequestId id, InstrumentId, VenueTradeId after,
                          int64_t since_ns) override {
    ++fills_query_count;
    fills_since.push_back(since_ns);
    fills_after.push_back(after);
    last_fills_query = id;
    if (!has_entry) return absl::UnavailableError("");
    if (!answers_queries || !answers_fills) return absl::OkStatus();
    for (Fill fill : fills) {
      const bool is_wanted =
          after.value() != 0 ? fill.trade_id > after : fill.venue_time_ns >= since_ns;
      if (!is_wanted || !lists_fills) continue;
      fill.client_order_id = ClientOrderId();  // a trade list does not carry it
      events.push_back(
          FillReport{.request_id = id, .source = EvidenceSource::kTradesQuery, .fill = fill});
    }
    End(id, QueryKind::kFills);
    return absl::OkStatus();
  }
  absl::Status QueryBalances(RequestId id) override {
    if (!has_entry) return absl::UnavailableError("");
    for (const auto& [asset, amounts] : balances) {
      events.push_back(BalanceReport{.request_id = id,
                                     .asset = AssetCode(asset),
                                     .free = amounts.first,
                                     .locked = amounts.second,
                                     .venue_time_ns = clock.WallNs()});
    }
    End(id, QueryKind::kBalances);
    return absl::OkStatus();
  }
  absl::Status QueryAccount(RequestId id) override {
    if (!has_entry) return absl::UnavailableError("");
    events.push_back(AccountReport{.request_id = id,
                                   .can_trade = can_trade,
                                   .maker_fee_rate = maker_fee,
                                   .taker_fee_rate = maker_fee});
    End(id, QueryKind::kAccount);
    return absl::OkStatus();
  }
  absl::Status QueryInstrument(RequestId id, InstrumentId) override {
    if (!has_entry) return absl::UnavailableError("");
    events.push_back(InstrumentReport{.request_id = id, .instrument = instrument});
    End(id, QueryKind::kInstrument);
    return absl::OkStatus();
  }
  absl::Status QueryServerTime(RequestId id) override {
    if (!has_entry) return absl::UnavailableError("");
    events.push_back(ServerTimeReport{.request_id = id, .offset_ns = clock_offset_ns});
    End(id, QueryKind::kServerTime);
    return absl::OkStatus();
  }
  int Poll(VenueEventSink& sink, int max_events) override {
    int count = 0;
    while (count < max_events && !events.empty()) {
      const VenueEvent event = events.front();
      events.pop_front();
      sink.OnVenueEvent(event);
      ++count;
    }
    return count;
  }
  GatewayCapabilities capabilities() const override {
    return {.visibility_lag_ns = kLagNs, .submit_window_ns = kWindowNs};
  }
  RateBudget rate_budget() const override {
    RateBudget budget;
    budget.is_placement_allowed = is_budget_open && placement_room > 0;
    budget.placement_room = placement_room;
    return budget;
  }
  bool is_order_entry_up() const override { return has_entry; }
  bool is_private_stream_up() const override { return has_stream; }
  bool Record(const OrderRecord& record) override { return Keep(order_records, record); }
  bool Record(const FillRecord& record) override { return Keep(fill_records, record); }
  bool Record(const SlotRecord&) override { return takes_records; }
  bool Record(const MemoryRecord& record) override { return Keep(memory_records, record); }
  bool Record(const LedgerRecord& record) override { return Keep(ledger_records, record); }
  bool Record(const RiskRecord& record) override { return Keep(risk_records, record); }
  bool RecordProvenStop() override {
    if (takes_records) ++proven_stop_count;
    return takes_records;
  }
  bool is_store_healthy() const override { return is_healthy; }
  std::string store_problem() const override {
    ++store_problem_count;
    return is_healthy ? "" : "disk full";
  }
  mutable int store_problem_count = 0;

  void End(RequestId id, QueryKind kind) {
    events.push_back(QueryDone{.request_id = id, .kind = kind, .is_ok = true, .text = {}});
  }

 private:
  static RejectReason ReasonOf(Fate fate) {
    if (fate == Fate::kNotSent) return RejectReason::kNotSent;
    return fate == Fate::kRejectWouldTake ? RejectReason::kWouldTake : RejectReason::kOther;
  }
  template <typename T>
  bool Keep(std::vector<T>& kept, const T& record) {
    if (takes_records) kept.push_back(record);
    return takes_records;
  }
  void Answer(const PlaceIntent& intent, Fate fate) {
    const int64_t now_ns = clock.WallNs();
    switch (fate) {
      case Fate::kAccept: {
        const VenueOrder& order = AddOrder(intent);
        events.push_back(OrderAccepted{.client_order_id = intent.client_order_id,
                                       .venue_order_id = order.id,
                                       .venue_time_ns = now_ns,
                                       .receive_time_ns = now_ns});
        break;
      }
      case Fate::kRejectWouldTake:
      case Fate::kRejectOther:
      case Fate::kNotSent:
        events.push_back(OrderRejected{.client_order_id = intent.client_order_id,
                                       .reason = ReasonOf(fate),
                                       .venue_code = -2010,
                                       .text = VenueText(),
                                       .receive_time_ns = now_ns});
        break;
      case Fate::kLostReply:
        AddOrder(intent);
        [[fallthrough]];
      case Fate::kLostRequest:
        events.push_back(OrderAmbiguous{.client_order_id = intent.client_order_id,
                                        .cause = AmbiguityCause::kTimeout,
                                        .submit_expiry_ns = now_ns + clock_offset_ns + kWindowNs,
                                        .receive_time_ns = now_ns});
        break;
      case Fate::kSilent:
        AddOrder(intent);
        break;
      case Fate::kSilentLost:
      case Fate::kRefuse:
        break;
    }
  }
  void AnswerCancel(const CancelIntent& intent, CancelFate fate) {
    const auto found = orders.find(std::string(intent.client_order_id.view()));
    const bool is_open = found != orders.end() && found->second.is_open();
    if (fate == CancelFate::kCancel && !is_open) fate = CancelFate::kUnknownOrder;
    CancelRejected rejected;
    rejected.client_order_id = intent.client_order_id;
    switch (fate) {
      case CancelFate::kCancel:
        found->second.status = VenueOrderStatus::kCanceled;
        events.push_back(ReportOf(found->second, EvidenceSource::kReply));
        return;
      case CancelFate::kUnknownOrder:
        rejected.reason = CancelRejectReason::kUnknownOrder;
        break;
      case CancelFate::kRateLimit:
        rejected.reason = CancelRejectReason::kRateLimit;
        break;
      case CancelFate::kAmbiguous:
        rejected.reason = CancelRejectReason::kAmbiguous;
        break;
      case CancelFate::kSilent:
      case CancelFate::kRefuse:
        return;
    }
    events.push_back(rejected);
  }
};

// A feed whose messages the test hands in one by one.
class FakeFeed final : public MarketFeed {
 public:
  struct Message {
    enum class Kind { kConnection, kSnapshot, kUpdate, kTop } kind = Kind::kConnection;
    bool is_up = false;
    int64_t first_id = 0;
    int64_t last_id = 0;
    std::vector<LevelChange> bids;
    std::vector<LevelChange> asks;
    BookTop top;
  };
  explicit FakeFeed(const ManualClock& manual_clock) : clock(manual_clock) {}

  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void RequestSnapshot(InstrumentId) override { ++snapshot_request_count; }
  int Poll(MarketSink& sink, int max_messages) override {
    int count = 0;
    while (count < max_messages && !messages.empty()) {
      const Message message = messages.front();
      messages.pop_front();
      Deliver(sink, message);
      ++count;
    }
    return count;
  }

  const ManualClock& clock;
  std::deque<Message> messages;
  int snapshot_request_count = 0;

 private:
  void Deliver(MarketSink& sink, const Message& message) {
    const int64_t now_ns = clock.WallNs();
    switch (message.kind) {
      case Message::Kind::kConnection:
        sink.OnFeedConnection(InstrumentId(), message.is_up, now_ns);
        break;
      case Message::Kind::kSnapshot: {
        DepthSnapshot snapshot;
        snapshot.last_update_id = message.last_id;
        snapshot.receive_time_ns = now_ns;
        snapshot.bids = message.bids;
        snapshot.asks = message.asks;
        sink.OnDepthSnapshot(snapshot);
        break;
      }
      case Message::Kind::kUpdate: {
        DepthUpdate update;
        update.first_update_id = message.first_id;
        update.last_update_id = message.last_id;
        update.receive_time_ns = now_ns;
        update.bids = message.bids;
        update.asks = message.asks;
        sink.OnDepthUpdate(update);
        break;
      }
      case Message::Kind::kTop: {
        BookTop top = message.top;
        top.receive_time_ns = now_ns;
        sink.OnBookTop(top);
        break;
      }
    }
  }
};

// Wants exactly what the test says.
class FixedStrategy final : public Strategy {
 public:
  void Decide(const MarketView& view, const Inventory& inventory, std::span<const Slot> slots,
              StrategyMemory& memory, TargetState& target) const override {
    target.Clear();
    if (decide_count == 0) first_memory = memory;
    memory.has_anchor = true;
    memory.anchor = Price::FromTicks(1);
    memory.interval_ticks = interval_ticks;
    last_view = view;
    last_inventory = inventory;
    last_slots.assign(slots.begin(), slots.end());
    ++decide_count;
    if (!is_valid) return;
    for (const TargetOrder& order : wanted) target.orders.push_back(order);
    target.is_valid = true;
  }
  int64_t price_tolerance_ticks() const override { return tolerance_ticks; }
  Quantity order_quantity() const override { return ordinary_quantity; }

  std::vector<TargetOrder> wanted;
  bool is_valid = true;
  int64_t tolerance_ticks = 0;
  Quantity ordinary_quantity;           // zero: sizes vary
  int64_t interval_ticks = 100'000;     // wide: the edge guard is tested on its own
  mutable StrategyMemory first_memory;  // as the first decision got it
  mutable MarketView last_view;
  mutable Inventory last_inventory;
  mutable std::vector<Slot> last_slots;
  mutable int decide_count = 0;
};

class RecordingObserver final : public LoopObserver {
 public:
  void OnLoopEvent(const LoopEvent& event) override { events.push_back(event); }
  int Count(LoopEventKind kind) const {
    return static_cast<int>(std::count_if(events.begin(), events.end(),
                                          [kind](const LoopEvent& e) { return e.kind == kind; }));
  }
  std::vector<LoopEvent> events;
};

inline Instrument TestInstrument() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = Decimal::FromUnits(1'000'000);  // 0.01
  instrument.lot_size = Decimal::FromUnits(1'000);       // 0.00001
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.max_quantity = Quantity::FromLots(900'000'000);
  instrument.min_notional = Decimal::FromInteger(5);
  return instrument;
}

inline RiskLimits TestLimits() {
  RiskLimits limits;
  limits.max_position = Decimal::FromInteger(1);
  return limits;
}

constexpr SlotKey BuyKey(int32_t line) { return {.line = line, .entry_side = Side::kBuy}; }
constexpr SlotKey SellKey(int32_t line) { return {.line = line, .entry_side = Side::kSell}; }
constexpr SlotKey ExitOf(SlotKey key) {
  key.is_exit = true;
  return key;
}
inline TargetOrder Want(SlotKey key, int64_t price_ticks, int64_t lots) {
  const Side side = key.is_exit ? Opposite(key.entry_side) : key.entry_side;
  return {.key = key,
          .side = side,
          .price = Price::FromTicks(price_ticks),
          .quantity = Quantity::FromLots(lots)};
}

// A loop with everything round it. The mid is 50,000.00 (5,000,000 ticks) unless the test moves it.
class World {
 public:
  static constexpr int64_t kMid = 5'000'000;

  explicit World(const RecoveredState& recovered = FirstRun(), RiskLimits limits = TestLimits(),
                 QuotingOptions options = {})
      : engine(TestInstrument(), clock), feed(clock) {
    loop = std::make_unique<QuotingLoop>(clock, TestInstrument(), account, strategy, feed, engine,
                                         limits, options, recovered, &observer);
    HF_ASSERT(loop->Start().ok());
  }

  static RecoveredState FirstRun() {
    RecoveredState recovered;
    recovered.is_stop_proven = true;  // the wait without it has tests of its own
    return recovered;
  }

  // Connects the feed, brings a book, lets the loop reconcile.
  void Begin() {
    ConnectFeed();
    Snapshot(100, kMid - 50, kMid + 50);
    Turns(12);
  }
  void ConnectFeed(bool is_up = true) {
    FakeFeed::Message message;
    message.is_up = is_up;
    feed.messages.push_back(message);
  }
  void Snapshot(int64_t id, int64_t bid, int64_t ask) {
    FakeFeed::Message message;
    message.kind = FakeFeed::Message::Kind::kSnapshot;
    message.last_id = id;
    message.bids = {{Price::FromTicks(bid), Quantity::FromLots(1000)}};
    message.asks = {{Price::FromTicks(ask), Quantity::FromLots(1000)}};
    feed.messages.push_back(message);
    last_id = id;
    bid_ticks = bid;
    ask_ticks = ask;
  }
  // Moves the touch by a diff in sequence.
  void Move(int64_t bid, int64_t ask) {
    FakeFeed::Message message;
    message.kind = FakeFeed::Message::Kind::kUpdate;
    message.first_id = last_id + 1;
    message.last_id = ++last_id;
    if (bid != bid_ticks) message.bids.push_back({Price::FromTicks(bid_ticks), Quantity()});
    if (ask != ask_ticks) message.asks.push_back({Price::FromTicks(ask_ticks), Quantity()});
    message.bids.push_back({Price::FromTicks(bid), Quantity::FromLots(1000 + last_id % 7)});
    message.asks.push_back({Price::FromTicks(ask), Quantity::FromLots(1000)});
    feed.messages.push_back(message);
    bid_ticks = bid;
    ask_ticks = ask;
  }
  void Tick() { Move(bid_ticks, ask_ticks); }
  void Turns(int count) {
    for (int i = 0; i < count; ++i) loop->RunOnce();
    loop->CheckInvariants();
  }
  // Time passes in steps small enough for every timer, with the market alive.
  void Pass(int64_t duration_ns, int64_t step_ns = 50 * kNanosPerMilli) {
    for (int64_t passed = 0; passed < duration_ns; passed += step_ns) {
      clock.Advance(step_ns);
      if (is_market_alive) Tick();
      Turns(2);
    }
  }
  bool PassUntilStopped(int64_t limit_ns) {
    for (int64_t passed = 0; passed < limit_ns && !loop->is_stopped(); passed += 50'000'000) {
      Pass(50 * kNanosPerMilli);
    }
    return loop->is_stopped();
  }
  StatusSnapshot Status() {
    clock.Advance(200 * kNanosPerMilli);
    if (is_market_alive) Tick();
    Turns(1);
    StatusSnapshot status;
    HF_ASSERT(loop->snapshots().Read(status));
    return status;
  }
  bool IsHealthy(HealthFlag flag) { return Status().health[static_cast<size_t>(flag)].is_ok; }
  const LoopCounters& counters() const { return loop->counters(); }
  uint64_t Denied(DenyReason reason) const {
    return counters().denies_by_reason[static_cast<size_t>(reason)];
  }

  ManualClock clock;
  AccountTag account = MakeAccountTag("test");
  FakeEngine engine;
  FakeFeed feed;
  FixedStrategy strategy;
  RecordingObserver observer;
  std::unique_ptr<QuotingLoop> loop;
  bool is_market_alive = true;
  int64_t last_id = 0;
  int64_t bid_ticks = 0;
  int64_t ask_ticks = 0;
};

// An order as an earlier run stored it, placed 100 seconds ago.
inline Order StoredOrder(const World& world, uint64_t number, SlotKey key, int64_t price,
                         int64_t lots) {
  Order order;
  order.number = OrderNumber(number);
  order.client_order_id = MakeClientOrderId(world.account, order.number, key.Packed());
  order.venue_order_id = VenueOrderId(static_cast<int64_t>(500 + number));
  order.side = key.is_exit ? Opposite(key.entry_side) : key.entry_side;
  order.state = OrderState::kWorking;
  order.price = Price::FromTicks(price);
  order.quantity = Quantity::FromLots(lots);
  order.slot_key = key.Packed();
  order.create_time_ns = world.clock.WallNs() - 100 * kNanosPerSecond;
  return order;
}

inline PlaceIntent IntentOf(const Order& order) {
  PlaceIntent intent;
  intent.number = order.number;
  intent.client_order_id = order.client_order_id;
  intent.side = order.side;
  intent.price = order.price;
  intent.quantity = order.quantity;
  intent.slot_key = SlotKey::Unpack(order.slot_key);
  return intent;
}

// What a second run gets from the store: the books of the first with opening balances.
inline RecoveredState SecondRun() {
  RecoveredState recovered;
  recovered.is_first_run = false;
  recovered.is_stop_proven = true;
  recovered.stored_time_ns = ManualClock().WallNs() - 60 * kNanosPerSecond;
  for (const auto& [asset, amount] : {std::pair("BTC", 10), std::pair("USDT", 1'000'000)}) {
    const auto status = recovered.ledger.Apply(
        MakeWalletTransaction(LedgerCause::kOpening, AssetCode(asset), Decimal::FromInteger(amount),
                              "opening balance", 0));
    HF_ASSERT(status.ok());
  }
  recovered.last_trade_id = VenueTradeId(900);
  recovered.recent_trade_ids = {VenueTradeId(890), VenueTradeId(900)};
  return recovered;
}

}  // namespace holdfast::testing
