#include "workflows/postgres/postgres_journal.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"
#include "workflows/postgres/batch_columns.h"
#include "workflows/postgres/statements.h"
#include "workflows/postgres/transaction_pool.h"

namespace holdfast::workflows {
namespace {

constexpr int32_t kWriterCountMax = 64;

// The statements of the hot path join a handful of rows, that arrive as arrays, with tables of any
// size: by index, whatever the statistics of a young table say, and planned once.
const std::vector<std::pair<std::string, std::string>>& PlanSettings() {
  static const auto& settings = *new std::vector<std::pair<std::string, std::string>>{
      {"plan_cache_mode", "force_generic_plan"},
      {"enable_seqscan", "off"},
      {"enable_hashjoin", "off"},
      {"enable_mergejoin", "off"},
      {"jit", "off"}};
  return settings;
}

uint64_t HashOf(std::string_view text) {  // the same in every build, for every run
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char letter : text) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3u;
  }
  return hash ^ (hash >> 29);
}

}  // namespace

absl::StatusOr<std::unique_ptr<PostgresJournal>> PostgresJournal::Create(
    EpollReactor& reactor, PostgresJournalOptions options) {
  std::unique_ptr<PostgresJournal> journal(new PostgresJournal(reactor, std::move(options)));
  HF_RETURN_IF_ERROR(journal->Open());
  return journal;
}

PostgresJournal::PostgresJournal(EpollReactor& reactor, PostgresJournalOptions options)
    : reactor_(reactor), options_(std::move(options)), prng_(options_.seed) {}

PostgresJournal::~PostgresJournal() {
  if (away_timer_) reactor_.CancelTimer(*away_timer_);
}

ConnectionOptions PostgresJournal::MakeConnectionOptions(std::string_view role) const {
  return {.database_url = options_.database_url,
          .application_name = absl::StrCat(options_.session_name, " ", std::string(role)),
          .settings = PlanSettings(),
          .channels = {},
          .connect_timeout_ms = options_.connect_timeout_ms,
          .statement_timeout_ms = options_.statement_timeout_ms,
          .retry_ms_max = options_.reconnect_ms_max};
}

absl::Status PostgresJournal::Open() {
  HF_RETURN_IF_ERROR(CheckDatabaseUrl(options_.database_url));
  if (options_.writer_count < 1 || options_.writer_count > kWriterCountMax) {
    return absl::InvalidArgumentError(absl::StrCat("writer_count=", options_.writer_count));
  }
  for (const ApplicationSink& sink : options_.sinks) {
    HF_RETURN_IF_ERROR(sinks_.Add(sink.name, sink.sql));
  }
  const auto on_availability = [this](bool) { OnAvailability(); };
  ConnectionOptions lease_options = MakeConnectionOptions("lease");
  lease_options.channels = News::Channels();
  lease_session_ = std::make_unique<WriterSession>(
      reactor_, std::move(lease_options), 0, prng_.Next(),
      WriterSession::Callbacks{
          .on_idle =
              [this] {
                // Called when the connection is there (again).
                if (was_connected_ && news_->listener() != nullptr) news_->listener()->OnNewsLost();
                was_connected_ = true;
              },
          .on_availability = on_availability,
          .on_notification =
              [this](std::string_view channel, std::string_view payload, int backend_pid) {
                news_->OnNotification(channel, payload, backend_pid);
              }});
  news_ = std::make_unique<News>(reactor_, *lease_session_);
  for (int32_t shard = 0; shard < options_.writer_count; ++shard) {
    writers_.push_back(std::make_unique<Writer>(
        reactor_, MakeConnectionOptions("writer"), shard, prng_.Next(), options_.writer_limits,
        sinks_,
        Writer::Hooks{.mint_token = [this] { return MintToken(); },
                      .on_durable = [this](const PendingWrite& write) { OnDurable(write); },
                      .on_lease_lost = [this](const absl::Status& status) { OnLeaseLost(status); },
                      .on_data_loss = [this](const absl::Status& status) { OnDataLoss(status); },
                      .on_availability = on_availability}));
  }
  claim_session_ = std::make_unique<WriterSession>(
      reactor_, MakeConnectionOptions("claims"), options_.writer_count, prng_.Next(),
      WriterSession::Callbacks{.on_idle = [this] { PumpClaims(); },
                               .on_availability = on_availability,
                               .on_notification = nullptr});
  ConnectionOptions control_options = MakeConnectionOptions("control");
  control_options.settings.clear();
  control_ = std::make_unique<ControlSession>(
      reactor_,
      ControlSession::Options{.connection = std::move(control_options),
                              .timeout_ms = options_.read_timeout_ms},
      prng_.Next());
  ConnectionOptions transaction_options = MakeConnectionOptions("transactions");
  transaction_options.settings.clear();
  transactions_ = std::make_unique<TransactionPool>(
      reactor_, TransactionPoolOptions{.connection = std::move(transaction_options),
                                       .first_shard = options_.writer_count + 1,
                                       .thread_count = options_.transaction_thread_count,
                                       .waiting_count_max = options_.waiting_transaction_count_max,
                                       .seed = prng_.Next()});
  lease_session_->Open();
  for (const std::unique_ptr<Writer>& writer : writers_) writer->Open();
  claim_session_->Open();
  control_->Open();
  OnAvailability();
  return absl::OkStatus();
}

PostgresJournalStats PostgresJournal::stats() const {
  PostgresJournalStats stats;
  stats.is_available = claim_session_->is_serving();
  for (const std::unique_ptr<Writer>& writer : writers_) {
    const WriterStats shard = writer->stats();
    for (size_t i = 0; i < shard.batches_by_size.size(); ++i) {
      stats.writes.batches_by_size[i] += shard.batches_by_size[i];
    }
    stats.writes.batch_count += shard.batch_count;
    stats.writes.write_count += shard.write_count;
    stats.writes.split_count += shard.split_count;
    stats.writes.waiting_count += shard.waiting_count;
    stats.retry_count += writer->session().retry_count();
    stats.is_available = stats.is_available && writer->is_available();
  }
  return stats;
}

void PostgresJournal::SetListener(JournalListener* listener) { news_->SetListener(listener); }

std::string PostgresJournal::MintToken() {
  const std::string random = absl::StrFormat("%016x%016x", prng_.Next(), prng_.Next());
  return identity_ ? absl::StrCat(identity_->incarnation, "-", random) : random;
}

Writer& PostgresJournal::WriterOf(std::string_view workflow_id) {
  return *writers_[HashOf(workflow_id) % writers_.size()];
}

absl::Status PostgresJournal::CheckMayWrite(bool needs_lease) const {
  switch (lease_state_) {
    case LeaseState::kHeld:
      return absl::OkStatus();
    case LeaseState::kLost:
      return absl::PermissionDeniedError("the executor's lease ended");
    case LeaseState::kNone:
      if (!needs_lease) return absl::OkStatus();
      return absl::InvalidArgumentError("a client's journal neither owns nor claims workflows");
  }
  return absl::OkStatus();
}

void PostgresJournal::Start(StartRequest request, Reply<StartResult> reply) {
  absl::Status status = CheckMayWrite(request.workflow.owner_token.has_value());
  for (const ApplicationRow& row : request.application_rows) {
    if (status.ok() && !sinks_.Contains(row.sink)) {
      status = absl::InvalidArgumentError(absl::StrCat("unknown sink: sink=", row.sink));
    }
  }
  if (!status.ok()) {
    reactor_.Post([reply = std::move(reply), status]() mutable { reply(status); });
    return;
  }
  auto write = std::make_unique<PendingWrite>();
  Writer& writer = WriterOf(request.workflow.id);
  write->request = std::move(request);
  write->start_reply = std::move(reply);
  writer.Add(std::move(write));
}

void PostgresJournal::Commit(WorkflowCommit commit, Reply<CommitResult> reply) {
  absl::Status status = CheckMayWrite(/*needs_lease=*/true);
  for (const ApplicationRow& row : commit.application_rows) {
    if (status.ok() && !sinks_.Contains(row.sink)) {
      status = absl::InvalidArgumentError(absl::StrCat("unknown sink: sink=", row.sink));
    }
  }
  if (!status.ok()) {
    reactor_.Post([reply = std::move(reply), status]() mutable { reply(status); });
    return;
  }
  auto write = std::make_unique<PendingWrite>();
  Writer& writer = WriterOf(commit.fence.workflow_id);
  write->request = std::move(commit);
  write->commit_reply = std::move(reply);
  writer.Add(std::move(write));
}

void PostgresJournal::OnDurable(const PendingWrite& write) {
  const auto created = [this](const NewWorkflow& workflow) {
    if (!workflow.owner_token && workflow.queue_name) news_->Queue(*workflow.queue_name);
  };
  if (const auto* start = std::get_if<StartRequest>(&write.request)) {
    if (write.start.outcome == StartOutcome::kCreated) created(start->workflow);
    return;
  }
  const WorkflowCommit& commit = write.commit_request();
  for (size_t i = 0; i < commit.effects.size(); ++i) {
    const EffectResult& result = write.commit.effects[i];
    if (result.outcome != EffectOutcome::kApplied) continue;
    const Effect& effect = commit.effects[i];
    const std::string& id = commit.fence.workflow_id;
    if (const auto* child = std::get_if<ChildEffect>(&effect.action)) {
      created(child->child);
    } else if (const auto* send = std::get_if<SendEffect>(&effect.action)) {
      news_->Message(send->destination_id, send->topic ? *send->topic : kNoTopic);
    } else if (const auto* event = std::get_if<SetEventEffect>(&effect.action)) {
      news_->Event(id, event->key);
    } else if (const auto* stream = std::get_if<StreamEffect>(&effect.action)) {
      news_->Stream(id, stream->key);
    }
  }
  if (commit.finish) {
    news_->Ended(commit.fence.workflow_id, announced_ids_.erase(commit.fence.workflow_id) > 0);
  }
}

void PostgresJournal::OnAvailability() {
  bool is_available =
      claim_session_ != nullptr && claim_session_->is_serving() && lease_session_->is_serving();
  for (const std::unique_ptr<Writer>& writer : writers_) {
    is_available = is_available && writer->is_available();
  }
  if (is_available) {
    if (away_timer_) reactor_.CancelTimer(*away_timer_);
    away_timer_.reset();
    if (std::exchange(is_reported_away_, false) && news_->listener() != nullptr) {
      news_->listener()->OnAvailability(true);
    }
    return;
  }
  if (away_timer_ || is_reported_away_) return;
  away_timer_ = reactor_.CallAfter(options_.away_after_ms * kNanosPerMilli, [this] {
    away_timer_.reset();
    is_reported_away_ = true;
    if (news_->listener() != nullptr) news_->listener()->OnAvailability(false);
  });
}

}  // namespace holdfast::workflows
