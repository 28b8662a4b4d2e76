#include "apps/fill_totals.h"

#include "apps/text.h"

namespace holdfast {
namespace {

// A round of splitmix64.
uint64_t Mix(uint64_t state, uint64_t value) {
  uint64_t mixed = state ^ (value + 0x9e3779b97f4a7c15u);
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
  return mixed ^ (mixed >> 31);
}

}  // namespace

FillFacts FactsOf(const Instrument& instrument, const Fill& fill) {
  return {.trade_id = fill.trade_id.value(),
          .side = fill.side,
          .is_maker = fill.liquidity == Liquidity::kMaker,
          .price = instrument.ToDecimal(fill.price),
          .quantity = instrument.ToDecimal(fill.quantity),
          .fee = fill.fee,
          .fee_asset = fill.fee_asset};
}

std::string ToText(const FillFacts& facts) {
  return Concat(ToText(facts.side), " ", facts.quantity.ToText(), " @ ", facts.price.ToText(),
                " fee ", facts.fee.ToText(), " ", facts.fee_asset.view(),
                facts.is_maker ? " maker" : " taker");
}

void FillTotals::Add(const FillFacts& facts) {
  uint64_t hash = Mix(0, static_cast<uint64_t>(facts.trade_id));
  hash = Mix(hash, (facts.side == Side::kBuy ? 2u : 0u) | (facts.is_maker ? 1u : 0u));
  for (const Decimal number : {facts.price, facts.quantity, facts.fee}) {
    hash = Mix(hash, static_cast<uint64_t>(number.units()));
  }
  // Without a fee its asset says nothing.
  if (!facts.fee.is_zero()) {
    for (const char letter : facts.fee_asset.view()) hash = Mix(hash, static_cast<uint8_t>(letter));
  }
  digest += hash;
  ++count;
}

}  // namespace holdfast
