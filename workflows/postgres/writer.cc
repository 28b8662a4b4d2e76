#include "workflows/postgres/writer.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "workflows/postgres/statements.h"

namespace holdfast::workflows {
namespace {

constexpr std::string_view kStepKey = "operation_outputs_pkey";
constexpr std::string_view kUniqueViolation = "23505";

// Every workflow that the write may create or change.
void AppendIds(const PendingWrite& write, std::vector<std::string_view>& ids) {
  ids.push_back(write.workflow_id());
  if (write.is_start()) return;
  for (const Effect& effect : write.commit_request().effects) {
    if (const auto* child = std::get_if<ChildEffect>(&effect.action)) {
      ids.push_back(child->child.id);
    }
  }
}

}  // namespace

Writer::Writer(EpollReactor& reactor, ConnectionOptions options, int shard, uint64_t seed,
               WriterLimits limits, const SinkTable& sinks, Hooks hooks)
    : reactor_(reactor),
      limits_(limits),
      sinks_(sinks),
      hooks_(std::move(hooks)),
      session_(reactor, std::move(options), shard, seed,
               {.on_idle = [this] { Pump(); },
                .on_availability =
                    [this](bool is_available) {
                      if (hooks_.on_availability) hooks_.on_availability(is_available);
                    },
                .on_notification = nullptr}) {}

Writer::~Writer() = default;

void Writer::SetIdentity(std::optional<LeaseIdentity> lease, BatchIdentity identity) {
  session_.SetIdentity(std::move(lease));
  identity_ = std::move(identity);
}

WriterStats Writer::stats() const {
  WriterStats stats = stats_;
  stats.waiting_count = static_cast<int64_t>(waiting_.size());
  return stats;
}

void Writer::Add(std::unique_ptr<PendingWrite> write) {
  write->Measure();
  absl::Status status;
  if (write->size_bytes > limits_.write_bytes_max) {
    status = absl::InvalidArgumentError(
        absl::StrCat("write is too large: workflow_id=", write->workflow_id(),
                     " size_bytes=", write->size_bytes, " max=", limits_.write_bytes_max));
  } else if (waiting_.size() >= limits_.waiting_count_max ||
             waiting_bytes_ + write->size_bytes > limits_.waiting_bytes_max) {
    status = absl::ResourceExhaustedError(
        absl::StrCat("too many writes wait: count=", waiting_.size(), " bytes=", waiting_bytes_));
  }
  if (!status.ok()) {
    Writes refused;
    refused.push_back(std::move(write));
    return FailAll(std::move(refused), status);
  }
  waiting_bytes_ += write->size_bytes;
  waiting_.push_back(std::move(write));
  SchedulePump();
}

void Writer::SchedulePump() {
  // At the end of the turn, so that everything that this turn writes shares the batch.
  if (is_pump_posted_ || session_.is_busy()) return;
  is_pump_posted_ = true;
  reactor_.Post([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    is_pump_posted_ = false;
    Pump();
  });
}

void Writer::Pump() {
  if (session_.is_busy() || is_held_) return;
  if (!parts_.empty()) {
    Writes part = std::move(parts_.front());
    parts_.pop_front();
    return Send(std::move(part));
  }
  Writes writes = Gather();
  if (!writes.empty()) Send(std::move(writes));
}

Writes Writer::Gather() {
  Writes writes;
  // Two writes of one workflow never share a batch: the later one builds on the earlier one.
  absl::flat_hash_set<std::string_view> taken;
  std::deque<std::unique_ptr<PendingWrite>> later;
  std::vector<std::string_view> ids;
  int32_t row_count = 0;
  size_t size_bytes = 0;
  while (!waiting_.empty()) {
    PendingWrite& next = *waiting_.front();
    const bool is_full =
        !writes.empty() && (row_count + next.row_count > limits_.batch_rows_max ||
                            size_bytes + next.size_bytes > limits_.batch_bytes_max);
    if (is_full || later.size() > static_cast<size_t>(limits_.batch_rows_max)) break;
    ids.clear();
    AppendIds(next, ids);
    const bool is_taken = std::any_of(ids.begin(), ids.end(),
                                      [&](std::string_view id) { return taken.contains(id); });
    // What is put off holds its ids back as well: order within a workflow is kept.
    taken.insert(ids.begin(), ids.end());
    std::unique_ptr<PendingWrite> write = std::move(waiting_.front());
    waiting_.pop_front();
    if (is_taken) {
      later.push_back(std::move(write));
      continue;
    }
    row_count += write->row_count;
    size_bytes += write->size_bytes;
    waiting_bytes_ -= write->size_bytes;
    writes.push_back(std::move(write));
  }
  while (!later.empty()) {
    waiting_.push_front(std::move(later.back()));
    later.pop_back();
  }
  return writes;
}

void Writer::Send(Writes writes) {
  const size_t count = writes.size();
  ++stats_.batch_count;
  stats_.write_count += static_cast<int64_t>(count);
  ++stats_.batches_by_size[std::min<size_t>(std::bit_width(count) - 1,
                                            stats_.batches_by_size.size() - 1)];
  auto batch = std::make_shared<Batch>(std::move(writes), identity_, sinks_, hooks_.mint_token);
  std::vector<StatementCall> calls = batch->Calls();
  session_.Run(batch->Fences(), std::move(calls), [this, batch](WriterResult result) mutable {
    OnResult(std::move(batch), std::move(result));
  });
}

void Writer::OnResult(std::shared_ptr<Batch> batch, WriterResult result) {
  switch (result.outcome) {
    case WriterResult::Outcome::kCommitted:
    case WriterResult::Outcome::kCommittedUnseen:
      if (result.outcome == WriterResult::Outcome::kCommitted) {
        batch->ReadAnswers(result.rows);
      } else {
        batch->ForgetAnswers();
      }
      if (batch->needs_resolve()) return Resolve(std::move(batch));
      return Deliver(*batch);
    case WriterResult::Outcome::kFencesLost:
      return OnFencesLost(*batch, result.lost_workflow_ids);
    case WriterResult::Outcome::kRefused:
      return OnRefused(*batch, result);
    case WriterResult::Outcome::kLeaseLost: {
      const absl::Status status = absl::PermissionDeniedError("the executor's lease ended");
      FailAll(batch->TakeWrites(), status);
      if (!result.is_of_former_lease) hooks_.on_lease_lost(status);
      return;
    }
    case WriterResult::Outcome::kDataLoss: {
      const absl::Status status =
          absl::DataLossError("acknowledged commits are missing in the database");
      FailAll(batch->TakeWrites(), status);
      if (!result.is_of_former_lease) hooks_.on_data_loss(status);
      return;
    }
  }
}

void Writer::OnFencesLost(Batch& batch, const std::vector<std::string>& lost_ids) {
  const absl::flat_hash_set<std::string> lost(lost_ids.begin(), lost_ids.end());
  Writes writes = batch.TakeWrites();
  Writes rest;
  Writes dropped;
  for (std::unique_ptr<PendingWrite>& write : writes) {
    const bool is_lost = !write->is_start() && (lost.contains(write->workflow_id()));
    (is_lost ? dropped : rest).push_back(std::move(write));
  }
  if (dropped.empty()) {  // the list is not to be trusted: find out one by one
    if (rest.size() > 1) return Split(std::move(rest));
    dropped = std::move(rest);
    rest.clear();
  }
  if (!rest.empty()) parts_.push_front(std::move(rest));
  const std::weak_ptr<int> alive = alive_;
  for (std::unique_ptr<PendingWrite>& write : dropped) {
    if (alive.expired()) return;
    write->commit = CommitResult{.is_durable = false, .effects = {}};
    Reply(std::move(write), absl::OkStatus());
  }
}

void Writer::OnRefused(Batch& batch, const WriterResult& result) {
  Writes writes = batch.TakeWrites();
  if (writes.size() > 1) return Split(std::move(writes));
  const DatabaseError& error = *result.error;
  const absl::Status refusal = absl::InvalidArgumentError(absl::StrCat(
      "the database refuses a write: workflow_id=", writes[0]->workflow_id(), ": ", error.message,
      error.detail.empty() ? "" : ": ", error.detail, " (", error.sqlstate, ")"));
  const bool is_recorded_step =
      error.sqlstate == kUniqueViolation && error.constraint == kStepKey && !writes[0]->is_start();
  if (is_recorded_step) return CheckRecordedSteps(std::move(writes[0]), refusal);
  FailAll(std::move(writes), refusal);
}

// A step of the commit is recorded already. The very same outcome is no harm, as when another party
// put it back; any other one means that two runs disagree.
void Writer::CheckRecordedSteps(std::shared_ptr<PendingWrite> write, absl::Status refusal) {
  StatementCall call = {.statement = statements::kReadStepsOf, .parameters = {}};
  TextArray ids;
  Int4Array function_ids;
  for (const StepRecord& step : write->commit_request().steps) {
    ids.Add(write->workflow_id());
    function_ids.Add(step.function_id);
  }
  call.parameters.Array(std::move(ids)).Array(std::move(function_ids));
  is_held_ = true;
  session_.Repeat({std::move(call)}, [this, write, refusal](WriterResult result) {
    is_held_ = false;
    SchedulePump();
    auto again = std::make_unique<PendingWrite>(std::move(*write));
    std::vector<StepRecord>& steps = again->commit_request().steps;
    size_t same_count = 0;
    const int row_count = result.rows.empty() ? 0 : result.rows[0].count();
    for (int row = 0; row < row_count; ++row) {
      const Rows& rows = result.rows[0];
      const auto same = std::find_if(steps.begin(), steps.end(), [&](const StepRecord& step) {
        return step.function_id == rows.Integer(row, 1) &&
               step.output == rows.OptionalString(row, 2) &&
               step.error == rows.OptionalString(row, 3) && step.name == rows.text(row, 5);
      });
      if (same == steps.end()) continue;
      steps.erase(same);
      ++same_count;
    }
    Writes writes;
    writes.push_back(std::move(again));
    if (same_count == 0 || same_count < static_cast<size_t>(row_count)) {
      return FailAll(std::move(writes), refusal);
    }
    parts_.push_front(std::move(writes));
  });
}

void Writer::Split(Writes writes) {
  ++stats_.split_count;
  Writes second(std::make_move_iterator(writes.begin() + static_cast<ptrdiff_t>(writes.size() / 2)),
                std::make_move_iterator(writes.end()));
  writes.resize(writes.size() / 2);
  parts_.push_front(std::move(second));
  parts_.push_front(std::move(writes));
}

void Writer::Resolve(std::shared_ptr<Batch> batch) {
  session_.Repeat(batch->ResolveCalls(), [this, batch](WriterResult result) {
    if (result.rows.empty()) {
      return FailAll(batch->TakeWrites(), result.error->ToStatus("read back"));
    }
    Writes again = batch->ReadResolved(result.rows);
    for (std::unique_ptr<PendingWrite>& write : again) {
      waiting_bytes_ += write->size_bytes;
      waiting_.push_front(std::move(write));
    }
    if (!again.empty()) SchedulePump();
    Deliver(*batch);
  });
}

void Writer::Deliver(Batch& batch) {
  Writes writes = batch.TakeWrites();
  const std::weak_ptr<int> alive = alive_;
  for (std::unique_ptr<PendingWrite>& write : writes) {
    if (alive.expired()) return;
    hooks_.on_durable(*write);
    Reply(std::move(write), absl::OkStatus());
  }
}

void Writer::Reply(std::unique_ptr<PendingWrite> write, const absl::Status& status) {
  if (write->is_start()) {
    if (!status.ok()) return write->start_reply(status);
    return write->start_reply(std::move(write->start));
  }
  if (!status.ok()) return write->commit_reply(status);
  write->commit_reply(std::move(write->commit));
}

void Writer::FailAll(Writes writes, const absl::Status& status) {
  // Some come from inside Start() or Commit(), where no reply may come from.
  reactor_.Post(
      [this, alive = std::weak_ptr<int>(alive_), writes = std::move(writes), status]() mutable {
        for (std::unique_ptr<PendingWrite>& write : writes) {
          if (alive.expired()) return;
          Reply(std::move(write), status);
        }
      });
}

void Writer::FailWaiting(const absl::Status& status) {
  Writes writes;
  for (Writes& part : parts_) {
    for (std::unique_ptr<PendingWrite>& write : part) writes.push_back(std::move(write));
  }
  for (std::unique_ptr<PendingWrite>& write : waiting_) writes.push_back(std::move(write));
  parts_.clear();
  waiting_.clear();
  waiting_bytes_ = 0;
  FailAll(std::move(writes), status);
}

}  // namespace holdfast::workflows
