// Proves what every journal promises of starts, commits, fences and leases. The same cases run on
// the journal in memory and on PostgreSQL; each begins with an empty database.
#include "tests/workflows/conformance/journal_fixture.h"

namespace holdfast::workflows {
namespace {

WorkflowCommit CommitOf(const Fence& fence, std::vector<StepRecord> steps) {
  WorkflowCommit commit;
  commit.fence = fence;
  commit.steps = std::move(steps);
  return commit;
}

WorkflowCommit FinishOf(const Fence& fence, std::vector<StepRecord> steps,
                        const std::string& output) {
  WorkflowCommit commit = CommitOf(fence, std::move(steps));
  commit.finish = Finish{.status = WorkflowStatus::kSuccess, .output = output, .error = {}};
  return commit;
}

}  // namespace

TEST_CASE("journal: a started workflow is pending and owned", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");

  const WorkflowRecord record = one.Get("wf");
  CHECK(record.status == WorkflowStatus::kPending);
  CHECK(record.owner_token == fence.owner_token);
  CHECK(record.executor_id == "one");
  CHECK(record.application_version == "v1");
  CHECK(record.application_name == "suite");
  CHECK(record.recovery_attempts == 1);
  CHECK(record.inputs == R"({"positionalArgs":[1],"namedArgs":{}})");
  CHECK(record.serialization == "portable_json");
  CHECK_FALSE(record.class_name);
  CHECK_FALSE(record.queue_name);
  CHECK_FALSE(record.completed_at_ms);
}

TEST_CASE("journal: the id of a workflow is its idempotency key", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  one.StartOwned("wf");

  NewWorkflow again = MakeWorkflow("wf");
  again.owner_token = one.Token();
  auto result = one.Start(again);
  REQUIRE(result.ok());
  CHECK(result->outcome == StartOutcome::kExists);
  CHECK(result->existing.status == WorkflowStatus::kPending);
  CHECK(one.Get("wf").recovery_attempts == 1);

  again.name = "another";
  result = one.Start(again);
  REQUIRE(result.ok());
  CHECK(result->outcome == StartOutcome::kConflict);
  CHECK(result->existing.name == "transfer");

  again = MakeWorkflow("wf");
  again.class_name = "Bank";
  again.owner_token = one.Token();
  result = one.Start(again);
  REQUIRE(result.ok());
  CHECK(result->outcome == StartOutcome::kConflict);
}

TEST_CASE("journal: steps and the final status land together", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");

  REQUIRE(one.Commit(CommitOf(fence, {MakeStep(0, "debit", "1"), MakeStep(1, "credit", "null")}))
              ->is_durable);
  REQUIRE(one.Commit(FinishOf(fence, {MakeStep(2, "notify", "\"ok\"")}, "\"done\""))->is_durable);

  const WorkflowRecord record = one.Get("wf");
  CHECK(record.status == WorkflowStatus::kSuccess);
  CHECK(record.output == "\"done\"");
  CHECK_FALSE(record.error);
  CHECK_FALSE(record.owner_token);
  CHECK(record.completed_at_ms.has_value());
  CHECK(one.Steps("wf") == std::vector<StepRecord>{MakeStep(0, "debit", "1"),
                                                   MakeStep(1, "credit", "null"),
                                                   MakeStep(2, "notify", "\"ok\"")});
}

TEST_CASE("journal: an error is recorded as one", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  StepRecord failed = MakeStep(0, "debit", "");
  failed.output.reset();
  failed.error = R"({"name":"Broke","message":"no money"})";
  WorkflowCommit commit = CommitOf(fence, {failed});
  commit.finish = Finish{.status = WorkflowStatus::kError, .output = {}, .error = failed.error};
  REQUIRE(one.Commit(commit)->is_durable);

  const WorkflowRecord record = one.Get("wf");
  CHECK(record.status == WorkflowStatus::kError);
  CHECK(record.error == failed.error);
  CHECK_FALSE(record.output);
  CHECK(one.Steps("wf") == std::vector<StepRecord>{failed});
}

TEST_CASE("journal: text of any kind survives", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const std::string text =
      "\"quote \\\" slash \\\\ brace {} comma , apostrophe ' \xC3\xA9 \xE2\x82\xAC "
      "\xF0\x9F\x92\xB0 tab \\t NULL\"";
  for (const std::string& value : {text, std::string(), std::string("NULL"), std::string("{}"),
                                   std::string("\n\r\t"), std::string(100'000, 'x')}) {
    const std::string id = "wf" + std::to_string(value.size()) + value.substr(0, 2);
    const Fence fence = one.StartOwned(id);
    REQUIRE(one.Commit(FinishOf(fence, {MakeStep(0, "say", value)}, value))->is_durable);
    CHECK(one.Get(id).output == value);
    CHECK(one.Steps(id).at(0).output == value);
  }
}

TEST_CASE("journal: what the database cannot store is refused alone", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence good = one.StartOwned("good");
  const Fence bad = one.StartOwned("bad");

  // Both at once, so that they may share a transaction.
  absl::Status good_status = absl::UnknownError("no answer");
  one.journal().Commit(CommitOf(good, {MakeStep(0, "say", "1")}),
                       [&](absl::StatusOr<CommitResult> result) { good_status = result.status(); });
  WorkflowCommit unknown_sink = CommitOf(bad, {MakeStep(0, "say", "2")});
  unknown_sink.application_rows.push_back({.sink = "nowhere", .json = "{}"});
  CHECK(one.Commit(unknown_sink).status().code() == absl::StatusCode::kInvalidArgument);
  WorkflowCommit refused_row = CommitOf(bad, {MakeStep(0, "say", "2")});
  refused_row.application_rows.push_back({.sink = "notes", .json = "{}"});
  CHECK(one.Commit(refused_row).status().code() == absl::StatusCode::kInvalidArgument);
  CHECK(good_status.ok());

  CHECK(one.Steps("good").size() == 1);
  CHECK(one.Steps("bad").empty());
  CHECK(fixture->Notes().empty());
  // The run itself goes on.
  CHECK(one.Commit(FinishOf(bad, {MakeStep(0, "say", "3")}, "null"))->is_durable);
}

TEST_CASE("journal: application rows land with the commit or not at all", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  WorkflowCommit commit = CommitOf(fence, {MakeStep(0, "book", "1")});
  commit.application_rows.push_back({.sink = "notes", .json = R"({"note":"first"})"});
  commit.application_rows.push_back({.sink = "notes", .json = R"({"note":"second"})"});
  REQUIRE(one.Commit(commit)->is_durable);
  CHECK(fixture->Notes() == std::vector<std::string>{"first", "second"});

  commit.fence.owner_token = "stolen";
  commit.application_rows = {{.sink = "notes", .json = R"({"note":"third"})"}};
  CHECK_FALSE(one.Commit(commit)->is_durable);
  CHECK(fixture->Notes().size() == 2);

  const auto start = [&](const std::string& id, const std::string& note) {
    NewWorkflow workflow = MakeWorkflow(id);
    workflow.owner_token = one.Token();
    return one.Await<StartResult>([&](Reply<StartResult> reply) {
      one.journal().Start(
          {.workflow = workflow,
           .application_rows = {{.sink = "notes", .json = R"({"note":")" + note + "\"}"}}},
          std::move(reply));
    });
  };
  CHECK(start("with_rows", "fourth")->outcome == StartOutcome::kCreated);
  CHECK(start("with_rows", "again")->outcome == StartOutcome::kExists);
  CHECK(fixture->Notes() == std::vector<std::string>{"first", "second", "fourth"});
}

TEST_CASE("journal: a fence needs the token and the status", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  Process client(*fixture, "client");
  one.Register();

  SECTION("another token") {
    Fence fence = one.StartOwned("wf");
    fence.owner_token = one.Token();
    CHECK_FALSE(one.Commit(FinishOf(fence, {MakeStep(0, "a", "1")}, "null"))->is_durable);
  }
  SECTION("canceled by another party") {
    const Fence fence = one.StartOwned("wf");
    CHECK(*client.Await<int64_t>([&](Reply<int64_t> reply) {
      client.journal().Cancel({"wf"}, false, std::move(reply));
    }) == 1);
    CHECK_FALSE(one.Commit(CommitOf(fence, {MakeStep(0, "a", "1")}))->is_durable);
    CHECK(one.Get("wf").status == WorkflowStatus::kCancelled);
  }
  SECTION("ended already") {
    const Fence fence = one.StartOwned("wf");
    CHECK(one.Commit(FinishOf(fence, {}, "1"))->is_durable);
    CHECK_FALSE(one.Commit(FinishOf(fence, {MakeStep(0, "a", "1")}, "2"))->is_durable);
    CHECK(one.Get("wf").output == "1");
  }
  SECTION("no such workflow") {
    CHECK_FALSE(one.Commit(FinishOf({.workflow_id = "wf2", .owner_token = one.Token()}, {}, "1"))
                    ->is_durable);
    one.StartOwned("wf");
  }
  CHECK(one.Steps("wf").empty());
}

TEST_CASE("journal: a lost fence does not disturb its neighbors", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  constexpr int kCount = 20;
  std::vector<std::optional<bool>> durable(kCount);
  std::vector<Fence> fences;
  for (int i = 0; i < kCount; ++i) fences.push_back(one.StartOwned("wf" + std::to_string(i)));
  for (int i = 0; i < kCount; ++i) {
    Fence fence = fences[i];
    if (i % 5 == 3) fence.owner_token = "stolen";
    one.journal().Commit(FinishOf(fence, {MakeStep(0, "a", "1")}, std::to_string(i)),
                         [&durable, i](absl::StatusOr<CommitResult> result) {
                           if (result.ok()) durable[i] = result->is_durable;
                         });
  }
  for (int turn = 0; turn < 5'000; ++turn) {
    fixture->Turn();
    if (std::all_of(durable.begin(), durable.end(), [](const auto& d) { return d.has_value(); })) {
      break;
    }
  }
  for (int i = 0; i < kCount; ++i) {
    INFO("i=" << i);
    REQUIRE(durable[i].has_value());
    CHECK(*durable[i] == (i % 5 != 3));
    CHECK((one.Get("wf" + std::to_string(i)).status == WorkflowStatus::kSuccess) == (i % 5 != 3));
  }
}

TEST_CASE("journal: writes of one workflow keep their order", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  NewWorkflow workflow = MakeWorkflow("wf");
  workflow.owner_token = one.Token();
  const Fence fence{.workflow_id = "wf", .owner_token = *workflow.owner_token};
  // Nothing waits for the answer before.
  one.journal().Start({.workflow = workflow, .application_rows = {}},
                      [](absl::StatusOr<StartResult>) {});
  std::vector<int> answered;
  for (int i = 0; i < 10; ++i) {
    one.journal().Commit(CommitOf(fence, {MakeStep(i, "step", std::to_string(i))}),
                         [&answered, i](absl::StatusOr<CommitResult> result) {
                           if (result.ok() && result->is_durable) answered.push_back(i);
                         });
  }
  const auto last = one.Commit(FinishOf(fence, {}, "\"end\""));
  REQUIRE(last.ok());
  CHECK(last->is_durable);
  CHECK(answered == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(one.Steps("wf").size() == 10);
  CHECK(one.Get("wf").status == WorkflowStatus::kSuccess);
}

TEST_CASE("journal: nothing of an executor lands after its lease", "[journal][lease]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register(/*lease_ttl_ms=*/1'000);
  const Fence fence = one.StartOwned("wf");
  one.Enqueue("queued");
  fixture->Elapse(1'100);

  CHECK(one.Commit(FinishOf(fence, {MakeStep(0, "a", "1")}, "null")).status().code() ==
        absl::StatusCode::kPermissionDenied);
  NewWorkflow workflow = MakeWorkflow("late");
  workflow.owner_token = one.Token();
  CHECK(one.Start(workflow).status().code() == absl::StatusCode::kPermissionDenied);
  CHECK(one.Claim(one.AnyOf()).status().code() == absl::StatusCode::kPermissionDenied);
  CHECK(one.ClaimAbandoned().status().code() == absl::StatusCode::kPermissionDenied);
  CHECK(one.Await<LeaseGrant>(
               [&](Reply<LeaseGrant> reply) { one.journal().RenewLease(std::move(reply)); })
            .status()
            .code() == absl::StatusCode::kPermissionDenied);
  CHECK(one.Get("wf").status == WorkflowStatus::kPending);
  CHECK(one.Steps("wf").empty());
}

TEST_CASE("journal: one incarnation at a time holds the lease", "[journal][lease]") {
  auto fixture = MakeJournalFixture();
  Process first(*fixture, "one", "a");
  Process second(*fixture, "one", "b");
  const LeaseGrant grant = first.Register(/*lease_ttl_ms=*/1'000);
  const auto try_register = [&] {
    return second.Await<LeaseGrant>([&](Reply<LeaseGrant> reply) {
      second.journal().RegisterExecutor(second.identity(), 60'000, std::move(reply));
    });
  };
  CHECK(try_register().status().code() == absl::StatusCode::kFailedPrecondition);

  SECTION("until it ends") { fixture->Elapse(1'100); }
  SECTION("until it is given back") {
    CHECK(
        first
            .AwaitStatus([&](StatusReply reply) { first.journal().ReleaseLease(std::move(reply)); })
            .ok());
  }
  const auto granted = try_register();
  REQUIRE(granted.ok());
  CHECK(granted->epoch == grant.epoch + 1);
  CHECK(first
            .Await<LeaseGrant>(
                [&](Reply<LeaseGrant> reply) { first.journal().RenewLease(std::move(reply)); })
            .status()
            .code() == absl::StatusCode::kPermissionDenied);
}

TEST_CASE("journal: a renewed lease goes on", "[journal][lease]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register(/*lease_ttl_ms=*/1'000);
  const Fence fence = one.StartOwned("wf");
  for (int i = 0; i < 4; ++i) {
    fixture->Elapse(400);
    const auto grant = one.Await<LeaseGrant>(
        [&](Reply<LeaseGrant> reply) { one.journal().RenewLease(std::move(reply)); });
    REQUIRE(grant.ok());
    CHECK(grant->valid_until_ns > fixture->reactor().clock().MonotonicNs());
  }
  CHECK(one.Commit(FinishOf(fence, {}, "null"))->is_durable);
}

TEST_CASE("journal: a client may enqueue but not own", "[journal]") {
  auto fixture = MakeJournalFixture();
  Process client(*fixture, "client");
  client.Enqueue("wf");
  const WorkflowRecord record = client.Get("wf");
  CHECK(record.status == WorkflowStatus::kEnqueued);
  CHECK(record.executor_id == "");
  CHECK(record.recovery_attempts == 0);
  CHECK_FALSE(record.application_version);
  CHECK_FALSE(record.owner_token);

  NewWorkflow owned = MakeWorkflow("owned");
  owned.owner_token = "mine";
  CHECK(client.Start(owned).status().code() == absl::StatusCode::kInvalidArgument);
}

// ---- Effects
// --------------------------------------------------------------------------------------

namespace {

Effect EffectOf(StepRecord step, decltype(Effect::action) action) {
  return {.step = std::move(step), .action = std::move(action)};
}

EffectResult CommitEffect(Process& process, const Fence& fence, Effect effect) {
  WorkflowCommit commit;
  commit.fence = fence;
  commit.effects.push_back(std::move(effect));
  const auto result = process.Commit(std::move(commit));
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  REQUIRE(result->is_durable);
  REQUIRE(result->effects.size() == 1);
  return result->effects[0];
}

SendEffect Message(const std::string& destination, const std::string& text,
                   std::optional<std::string> topic = std::nullopt) {
  SendEffect send;
  send.destination_id = destination;
  send.topic = std::move(topic);
  send.message = text;
  send.serialization = "portable_json";
  send.missing_destination_error = R"({"name":"Missing","message":"nobody"})";
  return send;
}

}  // namespace

TEST_CASE("journal: a message is consumed once, oldest first, by topic", "[journal][messages]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence from = one.StartOwned("from");
  const Fence to = one.StartOwned("to");
  CHECK(CommitEffect(one, from, EffectOf(MakeStep(0, "DBOS.send", "null"), Message("to", "1")))
            .outcome == EffectOutcome::kApplied);
  CHECK(
      CommitEffect(one, from, EffectOf(MakeStep(1, "DBOS.send", "null"), Message("to", "2", "go")))
          .outcome == EffectOutcome::kApplied);
  fixture->Elapse(2);
  CHECK(one.AwaitStatus(
               [&](StatusReply reply) { one.journal().Send(Message("to", "3"), std::move(reply)); })
            .ok());

  const auto receive = [&](int32_t function_id, std::optional<std::string> topic) {
    return CommitEffect(one, to,
                        EffectOf(MakeStep(function_id, "DBOS.recv", "null"), ReceiveEffect{topic}));
  };
  EffectResult result = receive(0, std::nullopt);
  CHECK(result.outcome == EffectOutcome::kApplied);
  CHECK(result.step.output == "1");
  CHECK(receive(2, "stop").outcome == EffectOutcome::kNoMessage);
  CHECK(receive(2, "go").step.output == "2");
  CHECK(receive(4, std::nullopt).step.output == "3");
  CHECK(receive(6, std::nullopt).outcome == EffectOutcome::kNoMessage);
  CHECK(one.Steps("to").size() == 3);
}

TEST_CASE("journal: a message to nobody is the sender's error", "[journal][messages]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  const EffectResult result =
      CommitEffect(one, fence, EffectOf(MakeStep(0, "DBOS.send", "null"), Message("gone", "1")));
  CHECK(result.outcome == EffectOutcome::kMissingDestination);
  CHECK(one.Steps("wf").at(0).error == R"({"name":"Missing","message":"nobody"})");
  CHECK_FALSE(one.Steps("wf").at(0).output);
  CHECK(one.AwaitStatus([&](StatusReply reply) {
             one.journal().Send(Message("gone", "1"), std::move(reply));
           })
            .code() == absl::StatusCode::kNotFound);
}

TEST_CASE("journal: a message sent twice under one id arrives once", "[journal][messages]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence to = one.StartOwned("to");
  SendEffect message = Message("to", "1");
  message.message_id = "only";
  for (int i = 0; i < 2; ++i) {
    CHECK(one.AwaitStatus([&](StatusReply reply) { one.journal().Send(message, std::move(reply)); })
              .ok());
  }
  CHECK(
      CommitEffect(one, to, EffectOf(MakeStep(0, "DBOS.recv", "null"), ReceiveEffect{})).outcome ==
      EffectOutcome::kApplied);
  CHECK(
      CommitEffect(one, to, EffectOf(MakeStep(2, "DBOS.recv", "null"), ReceiveEffect{})).outcome ==
      EffectOutcome::kNoMessage);
}

TEST_CASE("journal: an event shows its latest value", "[journal][events]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  const auto get = [&](const std::string& key) {
    return *one.Await<std::optional<Journal::Value>>(
        [&](Reply<std::optional<Journal::Value>> reply) {
          one.journal().GetEvent("wf", key, std::move(reply));
        });
  };
  CHECK_FALSE(get("state").has_value());
  for (int i = 0; i < 3; ++i) {
    const SetEventEffect set{
        .key = "state", .value = std::to_string(i), .serialization = "portable_json"};
    CommitEffect(one, fence, EffectOf(MakeStep(i, "DBOS.setEvent", "null"), set));
  }
  REQUIRE(get("state").has_value());
  CHECK(get("state")->text == "2");
  CHECK(get("state")->serialization == "portable_json");
  CHECK_FALSE(get("other").has_value());
  CHECK(one.Steps("wf").size() == 3);
}

TEST_CASE("journal: a stream keeps order and ends when it is closed", "[journal][streams]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("wf");
  WorkflowCommit commit;
  commit.fence = fence;
  for (int i = 0; i < 3; ++i) {
    commit.effects.push_back(EffectOf(
        MakeStep(i, "DBOS.writeStream", "null"),
        StreamEffect{.key = "out", .value = std::to_string(i), .serialization = "portable_json"}));
  }
  REQUIRE(one.Commit(commit)->is_durable);  // three values in one commit
  const StreamEffect close{
      .key = "out", .value = std::string(kStreamClosedMarker), .serialization = "portable_json"};
  CommitEffect(one, fence, EffectOf(MakeStep(3, "DBOS.closeStream", "null"), close));
  const StreamEffect late{.key = "out", .value = "9", .serialization = "portable_json"};
  CHECK(CommitEffect(one, fence, EffectOf(MakeStep(4, "DBOS.writeStream", "null"), late)).outcome ==
        EffectOutcome::kRefused);

  const auto read = [&](int32_t offset, int32_t limit) {
    std::vector<std::string> texts;
    const auto values =
        one.Await<std::vector<Journal::Value>>([&](Reply<std::vector<Journal::Value>> reply) {
          one.journal().ReadStream("wf", "out", offset, limit, std::move(reply));
        });
    REQUIRE(values.ok());
    for (const Journal::Value& value : *values) texts.push_back(value.text);
    return texts;
  };
  CHECK(read(0, 100) == std::vector<std::string>{"0", "1", "2", std::string(kStreamClosedMarker)});
  CHECK(read(1, 2) == std::vector<std::string>{"1", "2"});
  CHECK(read(4, 2).empty());
  CHECK(one.Steps("wf").size() == 4);
}

TEST_CASE("journal: a child starts with its parent's record of it", "[journal][children]") {
  auto fixture = MakeJournalFixture();
  Process one(*fixture, "one");
  one.Register();
  const Fence fence = one.StartOwned("parent");
  NewWorkflow child = MakeWorkflow("parent-0");
  child.owner_token = one.Token();
  child.parent_workflow_id = "parent";
  StepRecord step = MakeStep(0, "transfer", "");
  step.output.reset();
  step.child_workflow_id = "parent-0";

  SECTION("together") {
    const EffectResult result = CommitEffect(one, fence, EffectOf(step, ChildEffect{child}));
    CHECK(result.outcome == EffectOutcome::kApplied);
    CHECK(one.Get("parent-0").status == WorkflowStatus::kPending);
    CHECK(one.Get("parent-0").parent_workflow_id == "parent");
    CHECK(one.Steps("parent").at(0).child_workflow_id == "parent-0");
  }
  SECTION("not when the parent lost its fence") {
    WorkflowCommit commit;
    commit.fence = {.workflow_id = "parent", .owner_token = "stolen"};
    commit.effects.push_back(EffectOf(step, ChildEffect{child}));
    CHECK_FALSE(one.Commit(commit)->is_durable);
    CHECK_FALSE(
        one.Await<std::optional<WorkflowRecord>>([&](Reply<std::optional<WorkflowRecord>> reply) {
             one.journal().GetWorkflow("parent-0", false, std::move(reply));
           })
            ->has_value());
  }
  SECTION("an existing workflow of the same kind is the child") {
    one.StartOwned("parent-0");
    CHECK(CommitEffect(one, fence, EffectOf(step, ChildEffect{child})).outcome ==
          EffectOutcome::kChildExists);
    CHECK(one.Steps("parent").size() == 1);
  }
  SECTION("an existing workflow of another kind is not") {
    child.name = "another";
    one.StartOwned("parent-0");
    const EffectResult result = CommitEffect(one, fence, EffectOf(step, ChildEffect{child}));
    CHECK(result.outcome == EffectOutcome::kChildConflict);
    REQUIRE(result.child.has_value());
    CHECK(result.child->outcome == StartOutcome::kConflict);
    CHECK(one.Steps("parent").empty());
  }
  SECTION("a queue's deduplication refuses it") {
    NewWorkflow taken = MakeWorkflow("taken");
    taken.queue_name = "orders";
    taken.deduplication_id = "same";
    REQUIRE(one.Start(taken)->outcome == StartOutcome::kCreated);
    child.owner_token.reset();
    child.queue_name = "orders";
    child.deduplication_id = "same";
    const EffectResult result = CommitEffect(one, fence, EffectOf(step, ChildEffect{child}));
    CHECK(result.outcome == EffectOutcome::kChildConflict);
    REQUIRE(result.child.has_value());
    CHECK(result.child->outcome == StartOutcome::kDeduplicated);
    CHECK(result.child->existing.id == "taken");
    CHECK(one.Steps("parent").empty());
  }
}

}  // namespace holdfast::workflows
