#include "connectors/sim/binance/endpoint.h"

#include <array>

namespace holdfast::sim {
namespace {

using enum ApiMethod;
using enum Security;
using P = FaultPoint;

// Weights as the venue documents them; kDepth, the tickers and kOpenOrders depend on parameters
// (api_core.cc).
constexpr auto kEndpoints = std::to_array<Endpoint>({
    {kPing, "GET", "/api/v3/ping", "ping", kNone, 1, false, P::kPublicQuery},
    {kTime, "GET", "/api/v3/time", "time", kNone, 1, false, P::kPublicQuery},
    {kExchangeInfo, "GET", "/api/v3/exchangeInfo", "exchangeInfo", kNone, 20, false,
     P::kPublicQuery},
    {kDepth, "GET", "/api/v3/depth", "depth", kNone, 5, false, P::kDepthSnapshot},
    {kTrades, "GET", "/api/v3/trades", "trades.recent", kNone, 25, false, P::kPublicQuery},
    {kAggTrades, "GET", "/api/v3/aggTrades", "trades.aggregate", kNone, 4, false, P::kPublicQuery},
    {kKlines, "GET", "/api/v3/klines", "klines", kNone, 2, false, P::kPublicQuery},
    {kAveragePrice, "GET", "/api/v3/avgPrice", "avgPrice", kNone, 2, false, P::kPublicQuery},
    {kTicker24Hours, "GET", "/api/v3/ticker/24hr", "ticker.24hr", kNone, 2, false, P::kPublicQuery},
    {kTickerPrice, "GET", "/api/v3/ticker/price", "ticker.price", kNone, 2, false, P::kPublicQuery},
    {kTickerBook, "GET", "/api/v3/ticker/bookTicker", "ticker.book", kNone, 2, false,
     P::kPublicQuery},
    {kAccount, "GET", "/api/v3/account", "account.status", kUserData, 20, false, P::kAccount},
    {kCommission, "GET", "/api/v3/account/commission", "account.commission", kUserData, 20, false,
     P::kAccount},
    {kOrderRateLimit, "GET", "/api/v3/rateLimit/order", "account.rateLimits.orders", kUserData, 40,
     false, P::kAccount},
    {kOrderPlace, "POST", "/api/v3/order", "order.place", kTrade, 1, true, P::kPlace},
    {kOrderTest, "POST", "/api/v3/order/test", "order.test", kTrade, 1, false, P::kPublicQuery},
    {kOrderQuery, "GET", "/api/v3/order", "order.status", kUserData, 4, false, P::kQueryOrder},
    {kOrderCancel, "DELETE", "/api/v3/order", "order.cancel", kTrade, 1, true, P::kCancel},
    {kCancelReplace, "POST", "/api/v3/order/cancelReplace", "order.cancelReplace", kTrade, 1, true,
     P::kCancelReplace},
    {kAmend, "PUT", "/api/v3/order/amend/keepPriority", "order.amend.keepPriority", kTrade, 4,
     false, P::kAmend},
    {kOpenOrders, "GET", "/api/v3/openOrders", "openOrders.status", kUserData, 6, false,
     P::kOpenOrders},
    {kCancelAll, "DELETE", "/api/v3/openOrders", "openOrders.cancelAll", kTrade, 1, true,
     P::kCancelAll},
    {kAllOrders, "GET", "/api/v3/allOrders", "allOrders", kUserData, 20, false, P::kQueryOrder},
    {kMyTrades, "GET", "/api/v3/myTrades", "myTrades", kUserData, 20, false, P::kTrades},
    {kSessionLogon, "", "", "session.logon", kNone, 2, false, P::kSession},
    {kSessionStatus, "", "", "session.status", kNone, 2, false, P::kSession},
    {kSessionLogout, "", "", "session.logout", kNone, 2, false, P::kSession},
    {kUserStreamSubscribe, "", "", "userDataStream.subscribe", kNone, 2, false, P::kSession},
    {kUserStreamSubscribeSignature, "", "", "userDataStream.subscribe.signature", kNone, 2, false,
     P::kSession},
    {kUserStreamUnsubscribe, "", "", "userDataStream.unsubscribe", kNone, 2, false, P::kSession},
});

}  // namespace

std::span<const Endpoint> Endpoints() { return kEndpoints; }

const Endpoint* FindRest(std::string_view verb, std::string_view path) {
  for (const Endpoint& endpoint : kEndpoints) {
    if (!endpoint.verb.empty() && endpoint.verb == verb && endpoint.path == path) return &endpoint;
  }
  return nullptr;
}

const Endpoint* FindWebSocket(std::string_view ws_method) {
  if (ws_method.starts_with("v3/")) ws_method.remove_prefix(3);
  for (const Endpoint& endpoint : kEndpoints) {
    if (endpoint.ws_method == ws_method) return &endpoint;
  }
  return nullptr;
}

bool IsRestPath(std::string_view path) {
  for (const Endpoint& endpoint : kEndpoints) {
    if (!endpoint.verb.empty() && endpoint.path == path) return true;
  }
  return false;
}

}  // namespace holdfast::sim
