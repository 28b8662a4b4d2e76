#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apps/settings.h"
#include "connectors/api/market_feed.h"
#include "connectors/api/venue_gateway.h"
#include "engine/base/clock.h"
#include "engine/base/waker.h"
#include "engine/market/instrument.h"

namespace holdfast {

// One venue's connector, as the service uses it: first the instrument, then both ports.
//
// Threads: all calls from one thread; the ports then belong to the loop's.
class VenueConnector {
 public:
  virtual ~VenueConnector();

  // One attempt; blocks for a few seconds at most. kUnavailable: not reached, try again later.
  // kNotFound: the venue lists no such symbol. kInvalidArgument: its limits make no sense to us.
  virtual absl::StatusOr<Instrument> FetchInstrument() = 0;
  // Builds feed and gateway; nothing is sent before they are started. `waker` is notified when
  // either has something. REQUIRES: called once.
  virtual absl::Status Open(const Instrument& instrument, Waker& waker) = 0;
  // REQUIRES: Open() was OK.
  virtual MarketFeed& feed() = 0;
  virtual VenueGateway& gateway() = 0;
  // Writes down what the venue told us that must outlive the process (rate limits), if it changed.
  // To be called about once a second.
  virtual absl::Status SaveState() = 0;
  // Stops both ports and their threads. The loop's thread must have ended.
  virtual void Close() = 0;
};

// By `settings.venue_name`. kInvalidArgument: an address or a key that can't be used.
absl::StatusOr<std::unique_ptr<VenueConnector>> MakeVenueConnector(const Settings& settings,
                                                                   Clock& clock);

}  // namespace holdfast
