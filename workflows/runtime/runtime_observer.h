#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace holdfast::workflows {

// Told what an operator wants to know. Reactor's thread; does nothing by default.
class RuntimeObserver {
 public:
  virtual ~RuntimeObserver();
  // The workflow does not go on by itself: its code does not fit its history, its inputs cannot be
  // read, or the database refuses what it recorded. `reason` is what its row carries as error.
  virtual void OnParked(std::string_view workflow_id, std::string_view name,
                        const absl::Status& reason);
  // Claimed more often than allowed; nothing ran.
  virtual void OnDeadLetters(int64_t count);
  virtual void OnLeaseGranted(int64_t epoch);
  // `dropped_runs` were in memory and will be recovered from the journal.
  virtual void OnLeaseLost(std::string_view why, size_t dropped_runs);
  virtual void OnAvailability(bool is_available);
  // An operation of the runtime itself failed; it tries again.
  virtual void OnTrouble(std::string_view what, const absl::Status& status);
};

}  // namespace holdfast::workflows
