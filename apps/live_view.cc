#include "apps/live_view.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <span>
#include <vector>

#include "apps/text.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast {
namespace {

constexpr int kLadderWidth = 36;
constexpr int kThreeColumnsWidth = 118;
constexpr int kMiddleWidth = 46;
constexpr int kStageWidth = 18;
constexpr int kQuoteDigits = 4;  // of PnL and fees

int FractionDigits(Decimal step) {
  const std::string text = step.ToText();
  const size_t point = text.find('.');
  return point == std::string::npos ? 0 : static_cast<int>(text.size() - point - 1);
}

// Text in the instrument's own units.
class Scale {
 public:
  explicit Scale(const StatusSnapshot& snapshot)
      : tick_size_(snapshot.tick_size),
        lot_size_(snapshot.lot_size),
        price_digits_(FractionDigits(snapshot.tick_size)),
        quantity_digits_(FractionDigits(snapshot.lot_size)) {}
  std::string Text(Price price) const { return (tick_size_ * price.ticks()).ToText(price_digits_); }
  std::string Text(Quantity quantity) const {
    return (lot_size_ * quantity.lots()).ToText(quantity_digits_);
  }
  int price_digits() const { return price_digits_; }

 private:
  Decimal tick_size_;
  Decimal lot_size_;
  int price_digits_;
  int quantity_digits_;
};

std::string TimeOfDay(int64_t wall_time_ns) {
  const int64_t seconds = wall_time_ns / kNanosPerSecond % 86'400;
  std::array<char, 16> buffer;
  const int size = std::snprintf(
      buffer.data(), buffer.size(), "%02d:%02d:%02d", static_cast<int>(seconds / 3600),
      static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  return std::string(buffer.data(), static_cast<size_t>(size));
}

std::string UpTime(const StatusSnapshot& snapshot) {
  const int64_t seconds =
      std::max<int64_t>(0, snapshot.wall_time_ns - snapshot.start_time_ns) / kNanosPerSecond;
  const std::string time = TimeOfDay(seconds * kNanosPerSecond);
  return seconds >= 86'400 ? Concat(seconds / 86'400, "d ", time) : time;
}

std::string Signed(Decimal value, int digits) {
  return Concat(value.is_negative() ? "" : "+", FixedText(value, digits));
}

std::string FeesText(std::span<const AssetAmount> fees) {
  std::string out;
  for (const AssetAmount& fee : fees) {
    if (fee.amount.is_zero()) continue;
    AppendTo(out, out.empty() ? "" : " + ", fee.amount.ToText(), " ", fee.asset.view());
  }
  return out.empty() ? "0" : out;
}

std::span<const AssetAmount> FeesOf(const StatusSnapshot& snapshot) {
  return {snapshot.fees.data(), static_cast<size_t>(snapshot.fee_asset_count)};
}

uint64_t RejectCount(const LoopCounters& counters) {
  uint64_t sum = 0;
  for (const uint64_t count : counters.rejects_by_reason) sum += count;
  return sum;
}

uint64_t DenyCount(const LoopCounters& counters) {
  uint64_t sum = 0;
  for (const uint64_t count : counters.denies_by_reason) sum += count;
  return sum;
}

// Names of the flags that are not fine, with their reasons; empty when all are.
std::string HealthProblems(const StatusSnapshot& snapshot) {
  std::string out;
  for (int i = 0; i < kHealthFlagCount; ++i) {
    const HealthStatus& status = snapshot.health[static_cast<size_t>(i)];
    if (status.is_ok) continue;
    AppendTo(out, out.empty() ? "" : ", ", ToText(static_cast<HealthFlag>(i)));
    if (!status.reason.empty()) AppendTo(out, " (", status.reason.view(), ")");
  }
  return out;
}

bool IsShownAsWorking(OrderState state) {
  return state == OrderState::kWorking || state == OrderState::kPartiallyFilled;
}

// --- ladder --------------------------------------------------------------------------------------

struct LadderRow {
  Price price;
  Quantity displayed;  // zero: beyond the levels that are known here
  Quantity ours;
  bool is_all_working = true;  // false: some of ours is in flight, unknown or being canceled
};

// The rows of one side, nearest to the touch first: some levels of the market, then our orders,
// then more of the market, at most `row_count`.
std::vector<LadderRow> LadderSide(const StatusSnapshot& snapshot, Side side, int row_count) {
  const bool is_bid = side == Side::kBuy;
  const std::span<const BookLevel> levels{
      is_bid ? snapshot.bids.data() : snapshot.asks.data(),
      static_cast<size_t>(is_bid ? snapshot.bid_level_count : snapshot.ask_level_count)};
  std::vector<LadderRow> rows;
  const auto add = [&](Price price, Quantity displayed, Quantity ours, bool is_working) {
    const auto found = std::find_if(rows.begin(), rows.end(),
                                    [&](const LadderRow& row) { return row.price == price; });
    if (found != rows.end()) {
      found->ours += ours;
      found->is_all_working = found->is_all_working && is_working;
    } else if (static_cast<int>(rows.size()) < row_count) {
      rows.push_back({price, displayed, ours, is_working});
    }
  };
  constexpr size_t kFirstLevels = 3;
  for (size_t i = 0; i < levels.size() && i < kFirstLevels; ++i) {
    add(levels[i].price, levels[i].quantity, Quantity(), true);
  }
  for (int i = 0; i < snapshot.order_count; ++i) {
    const StatusOrder& order = snapshot.orders[static_cast<size_t>(i)];
    if (order.side != side || IsFinal(order.state)) continue;
    const auto level = std::find_if(levels.begin(), levels.end(), [&](const BookLevel& candidate) {
      return candidate.price == order.price;
    });
    add(order.price, level == levels.end() ? Quantity() : level->quantity,
        order.quantity - order.filled, IsShownAsWorking(order.state));
  }
  for (size_t i = kFirstLevels; i < levels.size(); ++i) {
    add(levels[i].price, levels[i].quantity, Quantity(), true);
  }
  std::sort(rows.begin(), rows.end(), [&](const LadderRow& a, const LadderRow& b) {
    return is_bid ? a.price > b.price : a.price < b.price;
  });
  return rows;
}

void DrawLadderRow(Canvas& canvas, int y, const LadderRow& row, Side side, const Scale& scale) {
  const bool is_ours = row.ours.is_positive();
  const Style style = side == Side::kBuy ? Style::kBuy : Style::kSell;
  canvas.PutRight(13, y, scale.Text(row.price), is_ours ? Style::kOurs : style);
  if (!row.displayed.is_zero()) canvas.PutRight(24, y, scale.Text(row.displayed), Style::kPlain);
  if (!is_ours) return;
  canvas.Put(0, y, ">", Style::kOurs);
  canvas.Put(25, y, row.is_all_working ? "*" : "?", Style::kOurs);
  canvas.PutRight(kLadderWidth - 1, y, scale.Text(row.ours), Style::kOurs);
}

void DrawLadder(Canvas& canvas, int top, const StatusSnapshot& snapshot, const Scale& scale) {
  canvas.PutRight(13, top, "price", Style::kDim);
  canvas.PutRight(24, top, "market", Style::kDim);
  canvas.PutRight(kLadderWidth - 1, top, "ours", Style::kDim);
  const int row_count = canvas.height() - top - 1;
  const int side_rows = std::max(0, (row_count - 1) / 2);
  const int middle = top + 1 + side_rows;
  const std::vector<LadderRow> asks = LadderSide(snapshot, Side::kSell, side_rows);
  const std::vector<LadderRow> bids = LadderSide(snapshot, Side::kBuy, side_rows);
  for (size_t i = 0; i < asks.size(); ++i) {
    DrawLadderRow(canvas, middle - 1 - static_cast<int>(i), asks[i], Side::kSell, scale);
  }
  for (size_t i = 0; i < bids.size(); ++i) {
    DrawLadderRow(canvas, middle + 1 + static_cast<int>(i), bids[i], Side::kBuy, scale);
  }
  if (snapshot.bid_level_count == 0 || snapshot.ask_level_count == 0) {
    canvas.Put(2, middle, "no two-sided book", Style::kBad);
    return;
  }
  const Price spread = Price::FromTicks(snapshot.asks[0].price - snapshot.bids[0].price);
  canvas.Put(2, middle, Concat("---- spread ", scale.Text(spread), " ----"),
             snapshot.is_book_quotable ? Style::kDim : Style::kBad);
}

// --- the other panels ----------------------------------------------------------------------------

// Draws downward in one column and knows how many rows are left.
class Panel {
 public:
  Panel(Canvas& canvas, int x, int y, int width) : canvas_(canvas), x_(x), y_(y), width_(width) {}
  int rows_left() const { return canvas_.height() - y_; }
  int y() const { return y_; }
  void Skip() { ++y_; }
  void Heading(std::string_view text) { canvas_.Put(x_, y_++, text, Style::kBold, width_); }
  void Line(std::string_view label, std::string_view text, Style style = Style::kPlain) {
    canvas_.Put(x_, y_, label, Style::kDim, width_);
    canvas_.Put(x_ + kLabelWidth, y_++, text, style, width_ - kLabelWidth);
  }
  void Row(std::string_view text, Style style = Style::kPlain) {
    canvas_.Put(x_, y_++, text, style, width_);
  }

 private:
  static constexpr int kLabelWidth = 10;
  Canvas& canvas_;
  int x_;
  int y_;
  int width_;
};

std::string Padded(std::string_view text, int width) {
  const int missing = width - static_cast<int>(text.size());
  return Concat(std::string(static_cast<size_t>(std::max(0, missing)), ' '), text);
}

std::string PaddedBehind(std::string_view text, int width) {
  const int missing = width - static_cast<int>(text.size());
  return Concat(text, std::string(static_cast<size_t>(std::max(0, missing)), ' '));
}

void DrawAccount(Panel& panel, const StatusSnapshot& snapshot, const Scale& scale) {
  const LoopCounters& counters = snapshot.counters;
  std::string position = scale.Text(snapshot.position);
  if (!snapshot.position.is_zero()) {
    AppendTo(position, " @ ", FixedText(snapshot.average_entry, scale.price_digits()));
  }
  AppendTo(position, " of ", scale.Text(snapshot.max_position), " ", snapshot.base_asset.view());
  panel.Line("position", position);
  const Decimal total = snapshot.realized_pnl + snapshot.unrealized_pnl;
  panel.Line("PnL",
             Concat("realized ", Signed(snapshot.realized_pnl, kQuoteDigits), "  open ",
                    Signed(snapshot.unrealized_pnl, kQuoteDigits)),
             total.is_negative() ? Style::kSell : Style::kBuy);
  panel.Line("fees", FeesText(FeesOf(snapshot)));
  panel.Line("volume", Concat(FixedText(snapshot.volume, 2), " ", snapshot.quote_asset.view(),
                              "  maker fee ", FixedText(snapshot.maker_fee_rate * 100, 4), "%"));
  std::string balances;
  for (int i = 0; i < snapshot.balance_count && i < 2; ++i) {
    const AssetBalance& balance = snapshot.balances[static_cast<size_t>(i)];
    AppendTo(balances, balances.empty() ? "" : "  ",
             FixedText(balance.free + balance.locked, kQuoteDigits), " ", balance.asset.view());
  }
  panel.Line("balances", balances);
  panel.Line("orders",
             Concat(snapshot.order_total, " open  ", snapshot.unknown_order_total, " unknown  ",
                    RejectCount(counters), " rejected"),
             snapshot.unknown_order_total > 0 ? Style::kBad : Style::kPlain);
  panel.Line("so far", Concat(counters.orders_placed, " placed  ", counters.orders_canceled,
                              " canceled  ", counters.fills, " fills"));
}

void DrawLatencies(Panel& panel, const StatusSnapshot& snapshot) {
  panel.Heading("latency               p50      p99      max");
  for (const LatencyStage stage : {LatencyStage::kDecide, LatencyStage::kReceiveToDecide,
                                   LatencyStage::kDecideToAck, LatencyStage::kCancelToAck}) {
    const LatencySummary& summary = snapshot.latencies[static_cast<size_t>(stage)];
    if (summary.count == 0) {
      panel.Row(Concat(PaddedBehind(ToText(stage), kStageWidth), "      -        -        -"),
                Style::kDim);
      continue;
    }
    panel.Row(
        Concat(PaddedBehind(ToText(stage), kStageWidth), Padded(DurationText(summary.p50_ns), 7),
               Padded(DurationText(summary.p99_ns), 9), Padded(DurationText(summary.max_ns), 9)));
  }
}

void DrawFills(Panel& panel, const StatusSnapshot& snapshot, const Scale& scale, int row_count) {
  panel.Heading(Concat("last fills of ", snapshot.counters.fills));
  for (int i = 0; i < snapshot.fill_count && i < row_count - 1; ++i) {
    const StatusFill& fill = snapshot.fills[static_cast<size_t>(i)];
    panel.Row(Concat(TimeOfDay(fill.venue_time_ns), " ", PaddedBehind(ToText(fill.side), 5),
                     scale.Text(fill.quantity), " @ ", scale.Text(fill.price), " ",
                     ToText(fill.liquidity)),
              fill.side == Side::kBuy ? Style::kBuy : Style::kSell);
  }
}

void DrawSlots(Panel& panel, const StatusSnapshot& snapshot, const Scale& scale, int row_count) {
  panel.Heading(Concat("slots ", snapshot.slot_total, ", holding ", snapshot.filled_slot_total));
  for (int i = 0; i < snapshot.slot_count && i < row_count - 1; ++i) {
    const Slot& slot = snapshot.slots[static_cast<size_t>(i)];
    std::string text =
        Concat(Padded(scale.Text(slot.entry_price), 12), " ",
               PaddedBehind(ToText(slot.entry_side), 5), PaddedBehind(ToText(slot.state), 8));
    if (!slot.held.is_zero()) AppendTo(text, "holds ", scale.Text(slot.held));
    panel.Row(text, slot.state == SlotState::kFilled ? Style::kOurs : Style::kPlain);
  }
}

void DrawOrders(Panel& panel, const StatusSnapshot& snapshot, const Scale& scale, int row_count) {
  panel.Heading(Concat("orders ", snapshot.order_total));
  for (int i = 0; i < snapshot.order_count && i < row_count - 1; ++i) {
    const StatusOrder& order = snapshot.orders[static_cast<size_t>(i)];
    std::string text = Concat(Padded(scale.Text(order.price), 12), " ",
                              PaddedBehind(ToText(order.side), 5), scale.Text(order.quantity));
    if (!order.filled.is_zero()) AppendTo(text, " filled ", scale.Text(order.filled));
    if (!IsShownAsWorking(order.state)) AppendTo(text, " ", ToText(order.state));
    panel.Row(text, order.state == OrderState::kUnknown ? Style::kBad : Style::kPlain);
  }
}

void DrawTitle(Canvas& canvas, const StatusSnapshot& snapshot) {
  canvas.FillRow(0, Style::kTitle);
  canvas.Put(0, 0, Concat(" holdfast  ", snapshot.symbol.view(), "  ", ToText(snapshot.phase)),
             Style::kTitle);
  canvas.PutRight(canvas.width(), 0,
                  Concat("up ", UpTime(snapshot), "  ", TimeOfDay(snapshot.wall_time_ns), " UTC "),
                  Style::kTitle);
  if (snapshot.interval_ticks > 0) {
    const Scale scale(snapshot);
    canvas.Put(1, 2,
               Concat("anchor ", scale.Text(snapshot.anchor), "  interval ",
                      scale.Text(Price::FromTicks(snapshot.interval_ticks))),
               Style::kDim);
  }
  const std::string problems = HealthProblems(snapshot);
  if (problems.empty()) {
    canvas.Put(1, 1, "healthy", Style::kGood);
  } else {
    canvas.Put(1, 1, Concat("not healthy: ", problems), Style::kBad, canvas.width() - 1);
  }
}

}  // namespace

std::string FixedText(Decimal value, int fraction_digits) {
  HF_ASSERT(fraction_digits >= 0);
  HF_ASSERT(fraction_digits <= Decimal::kFractionDigits);
  int64_t unit = 1;
  for (int i = fraction_digits; i < Decimal::kFractionDigits; ++i) unit *= 10;
  const __int128 rounded = DivideRounded(value.units(), unit, Rounding::kNearest) * unit;
  // Only the outermost values can leave the range by rounding; they are shown unrounded.
  if (!Decimal::FitsUnits(rounded)) return value.ToText();
  return Decimal::FromUnits(static_cast<int64_t>(rounded)).ToText(fraction_digits);
}

std::string DurationText(int64_t duration_ns) {
  struct Unit {
    int64_t ns;
    const char* name;
  };
  constexpr std::array<Unit, 3> kUnits = {
      {{kNanosPerSecond, "s"}, {kNanosPerMilli, "ms"}, {kNanosPerMicro, "us"}}};
  for (const Unit& unit : kUnits) {
    if (duration_ns < unit.ns) continue;
    const double value = static_cast<double>(duration_ns) / static_cast<double>(unit.ns);
    const int digits = value >= 100 ? 0 : value >= 10 ? 1 : 2;
    std::array<char, 32> buffer;
    const int size =
        std::snprintf(buffer.data(), buffer.size(), "%.*f%s", digits, value, unit.name);
    return std::string(buffer.data(), static_cast<size_t>(size));
  }
  return Concat(duration_ns, "ns");
}

Canvas DrawScreen(const StatusSnapshot& snapshot, int width, int height) {
  Canvas canvas(width, height);
  const Scale scale(snapshot);
  constexpr int kTop = 3;
  DrawTitle(canvas, snapshot);
  DrawLadder(canvas, kTop, snapshot, scale);

  const bool has_third_column = width >= kThreeColumnsWidth;
  const int middle_width = has_third_column ? kMiddleWidth : width - kLadderWidth - 1;
  Panel middle(canvas, kLadderWidth + 1, kTop, middle_width);
  DrawAccount(middle, snapshot, scale);
  DrawLatencies(middle, snapshot);
  if (has_third_column) {
    middle.Skip();
    DrawFills(middle, snapshot, scale, middle.rows_left());
    const int third_x = kLadderWidth + 1 + kMiddleWidth + 1;
    Panel third(canvas, third_x, kTop, width - third_x);
    const int slot_rows =
        std::min(std::max(2, third.rows_left() / 2), std::max(2, snapshot.slot_count + 1));
    DrawSlots(third, snapshot, scale, slot_rows);
    third.Skip();
    DrawOrders(third, snapshot, scale, third.rows_left());
  } else {
    const int rows = middle.rows_left();
    const int list_rows = std::max(2, rows / 3);
    DrawFills(middle, snapshot, scale, list_rows);
    DrawSlots(middle, snapshot, scale, list_rows);
    DrawOrders(middle, snapshot, scale, middle.rows_left());
  }
  return canvas;
}

std::string StatusLine(const StatusSnapshot& snapshot) {
  const Scale scale(snapshot);
  std::string out = Concat(TimeOfDay(snapshot.wall_time_ns), " ", snapshot.symbol.view(), " ",
                           ToText(snapshot.phase));
  if (snapshot.bid_level_count > 0 && snapshot.ask_level_count > 0) {
    AppendTo(out, " bid=", scale.Text(snapshot.bids[0].price),
             " ask=", scale.Text(snapshot.asks[0].price));
  }
  const LatencySummary& decide =
      snapshot.latencies[static_cast<size_t>(LatencyStage::kReceiveToDecide)];
  AppendTo(out, " position=", scale.Text(snapshot.position),
           " realized=", FixedText(snapshot.realized_pnl, kQuoteDigits),
           " open=", FixedText(snapshot.unrealized_pnl, kQuoteDigits), " fees=\"",
           FeesText(FeesOf(snapshot)), "\" orders=", snapshot.order_total,
           " unknown=", snapshot.unknown_order_total, " slots=", snapshot.slot_total,
           " fills=", snapshot.counters.fills, " rejects=", RejectCount(snapshot.counters),
           " decide_p99=", DurationText(decide.p99_ns));
  const std::string problems = HealthProblems(snapshot);
  AppendTo(out, problems.empty() ? " healthy" : Concat(" problems=\"", problems, "\""));
  return out;
}

std::string RunSummary(const StatusSnapshot& snapshot, const RunReport& report) {
  const Scale scale(snapshot);
  const LoopCounters& counters = report.counters;
  std::string out = Concat("summary of ", UpTime(snapshot), " on ", snapshot.symbol.view(), "\n");
  AppendTo(out, "  open orders     ", report.is_proven_empty ? "none, proven" : "NOT proven empty",
           "\n");
  AppendTo(out, "  orders          placed ", counters.orders_placed, "  accepted ",
           counters.orders_accepted, "  canceled ", counters.orders_canceled, "  filled ",
           counters.orders_filled, "  expired ", counters.orders_expired, "  rejected ",
           RejectCount(counters), "  denied ", DenyCount(counters), "  unknown ",
           counters.orders_unknown, "\n");
  for (int i = 0; i < kRejectReasonCount; ++i) {
    const uint64_t count = counters.rejects_by_reason[static_cast<size_t>(i)];
    if (count == 0) continue;
    AppendTo(out, "    rejected      ", ToText(static_cast<RejectReason>(i)), " ", count, "\n");
  }
  if (counters.orders_not_sent > 0) {
    AppendTo(out, "    not sent      by our own connector ", counters.orders_not_sent, "\n");
  }
  AppendTo(out, "  fills           ", counters.fills, "  volume ", FixedText(report.volume, 2), " ",
           snapshot.quote_asset.view(), "\n");
  AppendTo(out, "  fees            ",
           FeesText({report.fees.data(), static_cast<size_t>(report.fee_asset_count)}), "\n");
  AppendTo(out, "  PnL             realized ", Signed(report.realized_pnl, kQuoteDigits), "  open ",
           Signed(report.unrealized_pnl, kQuoteDigits), " ", snapshot.quote_asset.view(),
           " (before fees)\n");
  AppendTo(out, "  position        ", scale.Text(report.position), " ", snapshot.base_asset.view(),
           "\n");
  AppendTo(out, "  market data     ", counters.market_messages, " messages  ", counters.book_gaps,
           " gaps  ", counters.book_resyncs, " resyncs\n");
  AppendTo(out, "  latency               count      p50      p90      p99    p99.9      max\n");
  for (int i = 0; i < kLatencyStageCount; ++i) {
    const LatencySummary& latency = report.latencies[static_cast<size_t>(i)];
    if (latency.count == 0) continue;
    AppendTo(out, "    ", PaddedBehind(ToText(static_cast<LatencyStage>(i)), kStageWidth),
             Padded(Concat(latency.count), 9), Padded(DurationText(latency.p50_ns), 9),
             Padded(DurationText(latency.p90_ns), 9), Padded(DurationText(latency.p99_ns), 9),
             Padded(DurationText(latency.p999_ns), 9), Padded(DurationText(latency.max_ns), 9),
             "\n");
  }
  return out;
}

}  // namespace holdfast
