#pragma once

#include <pqxx/transaction>
#include <string>

#include "absl/status/statusor.h"
#include "workflows/runtime/journal.h"

namespace holdfast::workflows {

// Application SQL in one commit with its step record.
class PostgresTransactionBody : public TransactionBody {
 public:
  // Runs on a thread of the journal. The answer is the step's output, serialized; a status becomes
  // nothing but the reply: the whole transaction is rolled back and nothing is recorded. Runs again
  // after a serialization failure or a lost connection, so it has no effects but through
  // `transaction`, which it neither commits nor aborts. Exceptions of libpqxx may pass through.
  // No longer than the journal's statement_timeout_ms passes between two of its statements: the
  // server ends a session that does nothing within a transaction.
  virtual absl::StatusOr<std::string> Run(pqxx::work& transaction) = 0;
};

}  // namespace holdfast::workflows
