#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace holdfast::workflows {

// What to do about an error of the server. The table is in database_error.cc.
enum class ErrorClass : uint8_t {
  kConflict,       // the transaction was rolled back for what others did: send it again at once
  kAway,           // not the fault of the statement: the server is away, full, read-only, shutting
                   // down, out of connections: send again after a pause
  kTimeout,        // the statement took longer than it may (57014): a write is sent again after a
                   // pause, a read gives up
  kLeaseLost,      // HF001
  kFencesLost,     // HF002; the detail lists them
  kOutOfSequence,  // HF003; the detail holds the sequence
  kLeaseHeld,      // HF004; the detail holds the remaining time
  kRefused,        // the content: the same statement would be refused for ever
};

// One error of the server, or of the connection (then sqlstate is 08006).
struct DatabaseError {
  std::string sqlstate;
  std::string message;
  std::string detail;
  std::string constraint;

  ErrorClass Class() const;
  // "what: message (SQLSTATE)", with the code that fits the class: kUnavailable, kAborted,
  // kDeadlineExceeded, kPermissionDenied, kFailedPrecondition, kInvalidArgument.
  absl::Status ToStatus(std::string_view what) const;
};

ErrorClass ClassifySqlState(std::string_view sqlstate);

}  // namespace holdfast::workflows
