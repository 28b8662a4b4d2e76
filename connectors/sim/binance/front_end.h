#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "connectors/sim/binance/api_core.h"
#include "connectors/sim/binance/server_loop.h"
#include "connectors/sim/binance/venue_file.h"
#include "connectors/sim/binance/wire_server.h"
#include "connectors/sim/fault_injector.h"
#include "connectors/sim/venue.h"
#include "engine/base/clock.h"

namespace holdfast::sim {

struct FrontEndConfig {
  WireServerOptions trading;  // REST, streams and WebSocket API
  bool has_control = true;
  uint16_t control_port = 0;  // loopback, always plain
  LimitConfig limits;
  ApiCoreConfig api;
};

// The simulated venue on the wire: one listening socket that speaks the venue's REST, stream and
// WebSocket API protocols, and one for control (docs/simulated_venue_wire.md). Owns neither the
// venue nor the loop; everything happens on the loop's thread.
class FrontEnd {
 public:
  // `venue` has its instruments; accounts follow by AddAccount(). All arguments outlive this.
  FrontEnd(ServerLoop& loop, const Clock& clock, SimVenue& venue, const FrontEndConfig& config);
  ~FrontEnd();

  absl::Status AddAccount(const AccountFileEntry& entry);
  // Adds the plan's rules to those in force, as if it had started now.
  void StartFaultPlan(const FaultPlan& plan);

  // Starts to accept and to advance the venue.
  absl::Status Listen();
  uint16_t port() const;
  uint16_t control_port() const;
  const WireServerStats& stats() const;

  // Closes every connection; the loop can be stopped afterwards.
  void Shutdown();

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::sim
