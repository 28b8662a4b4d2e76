#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "connectors/sim/binance/rate_limits.h"
#include "connectors/sim/binance/request_gate.h"
#include "connectors/sim/binance/wire_server.h"
#include "connectors/sim/fault_injector.h"
#include "connectors/sim/venue.h"

namespace holdfast::sim {

// Where one account's events go: a subscription of a WebSocket API connection.
struct EventTarget {
  ConnectionId connection;
  int64_t subscription_id = 0;
  friend bool operator==(const EventTarget&, const EventTarget&) = default;
};

// Private events of all accounts to their subscribers, faults included.
class UserEvents {
 public:
  UserEvents(ServerLoop& loop, WireServer& server, SimVenue& venue, VenueTime& time,
             FaultInjector& faults, RateLimits& limits);
  ~UserEvents();

  void AddAccount(SimAccountId account);
  void Subscribe(SimAccountId account, EventTarget target);
  // Says eventStreamTerminated on it.
  void Terminate(SimAccountId account, EventTarget target);
  void OnClosed(ConnectionId connection);
  void SendBalanceUpdate(SimAccountId account, std::string_view asset, Decimal delta);

 private:
  class AccountListener;
  AccountListener* Find(SimAccountId account);

  ServerLoop& loop_;
  WireServer& server_;
  SimVenue& venue_;
  VenueTime& time_;
  FaultInjector& faults_;
  RateLimits& limits_;
  std::vector<std::unique_ptr<AccountListener>> listeners_;
};

}  // namespace holdfast::sim
