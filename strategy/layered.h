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

// L3. Which orders a new price touches.
enum class LayeredMode : uint8_t {
  kReplaceAll,  // every order whose target moved at all
  kGranular,    // only those that are off by more than `threshold_ticks`
};
std::string_view ToText(LayeredMode mode);  // "replace_all"
std::optional<LayeredMode> LayeredModeFromText(std::string_view text);

// Member names are the keys that messages use. What each does: docs/strategies.md.
struct LayeredParameters {
  int32_t levels = 3;           // orders a side, 1..100
  Decimal base_spread_percent;  // between bid 1 and ask 1, of the price; > 0, < 100
  Decimal price_step_percent;   // between levels, of the price; >= 0
  Decimal order_size;           // base, on the lot grid
  Decimal max_position;         // base, magnitude
  LayeredMode mode = LayeredMode::kGranular;
  int64_t threshold_ticks = 0;  // 0..1,000,000
};

// kInvalidArgument names the key, its value and the range.
absl::Status Validate(const LayeredParameters& parameters, const Instrument& instrument);

// L1, L2: symmetric layers round an external price P (MarketView::external_price, or the middle of
// the book when there is none): bid 1 = P - half, bid i = bid i-1 - step, asks mirrored. Levels are
// computed exactly and rounded once, away from P (bid down, ask up). A level that would cross the
// book goes to the nearest price that does not, each further level at least one tick behind.
//
// Every level is wanted at all times, whatever has been filled: a fill is answered by the next
// decision's order at that level. The position limit is the only memory: levels that could exceed
// it are not wanted, nearest first. Slots are not used: keys are the level and the side.
//
// A pure function; no allocation.
class LayeredStrategy final : public Strategy {
 public:
  static constexpr int32_t kMaxLevels = 100;

  // REQUIRES: Validate(parameters, instrument) is OK; as with GridStrategy, a new tick or lot size
  // needs a new strategy.
  LayeredStrategy(const LayeredParameters& parameters, const Instrument& instrument);

  void Decide(const MarketView& view, const Inventory& inventory, std::span<const Slot> slots,
              StrategyMemory& memory, TargetState& target) const override;
  int64_t price_tolerance_ticks() const override { return price_tolerance_ticks_; }
  Quantity order_quantity() const override { return order_size_; }

 private:
  Decimal tick_size_;
  Decimal lot_size_;
  int32_t levels_;
  int64_t half_spread_units_;  // of the price, in units of kFactorUnits
  int64_t step_units_;
  Quantity order_size_;
  int64_t price_tolerance_ticks_;
};

}  // namespace holdfast
