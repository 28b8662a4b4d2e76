#pragma once

#include <string_view>

#include "workflows/postgres/parameters.h"
#include "workflows/runtime/journal_types.h"

// Columns of the arrays that carry a batch's rows, in the order of the statements' parameters.
namespace holdfast::workflows {

// What a message or a receive without a topic has in the column.
inline constexpr std::string_view kNoTopic = "__null__topic__";

class StepColumns {
 public:
  void Add(std::string_view workflow_id, const StepRecord& step) {
    ids_.Add(workflow_id);
    function_ids_.Add(step.function_id);
    names_.Add(step.name);
    AddText(outputs_, step.output);
    AddText(errors_, step.error);
    AddText(children_, step.child_workflow_id);
    serializations_.Add(step.serialization);
    started_.Add(step.started_at_ms);
    completed_.Add(step.completed_at_ms);
  }
  void MoveTo(Parameters& parameters) {
    parameters.Array(std::move(ids_))
        .Array(std::move(function_ids_))
        .Array(std::move(names_))
        .Array(std::move(outputs_))
        .Array(std::move(errors_))
        .Array(std::move(children_))
        .Array(std::move(serializations_))
        .Array(std::move(started_))
        .Array(std::move(completed_));
  }

 private:
  TextArray ids_;
  Int4Array function_ids_;
  TextArray names_, outputs_, errors_, children_, serializations_;
  Int8Array started_, completed_;
};

class WorkflowColumns {
 public:
  // Application and version default to ours for a workflow that starts at once.
  void Add(const NewWorkflow& workflow, std::string_view creator, std::string_view own_application,
           std::string_view own_version);
  void MoveTo(Parameters& parameters);

 private:
  TextArray ids_, names_, class_names_, config_names_, inputs_, serializations_, owners_, creators_,
      queues_, partitions_, deduplications_;
  Int4Array priorities_;
  Int8Array delays_, timeouts_, deadlines_;
  TextArray versions_, applications_, parents_, schedules_, attributes_, users_, roles_,
      role_lists_;
};

class MessageColumns {
 public:
  void Add(const SendEffect& send);
  void MoveTo(Parameters& parameters);

 private:
  TextArray destinations_, topics_, messages_, serializations_, message_ids_, missing_errors_;
};

}  // namespace holdfast::workflows
