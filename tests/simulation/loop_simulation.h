#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "connectors/sim/fault_injector.h"
#include "connectors/sim/generated_market.h"
#include "connectors/sim/sim_feed.h"
#include "connectors/sim/sim_gateway.h"
#include "connectors/sim/venue.h"
#include "engine/base/clock.h"
#include "engine/base/prng.h"
#include "engine/quoting/quoting_loop.h"
#include "engine/simple/memory_store.h"
#include "engine/simple/simple_engine.h"
#include "strategy/grid.h"

namespace holdfast::simulation {

// What one seed plays; everything else follows from the seed.
struct Plan {
  uint64_t seed = 1;
  bool has_request_faults = true;    // lost, late, refused, executed and not answered
  bool has_event_faults = true;      // duplicated, reordered, missing, cut
  bool has_crashes = true;           // the process dies and is started again on what was stored
  bool has_forgetful_venue = false;  // the venue forgets open orders once
  bool has_only_quote = false;  // no base inventory, and 0.1 % of each purchase is taken in base
  int64_t fault_ns = 20 * kNanosPerSecond;
};

// The whole system on one thread: venue with a generated market, in-process ports, SimpleEngine on
// a store that survives crashes, the loop, the grid. Same seed, same run.
class Simulation {
 public:
  explicit Simulation(const Plan& plan);
  ~Simulation();

  // Runs one after the other; each returns an empty text, or what is wrong.
  std::string RunFaults();     // safety, while everything goes wrong
  std::string RunRecovery();   // liveness: quoting again, then stopped with proof
  std::string CompareBooks();  // our books against the venue's ledger

  const LoopCounters& totals() const { return totals_; }
  int crash_count() const { return crash_count_; }
  int forget_count() const { return forget_count_; }

 private:
  // Appends go to the store that outlives a crash until the process is dead.
  class ProcessStore;

  void StartProcess();
  void Crash();
  void AddFaults();
  void PlayTimedFaults();
  bool CanForgetOrders() const;
  void Step();
  // At most one order at the venue for one slot key.
  std::string CheckOneOrderPerIntent() const;
  void CollectCounters();

  Plan plan_;
  Prng prng_;
  ManualClock clock_;
  Instrument instrument_;
  SimVenue venue_;
  SimAccountId account_;
  AccountTag tag_;
  FaultInjector faults_;
  std::unique_ptr<GridStrategy> strategy_;
  std::unique_ptr<MemoryStore> disk_;
  std::set<VenueOrderId> stored_ids_;  // the venue's ids of the orders that are on disk

  // One life of the process.
  bool is_process_alive_ = false;
  std::unique_ptr<SimGateway> gateway_;
  std::unique_ptr<SimFeed> feed_;
  std::unique_ptr<SimpleEngine> engine_;
  std::unique_ptr<QuotingLoop> loop_;

  LoopCounters totals_;  // over all lives
  int crash_count_ = 0;
  int forget_count_ = 0;
};

}  // namespace holdfast::simulation
