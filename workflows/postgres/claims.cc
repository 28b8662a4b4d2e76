// Claims: work that this executor takes from queues and from executors that are gone, and the
// sweep. One claim at a time; each is a fenced batch of the claims' own writer.

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "nlohmann/json.hpp"
#include "workflows/postgres/claim_statements.h"
#include "workflows/postgres/postgres_journal.h"

namespace holdfast::workflows {
namespace {

constexpr size_t kWaitingClaimsMax = 1'000;
constexpr int32_t kClaimCountMax = 1'000;  // rows of one claim
constexpr size_t kAdoptedExecutorsMax = 10'000;
constexpr size_t kEmptyQueuesMax = 10'000;
constexpr size_t kAnnouncedIdsMax = 100'000;

template <class T>
std::shared_ptr<Reply<T>> Share(Reply<T> reply) {
  return std::make_shared<Reply<T>>(std::move(reply));
}

std::optional<std::string> TextOf(const nlohmann::json& value) {
  if (!value.is_string()) return std::nullopt;
  return value.get<std::string>();
}

int64_t NumberOf(const nlohmann::json& value) {
  return value.is_number_integer() ? value.get<int64_t>() : 0;
}

// The array of arrays of HF_SQL_CLAIM_PAYLOADS.
std::vector<StepRecord> ReadSteps(std::string_view text) {
  std::vector<StepRecord> steps;
  if (text.empty()) return steps;
  const nlohmann::json rows = nlohmann::json::parse(text, nullptr, false);
  HF_ASSERT(rows.is_array());
  steps.reserve(rows.size());
  for (const nlohmann::json& row : rows) {
    steps.push_back({.function_id = static_cast<int32_t>(NumberOf(row[0])),
                     .name = TextOf(row[1]).value_or(""),
                     .output = TextOf(row[2]),
                     .error = TextOf(row[3]),
                     .child_workflow_id = TextOf(row[4]),
                     .serialization = TextOf(row[5]).value_or(""),
                     .started_at_ms = NumberOf(row[6]),
                     .completed_at_ms = NumberOf(row[7])});
  }
  return steps;
}

std::optional<int32_t> MaxStarts(const std::optional<RateLimit>& limit) {
  return limit ? std::optional(limit->max_starts) : std::nullopt;
}

std::optional<int64_t> PeriodMs(const std::optional<RateLimit>& limit) {
  return limit ? std::optional(static_cast<int64_t>(limit->period_s * 1'000)) : std::nullopt;
}

bool NeedsCounting(const QueueConfig& queue) {
  return queue.concurrency || queue.rate_limit ||
         (queue.is_partitioned && (queue.partition_concurrency || queue.partition_rate_limit));
}

}  // namespace

// ---- One at a time ------------------------------------------------------------------------------

void PostgresJournal::QueueClaim(WaitingClaim claim) {
  absl::Status status = CheckMayWrite(/*needs_lease=*/true);
  if (status.ok() && waiting_claims_.size() >= kWaitingClaimsMax) {
    status = absl::ResourceExhaustedError("too many claims wait");
  }
  if (!status.ok()) {
    reactor_.Post([fail = std::move(claim.fail), status]() mutable { fail(status); });
    return;
  }
  waiting_claims_.push_back(std::move(claim));
  PumpClaims();
}

void PostgresJournal::PumpClaims() {
  if (is_claiming_ || claim_session_->is_busy() || waiting_claims_.empty()) return;
  WaitingClaim claim = std::move(waiting_claims_.front());
  waiting_claims_.erase(waiting_claims_.begin());
  is_claiming_ = true;
  claim.run();
}

void PostgresJournal::FailClaims(const absl::Status& status) {
  reactor_.Post([claims = std::exchange(waiting_claims_, {}), status]() mutable {
    for (WaitingClaim& claim : claims) claim.fail(status);
  });
}

// ---- From a queue -------------------------------------------------------------------------------

void PostgresJournal::ClaimQueued(ClaimRequest request, Reply<ClaimResult> reply) {
  HF_ASSERT(request.max_count > 0);
  auto shared_request = std::make_shared<ClaimRequest>(std::move(request));
  auto shared_reply = Share(std::move(reply));
  QueueClaim({.run = [this, shared_request,
                      shared_reply] { RunClaimQueued(shared_request, shared_reply); },
              .fail = [shared_reply](const absl::Status& status) { (*shared_reply)(status); }});
}

void PostgresJournal::RunClaimQueued(std::shared_ptr<ClaimRequest> request,
                                     std::shared_ptr<Reply<ClaimResult>> reply) {
  const QueueConfig& queue = request->queue;
  if (empty_queues_.contains(queue.name)) return LookAtQueue(request, reply);
  int32_t limit = std::min(request->max_count, kClaimCountMax);
  const int32_t bound = limit;
  if (queue.worker_concurrency) {
    limit = std::clamp(*queue.worker_concurrency - request->running_here, 0, limit);
  }
  if (limit == 0) {
    is_claiming_ = false;
    reactor_.Post([this, alive = std::weak_ptr<int>(alive_), reply] {
      if (alive.expired()) return;
      (*reply)(ClaimResult());
      if (!alive.expired()) PumpClaims();
    });
    return;
  }
  const bool is_counting = NeedsCounting(queue);
  std::vector<StatementCall> calls;
  if (is_counting) {
    calls.push_back({.statement = statements::kLockQueue, .parameters = {}});
    calls.back().parameters.Text(queue.name);
  }
  const std::string token = MintToken();
  StatementCall claim = {.statement = queue.is_partitioned ? statements::kClaimPartitioned
                                      : is_counting        ? statements::kClaimLimited
                                                           : statements::kClaim,
                         .parameters = {}};
  claim.parameters.Text(queue.name)
      .Texts(request->workflow_names)
      .Text(batch_identity_.application_version)
      .Bool(request->is_latest_version)
      .Text(batch_identity_.application_name)
      .Int8(limit)
      .Int8(static_cast<int64_t>(options_.claim_bytes_max))
      .Int8(request->max_recovery_attempts)
      .Text(token)
      .Text(batch_identity_.executor_id)
      .Bool(queue.rate_limit.has_value() ||
            (queue.is_partitioned && queue.partition_rate_limit.has_value()));
  if (is_counting || queue.is_partitioned) {
    claim.parameters.Int4(queue.concurrency)
        .Int4(MaxStarts(queue.rate_limit))
        .Int8(PeriodMs(queue.rate_limit));
  }
  if (queue.is_partitioned) {
    TextArray keys;
    Int4Array running;
    for (const auto& [key, count] : request->running_here_by_partition) {
      keys.Add(std::string_view(key));
      running.Add(count);
    }
    claim.parameters.Int4(queue.partition_concurrency)
        .Int4(MaxStarts(queue.partition_rate_limit))
        .Int8(PeriodMs(queue.partition_rate_limit))
        .Array(std::move(keys))
        .Array(std::move(running))
        .Int4(queue.partition_worker_concurrency);
  }
  calls.push_back(std::move(claim));
  claim_session_->Run({}, std::move(calls),
                      [this, token, limit, bound, request, reply,
                       wait = EndBlockersOf(*claim_session_)](WriterResult result) {
                        // With less room than was asked for there is nothing more to take now.
                        FinishClaim(token, limit == bound ? bound : 0, std::move(result), reply,
                                    [this, request](const ClaimResult& claimed) {
                                      NoteClaimed(request->queue, claimed);
                                    });
                      });
}

// A queue that had nothing is looked at before it is claimed from: a look writes nothing, so that
// an idle system does not either. Where limits are counted, a claim that finds nothing does not
// mean that nothing is there.
void PostgresJournal::NoteClaimed(const QueueConfig& queue, const ClaimResult& claimed) {
  if (NeedsCounting(queue) || !claimed.workflows.empty() || claimed.dead_letter_count > 0) return;
  if (empty_queues_.size() < kEmptyQueuesMax) empty_queues_.insert(queue.name);
}

void PostgresJournal::LookAtQueue(std::shared_ptr<ClaimRequest> request,
                                  std::shared_ptr<Reply<ClaimResult>> reply) {
  StatementCall look = {.statement = statements::kHasClaimable, .parameters = {}};
  look.parameters.Text(request->queue.name)
      .Texts(request->workflow_names)
      .Text(batch_identity_.application_version)
      .Bool(request->is_latest_version)
      .Text(batch_identity_.application_name);
  claim_session_->Repeat({std::move(look)}, [this, request, reply](const WriterResult& result) {
    const absl::Status status = CheckMayWrite(/*needs_lease=*/true);
    const bool is_empty = !result.rows.empty() && !result.rows[0].Bool(0, 0);
    if (status.ok() && !is_empty) {
      empty_queues_.erase(request->queue.name);
      return RunClaimQueued(request, reply);
    }
    is_claiming_ = false;
    const std::weak_ptr<int> alive = alive_;
    if (status.ok()) {
      (*reply)(ClaimResult());
    } else {
      (*reply)(status);
    }
    if (!alive.expired()) PumpClaims();
  });
}

void PostgresJournal::FinishClaim(std::string token, int32_t limit, WriterResult result,
                                  std::shared_ptr<Reply<ClaimResult>> reply,
                                  absl::AnyInvocable<void(const ClaimResult&)> on_done) {
  if (result.outcome == WriterResult::Outcome::kCommittedUnseen) {
    StatementCall call = {.statement = statements::kReadClaimed, .parameters = {}};
    call.parameters.Text(token).Text(batch_identity_.executor_id);
    claim_session_->Repeat(
        {std::move(call)},
        [this, token, limit, reply, on_done = std::move(on_done)](WriterResult read) mutable {
          FinishClaim(std::move(token), limit, std::move(read), reply, std::move(on_done));
        });
    return;
  }
  is_claiming_ = false;
  switch (result.outcome) {
    case WriterResult::Outcome::kCommitted: {
      ClaimResult claimed = ReadClaimed(result.rows.back(), limit, token);
      on_done(claimed);
      (*reply)(std::move(claimed));
      return;
    }
    case WriterResult::Outcome::kLeaseLost: {
      const absl::Status status = absl::PermissionDeniedError("the executor's lease ended");
      if (!result.is_of_former_lease) OnLeaseLost(status);
      return (*reply)(status);
    }
    case WriterResult::Outcome::kDataLoss: {
      const absl::Status status =
          absl::DataLossError("acknowledged commits are missing in the database");
      if (!result.is_of_former_lease) OnDataLoss(status);
      return (*reply)(status);
    }
    case WriterResult::Outcome::kRefused:
    case WriterResult::Outcome::kFencesLost:
    case WriterResult::Outcome::kCommittedUnseen:
      return (*reply)(result.error->ToStatus("claim"));
  }
}

ClaimResult PostgresJournal::ReadClaimed(const Rows& rows, int32_t limit,
                                         const std::string& token) {
  ClaimResult result;
  int64_t picked_count = 0;
  for (int row = 0; row < rows.count(); ++row) {
    picked_count = rows.Integer(row, statements::kClaimPickedColumn);
    WorkflowRecord record = ReadRecord(rows, row, /*has_payloads=*/false);
    if (record.status == WorkflowStatus::kEnqueued) {
      if (record.queue_name) news_->Queue(*record.queue_name);
      continue;
    }
    if (record.status != WorkflowStatus::kPending) {
      ++result.dead_letter_count;
      news_->Ended(record.id, /*is_remote_interested=*/true);
      continue;
    }
    record.inputs = rows.OptionalString(row, statements::kClaimInputsColumn);
    // Runs that were taken away stay in here: forgotten at the bound, then found by looking.
    if (announced_ids_.size() >= kAnnouncedIdsMax) announced_ids_.clear();
    announced_ids_.insert(record.id);
    ClaimedWorkflow claimed;
    claimed.steps = ReadSteps(rows.text(row, statements::kClaimStepsColumn));
    claimed.owner_token = token;
    claimed.workflow = std::move(record);
    result.workflows.push_back(std::move(claimed));
  }
  std::stable_sort(result.workflows.begin(), result.workflows.end(),
                   [](const ClaimedWorkflow& a, const ClaimedWorkflow& b) {
                     return std::pair(a.workflow.priority, a.workflow.created_at_ms) <
                            std::pair(b.workflow.priority, b.workflow.created_at_ms);
                   });
  result.has_more = limit > 0 && (picked_count >= limit || picked_count > rows.count());
  return result;
}

// ---- From executors that are gone ---------------------------------------------------------------

void PostgresJournal::ClaimAbandoned(AdoptRequest request, Reply<ClaimResult> reply) {
  HF_ASSERT(request.max_count > 0);
  auto shared_request = std::make_shared<AdoptRequest>(std::move(request));
  auto shared_reply = Share(std::move(reply));
  QueueClaim({.run = [this, shared_request,
                      shared_reply] { FenceAbandoned(shared_request, shared_reply); },
              .fail = [shared_reply](const absl::Status& status) { (*shared_reply)(status); }});
}

void PostgresJournal::FenceAbandoned(std::shared_ptr<AdoptRequest> request,
                                     std::shared_ptr<Reply<ClaimResult>> reply) {
  if (request->workflow_names != adopted_names_) {
    adopted_names_ = request->workflow_names;
    adopted_executors_.clear();
    is_own_past_adopted_ = false;
  }
  TextArray ids;
  Int8Array epochs;
  for (const auto& [id, epoch] : adopted_executors_) {
    ids.Add(std::string_view(id));
    epochs.Add(epoch);
  }
  StatementCall call = {.statement = statements::kFenceExpired, .parameters = {}};
  call.parameters.Array(std::move(ids)).Array(std::move(epochs)).Text(batch_identity_.executor_id);
  claim_session_->Repeat(
      {std::move(call)},
      [this, request, reply, wait = EndBlockersOf(*claim_session_)](const WriterResult& result) {
        std::vector<std::pair<std::string, int64_t>> fenced;
        for (int row = 0; !result.rows.empty() && row < result.rows[0].count(); ++row) {
          fenced.emplace_back(result.rows[0].String(row, 0), result.rows[0].Integer(row, 1));
        }
        RunClaimAbandoned(request, std::move(fenced), reply);
      });
}

void PostgresJournal::RunClaimAbandoned(std::shared_ptr<AdoptRequest> request,
                                        std::vector<std::pair<std::string, int64_t>> fenced,
                                        std::shared_ptr<Reply<ClaimResult>> reply) {
  const absl::Status status = CheckMayWrite(/*needs_lease=*/true);
  if (!status.ok()) {
    is_claiming_ = false;
    return (*reply)(status);
  }
  const int32_t limit = std::min(request->max_count, kClaimCountMax);
  const std::string token = MintToken();
  std::vector<std::string> executors;
  for (const auto& [id, epoch] : fenced) executors.push_back(id);
  std::vector<StatementCall> calls(2);
  calls[0].statement = statements::kHoldExpired;
  calls[0].parameters.Texts(executors);
  calls[1].statement = statements::kAdopt;
  calls[1]
      .parameters.Texts(executors)
      .Texts(request->workflow_names)
      .Text(batch_identity_.application_version)
      .Text(absl::StrCat(identity_->incarnation, "-"))
      .Text(batch_identity_.application_name)
      .Int8(limit)
      .Int8(static_cast<int64_t>(options_.claim_bytes_max))
      .Int8(request->max_recovery_attempts)
      .Text(token)
      .Text(batch_identity_.executor_id);
  claim_session_->Run(
      {}, std::move(calls),
      [this, token, limit, fenced = std::move(fenced), reply](WriterResult result) mutable {
        FinishClaim(token, limit, std::move(result), reply,
                    [this, fenced = std::move(fenced)](const ClaimResult& claimed) {
                      if (claimed.has_more) return;
                      is_own_past_adopted_ = true;
                      if (adopted_executors_.size() > kAdoptedExecutorsMax)
                        adopted_executors_.clear();
                      for (const auto& [id, epoch] : fenced) adopted_executors_[id] = epoch;
                    });
      });
}

// ---- The sweep ----------------------------------------------------------------------------------

void PostgresJournal::Sweep(SweepRequest request, Reply<SweepResult> reply) {
  const absl::Status status = CheckMayWrite(/*needs_lease=*/true);
  if (!status.ok()) {
    reactor_.Post([reply = std::move(reply), status]() mutable { reply(status); });
    return;
  }
  TextArray ids;
  Int8Array epochs;
  for (const auto& [id, epoch] : adopted_executors_) {
    ids.Add(std::string_view(id));
    epochs.Add(epoch);
  }
  StatementCall look = {.statement = statements::kLookAhead, .parameters = {}};
  look.parameters.Array(std::move(ids))
      .Array(std::move(epochs))
      .Text(batch_identity_.executor_id)
      .Text(absl::StrCat(identity_->incarnation, "-"))
      .Bool(is_own_past_adopted_)
      .Text(batch_identity_.application_version);
  // Mostly nothing is due, and one statement says so.
  claim_session_->Repeat({look}, [this, look, max_rows = request.max_rows,
                                  reply = std::move(reply)](const WriterResult& result) mutable {
    if (result.outcome != WriterResult::Outcome::kCommitted) {
      return reply(result.error->ToStatus("sweep"));
    }
    const std::optional<int64_t> due_in_ms = result.rows[0].OptionalInteger(0, 1);
    if (due_in_ms.value_or(1) <= 0) return SweepDue(max_rows, std::move(look), std::move(reply));
    SweepResult sweep;
    sweep.has_abandoned = result.rows[0].Bool(0, 0);
    sweep.next_due_in_ms = due_in_ms;
    reply(std::move(sweep));
  });
}

void PostgresJournal::SweepDue(int32_t max_rows, StatementCall look, Reply<SweepResult> reply) {
  std::vector<StatementCall> calls(3);
  calls[0].statement = statements::kReleaseDelayed;
  calls[0].parameters.Int4(max_rows);
  calls[1].statement = statements::kCancelExpired;
  calls[1].parameters.Int4(max_rows);
  calls[2] = std::move(look);
  claim_session_->Repeat(std::move(calls), [this, max_rows, reply = std::move(reply)](
                                               const WriterResult& result) mutable {
    if (result.outcome != WriterResult::Outcome::kCommitted) {
      return reply(result.error->ToStatus("sweep"));
    }
    const Rows& released = result.rows[0];
    const Rows& expired = result.rows[1];
    const Rows& ahead = result.rows[2];
    SweepResult sweep;
    sweep.released_count = released.count();
    for (int row = 0; row < released.count(); ++row) {
      std::string queue = released.String(row, 0);
      if (queue.empty()) continue;
      news_->Queue(queue);
      sweep.released_queues.push_back(std::move(queue));
    }
    std::sort(sweep.released_queues.begin(), sweep.released_queues.end());
    sweep.released_queues.erase(
        std::unique(sweep.released_queues.begin(), sweep.released_queues.end()),
        sweep.released_queues.end());
    for (int row = 0; row < expired.count(); ++row) {
      sweep.expired_workflow_ids.push_back(expired.String(row, 0));
      news_->Changed(sweep.expired_workflow_ids.back());
      news_->Ended(sweep.expired_workflow_ids.back(), /*is_remote_interested=*/true);
      announced_ids_.erase(sweep.expired_workflow_ids.back());
    }
    sweep.has_more = released.count() >= max_rows || expired.count() >= max_rows;
    sweep.has_abandoned = ahead.Bool(0, 0);
    sweep.next_due_in_ms = ahead.OptionalInteger(0, 1);
    // What is due already is due now.
    if (sweep.next_due_in_ms.value_or(0) < 0) sweep.next_due_in_ms = 0;
    reply(std::move(sweep));
  });
}

}  // namespace holdfast::workflows
