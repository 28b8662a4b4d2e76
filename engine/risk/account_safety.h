#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/decimal.h"
#include "engine/base/static_vector.h"
#include "engine/market/instrument.h"
#include "engine/market/price.h"

namespace holdfast {

// X11: what must be right with the account before the first order.
enum class SafetyCheck : uint8_t {
  kPermission,  // the key may trade
  kFee,         // the venue's maker fee is what the configuration says
  kClockSkew,   // our clock agrees with the venue's
  kBalance,     // enough for at least one order on either side
  kInstrument,  // the venue trades it
};
inline constexpr int kSafetyCheckCount = 5;
std::string_view ToText(SafetyCheck check);

struct AccountFacts {
  const Instrument* instrument = nullptr;
  bool can_trade = false;
  Decimal maker_fee_rate;
  std::optional<Decimal> configured_maker_fee_rate;
  Decimal fee_tolerance;
  int64_t clock_offset_ns = 0;
  int64_t max_clock_skew_ns = 0;
  Decimal wallet_base;
  Decimal wallet_quote;
  Price reference_price;  // the mid, roughly; 0 ticks = no book yet, then the balance check waits
};

using SafetyProblems = StaticVector<SafetyCheck, kSafetyCheckCount>;
// Pure; no allocation.
SafetyProblems CheckAccountSafety(const AccountFacts& facts);

// For the operator: what is wrong and what to change. Allocates: not for the hot path.
std::string Explain(SafetyCheck check, const AccountFacts& facts);

}  // namespace holdfast
