#pragma once

#include <functional>
#include <memory>

#include "connectors/api/venue_gateway.h"
#include "connectors/sim/fault_injector.h"
#include "connectors/sim/venue.h"

namespace holdfast::conformance {

// A gateway and the venue it is connected to, with time that moves by Advance() only. The venue has
// BTCUSDT (instrument 0), no other traders, and two accounts with 10 BTC and 1,000,000 USDT each:
// the gateway's and another one that tests trade with directly.
class Environment {
 public:
  virtual ~Environment() = default;
  virtual VenueGateway& gateway() = 0;
  // Runs at the venue and returns when it is done.
  virtual void AtVenue(
      const std::function<void(SimVenue&, SimAccountId ours, SimAccountId other)>& call) = 0;
  // From now on, until its count is used up.
  virtual void AddFault(const FaultRule& rule) = 0;
  // Cuts every connection once; orders survive.
  virtual void Cut() = 0;
  // Lets everything that is ready run.
  virtual void Step() = 0;
  virtual void Advance(int64_t duration_ns) = 0;
};
using Factory = std::function<std::unique_ptr<Environment>()>;

// What every gateway must do (connectors/api/venue_gateway.h). Catch2 sections: call it as the only
// thing in a TEST_CASE.
void RunGatewayConformance(const Factory& make);
// The same, of a gateway whose venue gives canceled orders another name.
void RunRenamedOrderConformance(const Factory& make);
// The same, of a gateway that sends orders over several connections.
void RunOvertakingConformance(const Factory& make);

}  // namespace holdfast::conformance
