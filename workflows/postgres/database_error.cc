#include "workflows/postgres/database_error.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace holdfast::workflows {
namespace {

struct Rule {
  std::string_view prefix;  // of the SQLSTATE; the first rule that fits decides
  ErrorClass error_class;
};

constexpr auto kRules = std::to_array<Rule>({
    {"HF001", ErrorClass::kLeaseLost},
    {"HF002", ErrorClass::kFencesLost},
    {"HF003", ErrorClass::kOutOfSequence},
    {"HF004", ErrorClass::kLeaseHeld},
    {"40", ErrorClass::kConflict},     // serialization failure, deadlock, other rollbacks
    {"55P03", ErrorClass::kConflict},  // lock not available
    {"57014", ErrorClass::kTimeout},
    {"08P01", ErrorClass::kRefused},  // a parameter of the wrong form: ours or the application's
    {"08", ErrorClass::kAway},        // connection
    {"53", ErrorClass::kAway},        // disk full, memory, too many connections
    {"57", ErrorClass::kAway},        // shutdown, crash, starting up
    {"58", ErrorClass::kAway},        // system error: the disk below the server
    {"25006", ErrorClass::kAway},     // read-only: a standby, or full and protected
    {"26", ErrorClass::kAway},        // a prepared statement is gone: connect again
    {"25P03", ErrorClass::kAway},     // idle in transaction for too long
    {"XX", ErrorClass::kAway},        // internal error, damaged files: nothing that content causes
    {"28", ErrorClass::kAway},        // refused log-in: an operator mends it while we wait
    {"3D", ErrorClass::kAway},        // no such database (yet)
    {"42P01", ErrorClass::kAway},     // no such table or schema: the migrations have not run yet
    {"3F", ErrorClass::kAway},
    {"42883", ErrorClass::kAway},  // no such function: the same
    {"42501", ErrorClass::kAway},  // a right is missing
});

}  // namespace

ErrorClass ClassifySqlState(std::string_view sqlstate) {
  for (const Rule& rule : kRules) {
    if (sqlstate.substr(0, rule.prefix.size()) == rule.prefix) return rule.error_class;
  }
  return ErrorClass::kRefused;
}

ErrorClass DatabaseError::Class() const { return ClassifySqlState(sqlstate); }

absl::Status DatabaseError::ToStatus(std::string_view what) const {
  const std::string text = absl::StrCat(std::string(what), ": ", message, " (", sqlstate, ")");
  switch (Class()) {
    case ErrorClass::kConflict:
      return absl::AbortedError(text);
    case ErrorClass::kAway:
    case ErrorClass::kOutOfSequence:
      return absl::UnavailableError(text);
    case ErrorClass::kTimeout:
      return absl::DeadlineExceededError(text);
    case ErrorClass::kLeaseLost:
      return absl::PermissionDeniedError(text);
    case ErrorClass::kFencesLost:
    case ErrorClass::kLeaseHeld:
      return absl::FailedPreconditionError(text);
    case ErrorClass::kRefused:
      return absl::InvalidArgumentError(text);
  }
  return absl::InternalError(text);
}

}  // namespace holdfast::workflows
