#include "tests/workflows/conformance/journal_fixture.h"

namespace holdfast::workflows {
namespace {

// A UUID that reads as the name, so that a failing case shows who it is about.
std::string IncarnationOf(const std::string& name) {
  std::string digits;
  for (const char c : name.substr(0, 6)) {
    constexpr char kHex[] = "0123456789abcdef";
    digits += kHex[static_cast<unsigned char>(c) >> 4];
    digits += kHex[c & 15];
  }
  digits.insert(0, 12 - digits.size(), '0');
  return "00000000-0000-4000-8000-" + digits;
}

}  // namespace

Process::Process(JournalFixture& fixture, std::string executor_id, std::string incarnation,
                 std::string version)
    : fixture_(fixture), journal_(fixture.NewJournal()) {
  identity_.executor_id = executor_id;
  identity_.incarnation = IncarnationOf(incarnation.empty() ? executor_id : incarnation);
  identity_.application_name = "suite";
  identity_.application_version = version;
  identity_.host = "localhost";
  identity_.process_id = 1;
}

LeaseGrant Process::Register(int64_t lease_ttl_ms) {
  const auto grant = Await<LeaseGrant>([&](Reply<LeaseGrant> reply) {
    journal_->RegisterExecutor(identity_, lease_ttl_ms, std::move(reply));
  });
  INFO(grant.status().ToString());
  REQUIRE(grant.ok());
  return *grant;
}

std::string Process::Token() {
  return identity_.incarnation + "-" + std::to_string(++token_count_);
}

absl::StatusOr<StartResult> Process::Start(NewWorkflow workflow) {
  return Await<StartResult>([&](Reply<StartResult> reply) {
    journal_->Start({.workflow = std::move(workflow), .application_rows = {}}, std::move(reply));
  });
}

absl::StatusOr<CommitResult> Process::Commit(WorkflowCommit commit) {
  return Await<CommitResult>(
      [&](Reply<CommitResult> reply) { journal_->Commit(std::move(commit), std::move(reply)); });
}

absl::StatusOr<ClaimResult> Process::Claim(ClaimRequest request) {
  return Await<ClaimResult>([&](Reply<ClaimResult> reply) {
    journal_->ClaimQueued(std::move(request), std::move(reply));
  });
}

absl::StatusOr<ClaimResult> Process::ClaimAbandoned(int32_t max_count) {
  return Await<ClaimResult>([&](Reply<ClaimResult> reply) {
    AdoptRequest request;
    request.workflow_names = {"transfer"};
    request.max_count = max_count;
    journal_->ClaimAbandoned(std::move(request), std::move(reply));
  });
}

SweepResult Process::Sweep() {
  const auto result = Await<SweepResult>(
      [&](Reply<SweepResult> reply) { journal_->Sweep(SweepRequest{}, std::move(reply)); });
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  return *result;
}

WorkflowRecord Process::Get(const std::string& id) {
  const auto record =
      Await<std::optional<WorkflowRecord>>([&](Reply<std::optional<WorkflowRecord>> reply) {
        journal_->GetWorkflow(id, /*with_payloads=*/true, std::move(reply));
      });
  INFO(record.status().ToString() << " id=" << id);
  REQUIRE(record.ok());
  REQUIRE(record->has_value());
  return **record;
}

std::vector<StepRecord> Process::Steps(const std::string& id) {
  const auto steps = Await<std::vector<StepRecord>>(
      [&](Reply<std::vector<StepRecord>> reply) { journal_->ListSteps(id, std::move(reply)); });
  INFO(steps.status().ToString());
  REQUIRE(steps.ok());
  return *steps;
}

Fence Process::StartOwned(const std::string& id) {
  NewWorkflow workflow = MakeWorkflow(id);
  workflow.owner_token = Token();
  const Fence fence{.workflow_id = id, .owner_token = *workflow.owner_token};
  const auto result = Start(std::move(workflow));
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  REQUIRE(result->outcome == StartOutcome::kCreated);
  return fence;
}

void Process::Enqueue(const std::string& id, const std::string& queue, int32_t priority) {
  NewWorkflow workflow = MakeWorkflow(id);
  workflow.queue_name = queue;
  workflow.priority = priority;
  const auto result = Start(std::move(workflow));
  INFO(result.status().ToString());
  REQUIRE(result.ok());
  REQUIRE(result->outcome == StartOutcome::kCreated);
}

ClaimRequest Process::AnyOf(const std::string& queue, int32_t max_count) const {
  ClaimRequest request;
  request.queue.name = queue;
  request.workflow_names = {"transfer"};
  request.is_latest_version = true;
  request.max_count = max_count;
  return request;
}

NewWorkflow MakeWorkflow(const std::string& id) {
  NewWorkflow workflow;
  workflow.id = id;
  workflow.name = "transfer";
  workflow.inputs = R"({"positionalArgs":[1],"namedArgs":{}})";
  workflow.serialization = "portable_json";
  return workflow;
}

StepRecord MakeStep(int32_t function_id, const std::string& name, const std::string& output) {
  StepRecord step;
  step.function_id = function_id;
  step.name = name;
  step.output = output;
  step.serialization = "portable_json";
  step.started_at_ms = 1'700'000'000'000;
  step.completed_at_ms = 1'700'000'000'001;
  return step;
}

std::vector<std::string> IdsOf(const ClaimResult& claim) {
  std::vector<std::string> ids;
  for (const ClaimedWorkflow& claimed : claim.workflows) ids.push_back(claimed.workflow.id);
  return ids;
}

}  // namespace holdfast::workflows
