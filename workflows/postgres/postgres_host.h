#pragma once

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "engine/base/clock.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/runtime/runtime_host.h"

namespace holdfast::workflows {

struct PostgresHostOptions {
  RuntimeHostOptions host;
  // seed and session_name are filled in when they are left as they are.
  PostgresJournalOptions journal;
  // The reactor polls this long before it sleeps (EpollReactor::Options).
  int64_t spin_ns = 0;
};

// A runtime on PostgreSQL with a thread of its own. The schema is there already (migrations.h).
//
//   HF_ASSIGN_OR_RETURN(auto host, MakePostgresHost(options));
//   host->Register("transfer", &Transfer);
//   HF_RETURN_IF_ERROR(host->Launch());
//
// kInvalidArgument for an URL, a sink or an option that cannot be right. Seeds that are 0 are drawn
// from the system's source of randomness. `observer` outlives the host.
absl::StatusOr<std::unique_ptr<RuntimeHost>> MakePostgresHost(PostgresHostOptions options,
                                                              RuntimeObserver* observer = nullptr);

}  // namespace holdfast::workflows
