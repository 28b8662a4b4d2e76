#include "connectors/sim/binance/ws_api.h"

#include <algorithm>
#include <utility>

#include "connectors/sim/binance/json_writer.h"
#include "connectors/sim/binance/render.h"

namespace holdfast::sim {
namespace {

bool IsSessionMethod(ApiMethod method) { return method >= ApiMethod::kSessionLogon; }

ApiReply Ok(std::string body) {
  return {.status = 200, .body = std::move(body), .retry_after_s = 0};
}

void AppendLimit(JsonWriter& out, const char* type, const char* interval, int number, int64_t limit,
                 int64_t count) {
  out.BeginObject()
      .Field("rateLimitType", type)
      .Field("interval", interval)
      .Field("intervalNum", number)
      .Field("limit", limit)
      .Field("count", count)
      .EndObject();
}

}  // namespace

WsApi::WsApi(ServerLoop& loop, WireServer& server, VenueTime& time,
             const Authenticator& authenticator, RequestGate& gate, RateLimits& limits,
             UserEvents& events)
    : loop_(loop),
      server_(server),
      time_(time),
      authenticator_(authenticator),
      gate_(gate),
      limits_(limits),
      events_(events) {}

void WsApi::OnUpgrade(ConnectionId connection, const HttpRequest& request) {
  Session& session = sessions_[connection.value()];
  session.connection = connection;
  session.address = request.peer_address;
  session.connected_ns = time_.server_time_ns();
  session.has_rate_limits = request.query().find("returnRateLimits=false") == std::string::npos;
  limits_.AddWeight(session.address, 2, time_.now_ns());
}

void WsApi::OnClosed(ConnectionId connection) {
  if (sessions_.erase(connection.value()) > 0) events_.OnClosed(connection);
}

void WsApi::NotifyShutdown() {
  const std::string event = R"({"event":{"e":"serverShutdown","E":)" +
                            std::to_string(Milliseconds(time_.server_time_ns())) + "}}";
  const auto shared = std::make_shared<const std::string>(event);
  for (const auto& [id, session] : sessions_) server_.Send(session.connection, shared);
}

void WsApi::OnMessage(ConnectionId connection, std::string_view text) {
  const auto it = sessions_.find(connection.value());
  if (it == sessions_.end()) return;
  time_.Advance();
  WsParseResult parsed = ParseWsRequest(text);
  if (parsed.error.has_value()) {
    const ApiReply reply = ErrorReply(*parsed.error);
    server_.Send(connection, Compose(it->second, parsed.request, reply, nullptr, std::nullopt));
    return;
  }
  Handle(it->second, std::move(parsed.request));
}

void WsApi::Handle(Session& session, WsRequest request) {
  const ConnectionId connection = session.connection;
  const Endpoint* endpoint = FindWebSocket(request.method);
  const auto answer = [&](const ApiReply& reply, std::optional<SimAccountId> account) {
    server_.Send(connection, Compose(session, request, reply, endpoint, account));
  };
  if (endpoint == nullptr) {
    return answer(ErrorReply(ApiError{400, -1020, "This operation is not supported."}),
                  std::nullopt);
  }
  if (auto refusal = gate_.Admit(*endpoint, request.parameters, session.address)) {
    return answer(*refusal, std::nullopt);
  }
  GatedRequest gated;
  gated.endpoint = endpoint;
  gated.address = session.address;
  if (endpoint->security != Security::kNone) {
    const auto key = Authorize(session, *endpoint, request.parameters);
    if (const auto* error = std::get_if<ApiError>(&key)) {
      return answer(ErrorReply(*error), std::nullopt);
    }
    gated.account = std::get<const ApiKey*>(key)->account();
    gated.timing = std::get<RequestTiming>(ReadTiming(request.parameters));
  } else if (session.key != nullptr) {
    gated.account = session.key->account();
  }
  gated.parameters = std::make_shared<const Parameters>(std::move(request.parameters));
  const GateOutcome outcome =
      IsSessionMethod(endpoint->method)
          ? gate_.Run(gated,
                      [&] { return SessionMethod(session, endpoint->method, *gated.parameters); })
          : gate_.Run(gated);
  if (outcome.reply.has_value()) {
    const bool has_own_choice = gated.parameters->Has("returnRateLimits");
    if (has_own_choice) {
      request.parameters.Add("returnRateLimits",
                             std::string(*gated.parameters->Find("returnRateLimits")));
    }
    answer(*outcome.reply, gated.account);
  }
  if (!outcome.is_cut) return;
  if (outcome.cut_delay_ns <= 0) return server_.AbortSoon(connection);
  loop_.RunAfter(outcome.cut_delay_ns, [this, connection] { server_.Abort(connection); });
}

ApiResult<const ApiKey*> WsApi::Authorize(const Session& session, const Endpoint& endpoint,
                                          const Parameters& parameters) const {
  const ApiKey* key = nullptr;
  if (const auto api_key = parameters.Find("apiKey"); api_key.has_value()) {
    const auto checked = authenticator_.CheckSigned(*api_key, parameters.SortedPayload(),
                                                    parameters, time_.server_time_ns());
    if (const auto* error = std::get_if<ApiError>(&checked)) return *error;
    key = std::get<const ApiKey*>(checked);
  } else {
    if (session.key == nullptr) return errors::Mandatory("apiKey");
    const auto timing = ReadTiming(parameters);
    if (const auto* error = std::get_if<ApiError>(&timing)) return *error;
    if (auto error = CheckTiming(std::get<RequestTiming>(timing), time_.server_time_ns())) {
      return *error;
    }
    key = session.key;
  }
  if (endpoint.security == Security::kTrade && !key->can_trade()) return errors::RejectedKey();
  return key;
}

// --- sessions and subscriptions ---------------------------------------------------------------

ApiReply WsApi::SessionMethod(Session& session, ApiMethod method, const Parameters& parameters) {
  switch (method) {
    case ApiMethod::kSessionLogon:
      return Logon(session, parameters);
    case ApiMethod::kSessionStatus:
      return SessionStatus(session);
    case ApiMethod::kSessionLogout:
      EndSubscriptions(session, true, std::nullopt);
      session.key = nullptr;
      return SessionStatus(session);
    case ApiMethod::kUserStreamSubscribe:
      if (session.key == nullptr) return ErrorReply(errors::RejectedKey());
      return Subscribe(session, session.key, true);
    case ApiMethod::kUserStreamSubscribeSignature: {
      const auto api_key = parameters.Find("apiKey");
      if (!api_key.has_value()) return ErrorReply(errors::Mandatory("apiKey"));
      const auto key = authenticator_.CheckSigned(*api_key, parameters.SortedPayload(), parameters,
                                                  time_.server_time_ns());
      if (const auto* error = std::get_if<ApiError>(&key)) return ErrorReply(*error);
      return Subscribe(session, std::get<const ApiKey*>(key), false);
    }
    case ApiMethod::kUserStreamUnsubscribe:
      return Unsubscribe(session, parameters);
    default:
      break;
  }
  return ErrorReply(ApiError{400, -1020, "This operation is not supported."});
}

ApiReply WsApi::Logon(Session& session, const Parameters& parameters) {
  const auto api_key = parameters.Find("apiKey");
  if (!api_key.has_value()) return ErrorReply(errors::Mandatory("apiKey"));
  const ApiKey* known = authenticator_.Find(*api_key);
  if (known != nullptr && !known->is_ed25519()) {
    return ErrorReply(ApiError{400, -4056, "HMAC_SHA256 API key is not supported."});
  }
  const auto key = authenticator_.CheckSigned(*api_key, parameters.SortedPayload(), parameters,
                                              time_.server_time_ns());
  if (const auto* error = std::get_if<ApiError>(&key)) return ErrorReply(*error);
  session.key = std::get<const ApiKey*>(key);
  session.logon_ns = time_.server_time_ns();
  return SessionStatus(session);
}

ApiReply WsApi::SessionStatus(const Session& session) const {
  ApiReply reply;
  JsonWriter out(reply.body);
  out.BeginObject();
  if (session.key == nullptr) {
    out.Key("apiKey").Null().Key("authorizedSince").Null();
  } else {
    out.Field("apiKey", std::string_view(session.key->text()));
    out.Field("authorizedSince", Milliseconds(session.logon_ns));
  }
  out.Field("connectedSince", Milliseconds(session.connected_ns))
      .Field("returnRateLimits", session.has_rate_limits)
      .Field("serverTime", Milliseconds(time_.server_time_ns()))
      .Field("userDataStream", !session.subscriptions.empty())
      .EndObject();
  return reply;
}

ApiReply WsApi::Subscribe(Session& session, const ApiKey* key, bool is_by_session) {
  const SimAccountId account = key->account();
  for (const Subscription& subscription : session.subscriptions) {
    if (subscription.account == account) {
      return ErrorReply(ApiError{400, -1191,
                                 "Similar subscription is already active on this connection. "
                                 "Active subscription id: '" +
                                     std::to_string(subscription.id) + "'."});
    }
  }
  if (session.subscriptions.size() >= kMaxSubscriptions) {
    return ErrorReply(ApiError{400, -1191, "Too many subscriptions."});
  }
  const int64_t id = session.next_subscription_id++;
  session.subscriptions.push_back({id, account, is_by_session});
  events_.Subscribe(account, {session.connection, id});
  return Ok("{\"subscriptionId\":" + std::to_string(id) + "}");
}

ApiReply WsApi::Unsubscribe(Session& session, const Parameters& parameters) {
  const auto result = parameters.Integer("subscriptionId");
  if (const auto* error = std::get_if<ApiError>(&result)) return ErrorReply(*error);
  const auto id = std::get<std::optional<int64_t>>(result);
  if (id.has_value()) {
    const bool is_known =
        std::any_of(session.subscriptions.begin(), session.subscriptions.end(),
                    [&](const Subscription& subscription) { return subscription.id == *id; });
    if (!is_known) return ErrorReply(errors::InvalidData("subscriptionId"));
  }
  EndSubscriptions(session, false, id);
  return Ok("{}");
}

void WsApi::EndSubscriptions(Session& session, bool only_by_session, std::optional<int64_t> id) {
  std::erase_if(session.subscriptions, [&](const Subscription& subscription) {
    if (only_by_session && !subscription.is_by_session) return false;
    if (id.has_value() && subscription.id != *id) return false;
    events_.Terminate(subscription.account, {session.connection, subscription.id});
    return true;
  });
}

// --- answers ----------------------------------------------------------------------------------

std::string WsApi::Compose(const Session& session, const WsRequest& request, const ApiReply& reply,
                           const Endpoint* endpoint, std::optional<SimAccountId> account) const {
  std::string text;
  text.reserve(reply.body.size() + 512);
  JsonWriter out(text);
  out.BeginObject().Key("id").Raw(request.id_json).Field("status", reply.status);
  out.Key(reply.is_ok() ? "result" : "error").Raw(reply.body);
  const auto own = request.parameters.Find("returnRateLimits");
  const bool is_wanted = own.has_value() ? *own == "true" : session.has_rate_limits;
  if (is_wanted) {
    const LimitConfig& limits = limits_.config();
    out.Key("rateLimits").BeginArray();
    const bool is_order = endpoint != nullptr && (endpoint->method == ApiMethod::kOrderPlace ||
                                                  endpoint->method == ApiMethod::kCancelReplace);
    if (is_order && account.has_value()) {
      const OrderCounts counts = limits_.Orders(*account, time_.now_ns());
      AppendLimit(out, "ORDERS", "SECOND", 10, limits.orders_per_10_seconds, counts.in_10_seconds);
      AppendLimit(out, "ORDERS", "DAY", 1, limits.orders_per_day, counts.in_day);
    }
    AppendLimit(out, "REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute,
                limits_.UsedWeight(session.address, time_.now_ns()));
    out.EndArray();
  }
  out.EndObject();
  return text;
}

}  // namespace holdfast::sim
