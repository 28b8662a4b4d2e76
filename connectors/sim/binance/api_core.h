#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "connectors/sim/binance/endpoint.h"
#include "connectors/sim/binance/kline_store.h"
#include "connectors/sim/binance/parameters.h"
#include "connectors/sim/binance/rate_limits.h"
#include "connectors/sim/venue.h"
#include "engine/base/clock.h"

namespace holdfast::sim {

// One authenticated request, whichever way it came.
struct ApiCall {
  const Endpoint* endpoint = nullptr;
  const Parameters* parameters = nullptr;
  SimAccountId account;  // meaningful when the endpoint's security is not kNone
};

struct ApiReply {
  int status = 200;
  std::string body;  // the result, or {"code":...,"msg":...}; JSON either way
  int64_t retry_after_s = 0;
  bool is_ok() const { return status == 200; }
};

ApiReply ErrorReply(const ApiError& error);
ApiReply ErrorReply(const RateRefusal& refusal);

struct ApiCoreConfig {
  SelfTradeMode default_self_trade = SelfTradeMode::kExpireMaker;
  // Orders that ended without a fill longer ago than this are "archived" (-2026).
  int64_t archive_after_ns = 90LL * 86'400 * kNanosPerSecond;
};

// Translates requests into calls of the venue's core and its answers into the venue's JSON.
// Knows nothing of connections, signatures or faults.
class ApiCore {
 public:
  // All outlive this object.
  ApiCore(SimVenue& venue, RateLimits& limits, const KlineStore& klines,
          const ApiCoreConfig& config);

  // `server_time_ns` is what the venue's clock shows (skew included).
  ApiReply Execute(const ApiCall& call, int64_t server_time_ns);
  // Request weight when it fails; a success may be free (Endpoint::is_free_on_success).
  int Weight(const Endpoint& endpoint, const Parameters& parameters) const;

 private:
  ApiReply Public(const ApiCall& call, int64_t server_time_ns);
  ApiReply Private(const ApiCall& call);
  ApiReply ExchangeInfo(const Parameters& parameters, int64_t server_time_ns);
  ApiReply Depth(const Parameters& parameters);
  ApiReply Trades(const Parameters& parameters, bool is_aggregate);
  ApiReply Klines(const Parameters& parameters);
  ApiReply AveragePrice(const Parameters& parameters);
  ApiReply Tickers(ApiMethod method, const Parameters& parameters);
  ApiReply Account(SimAccountId account, const Parameters& parameters);
  ApiReply Commission(SimAccountId account, const Parameters& parameters);
  ApiReply OrderRateLimit(SimAccountId account);
  ApiReply PlaceOrder(SimAccountId account, const Parameters& parameters, bool is_test);
  ApiReply QueryOrder(SimAccountId account, const Parameters& parameters);
  ApiReply CancelOrder(SimAccountId account, const Parameters& parameters);
  ApiReply CancelReplace(SimAccountId account, const Parameters& parameters);
  ApiReply Amend(SimAccountId account, const Parameters& parameters);
  ApiReply OpenOrders(SimAccountId account, const Parameters& parameters);
  ApiReply CancelAll(SimAccountId account, const Parameters& parameters);
  ApiReply AllOrders(SimAccountId account, const Parameters& parameters);
  ApiReply MyTrades(SimAccountId account, const Parameters& parameters);

  SimVenue& venue_;
  RateLimits& limits_;
  const KlineStore& klines_;
  const ApiCoreConfig config_;
};

}  // namespace holdfast::sim
