#include "workflows/postgres/batch_columns.h"

#include "absl/strings/str_cat.h"

namespace holdfast::workflows {

void WorkflowColumns::Add(const NewWorkflow& workflow, std::string_view creator,
                          std::string_view own_application, std::string_view own_version) {
  const auto add_or_own = [&](TextArray& array, const std::optional<std::string>& text,
                              std::string_view own) {
    if (!text && workflow.owner_token && !own.empty()) {
      array.Add(own);
    } else {
      AddText(array, text);
    }
  };
  ids_.Add(workflow.id);
  names_.Add(workflow.name);
  AddText(class_names_, workflow.class_name);
  AddText(config_names_, workflow.config_name);
  AddText(inputs_, workflow.inputs);
  serializations_.Add(workflow.serialization);
  AddText(owners_, workflow.owner_token);
  creators_.Add(creator);
  AddText(queues_, workflow.queue_name);
  AddText(partitions_, workflow.queue_partition_key);
  AddText(deduplications_, workflow.deduplication_id);
  priorities_.Add(workflow.priority);
  delays_.AddOptional(workflow.delay_until_ms);
  timeouts_.AddOptional(workflow.timeout_ms);
  deadlines_.AddOptional(workflow.deadline_ms);
  add_or_own(versions_, workflow.application_version, own_version);
  add_or_own(applications_, workflow.application_name, own_application);
  AddText(parents_, workflow.parent_workflow_id);
  AddText(schedules_, workflow.schedule_name);
  AddText(attributes_, workflow.attributes);
  AddText(users_, workflow.authenticated_user);
  AddText(roles_, workflow.assumed_role);
  AddText(role_lists_, workflow.authenticated_roles);
}

void WorkflowColumns::MoveTo(Parameters& parameters) {
  for (TextArray* array :
       {&ids_, &names_, &class_names_, &config_names_, &inputs_, &serializations_, &owners_,
        &creators_, &queues_, &partitions_, &deduplications_}) {
    parameters.Array(std::move(*array));
  }
  parameters.Array(std::move(priorities_))
      .Array(std::move(delays_))
      .Array(std::move(timeouts_))
      .Array(std::move(deadlines_));
  for (TextArray* array : {&versions_, &applications_, &parents_, &schedules_, &attributes_,
                           &users_, &roles_, &role_lists_}) {
    parameters.Array(std::move(*array));
  }
}

void MessageColumns::Add(const SendEffect& send) {
  destinations_.Add(send.destination_id);
  topics_.Add(send.topic ? std::string_view(*send.topic) : kNoTopic);
  messages_.Add(send.message);
  serializations_.Add(send.serialization);
  if (send.message_id) {
    message_ids_.Add(absl::StrCat(*send.message_id, "::", send.destination_id));
  } else {
    message_ids_.AddNull();
  }
  missing_errors_.Add(send.missing_destination_error);
}

void MessageColumns::MoveTo(Parameters& parameters) {
  for (TextArray* array :
       {&destinations_, &topics_, &messages_, &serializations_, &message_ids_, &missing_errors_}) {
    parameters.Array(std::move(*array));
  }
}

}  // namespace holdfast::workflows
