#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/sim/venue.h"

namespace holdfast::sim {

// What a simulated venue remembers over a restart of its process: the accounts' balances. Open
// orders and the history of trades are not kept; ids must go on above the old ones (FirstId()).
struct VenueState {
  struct Account {
    std::string name;
    std::vector<SimBalance> balances;  // `free` only: holds end with the orders
  };
  std::vector<Account> accounts;
};

// An absent file is an empty state. kInvalidArgument: not such a file.
absl::StatusOr<VenueState> LoadVenueState(const std::string& path);

// Replaces the opening balances of the account by those of the state, if it has any.
void ApplyVenueState(const VenueState& state, SimAccountConfig& account);

// First order and trade id of a venue that has a state: microseconds of the wall clock, so above
// every id of an earlier run and exact in every client's numbers.
int64_t FirstId(int64_t wall_time_ns);

// Writes the state when it has changed since the last call. CRASH: the file is the old or the new
// one, never torn.
class VenueStateFile {
 public:
  VenueStateFile(std::string path, const SimVenue& venue, std::vector<std::string> accounts);
  absl::Status Save();

 private:
  const std::string path_;
  const SimVenue& venue_;
  const std::vector<std::string> accounts_;
  std::string saved_;
};

}  // namespace holdfast::sim
