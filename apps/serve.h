#pragma once

#include <string>

#include "apps/config.h"

namespace holdfast {

// Exit statuses of the program.
enum ExitStatus : int {
  kExitOk = 0,
  kExitFailure = 1,        // not proven empty, a ledger difference, the store could not be closed
  kExitConfiguration = 2,  // one line on standard error says what
  kExitVenueRefused = 3,   // wrong key, signature or permission
  kExitSecondInstance = 4,
};

struct ServeOptions {
  // Control address of a simulated venue: at the end our books are compared with its ledger. Empty:
  // no comparison.
  std::string ledger_url;
};

// `holdfast serve`: quotes until a signal or the configured duration, then cancels everything,
// proves it and prints the summary. Blocks. REQUIRES: the calling process has no other threads.
ExitStatus Serve(const Configuration& configuration, const ServeOptions& options);

}  // namespace holdfast
