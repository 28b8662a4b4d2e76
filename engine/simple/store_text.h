#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

#include "engine/base/assert.h"
#include "engine/market/fill.h"
#include "engine/market/ledger.h"
#include "engine/market/order.h"
#include "engine/market/order_state.h"
#include "engine/market/side.h"
#include "strategy/slot.h"

namespace holdfast {

// How enumerators are spelled on disk, in the order of their declaration. The file format owns its
// words: renaming an enumerator must not change what is stored.
template <typename Enum>
inline constexpr std::array<std::string_view, 0> kStoreTexts = {};

template <>
inline constexpr auto kStoreTexts<Side> = std::to_array<std::string_view>({"buy", "sell"});
template <>
inline constexpr auto kStoreTexts<Liquidity> = std::to_array<std::string_view>({"maker", "taker"});
template <>
inline constexpr auto kStoreTexts<OrderState> = std::to_array<std::string_view>(
    {"initialized", "denied", "journaled", "in_flight", "unknown", "working", "partially_filled",
     "pending_cancel", "canceled", "rejected", "expired", "filled"});
static_assert(kStoreTexts<OrderState>.size() == kOrderStateCount);
template <>
inline constexpr auto kStoreTexts<TimeInForce> =
    std::to_array<std::string_view>({"good_till_cancel", "immediate_or_cancel", "fill_or_kill"});
template <>
inline constexpr auto kStoreTexts<SlotState> =
    std::to_array<std::string_view>({"free", "pending", "locked", "filled"});
template <>
inline constexpr auto kStoreTexts<LedgerAccount> =
    std::to_array<std::string_view>({"wallet", "trading", "fees", "transfers", "adjustment"});
template <>
inline constexpr auto kStoreTexts<LedgerCause> =
    std::to_array<std::string_view>({"fill", "opening", "transfer", "adjustment"});

template <typename Enum>
constexpr std::string_view StoreText(Enum value) {
  const size_t index = static_cast<size_t>(value);
  HF_ASSERT(index < kStoreTexts<Enum>.size());
  return kStoreTexts<Enum>[index];
}

template <typename Enum>
constexpr std::optional<Enum> FromStoreText(std::string_view text) {
  for (size_t i = 0; i < kStoreTexts<Enum>.size(); ++i) {
    if (kStoreTexts<Enum>[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace holdfast
