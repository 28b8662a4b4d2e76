#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "connectors/sim/binance/api_core.h"
#include "connectors/sim/binance/authenticator.h"
#include "connectors/sim/binance/server_loop.h"
#include "connectors/sim/fault_injector.h"
#include "engine/base/clock.h"

namespace holdfast::sim {

// Time as the venue sees it: the core follows the wall clock, what clients are shown is off by the
// clock skew in force.
class VenueTime {
 public:
  VenueTime(const Clock& clock, SimVenue& venue, FaultInjector& faults)
      : clock_(clock), venue_(venue), faults_(faults) {}
  // Brings the core up to now. Call before anything else that a request or timer does.
  void Advance() { venue_.Advance(clock_.WallNs()); }
  int64_t now_ns() const { return venue_.now_ns(); }
  int64_t server_time_ns() const {
    return venue_.now_ns() + faults_.clock_skew_ns(venue_.now_ns()) + manual_skew_ns_;
  }
  void set_manual_skew_ns(int64_t skew_ns) { manual_skew_ns_ = skew_ns; }

 private:
  const Clock& clock_;
  SimVenue& venue_;
  FaultInjector& faults_;
  int64_t manual_skew_ns_ = 0;
};

// One request ready to run: its parameters are owned, so that it can run later than it came.
struct GatedRequest {
  const Endpoint* endpoint = nullptr;
  std::shared_ptr<const Parameters> parameters;
  std::optional<SimAccountId> account;
  std::optional<RequestTiming> timing;  // signed requests
  std::string address;
};

// What the front does with the connection that asked.
struct GateOutcome {
  std::optional<ApiReply> reply;  // nullopt: no answer
  // Cut the connection. A request that gets no answer is cut too on HTTP, where nothing else could
  // follow it; on WebSocket only when the fault says so.
  bool is_cut = false;
  int64_t cut_delay_ns = 0;
};

// Runs requests through the fault plan into the core.
class RequestGate {
 public:
  RequestGate(ServerLoop& loop, VenueTime& time, SimVenue& venue, FaultInjector& faults,
              RateLimits& limits, ApiCore& core)
      : loop_(loop), time_(time), venue_(venue), faults_(faults), limits_(limits), core_(core) {}

  // Weight and request count of an arriving request; set = refuse it.
  std::optional<ApiReply> Admit(const Endpoint& endpoint, const Parameters& parameters,
                                const std::string& address);
  // `otherwise` answers what is not the core's business (sessions); empty = the core.
  GateOutcome Run(const GatedRequest& request,
                  const std::function<ApiReply()>& otherwise = nullptr);

 private:
  ApiReply Execute(const GatedRequest& request, const std::function<ApiReply()>& otherwise);
  void ExecuteLate(const GatedRequest& request, int64_t delay_ns);
  void FillBeforeCancel(const GatedRequest& request, const Fault& fault);

  ServerLoop& loop_;
  VenueTime& time_;
  SimVenue& venue_;
  FaultInjector& faults_;
  RateLimits& limits_;
  ApiCore& core_;
};

}  // namespace holdfast::sim
