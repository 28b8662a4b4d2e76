#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "workflows/runtime/journal.h"

namespace holdfast::workflows {

// A journal in front of another one: counts what is asked, and shows who listens.
class JournalSpy final : public Journal {
 public:
  explicit JournalSpy(Journal& inner) : inner_(inner) {}

  int64_t request_count() const { return request_count_; }
  JournalListener& listener() { return *listener_; }

  void SetListener(JournalListener* listener) override {
    listener_ = listener;
    inner_.SetListener(listener);
  }
  void RegisterExecutor(ExecutorIdentity identity, int64_t lease_ttl_ms,
                        Reply<LeaseGrant> reply) override {
    ++request_count_;
    inner_.RegisterExecutor(std::move(identity), std::move(lease_ttl_ms), std::move(reply));
  }
  void RenewLease(Reply<LeaseGrant> reply) override {
    ++request_count_;
    inner_.RenewLease(std::move(reply));
  }
  void ReleaseLease(StatusReply reply) override {
    ++request_count_;
    inner_.ReleaseLease(std::move(reply));
  }
  void Start(StartRequest request, Reply<StartResult> reply) override {
    ++request_count_;
    inner_.Start(std::move(request), std::move(reply));
  }
  void Commit(WorkflowCommit commit, Reply<CommitResult> reply) override {
    ++request_count_;
    inner_.Commit(std::move(commit), std::move(reply));
  }
  void RunTransaction(TransactionRequest request, Reply<std::optional<StepRecord>> reply) override {
    ++request_count_;
    inner_.RunTransaction(std::move(request), std::move(reply));
  }
  void ClaimQueued(ClaimRequest request, Reply<ClaimResult> reply) override {
    ++request_count_;
    inner_.ClaimQueued(std::move(request), std::move(reply));
  }
  void ClaimAbandoned(AdoptRequest request, Reply<ClaimResult> reply) override {
    ++request_count_;
    inner_.ClaimAbandoned(std::move(request), std::move(reply));
  }
  void Sweep(SweepRequest request, Reply<SweepResult> reply) override {
    ++request_count_;
    inner_.Sweep(std::move(request), std::move(reply));
  }
  void GetWorkflow(std::string id, bool with_payloads,
                   Reply<std::optional<WorkflowRecord>> reply) override {
    ++request_count_;
    inner_.GetWorkflow(std::move(id), std::move(with_payloads), std::move(reply));
  }
  void ListWorkflows(WorkflowFilter filter, Reply<std::vector<WorkflowRecord>> reply) override {
    ++request_count_;
    inner_.ListWorkflows(std::move(filter), std::move(reply));
  }
  void ListSteps(std::string workflow_id, Reply<std::vector<StepRecord>> reply) override {
    ++request_count_;
    inner_.ListSteps(std::move(workflow_id), std::move(reply));
  }
  void GetEvent(std::string workflow_id, std::string key,
                Reply<std::optional<Value>> reply) override {
    ++request_count_;
    inner_.GetEvent(std::move(workflow_id), std::move(key), std::move(reply));
  }
  void ReadStream(std::string workflow_id, std::string key, int32_t offset, int32_t limit,
                  Reply<std::vector<Value>> reply) override {
    ++request_count_;
    inner_.ReadStream(std::move(workflow_id), std::move(key), std::move(offset), std::move(limit),
                      std::move(reply));
  }
  void Send(SendEffect message, StatusReply reply) override {
    ++request_count_;
    inner_.Send(std::move(message), std::move(reply));
  }
  void Cancel(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) override {
    ++request_count_;
    inner_.Cancel(std::move(ids), std::move(with_children), std::move(reply));
  }
  void Resume(std::vector<std::string> ids, std::optional<std::string> queue_name,
              Reply<int64_t> reply) override {
    ++request_count_;
    inner_.Resume(std::move(ids), std::move(queue_name), std::move(reply));
  }
  void Fork(ForkRequest request, StatusReply reply) override {
    ++request_count_;
    inner_.Fork(std::move(request), std::move(reply));
  }
  void Rewind(std::string id, int32_t start_step, StatusReply reply) override {
    ++request_count_;
    inner_.Rewind(std::move(id), std::move(start_step), std::move(reply));
  }
  void Delete(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) override {
    ++request_count_;
    inner_.Delete(std::move(ids), std::move(with_children), std::move(reply));
  }
  void SetPriority(std::string id, int32_t priority, StatusReply reply) override {
    ++request_count_;
    inner_.SetPriority(std::move(id), std::move(priority), std::move(reply));
  }
  void SetDelay(std::string id, int64_t delay_until_ms, StatusReply reply) override {
    ++request_count_;
    inner_.SetDelay(std::move(id), std::move(delay_until_ms), std::move(reply));
  }
  void UpsertQueue(QueueConfig queue, StatusReply reply) override {
    ++request_count_;
    inner_.UpsertQueue(std::move(queue), std::move(reply));
  }
  void ListQueues(Reply<std::vector<QueueConfig>> reply) override {
    ++request_count_;
    inner_.ListQueues(std::move(reply));
  }
  void DeleteQueue(std::string name, StatusReply reply) override {
    ++request_count_;
    inner_.DeleteQueue(std::move(name), std::move(reply));
  }
  void UpsertSchedule(ScheduleRecord schedule, StatusReply reply) override {
    ++request_count_;
    inner_.UpsertSchedule(std::move(schedule), std::move(reply));
  }
  void ListSchedules(Reply<std::vector<ScheduleRecord>> reply) override {
    ++request_count_;
    inner_.ListSchedules(std::move(reply));
  }
  void DeleteSchedule(std::string name, StatusReply reply) override {
    ++request_count_;
    inner_.DeleteSchedule(std::move(name), std::move(reply));
  }
  void SetScheduleStatus(std::string name, ScheduleStatus status, StatusReply reply) override {
    ++request_count_;
    inner_.SetScheduleStatus(std::move(name), std::move(status), std::move(reply));
  }
  void RecordScheduleFired(std::string name, std::string fired_at, StatusReply reply) override {
    ++request_count_;
    inner_.RecordScheduleFired(std::move(name), std::move(fired_at), std::move(reply));
  }
  void ListVersions(Reply<std::vector<ApplicationVersion>> reply) override {
    ++request_count_;
    inner_.ListVersions(std::move(reply));
  }
  void SetLatestVersion(std::string name, StatusReply reply) override {
    ++request_count_;
    inner_.SetLatestVersion(std::move(name), std::move(reply));
  }
  void Retain(RetentionRequest request, Reply<int64_t> reply) override {
    ++request_count_;
    inner_.Retain(std::move(request), std::move(reply));
  }
  void Now(Reply<int64_t> reply) override {
    ++request_count_;
    inner_.Now(std::move(reply));
  }

 private:
  Journal& inner_;
  JournalListener* listener_ = nullptr;
  int64_t request_count_ = 0;
};

}  // namespace holdfast::workflows
