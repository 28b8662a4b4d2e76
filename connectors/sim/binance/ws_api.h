#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connectors/sim/binance/authenticator.h"
#include "connectors/sim/binance/request_gate.h"
#include "connectors/sim/binance/user_events.h"
#include "connectors/sim/binance/wire_server.h"
#include "connectors/sim/binance/ws_request.h"

namespace holdfast::sim {

// The request/response WebSocket at /ws-api/v3: the REST operations, sessions and the user data
// stream. Requests of one connection are handled in order, answers leave in that order.
class WsApi {
 public:
  static constexpr std::string_view kPath = "/ws-api/v3";
  static constexpr size_t kMaxSubscriptions = 1000;  // per connection

  WsApi(ServerLoop& loop, WireServer& server, VenueTime& time, const Authenticator& authenticator,
        RequestGate& gate, RateLimits& limits, UserEvents& events);

  void OnUpgrade(ConnectionId connection, const HttpRequest& request);
  void OnMessage(ConnectionId connection, std::string_view text);
  void OnClosed(ConnectionId connection);
  bool Owns(ConnectionId connection) const { return sessions_.contains(connection.value()); }
  void NotifyShutdown();
  int64_t connection_count() const { return static_cast<int64_t>(sessions_.size()); }

 private:
  struct Subscription {
    int64_t id;
    SimAccountId account;
    bool is_by_session;  // ends with the session
  };
  struct Session {
    ConnectionId connection;
    std::string address;
    int64_t connected_ns = 0;
    const ApiKey* key = nullptr;  // set by session.logon
    int64_t logon_ns = 0;
    bool has_rate_limits = true;
    int64_t next_subscription_id = 0;
    std::vector<Subscription> subscriptions;
  };

  void Handle(Session& session, WsRequest request);
  ApiResult<const ApiKey*> Authorize(const Session& session, const Endpoint& endpoint,
                                     const Parameters& parameters) const;
  // Session and subscription methods; the rest goes to the core.
  ApiReply SessionMethod(Session& session, ApiMethod method, const Parameters& parameters);
  ApiReply Logon(Session& session, const Parameters& parameters);
  ApiReply SessionStatus(const Session& session) const;
  ApiReply Subscribe(Session& session, const ApiKey* key, bool is_by_session);
  ApiReply Unsubscribe(Session& session, const Parameters& parameters);
  void EndSubscriptions(Session& session, bool only_by_session, std::optional<int64_t> id);
  std::string Compose(const Session& session, const WsRequest& request, const ApiReply& reply,
                      const Endpoint* endpoint, std::optional<SimAccountId> account) const;

  ServerLoop& loop_;
  WireServer& server_;
  VenueTime& time_;
  const Authenticator& authenticator_;
  RequestGate& gate_;
  RateLimits& limits_;
  UserEvents& events_;
  std::unordered_map<uint64_t, Session> sessions_;
};

}  // namespace holdfast::sim
