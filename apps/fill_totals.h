#pragma once

#include <cstdint>
#include <string>

#include "engine/base/decimal.h"
#include "engine/market/fill.h"
#include "engine/market/ids.h"
#include "engine/market/instrument.h"
#include "engine/market/side.h"

namespace holdfast {

// One fill as both our books and the venue's ledger describe it.
struct FillFacts {
  int64_t trade_id = 0;
  Side side = Side::kBuy;
  bool is_maker = false;
  Decimal price;
  Decimal quantity;
  Decimal fee;
  AssetCode fee_asset;
  friend bool operator==(const FillFacts&, const FillFacts&) = default;
};

FillFacts FactsOf(const Instrument& instrument, const Fill& fill);
// "buy 0.001 @ 100 fee 0.1 USDT maker"
std::string ToText(const FillFacts& facts);

// Any number of fills in constant memory. Two sets with equal totals are the same set, but for a
// chance of one in 2^64: the digest is a sum over the fills, so their order does not matter, and
// one that is counted twice shows.
struct FillTotals {
  uint64_t count = 0;
  uint64_t digest = 0;

  void Add(const FillFacts& facts);
  friend bool operator==(const FillTotals&, const FillTotals&) = default;
};

}  // namespace holdfast
