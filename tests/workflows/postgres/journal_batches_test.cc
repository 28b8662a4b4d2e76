// Proves how writes share transactions on PostgreSQL: what waits together lands together, lost
// fences and refused writes take nobody with them, limits of queues hold for two processes that
// claim at once, news reach another process, and transactional steps share their commit.
#include "tests/support/tcp_proxy.h"
#include "tests/workflows/postgres/journal_harness.h"
#include "workflows/postgres/transaction.h"

#ifdef __SANITIZE_ADDRESS__
// libpqxx 6.4.5 forgets one result of libpq for each statement that finds its connection gone: some
// 2 kB each time that a transactional step loses the server.
extern "C" const char* __lsan_default_suppressions() { return "leak:libpqxx"; }
#endif

namespace holdfast::workflows {
namespace {

using testing::PostgresCluster;

PostgresCluster& Cluster() {
  static PostgresCluster cluster({.is_durable = false, .settings = {}});
  return cluster;
}

// Commits all of them in one turn; the statuses in order, kAborted for a lost fence.
std::vector<absl::StatusCode> CommitTogether(JournalProcess& process,
                                             std::vector<WorkflowCommit> commits) {
  std::vector<std::optional<absl::StatusCode>> codes(commits.size());
  for (size_t i = 0; i < commits.size(); ++i) {
    process.journal().Commit(std::move(commits[i]), [&codes, i](auto result) {
      codes[i] = !result.ok()         ? result.status().code()
                 : result->is_durable ? absl::StatusCode::kOk
                                      : absl::StatusCode::kAborted;
    });
  }
  REQUIRE(process.TurnUntil([&] {
    return std::all_of(codes.begin(), codes.end(), [](const auto& code) { return code; });
  }));
  std::vector<absl::StatusCode> answered;
  for (const auto& code : codes) answered.push_back(*code);
  return answered;
}

class Body : public PostgresTransactionBody {
 public:
  explicit Body(std::function<absl::StatusOr<std::string>(pqxx::work&)> run)
      : run_(std::move(run)) {}
  absl::StatusOr<std::string> Run(pqxx::work& transaction) override { return run_(transaction); }

 private:
  std::function<absl::StatusOr<std::string>(pqxx::work&)> run_;
};

absl::StatusOr<std::optional<StepRecord>> RunBody(
    JournalProcess& process, const Fence& fence, int32_t function_id,
    std::function<absl::StatusOr<std::string>(pqxx::work&)> run) {
  return process.Await<std::optional<StepRecord>>([&](Reply<std::optional<StepRecord>> reply) {
    process.journal().RunTransaction({.fence = fence,
                                      .step = StepOf(function_id, ""),
                                      .body = std::make_shared<Body>(std::move(run))},
                                     std::move(reply));
  });
}

}  // namespace

TEST_CASE("journal: writes of one turn share a transaction", "[pg]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register();
  std::vector<WorkflowCommit> commits;
  for (int i = 0; i < 20; ++i) {
    const Fence fence = process.StartOwned("together-" + std::to_string(i));
    commits.push_back(FinishOf(fence, std::to_string(i)));
  }
  const int64_t before = process.journal().stats().writes.batch_count;
  for (const absl::StatusCode code : CommitTogether(process, std::move(commits))) {
    CHECK(code == absl::StatusCode::kOk);
  }
  CHECK(process.journal().stats().writes.batch_count == before + 1);
  CHECK(database.Ask("SELECT count(DISTINCT xmin::text) FROM notes") == "1");
}

TEST_CASE("journal: a lost fence or refused content takes nobody with it", "[pg]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register();
  std::vector<WorkflowCommit> commits;
  for (int i = 0; i < 9; ++i) {
    const Fence fence = process.StartOwned("mixed-" + std::to_string(i));
    commits.push_back(FinishOf(fence, std::to_string(i)));
  }
  database.Run(
      "UPDATE dbos.workflow_status SET status = 'CANCELLED' "
      "WHERE workflow_uuid IN ('mixed-2', 'mixed-5')");
  commits[3].steps[0].output = std::string("a\0b", 3);
  commits[7].application_rows[0].json = "not JSON";
  commits[8].steps[0].name = "\xff";  // not UTF-8
  using Code = absl::StatusCode;
  CHECK(CommitTogether(process, std::move(commits)) ==
        std::vector<Code>{Code::kOk, Code::kOk, Code::kAborted, Code::kInvalidArgument, Code::kOk,
                          Code::kAborted, Code::kOk, Code::kInvalidArgument,
                          Code::kInvalidArgument});
  CHECK(database.Ask("SELECT string_agg(note, ',' ORDER BY note) FROM notes") == "0,1,4,6");
  CHECK(database.Ask("SELECT count(*) FROM dbos.operation_outputs") == "4");
}

TEST_CASE("journal: two writes of one workflow keep their order", "[pg]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register();
  const Fence fence = process.StartOwned("ordered");
  WorkflowCommit first;
  first.fence = fence;
  first.steps.push_back(StepOf(5, "1"));
  std::vector<WorkflowCommit> commits;
  commits.push_back(std::move(first));
  commits.push_back(FinishOf(fence, "last"));
  for (const absl::StatusCode code : CommitTogether(process, std::move(commits))) {
    CHECK(code == absl::StatusCode::kOk);
  }
  CHECK(database.Ask("SELECT count(*) FROM dbos.operation_outputs") == "2");
}

TEST_CASE("journal: another outcome of a recorded step is told, the same one is not", "[pg]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register();
  const Fence fence = process.StartOwned("twice");
  database.Run(
      "INSERT INTO dbos.operation_outputs (workflow_uuid, function_id, function_name, "
      "output, serialization) VALUES ('twice', 0, 'step', '42', 'portable_json')");
  WorkflowCommit other;
  other.fence = fence;
  other.steps.push_back(StepOf(0, "43"));
  const auto refused = process.Commit(other);
  CHECK(absl::IsInvalidArgument(refused.status()));
  CHECK(database.Ask("SELECT output FROM dbos.operation_outputs") == "42");
  const auto same = process.Commit(FinishOf(fence, "same"));
  INFO(same.status());
  CHECK(same.ok());
  CHECK(database.Ask("SELECT status FROM dbos.workflow_status") == "SUCCESS");
}

TEST_CASE("journal: limits hold for two processes that claim at once", "[pg]") {
  JournalDatabase database(Cluster());
  JournalProcess one(database, "one");
  JournalProcess two(database, "two");
  one.Register();
  two.Register();
  for (int i = 0; i < 12; ++i) one.Enqueue("queued-" + std::to_string(i), "orders");
  QueueConfig queue;
  queue.name = "orders";
  queue.concurrency = 3;
  int64_t done = 0;
  while (done < 12) {
    std::vector<std::pair<JournalProcess*, ClaimedWorkflow>> running;
    int answered = 0;
    for (JournalProcess* process : {&one, &two}) {
      ClaimRequest request;
      request.queue = queue;
      request.workflow_names = {"transfer"};
      request.is_latest_version = true;
      request.max_count = 10;
      process->journal().ClaimQueued(std::move(request), [&, process](auto claim) {
        REQUIRE(claim.ok());
        for (ClaimedWorkflow& claimed : claim->workflows) {
          running.emplace_back(process, std::move(claimed));
        }
        ++answered;
      });
    }
    REQUIRE(one.TurnUntil([&] { return answered == 2; }));
    CHECK(running.size() == 3);
    for (auto& [process, claimed] : running) {
      const auto result = process->Commit(FinishOf(
          {.workflow_id = claimed.workflow.id, .owner_token = claimed.owner_token}, "done"));
      REQUIRE(result.ok());
      REQUIRE(result->is_durable);
      ++done;
    }
  }
  CHECK(database.Ask("SELECT count(*) FROM notes") == "12");
}

TEST_CASE("journal: a claim of large inputs is bounded by their size", "[pg]") {
  JournalDatabase database(Cluster());
  JournalProcess process(
      database, "one", [](PostgresJournalOptions& options) { options.claim_bytes_max = 100'000; });
  process.Register();
  for (int i = 0; i < 5; ++i) {
    StartRequest request = StartOf("large-" + std::to_string(i));
    request.workflow.queue_name = "orders";
    request.workflow.inputs = std::string(60'000, 'x');
    REQUIRE(process.Start(std::move(request)).ok());
  }
  QueueConfig queue;
  queue.name = "orders";
  const auto claim = process.Claim(queue);
  REQUIRE(claim.ok());
  CHECK(claim->workflows.size() == 2);
  CHECK(claim->has_more);
}

TEST_CASE("journal: news reach another process", "[pg]") {
  JournalDatabase database(Cluster());
  JournalProcess one(database, "one");
  JournalProcess two(database, "two");
  one.Register();
  two.Register();
  two.Enqueue("first", "orders");
  REQUIRE(one.TurnUntil([&] { return one.news.HasHeard("queue orders"); }));
  QueueConfig queue;
  queue.name = "orders";
  const auto claim = one.Claim(queue);
  REQUIRE(claim.ok());
  REQUIRE(claim->workflows.size() == 1);
  WorkflowCommit commit =
      FinishOf({.workflow_id = "first", .owner_token = claim->workflows[0].owner_token}, "x");
  commit.effects.push_back(
      {.step = StepOf(1, "null"),
       .action = SetEventEffect{.key = "price", .value = "1", .serialization = "portable_json"}});
  commit.effects.push_back({.step = StepOf(2, "null"),
                            .action = SendEffect{.destination_id = "first",
                                                 .topic = "go",
                                                 .message = "1",
                                                 .serialization = "portable_json",
                                                 .message_id = {},
                                                 .missing_destination_error = "{}"}});
  REQUIRE(one.Commit(std::move(commit)).ok());
  for (const std::string what : {"ended first", "event first price", "message first go"}) {
    INFO(what);
    CHECK(one.news.HasHeard(what));
    CHECK(two.TurnUntil([&] { return two.news.HasHeard(what); }));
  }
}

TEST_CASE("journal: application SQL shares the commit of its step", "[pg][threads]") {
  JournalDatabase database(Cluster());
  testing::TcpProxy proxy(Cluster().port());
  JournalProcess process(database, "one", [&](PostgresJournalOptions& options) {
    const std::string port = ":" + std::to_string(Cluster().port()) + "/";
    options.database_url.replace(options.database_url.find(port), port.size(),
                                 ":" + std::to_string(proxy.port()) + "/");
  });
  process.Register();
  const Fence fence = process.StartOwned("transfer");
  const auto insert = [](pqxx::work& work) -> absl::StatusOr<std::string> {
    work.exec("INSERT INTO public.notes (note) VALUES ('mine')");
    return "\"done\"";
  };
  SECTION("once") {
    const auto step = RunBody(process, fence, 0, insert);
    INFO(step.status());
    REQUIRE(step.ok());
    REQUIRE(step->has_value());
    CHECK((*step)->output == "\"done\"");
    CHECK(database.Ask("SELECT output FROM dbos.operation_outputs") == "\"done\"");
    CHECK(database.Ask("SELECT count(*) FROM notes") == "1");
  }
  SECTION("not at all when the fence is lost") {
    database.Run("UPDATE dbos.workflow_status SET owner_xid = 'other'");
    const auto step = RunBody(process, fence, 0, insert);
    REQUIRE(step.ok());
    CHECK_FALSE(step->has_value());
    CHECK(database.Ask("SELECT count(*) FROM notes") == "0");
  }
  SECTION("not at all when the body fails") {
    const auto step = RunBody(process, fence, 0, [&](pqxx::work& work) {
      (void)insert(work);
      return absl::StatusOr<std::string>(absl::OutOfRangeError("too much"));
    });
    CHECK(step.status() == absl::OutOfRangeError("too much"));
    CHECK(database.Ask("SELECT count(*) FROM notes") == "0");
    CHECK(database.Ask("SELECT count(*) FROM dbos.operation_outputs") == "0");
  }
  SECTION("a statement that cannot work is refused") {
    const auto step = RunBody(process, fence, 0, [](pqxx::work& work) {
      work.exec("INSERT INTO public.nowhere VALUES (1)");
      return absl::StatusOr<std::string>("null");
    });
    CHECK(absl::IsInvalidArgument(step.status()));
    CHECK(RunBody(process, fence, 0, insert).ok());
  }
  SECTION("once, wherever the answers are cut") {
    REQUIRE(RunBody(process, fence, 0, insert).ok());
    int written = 1;
    for (uint64_t byte_count = 0; byte_count < 260; byte_count += 20) {
      proxy.CutAfter(testing::TcpProxy::Direction::kToClient, byte_count);
      const auto step = RunBody(process, fence, written, insert);
      proxy.CancelCut();
      INFO("cut after " << byte_count << ": " << step.status());
      REQUIRE(step.ok());
      REQUIRE(step->has_value());
      CHECK((*step)->output == "\"done\"");
      ++written;
    }
    CHECK(database.Ask("SELECT count(*) FROM notes") == std::to_string(written));
    CHECK(database.Ask("SELECT count(*) FROM dbos.operation_outputs") == std::to_string(written));
  }
}

TEST_CASE("journal: one that is destroyed calls nobody", "[pg][threads]") {
  JournalDatabase database(Cluster());
  JournalProcess process(database, "one");
  process.Register();
  const Fence fence = process.StartOwned("running");
  bool is_called = false;
  process.journal().Start(StartOf("other"), [&](auto) { is_called = true; });
  process.journal().Commit(FinishOf(fence, "x"), [&](auto) { is_called = true; });
  process.journal().Now([&](auto) { is_called = true; });
  process.journal().RunTransaction(
      {.fence = fence,
       .step = StepOf(3, ""),
       .body = std::make_shared<Body>([](pqxx::work& work) -> absl::StatusOr<std::string> {
         work.exec("SELECT pg_sleep(30)");
         return "null";
       })},
      [&](auto) { is_called = true; });
  process.Destroy();
  for (int turn = 0; turn < 20; ++turn) database.reactor.RunOnce(kNanosPerMilli);
  CHECK_FALSE(is_called);
}

}  // namespace holdfast::workflows
