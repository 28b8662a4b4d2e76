#include "connectors/sim/binance/rest_api.h"

#include <memory>
#include <utility>

#include "connectors/sim/binance/parameters.h"

namespace holdfast::sim {

RestApi::RestApi(ServerLoop& loop, WireServer& server, VenueTime& time,
                 const Authenticator& authenticator, RequestGate& gate, RateLimits& limits)
    : loop_(loop),
      server_(server),
      time_(time),
      authenticator_(authenticator),
      gate_(gate),
      limits_(limits) {}

void RestApi::OnRequest(ConnectionId connection, const HttpRequest& request) {
  time_.Advance();
  const Endpoint* endpoint = FindRest(request.method, request.path());
  if (endpoint == nullptr) return NotFound(connection, request);
  const auto answer = [&](const ApiReply& reply, std::optional<SimAccountId> account) {
    server_.Respond(connection, Compose(reply, endpoint, request.peer_address, account));
  };
  auto checked = Check(*endpoint, request);
  const Parameters none;
  const auto* good = std::get_if<Checked>(&checked);
  const Parameters& parameters = good != nullptr ? good->parameters : none;
  if (auto refusal = gate_.Admit(*endpoint, parameters, request.peer_address)) {
    return answer(*refusal, std::nullopt);
  }
  if (const auto* error = std::get_if<ApiError>(&checked)) {
    return answer(ErrorReply(*error), std::nullopt);
  }
  GatedRequest gated;
  gated.endpoint = endpoint;
  gated.account = good->account;
  gated.timing = good->timing;
  gated.address = request.peer_address;
  gated.parameters =
      std::make_shared<const Parameters>(std::move(std::get<Checked>(checked).parameters));
  const GateOutcome outcome = gate_.Run(gated);
  if (outcome.reply.has_value()) return answer(*outcome.reply, gated.account);
  // Nobody will answer: nothing can follow on this connection.
  if (outcome.cut_delay_ns <= 0) return server_.AbortSoon(connection);
  loop_.RunAfter(outcome.cut_delay_ns, [this, connection] { server_.Abort(connection); });
}

ApiResult<RestApi::Checked> RestApi::Check(const Endpoint& endpoint,
                                           const HttpRequest& request) const {
  Checked checked;
  if (auto error = checked.parameters.AddQueryString(request.query())) return *error;
  if (auto error = checked.parameters.AddQueryString(request.body)) return *error;
  if (endpoint.security == Security::kNone) return checked;
  const auto key = authenticator_.CheckSigned(request.Header("X-MBX-APIKEY"),
                                              RestSignedPayload(request.query(), request.body),
                                              checked.parameters, time_.server_time_ns());
  if (const auto* error = std::get_if<ApiError>(&key)) return *error;
  const ApiKey& known = *std::get<const ApiKey*>(key);
  if (endpoint.security == Security::kTrade && !known.can_trade()) return errors::RejectedKey();
  checked.account = known.account();
  checked.timing = std::get<RequestTiming>(ReadTiming(checked.parameters));
  return checked;
}

HttpResponse RestApi::Compose(const ApiReply& reply, const Endpoint* endpoint,
                              const std::string& address,
                              std::optional<SimAccountId> account) const {
  HttpResponse response;
  response.status = reply.status;
  response.body = reply.body;
  const std::string weight = std::to_string(limits_.UsedWeight(address, time_.now_ns()));
  response.headers.push_back({"X-MBX-USED-WEIGHT", weight});
  response.headers.push_back({"X-MBX-USED-WEIGHT-1M", weight});
  const bool is_order = endpoint != nullptr && (endpoint->method == ApiMethod::kOrderPlace ||
                                                endpoint->method == ApiMethod::kCancelReplace);
  if (is_order && account.has_value()) {
    const OrderCounts counts = limits_.Orders(*account, time_.now_ns());
    response.headers.push_back({"X-MBX-ORDER-COUNT-10S", std::to_string(counts.in_10_seconds)});
    response.headers.push_back({"X-MBX-ORDER-COUNT-1D", std::to_string(counts.in_day)});
  }
  if (reply.retry_after_s > 0) {
    response.headers.push_back({"Retry-After", std::to_string(reply.retry_after_s)});
  }
  return response;
}

void RestApi::NotFound(ConnectionId connection, const HttpRequest& request) {
  HttpResponse response;
  if (request.path() == "/api/v3/userDataStream") {
    response.status = 410;
    response.body =
        R"({"code":-1020,"msg":"This endpoint has been removed; user data streams are subscribed to on the WebSocket API."})";
  } else {
    response.status = IsRestPath(request.path()) ? 405 : 404;
    response.body = R"({"code":-1020,"msg":"This operation is not supported."})";
  }
  server_.Respond(connection, response);
}

}  // namespace holdfast::sim
