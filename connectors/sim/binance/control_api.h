#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "connectors/sim/binance/front_end.h"
#include "connectors/sim/binance/parameters.h"
#include "connectors/sim/binance/wire_server.h"

namespace holdfast::sim {

// The operator's side of the simulated venue, HTTP on loopback: faults, filters, restarts,
// transfers, and the ledger. docs/simulated_venue_wire.md lists the requests.
class ControlApi final : public WireHandler {
 public:
  ControlApi(FrontEnd::Impl& front, uint16_t port);
  ~ControlApi() override;

  absl::Status Listen();
  uint16_t port() const;
  void Shutdown();

  void OnHttpRequest(ConnectionId connection, const HttpRequest& request) override;
  UpgradeDecision OnUpgrade(ConnectionId connection, const HttpRequest& request) override;
  void OnWebSocketOpen(ConnectionId) override {}
  void OnWebSocketMessage(ConnectionId, std::string_view) override {}
  void OnClosed(ConnectionId) override {}

 private:
  // The JSON of the answer, or why not.
  using Answer = absl::StatusOr<std::string>;
  Answer Handle(const HttpRequest& request);
  Answer PostFaults(std::string_view body);
  Answer PostFilters(std::string_view body);
  Answer PostTransfer(std::string_view body);
  Answer PostFees(std::string_view body);
  Answer PostLimits(std::string_view body);
  Answer PostFill(std::string_view body);
  Answer GetLedger(const Parameters& parameters);
  std::string GetState();
  std::string FaultCounts() const;

  FrontEnd::Impl& front_;
  WireServer server_;
};

}  // namespace holdfast::sim
