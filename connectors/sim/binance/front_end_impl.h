#pragma once

#include <memory>
#include <string>
#include <vector>

#include "connectors/sim/binance/api_core.h"
#include "connectors/sim/binance/authenticator.h"
#include "connectors/sim/binance/front_end.h"
#include "connectors/sim/binance/kline_store.h"
#include "connectors/sim/binance/market_streams.h"
#include "connectors/sim/binance/rate_limits.h"
#include "connectors/sim/binance/request_gate.h"
#include "connectors/sim/binance/rest_api.h"
#include "connectors/sim/binance/user_events.h"
#include "connectors/sim/binance/wire_server.h"
#include "connectors/sim/binance/ws_api.h"

namespace holdfast::sim {

class ControlApi;

// The parts of the front end, for front_end.cc and control_api.cc.
struct FrontEnd::Impl final : public WireHandler {
  Impl(ServerLoop& server_loop, const Clock& wall_clock, SimVenue& sim_venue,
       const FrontEndConfig& front_config);
  ~Impl() override;

  // Trading port.
  void OnHttpRequest(ConnectionId connection, const HttpRequest& request) override;
  UpgradeDecision OnUpgrade(ConnectionId connection, const HttpRequest& request) override;
  void OnWebSocketOpen(ConnectionId connection) override;
  void OnWebSocketMessage(ConnectionId connection, std::string_view text) override;
  void OnClosed(ConnectionId connection) override;

  // Advances the venue, plays due timed faults, and schedules itself for the next event.
  void Pump();
  void PlayTimedFaults();
  // All connections of the trading port are cut.
  void Restart(bool is_forgetful);
  void NotifyShutdown();

  ServerLoop& loop;
  const Clock& clock;
  SimVenue& venue;
  const FrontEndConfig config;
  FaultInjector faults;
  int64_t fault_start_ns;  // what the rules' times count from
  std::vector<SimAccountId> accounts;
  VenueTime time;
  RateLimits limits;
  KlineStore klines;
  ApiCore core;
  RequestGate gate;
  Authenticator authenticator;
  WireServer server;
  MarketStreams streams;
  UserEvents events;
  RestApi rest;
  WsApi ws;
  std::unique_ptr<ControlApi> control;
  std::shared_ptr<bool> alive = std::make_shared<bool>(true);  // timers look at it
};

}  // namespace holdfast::sim
