#include "workflows/postgres/batch.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engine/base/assert.h"
#include "workflows/postgres/batch_columns.h"
#include "workflows/postgres/statements.h"

namespace holdfast::workflows {
namespace {

// Puts the rows of a batch in the place of $1: all of a commit's, and those of a start only when
// this very transaction created its workflow.
constexpr std::string_view kSinkRows =
    "(SELECT coalesce(jsonb_agg(hf_r.content::jsonb ORDER BY hf_r.n), '[]'::jsonb) "
    "FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS hf_r (content, created_id, n) "
    "WHERE hf_r.created_id IS NULL OR EXISTS (SELECT FROM dbos.workflow_status AS hf_w "
    "WHERE hf_w.workflow_uuid = hf_r.created_id AND hf_w.xmin = pg_current_xact_id()::xid))";

constexpr size_t kRowBytes = 64;  // what a row costs besides its payloads

size_t SizeOf(const std::optional<std::string>& text) { return text ? text->size() : 0; }

size_t SizeOf(const StepRecord& step) {
  return kRowBytes + step.name.size() + SizeOf(step.output) + SizeOf(step.error);
}

size_t SizeOf(const NewWorkflow& workflow) {
  return 2 * kRowBytes + workflow.id.size() + workflow.name.size() + SizeOf(workflow.inputs) +
         SizeOf(workflow.attributes);
}

size_t SizeOf(const Effect& effect) {
  struct Visitor {
    size_t operator()(const SendEffect& send) { return send.message.size(); }
    size_t operator()(const ReceiveEffect&) { return 0; }
    size_t operator()(const SetEventEffect& set) { return 2 * set.value.size(); }
    size_t operator()(const StreamEffect& stream) { return stream.value.size(); }
    size_t operator()(const ChildEffect& child) { return SizeOf(child.child); }
  };
  return SizeOf(effect.step) + std::visit(Visitor{}, effect.action);
}

}  // namespace

absl::Status SinkTable::Add(std::string_view name, std::string_view sql) {
  if (sql.find("$1") == std::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("sink without $1: name=", std::string(name)));
  }
  auto sink = std::make_unique<Sink>();
  sink->statement_name = std::string(statements::kApplicationPrefix) + std::string(name);
  sink->sql = absl::StrReplaceAll(std::string(sql), {{"$1", std::string(kSinkRows)}});
  if (!sinks_.emplace(name, std::move(sink)).second) {
    return absl::InvalidArgumentError(
        absl::StrCat("sink is registered twice: name=", std::string(name)));
  }
  return absl::OkStatus();
}

Statement SinkTable::Find(std::string_view name) const {
  const auto found = sinks_.find(name);
  HF_ASSERT(found != sinks_.end());
  return {.name = found->second->statement_name, .sql = found->second->sql};
}

const std::string& PendingWrite::workflow_id() const {
  if (is_start()) return std::get<StartRequest>(request).workflow.id;
  return std::get<WorkflowCommit>(request).fence.workflow_id;
}

void PendingWrite::Measure() {
  if (is_start()) {
    size_bytes = SizeOf(start_request().workflow);
    for (const ApplicationRow& row : start_request().application_rows) {
      size_bytes += kRowBytes + row.json.size();
    }
    row_count = 1 + static_cast<int32_t>(start_request().application_rows.size());
    return;
  }
  const WorkflowCommit& request_ = commit_request();
  size_bytes = kRowBytes;
  for (const StepRecord& step : request_.steps) size_bytes += SizeOf(step);
  for (const Effect& effect : request_.effects) size_bytes += SizeOf(effect);
  for (const ApplicationRow& row : request_.application_rows) {
    size_bytes += kRowBytes + row.json.size();
  }
  if (request_.finish) {
    size_bytes += SizeOf(request_.finish->output) + SizeOf(request_.finish->error);
  }
  row_count = static_cast<int32_t>(1 + request_.steps.size() + 2 * request_.effects.size() +
                                   request_.application_rows.size());
}

Batch::Batch(Writes writes, const BatchIdentity& identity, const SinkTable& sinks,
             const std::function<std::string()>& mint_token)
    : writes_(std::move(writes)), identity_(identity), sinks_(sinks) {
  for (const std::unique_ptr<PendingWrite>& write : writes_) {
    if (write->is_start()) {
      NewWorkflow& workflow = write->start_request().workflow;
      RoundAt(0).creations.push_back(creations_.size());
      creations_.push_back({.workflow = &workflow,
                            .creator = workflow.owner_token ? *workflow.owner_token : mint_token(),
                            .write = write.get(),
                            .effect_index = -1});
      continue;
    }
    PlanEffects(*write);
    step_count_ += write->commit_request().steps.size();
    finish_count_ += write->commit_request().finish.has_value();
  }
  for (Creation& creation : creations_) {
    if (creation.creator.empty()) creation.creator = mint_token();
  }
}

Batch::Round& Batch::RoundAt(size_t index) {
  while (rounds_.size() <= index) rounds_.emplace_back();
  return rounds_[index];
}

const Effect& Batch::EffectOf(const EffectRef& ref) {
  return ref.write->commit_request().effects[static_cast<size_t>(ref.effect_index)];
}

EffectResult& Batch::ResultOf(const EffectRef& ref) {
  return ref.write->commit.effects[static_cast<size_t>(ref.effect_index)];
}

// The statements of a round run in the order of the members of Round. An effect that would come too
// early, or that one statement cannot apply together with an earlier one, opens the next round.
void Batch::PlanEffects(PendingWrite& write) {
  WorkflowCommit& commit = write.commit_request();
  write.commit = CommitResult();
  write.commit.effects.resize(commit.effects.size());
  size_t round = 0;
  size_t last_kind = 0;
  std::set<std::pair<size_t, std::string>> used;  // in this round
  for (size_t i = 0; i < commit.effects.size(); ++i) {
    Effect& effect = commit.effects[i];
    const EffectRef ref = {.write = &write, .effect_index = static_cast<int>(i)};
    ResultOf(ref) = {.outcome = EffectOutcome::kApplied, .step = effect.step, .child = {}};
    struct KeyOf {
      std::pair<size_t, std::string> operator()(const ChildEffect& c) { return {0, c.child.id}; }
      std::pair<size_t, std::string> operator()(const SendEffect&) { return {1, ""}; }
      std::pair<size_t, std::string> operator()(const ReceiveEffect& r) {
        return {2, r.topic.value_or(std::string(kNoTopic))};
      }
      std::pair<size_t, std::string> operator()(const StreamEffect& s) { return {3, s.key}; }
      std::pair<size_t, std::string> operator()(const SetEventEffect& e) { return {4, e.key}; }
    };
    const auto key = std::visit(KeyOf{}, effect.action);
    const size_t kind = key.first;
    // A stream takes any number of values, but not in one go with its end.
    const auto* stream = std::get_if<StreamEffect>(&effect.action);
    const bool is_shared = kind == 1 || (stream != nullptr && stream->value != kStreamClosedMarker);
    if (kind < last_kind || used.contains(key)) {
      ++round;
      used.clear();
    }
    if (!is_shared) used.insert(key);
    last_kind = kind;
    Round& here = RoundAt(round);
    std::vector<EffectRef>* const lists[] = {&here.children, &here.sends, &here.receives,
                                             &here.streams, &here.events};
    lists[kind]->push_back(ref);
    if (auto* child = std::get_if<ChildEffect>(&effect.action)) {
      here.creations.push_back(creations_.size());
      creations_.push_back({.workflow = &child->child,
                            .creator = child->child.owner_token.value_or(""),
                            .write = &write,
                            .effect_index = static_cast<int>(i)});
    }
  }
}

std::vector<Fence> Batch::Fences() const {
  std::vector<Fence> fences;
  for (const std::unique_ptr<PendingWrite>& write : writes_) {
    if (!write->is_start()) fences.push_back(write->commit_request().fence);
  }
  return fences;
}

void Batch::AddCall(std::vector<StatementCall>& calls, CallKind kind, size_t round,
                    StatementCall call) {
  layout_.push_back({.kind = kind, .round = round});
  calls.push_back(std::move(call));
}

std::vector<StatementCall> Batch::Calls() {
  layout_.clear();
  std::vector<StatementCall> calls;
  bool has_steps = step_count_ > 0;
  for (const Round& round : rounds_) has_steps = has_steps || !round.events.empty();
  if (has_steps) AddCall(calls, CallKind::kPlain, 0, StepsCall());
  for (size_t i = 0; i < rounds_.size(); ++i) {
    const Round& round = rounds_[i];
    if (!round.creations.empty()) AddCall(calls, CallKind::kCreate, i, CreateCall(round));
    if (!round.children.empty()) AddCall(calls, CallKind::kChildren, i, ChildrenCall(round));
    if (!round.sends.empty()) AddCall(calls, CallKind::kSends, i, SendsCall(round));
    if (!round.receives.empty()) AddCall(calls, CallKind::kReceives, i, ReceivesCall(round));
    if (!round.streams.empty()) AddCall(calls, CallKind::kStreams, i, StreamsCall(round));
    if (!round.events.empty()) AddCall(calls, CallKind::kPlain, i, EventsCall(round));
  }
  if (finish_count_ > 0) AddCall(calls, CallKind::kPlain, 0, FinishCall());
  AddSinkCalls(calls);
  HF_ASSERT(!calls.empty() || !writes_.empty());
  return calls;
}

StatementCall Batch::StepsCall() const {
  StepColumns columns;
  for (const std::unique_ptr<PendingWrite>& write : writes_) {
    if (write->is_start()) continue;
    const WorkflowCommit& commit = write->commit_request();
    for (const StepRecord& step : commit.steps) columns.Add(commit.fence.workflow_id, step);
    for (const Effect& effect : commit.effects) {
      if (!std::holds_alternative<SetEventEffect>(effect.action)) continue;
      columns.Add(commit.fence.workflow_id, effect.step);
    }
  }
  StatementCall call = {.statement = statements::kInsertSteps, .parameters = {}};
  columns.MoveTo(call.parameters);
  return call;
}

StatementCall Batch::CreateCall(const Round& round) const {
  // In the order of their ids, so that two batches that create the same rows do not deadlock.
  std::vector<const Creation*> sorted;
  for (const size_t index : round.creations) sorted.push_back(&creations_[index]);
  std::stable_sort(sorted.begin(), sorted.end(), [](const Creation* a, const Creation* b) {
    return a->workflow->id < b->workflow->id;
  });
  WorkflowColumns columns;
  for (const Creation* creation : sorted) {
    columns.Add(*creation->workflow, creation->creator, identity_.application_name,
                identity_.application_version);
  }
  StatementCall call = {.statement = statements::kInsertWorkflows, .parameters = {}};
  call.parameters.Text(identity_.executor_id);
  columns.MoveTo(call.parameters);
  return call;
}

StatementCall Batch::ChildrenCall(const Round& round) const {
  StepColumns columns;
  TextArray names;
  TextArray class_names;
  TextArray config_names;
  for (const EffectRef& ref : round.children) {
    const Effect& effect = EffectOf(ref);
    const NewWorkflow& child = std::get<ChildEffect>(effect.action).child;
    StepRecord step = effect.step;
    step.child_workflow_id = child.id;
    columns.Add(ref.write->workflow_id(), step);
    names.Add(child.name);
    AddText(class_names, child.class_name);
    AddText(config_names, child.config_name);
  }
  StatementCall call = {.statement = statements::kInsertChildSteps, .parameters = {}};
  columns.MoveTo(call.parameters);
  call.parameters.Array(std::move(names))
      .Array(std::move(class_names))
      .Array(std::move(config_names));
  return call;
}

StatementCall Batch::SendsCall(const Round& round) const {
  StepColumns columns;
  MessageColumns messages;
  for (const EffectRef& ref : round.sends) {
    const Effect& effect = EffectOf(ref);
    columns.Add(ref.write->workflow_id(), effect.step);
    messages.Add(std::get<SendEffect>(effect.action));
  }
  StatementCall call = {.statement = statements::kSendMessages, .parameters = {}};
  columns.MoveTo(call.parameters);
  messages.MoveTo(call.parameters);
  return call;
}

StatementCall Batch::ReceivesCall(const Round& round) const {
  StepColumns columns;
  TextArray topics;
  for (const EffectRef& ref : round.receives) {
    const Effect& effect = EffectOf(ref);
    columns.Add(ref.write->workflow_id(), effect.step);
    const auto& topic = std::get<ReceiveEffect>(effect.action).topic;
    topics.Add(topic ? std::string_view(*topic) : kNoTopic);
  }
  StatementCall call = {.statement = statements::kReceiveMessages, .parameters = {}};
  columns.MoveTo(call.parameters);
  call.parameters.Array(std::move(topics));
  return call;
}

StatementCall Batch::StreamsCall(const Round& round) const {
  StepColumns columns;
  TextArray keys;
  TextArray values;
  TextArray serializations;
  for (const EffectRef& ref : round.streams) {
    const Effect& effect = EffectOf(ref);
    columns.Add(ref.write->workflow_id(), effect.step);
    const auto& stream = std::get<StreamEffect>(effect.action);
    keys.Add(stream.key);
    values.Add(stream.value);
    serializations.Add(stream.serialization);
  }
  StatementCall call = {.statement = statements::kAppendStreams, .parameters = {}};
  columns.MoveTo(call.parameters);
  call.parameters.Array(std::move(keys)).Array(std::move(values)).Array(std::move(serializations));
  return call;
}

StatementCall Batch::EventsCall(const Round& round) const {
  TextArray ids;
  Int4Array function_ids;
  TextArray keys;
  TextArray values;
  TextArray serializations;
  for (const EffectRef& ref : round.events) {
    const Effect& effect = EffectOf(ref);
    const auto& event = std::get<SetEventEffect>(effect.action);
    ids.Add(ref.write->workflow_id());
    function_ids.Add(effect.step.function_id);
    keys.Add(event.key);
    values.Add(event.value);
    serializations.Add(event.serialization);
  }
  StatementCall call = {.statement = statements::kSetEvents, .parameters = {}};
  call.parameters.Array(std::move(ids))
      .Array(std::move(function_ids))
      .Array(std::move(keys))
      .Array(std::move(values))
      .Array(std::move(serializations));
  return call;
}

StatementCall Batch::FinishCall() const {
  TextArray ids;
  TextArray owners;
  TextArray statuses;
  TextArray outputs;
  TextArray errors;
  for (const std::unique_ptr<PendingWrite>& write : writes_) {
    if (write->is_start() || !write->commit_request().finish) continue;
    const WorkflowCommit& commit = write->commit_request();
    ids.Add(commit.fence.workflow_id);
    owners.Add(commit.fence.owner_token);
    statuses.Add(WorkflowStatusName(commit.finish->status));
    AddText(outputs, commit.finish->output);
    AddText(errors, commit.finish->error);
  }
  StatementCall call = {.statement = statements::kFinishWorkflows, .parameters = {}};
  call.parameters.Array(std::move(ids))
      .Array(std::move(owners))
      .Array(std::move(statuses))
      .Array(std::move(outputs))
      .Array(std::move(errors));
  return call;
}

void Batch::AddSinkCalls(std::vector<StatementCall>& calls) const {
  struct SinkColumns {
    TextArray contents;
    TextArray created_ids;
  };
  absl::btree_map<std::string, SinkColumns> by_sink;
  for (const std::unique_ptr<PendingWrite>& write : writes_) {
    const auto& rows = write->is_start() ? write->start_request().application_rows
                                         : write->commit_request().application_rows;
    for (const ApplicationRow& row : rows) {
      SinkColumns& columns = by_sink[row.sink];
      columns.contents.Add(row.json);
      if (write->is_start()) {
        columns.created_ids.Add(write->workflow_id());
      } else {
        columns.created_ids.AddNull();
      }
    }
  }
  for (auto& [sink, columns] : by_sink) {
    StatementCall call = {.statement = sinks_.Find(sink), .parameters = {}};
    call.parameters.Array(std::move(columns.contents)).Array(std::move(columns.created_ids));
    calls.push_back(std::move(call));
  }
}

}  // namespace holdfast::workflows
