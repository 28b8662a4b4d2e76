#include "workflows/postgres/postgres_host.h"

#include <unistd.h>

#include <random>
#include <utility>

#include "engine/base/assert.h"
#include "engine/base/status_macros.h"
#include "workflows/runtime/epoll_reactor.h"

namespace holdfast::workflows {
namespace {

uint64_t DrawSeed() {
  std::random_device source;
  return (static_cast<uint64_t>(source()) << 32) ^ source();
}

const Clock& TheSystemClock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RuntimeHost>> MakePostgresHost(PostgresHostOptions options,
                                                              RuntimeObserver* observer) {
  HF_RETURN_IF_ERROR(options.host.runtime.Validate());
  if (options.host.seed == 0) options.host.seed = DrawSeed();
  if (options.journal.seed == 0) options.journal.seed = DrawSeed();
  if (options.host.runtime.process_id == 0) options.host.runtime.process_id = getpid();
  // The host makes its parts itself, in its order of construction; what can be refused is refused
  // before.
  {
    EpollReactor trial(TheSystemClock());
    HF_RETURN_IF_ERROR(PostgresJournal::Create(trial, options.journal).status());
  }
  const auto make_reactor = [spin_ns = options.spin_ns]() -> std::unique_ptr<Reactor> {
    return std::make_unique<EpollReactor>(TheSystemClock(),
                                          EpollReactor::Options{.spin_ns = spin_ns});
  };
  const auto make_journal =
      [journal = std::move(options.journal)](Reactor& reactor) -> std::unique_ptr<Journal> {
    auto made = PostgresJournal::Create(static_cast<EpollReactor&>(reactor), journal);
    HF_ASSERT(made.ok());
    return *std::move(made);
  };
  return std::make_unique<RuntimeHost>(std::move(options.host), make_reactor, make_journal,
                                       observer);
}

}  // namespace holdfast::workflows
