// The journals' suite on PostgreSQL: one server for the program, a database for each case.
// HOLDFAST_TEST_WRITERS is the number of writer shards of each journal, 1 without it.
#include <cstdlib>
#include <sstream>

#include "engine/base/clock.h"
#include "tests/support/postgres_cluster.h"
#include "tests/workflows/conformance/journal_fixture.h"
#include "workflows/postgres/libpq_session.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/runtime/epoll_reactor.h"

namespace holdfast::workflows {
namespace {

testing::PostgresCluster& Cluster() {
  static testing::PostgresCluster cluster({.is_durable = false, .settings = {}});
  return cluster;
}

class PostgresFixture final : public JournalFixture {
 public:
  PostgresFixture() : uri_(Cluster().CreateDatabase("suite")), reactor_(clock_) {
    Run("CREATE TABLE public.notes (n bigserial, note text NOT NULL)");
  }

  Reactor& reactor() override { return reactor_; }
  std::unique_ptr<Journal> NewJournal() override {
    PostgresJournalOptions options;
    options.database_url = uri_;
    options.seed = ++journal_count_;
    const char* writers = std::getenv("HOLDFAST_TEST_WRITERS");
    options.writer_count = writers == nullptr ? 1 : std::atoi(writers);
    options.sinks.push_back({.name = "notes",
                             .sql = "INSERT INTO public.notes (note) SELECT r.note "
                                    "FROM jsonb_to_recordset($1) AS r (note text)"});
    auto journal = PostgresJournal::Create(reactor_, std::move(options));
    INFO(journal.status());
    REQUIRE(journal.ok());
    return *std::move(journal);
  }
  void Turn() override { reactor_.RunOnce(kNanosPerMilli); }
  void Elapse(int64_t duration_ms) override {
    const int64_t end_ns = clock_.MonotonicNs() + duration_ms * kNanosPerMilli;
    while (clock_.MonotonicNs() < end_ns) reactor_.RunOnce(end_ns - clock_.MonotonicNs());
  }
  std::vector<std::string> Notes() override {
    absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri_);
    REQUIRE(session.ok());
    const auto joined =
        session->QueryValue("SELECT string_agg(note, E'\\x1f' ORDER BY n) FROM public.notes");
    INFO(joined.status());
    REQUIRE(joined.ok());
    std::vector<std::string> notes;
    if (!joined->has_value()) return notes;
    std::istringstream text(**joined);
    for (std::string note; std::getline(text, note, '\x1f');) notes.push_back(note);
    return notes;
  }

 private:
  void Run(const std::string& sql) {
    absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri_);
    INFO(session.status());
    REQUIRE(session.ok());
    const absl::Status status = session->Execute(sql).status();
    INFO(status);
    REQUIRE(status.ok());
  }

  const std::string uri_;
  SystemClock clock_;
  EpollReactor reactor_;
  uint64_t journal_count_ = 0;
};

}  // namespace

std::unique_ptr<JournalFixture> MakeJournalFixture() { return std::make_unique<PostgresFixture>(); }

}  // namespace holdfast::workflows
