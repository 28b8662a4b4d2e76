#include "tests/workflows/postgres/journal_harness.h"

#include <algorithm>

namespace holdfast::workflows {
namespace {

uint64_t NextSeed() {
  static uint64_t seed = 0;
  return ++seed;
}

}  // namespace

bool NewsSpy::HasHeard(const std::string& what) const {
  return std::find(heard.begin(), heard.end(), what) != heard.end();
}

JournalDatabase::JournalDatabase(testing::PostgresCluster& cluster)
    : uri_(cluster.CreateDatabase("journal")) {
  Run("CREATE TABLE public.notes (n bigserial, note text NOT NULL)");
}

std::string JournalDatabase::name() const { return uri_.substr(uri_.rfind('/') + 1); }

void JournalDatabase::Run(const std::string& sql) {
  absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri_);
  INFO(session.status());
  REQUIRE(session.ok());
  const absl::Status status = session->Execute(sql).status();
  INFO(sql << ": " << status);
  REQUIRE(status.ok());
}

std::string JournalDatabase::Ask(const std::string& sql) {
  absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri_);
  INFO(session.status());
  REQUIRE(session.ok());
  const auto value = session->QueryValue(sql);
  INFO(sql << ": " << value.status());
  REQUIRE(value.ok());
  return value->value_or("NULL");
}

JournalProcess::JournalProcess(JournalDatabase& database, std::string executor_id,
                               std::function<void(PostgresJournalOptions&)> adjust)
    : database_(database), executor_id_(std::move(executor_id)) {
  PostgresJournalOptions options;
  options.database_url = database.uri();
  options.seed = NextSeed();
  options.reconnect_ms_max = 100;
  options.sinks.push_back({.name = "notes",
                           .sql = "INSERT INTO public.notes (note) SELECT r.note "
                                  "FROM jsonb_to_recordset($1) AS r (note text)"});
  incarnation_ = "00000000-0000-4000-8000-" + std::to_string(100'000'000'000 + options.seed);
  if (adjust) adjust(options);
  auto journal = PostgresJournal::Create(database.reactor, std::move(options));
  INFO(journal.status());
  REQUIRE(journal.ok());
  journal_ = *std::move(journal);
  journal_->SetListener(&news);
}

LeaseGrant JournalProcess::Register(int64_t ttl_ms) {
  const auto grant = Await<LeaseGrant>([&](Reply<LeaseGrant> reply) {
    journal_->RegisterExecutor({.executor_id = executor_id_,
                                .incarnation = incarnation_,
                                .application_name = "tests",
                                .application_version = "v1",
                                .host = "localhost",
                                .process_id = 1},
                               ttl_ms, std::move(reply));
  });
  INFO(grant.status());
  REQUIRE(grant.ok());
  return *grant;
}

std::string JournalProcess::Token() { return incarnation_ + "-" + std::to_string(++token_count_); }

bool JournalProcess::TurnUntil(const std::function<bool()>& is_done) {
  const int64_t end_ns = database_.clock.MonotonicNs() + 60 * kNanosPerSecond;
  while (!is_done()) {
    if (database_.clock.MonotonicNs() > end_ns) return false;
    database_.reactor.RunOnce(10 * kNanosPerMilli);
  }
  return true;
}

absl::StatusOr<StartResult> JournalProcess::Start(StartRequest request) {
  return Await<StartResult>(
      [&](Reply<StartResult> reply) { journal_->Start(std::move(request), std::move(reply)); });
}

absl::StatusOr<CommitResult> JournalProcess::Commit(WorkflowCommit commit) {
  return Await<CommitResult>(
      [&](Reply<CommitResult> reply) { journal_->Commit(std::move(commit), std::move(reply)); });
}

Fence JournalProcess::StartOwned(const std::string& id) {
  StartRequest request = StartOf(id);
  request.workflow.owner_token = Token();
  const Fence fence = {.workflow_id = id, .owner_token = *request.workflow.owner_token};
  const auto result = Start(std::move(request));
  INFO(result.status());
  REQUIRE(result.ok());
  REQUIRE(result->outcome == StartOutcome::kCreated);
  return fence;
}

void JournalProcess::Enqueue(const std::string& id, const std::string& queue) {
  StartRequest request = StartOf(id);
  request.workflow.queue_name = queue;
  const auto result = Start(std::move(request));
  INFO(result.status());
  REQUIRE(result.ok());
  REQUIRE(result->outcome == StartOutcome::kCreated);
}

absl::StatusOr<ClaimResult> JournalProcess::Claim(QueueConfig queue, int32_t max_count) {
  return Await<ClaimResult>([&](Reply<ClaimResult> reply) {
    ClaimRequest request;
    request.queue = std::move(queue);
    request.workflow_names = {"transfer"};
    request.is_latest_version = true;
    request.max_count = max_count;
    journal_->ClaimQueued(std::move(request), std::move(reply));
  });
}

StartRequest StartOf(const std::string& id) {
  StartRequest request;
  request.workflow.id = id;
  request.workflow.name = "transfer";
  request.workflow.inputs = R"({"positionalArgs":[1],"namedArgs":{}})";
  request.workflow.serialization = "portable_json";
  return request;
}

StepRecord StepOf(int32_t function_id, const std::string& output) {
  StepRecord step;
  step.function_id = function_id;
  step.name = "step";
  step.output = output;
  step.serialization = "portable_json";
  step.started_at_ms = 1'700'000'000'000;
  step.completed_at_ms = 1'700'000'000'001;
  return step;
}

WorkflowCommit FinishOf(const Fence& fence, const std::string& note) {
  WorkflowCommit commit;
  commit.fence = fence;
  commit.steps.push_back(StepOf(0, "42"));
  commit.application_rows.push_back({.sink = "notes", .json = "{\"note\":\"" + note + "\"}"});
  commit.finish = Finish{.status = WorkflowStatus::kSuccess, .output = "42", .error = {}};
  return commit;
}

}  // namespace holdfast::workflows
