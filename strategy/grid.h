#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "engine/base/decimal.h"
#include "engine/market/instrument.h"
#include "strategy/strategy.h"

namespace holdfast {

// What entries may do (G7). Exits of held slots are wanted in every mode.
enum class GridMode : uint8_t {
  kLong,     // buys open, sells only close
  kShort,    // sells open, buys only close
  kNeutral,  // both open: a sell without a position sells from the base inventory
};
std::string_view ToText(GridMode mode);  // "long"
std::optional<GridMode> GridModeFromText(std::string_view text);

// G10. Member names are the keys that messages use. What each does: docs/strategies.md.
struct GridParameters {
  Decimal price_interval;        // quote, > 0; snapped up to the tick
  Decimal order_quantity;        // base, on the lot grid
  int32_t buy_window_size = 10;  // lines a side, 1..200
  int32_t sell_window_size = 10;
  // 0..100; 0: the interval does not follow volatility.
  Decimal volatility_scale = Decimal::FromInteger(1);
  Decimal inventory_skew_factor;  // 0..1
  GridMode mode = GridMode::kLong;
  // Unset: the first live price. 0: lines are the multiples of the interval.
  std::optional<Decimal> anchor;
  Decimal max_position;     // base, magnitude
  Decimal target_position;  // base, signed
  // The interval in force changes when the wanted one is further away than this; 0..100.
  Decimal hysteresis_percent = Decimal::FromInteger(10);
  // Least profit of a round trip after fees, in hundredths of a percent of the price; 0..1000.
  Decimal minimum_edge_bps;
  int64_t price_tolerance_ticks = 0;
};

// Requirement G10: kInvalidArgument names the key, its value and the range. `maker_fee_rate` is
// signed.
absl::Status Validate(const GridParameters& parameters, const Instrument& instrument,
                      Decimal maker_fee_rate);

// Grid trading, G1 to G10; the operator's description with a worked example is docs/strategies.md.
//
// Slots. A line is a price `anchor + k * interval`; its slot is named by that price in ticks
// (SlotKey::line). When the interval in force changes, lines of the new lattice are other slots:
// orders at old lines are no longer wanted, and slots that hold a position keep their name and
// their entry price, so nothing is ever mistaken for something else. A held slot occupies the line
// of the present lattice nearest to it: as much less is wanted there, so a change of the interval
// does not buy the same level twice. Exits likewise occupy the line nearest to their price, so that
// in neutral mode one price is not offered twice, once to close and once to open.
//
// Per decision: one pass over the slots, one over the lines, integers only except for the ATR
// ratio; no allocation, no state. About 10 ns a line.
class GridStrategy final : public Strategy {
 public:
  // A post-only reject moves the slot's next order this many ticks at most (one per reject in a
  // row), and always less than an interval, so that lines keep their order.
  static constexpr int32_t kMaxBackOffTicks = 10;
  static constexpr double kMinAtrRatio = 0.5;
  static constexpr double kMaxAtrRatio = 4.0;
  static constexpr int32_t kMaxWindowSize = 200;

  // REQUIRES: Validate(parameters, instrument, ...) is OK. When the venue changes the tick or the
  // lot size, a new strategy must be made; until then Decide() gives no valid target.
  GridStrategy(const GridParameters& parameters, const Instrument& instrument);

  void Decide(const MarketView& view, const Inventory& inventory, std::span<const Slot> slots,
              StrategyMemory& memory, TargetState& target) const override;
  int64_t price_tolerance_ticks() const override { return price_tolerance_ticks_; }
  Quantity order_quantity() const override { return Quantity::FromLots(order_lots_); }

 private:
  bool IsUsable(const MarketView& view, const Inventory& inventory) const;
  void UpdateMemory(const MarketView& view, StrategyMemory& memory) const;
  int64_t WantedInterval(double atr_ratio) const;
  int64_t IntervalFloor(const MarketView& view) const;
  int64_t CenterTicks(const MarketView& view, const Inventory& inventory,
                      const StrategyMemory& memory) const;

  // Derived once from the parameters.
  Decimal tick_size_;
  Decimal lot_size_;
  int32_t buy_window_size_;
  int32_t sell_window_size_;
  GridMode mode_;
  std::optional<Price> configured_anchor_;
  int64_t order_lots_;
  double base_interval_ticks_;    // price interval x volatility scale, unrounded
  int64_t fixed_interval_ticks_;  // > 0: does not follow volatility
  int64_t skew_factor_units_;
  int64_t hysteresis_units_;    // of the interval, 10^-8
  int64_t minimum_edge_units_;  // of the price, 10^-8
  int64_t price_tolerance_ticks_;
};

}  // namespace holdfast
