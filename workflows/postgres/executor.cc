// The executor's lease: taking, renewing and giving it back, and what its end means here.

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "workflows/postgres/postgres_journal.h"
#include "workflows/postgres/statements.h"

namespace holdfast::workflows {
namespace {

// How long a lock is waited for before it is asked who holds it.
constexpr int64_t kBlockedNs = kNanosPerSecond;

// A process that is frozen, or a machine that is gone, in the middle of sending a batch leaves a
// server process that waits for the rest with its locks held. Only sessions of executors ($2 begins
// their names) are ended: what an operator's session locks is waited for.
constexpr Statement kEndBlockers = {
    "end_blockers",
    "SELECT pg_terminate_backend(a.pid) FROM unnest(pg_blocking_pids($1::int4)) AS b (pid) "
    "JOIN pg_stat_activity AS a ON a.pid = b.pid WHERE a.wait_event_type = 'Client' "
    "AND starts_with(a.application_name, $2) "
    "AND a.xact_start < clock_timestamp() - interval '1 second'"};

bool IsUuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char letter = text[i];
    const bool is_digit = (letter >= '0' && letter <= '9') || (letter >= 'a' && letter <= 'f') ||
                          (letter >= 'A' && letter <= 'F');
    if (is_dash ? letter != '-' : !is_digit) return false;
  }
  return true;
}

// Schema `holdfast` keeps incarnations as UUIDs, and never revives one whose lease ended: a process
// that registers again does so under the next number of its incarnation.
std::string DatabaseIncarnation(const std::string& incarnation, int32_t registration) {
  if (registration == 0 && IsUuid(incarnation)) return incarnation;
  const std::string text = absl::StrCat(incarnation, "#", registration);
  unsigned __int128 hash =
      (static_cast<unsigned __int128>(0x6c62272e07bb0142u) << 64) | 0x62b821756295c58du;
  const unsigned __int128 prime = (static_cast<unsigned __int128>(1) << 88) | 0x13bu;
  for (const char letter : text) hash = (hash ^ static_cast<unsigned char>(letter)) * prime;
  const auto high = static_cast<uint64_t>(hash >> 64);
  const auto low = static_cast<uint64_t>(hash);
  return absl::StrFormat("%08x-%04x-%04x-%04x-%012x", high >> 32, (high >> 16) & 0xffff,
                         high & 0xffff, low >> 48, low & 0xffff'ffff'ffffu);
}

}  // namespace

void PostgresJournal::RegisterExecutor(ExecutorIdentity identity, int64_t lease_ttl_ms,
                                       Reply<LeaseGrant> reply) {
  if (!identity_ || identity_->incarnation != identity.incarnation) registration_count_ = 0;
  identity_ = std::move(identity);
  SendRegister(std::make_shared<Reply<LeaseGrant>>(std::move(reply)), lease_ttl_ms);
}

void PostgresJournal::SendRegister(std::shared_ptr<Reply<LeaseGrant>> reply, int64_t lease_ttl_ms) {
  const ExecutorIdentity& identity = *identity_;
  std::vector<StatementCall> calls(2);
  calls[0].statement = statements::kRegisterExecutor;
  // Shards: the writers, then the claims, then the transaction threads.
  calls[0]
      .parameters.Text(identity.executor_id)
      .Text(DatabaseIncarnation(identity.incarnation, registration_count_))
      .Int8(lease_ttl_ms)
      .Int4(options_.writer_count + 1 + options_.transaction_thread_count)
      .Text(identity.application_name)
      .Text(identity.application_version)
      .Text(identity.host)
      .Int8(identity.process_id);
  calls[1].statement = statements::kRegisterVersion;
  calls[1].parameters.Text(identity.application_version);
  calls[1].parameters.OptionalText(
      identity.application_name.empty() ? std::nullopt : std::optional(identity.application_name));
  const int64_t sent_ns = reactor_.clock().MonotonicNs();
  lease_session_->Repeat(
      std::move(calls),
      [this, reply, sent_ns, lease_ttl_ms, wait = EndBlockersOf(*lease_session_)](
          WriterResult result) { OnRegistered(result, sent_ns, lease_ttl_ms, reply); });
}

void PostgresJournal::OnRegistered(const WriterResult& result, int64_t sent_ns,
                                   int64_t lease_ttl_ms, std::shared_ptr<Reply<LeaseGrant>> reply) {
  if (result.outcome == WriterResult::Outcome::kLeaseLost) {
    ++registration_count_;
    return SendRegister(std::move(reply), lease_ttl_ms);
  }
  if (result.outcome != WriterResult::Outcome::kCommitted) {
    return (*reply)(result.error->ToStatus("register executor"));
  }
  const LeaseIdentity lease = {
      .executor_id = identity_->executor_id,
      .incarnation = DatabaseIncarnation(identity_->incarnation, registration_count_),
      .epoch = result.rows[0].Integer(0, 0)};
  batch_identity_ = {.executor_id = identity_->executor_id,
                     .application_name = identity_->application_name,
                     .application_version = identity_->application_version};
  lease_ttl_ms_ = lease_ttl_ms;
  adopted_executors_.clear();
  is_own_past_adopted_ = false;
  SetLease(lease, LeaseState::kHeld);
  (*reply)(
      LeaseGrant{.epoch = lease.epoch, .valid_until_ns = sent_ns + lease_ttl_ms * kNanosPerMilli});
}

std::shared_ptr<int> PostgresJournal::EndBlockersOf(WriterSession& session) {
  auto wait = std::make_shared<int>(0);
  EndBlockersLater(session, wait);
  return wait;
}

void PostgresJournal::EndBlockersLater(WriterSession& session, std::weak_ptr<int> wait) {
  reactor_.CallAfter(kBlockedNs, [this, &session, wait, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired() || wait.expired()) return;
    StatementCall call = {.statement = kEndBlockers, .parameters = {}};
    call.parameters.Int4(session.connection().backend_pid())
        .Text(absl::StrCat(options_.session_name, " "));
    control_->Run({std::move(call)}, /*is_repeatable=*/false,
                  [this, &session, wait](const absl::StatusOr<std::vector<Rows>>&) {
                    if (!wait.expired()) EndBlockersLater(session, wait);
                  });
  });
}

void PostgresJournal::SetLease(std::optional<LeaseIdentity> lease, LeaseState state) {
  lease_ = lease;
  lease_state_ = state;
  for (const std::unique_ptr<Writer>& writer : writers_) {
    writer->SetIdentity(lease, batch_identity_);
  }
  claim_session_->SetIdentity(lease);
}

void PostgresJournal::RenewLease(Reply<LeaseGrant> reply) {
  const absl::Status status = CheckMayWrite(/*needs_lease=*/true);
  if (!status.ok()) {
    reactor_.Post([reply = std::move(reply), status]() mutable { reply(status); });
    return;
  }
  StatementCall call = {.statement = statements::kRenewLease, .parameters = {}};
  call.parameters.Text(lease_->executor_id).Text(lease_->incarnation).Int8(lease_ttl_ms_);
  const int64_t sent_ns = reactor_.clock().MonotonicNs();
  auto shared = std::make_shared<Reply<LeaseGrant>>(std::move(reply));
  lease_session_->Repeat(
      {std::move(call)}, [this, shared, sent_ns, lease = *lease_](const WriterResult& result) {
        if (result.outcome == WriterResult::Outcome::kCommitted) {
          return (*shared)(LeaseGrant{.epoch = result.rows[0].Integer(0, 0),
                                      .valid_until_ns = sent_ns + lease_ttl_ms_ * kNanosPerMilli});
        }
        const absl::Status error = result.error->ToStatus("renew lease");
        const std::weak_ptr<int> alive = alive_;
        (*shared)(error);
        if (alive.expired()) return;
        if (result.outcome == WriterResult::Outcome::kLeaseLost && lease_ == lease)
          OnLeaseLost(error);
      });
}

void PostgresJournal::ReleaseLease(StatusReply reply) {
  if (lease_state_ != LeaseState::kHeld) {
    reactor_.Post([reply = std::move(reply)]() mutable { reply(absl::OkStatus()); });
    return;
  }
  StatementCall call = {.statement = statements::kReleaseLease, .parameters = {}};
  call.parameters.Text(lease_->executor_id).Text(lease_->incarnation);
  control_->Run({std::move(call)}, /*is_repeatable=*/true,
                [this, lease = *lease_,
                 reply = std::move(reply)](const absl::StatusOr<std::vector<Rows>>& rows) mutable {
                  if (rows.ok() && lease_ == lease) {
                    OnLeaseLost(absl::PermissionDeniedError("the lease was given back"));
                  }
                  reply(rows.status());
                });
}

void PostgresJournal::OnLeaseLost(const absl::Status& status) {
  if (lease_state_ != LeaseState::kHeld) return;
  SetLease(std::nullopt, LeaseState::kLost);
  announced_ids_.clear();
  for (const std::unique_ptr<Writer>& writer : writers_) writer->FailWaiting(status);
  FailClaims(status);
}

void PostgresJournal::OnDataLoss(const absl::Status& status) {
  if (lease_state_ != LeaseState::kHeld) return;
  // The lease still runs in this database, and nobody else gives it back: not to be waited for.
  StatementCall release = {.statement = statements::kReleaseLease, .parameters = {}};
  release.parameters.Text(lease_->executor_id).Text(lease_->incarnation);
  lease_session_->Repeat({std::move(release)}, [](const WriterResult&) {});
  SetLease(std::nullopt, LeaseState::kLost);
  announced_ids_.clear();
  for (const std::unique_ptr<Writer>& writer : writers_) writer->FailWaiting(status);
  FailClaims(status);
  if (news_->listener() != nullptr) news_->listener()->OnDataLoss(std::string(status.message()));
}

}  // namespace holdfast::workflows
