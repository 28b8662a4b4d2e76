// What the answers to a batch mean for each of its writes.

#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "workflows/postgres/batch.h"
#include "workflows/postgres/records.h"
#include "workflows/postgres/statements.h"

namespace holdfast::workflows {
namespace {

using StepKey = std::pair<std::string, int32_t>;

constexpr Statement kReadExistingById = {"read_existing_by_id",
                                         "SELECT " HF_SQL_RECORD_COLUMNS
                                         " FROM dbos.workflow_status AS w "
                                         "WHERE w.workflow_uuid = ANY ($1::text[])"};
constexpr Statement kReadExistingByDeduplication = {
    "read_existing_by_deduplication",
    "SELECT " HF_SQL_RECORD_COLUMNS
    " FROM unnest($1::text[], $2::text[]) AS u (queue, dedup) "
    "JOIN dbos.workflow_status AS w ON w.queue_name = u.queue AND w.deduplication_id = u.dedup"};

// (workflow id, function id) of each row, with the row's number.
std::map<StepKey, int> IndexSteps(const Rows& rows) {
  std::map<StepKey, int> index;
  for (int row = 0; row < rows.count(); ++row) {
    index.emplace(StepKey(rows.String(row, 0), static_cast<int32_t>(rows.Integer(row, 1))), row);
  }
  return index;
}

}  // namespace

void Batch::ReadAnswers(const std::vector<Rows>& rows) {
  HF_ASSERT(rows.size() >= layout_.size());
  for (size_t i = 0; i < layout_.size(); ++i) ReadRound(layout_[i], rows[i]);
}

void Batch::ForgetAnswers() { are_answers_lost_ = true; }

void Batch::MarkCreated(Creation& creation) {
  creation.is_open = false;
  StartResult created = {.outcome = StartOutcome::kCreated, .existing = {}};
  if (creation.effect_index < 0) {
    creation.write->start = std::move(created);
  } else {
    ResultOf({creation.write, creation.effect_index}).child = std::move(created);
  }
}

void Batch::ReadRound(const CallLayout& layout, const Rows& rows) {
  if (layout.kind == CallKind::kPlain) return;
  const Round& round = rounds_[layout.round];
  if (layout.kind == CallKind::kCreate) {
    std::set<std::string_view> created;
    for (int row = 0; row < rows.count(); ++row) created.insert(rows.text(row, 0));
    for (const size_t index : round.creations) {
      // Of two that want the same id in one statement the first one gets it.
      if (created.erase(creations_[index].workflow->id) > 0) MarkCreated(creations_[index]);
    }
    return;
  }
  const std::map<StepKey, int> index = IndexSteps(rows);
  const auto row_of = [&index](const EffectRef& ref) {
    const auto found =
        index.find(StepKey(ref.write->workflow_id(), EffectOf(ref).step.function_id));
    return found == index.end() ? -1 : found->second;
  };
  if (layout.kind == CallKind::kChildren) {
    for (const EffectRef& ref : round.children) {
      EffectResult& result = ResultOf(ref);
      result.step.child_workflow_id = std::get<ChildEffect>(EffectOf(ref).action).child.id;
      const bool is_recorded = row_of(ref) >= 0;
      const bool is_created = result.child && result.child->outcome == StartOutcome::kCreated;
      if (!is_recorded) {
        result.outcome = EffectOutcome::kChildConflict;
      } else if (!is_created) {
        result.outcome = EffectOutcome::kChildExists;
      }
    }
    return;
  }
  if (layout.kind == CallKind::kSends) {  // the rows are those without a destination
    for (const EffectRef& ref : round.sends) {
      if (row_of(ref) < 0) continue;
      EffectResult& result = ResultOf(ref);
      result.outcome = EffectOutcome::kMissingDestination;
      result.step.output.reset();
      result.step.error = std::get<SendEffect>(EffectOf(ref).action).missing_destination_error;
    }
    return;
  }
  if (layout.kind == CallKind::kReceives) {
    for (const EffectRef& ref : round.receives) {
      EffectResult& result = ResultOf(ref);
      const int row = row_of(ref);
      if (row < 0) {
        result.outcome = EffectOutcome::kNoMessage;
        continue;
      }
      result.step.output = rows.String(row, 2);
      result.step.serialization = rows.String(row, 3);
    }
    return;
  }
  for (const EffectRef& ref : round.streams) {
    if (row_of(ref) < 0) ResultOf(ref).outcome = EffectOutcome::kRefused;
  }
}

bool Batch::needs_resolve() const {
  if (are_answers_lost_) {
    for (const Round& round : rounds_) {
      if (!round.sends.empty() || !round.receives.empty() || !round.streams.empty()) return true;
    }
  }
  for (const Creation& creation : creations_) {
    if (creation.is_open) return true;
  }
  return false;
}

std::vector<StatementCall> Batch::ResolveCalls() {
  TextArray ids;
  TextArray queues;
  TextArray deduplications;
  for (const Creation& creation : creations_) {
    if (!creation.is_open) continue;
    ids.Add(creation.workflow->id);
    if (!creation.workflow->queue_name || !creation.workflow->deduplication_id) continue;
    queues.Add(*creation.workflow->queue_name);
    deduplications.Add(*creation.workflow->deduplication_id);
  }
  std::vector<StatementCall> calls(2);
  calls[0].statement = kReadExistingById;
  calls[0].parameters.Array(std::move(ids));
  calls[1].statement = kReadExistingByDeduplication;
  calls[1].parameters.Array(std::move(queues)).Array(std::move(deduplications));
  if (!are_answers_lost_) return calls;
  TextArray step_ids;
  Int4Array function_ids;
  for (const Round& round : rounds_) {
    for (const auto* list : {&round.children, &round.sends, &round.receives, &round.streams}) {
      for (const EffectRef& ref : *list) {
        step_ids.Add(ref.write->workflow_id());
        function_ids.Add(EffectOf(ref).step.function_id);
      }
    }
  }
  StatementCall steps = {.statement = statements::kReadStepsOf, .parameters = {}};
  steps.parameters.Array(std::move(step_ids)).Array(std::move(function_ids));
  calls.push_back(std::move(steps));
  return calls;
}

void Batch::ReadExisting(Creation& creation, const Rows& by_id, const Rows& by_deduplication) {
  const NewWorkflow& wanted = *creation.workflow;
  StartResult result;
  for (int row = 0; row < by_id.count(); ++row) {
    if (by_id.text(row, 0) != wanted.id) continue;
    if (by_id.text(row, kRecordCreatorColumn) == creation.creator) return MarkCreated(creation);
    result.existing = ReadRecord(by_id, row, /*has_payloads=*/false);
    const bool is_same = result.existing.name == wanted.name &&
                         result.existing.class_name == wanted.class_name &&
                         result.existing.config_name == wanted.config_name;
    result.outcome = is_same ? StartOutcome::kExists : StartOutcome::kConflict;
    creation.is_open = false;
  }
  for (int row = 0; row < by_deduplication.count() && creation.is_open; ++row) {
    WorkflowRecord holder = ReadRecord(by_deduplication, row, /*has_payloads=*/false);
    if (!wanted.deduplication_id || holder.queue_name != wanted.queue_name ||
        holder.deduplication_id != wanted.deduplication_id) {
      continue;
    }
    result.existing = std::move(holder);
    result.outcome = StartOutcome::kDeduplicated;
    creation.is_open = false;
  }
  if (creation.is_open) return;
  if (creation.effect_index < 0) {
    creation.write->start = std::move(result);
  } else {
    ResultOf({creation.write, creation.effect_index}).child = std::move(result);
  }
}

void Batch::ReadStepsBack(const Rows& steps) {
  const std::map<StepKey, int> index = IndexSteps(steps);
  const auto row_of = [&index](const EffectRef& ref) {
    const auto found =
        index.find(StepKey(ref.write->workflow_id(), EffectOf(ref).step.function_id));
    return found == index.end() ? -1 : found->second;
  };
  for (const Round& round : rounds_) {
    for (const EffectRef& ref : round.sends) {
      EffectResult& result = ResultOf(ref);
      const int row = row_of(ref);
      const auto& send = std::get<SendEffect>(EffectOf(ref).action);
      if (row < 0 || steps.IsNull(row, 3) || steps.text(row, 3) != send.missing_destination_error) {
        continue;
      }
      result.outcome = EffectOutcome::kMissingDestination;
      result.step.output.reset();
      result.step.error = send.missing_destination_error;
    }
    for (const EffectRef& ref : round.receives) {
      EffectResult& result = ResultOf(ref);
      const int row = row_of(ref);
      if (row < 0) {
        result.outcome = EffectOutcome::kNoMessage;
        continue;
      }
      result.step.output = steps.OptionalString(row, 2);
      result.step.serialization = steps.String(row, 4);
    }
    for (const EffectRef& ref : round.streams) {
      if (row_of(ref) < 0) ResultOf(ref).outcome = EffectOutcome::kRefused;
    }
    for (const EffectRef& ref : round.children) {
      EffectResult& result = ResultOf(ref);
      result.step.child_workflow_id = std::get<ChildEffect>(EffectOf(ref).action).child.id;
      if (row_of(ref) < 0) {
        result.outcome = EffectOutcome::kChildConflict;
      } else if (!result.child || result.child->outcome != StartOutcome::kCreated) {
        result.outcome = EffectOutcome::kChildExists;
      }
    }
  }
}

Writes Batch::ReadResolved(const std::vector<Rows>& rows) {
  for (Creation& creation : creations_) {
    if (creation.is_open) ReadExisting(creation, rows[0], rows[1]);
  }
  if (are_answers_lost_) ReadStepsBack(rows[2]);
  // Neither the workflow nor what kept it out is there any more. A start is made again; a child
  // that was not recorded is told as the conflict that it was.
  std::set<const PendingWrite*> repeated;
  for (Creation& creation : creations_) {
    if (!creation.is_open) continue;
    if (creation.effect_index < 0) {
      repeated.insert(creation.write);
      continue;
    }
    EffectResult& result = ResultOf({creation.write, creation.effect_index});
    result.child = StartResult{.outcome = result.outcome == EffectOutcome::kChildExists
                                              ? StartOutcome::kExists
                                              : StartOutcome::kConflict,
                               .existing = {}};
    result.child->existing.id = creation.workflow->id;
    result.child->existing.name = creation.workflow->name;
  }
  Writes again;
  Writes kept;
  for (std::unique_ptr<PendingWrite>& write : writes_) {
    (repeated.contains(write.get()) ? again : kept).push_back(std::move(write));
  }
  writes_ = std::move(kept);
  return again;
}

}  // namespace holdfast::workflows
