// Proves what every journal promises of the operator's calls: list, cancel, resume, fork, rewind,
// delete, priorities, queues, schedules, versions, retention. The same cases run on the journal in
// memory and on PostgreSQL; each begins with an empty database.
#include "tests/workflows/conformance/journal_fixture.h"

namespace holdfast::workflows {
namespace {

using Ids = std::vector<std::string>;

Ids List(Process& process, WorkflowFilter filter) {
  const auto rows =
      process.Await<std::vector<WorkflowRecord>>([&](Reply<std::vector<WorkflowRecord>> reply) {
        process.journal().ListWorkflows(std::move(filter), std::move(reply));
      });
  INFO(rows.status().ToString());
  REQUIRE(rows.ok());
  Ids ids;
  for (const WorkflowRecord& row : *rows) ids.push_back(row.id);
  return ids;
}

int64_t Cancel(Process& process, Ids ids, bool with_children = false) {
  return *process.Await<int64_t>([&](Reply<int64_t> reply) {
    process.journal().Cancel(std::move(ids), with_children, std::move(reply));
  });
}

int64_t Resume(Process& process, Ids ids) {
  return *process.Await<int64_t>([&](Reply<int64_t> reply) {
    process.journal().Resume(std::move(ids), std::nullopt, std::move(reply));
  });
}

void FinishRun(Process& process, const Fence& fence, std::vector<StepRecord> steps = {}) {
  WorkflowCommit commit;
  commit.fence = fence;
  commit.steps = std::move(steps);
  commit.finish = Finish{.status = WorkflowStatus::kSuccess, .output = "1", .error = {}};
  REQUIRE(process.Commit(std::move(commit))->is_durable);
}

// Steps 0..2; an event and a stream value at each of them.
void RunThreeSteps(Process& process, const Fence& fence) {
  for (int32_t i = 0; i < 3; ++i) {
    WorkflowCommit commit;
    commit.fence = fence;
    commit.effects.push_back(
        {.step = MakeStep(2 * i, "DBOS.setEvent", "null"),
         .action = SetEventEffect{
             .key = "state", .value = std::to_string(i), .serialization = "portable_json"}});
    commit.effects.push_back(
        {.step = MakeStep(2 * i + 1, "DBOS.writeStream", "null"),
         .action = StreamEffect{
             .key = "out", .value = std::to_string(i), .serialization = "portable_json"}});
    REQUIRE(process.Commit(std::move(commit))->is_durable);
  }
}

std::optional<std::string> Event(Process& process, const std::string& id) {
  const auto value = *process.Await<std::optional<Journal::Value>>(
      [&](Reply<std::optional<Journal::Value>> reply) {
        process.journal().GetEvent(id, "state", std::move(reply));
      });
  if (!value) return std::nullopt;
  return value->text;
}

size_t StreamLength(Process& process, const std::string& id) {
  return process
      .Await<std::vector<Journal::Value>>([&](Reply<std::vector<Journal::Value>> reply) {
        process.journal().ReadStream(id, "out", 0, 100, std::move(reply));
      })
      ->size();
}

}  // namespace

TEST_CASE("journal: a listing filters, orders and pages", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  FinishRun(one, one.StartOwned("a"));
  fixture->Elapse(2);
  one.StartOwned("b");
  fixture->Elapse(2);
  NewWorkflow tagged = MakeWorkflow("c");
  tagged.queue_name = "orders";
  tagged.attributes = R"({"account":"main","side":{"name":"buy"}})";
  REQUIRE(one.Start(tagged)->outcome == StartOutcome::kCreated);

  CHECK(List(one, {}) == Ids{"a", "b", "c"});
  WorkflowFilter filter;
  filter.is_newest_first = true;
  filter.limit = 2;
  CHECK(List(one, filter) == Ids{"c", "b"});
  filter.offset = 2;
  CHECK(List(one, filter) == Ids{"a"});
  filter = {};
  filter.statuses = {WorkflowStatus::kPending, WorkflowStatus::kEnqueued};
  CHECK(List(one, filter) == Ids{"b", "c"});
  filter = {};
  filter.ids = {"a", "c", "missing"};
  CHECK(List(one, filter) == Ids{"a", "c"});
  filter = {};
  filter.queue_name = "orders";
  CHECK(List(one, filter) == Ids{"c"});
  filter = {};
  filter.is_queued_only = true;
  CHECK(List(one, filter) == Ids{"c"});
  filter = {};
  filter.attributes = R"({"side":{"name":"buy"}})";
  CHECK(List(one, filter) == Ids{"c"});
  filter.attributes = R"({"account":"other"})";
  CHECK(List(one, filter).empty());
  filter = {};
  filter.id_prefix = "b";
  CHECK(List(one, filter) == Ids{"b"});
  filter.id_prefix = "%";
  CHECK(List(one, filter).empty());
  filter = {};
  filter.created_from_ms = one.Get("b").created_at_ms;
  filter.created_to_ms = one.Get("b").created_at_ms;
  CHECK(List(one, filter) == Ids{"b"});
  filter = {};
  filter.names = {"nobody"};
  CHECK(List(one, filter).empty());
}

TEST_CASE("journal: cancel reaches what has not ended, and its children", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  FinishRun(one, one.StartOwned("done"));
  one.StartOwned("parent");
  NewWorkflow child = MakeWorkflow("child");
  child.owner_token = one.Token();
  child.parent_workflow_id = "parent";
  REQUIRE(one.Start(child)->outcome == StartOutcome::kCreated);
  NewWorkflow grandchild = MakeWorkflow("grandchild");
  grandchild.queue_name = "orders";
  grandchild.parent_workflow_id = "child";
  REQUIRE(one.Start(grandchild)->outcome == StartOutcome::kCreated);

  SECTION("alone") {
    CHECK(Cancel(one, {"parent", "done", "missing"}) == 1);
    CHECK(one.Get("child").status == WorkflowStatus::kPending);
  }
  SECTION("with children") {
    CHECK(Cancel(one, {"parent"}, /*with_children=*/true) == 3);
    CHECK(one.Get("child").status == WorkflowStatus::kCancelled);
    CHECK(one.Get("grandchild").status == WorkflowStatus::kCancelled);
    CHECK_FALSE(one.Get("grandchild").queue_name);
    CHECK(one.Claim(one.AnyOf())->workflows.empty());
  }
  const WorkflowRecord record = one.Get("parent");
  CHECK(record.status == WorkflowStatus::kCancelled);
  CHECK_FALSE(record.owner_token);
  CHECK(record.completed_at_ms.has_value());
  CHECK(one.Get("done").status == WorkflowStatus::kSuccess);
}

TEST_CASE("journal: resume puts a stopped workflow back to work", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  WorkflowCommit commit;
  commit.fence = fence;
  commit.steps = {MakeStep(0, "debit", "1")};
  REQUIRE(one.Commit(commit)->is_durable);
  FinishRun(one, one.StartOwned("done"));
  Cancel(one, {"wf"});

  CHECK(Resume(one, {"wf", "done", "missing"}) == 1);
  WorkflowRecord record = one.Get("wf");
  CHECK(record.status == WorkflowStatus::kEnqueued);
  CHECK(record.queue_name == std::string(kInternalQueueName));
  CHECK_FALSE(record.completed_at_ms);
  CHECK(record.recovery_attempts == 0);
  const auto claim = one.Claim(one.AnyOf(std::string(kInternalQueueName)));
  REQUIRE(IdsOf(*claim) == Ids{"wf"});
  CHECK(claim->workflows[0].steps == commit.steps);

  // A running one is taken from its run.
  CHECK(Resume(one, {"wf"}) == 1);
  CHECK_FALSE(
      one.Commit({.fence = {.workflow_id = "wf", .owner_token = claim->workflows[0].owner_token},
                  .steps = {MakeStep(1, "credit", "2")},
                  .effects = {},
                  .application_rows = {},
                  .finish = {}})
          ->is_durable);
}

TEST_CASE("journal: a fork begins with the original's past up to a step", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  RunThreeSteps(one, fence);
  const auto fork = [&](const std::string& original, const std::string& id, int32_t start_step) {
    ForkRequest request;
    request.original_id = original;
    request.new_id = id;
    request.start_step = start_step;
    return one.AwaitStatus(
        [&](StatusReply reply) { one.journal().Fork(request, std::move(reply)); });
  };
  REQUIRE(fork("wf", "fork", 3).ok());
  const WorkflowRecord record = one.Get("fork");
  CHECK(record.status == WorkflowStatus::kEnqueued);
  CHECK(record.queue_name == std::string(kInternalQueueName));
  CHECK(record.forked_from == "wf");
  CHECK(record.inputs == one.Get("wf").inputs);
  CHECK(record.attributes == one.Get("wf").attributes);
  CHECK_FALSE(record.owner_token);
  CHECK_FALSE(record.completed_at_ms);
  CHECK(record.recovery_attempts == 0);
  CHECK(record.application_version == "v1");
  CHECK(one.Get("wf").was_forked_from);
  CHECK(one.Get("wf").status == WorkflowStatus::kPending);
  CHECK(one.Steps("fork").size() == 3);
  CHECK(Event(one, "fork") == "1");       // set at step 2
  CHECK(StreamLength(one, "fork") == 1);  // written at step 1

  REQUIRE(fork("wf", "from_start", 0).ok());
  CHECK(one.Steps("from_start").empty());
  CHECK_FALSE(Event(one, "from_start").has_value());
  CHECK(fork("missing", "x", 0).code() == absl::StatusCode::kNotFound);
  CHECK(fork("wf", "fork", 0).code() == absl::StatusCode::kAlreadyExists);
}

TEST_CASE("journal: rewind undoes what came after a step", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  RunThreeSteps(one, fence);
  const auto rewind = [&](int32_t start_step) {
    return one.AwaitStatus(
        [&](StatusReply reply) { one.journal().Rewind("wf", start_step, std::move(reply)); });
  };
  CHECK(rewind(3).code() == absl::StatusCode::kFailedPrecondition);
  FinishRun(one, fence);
  REQUIRE(rewind(3).ok());
  const WorkflowRecord record = one.Get("wf");
  CHECK(record.status == WorkflowStatus::kEnqueued);
  CHECK_FALSE(record.output);
  CHECK_FALSE(record.completed_at_ms);
  CHECK(one.Steps("wf").size() == 3);
  CHECK(Event(one, "wf") == "1");
  CHECK(StreamLength(one, "wf") == 3);  // what was read stays read
  CHECK(rewind(3).code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("journal: rewind opens closed streams and forgets messages", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  const auto send = [&](const std::string& text) {
    SendEffect message;
    message.destination_id = "wf";
    message.message = text;
    message.serialization = "portable_json";
    CHECK(one.AwaitStatus([&](StatusReply reply) { one.journal().Send(message, std::move(reply)); })
              .ok());
  };
  const auto apply = [&](const Fence& owner, int32_t function_id, decltype(Effect::action) action) {
    WorkflowCommit commit;
    commit.fence = owner;
    commit.effects.push_back(
        {.step = MakeStep(function_id, "DBOS.any", "null"), .action = std::move(action)});
    return one.Commit(std::move(commit))->effects.at(0);
  };
  const auto value = [](const std::string& text) {
    return StreamEffect{.key = "out", .value = text, .serialization = "portable_json"};
  };
  const auto event = [](const std::string& key) {
    return SetEventEffect{.key = key, .value = "1", .serialization = "portable_json"};
  };
  send("first");
  send("second");
  send("third");
  CHECK(apply(fence, 0, ReceiveEffect{}).step.output == "first");
  CHECK(apply(fence, 2, value("1")).outcome == EffectOutcome::kApplied);
  CHECK(apply(fence, 3, ReceiveEffect{}).step.output == "second");
  CHECK(apply(fence, 5, value(std::string(kStreamClosedMarker))).outcome ==
        EffectOutcome::kApplied);
  CHECK(apply(fence, 6, event("state")).outcome == EffectOutcome::kApplied);
  FinishRun(one, fence);

  const auto rewind = [&](const std::string& id, int32_t start_step) {
    return one.AwaitStatus(
        [&](StatusReply reply) { one.journal().Rewind(id, start_step, std::move(reply)); });
  };
  CHECK(rewind("missing", 0).code() == absl::StatusCode::kNotFound);
  CHECK(rewind("wf", -1).code() == absl::StatusCode::kInvalidArgument);
  REQUIRE(rewind("wf", 3).ok());
  CHECK_FALSE(Event(one, "wf").has_value());
  const auto claim = one.Claim(one.AnyOf(std::string(kInternalQueueName)));
  REQUIRE(IdsOf(*claim) == Ids{"wf"});
  CHECK(claim->workflows[0].steps.size() == 2);
  const Fence again{.workflow_id = "wf", .owner_token = claim->workflows[0].owner_token};
  CHECK(apply(again, 3, ReceiveEffect{}).outcome == EffectOutcome::kNoMessage);
  send("fourth");
  CHECK(apply(again, 3, ReceiveEffect{}).step.output == "fourth");
  CHECK(apply(again, 5, value("2")).outcome == EffectOutcome::kApplied);
  CHECK(StreamLength(one, "wf") == 2);
}

TEST_CASE("journal: delete leaves nothing behind", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  RunThreeSteps(one, fence);
  CHECK(*one.Await<int64_t>([&](Reply<int64_t> reply) {
    one.journal().Delete({"wf", "missing"}, false, std::move(reply));
  }) == 1);
  CHECK(List(one, {}).empty());
  CHECK(one.Steps("wf").empty());
  CHECK_FALSE(Event(one, "wf").has_value());
  CHECK(StreamLength(one, "wf") == 0);
  CHECK_FALSE(one.Commit({.fence = fence,
                          .steps = {MakeStep(9, "late", "1")},
                          .effects = {},
                          .application_rows = {},
                          .finish = {}})
                  ->is_durable);
  CHECK(one.Steps("wf").empty());
}

TEST_CASE("journal: delete takes the children along when it is told to", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  for (const auto& [id, parent] : {std::pair{"a", ""}, {"b", "a"}, {"c", "b"}, {"d", ""}}) {
    NewWorkflow workflow = MakeWorkflow(id);
    workflow.queue_name = "orders";
    if (*parent != '\0') workflow.parent_workflow_id = parent;
    REQUIRE(one.Start(workflow)->outcome == StartOutcome::kCreated);
    fixture->Elapse(2);
  }
  const auto remove = [&](const std::string& id, bool with_children) {
    return *one.Await<int64_t>(
        [&](Reply<int64_t> reply) { one.journal().Delete({id}, with_children, std::move(reply)); });
  };
  CHECK(remove("d", false) == 1);
  CHECK(remove("a", true) == 3);
  CHECK(List(one, {}).empty());
  CHECK(remove("a", true) == 0);
  CHECK(one.Claim(one.AnyOf())->workflows.empty());
}

TEST_CASE("journal: priority and delay of waiting work can change", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  one.Enqueue("a");
  fixture->Elapse(2);
  one.Enqueue("b");
  const auto set_priority = [&](const std::string& id) {
    return one.AwaitStatus(
        [&](StatusReply reply) { one.journal().SetPriority(id, -1, std::move(reply)); });
  };
  const auto set_delay = [&](const std::string& id, int64_t until_ms) {
    return one.AwaitStatus(
        [&](StatusReply reply) { one.journal().SetDelay(id, until_ms, std::move(reply)); });
  };
  CHECK(set_priority("b").ok());
  CHECK(set_priority("missing").code() == absl::StatusCode::kNotFound);
  CHECK(IdsOf(*one.Claim(one.AnyOf("orders", 1))) == Ids{"b"});
  CHECK(set_priority("b").code() == absl::StatusCode::kFailedPrecondition);

  NewWorkflow delayed = MakeWorkflow("delayed");
  delayed.queue_name = "orders";
  delayed.delay_until_ms = one.Get("a").created_at_ms + 3'600'000;
  REQUIRE(one.Start(delayed)->outcome == StartOutcome::kCreated);
  CHECK(set_delay("delayed", one.Get("a").created_at_ms).ok());
  CHECK(one.Sweep().released_count == 1);
  CHECK(set_delay("a", 1).code() == absl::StatusCode::kFailedPrecondition);
}

TEST_CASE("journal: queues are kept as they were registered", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  QueueConfig queue;
  queue.name = "orders";
  queue.concurrency = 5;
  queue.worker_concurrency = 2;
  queue.rate_limit = RateLimit{.max_starts = 10, .period_s = 1.5};
  queue.is_partitioned = true;
  queue.partition_concurrency = 1;
  queue.partition_worker_concurrency = 1;
  queue.partition_rate_limit = RateLimit{.max_starts = 2, .period_s = 0.5};
  queue.polling_interval_s = 0.25;
  queue.application_name = "suite";
  const auto upsert = [&] {
    CHECK(one.AwaitStatus(
                 [&](StatusReply reply) { one.journal().UpsertQueue(queue, std::move(reply)); })
              .ok());
  };
  const auto list = [&] {
    return *one.Await<std::vector<QueueConfig>>(
        [&](Reply<std::vector<QueueConfig>> reply) { one.journal().ListQueues(std::move(reply)); });
  };
  upsert();
  CHECK(list() == std::vector<QueueConfig>{queue});
  queue.concurrency.reset();
  queue.rate_limit.reset();
  upsert();
  CHECK(list() == std::vector<QueueConfig>{queue});
  const auto drop = [&] {
    return one.AwaitStatus(
        [&](StatusReply reply) { one.journal().DeleteQueue("orders", std::move(reply)); });
  };
  CHECK(drop().ok());
  CHECK(list().empty());
  CHECK(drop().code() == absl::StatusCode::kNotFound);
}

TEST_CASE("journal: schedules are kept and remember when they fired", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  ScheduleRecord schedule;
  schedule.name = "hourly";
  schedule.workflow_name = "screen";
  schedule.cron = "0 * * * *";
  schedule.context = "null";
  schedule.is_backfilled = true;
  schedule.cron_time_zone = "Europe/Berlin";
  schedule.queue_name = "orders";
  const auto list = [&] {
    return *one.Await<std::vector<ScheduleRecord>>([&](Reply<std::vector<ScheduleRecord>> reply) {
      one.journal().ListSchedules(std::move(reply));
    });
  };
  const auto call = [&](auto operation) { return one.AwaitStatus(operation); };
  CHECK(call([&](StatusReply reply) {
          one.journal().UpsertSchedule(schedule, std::move(reply));
        }).ok());
  REQUIRE(list().size() == 1);
  const std::string id = list()[0].id;
  CHECK_FALSE(id.empty());
  CHECK(list()[0].cron == "0 * * * *");
  CHECK(list()[0].is_backfilled);
  CHECK(list()[0].cron_time_zone == "Europe/Berlin");
  CHECK(list()[0].queue_name == "orders");
  CHECK(list()[0].status == ScheduleStatus::kActive);
  CHECK_FALSE(list()[0].last_fired_at);

  const auto fired = [&](const std::string& at) {
    CHECK(call([&](StatusReply reply) {
            one.journal().RecordScheduleFired("hourly", at, std::move(reply));
          }).ok());
  };
  fired("2026-01-01T10:00:00.000Z");
  fired("2026-01-01T09:00:00.000Z");
  CHECK(list()[0].last_fired_at == "2026-01-01T10:00:00.000Z");
  schedule.cron = "30 * * * *";
  CHECK(call([&](StatusReply reply) {
          one.journal().UpsertSchedule(schedule, std::move(reply));
        }).ok());
  CHECK(list()[0].id == id);
  CHECK(list()[0].cron == "30 * * * *");
  CHECK(list()[0].last_fired_at == "2026-01-01T10:00:00.000Z");
  CHECK(call([&](StatusReply reply) {
          one.journal().SetScheduleStatus("hourly", ScheduleStatus::kPaused, std::move(reply));
        }).ok());
  CHECK(list()[0].status == ScheduleStatus::kPaused);
  // A program that registers its schedules at each start does not undo what an operator did.
  CHECK(call([&](StatusReply reply) {
          one.journal().UpsertSchedule(schedule, std::move(reply));
        }).ok());
  CHECK(list()[0].status == ScheduleStatus::kPaused);
  CHECK(call([&](StatusReply reply) {
          one.journal().DeleteSchedule("hourly", std::move(reply));
        }).ok());
  CHECK(list().empty());
  CHECK(call([&](StatusReply reply) {
          one.journal().SetScheduleStatus("hourly", ScheduleStatus::kPaused, std::move(reply));
        }).code() == absl::StatusCode::kNotFound);
}

TEST_CASE("journal: the latest version is the one set last", "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one", "", "v1");
  Process two(*fixture, "two", "", "v2");
  one.Register();
  fixture->Elapse(5);
  two.Register();
  const auto versions = [&] {
    Ids names;
    const auto listed = one.Await<std::vector<ApplicationVersion>>(
        [&](Reply<std::vector<ApplicationVersion>> reply) {
          one.journal().ListVersions(std::move(reply));
        });
    REQUIRE(listed.ok());
    for (const ApplicationVersion& version : *listed) names.push_back(version.name);
    return names;
  };
  CHECK(versions() == Ids{"v2", "v1"});
  const auto set_latest = [&](const std::string& name) {
    return one.AwaitStatus(
        [&](StatusReply reply) { one.journal().SetLatestVersion(name, std::move(reply)); });
  };
  CHECK(set_latest("v1").ok());
  CHECK(versions() == Ids{"v1", "v2"});
  CHECK(set_latest("v9").code() == absl::StatusCode::kNotFound);
}

TEST_CASE("journal: retention deletes ended workflows, oldest first, in bounded bites",
          "[journal][operate]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  for (int i = 0; i < 5; ++i) {
    FinishRun(one, one.StartOwned("wf" + std::to_string(i)), {MakeStep(0, "a", "1")});
    fixture->Elapse(3);
  }
  one.StartOwned("running");
  const auto retain = [&](RetentionRequest request) {
    return *one.Await<int64_t>(
        [&](Reply<int64_t> reply) { one.journal().Retain(request, std::move(reply)); });
  };
  RetentionRequest by_age;
  by_age.completed_before_ms = *one.Get("wf3").completed_at_ms;
  by_age.max_rows = 2;
  CHECK(retain(by_age) == 2);
  CHECK(List(one, {}) == Ids{"wf2", "wf3", "wf4", "running"});
  CHECK(one.Steps("wf0").empty());
  CHECK(retain(by_age) == 1);
  CHECK(retain(by_age) == 0);
  RetentionRequest by_count;
  by_count.keep_newest = 1;
  CHECK(retain(by_count) == 1);
  CHECK(List(one, {}) == Ids{"wf4", "running"});
}

}  // namespace holdfast::workflows
