#include "engine/risk/account_safety.h"

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast {
namespace {

bool IsBalanceEnough(const AccountFacts& facts) {
  if (facts.reference_price.ticks() <= 0) return true;
  const Instrument& instrument = *facts.instrument;
  const Quantity smallest = instrument.MinQuantityAt(facts.reference_price);
  const bool can_buy = facts.wallet_quote >= instrument.NotionalOf(facts.reference_price, smallest);
  const bool can_sell = facts.wallet_base >= instrument.ToDecimal(smallest);
  return can_buy || can_sell;
}

}  // namespace

std::string_view ToText(SafetyCheck check) {
  switch (check) {
    case SafetyCheck::kPermission:
      return "permission";
    case SafetyCheck::kFee:
      return "fee";
    case SafetyCheck::kClockSkew:
      return "clock_skew";
    case SafetyCheck::kBalance:
      return "balance";
    case SafetyCheck::kInstrument:
      return "instrument";
  }
  return "invalid";
}

SafetyProblems CheckAccountSafety(const AccountFacts& facts) {
  HF_ASSERT(facts.instrument != nullptr);
  SafetyProblems problems;
  if (!facts.can_trade) problems.push_back(SafetyCheck::kPermission);
  if (facts.configured_maker_fee_rate.has_value() &&
      (facts.maker_fee_rate - *facts.configured_maker_fee_rate).Absolute() > facts.fee_tolerance) {
    problems.push_back(SafetyCheck::kFee);
  }
  if (std::llabs(facts.clock_offset_ns) > facts.max_clock_skew_ns) {
    problems.push_back(SafetyCheck::kClockSkew);
  }
  if (!IsBalanceEnough(facts)) problems.push_back(SafetyCheck::kBalance);
  if (facts.instrument->status != TradingStatus::kTrading) {
    problems.push_back(SafetyCheck::kInstrument);
  }
  return problems;
}

std::string Explain(SafetyCheck check, const AccountFacts& facts) {
  const Instrument& instrument = *facts.instrument;
  const std::string symbol(instrument.symbol.view());
  switch (check) {
    case SafetyCheck::kPermission:
      return "account may not trade: enable spot trading for this API key at the venue";
    case SafetyCheck::kFee:
      return absl::StrCat("maker fee differs: venue=", facts.maker_fee_rate.ToText(),
                          " configured=", facts.configured_maker_fee_rate->ToText(),
                          ": correct the configured maker fee rate");
    case SafetyCheck::kClockSkew:
      return absl::StrCat(
          "clock differs from the venue's: skew_ms=", facts.clock_offset_ns / kNanosPerMilli,
          " limit_ms=", facts.max_clock_skew_ns / kNanosPerMilli,
          ": synchronize this machine's clock (NTP)");
    case SafetyCheck::kBalance: {
      const Quantity smallest = instrument.MinQuantityAt(facts.reference_price);
      return absl::StrCat(
          "balance is below one order of ", symbol, ": ",
          std::string(instrument.quote_asset.view()), "=", facts.wallet_quote.ToText(),
          " needed=", instrument.NotionalOf(facts.reference_price, smallest).ToText(), ", ",
          std::string(instrument.base_asset.view()), "=", facts.wallet_base.ToText(),
          " needed=", instrument.ToDecimal(smallest).ToText(), ": deposit either asset");
    }
    case SafetyCheck::kInstrument:
      return absl::StrCat(
          symbol, " is not trading at the venue: status=", std::string(ToText(instrument.status)),
          ": wait for the venue or choose another symbol");
  }
  return "invalid";
}

}  // namespace holdfast
