#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

// Why our own limits said no to a placement, in the order in which the gates are asked (DESIGN
// section 8). Denied is an expected outcome, not an error: each has a counter, and the operator
// reads the reason by this name. Cancels are never denied.
enum class DenyReason : uint8_t {
  kKilled,            // kill switch: only an operator clears it
  kPaused,            // operator pause
  kNotReconciled,     // law 6: what we know about the account is not proven yet
  kAccountUnsafe,     // an account check failed (X11)
  kStoreUnhealthy,    // intents could not be recorded
  kVenueBreaker,      // too many failures in a row
  kNotConnected,      // private stream or order entry is down
  kStaleBook,         // no quotable book
  kRiskMode,          // RiskMonitor: buys and entries wait (X2)
  kInstrumentFilter,  // the venue's own filters would refuse it
  kPriceCollar,       // too far from the mid
  kOrderSize,
  kOrderNotional,
  kPosition,       // position plus everything that may still fill would pass the maximum
  kOpenOrders,     // our count or the venue's
  kOrderRate,      // token bucket
  kSelfTrade,      // would meet our own working order
  kBalance,        // the free balance does not cover it
  kEdge,           // what it can earn does not cover the fees and the minimum edge
  kOrderTable,     // no room to track another order
  kOrderNumbers,   // the engine has no order number reserved at the moment
  kEngineRefused,  // the engine did not take the intent; nothing was sent
};
inline constexpr int kDenyReasonCount = 22;

std::string_view ToText(DenyReason reason);  // snake case: "price_collar"

}  // namespace holdfast
