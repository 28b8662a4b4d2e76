#include "strategy/grid.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "absl/strings/str_cat.h"
#include "strategy/grid_ladder.h"

namespace holdfast {
namespace {

using internal::GridLadder;
using internal::VenueRules;

constexpr int64_t kUnits = Decimal::kUnitsPerOne;
// Beyond this no venue's maker fee or rebate lies; keeps products in range.
constexpr int64_t kMaxFeeUnits = kUnits / 20;
constexpr int64_t kMaxIntervalTicks = int64_t{1} << 30;
constexpr int64_t kMaxToleranceTicks = 1000;

static_assert(GridLadder::kMaxSize == GridStrategy::kMaxWindowSize);
static_assert(2 * GridStrategy::kMaxWindowSize <= kMaxTargetOrders);

absl::Status OutOfRange(const char* key, const std::string& value, const std::string& range) {
  return absl::InvalidArgumentError(
      absl::StrCat("grid: out of range: key=", key, " value=", value, " range=", range));
}

// `text` of both bounds is part of the message, so they are given as decimals.
absl::Status CheckRange(const char* key, Decimal value, Decimal low, Decimal high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return OutOfRange(key, value.ToText(), absl::StrCat(low.ToText(), "..", high.ToText()));
}

absl::Status CheckRange(const char* key, int64_t value, int64_t low, int64_t high) {
  return CheckRange(key, Decimal::FromInteger(value), Decimal::FromInteger(low),
                    Decimal::FromInteger(high));
}

// Onto the tick, upward; the guard takes back what binary fractions add to an exact product.
int64_t SnapUpToTick(double ticks) {
  constexpr double kGuard = 1.0 - 1e-12;
  return std::max<int64_t>(1, static_cast<int64_t>(std::ceil(ticks * kGuard)));
}

int64_t CeilingOfDivision(__int128 numerator, int64_t denominator) {
  return Decimal::Checked(DivideRounded(numerator, denominator, Rounding::kUp));
}

absl::Status ValidateSizes(const GridParameters& parameters, const Instrument& instrument) {
  const Decimal lot = instrument.lot_size;
  const Decimal quantity = parameters.order_quantity;
  const Decimal low = std::max(lot, instrument.ToDecimal(instrument.min_quantity));
  if (quantity < low || quantity.units() % lot.units() != 0 ||
      (instrument.max_quantity.is_positive() &&
       quantity > instrument.ToDecimal(instrument.max_quantity))) {
    const std::string high = instrument.max_quantity.is_positive()
                                 ? instrument.ToDecimal(instrument.max_quantity).ToText()
                                 : std::string();
    return OutOfRange("order_quantity", quantity.ToText(),
                      absl::StrCat(low.ToText(), "..", high, " in steps of ", lot.ToText()));
  }
  if (parameters.max_position < quantity) {
    return OutOfRange("max_position", parameters.max_position.ToText(),
                      absl::StrCat(quantity.ToText(), ".. (order_quantity)"));
  }
  const Decimal max = parameters.max_position;
  const Decimal target_low = parameters.mode == GridMode::kLong ? Decimal() : -max;
  const Decimal target_high = parameters.mode == GridMode::kShort ? Decimal() : max;
  return CheckRange("target_position", parameters.target_position, target_low, target_high);
}

absl::Status ValidateAnchor(const GridParameters& parameters, const Instrument& instrument) {
  if (!parameters.anchor.has_value()) return absl::OkStatus();
  const Decimal anchor = *parameters.anchor;
  const Decimal high = Decimal::FromUnits(static_cast<int64_t>(std::min<__int128>(
      static_cast<__int128>(instrument.tick_size.units()) * INT32_MAX, INT64_MAX)));
  if (anchor.is_negative() || anchor > high || anchor.units() % instrument.tick_size.units() != 0) {
    return OutOfRange(
        "anchor", anchor.ToText(),
        absl::StrCat("0..", high.ToText(), " in steps of ", instrument.tick_size.ToText()));
  }
  if (anchor.is_zero()) return absl::OkStatus();
  const Price price = instrument.RoundPrice(anchor, Rounding::kDown);
  const Quantity least = instrument.MinQuantityAt(price);
  if (instrument.RoundQuantity(parameters.order_quantity, Rounding::kDown) < least) {
    return OutOfRange("order_quantity", parameters.order_quantity.ToText(),
                      absl::StrCat(instrument.ToDecimal(least).ToText(), ".. (minimum notional ",
                                   instrument.min_notional.ToText(), " at the anchor)"));
  }
  return absl::OkStatus();
}

absl::Status ValidateWindows(const GridParameters& parameters, const Instrument& instrument) {
  absl::Status status =
      CheckRange("buy_window_size", parameters.buy_window_size, 1, GridStrategy::kMaxWindowSize);
  if (!status.ok()) return status;
  status =
      CheckRange("sell_window_size", parameters.sell_window_size, 1, GridStrategy::kMaxWindowSize);
  if (!status.ok()) return status;
  if (instrument.max_order_count <= 0) return absl::OkStatus();
  const int32_t buys = parameters.mode == GridMode::kShort ? 0 : parameters.buy_window_size;
  const int32_t sells = parameters.mode == GridMode::kLong ? 0 : parameters.sell_window_size;
  if (buys + sells <= instrument.max_order_count) return absl::OkStatus();
  return OutOfRange(buys > 0 ? "buy_window_size" : "sell_window_size", absl::StrCat(buys + sells),
                    absl::StrCat("1..", instrument.max_order_count,
                                 " entries in all (the venue's limit of open orders)"));
}

bool IsLongSlot(const Slot& slot) { return slot.entry_side == Side::kBuy; }

// Whether closing `held` at `price` gives back at least what it cost, fees of both orders included.
// The same with nothing known of the cost: entry price plus the entry's fee.
class BreakEven {
 public:
  BreakEven(const Slot& slot, int64_t entry_ticks, Decimal tick_size, Decimal lot_size,
            Decimal maker_fee_rate)
      : is_long_(IsLongSlot(slot)),
        tick_units_(tick_size.units()),
        held_units_((lot_size * slot.held.lots()).units()),
        fee_factor_(kUnits - (is_long_ ? maker_fee_rate.units() : -maker_fee_rate.units())) {
    const int64_t cost_units = slot.held_cost.Absolute().units();
    if (cost_units != 0) {
      cost_ = static_cast<__int128>(cost_units) * kUnits * kUnits;
    } else {
      const int64_t entry_factor = 2 * kUnits - fee_factor_;
      cost_ = static_cast<__int128>(entry_ticks * tick_units_) * held_units_ * entry_factor;
    }
  }

  // The price, or the next one that breaks even, on the slot's profitable side.
  int64_t Clamp(int64_t price_ticks) const {
    const __int128 per_tick = static_cast<__int128>(tick_units_) * held_units_ * fee_factor_;
    const __int128 value = per_tick * price_ticks;
    if (is_long_) return value >= cost_ ? price_ticks : Quotient(per_tick, Rounding::kUp);
    return value <= cost_ ? price_ticks : Quotient(per_tick, Rounding::kDown);
  }

 private:
  int64_t Quotient(__int128 per_tick, Rounding rounding) const {
    return Decimal::Checked(DivideRounded(cost_, per_tick, rounding));
  }

  bool is_long_;
  int64_t tick_units_;
  int64_t held_units_;
  int64_t fee_factor_;  // what is left of a proceed, or what a purchase costs, per 10^8
  __int128 cost_;
};

// One decision's numbers.
struct Frame {
  const MarketView& view;
  const VenueRules& rules;
  int64_t interval_ticks;
  int64_t max_back_off_ticks;
  size_t order_limit;
};

TargetOrder ExitOf(const Slot& slot, const Frame& frame, Decimal tick_size, Decimal lot_size) {
  const bool is_long = IsLongSlot(slot);
  const int64_t direction = is_long ? 1 : -1;
  const int64_t entry_ticks =
      slot.entry_price.ticks() > 0 ? slot.entry_price.ticks() : int64_t{slot.line};
  int64_t price_ticks = entry_ticks + direction * frame.interval_ticks;
  price_ticks = BreakEven(slot, entry_ticks, tick_size, lot_size, frame.view.maker_fee_rate)
                    .Clamp(price_ticks);
  price_ticks = is_long ? std::max(price_ticks, frame.view.best_bid.ticks() + 1)
                        : std::min(price_ticks, frame.view.best_ask.ticks() - 1);
  price_ticks +=
      direction * std::min<int64_t>(slot.post_only_reject_count, frame.max_back_off_ticks);
  return {.key = {.line = slot.line, .entry_side = slot.entry_side, .is_exit = true},
          .side = Opposite(slot.entry_side),
          .price = Price::FromTicks(price_ticks),
          .quantity = std::min(slot.held, Quantity::FromLots(frame.rules.max_lots()))};
}

// More held slots than orders allowed: the exits nearest to the market are kept.
void ReplaceFarthest(const TargetOrder& exit, const MarketView& view, TargetState& target) {
  const int64_t double_mid = view.best_bid.ticks() + view.best_ask.ticks();
  const auto distance = [double_mid](const TargetOrder& order) {
    const int64_t signed_distance = 2 * order.price.ticks() - double_mid;
    return signed_distance < 0 ? -signed_distance : signed_distance;
  };
  TargetOrder* const farthest = std::max_element(
      target.orders.begin(), target.orders.end(),
      [&](const TargetOrder& a, const TargetOrder& b) { return distance(a) < distance(b); });
  if (farthest != target.orders.end() && distance(exit) < distance(*farthest)) *farthest = exit;
}

// Wants an exit for every held slot and tells the ladders what is on their lines.
void AppendExits(std::span<const Slot> slots, const Frame& frame, Decimal tick_size,
                 Decimal lot_size, GridLadder& buys, GridLadder& sells, TargetState& target) {
  for (const Slot& slot : slots) {
    const bool is_held = slot.state == SlotState::kFilled && slot.held.is_positive();
    if (slot.post_only_reject_count <= 0 && !is_held) continue;
    GridLadder& own = IsLongSlot(slot) ? buys : sells;
    GridLadder& other = IsLongSlot(slot) ? sells : buys;
    if (slot.post_only_reject_count > 0) own.NoteRejects(slot.line, slot.post_only_reject_count);
    if (!is_held) continue;
    own.Occupy(slot.line, slot.held.lots());
    const TargetOrder exit = ExitOf(slot, frame, tick_size, lot_size);
    if (exit.side == Side::kBuy && !frame.view.are_buys_allowed) continue;
    // Below the venue's minimum: dust, which stays on the slot and joins its next order.
    if (!frame.rules.Allows(exit.side, exit.price.ticks(), exit.quantity.lots())) continue;
    other.Occupy(exit.price.ticks(), exit.quantity.lots());
    other.UseCapacity(exit.quantity.lots());
    if (target.orders.size() < frame.order_limit) {
      target.orders.push_back(exit);
    } else {
      ReplaceFarthest(exit, frame.view, target);
    }
  }
}

// The usual case, without a look at each line. False: nothing was appended.
bool TryAppendUniformEntries(const Frame& frame, const GridLadder& buys, const GridLadder& sells,
                             TargetState& target) {
  const auto count = static_cast<size_t>(buys.size() + sells.size());
  if (target.orders.size() + count > frame.order_limit) return false;
  if (!buys.IsUniform(frame.rules) || !sells.IsUniform(frame.rules)) return false;
  TargetOrder* out = target.orders.Extend(count);
  const int32_t in_pairs = std::min(buys.size(), sells.size());
  for (int32_t i = 1; i <= in_pairs; ++i) {
    *out++ = buys.UniformEntry(i);
    *out++ = sells.UniformEntry(i);
  }
  for (int32_t i = in_pairs + 1; i <= buys.size(); ++i) *out++ = buys.UniformEntry(i);
  for (int32_t i = in_pairs + 1; i <= sells.size(); ++i) *out++ = sells.UniformEntry(i);
  return true;
}

// Nearest first and in turns, so that a limit on the number of orders cuts both sides alike.
void AppendEntries(const Frame& frame, GridLadder& buys, GridLadder& sells, TargetState& target) {
  if (TryAppendUniformEntries(frame, buys, sells, target)) return;
  bool has_buys = true;
  bool has_sells = true;
  while ((has_buys || has_sells) && target.orders.size() < frame.order_limit) {
    has_buys = has_buys && buys.AppendNext(frame.rules, target.orders);
    if (target.orders.size() >= frame.order_limit) return;
    has_sells = has_sells && sells.AppendNext(frame.rules, target.orders);
  }
}

}  // namespace

std::string_view ToText(GridMode mode) {
  switch (mode) {
    case GridMode::kLong:
      return "long";
    case GridMode::kShort:
      return "short";
    case GridMode::kNeutral:
      return "neutral";
  }
  return "invalid";
}

std::optional<GridMode> GridModeFromText(std::string_view text) {
  for (const GridMode mode : {GridMode::kLong, GridMode::kShort, GridMode::kNeutral}) {
    if (ToText(mode) == text) return mode;
  }
  return std::nullopt;
}

absl::Status Validate(const GridParameters& parameters, const Instrument& instrument,
                      Decimal maker_fee_rate) {
  const auto hundred = Decimal::FromInteger(100);
  const auto one = Decimal::FromInteger(1);
  const Decimal tick = instrument.tick_size;
  // Widest interval: volatility scale x largest ratio, in ticks.
  const double scale = std::max(1.0, parameters.volatility_scale.ToDouble());
  const double widest_ticks =
      parameters.price_interval.ToDouble() / tick.ToDouble() * scale * GridStrategy::kMaxAtrRatio;
  if (!parameters.price_interval.is_positive() ||
      widest_ticks > static_cast<double>(kMaxIntervalTicks)) {
    return OutOfRange(
        "price_interval", parameters.price_interval.ToText(),
        absl::StrCat(tick.ToText(), "..", kMaxIntervalTicks, " ticks at the widest volatility"));
  }
  for (const absl::Status& status :
       {ValidateWindows(parameters, instrument),
        CheckRange("volatility_scale", parameters.volatility_scale, Decimal(), hundred),
        CheckRange("inventory_skew_factor", parameters.inventory_skew_factor, Decimal(), one),
        CheckRange("hysteresis_percent", parameters.hysteresis_percent, Decimal(), hundred),
        CheckRange("minimum_edge_bps", parameters.minimum_edge_bps, Decimal(),
                   Decimal::FromInteger(1000)),
        CheckRange("price_tolerance_ticks", parameters.price_tolerance_ticks, 0,
                   kMaxToleranceTicks),
        CheckRange("maker_fee_rate", maker_fee_rate, Decimal::FromUnits(-kMaxFeeUnits),
                   Decimal::FromUnits(kMaxFeeUnits)),
        ValidateSizes(parameters, instrument), ValidateAnchor(parameters, instrument)}) {
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

GridStrategy::GridStrategy(const GridParameters& parameters, const Instrument& instrument)
    : tick_size_(instrument.tick_size),
      lot_size_(instrument.lot_size),
      buy_window_size_(parameters.buy_window_size),
      sell_window_size_(parameters.sell_window_size),
      mode_(parameters.mode),
      order_lots_(instrument.RoundQuantity(parameters.order_quantity, Rounding::kDown).lots()),
      base_interval_ticks_(parameters.price_interval.ToDouble() / tick_size_.ToDouble() *
                           parameters.volatility_scale.ToDouble()),
      fixed_interval_ticks_(
          parameters.volatility_scale.is_zero()
              ? CeilingOfDivision(parameters.price_interval.units(), tick_size_.units())
              : 0),
      skew_factor_units_(parameters.inventory_skew_factor.units()),
      hysteresis_units_(parameters.hysteresis_percent.units() / 100),
      minimum_edge_units_(parameters.minimum_edge_bps.units() / 10'000),
      price_tolerance_ticks_(parameters.price_tolerance_ticks) {
  HF_ASSERT(Validate(parameters, instrument, Decimal()).ok());
  if (parameters.anchor.has_value()) {
    configured_anchor_ = instrument.RoundPrice(*parameters.anchor, Rounding::kNearest);
  }
}

bool GridStrategy::IsUsable(const MarketView& view, const Inventory& inventory) const {
  if (view.instrument == nullptr || view.instrument->tick_size != tick_size_ ||
      view.instrument->lot_size != lot_size_) {
    return false;
  }
  if (view.best_bid.ticks() <= 0 || view.best_bid >= view.best_ask) return false;
  if (view.best_ask.ticks() > INT32_MAX) return false;  // SlotKey::line holds prices
  if (view.maker_fee_rate.Absolute().units() > kMaxFeeUnits) return false;
  if (!inventory.max_position.is_positive()) return false;
  return std::isfinite(view.atr_ratio) && view.atr_ratio > 0;
}

int64_t GridStrategy::WantedInterval(double atr_ratio) const {
  if (fixed_interval_ticks_ > 0) return fixed_interval_ticks_;
  return SnapUpToTick(base_interval_ticks_ * std::clamp(atr_ratio, kMinAtrRatio, kMaxAtrRatio));
}

int64_t GridStrategy::IntervalFloor(const MarketView& view) const {
  const int64_t rate_units = 2 * view.maker_fee_rate.units() + minimum_edge_units_;
  if (rate_units <= 0) return 1;
  constexpr int64_t kDivisor = 2 * kUnits;  // the sum of bid and ask is twice the price
  const int64_t double_mid = view.best_bid.ticks() + view.best_ask.ticks();
  return (double_mid * rate_units + kDivisor - 1) / kDivisor;
}

void GridStrategy::UpdateMemory(const MarketView& view, StrategyMemory& memory) const {
  if (configured_anchor_.has_value()) {
    memory.anchor = *configured_anchor_;
    memory.has_anchor = true;
  } else if (!memory.has_anchor) {
    memory.anchor = Price::FromTicks((view.best_bid.ticks() + view.best_ask.ticks()) / 2);
    memory.has_anchor = true;
  }

  const int64_t wanted = WantedInterval(view.atr_ratio);
  const int64_t floor = IntervalFloor(view);
  // The floor follows the price. Where it rules, the interval is set the width of the band above
  // it, so that it has to move that far before lines move again.
  const int64_t floor_with_band = floor + (floor * hysteresis_units_ + kUnits - 1) / kUnits;
  const int64_t in_force = memory.interval_ticks;
  if (fixed_interval_ticks_ >= floor_with_band) {
    memory.interval_ticks = fixed_interval_ticks_;
    return;
  }
  const int64_t goal = std::max(wanted, floor);
  const int64_t difference = goal > in_force ? goal - in_force : in_force - goal;
  const bool is_outside_band = static_cast<__int128>(difference) * kUnits >
                               static_cast<__int128>(in_force) * hysteresis_units_;
  if (in_force <= 0 || in_force < floor || is_outside_band) {
    memory.interval_ticks = wanted >= floor ? wanted : floor_with_band;
  }
}

int64_t GridStrategy::CenterTicks(const MarketView& view, const Inventory& inventory,
                                  const StrategyMemory& memory) const {
  const int64_t double_mid = view.best_bid.ticks() + view.best_ask.ticks();
  const int64_t max_lots = inventory.max_position.lots();
  const int64_t excess_lots =
      std::clamp(inventory.position.lots() - inventory.target_position.lots(), -max_lots, max_lots);
  int64_t double_skew = 0;
  if (skew_factor_units_ != 0 && excess_lots != 0) {
    double_skew = static_cast<int64_t>(
        DivideRounded(static_cast<__int128>(double_mid) * skew_factor_units_ * excess_lots,
                      static_cast<__int128>(kUnits) * max_lots, Rounding::kNearest));
  }
  // All in half ticks; to the nearest line, half away from the anchor.
  const int64_t distance = double_mid - double_skew - 2 * memory.anchor.ticks();
  const int64_t interval = memory.interval_ticks;
  const int64_t magnitude =
      internal::QuickDivide((distance < 0 ? -distance : distance) + interval, 2 * interval);
  return memory.anchor.ticks() + (distance < 0 ? -magnitude : magnitude) * interval;
}

void GridStrategy::Decide(const MarketView& view, const Inventory& inventory,
                          std::span<const Slot> slots, StrategyMemory& memory,
                          TargetState& target) const {
  target.Clear();
  target.target_position = inventory.target_position;
  if (!IsUsable(view, inventory)) return;
  UpdateMemory(view, memory);

  const int64_t center_ticks = CenterTicks(view, inventory, memory);
  const int64_t interval_ticks = memory.interval_ticks;
  const int64_t max_back_off_ticks = std::min<int64_t>(kMaxBackOffTicks, interval_ticks - 1);
  // Risk mode forbids buys and pauses every entry (X2).
  const bool are_entries_allowed = view.are_entries_allowed && view.are_buys_allowed;
  const bool may_open_long = are_entries_allowed && mode_ != GridMode::kShort;
  const bool may_open_short = are_entries_allowed && mode_ != GridMode::kLong;
  const int64_t position_lots = inventory.position.lots();
  const int64_t max_lots = inventory.max_position.lots();

  GridLadder buys({.side = Side::kBuy,
                   .center_ticks = center_ticks,
                   .interval_ticks = interval_ticks,
                   .size = may_open_long ? buy_window_size_ : 0,
                   .limit_ticks = view.best_ask.ticks() - 1,
                   .order_lots = order_lots_,
                   .capacity_lots = max_lots - position_lots,
                   .max_back_off_ticks = static_cast<int32_t>(max_back_off_ticks)});
  GridLadder sells({.side = Side::kSell,
                    .center_ticks = center_ticks,
                    .interval_ticks = interval_ticks,
                    .size = may_open_short ? sell_window_size_ : 0,
                    .limit_ticks = view.best_bid.ticks() + 1,
                    .order_lots = order_lots_,
                    .capacity_lots = max_lots + position_lots,
                    .max_back_off_ticks = static_cast<int32_t>(max_back_off_ticks)});

  const int32_t venue_limit = view.instrument->max_order_count;
  const VenueRules rules(view, tick_size_, lot_size_);
  const Frame frame = {
      .view = view,
      .rules = rules,
      .interval_ticks = interval_ticks,
      .max_back_off_ticks = max_back_off_ticks,
      .order_limit = static_cast<size_t>(venue_limit > 0 ? std::min(venue_limit, kMaxTargetOrders)
                                                         : kMaxTargetOrders)};
  AppendExits(slots, frame, tick_size_, lot_size_, buys, sells, target);
  AppendEntries(frame, buys, sells, target);
  target.is_valid = true;
}

}  // namespace holdfast
