// Proves what every journal promises of queues, claims, take-over and sweeps. The same cases run on
// the journal in memory and on PostgreSQL; each begins with an empty database.
#include <algorithm>

#include "tests/workflows/conformance/journal_fixture.h"

namespace holdfast::workflows {
namespace {

using Ids = std::vector<std::string>;

void FinishRun(Process& process, const ClaimedWorkflow& claimed) {
  WorkflowCommit commit;
  commit.fence = {.workflow_id = claimed.workflow.id, .owner_token = claimed.owner_token};
  commit.finish = Finish{.status = WorkflowStatus::kSuccess, .output = "null", .error = {}};
  REQUIRE(process.Commit(std::move(commit))->is_durable);
}

}  // namespace

TEST_CASE("journal: a claim takes by priority, then by age", "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  one.Enqueue("c", "orders", 5);
  fixture->Elapse(2);
  one.Enqueue("a", "orders", 5);
  fixture->Elapse(2);
  one.Enqueue("b", "orders", 1);
  one.Enqueue("elsewhere", "other");

  auto claim = one.Claim(one.AnyOf("orders", 2));
  REQUIRE(claim.ok());
  CHECK(IdsOf(*claim) == Ids{"b", "c"});
  CHECK(claim->has_more);
  claim = one.Claim(one.AnyOf("orders", 2));
  CHECK(IdsOf(*claim) == Ids{"a"});
  CHECK_FALSE(claim->has_more);
  CHECK(one.Claim(one.AnyOf("orders", 2))->workflows.empty());
}

TEST_CASE("journal: a claimed workflow is owned, with its inputs and its past",
          "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  NewWorkflow workflow = MakeWorkflow("wf");
  workflow.queue_name = "orders";
  workflow.timeout_ms = 60'000;
  REQUIRE(one.Start(workflow)->outcome == StartOutcome::kCreated);
  const auto claim = one.Claim(one.AnyOf());
  REQUIRE(claim->workflows.size() == 1);
  const ClaimedWorkflow& claimed = claim->workflows[0];
  CHECK(claimed.workflow.inputs == workflow.inputs);
  CHECK(claimed.workflow.serialization == "portable_json");
  CHECK(claimed.workflow.name == "transfer");
  CHECK(claimed.steps.empty());
  CHECK(claimed.owner_token.starts_with(one.identity().incarnation + "-"));

  const WorkflowRecord record = one.Get("wf");
  CHECK(record.status == WorkflowStatus::kPending);
  CHECK(record.owner_token == claimed.owner_token);
  CHECK(record.executor_id == "one");
  CHECK(record.application_version == "v1");
  CHECK(record.application_name == "suite");
  CHECK(record.recovery_attempts == 1);
  CHECK(record.started_at_ms.has_value());
  REQUIRE(record.deadline_ms.has_value());
  CHECK(*record.deadline_ms == *record.started_at_ms + 60'000);
  FinishRun(one, claimed);
}

TEST_CASE("journal: only what this executor can run is claimed", "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const auto enqueue = [&](const std::string& id, auto change) {
    NewWorkflow workflow = MakeWorkflow(id);
    workflow.queue_name = "orders";
    change(workflow);
    REQUIRE(one.Start(workflow)->outcome == StartOutcome::kCreated);
    fixture->Elapse(2);
  };
  enqueue("unknown_name", [](NewWorkflow& workflow) { workflow.name = "unknown"; });
  enqueue("other_version", [](NewWorkflow& workflow) { workflow.application_version = "v2"; });
  enqueue("my_version", [](NewWorkflow& workflow) { workflow.application_version = "v1"; });
  enqueue("other_application", [](NewWorkflow& workflow) { workflow.application_name = "x"; });
  enqueue("my_application", [](NewWorkflow& workflow) { workflow.application_name = "suite"; });
  enqueue("any", [](NewWorkflow&) {});

  ClaimRequest request = one.AnyOf();
  request.is_latest_version = false;
  CHECK(IdsOf(*one.Claim(request)) == Ids{"my_version"});
  request.is_latest_version = true;
  CHECK(IdsOf(*one.Claim(request)) == Ids{"my_application", "any"});
  CHECK(one.Claim(request)->workflows.empty());
}

TEST_CASE("journal: two executors never claim one workflow", "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  Process two(*fixture, "two");
  one.Register();
  two.Register();
  for (int i = 0; i < 30; ++i) one.Enqueue("wf" + std::to_string(i));
  Ids ids;
  int answers = 0;
  const auto take = [&](absl::StatusOr<ClaimResult> claim) {
    ++answers;
    if (!claim.ok()) return;
    for (const std::string& id : IdsOf(*claim)) ids.push_back(id);
  };
  for (int round = 0; round < 6; ++round) {
    const int before = answers;
    one.journal().ClaimQueued(one.AnyOf("orders", 7), take);
    two.journal().ClaimQueued(two.AnyOf("orders", 7), take);
    for (int turn = 0; turn < 5'000 && answers < before + 2; ++turn) fixture->Turn();
    REQUIRE(answers == before + 2);
  }
  std::sort(ids.begin(), ids.end());
  CHECK(ids.size() == 30);
  CHECK(std::adjacent_find(ids.begin(), ids.end()) == ids.end());
}

TEST_CASE("journal: limits of a queue hold over all executors", "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  Process two(*fixture, "two");
  one.Register();
  two.Register();
  for (int i = 0; i < 8; ++i) {
    one.Enqueue("wf" + std::to_string(i));
    fixture->Elapse(2);
  }

  SECTION("concurrency") {
    ClaimRequest request = one.AnyOf();
    request.queue.concurrency = 3;
    const auto first = one.Claim(request);
    CHECK(IdsOf(*first) == Ids{"wf0", "wf1", "wf2"});
    CHECK_FALSE(first->has_more);
    CHECK(two.Claim(request)->workflows.empty());
    FinishRun(one, first->workflows[1]);
    CHECK(IdsOf(*two.Claim(request)) == Ids{"wf3"});
  }
  SECTION("worker concurrency") {
    ClaimRequest request = one.AnyOf();
    request.queue.worker_concurrency = 2;
    CHECK(IdsOf(*one.Claim(request)) == Ids{"wf0", "wf1"});
    request.running_here = 2;
    CHECK(one.Claim(request)->workflows.empty());
    request.running_here = 0;
    CHECK(IdsOf(*two.Claim(request)) == Ids{"wf2", "wf3"});
  }
  SECTION("rate") {
    ClaimRequest request = one.AnyOf();
    request.queue.rate_limit = RateLimit{.max_starts = 3, .period_s = 1.0};
    const auto first = one.Claim(request);
    CHECK(first->workflows.size() == 3);
    for (const ClaimedWorkflow& claimed : first->workflows) FinishRun(one, claimed);
    CHECK(two.Claim(request)->workflows.empty());
    fixture->Elapse(1'100);
    CHECK(two.Claim(request)->workflows.size() == 3);
  }
}

TEST_CASE("journal: limits of a partition leave the others alone", "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  for (int i = 0; i < 4; ++i) {
    for (const char* key : {"btc", "eth"}) {
      NewWorkflow workflow = MakeWorkflow(std::string(key) + std::to_string(i));
      workflow.queue_name = "orders";
      workflow.queue_partition_key = key;
      REQUIRE(one.Start(workflow)->outcome == StartOutcome::kCreated);
      fixture->Elapse(2);
    }
  }
  ClaimRequest request = one.AnyOf();
  request.queue.is_partitioned = true;

  SECTION("concurrency") {
    request.queue.partition_concurrency = 1;
    const auto claim = one.Claim(request);
    CHECK(IdsOf(*claim) == Ids{"btc0", "eth0"});
    CHECK(one.Claim(request)->workflows.empty());
    FinishRun(one, claim->workflows[0]);
    CHECK(IdsOf(*one.Claim(request)) == Ids{"btc1"});
  }
  SECTION("worker concurrency") {
    request.queue.partition_worker_concurrency = 2;
    request.running_here = 2;
    request.running_here_by_partition = {{"btc", 2}};
    CHECK(IdsOf(*one.Claim(request)) == Ids{"eth0", "eth1"});
  }
  SECTION("rate") {
    request.queue.partition_rate_limit = RateLimit{.max_starts = 1, .period_s = 60};
    CHECK(IdsOf(*one.Claim(request)) == Ids{"btc0", "eth0"});
    CHECK(one.Claim(request)->workflows.empty());
  }
  SECTION("with a limit over all of them") {
    request.queue.partition_concurrency = 2;
    request.queue.concurrency = 3;
    CHECK(IdsOf(*one.Claim(request)) == Ids{"btc0", "eth0", "btc1"});
  }
}

TEST_CASE("journal: a deduplication id is taken until its workflow ends", "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const auto enqueue = [&](const std::string& id) {
    NewWorkflow workflow = MakeWorkflow(id);
    workflow.queue_name = "orders";
    workflow.deduplication_id = "same";
    return *one.Start(workflow);
  };
  CHECK(enqueue("a").outcome == StartOutcome::kCreated);
  const StartResult refused = enqueue("b");
  CHECK(refused.outcome == StartOutcome::kDeduplicated);
  CHECK(refused.existing.id == "a");
  CHECK(enqueue("a").outcome == StartOutcome::kExists);
  const auto claim = one.Claim(one.AnyOf());
  CHECK(enqueue("b").outcome == StartOutcome::kDeduplicated);
  FinishRun(one, claim->workflows.at(0));
  CHECK(enqueue("b").outcome == StartOutcome::kCreated);
  CHECK(*one.Await<int64_t>([&](Reply<int64_t> reply) {
    one.journal().Cancel({"b"}, false, std::move(reply));
  }) == 1);
  CHECK(enqueue("c").outcome == StartOutcome::kCreated);
}

TEST_CASE("journal: a workflow claimed too often becomes a dead letter", "[journal][queue]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  one.Enqueue("wf");
  ClaimRequest request = one.AnyOf();
  request.max_recovery_attempts = 2;
  for (int life = 0; life < 3; ++life) {
    const auto claim = one.Claim(request);
    REQUIRE(claim->workflows.size() == 1);
    CHECK(claim->workflows[0].workflow.recovery_attempts == life + 1);
    // A later life of this executor finds what the earlier one left.
    const std::string incarnation = "life_" + std::to_string(life);
    CHECK(one.AwaitStatus([&](StatusReply reply) { one.journal().ReleaseLease(std::move(reply)); })
              .ok());
    Process next(*fixture, "one", incarnation);
    next.Register();
    REQUIRE(next.ClaimAbandoned().ok());
    CHECK(
        next.AwaitStatus([&](StatusReply reply) { next.journal().ReleaseLease(std::move(reply)); })
            .ok());
    one.Register();
  }
  const auto claim = one.Claim(request);
  REQUIRE(claim.ok());
  CHECK(claim->workflows.empty());
  CHECK(claim->dead_letter_count == 1);
  const WorkflowRecord record = one.Get("wf");
  CHECK(record.status == WorkflowStatus::kMaxRecoveryAttemptsExceeded);
  CHECK_FALSE(record.queue_name);
  CHECK(record.completed_at_ms.has_value());
}

TEST_CASE("journal: an executor finds the rows of its own earlier life", "[journal][recovery]") {
  auto fixture = MakeJournalFixture();
  Process before(*fixture, "one", "a");
  before.Register(/*lease_ttl_ms=*/1'000);
  const Fence fence = before.StartOwned("started");
  WorkflowCommit commit;
  commit.fence = fence;
  commit.steps = {MakeStep(0, "debit", "1"), MakeStep(1, "credit", "2")};
  REQUIRE(before.Commit(commit)->is_durable);
  before.Enqueue("queued");
  REQUIRE(before.Claim(before.AnyOf())->workflows.size() == 1);
  before.Crash();
  fixture->Elapse(1'100);

  Process after(*fixture, "one", "b");
  after.Register();
  const Fence mine = after.StartOwned("mine");
  const auto claim = after.ClaimAbandoned();
  REQUIRE(claim.ok());
  // What belongs to a queue goes back to it; the rest is handed over with its steps.
  REQUIRE(IdsOf(*claim) == Ids{"started"});
  CHECK(claim->workflows[0].steps == commit.steps);
  CHECK(claim->workflows[0].workflow.recovery_attempts == 2);
  CHECK(claim->workflows[0].owner_token.starts_with(after.identity().incarnation + "-"));
  CHECK(IdsOf(*after.Claim(after.AnyOf())) == Ids{"queued"});
  CHECK(after.ClaimAbandoned()->workflows.empty());
  CHECK(after.Get("mine").owner_token == mine.owner_token);
}

TEST_CASE("journal: a dead executor's work is taken over after its lease", "[journal][recovery]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  Process two(*fixture, "two");
  one.Register(/*lease_ttl_ms=*/1'000);
  two.Register();
  const Fence fence = one.StartOwned("wf");
  CHECK(two.ClaimAbandoned()->workflows.empty());
  CHECK_FALSE(two.Sweep().has_abandoned);

  fixture->Elapse(1'100);
  CHECK(two.Sweep().has_abandoned);
  const auto claim = two.ClaimAbandoned();
  REQUIRE(IdsOf(*claim) == Ids{"wf"});
  CHECK(two.Get("wf").executor_id == "two");
  CHECK_FALSE(two.Sweep().has_abandoned);

  // The first one was only frozen: it registers again and finds nothing of its own left.
  one.Register();
  WorkflowCommit late;
  late.fence = fence;
  late.steps = {MakeStep(0, "debit", "1")};
  CHECK_FALSE(one.Commit(late)->is_durable);
  CHECK(one.ClaimAbandoned()->workflows.empty());
  FinishRun(two, claim->workflows[0]);
}

TEST_CASE("journal: what another version or another runtime left is not taken over",
          "[journal][recovery]") {
  auto fixture = MakeJournalFixture();
  Process old_version(*fixture, "one", "a", "v0");
  Process two(*fixture, "two");
  old_version.Register(/*lease_ttl_ms=*/1'000);
  two.Register();
  old_version.StartOwned("wf");
  fixture->Elapse(1'100);
  CHECK(two.ClaimAbandoned()->workflows.empty());
  Process same_version(*fixture, "three", "", "v0");
  same_version.Register();
  CHECK(IdsOf(*same_version.ClaimAbandoned()) == Ids{"wf"});
}

TEST_CASE("journal: take-over is bounded and begins with the oldest", "[journal][recovery]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one", "a");
  one.Register(/*lease_ttl_ms=*/1'000);
  for (int i = 0; i < 5; ++i) {
    one.StartOwned("wf" + std::to_string(i));
    fixture->Elapse(2);
  }
  fixture->Elapse(1'100);
  Process two(*fixture, "two");
  two.Register();
  auto claim = two.ClaimAbandoned(2);
  CHECK(IdsOf(*claim) == Ids{"wf0", "wf1"});
  CHECK(claim->has_more);
  claim = two.ClaimAbandoned(2);
  CHECK(IdsOf(*claim) == Ids{"wf2", "wf3"});
  claim = two.ClaimAbandoned(2);
  CHECK(IdsOf(*claim) == Ids{"wf4"});
  CHECK_FALSE(claim->has_more);
}

TEST_CASE("journal: a sweep releases delays and ends what is past its deadline",
          "[journal][sweep]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const int64_t now_ms =
      *one.Await<int64_t>([&](Reply<int64_t> reply) { one.journal().Now(std::move(reply)); });
  NewWorkflow delayed = MakeWorkflow("delayed");
  delayed.queue_name = "orders";
  delayed.delay_until_ms = now_ms + 1'000;
  REQUIRE(one.Start(delayed)->outcome == StartOutcome::kCreated);
  NewWorkflow late = MakeWorkflow("late");
  late.owner_token = one.Token();
  late.deadline_ms = now_ms + 1'100;
  REQUIRE(one.Start(late)->outcome == StartOutcome::kCreated);

  CHECK(one.Get("delayed").status == WorkflowStatus::kDelayed);
  CHECK(one.Claim(one.AnyOf())->workflows.empty());
  SweepResult sweep = one.Sweep();
  CHECK(sweep.released_count == 0);
  REQUIRE(sweep.next_due_in_ms.has_value());
  CHECK(*sweep.next_due_in_ms <= 1'000);

  fixture->Elapse(1'300);
  sweep = one.Sweep();
  CHECK(sweep.released_count == 1);
  CHECK(sweep.released_queues == Ids{"orders"});
  CHECK(sweep.expired_workflow_ids == Ids{"late"});
  CHECK(one.Get("late").status == WorkflowStatus::kCancelled);
  CHECK_FALSE(one.Get("late").owner_token);
  CHECK(IdsOf(*one.Claim(one.AnyOf())) == Ids{"delayed"});
}

}  // namespace holdfast::workflows
