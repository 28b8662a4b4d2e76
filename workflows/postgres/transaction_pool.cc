#include "workflows/postgres/transaction_pool.h"

#include <utility>

#include "workflows/postgres/postgres_journal.h"

namespace holdfast::workflows {

void PostgresJournal::RunTransaction(TransactionRequest,
                                     Reply<std::optional<StepRecord>> reply) {
  reactor_.Post([reply = std::move(reply)]() mutable {
    reply(absl::UnimplementedError("not available on PostgreSQL yet"));
  });
}

}  // namespace holdfast::workflows
