#include "workflows/runtime/memory_journal.h"

#include <algorithm>
#include <deque>
#include <functional>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"

namespace holdfast::workflows {

// Requests outlive the journal that made them: they hold on to this, not to it.
struct MemoryJournal::Shared {
  Shared(MemoryDatabase& database_in, Reactor& reactor_in, const MemoryJournalOptions& options_in,
         uint64_t seed)
      : database(database_in), reactor(reactor_in), options(options_in), prng(seed) {}

  MemoryDatabase& database;
  Reactor& reactor;
  const MemoryJournalOptions options;
  Prng prng;
  // False once the process is gone: nobody hears answers any more.
  bool is_alive = true;
  // False once requests still on their way are lost as well.
  bool do_requests_arrive = true;
  bool is_available = true;
  std::optional<ExecutorIdentity> identity;
  int64_t lease_ttl_ms = 0;
  JournalListener* listener = nullptr;
  std::deque<Callback> waiting_writes;  // of a database that is away
  size_t unanswered_write_count = 0;
  // When the last write of a workflow reaches the database; the next one may not overtake it.
  absl::flat_hash_map<std::string, int64_t> arrival_ns_by_order_key;

  int64_t Draw(int64_t max_ns) { return max_ns <= 0 ? 0 : prng.Between(0, max_ns); }

  const ExecutorIdentity* executor() const { return identity ? &*identity : nullptr; }

  void Tell(std::string_view name, WriteMoment moment) const {
    if (options.on_write) options.on_write(name, moment);
  }

  // Runs `callback` at `monotonic_ns`; at once (but not inside this call) when that is now.
  void At(int64_t monotonic_ns, Callback callback) {
    if (monotonic_ns <= reactor.clock().MonotonicNs()) {
      reactor.Post(std::move(callback));
    } else {
      reactor.CallAt(monotonic_ns, std::move(callback));
    }
  }

  int64_t ArrivalNs(const std::string& order_key) {
    const int64_t now_ns = reactor.clock().MonotonicNs();
    int64_t arrival_ns = now_ns + Draw(options.request_delay_ns_max);
    if (order_key.empty() || options.request_delay_ns_max == 0) return arrival_ns;
    if (arrival_ns_by_order_key.size() > kOrderKeyCountMax) {
      absl::erase_if(arrival_ns_by_order_key,
                     [now_ns](const auto& entry) { return entry.second < now_ns; });
    }
    int64_t& last_ns = arrival_ns_by_order_key[order_key];
    arrival_ns = std::max(arrival_ns, last_ns);
    last_ns = arrival_ns;
    return arrival_ns;
  }

  static constexpr size_t kOrderKeyCountMax = 4'096;
};

MemoryJournal::MemoryJournal(MemoryDatabase& database, Reactor& reactor,
                             MemoryJournalOptions options, uint64_t seed)
    : database_(database),
      reactor_(reactor),
      options_(options),
      shared_(std::make_shared<Shared>(database, reactor, options, seed)) {
  news_key_ = database_.AddNewsSink([this](MemoryDatabase::News news, const std::string& id,
                                           const std::string& key) { OnNews(news, id, key); });
}

MemoryJournal::~MemoryJournal() {
  Cut();
  database_.RemoveNewsSink(news_key_);
}

void MemoryJournal::Cut() {
  if (!shared_->is_alive) return;
  shared_->is_alive = false;
  shared_->do_requests_arrive = do_requests_outlive_;
  shared_->listener = nullptr;
  shared_->waiting_writes.clear();
}

void MemoryJournal::SetListener(JournalListener* listener) { shared_->listener = listener; }

void MemoryJournal::SetAvailable(bool is_available) {
  if (shared_->is_available == is_available) return;
  shared_->is_available = is_available;
  if (is_available) {
    std::deque<Callback> writes = std::move(shared_->waiting_writes);
    shared_->waiting_writes.clear();
    for (Callback& write : writes) reactor_.Post(std::move(write));
  }
  reactor_.Post([shared = shared_, is_available] {
    if (shared->listener == nullptr) return;
    shared->listener->OnAvailability(is_available);
    if (is_available && shared->listener != nullptr) shared->listener->OnNewsLost();
  });
}

void MemoryJournal::OnNews(MemoryDatabase::News news, const std::string& id,
                           const std::string& key) {
  if (!shared_->is_available) return;
  if (options_.lost_news_one_in > 0 && shared_->prng.Chance(1, options_.lost_news_one_in)) return;
  const int64_t arrival_ns =
      reactor_.clock().MonotonicNs() + shared_->Draw(options_.answer_delay_ns_max);
  shared_->At(arrival_ns, [shared = shared_, news, id, key] {
    JournalListener* listener = shared->listener;
    if (listener == nullptr) return;
    switch (news) {
      case MemoryDatabase::News::kQueue:
        return listener->OnQueueChanged(id);
      case MemoryDatabase::News::kMessage:
        return listener->OnMessage(id, key);
      case MemoryDatabase::News::kEvent:
        return listener->OnEvent(id, key);
      case MemoryDatabase::News::kStream:
        return listener->OnStream(id, key);
      case MemoryDatabase::News::kEnded:
        return listener->OnWorkflowEnded(id);
      case MemoryDatabase::News::kChanged:
        return listener->OnWorkflowChanged(id);
    }
  });
}

namespace {

template <class T, class Work>
absl::StatusOr<T> RunWork(Work& work) {
  return work();
}

}  // namespace

template <class T>
void MemoryJournal::Answer(std::shared_ptr<Shared> shared, std::string_view name,
                           absl::StatusOr<T> result, Reply<T> reply) {
  Shared& road = *shared;
  int64_t delay_ns = road.Draw(road.options.answer_delay_ns_max);
  const uint32_t one_in = road.options.lost_answer_one_in;
  if (one_in > 0 && road.prng.Chance(1, one_in)) delay_ns += road.options.reconnect_delay_ns;
  road.At(road.reactor.clock().MonotonicNs() + delay_ns,
          [shared = std::move(shared), name, result = std::move(result),
           reply = std::move(reply)]() mutable {
            if (!shared->is_alive) return;
            shared->Tell(name, WriteMoment::kAnswered);
            if (!shared->is_alive) return;
            --shared->unanswered_write_count;
            reply(std::move(result));
          });
}

template <class T, class Work>
void MemoryJournal::Write(std::string_view name, const std::string& order_key, Work work,
                          Reply<T> reply) {
  if (!shared_->is_alive) return;
  if (shared_->unanswered_write_count >= options_.waiting_write_count_max) {
    reactor_.Post([reply = std::move(reply), bound = options_.waiting_write_count_max]() mutable {
      reply(absl::ResourceExhaustedError(
          absl::StrCat("too many writes wait for the journal: bound=", bound)));
    });
    return;
  }
  ++shared_->unanswered_write_count;
  auto act = [shared = shared_, work = std::move(work), reply = std::move(reply), name]() mutable {
    if (!shared->is_alive && !shared->do_requests_arrive) return;
    absl::StatusOr<T> result = RunWork<T>(work);
    if (shared->is_alive) shared->Tell(name, WriteMoment::kDurable);
    Answer<T>(std::move(shared), name, std::move(result), std::move(reply));
  };
  shared_->At(shared_->ArrivalNs(order_key),
              [shared = shared_, act = Callback(std::move(act))]() mutable {
                if (shared->is_available) return act();
                if (shared->is_alive) shared->waiting_writes.push_back(std::move(act));
              });
  shared_->Tell(name, WriteMoment::kSent);
}

template <class T, class Work>
void MemoryJournal::Read(Work work, Reply<T> reply) {
  const int64_t now_ns = reactor_.clock().MonotonicNs();
  if (!shared_->is_available) {
    shared_->At(now_ns + options_.read_timeout_ns,
                [shared = shared_, reply = std::move(reply)]() mutable {
                  if (shared->is_alive) reply(absl::UnavailableError("the database is away"));
                });
    return;
  }
  shared_->At(now_ns + shared_->Draw(options_.request_delay_ns_max),
              [shared = shared_, work = std::move(work), reply = std::move(reply)]() mutable {
                if (!shared->is_alive) return;
                absl::StatusOr<T> result = RunWork<T>(work);
                const int64_t at_ns = shared->reactor.clock().MonotonicNs() +
                                      shared->Draw(shared->options.answer_delay_ns_max);
                Shared& road = *shared;
                road.At(at_ns, [shared = std::move(shared), result = std::move(result),
                                reply = std::move(reply)]() mutable {
                  if (shared->is_alive) reply(std::move(result));
                });
              });
}

template <class Work>
void MemoryJournal::Operate(Work work, StatusReply reply) {
  Read<std::monostate>(
      [work = std::move(work)]() mutable -> absl::StatusOr<std::monostate> {
        const absl::Status status = work();
        if (!status.ok()) return status;
        return std::monostate();
      },
      [reply = std::move(reply)](absl::StatusOr<std::monostate> result) mutable {
        reply(result.status());
      });
}

// ---- Executor
// -------------------------------------------------------------------------------------

void MemoryJournal::RegisterExecutor(ExecutorIdentity identity, int64_t lease_ttl_ms,
                                     Reply<LeaseGrant> reply) {
  const int64_t sent_ns = reactor_.clock().MonotonicNs();
  Write<LeaseGrant>(
      "register", "",
      [shared = shared_, identity = std::move(identity), lease_ttl_ms,
       sent_ns]() -> absl::StatusOr<LeaseGrant> {
        const absl::StatusOr<int64_t> epoch =
            shared->database.RegisterExecutor(identity, lease_ttl_ms);
        if (!epoch.ok()) return epoch.status();
        shared->identity = identity;
        shared->lease_ttl_ms = lease_ttl_ms;
        return LeaseGrant{.epoch = *epoch,
                          .valid_until_ns = sent_ns + lease_ttl_ms * kNanosPerMilli};
      },
      std::move(reply));
}

void MemoryJournal::RenewLease(Reply<LeaseGrant> reply) {
  HF_ASSERT(shared_->identity.has_value());
  const int64_t sent_ns = reactor_.clock().MonotonicNs();
  Write<LeaseGrant>(
      "renew", "",
      [shared = shared_, identity = *shared_->identity, sent_ns]() -> absl::StatusOr<LeaseGrant> {
        const absl::StatusOr<int64_t> epoch =
            shared->database.RenewLease(identity, shared->lease_ttl_ms);
        if (!epoch.ok()) return epoch.status();
        return LeaseGrant{.epoch = *epoch,
                          .valid_until_ns = sent_ns + shared->lease_ttl_ms * kNanosPerMilli};
      },
      std::move(reply));
}

void MemoryJournal::ReleaseLease(StatusReply reply) {
  Operate(
      [shared = shared_] {
        if (shared->identity) shared->database.ReleaseLease(*shared->identity);
        return absl::OkStatus();
      },
      std::move(reply));
}

// ---- Writes and claims. Each carries the identity that the executor had when it made it
// -----------

void MemoryJournal::Start(StartRequest request, Reply<StartResult> reply) {
  const std::string key = request.workflow.id;
  Write<StartResult>(
      "start", key,
      [shared = shared_, identity = shared_->identity, request = std::move(request)] {
        return shared->database.Start(identity ? &*identity : nullptr, request);
      },
      std::move(reply));
}

void MemoryJournal::Commit(WorkflowCommit commit, Reply<CommitResult> reply) {
  HF_ASSERT(shared_->identity.has_value());
  const std::string key = commit.fence.workflow_id;
  const std::string_view name = commit.finish ? "finish" : "commit";
  Write<CommitResult>(
      name, key,
      [shared = shared_, identity = *shared_->identity, commit = std::move(commit)] {
        return shared->database.Commit(identity, commit);
      },
      std::move(reply));
}

void MemoryJournal::RunTransaction(TransactionRequest request,
                                   Reply<std::optional<StepRecord>> reply) {
  HF_ASSERT(shared_->identity.has_value());
  const std::string key = request.fence.workflow_id;
  Write<std::optional<StepRecord>>(
      "transaction", key,
      [shared = shared_, identity = *shared_->identity,
       request = std::move(request)]() -> absl::StatusOr<std::optional<StepRecord>> {
        auto* body = dynamic_cast<MemoryTransactionBody*>(request.body.get());
        if (body == nullptr) {
          return absl::InvalidArgumentError("the transaction was made for another journal");
        }
        // An empty commit tells whether the fence holds.
        WorkflowCommit commit{.fence = request.fence,
                              .steps = {},
                              .effects = {},
                              .application_rows = {},
                              .finish = {}};
        absl::StatusOr<CommitResult> check = shared->database.Commit(identity, commit);
        if (!check.ok()) return check.status();
        if (!check->is_durable) return std::optional<StepRecord>();
        const absl::StatusOr<std::string> output = body->Run();
        if (!output.ok()) return output.status();
        StepRecord step = request.step;
        step.output = *output;
        step.completed_at_ms = shared->database.NowMs();
        commit.steps.push_back(step);
        const absl::StatusOr<CommitResult> result = shared->database.Commit(identity, commit);
        if (!result.ok()) return result.status();
        return std::optional<StepRecord>(std::move(step));
      },
      std::move(reply));
}

void MemoryJournal::ClaimQueued(ClaimRequest request, Reply<ClaimResult> reply) {
  HF_ASSERT(shared_->identity.has_value());
  Write<ClaimResult>(
      "claim", "",
      [shared = shared_, identity = *shared_->identity, request = std::move(request)] {
        return shared->database.ClaimQueued(identity, request);
      },
      std::move(reply));
}

void MemoryJournal::ClaimAbandoned(AdoptRequest request, Reply<ClaimResult> reply) {
  HF_ASSERT(shared_->identity.has_value());
  Write<ClaimResult>(
      "adopt", "",
      [shared = shared_, identity = *shared_->identity, request = std::move(request)] {
        return shared->database.ClaimAbandoned(identity, request);
      },
      std::move(reply));
}

void MemoryJournal::Sweep(SweepRequest request, Reply<SweepResult> reply) {
  HF_ASSERT(shared_->identity.has_value());
  Read<SweepResult>([shared = shared_, identity = *shared_->identity,
                     request] { return shared->database.Sweep(identity, request); },
                    std::move(reply));
}

// ---- Reads
// ----------------------------------------------------------------------------------------

void MemoryJournal::GetWorkflow(std::string id, bool with_payloads,
                                Reply<std::optional<WorkflowRecord>> reply) {
  Read<std::optional<WorkflowRecord>>(
      [shared = shared_, id = std::move(id), with_payloads] {
        return shared->database.GetWorkflow(id, with_payloads);
      },
      std::move(reply));
}

void MemoryJournal::ListWorkflows(WorkflowFilter filter, Reply<std::vector<WorkflowRecord>> reply) {
  Read<std::vector<WorkflowRecord>>(
      [shared = shared_, filter = std::move(filter)] {
        return shared->database.ListWorkflows(filter);
      },
      std::move(reply));
}

void MemoryJournal::ListSteps(std::string workflow_id, Reply<std::vector<StepRecord>> reply) {
  Read<std::vector<StepRecord>>(
      [shared = shared_, id = std::move(workflow_id)] { return shared->database.ListSteps(id); },
      std::move(reply));
}

void MemoryJournal::GetEvent(std::string workflow_id, std::string key,
                             Reply<std::optional<Value>> reply) {
  Read<std::optional<Value>>([shared = shared_, id = std::move(workflow_id),
                              key = std::move(key)] { return shared->database.GetEvent(id, key); },
                             std::move(reply));
}

void MemoryJournal::ReadStream(std::string workflow_id, std::string key, int32_t offset,
                               int32_t limit, Reply<std::vector<Value>> reply) {
  Read<std::vector<Value>>(
      [shared = shared_, id = std::move(workflow_id), key = std::move(key), offset, limit] {
        return shared->database.ReadStream(id, key, offset, limit);
      },
      std::move(reply));
}

void MemoryJournal::Now(Reply<int64_t> reply) {
  Read<int64_t>([shared = shared_] { return shared->database.NowMs(); }, std::move(reply));
}

// ---- Operator calls
// -------------------------------------------------------------------------------

void MemoryJournal::Send(SendEffect message, StatusReply reply) {
  Operate(
      [shared = shared_, message = std::move(message)] { return shared->database.Send(message); },
      std::move(reply));
}

void MemoryJournal::Cancel(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) {
  Read<int64_t>([shared = shared_, ids = std::move(ids),
                 with_children] { return shared->database.Cancel(ids, with_children); },
                std::move(reply));
}

void MemoryJournal::Resume(std::vector<std::string> ids, std::optional<std::string> queue_name,
                           Reply<int64_t> reply) {
  Read<int64_t>(
      [shared = shared_, ids = std::move(ids), queue_name = std::move(queue_name)] {
        return shared->database.Resume(ids, queue_name);
      },
      std::move(reply));
}

void MemoryJournal::Fork(ForkRequest request, StatusReply reply) {
  Operate(
      [shared = shared_, request = std::move(request)] { return shared->database.Fork(request); },
      std::move(reply));
}

void MemoryJournal::Rewind(std::string id, int32_t start_step, StatusReply reply) {
  Operate([shared = shared_, id = std::move(id),
           start_step] { return shared->database.Rewind(id, start_step); },
          std::move(reply));
}

void MemoryJournal::Delete(std::vector<std::string> ids, bool with_children, Reply<int64_t> reply) {
  Read<int64_t>([shared = shared_, ids = std::move(ids),
                 with_children] { return shared->database.Delete(ids, with_children); },
                std::move(reply));
}

void MemoryJournal::SetPriority(std::string id, int32_t priority, StatusReply reply) {
  Operate([shared = shared_, id = std::move(id),
           priority] { return shared->database.SetPriority(id, priority); },
          std::move(reply));
}

void MemoryJournal::SetDelay(std::string id, int64_t delay_until_ms, StatusReply reply) {
  Operate([shared = shared_, id = std::move(id),
           delay_until_ms] { return shared->database.SetDelay(id, delay_until_ms); },
          std::move(reply));
}

void MemoryJournal::UpsertQueue(QueueConfig queue, StatusReply reply) {
  Operate(
      [shared = shared_, queue = std::move(queue)] {
        shared->database.UpsertQueue(queue);
        return absl::OkStatus();
      },
      std::move(reply));
}

void MemoryJournal::ListQueues(Reply<std::vector<QueueConfig>> reply) {
  Read<std::vector<QueueConfig>>([shared = shared_] { return shared->database.ListQueues(); },
                                 std::move(reply));
}

void MemoryJournal::DeleteQueue(std::string name, StatusReply reply) {
  Operate([shared = shared_, name = std::move(name)] { return shared->database.DeleteQueue(name); },
          std::move(reply));
}

void MemoryJournal::UpsertSchedule(ScheduleRecord schedule, StatusReply reply) {
  Operate(
      [shared = shared_, schedule = std::move(schedule)] {
        shared->database.UpsertSchedule(schedule);
        return absl::OkStatus();
      },
      std::move(reply));
}

void MemoryJournal::ListSchedules(Reply<std::vector<ScheduleRecord>> reply) {
  Read<std::vector<ScheduleRecord>>([shared = shared_] { return shared->database.ListSchedules(); },
                                    std::move(reply));
}

void MemoryJournal::DeleteSchedule(std::string name, StatusReply reply) {
  Operate(
      [shared = shared_, name = std::move(name)] { return shared->database.DeleteSchedule(name); },
      std::move(reply));
}

void MemoryJournal::SetScheduleStatus(std::string name, ScheduleStatus status, StatusReply reply) {
  Operate([shared = shared_, name = std::move(name),
           status] { return shared->database.SetScheduleStatus(name, status); },
          std::move(reply));
}

void MemoryJournal::RecordScheduleFired(std::string name, std::string fired_at, StatusReply reply) {
  Operate(
      [shared = shared_, name = std::move(name), fired_at = std::move(fired_at)] {
        return shared->database.RecordScheduleFired(name, fired_at);
      },
      std::move(reply));
}

void MemoryJournal::ListVersions(Reply<std::vector<ApplicationVersion>> reply) {
  Read<std::vector<ApplicationVersion>>(
      [shared = shared_] { return shared->database.ListVersions(); }, std::move(reply));
}

void MemoryJournal::SetLatestVersion(std::string name, StatusReply reply) {
  Operate([shared = shared_,
           name = std::move(name)] { return shared->database.SetLatestVersion(name); },
          std::move(reply));
}

void MemoryJournal::Retain(RetentionRequest request, Reply<int64_t> reply) {
  Read<int64_t>([shared = shared_, request] { return shared->database.Retain(request); },
                std::move(reply));
}

}  // namespace holdfast::workflows
