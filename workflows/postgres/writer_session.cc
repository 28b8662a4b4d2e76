#include "workflows/postgres/writer_session.h"

#include <algorithm>
#include <utility>

#include "engine/base/assert.h"
#include "nlohmann/json.hpp"
#include "workflows/postgres/statements.h"

namespace holdfast::workflows {
namespace {

constexpr int64_t kPauseMsMin = 5;
constexpr int64_t kPauseMsMax = 1'000;

using Outcome = WriterResult::Outcome;

// The detail of HF002: [{"workflow_id": ..., "owner_token": ...}, ...].
std::vector<std::string> LostWorkflowIds(const std::string& detail) {
  std::vector<std::string> ids;
  const nlohmann::json lost = nlohmann::json::parse(detail, nullptr, false);
  if (!lost.is_array()) return ids;
  for (const nlohmann::json& fence : lost) {
    const auto id = fence.find("workflow_id");
    if (id != fence.end() && id->is_string()) ids.push_back(id->get<std::string>());
  }
  return ids;
}

// The detail of HF003: {"sequence": n}.
std::optional<int64_t> SequenceOf(const std::string& detail) {
  const nlohmann::json found = nlohmann::json::parse(detail, nullptr, false);
  if (!found.is_object() || !found.contains("sequence")) return std::nullopt;
  return found["sequence"].get<int64_t>();
}

}  // namespace

WriterSession::WriterSession(EpollReactor& reactor, ConnectionOptions options, int shard,
                             uint64_t seed, Callbacks callbacks)
    : reactor_(reactor),
      shard_(shard),
      callbacks_(std::move(callbacks)),
      prng_(seed),
      pause_ms_(kPauseMsMin),
      connection_(reactor, std::move(options), seed + 1,
                  {.on_ready = [this] { OnReady(); },
                   .on_lost =
                       [this](const absl::Status&) {
                         if (callbacks_.on_availability) callbacks_.on_availability(false);
                       },
                   .on_attempt_failed =
                       [this](const absl::Status&) {
                         if (callbacks_.on_availability) callbacks_.on_availability(false);
                       },
                   .on_notification = callbacks_.on_notification}) {}

WriterSession::~WriterSession() {
  if (retry_timer_) reactor_.CancelTimer(*retry_timer_);
}

void WriterSession::SetIdentity(std::optional<LeaseIdentity> identity) {
  if (identity == identity_) return;
  identity_ = std::move(identity);
  sequence_ = 0;
}

StatementCall WriterSession::BeginCall(const std::vector<Fence>& fences) const {
  TextArray ids;
  TextArray tokens;
  for (const Fence& fence : fences) {
    ids.Add(std::string_view(fence.workflow_id));
    tokens.Add(std::string_view(fence.owner_token));
  }
  StatementCall call = {.statement = statements::kBeginBatch, .parameters = {}};
  call.parameters.Text(identity_->executor_id)
      .Text(identity_->incarnation)
      .Int4(shard_)
      .Int8(sequence_ + 1)
      .Array(std::move(ids))
      .Array(std::move(tokens));
  return call;
}

void WriterSession::Run(std::vector<Fence> fences, std::vector<StatementCall> calls,
                        WriterReply reply) {
  HF_ASSERT(!running_);
  if (identity_) calls.insert(calls.begin(), BeginCall(fences));
  running_ = Running{.calls = std::move(calls), .reply = std::move(reply), .identity = identity_};
  SendRunning();
}

void WriterSession::OnReady() {
  if (callbacks_.on_availability) callbacks_.on_availability(true);
  for (std::shared_ptr<Repeated>& repeated : std::exchange(waiting_, {})) {
    SendRepeated(std::move(repeated));
  }
  if (running_ && !running_->is_sent && !retry_timer_) {
    running_->is_in_doubt ? ReadSequence() : SendRunning();
  }
  if (!running_ && callbacks_.on_idle) callbacks_.on_idle();
}

void WriterSession::SendRunning() {
  if (running_->identity != identity_) return Finish({.outcome = Outcome::kLeaseLost});
  if (!connection_.is_ready()) return;  // OnReady sends it
  running_->is_sent = true;
  connection_.Execute(running_->calls,
                      [this](TransactionResult result) { OnResult(std::move(result)); });
}

void WriterSession::OnResult(TransactionResult result) {
  running_->is_sent = false;
  switch (result.outcome) {
    case TransactionResult::Outcome::kCommitted: {
      pause_ms_ = kPauseMsMin;
      WriterResult done;
      done.rows = std::move(result.rows);
      if (running_->identity) {
        done.rows.erase(done.rows.begin());
        if (running_->identity == identity_) ++sequence_;
      }
      return Finish(std::move(done));
    }
    case TransactionResult::Outcome::kRefused:
      return OnRefused(std::move(result));
    case TransactionResult::Outcome::kNotSent:
      ++retry_count_;
      if (connection_.is_ready()) SendRunning();
      return;
    case TransactionResult::Outcome::kInDoubt:
      ++retry_count_;
      running_->is_in_doubt = running_->identity.has_value();
      if (connection_.is_ready()) running_->is_in_doubt ? ReadSequence() : SendRunning();
      return;
  }
}

void WriterSession::OnRefused(TransactionResult result) {
  WriterResult refused;
  refused.error = std::move(result.error);
  const size_t opening_count = running_->identity ? 1 : 0;
  refused.failed_statement =
      result.failed_statement - std::min(result.failed_statement, opening_count);
  switch (refused.error->Class()) {
    case ErrorClass::kLeaseLost:
      refused.outcome = Outcome::kLeaseLost;
      return Finish(std::move(refused));
    case ErrorClass::kFencesLost:
      refused.outcome = Outcome::kFencesLost;
      refused.lost_workflow_ids = LostWorkflowIds(refused.error->detail);
      return Finish(std::move(refused));
    case ErrorClass::kOutOfSequence:
      return ResolveSequence(SequenceOf(refused.error->detail), running_->identity->epoch);
    case ErrorClass::kConflict:
    case ErrorClass::kTimeout:
      return RetryLater(refused.error->Class());
    case ErrorClass::kAway: {
      // A missing table or right in a statement of the application is its mistake.
      const size_t index = result.failed_statement;
      const bool is_application =
          index < running_->calls.size() &&
          statements::IsApplicationStatement(running_->calls[index].statement.name);
      if (!is_application || refused.error->sqlstate.compare(0, 2, "42") != 0) {
        return RetryLater(ErrorClass::kAway);
      }
      break;
    }
    case ErrorClass::kLeaseHeld:
    case ErrorClass::kRefused:
      break;
  }
  refused.outcome = Outcome::kRefused;
  Finish(std::move(refused));
}

void WriterSession::ReadSequence() {
  if (running_->identity != identity_) return Finish({.outcome = Outcome::kLeaseLost});
  running_->is_sent = true;
  StatementCall call = {.statement = statements::kReadSequence, .parameters = {}};
  call.parameters.Text(identity_->executor_id).Text(identity_->incarnation).Int4(shard_);
  StatementCall epoch = {.statement = statements::kReadEpoch, .parameters = {}};
  epoch.parameters.Text(identity_->executor_id);
  connection_.Execute({std::move(call), std::move(epoch)}, [this](TransactionResult result) {
    running_->is_sent = false;
    OnSequence(result);
  });
}

void WriterSession::OnSequence(const TransactionResult& result) {
  if (!result.is_committed()) {
    if (result.outcome == TransactionResult::Outcome::kRefused) {
      RetryLater(result.error->Class());
    } else if (connection_.is_ready()) {
      ReadSequence();
    }
    return;
  }
  const Rows& sequence = result.rows[0];
  const Rows& epoch = result.rows[1];
  ResolveSequence(sequence.count() > 0 ? std::optional(sequence.Integer(0, 0)) : std::nullopt,
                  epoch.count() > 0 ? std::optional(epoch.Integer(0, 0)) : std::nullopt);
}

void WriterSession::ResolveSequence(std::optional<int64_t> sequence, std::optional<int64_t> epoch) {
  if (running_->identity != identity_) return Finish({.outcome = Outcome::kLeaseLost});
  if (!sequence) {
    // The row was taken by whoever fenced us, or this database never heard of us.
    const bool is_known = epoch && *epoch >= identity_->epoch;
    return Finish({.outcome = is_known ? Outcome::kLeaseLost : Outcome::kDataLoss});
  }
  if (*sequence == sequence_ + 1) {
    ++sequence_;
    return Finish({.outcome = Outcome::kCommittedUnseen});
  }
  if (*sequence == sequence_) {
    running_->is_in_doubt = false;
    return SendRunning();
  }
  Finish({.outcome = Outcome::kDataLoss});
}

void WriterSession::Finish(WriterResult result) {
  Running done = std::move(*running_);
  running_.reset();
  if (retry_timer_) reactor_.CancelTimer(*retry_timer_);
  retry_timer_.reset();
  SetPutOff(false);
  // Run() may end here at once when the lease is gone; replies never come from inside a call.
  reactor_.Post([this, alive = std::weak_ptr<int>(alive_), reply = std::move(done.reply),
                 identity = std::move(done.identity), result = std::move(result)]() mutable {
    if (alive.expired()) return;
    result.is_of_former_lease = identity != identity_;
    reply(std::move(result));
    if (alive.expired()) return;
    if (!running_ && connection_.is_ready() && callbacks_.on_idle) callbacks_.on_idle();
  });
}

void WriterSession::SetPutOff(bool is_put_off) {
  if (std::exchange(is_put_off_, is_put_off) == is_put_off) return;
  if (callbacks_.on_availability) callbacks_.on_availability(is_serving());
}

void WriterSession::RetryLater(ErrorClass error_class) {
  ++retry_count_;
  if (error_class != ErrorClass::kConflict) SetPutOff(true);
  retry_timer_ = reactor_.CallAfter(NextPauseNs(), [this] {
    retry_timer_.reset();
    if (!connection_.is_ready()) return;
    running_->is_in_doubt ? ReadSequence() : SendRunning();
  });
}

int64_t WriterSession::NextPauseNs() {
  const int64_t pause_ms = prng_.Between(pause_ms_ / 2, pause_ms_ + pause_ms_ / 2);
  pause_ms_ = std::min(pause_ms_ * 2, kPauseMsMax);
  return pause_ms * kNanosPerMilli;
}

void WriterSession::Repeat(std::vector<StatementCall> calls, WriterReply reply) {
  SendRepeated(
      std::make_shared<Repeated>(Repeated{.calls = std::move(calls), .reply = std::move(reply)}));
}

void WriterSession::SendRepeated(std::shared_ptr<Repeated> repeated) {
  if (!connection_.is_ready()) {
    waiting_.push_back(std::move(repeated));
    return;
  }
  const std::vector<StatementCall>& calls = repeated->calls;
  connection_.Execute(calls, [this, repeated](TransactionResult result) mutable {
    if (result.is_committed()) {
      pause_ms_ = kPauseMsMin;
      SetPutOff(false);
      WriterResult done;
      done.rows = std::move(result.rows);
      return repeated->reply(std::move(done));
    }
    if (result.outcome != TransactionResult::Outcome::kRefused) return SendRepeated(repeated);
    const ErrorClass error_class = result.error->Class();
    if (error_class == ErrorClass::kConflict || error_class == ErrorClass::kAway ||
        error_class == ErrorClass::kTimeout) {
      if (error_class != ErrorClass::kConflict) SetPutOff(true);
      return PauseRepeated(repeated);
    }
    SetPutOff(false);
    WriterResult refused;
    refused.outcome =
        error_class == ErrorClass::kLeaseLost ? Outcome::kLeaseLost : Outcome::kRefused;
    refused.error = std::move(result.error);
    refused.failed_statement = result.failed_statement;
    repeated->reply(std::move(refused));
  });
}

void WriterSession::PauseRepeated(std::shared_ptr<Repeated> repeated) {
  ++retry_count_;
  reactor_.CallAfter(NextPauseNs(), [this, alive = std::weak_ptr<int>(alive_), repeated] {
    if (!alive.expired()) SendRepeated(repeated);
  });
}

}  // namespace holdfast::workflows
