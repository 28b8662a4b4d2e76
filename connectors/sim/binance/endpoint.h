#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "connectors/sim/fault_injector.h"

namespace holdfast::sim {

enum class ApiMethod : uint8_t {
  kPing,
  kTime,
  kExchangeInfo,
  kDepth,
  kTrades,
  kAggTrades,
  kKlines,
  kAveragePrice,
  kTicker24Hours,
  kTickerPrice,
  kTickerBook,
  kAccount,
  kCommission,
  kOrderRateLimit,
  kOrderPlace,
  kOrderTest,
  kOrderQuery,
  kOrderCancel,
  kCancelReplace,
  kAmend,
  kOpenOrders,
  kCancelAll,
  kAllOrders,
  kMyTrades,
  // WebSocket API only
  kSessionLogon,
  kSessionStatus,
  kSessionLogout,
  kUserStreamSubscribe,
  kUserStreamSubscribeSignature,
  kUserStreamUnsubscribe,
};

enum class Security : uint8_t {
  kNone,
  kUserData,  // key and signature
  kTrade,     // the same, and the key may trade
};

// One operation of the venue, on both of its request interfaces.
struct Endpoint {
  ApiMethod method;
  std::string_view verb;  // REST; empty = not offered there
  std::string_view path;
  std::string_view ws_method;  // WebSocket API; empty = not offered there
  Security security;
  int weight;  // of a failure; the depth of some requests changes it
  // Successful order placement, cancel, cancel-all and replacement cost nothing.
  bool is_free_on_success;
  FaultPoint fault_point;
};

std::span<const Endpoint> Endpoints();
const Endpoint* FindRest(std::string_view verb, std::string_view path);
const Endpoint* FindWebSocket(std::string_view ws_method);
// The path exists, maybe under another verb.
bool IsRestPath(std::string_view path);

}  // namespace holdfast::sim
