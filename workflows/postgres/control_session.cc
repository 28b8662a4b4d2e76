#include "workflows/postgres/control_session.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace holdfast::workflows {
namespace {

constexpr int64_t kRetryPauseNs = 10 * kNanosPerMilli;

}  // namespace

ControlSession::ControlSession(EpollReactor& reactor, Options options, uint64_t seed)
    : reactor_(reactor),
      options_(std::move(options)),
      connection_(reactor, options_.connection, seed,
                  {.on_ready = [this] { OnReady(); },
                   .on_lost = nullptr,
                   .on_attempt_failed = nullptr,
                   .on_notification = nullptr}) {}

ControlSession::~ControlSession() {
  if (timer_) reactor_.CancelTimer(*timer_);
}

void ControlSession::Run(std::vector<StatementCall> calls, bool is_repeatable, RowsReply reply) {
  auto call = std::make_shared<Call>();
  call->statements = std::move(calls);
  call->is_repeatable = is_repeatable;
  call->deadline_ns = reactor_.clock().MonotonicNs() + options_.timeout_ms * kNanosPerMilli;
  call->reply = std::move(reply);
  Send(std::move(call));
}

void ControlSession::Send(std::shared_ptr<Call> call) {
  if (!connection_.is_ready()) return Wait(std::move(call));
  const std::vector<StatementCall>& statements = call->statements;
  connection_.Execute(statements, [this, call](TransactionResult result) mutable {
    OnResult(std::move(call), std::move(result));
  });
}

void ControlSession::OnResult(std::shared_ptr<Call> call, TransactionResult result) {
  switch (result.outcome) {
    case TransactionResult::Outcome::kCommitted:
      return call->reply(std::move(result.rows));
    case TransactionResult::Outcome::kNotSent:
      return Wait(std::move(call));
    case TransactionResult::Outcome::kInDoubt:
      if (call->is_repeatable) return Wait(std::move(call));
      return call->reply(
          absl::UnknownError("the connection was lost before the answer: it may have happened"));
    case TransactionResult::Outcome::kRefused: {
      const ErrorClass error_class = result.error->Class();
      if (error_class == ErrorClass::kConflict || error_class == ErrorClass::kAway) {
        if (reactor_.clock().MonotonicNs() < call->deadline_ns) return RetryLater(std::move(call));
      }
      return call->reply(result.error->ToStatus("database"));
    }
  }
}

void ControlSession::RetryLater(std::shared_ptr<Call> call) {
  reactor_.CallAfter(kRetryPauseNs, [this, alive = std::weak_ptr<int>(alive_), call] {
    if (!alive.expired()) Send(call);
  });
}

void ControlSession::Wait(std::shared_ptr<Call> call) {
  if (waiting_.size() >= options_.waiting_count_max) {
    reactor_.Post([alive = std::weak_ptr<int>(alive_), call] {
      if (!alive.expired()) call->reply(absl::UnavailableError("too many calls wait"));
    });
    return;
  }
  waiting_.push_back(std::move(call));
  ArmTimer();
}

void ControlSession::OnReady() {
  for (std::shared_ptr<Call>& call : std::exchange(waiting_, {})) Send(std::move(call));
}

void ControlSession::ArmTimer() {
  if (timer_ || waiting_.empty()) return;
  timer_ = reactor_.CallAt(waiting_.front()->deadline_ns, [this] {
    timer_.reset();
    ExpireWaiting();
  });
}

void ControlSession::ExpireWaiting() {
  const std::weak_ptr<int> alive = alive_;
  const int64_t now_ns = reactor_.clock().MonotonicNs();
  while (!waiting_.empty() && waiting_.front()->deadline_ns <= now_ns) {
    const std::shared_ptr<Call> call = std::move(waiting_.front());
    waiting_.pop_front();
    call->reply(absl::UnavailableError(
        absl::StrCat("the database is away: ", connection_.last_error().message())));
    if (alive.expired()) return;
  }
  ArmTimer();
}

}  // namespace holdfast::workflows
