#include "strategy/layered.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

// A factor of the price is a count of 1 / kFactorUnits: a percentage has eight digits, is divided
// by 100, and for the half spread by 2, all without a remainder.
constexpr int64_t kFactorUnits = 2 * 100 * Decimal::kUnitsPerOne;
constexpr int64_t kMaxThresholdTicks = 1'000'000;

absl::Status OutOfRange(const char* key, const std::string& value, const std::string& range) {
  return absl::InvalidArgumentError(
      absl::StrCat("layered: out of range: key=", key, " value=", value, " range=", range));
}

// price x factor / kFactorUnits in ticks, rounded once.
int64_t ScaledTicks(int64_t double_price_units, int64_t factor, Decimal tick_size,
                    Rounding rounding) {
  const __int128 denominator = static_cast<__int128>(2) * kFactorUnits * tick_size.units();
  return static_cast<int64_t>(
      DivideRounded(static_cast<__int128>(double_price_units) * factor, denominator, rounding));
}

}  // namespace

std::string_view ToText(LayeredMode mode) {
  switch (mode) {
    case LayeredMode::kReplaceAll:
      return "replace_all";
    case LayeredMode::kGranular:
      return "granular";
  }
  return "invalid";
}

std::optional<LayeredMode> LayeredModeFromText(std::string_view text) {
  for (const LayeredMode mode : {LayeredMode::kReplaceAll, LayeredMode::kGranular}) {
    if (ToText(mode) == text) return mode;
  }
  return std::nullopt;
}

absl::Status Validate(const LayeredParameters& parameters, const Instrument& instrument) {
  if (parameters.levels < 1 || parameters.levels > LayeredStrategy::kMaxLevels) {
    return OutOfRange("levels", absl::StrCat(parameters.levels),
                      absl::StrCat("1..", LayeredStrategy::kMaxLevels));
  }
  if (instrument.max_order_count > 0 && 2 * parameters.levels > instrument.max_order_count) {
    return OutOfRange(
        "levels", absl::StrCat(parameters.levels),
        absl::StrCat("1..", instrument.max_order_count / 2, " (the venue's limit of open orders)"));
  }
  const Decimal hundred = Decimal::FromInteger(100);
  if (!parameters.base_spread_percent.is_positive() || parameters.base_spread_percent >= hundred) {
    return OutOfRange("base_spread_percent", parameters.base_spread_percent.ToText(),
                      "above 0, below 100");
  }
  // The lowest bid must stay above zero.
  const __int128 lowest =
      static_cast<__int128>(2) * hundred.units() - parameters.base_spread_percent.units() -
      static_cast<__int128>(2) * (parameters.levels - 1) * parameters.price_step_percent.units();
  if (parameters.price_step_percent.is_negative() || lowest <= 0) {
    return OutOfRange("price_step_percent", parameters.price_step_percent.ToText(),
                      "0.. as long as the lowest bid is above 0");
  }
  const Decimal lot = instrument.lot_size;
  const Decimal low = std::max(lot, instrument.ToDecimal(instrument.min_quantity));
  if (parameters.order_size < low || parameters.order_size.units() % lot.units() != 0 ||
      (instrument.max_quantity.is_positive() &&
       parameters.order_size > instrument.ToDecimal(instrument.max_quantity))) {
    return OutOfRange("order_size", parameters.order_size.ToText(),
                      absl::StrCat(low.ToText(), ".. in steps of ", lot.ToText()));
  }
  if (parameters.max_position < parameters.order_size) {
    return OutOfRange("max_position", parameters.max_position.ToText(),
                      absl::StrCat(parameters.order_size.ToText(), ".. (order_size)"));
  }
  if (parameters.threshold_ticks < 0 || parameters.threshold_ticks > kMaxThresholdTicks) {
    return OutOfRange("threshold_ticks", absl::StrCat(parameters.threshold_ticks),
                      absl::StrCat("0..", kMaxThresholdTicks));
  }
  return absl::OkStatus();
}

LayeredStrategy::LayeredStrategy(const LayeredParameters& parameters, const Instrument& instrument)
    : tick_size_(instrument.tick_size),
      lot_size_(instrument.lot_size),
      levels_(parameters.levels),
      half_spread_units_(parameters.base_spread_percent.units()),
      step_units_(2 * parameters.price_step_percent.units()),
      order_size_(instrument.RoundQuantity(parameters.order_size, Rounding::kDown)),
      price_tolerance_ticks_(parameters.mode == LayeredMode::kGranular ? parameters.threshold_ticks
                                                                       : 0) {
  HF_ASSERT(Validate(parameters, instrument).ok());
}

void LayeredStrategy::Decide(const MarketView& view, const Inventory& inventory,
                             std::span<const Slot> /*slots*/, StrategyMemory& /*memory*/,
                             TargetState& target) const {
  target.Clear();
  target.target_position = inventory.target_position;
  if (view.instrument == nullptr || view.instrument->tick_size != tick_size_ ||
      view.instrument->lot_size != lot_size_) {
    return;
  }
  if (view.best_bid.ticks() <= 0 || view.best_bid >= view.best_ask) return;
  if (view.external_price.is_negative() || !inventory.max_position.is_positive()) return;
  const __int128 double_price =
      view.external_price.is_positive()
          ? static_cast<__int128>(2) * view.external_price.units()
          : static_cast<__int128>(view.best_bid.ticks() + view.best_ask.ticks()) *
                tick_size_.units();
  const int64_t double_price_units = Decimal::Checked(double_price);
  target.is_valid = true;

  const Quantity max = inventory.max_position;
  const Quantity position = inventory.position;
  int64_t buy_capacity = (max - position).lots();
  int64_t sell_capacity = (max + position).lots();
  if (!view.are_entries_allowed || !view.are_buys_allowed) {
    // Only what brings the position back toward zero; in risk mode nothing buys.
    buy_capacity = view.are_buys_allowed ? (-position).lots() : 0;
    sell_capacity = position.lots();
  }
  int64_t bid_limit = view.best_ask.ticks() - 1;
  int64_t ask_limit = view.best_bid.ticks() + 1;
  const auto add = [&](Side side, int32_t level, int64_t ticks, int64_t& capacity) {
    if (order_size_.lots() > capacity) return;
    // The venue may tighten its limit while running: the nearest levels stay.
    const int32_t venue_limit = view.instrument->max_order_count;
    if (venue_limit > 0 && target.orders.size() >= static_cast<size_t>(venue_limit)) return;
    const Price price = Price::FromTicks(ticks);
    if (ticks <= 0 || view.instrument->Check(price, order_size_).has_value()) return;
    capacity -= order_size_.lots();
    target.orders.push_back({.key = {.line = level, .entry_side = side, .is_exit = false},
                             .side = side,
                             .price = price,
                             .quantity = order_size_});
  };
  for (int32_t level = 1; level <= levels_; ++level) {
    const int64_t offset_units = half_spread_units_ + (level - 1) * step_units_;
    const int64_t bid = std::min(
        bid_limit,
        ScaledTicks(double_price_units, kFactorUnits - offset_units, tick_size_, Rounding::kDown));
    const int64_t ask = std::max(
        ask_limit,
        ScaledTicks(double_price_units, kFactorUnits + offset_units, tick_size_, Rounding::kUp));
    add(Side::kBuy, level, bid, buy_capacity);
    add(Side::kSell, level, ask, sell_capacity);
    bid_limit = bid - 1;
    ask_limit = ask + 1;
  }
}

}  // namespace holdfast
