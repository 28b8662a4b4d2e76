// Proves that what the operator sees is what the loop published: a hand-made snapshot is drawn and
// compared with the texts in golden/, for the smallest and a wide terminal, the one-line form and
// the summary. Colors and odd sizes are checked apart.

#include "apps/live_view.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "apps/text.h"
#include "engine/base/clock.h"

namespace holdfast {
namespace {

std::string Golden(const std::string& name) {
  std::ifstream file(HOLDFAST_SOURCE_DIR "/tests/apps/golden/" + name + ".txt");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  REQUIRE_FALSE(text.empty());
  return text;
}

Decimal D(std::string_view text) { return *Decimal::Parse(text); }
Price Ticks(int64_t ticks) { return Price::FromTicks(ticks); }
Quantity Lots(int64_t lots) { return Quantity::FromLots(lots); }

constexpr int64_t kStartNs = 1'700'000'000 * kNanosPerSecond;

LatencySummary Latency(int64_t p50_ns) {
  return {.count = 1000,
          .p50_ns = p50_ns,
          .p90_ns = p50_ns * 2,
          .p99_ns = p50_ns * 4,
          .p999_ns = p50_ns * 8,
          .max_ns = p50_ns * 100};
}

void AddOrder(StatusSnapshot& snapshot, Side side, int64_t ticks, OrderState state,
              int64_t filled_lots = 0) {
  StatusOrder& order = snapshot.orders[static_cast<size_t>(snapshot.order_count++)];
  order.side = side;
  order.price = Ticks(ticks);
  order.quantity = Lots(100);
  order.filled = Lots(filled_lots);
  order.state = state;
  snapshot.order_total = snapshot.order_count;
}

void AddSlot(StatusSnapshot& snapshot, int64_t ticks, SlotState state, int64_t held_lots = 0) {
  Slot& slot = snapshot.slots[static_cast<size_t>(snapshot.slot_count++)];
  slot.entry_price = Ticks(ticks);
  slot.state = state;
  slot.held = Lots(held_lots);
  snapshot.slot_total = snapshot.slot_count;
}

StatusSnapshot Example() {
  StatusSnapshot snapshot;
  snapshot.start_time_ns = kStartNs;
  snapshot.wall_time_ns = kStartNs + 3725 * kNanosPerSecond;
  snapshot.phase = LoopPhase::kQuoting;
  snapshot.symbol = SymbolText("BTCUSDT");
  snapshot.base_asset = AssetCode("BTC");
  snapshot.quote_asset = AssetCode("USDT");
  snapshot.tick_size = D("0.01");
  snapshot.lot_size = D("0.00001");
  snapshot.is_book_quotable = true;
  snapshot.bid_level_count = 5;
  snapshot.ask_level_count = 5;
  for (int i = 0; i < 5; ++i) {
    snapshot.bids[static_cast<size_t>(i)] = {Ticks(6183762 - i), Lots(12345 + i)};
    snapshot.asks[static_cast<size_t>(i)] = {Ticks(6183763 + i), Lots(54321 + i)};
  }
  AddOrder(snapshot, Side::kBuy, 6183760, OrderState::kWorking);
  AddOrder(snapshot, Side::kBuy, 6183000, OrderState::kPartiallyFilled, 40);
  AddOrder(snapshot, Side::kBuy, 6182000, OrderState::kUnknown);
  AddOrder(snapshot, Side::kSell, 6185000, OrderState::kWorking);
  AddOrder(snapshot, Side::kSell, 6186000, OrderState::kPendingCancel);
  snapshot.unknown_order_total = 1;
  AddSlot(snapshot, 6184000, SlotState::kFilled, 100);
  AddSlot(snapshot, 6183760, SlotState::kLocked);
  AddSlot(snapshot, 6182000, SlotState::kPending);
  snapshot.filled_slot_total = 1;
  snapshot.fill_count = 2;
  snapshot.fills[0] = {.trade_id = VenueTradeId(2),
                       .side = Side::kSell,
                       .price = Ticks(6185000),
                       .quantity = Lots(100),
                       .fee = {},
                       .fee_asset = {},
                       .venue_time_ns = kStartNs + 3700 * kNanosPerSecond};
  snapshot.fills[1] = {.trade_id = VenueTradeId(1),
                       .side = Side::kBuy,
                       .liquidity = Liquidity::kTaker,
                       .price = Ticks(6184000),
                       .quantity = Lots(100),
                       .fee = {},
                       .fee_asset = {},
                       .venue_time_ns = kStartNs + 3600 * kNanosPerSecond};
  snapshot.position = Lots(100);
  snapshot.max_position = Lots(5000);
  snapshot.average_entry = D("61840");
  snapshot.realized_pnl = D("1.23456789");
  snapshot.unrealized_pnl = D("-0.02375");
  snapshot.volume = D("12345.678");
  snapshot.fee_asset_count = 2;
  snapshot.fees[0] = {AssetCode("USDT"), D("0.0618")};
  snapshot.fees[1] = {AssetCode("BNB"), D("0.00012")};
  snapshot.balance_count = 2;
  snapshot.balances[0] = {AssetCode("BTC"), D("0.999"), D("0.001")};
  snapshot.balances[1] = {AssetCode("USDT"), D("9900.5"), D("99.5")};
  snapshot.anchor = Ticks(6184000);
  snapshot.interval_ticks = 1000;
  snapshot.maker_fee_rate = D("0.001");
  snapshot.latencies[static_cast<size_t>(LatencyStage::kDecide)] = Latency(412);
  snapshot.latencies[static_cast<size_t>(LatencyStage::kReceiveToDecide)] = Latency(1'250);
  snapshot.latencies[static_cast<size_t>(LatencyStage::kDecideToAck)] = Latency(351'000);
  snapshot.counters.orders_placed = 42;
  snapshot.counters.orders_accepted = 41;
  snapshot.counters.orders_canceled = 30;
  snapshot.counters.orders_filled = 2;
  snapshot.counters.fills = 2;
  snapshot.counters.market_messages = 123'456;
  snapshot.counters.rejects_by_reason[static_cast<size_t>(RejectReason::kWouldTake)] = 1;
  for (HealthStatus& status : snapshot.health) status.is_ok = true;
  return snapshot;
}

TEST_CASE("live view: 80x24 shows everything that matters", "[apps][live_view]") {
  const std::string screen = DrawScreen(Example(), 80, 24).ToPlainText();
  CHECK(screen == Golden("screen_80x24"));
}

TEST_CASE("live view: a wide terminal has a third column", "[apps][live_view]") {
  const std::string screen = DrawScreen(Example(), 130, 30).ToPlainText();
  CHECK(screen == Golden("screen_130x30"));
}

TEST_CASE("live view: without a book and with problems it says so", "[apps][live_view]") {
  StatusSnapshot snapshot = Example();
  snapshot.bid_level_count = 0;
  snapshot.ask_level_count = 0;
  snapshot.order_count = 0;
  snapshot.order_total = 0;
  snapshot.phase = LoopPhase::kConnecting;
  snapshot.health[static_cast<size_t>(HealthFlag::kPrivateStream)] = {
      .is_ok = false, .reason = InlineString<64>("not connected")};
  const std::string screen = DrawScreen(snapshot, 80, 24).ToPlainText();
  CHECK(screen.find("no two-sided book") != std::string::npos);
  CHECK(screen.find("not healthy: private_stream (not connected)") != std::string::npos);
  CHECK(StatusLine(snapshot).find("problems=\"private_stream (not connected)\"") !=
        std::string::npos);
}

TEST_CASE("live view: one line for pipes", "[apps][live_view]") {
  CHECK(StatusLine(Example()) + "\n" == Golden("line"));
}

TEST_CASE("live view: the summary lists orders, fills, fees, PnL and percentiles",
          "[apps][live_view]") {
  const StatusSnapshot snapshot = Example();
  RunReport report;
  report.is_proven_empty = true;
  report.counters = snapshot.counters;
  report.position = snapshot.position;
  report.volume = snapshot.volume;
  report.realized_pnl = snapshot.realized_pnl;
  report.unrealized_pnl = snapshot.unrealized_pnl;
  report.fees = snapshot.fees;
  report.fee_asset_count = snapshot.fee_asset_count;
  report.latencies = snapshot.latencies;
  CHECK(RunSummary(snapshot, report) == Golden("summary"));
  report.is_proven_empty = false;
  CHECK(RunSummary(snapshot, report).find("open orders     NOT proven empty") != std::string::npos);
}

TEST_CASE("live view: every size is drawn without leaving its rectangle", "[apps][live_view]") {
  const StatusSnapshot snapshot = Example();
  for (int width = 1; width <= 200; width += 7) {
    for (int height = 1; height <= 60; height += 3) {
      const std::string text = DrawScreen(snapshot, width, height).ToPlainText();
      const std::vector<std::string_view> rows = SplitText(text, '\n');
      REQUIRE(rows.size() == static_cast<size_t>(height));
      for (const std::string_view row : rows) REQUIRE(row.size() <= static_cast<size_t>(width));
    }
  }
}

TEST_CASE("live view: colors are reset on every row and text cannot steer the terminal",
          "[apps][live_view]") {
  StatusSnapshot snapshot = Example();
  snapshot.health[0] = {.is_ok = false, .reason = InlineString<64>("a\x1b[2Jb")};
  const std::string ansi = DrawScreen(snapshot, 80, 24).ToAnsi();
  CHECK(ansi.find("\x1b[2J") == std::string::npos);
  CHECK(ansi.find("(a?[2Jb)") != std::string::npos);
  const std::vector<std::string_view> rows = SplitText(ansi, '\n');
  REQUIRE(rows.size() == 24);
  for (size_t i = 0; i + 1 < rows.size(); ++i) CHECK(rows[i].ends_with("\x1b[0m\r"));
}

TEST_CASE("live view: durations have three significant digits", "[apps][live_view]") {
  CHECK(DurationText(0) == "0ns");
  CHECK(DurationText(999) == "999ns");
  CHECK(DurationText(1'000) == "1.00us");
  CHECK(DurationText(35'149) == "35.1us");
  CHECK(DurationText(351'000) == "351us");
  CHECK(DurationText(1'250'000) == "1.25ms");
  CHECK(DurationText(2'500'000'000) == "2.50s");
}

TEST_CASE("live view: rounding for display is to nearest, with fixed digits", "[apps][live_view]") {
  CHECK(FixedText(D("1.23456789"), 4) == "1.2346");
  CHECK(FixedText(D("-0.02375"), 4) == "-0.0238");
  CHECK(FixedText(D("-0.00001"), 2) == "0.00");
  CHECK(FixedText(D("5"), 2) == "5.00");
  CHECK(FixedText(D("5.5"), 0) == "6");
  CHECK(FixedText(Decimal::FromUnits(INT64_MAX), 0) == "92233720368.54775807");
}

}  // namespace
}  // namespace holdfast
