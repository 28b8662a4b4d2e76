#pragma once

#include "connectors/sim/binance/authenticator.h"
#include "connectors/sim/binance/request_gate.h"
#include "connectors/sim/binance/wire_server.h"

namespace holdfast::sim {

// /api/v3: reads the request, checks key and signature, answers with the venue's rate headers.
class RestApi {
 public:
  RestApi(ServerLoop& loop, WireServer& server, VenueTime& time, const Authenticator& authenticator,
          RequestGate& gate, RateLimits& limits);

  void OnRequest(ConnectionId connection, const HttpRequest& request);

 private:
  struct Checked {
    Parameters parameters;
    std::optional<SimAccountId> account;
    std::optional<RequestTiming> timing;
  };
  ApiResult<Checked> Check(const Endpoint& endpoint, const HttpRequest& request) const;
  HttpResponse Compose(const ApiReply& reply, const Endpoint* endpoint, const std::string& address,
                       std::optional<SimAccountId> account) const;
  void NotFound(ConnectionId connection, const HttpRequest& request);

  ServerLoop& loop_;
  WireServer& server_;
  VenueTime& time_;
  const Authenticator& authenticator_;
  RequestGate& gate_;
  RateLimits& limits_;
};

}  // namespace holdfast::sim
