#include "gateway_conformance.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "engine/market/client_order_id.h"

namespace holdfast::conformance {
namespace {

constexpr InstrumentId kInstrument{0};
constexpr int64_t kStepNs = 50 * kNanosPerMilli;
constexpr int kMaxSteps = 1200;  // a minute of the venue's time
// Generous: reached only by a failing test.
constexpr int64_t kRealLimitNs = 60 * kNanosPerSecond;
constexpr int64_t kStepRealNs = 2 * kNanosPerMilli;

struct Log : VenueEventSink {
  void OnVenueEvent(const VenueEvent& event) override {
    events.push_back(event);
    if (const auto* accepted = std::get_if<OrderAccepted>(&event)) {
      ++place_answers[std::string(accepted->client_order_id.view())];
    } else if (const auto* rejected = std::get_if<OrderRejected>(&event)) {
      ++place_answers[std::string(rejected->client_order_id.view())];
    } else if (const auto* ambiguous = std::get_if<OrderAmbiguous>(&event)) {
      ++place_answers[std::string(ambiguous->client_order_id.view())];
    }
  }
  template <typename T>
  std::vector<T> All() const {
    std::vector<T> found;
    for (const VenueEvent& event : events) {
      if (const T* match = std::get_if<T>(&event)) found.push_back(*match);
    }
    return found;
  }
  std::vector<OrderReport> ReportsOf(const std::string& id) const {
    std::vector<OrderReport> found;
    for (const OrderReport& report : All<OrderReport>()) {
      if (report.client_order_id == id) found.push_back(report);
    }
    return found;
  }
  std::vector<VenueEvent> events;
  std::map<std::string, int> place_answers;
};

// One run: the environment, what was heard, and the small verbs of the stories below.
struct Run {
  explicit Run(const Factory& make) : environment(make()), gateway(environment->gateway()) {
    REQUIRE(gateway.Start().ok());
    REQUIRE(Until([&] { return gateway.is_order_entry_up() && gateway.is_private_stream_up(); }));
  }
  // Each placement has exactly one answer, whatever else happened.
  ~Run() {
    for (const std::string& id : placed) {
      INFO("answers to " << id);
      CHECK(log.place_answers[id] == 1);
    }
  }

  void Drain() {
    environment->Step();
    while (gateway.Poll(log, 1000) > 0) {
    }
  }
  // Runs until `condition` holds; time moves on when it does not come by itself.
  template <typename Condition>
  bool Until(Condition condition) {
    const SystemClock real_clock;
    const int64_t limit_ns = real_clock.MonotonicNs() + kRealLimitNs;
    for (int step = 0; step < kMaxSteps; ++step) {
      const int64_t step_end_ns = real_clock.MonotonicNs() + kStepRealNs;
      do {
        Drain();
        if (condition()) return true;
      } while (real_clock.MonotonicNs() < step_end_ns);
      if (real_clock.MonotonicNs() > limit_ns) return false;
      environment->Advance(kStepNs);
    }
    return false;
  }
  void Pass(int64_t duration_ns) {
    const SystemClock real_clock;
    for (int64_t passed = 0; passed < duration_ns; passed += kStepNs) {
      environment->Advance(kStepNs);
      const int64_t step_end_ns = real_clock.MonotonicNs() + kStepRealNs;
      do {
        Drain();
      } while (real_clock.MonotonicNs() < step_end_ns);
    }
  }

  PlaceRequest Request(const std::string& id, Side side, int64_t ticks, int64_t lots) const {
    PlaceRequest request = {};
    request.instrument = kInstrument;
    request.client_order_id = ClientOrderId(id);
    request.side = side;
    request.price = Price::FromTicks(ticks);
    request.quantity = Quantity::FromLots(lots);
    return request;
  }
  void Place(const std::string& id, Side side = Side::kBuy, int64_t ticks = kBid,
             int64_t lots = kLots) {
    REQUIRE(gateway.Place(Request(id, side, ticks, lots)).ok());
    placed.push_back(id);
  }
  void PlaceAndAwait(const std::string& id, Side side = Side::kBuy, int64_t ticks = kBid,
                     int64_t lots = kLots) {
    Place(id, side, ticks, lots);
    REQUIRE(Until([&] { return log.place_answers[id] == 1; }));
  }
  void AwaitAccepted(const std::string& id) {
    PlaceAndAwait(id);
    REQUIRE(log.All<OrderAccepted>().back().client_order_id == id);
  }
  void Cancel(const std::string& id) {
    CancelRequest request = {};
    request.instrument = kInstrument;
    request.client_order_id = ClientOrderId(id);
    REQUIRE(gateway.Cancel(request).ok());
  }
  // The other account trades against what rests.
  void HitBid(const std::string& quantity, const std::string& price = "60000") {
    environment->AtVenue([&](SimVenue& venue, SimAccountId, SimAccountId other) {
      SimOrderRequest request;
      request.instrument = kInstrument;
      request.side = Side::kSell;
      request.time_in_force = TimeInForce::kImmediateOrCancel;
      request.quantity = *Decimal::Parse(quantity);
      request.price = *Decimal::Parse(price);
      HF_ASSERT(venue.PlaceOrder(other, request).is_accepted());
    });
  }
  QueryDone End(uint64_t request_id) {
    REQUIRE(Until([&] {
      for (const QueryDone& done : log.All<QueryDone>()) {
        if (done.request_id == RequestId(request_id)) return true;
      }
      return false;
    }));
    for (const QueryDone& done : log.All<QueryDone>()) {
      if (done.request_id == RequestId(request_id)) return done;
    }
    return {};
  }
  void AddFault(FaultKind kind, FaultPoint point, int64_t delay_ns = 0) {
    FaultRule rule;
    rule.kind = kind;
    rule.point = point;
    rule.count = 1;
    rule.delay_ns = delay_ns;
    environment->AddFault(rule);
  }

  static constexpr int64_t kBid = 6'000'000;  // 60000.00
  static constexpr int64_t kLots = 1'000;     // 0.01 BTC

  std::unique_ptr<Environment> environment;
  VenueGateway& gateway;
  Log log;
  std::vector<std::string> placed;
};

void CheckPlacing(const Factory& make) {
  SECTION("an order is accepted once and reported by stream") {
    Run run(make);
    run.AwaitAccepted("c1");
    REQUIRE(run.Until([&] { return !run.log.ReportsOf("c1").empty(); }));
    const OrderReport report = run.log.ReportsOf("c1")[0];
    CHECK(report.source == EvidenceSource::kStream);
    CHECK(report.status == VenueOrderStatus::kNew);
    CHECK(report.price == Price::FromTicks(Run::kBid));
    CHECK(report.quantity == Quantity::FromLots(Run::kLots));
    CHECK(report.venue_order_id == run.log.All<OrderAccepted>()[0].venue_order_id);
    CHECK(report.venue_order_id.value() > 0);
  }
  SECTION("fills come one by one, before the order's end, and never twice") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.HitBid("0.004");
    run.HitBid("0.006");
    REQUIRE(run.Until([&] { return run.log.All<FillReport>().size() == 2; }));
    REQUIRE(run.Until([&] {
      const auto reports = run.log.ReportsOf("c1");
      return !reports.empty() && reports.back().status == VenueOrderStatus::kFilled;
    }));
    run.Pass(500 * kNanosPerMilli);
    const auto fills = run.log.All<FillReport>();
    REQUIRE(fills.size() == 2);
    CHECK(fills[0].fill.trade_id < fills[1].fill.trade_id);
    CHECK(fills[0].fill.quantity == Quantity::FromLots(400));
    CHECK(fills[1].fill.quantity == Quantity::FromLots(600));
    CHECK(fills[0].fill.price == Price::FromTicks(Run::kBid));
    CHECK(fills[0].fill.liquidity == Liquidity::kMaker);
    CHECK(fills[0].fill.side == Side::kBuy);
    CHECK(fills[0].fill.client_order_id == "c1");
    CHECK(run.log.ReportsOf("c1").back().filled == Quantity::FromLots(Run::kLots));
  }
  SECTION("the id of an open order is refused as a duplicate") {
    Run run(make);
    run.AwaitAccepted("c1");
    REQUIRE(run.gateway.Place(run.Request("c1", Side::kBuy, Run::kBid - 100, Run::kLots)).ok());
    REQUIRE(run.Until([&] { return run.log.All<OrderRejected>().size() == 1; }));
    CHECK(run.log.All<OrderRejected>()[0].reason == RejectReason::kDuplicateId);
    run.placed.clear();  // two placements under one id
    CHECK(run.log.place_answers["c1"] == 2);
  }
  SECTION("a post-only order that would take is refused") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.environment->AtVenue([](SimVenue& venue, SimAccountId, SimAccountId other) {
      SimOrderRequest request;
      request.instrument = kInstrument;
      request.side = Side::kSell;
      request.quantity = *Decimal::Parse("0.01");
      request.price = *Decimal::Parse("60010");
      HF_ASSERT(venue.PlaceOrder(other, request).is_accepted());
    });
    run.PlaceAndAwait("c2", Side::kBuy, 6'001'000);
    REQUIRE(run.log.All<OrderRejected>().size() == 1);
    CHECK(run.log.All<OrderRejected>()[0].reason == RejectReason::kWouldTake);
  }
  SECTION("too little balance and too small an order are refused with their reasons") {
    Run run(make);
    run.PlaceAndAwait("c1", Side::kBuy, Run::kBid, 10'000'000);  // 100 BTC
    REQUIRE(run.log.All<OrderRejected>().size() == 1);
    CHECK(run.log.All<OrderRejected>()[0].reason == RejectReason::kInsufficientBalance);
    run.PlaceAndAwait("c2", Side::kBuy, Run::kBid, 1);
    REQUIRE(run.log.All<OrderRejected>().size() == 2);
    CHECK(run.log.All<OrderRejected>()[1].reason == RejectReason::kFilter);
  }
}

void CheckCanceling(const Factory& make) {
  SECTION("a cancel ends in a report that carries the order's own id and what had filled") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.HitBid("0.004");
    REQUIRE(run.Until([&] { return run.log.All<FillReport>().size() == 1; }));
    run.Cancel("c1");
    REQUIRE(run.Until([&] {
      const auto reports = run.log.ReportsOf("c1");
      return !reports.empty() && reports.back().status == VenueOrderStatus::kCanceled;
    }));
    run.Pass(200 * kNanosPerMilli);
    for (const OrderReport& report : run.log.All<OrderReport>()) {
      CHECK(report.client_order_id == "c1");
    }
    CHECK(run.log.ReportsOf("c1").back().filled == Quantity::FromLots(400));
    CHECK(run.log.All<CancelRejected>().empty());
  }
  SECTION("a cancel of what has filled or never was is refused as unknown") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.HitBid("0.01");
    run.Cancel("c1");
    run.Cancel("never-was");
    REQUIRE(run.Until([&] { return run.log.All<CancelRejected>().size() == 2; }));
    for (const CancelRejected& rejected : run.log.All<CancelRejected>()) {
      CHECK(rejected.reason == CancelRejectReason::kUnknownOrder);
    }
  }
  SECTION("a cancel without an answer is ambiguous, and the order tells") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.AddFault(FaultKind::kLostReply, FaultPoint::kCancel);
    run.Cancel("c1");
    REQUIRE(run.Until([&] { return run.log.All<CancelRejected>().size() == 1; }));
    CHECK(run.log.All<CancelRejected>()[0].reason == CancelRejectReason::kAmbiguous);
    REQUIRE(run.gateway.QueryOrder(RequestId(1), kInstrument, ClientOrderId("c1")).ok());
    CHECK(run.End(1).is_ok);
    CHECK(run.log.ReportsOf("c1").back().status == VenueOrderStatus::kCanceled);
  }
  SECTION("cancel-all is confirmed, also when there is nothing") {
    Run run(make);
    for (const char* id : {"c1", "c2", "c3"}) run.AwaitAccepted(id);
    REQUIRE(run.gateway.CancelAll(RequestId(1), kInstrument).ok());
    CHECK(run.End(1).is_ok);
    REQUIRE(run.gateway.QueryOpenOrders(RequestId(2), kInstrument).ok());
    const QueryDone open = run.End(2);
    CHECK(open.is_ok);
    CHECK(open.row_count == 0);
    REQUIRE(run.gateway.CancelAll(RequestId(3), kInstrument).ok());
    CHECK(run.End(3).is_ok);
  }
}

void CheckAmbiguity(const Factory& make) {
  SECTION("a lost answer is ambiguous, and a query finds the order") {
    Run run(make);
    run.AddFault(FaultKind::kLostReply, FaultPoint::kPlace);
    run.PlaceAndAwait("c1");
    REQUIRE(run.log.All<OrderAmbiguous>().size() == 1);
    CHECK(run.log.All<OrderAmbiguous>()[0].submit_expiry_ns > 0);
    REQUIRE(run.gateway.QueryOrder(RequestId(1), kInstrument, ClientOrderId("c1")).ok());
    CHECK(run.End(1).is_ok);
    const OrderReport report = run.log.ReportsOf("c1").back();
    CHECK(report.source == EvidenceSource::kOrderQuery);
    CHECK(report.request_id == RequestId(1));
    CHECK(report.status == VenueOrderStatus::kNew);
  }
  SECTION("a lost request is ambiguous, and absent after its expiry") {
    Run run(make);
    run.AddFault(FaultKind::kLostRequest, FaultPoint::kPlace);
    run.PlaceAndAwait("c1");
    REQUIRE(run.log.All<OrderAmbiguous>().size() == 1);
    const int64_t expiry_ns = run.log.All<OrderAmbiguous>()[0].submit_expiry_ns;
    const GatewayCapabilities capabilities = run.gateway.capabilities();
    run.Pass(capabilities.submit_window_ns + capabilities.visibility_lag_ns + 2 * kStepNs);
    REQUIRE(run.gateway.QueryOrder(RequestId(1), kInstrument, ClientOrderId("c1")).ok());
    CHECK(run.End(1).is_ok);
    REQUIRE(run.log.All<OrderAbsent>().size() == 1);
    CHECK(run.log.All<OrderAbsent>()[0].request_id == RequestId(1));
    CHECK(run.log.All<OrderAbsent>()[0].venue_time_ns > expiry_ns + capabilities.visibility_lag_ns);
  }
  SECTION("what a query says after the expiry of a late request is final") {
    Run run(make);
    run.AddFault(FaultKind::kLateAccept, FaultPoint::kPlace, 10 * kNanosPerMilli);
    run.PlaceAndAwait("c1");
    REQUIRE(run.log.All<OrderAmbiguous>().size() == 1);
    const GatewayCapabilities capabilities = run.gateway.capabilities();
    run.Pass(capabilities.submit_window_ns + capabilities.visibility_lag_ns);
    REQUIRE(run.gateway.QueryOrder(RequestId(1), kInstrument, ClientOrderId("c1")).ok());
    CHECK(run.End(1).is_ok);
    const bool is_absent = !run.log.All<OrderAbsent>().empty();
    run.Pass(capabilities.submit_window_ns);
    size_t open_count = 0;
    run.environment->AtVenue([&](SimVenue& venue, SimAccountId ours, SimAccountId) {
      open_count = venue.OpenOrders(ours, kInstrument).size();
    });
    CHECK(open_count == (is_absent ? 0 : 1));
  }
  SECTION("a server error is ambiguous, whether the order was executed or not") {
    for (const FaultKind kind : {FaultKind::kServerError, FaultKind::kServerErrorAfter}) {
      Run run(make);
      run.AddFault(kind, FaultPoint::kPlace);
      run.PlaceAndAwait("c1");
      REQUIRE(run.log.All<OrderAmbiguous>().size() == 1);
      CHECK(run.log.All<OrderRejected>().empty());
      REQUIRE(run.gateway.QueryOrder(RequestId(1), kInstrument, ClientOrderId("c1")).ok());
      CHECK(run.End(1).is_ok);
      CHECK(run.log.All<OrderAbsent>().size() == (kind == FaultKind::kServerError ? 1 : 0));
    }
  }
  SECTION("a cut while a request is under way is ambiguous") {
    Run run(make);
    run.AddFault(FaultKind::kDisconnect, FaultPoint::kPlace);
    run.PlaceAndAwait("c1");
    REQUIRE(run.log.All<OrderAmbiguous>().size() == 1);
    CHECK(run.log.All<OrderAmbiguous>()[0].cause == AmbiguityCause::kDisconnected);
  }
  SECTION("a refusal for the rate is definite") {
    Run run(make);
    run.AddFault(FaultKind::kRateLimited, FaultPoint::kPlace, kNanosPerSecond);
    run.PlaceAndAwait("c1");
    REQUIRE(run.log.All<OrderRejected>().size() == 1);
    CHECK(run.log.All<OrderRejected>()[0].reason == RejectReason::kRateLimit);
  }
  SECTION("a stop answers what is under way as ambiguous") {
    Run run(make);
    run.AddFault(FaultKind::kLostReply, FaultPoint::kPlace);
    run.Place("c1");
    run.Drain();
    run.gateway.Stop();
    run.Drain();
    REQUIRE(run.log.All<OrderAmbiguous>().size() == 1);
    CHECK_FALSE(run.gateway.is_order_entry_up());
    CHECK_FALSE(run.gateway.is_private_stream_up());
    CHECK(run.gateway.Place(run.Request("c2", Side::kBuy, Run::kBid, Run::kLots)).code() ==
          absl::StatusCode::kUnavailable);
  }
}

void CheckQueries(const Factory& make) {
  SECTION("open orders, balances, account, filters and time each end once") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.AwaitAccepted("c2");
    REQUIRE(run.gateway.QueryOpenOrders(RequestId(1), kInstrument).ok());
    REQUIRE(run.gateway.QueryBalances(RequestId(2)).ok());
    REQUIRE(run.gateway.QueryAccount(RequestId(3)).ok());
    REQUIRE(run.gateway.QueryInstrument(RequestId(4), kInstrument).ok());
    REQUIRE(run.gateway.QueryServerTime(RequestId(5)).ok());
    for (uint64_t id = 1; id <= 5; ++id) CHECK(run.End(id).is_ok);
    run.Pass(200 * kNanosPerMilli);
    CHECK(run.log.All<QueryDone>().size() == 5);
    CHECK(run.End(1).row_count == 2);
    std::set<std::string> open;
    for (const OrderReport& report : run.log.All<OrderReport>()) {
      if (report.request_id == RequestId(1)) {
        CHECK(report.source == EvidenceSource::kOpenOrdersQuery);
        open.insert(std::string(report.client_order_id.view()));
      }
    }
    CHECK(open == std::set<std::string>{"c1", "c2"});
    Decimal locked;
    for (const BalanceReport& balance : run.log.All<BalanceReport>()) {
      if (balance.request_id == RequestId(2) && balance.asset == "USDT") locked = balance.locked;
    }
    CHECK(locked == *Decimal::Parse("1200"));  // 2 x 0.01 x 60000
    REQUIRE(run.log.All<AccountReport>().size() == 1);
    CHECK(run.log.All<AccountReport>()[0].can_trade);
    REQUIRE(run.log.All<InstrumentReport>().size() == 1);
    CHECK(run.log.All<InstrumentReport>()[0].instrument.symbol == "BTCUSDT");
    CHECK(run.log.All<ServerTimeReport>().size() == 1);
  }
  SECTION("an unknown order is absent") {
    Run run(make);
    REQUIRE(run.gateway.QueryOrder(RequestId(1), kInstrument, ClientOrderId("never-was")).ok());
    CHECK(run.End(1).is_ok);
    REQUIRE(run.log.All<OrderAbsent>().size() == 1);
    CHECK(run.log.All<OrderAbsent>()[0].client_order_id == "never-was");
  }
  SECTION("a canceled order is found under its own id") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.Cancel("c1");
    REQUIRE(run.Until([&] {
      const auto reports = run.log.ReportsOf("c1");
      return !reports.empty() && reports.back().status == VenueOrderStatus::kCanceled;
    }));
    REQUIRE(run.gateway.QueryOrder(RequestId(1), kInstrument, ClientOrderId("c1")).ok());
    CHECK(run.End(1).is_ok);
    CHECK(run.log.ReportsOf("c1").back().request_id == RequestId(1));
    CHECK(run.log.ReportsOf("c1").back().status == VenueOrderStatus::kCanceled);
  }
  SECTION("fills are paged, oldest first, each once, and from any point on") {
    Run run(make);
    constexpr int kFills = 1'050;
    run.PlaceAndAwait("c1", Side::kBuy, Run::kBid, kFills * 10);
    for (int i = 0; i < kFills; ++i) run.HitBid("0.0001");
    REQUIRE(run.gateway.QueryFills(RequestId(1), kInstrument, VenueTradeId(0), 0).ok());
    const QueryDone all = run.End(1);
    CHECK(all.is_ok);
    CHECK(all.row_count == kFills);
    std::vector<int64_t> ids;
    for (const FillReport& report : run.log.All<FillReport>()) {
      if (report.request_id != RequestId(1)) continue;
      CHECK(report.source == EvidenceSource::kTradesQuery);
      ids.push_back(report.fill.trade_id.value());
    }
    REQUIRE(ids.size() == kFills);
    CHECK(std::is_sorted(ids.begin(), ids.end()));
    CHECK(std::set<int64_t>(ids.begin(), ids.end()).size() == kFills);
    REQUIRE(run.gateway.QueryFills(RequestId(2), kInstrument, VenueTradeId(ids[1'039]), 0).ok());
    CHECK(run.End(2).row_count == 10);
    REQUIRE(run.gateway.QueryFills(RequestId(3), kInstrument, VenueTradeId(ids.back()), 0).ok());
    CHECK(run.End(3).row_count == 0);
  }
}

void CheckConnections(const Factory& make) {
  SECTION("a cut is told, the connection comes back, and what happened in the dark is found") {
    Run run(make);
    run.AwaitAccepted("c1");
    run.HitBid("0.004");
    REQUIRE(run.Until([&] { return run.log.All<FillReport>().size() == 1; }));
    const VenueTradeId last = run.log.All<FillReport>()[0].fill.trade_id;
    run.environment->Cut();
    REQUIRE(run.Until([&] { return !run.gateway.is_private_stream_up(); }));
    run.HitBid("0.003");
    REQUIRE(run.Until([&] { return run.gateway.is_private_stream_up(); }));
    REQUIRE(run.Until([&] { return run.gateway.is_order_entry_up(); }));
    std::vector<bool> stream;
    for (const ConnectionChange& change : run.log.All<ConnectionChange>()) {
      if (change.channel == Channel::kPrivateStream) stream.push_back(change.is_up);
    }
    CHECK(stream == std::vector<bool>{true, false, true});
    REQUIRE(run.gateway.QueryFills(RequestId(1), kInstrument, last, 0).ok());
    const QueryDone done = run.End(1);
    CHECK(done.is_ok);
    CHECK(done.row_count == 1);
    CHECK(run.log.All<FillReport>().back().fill.quantity == Quantity::FromLots(300));
    // Trading goes on, and the stream tells of it.
    run.HitBid("0.003");
    REQUIRE(run.Until(
        [&] { return run.log.ReportsOf("c1").back().status == VenueOrderStatus::kFilled; }));
    run.AwaitAccepted("c2");
  }
}

}  // namespace

void RunGatewayConformance(const Factory& make) {
  CheckPlacing(make);
  CheckCanceling(make);
  CheckAmbiguity(make);
  CheckQueries(make);
  CheckConnections(make);
}

// Filled in part, canceled, and then known by the venue's id only, as after a restart without a
// record of it: whose it was can still be told.
void RunRenamedOrderConformance(const Factory& make) {
  const ClientOrderId own = MakeClientOrderId(AccountTag(77), OrderNumber(5), -3);
  const std::string id(own.view());
  Run run(make);
  run.AwaitAccepted(id);
  run.HitBid("0.004");
  run.Cancel(id);
  REQUIRE(run.Until([&] {
    const auto reports = run.log.ReportsOf(id);
    return !reports.empty() && reports.back().status == VenueOrderStatus::kCanceled;
  }));
  run.Pass(200 * kNanosPerMilli);
  REQUIRE(run.gateway.QueryFills(RequestId(1), kInstrument, VenueTradeId(0), 0).ok());
  CHECK(run.End(1).row_count == 1);
  const VenueOrderId venue_order_id = run.log.All<FillReport>().back().fill.venue_order_id;
  REQUIRE(run.gateway.QueryOrderByVenueId(RequestId(2), kInstrument, venue_order_id).ok());
  CHECK(run.End(2).row_count == 1);
  REQUIRE(run.gateway.QueryOrder(RequestId(3), kInstrument, own).ok());
  CHECK(run.End(3).row_count == 1);
  CHECK(run.log.All<OrderAbsent>().empty());
  for (const OrderReport& report : run.log.All<OrderReport>()) {
    CHECK(report.client_order_id == own);
    if (report.request_id != RequestId()) CHECK(report.filled == Quantity::FromLots(400));
  }
  bool is_renamed = false;
  run.environment->AtVenue([&](SimVenue& venue, SimAccountId ours, SimAccountId) {
    const auto order = venue.QueryOrder(ours, kInstrument, {.order_id = venue_order_id});
    is_renamed = order.has_value() && order->client_order_id != own;
  });
  CHECK(is_renamed);  // or nothing was proved
}

void RunOvertakingConformance(const Factory& make) {
  Run run(make);
  run.AwaitAccepted("early");
  run.AddFault(FaultKind::kLateAccept, FaultPoint::kPlace, 10 * kNanosPerMilli);
  run.Place("late");
  REQUIRE(run.gateway.CancelAll(RequestId(1), kInstrument).ok());
  CHECK(run.End(1).is_ok);
  const GatewayCapabilities capabilities = run.gateway.capabilities();
  size_t open_count = 1;
  const auto look = [&] {
    run.environment->AtVenue([&](SimVenue& venue, SimAccountId ours, SimAccountId) {
      open_count = venue.OpenOrders(ours, kInstrument).size();
    });
  };
  look();
  CHECK(open_count == 0);
  run.Pass(2 * capabilities.submit_window_ns);
  look();
  CHECK(open_count == 0);
}

}  // namespace holdfast::conformance
