#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

enum class Side : uint8_t { kBuy, kSell };

constexpr Side Opposite(Side side) { return side == Side::kBuy ? Side::kSell : Side::kBuy; }
// +1 for buy, -1 for sell: what a fill does to the position.
constexpr int64_t Sign(Side side) { return side == Side::kBuy ? 1 : -1; }
constexpr std::string_view ToText(Side side) { return side == Side::kBuy ? "buy" : "sell"; }

enum class Liquidity : uint8_t { kMaker, kTaker };
constexpr std::string_view ToText(Liquidity liquidity) {
  return liquidity == Liquidity::kMaker ? "maker" : "taker";
}

}  // namespace holdfast
