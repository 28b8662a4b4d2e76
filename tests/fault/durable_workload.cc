#include "tests/fault/durable_workload.h"

#include <unistd.h>

#include <memory>
#include <mutex>
#include <optional>
#include <pqxx/pqxx>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/clock.h"
#include "engine/base/prng.h"
#include "workflows/postgres/libpq_session.h"
#include "workflows/postgres/transaction.h"

// libpqxx 6.4 forgets a result of libpq when the connection is lost under a statement.
extern "C" const char* __lsan_default_suppressions() { return "leak:libpqxx\n"; }

namespace holdfast::testing {
namespace {

using namespace workflows;

constexpr char kTables[] = R"(
CREATE TABLE public.bookings (workflow_id text NOT NULL, function_id int NOT NULL,
                              process_id bigint NOT NULL, run bigint NOT NULL);
CREATE TABLE public.transfers (key text NOT NULL, run bigint NOT NULL);
CREATE TABLE public.recorded_steps (n bigserial, workflow_id text, function_id int, owner text,
                                    at timestamptz NOT NULL);
CREATE TABLE public.ended_workflows (n bigserial, workflow_id text, status text, owner text,
                                     at timestamptz NOT NULL);
CREATE FUNCTION public.note_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.recorded_steps (workflow_id, function_id, owner, at)
  SELECT NEW.workflow_uuid, NEW.function_id, s.owner_xid, clock_timestamp()
  FROM dbos.workflow_status AS s WHERE s.workflow_uuid = NEW.workflow_uuid;
  RETURN NULL;
END $$;
CREATE FUNCTION public.note_end() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.ended_workflows (workflow_id, status, owner, at)
  VALUES (NEW.workflow_uuid, NEW.status, OLD.owner_xid, clock_timestamp());
  RETURN NULL;
END $$;
CREATE TRIGGER note_step AFTER INSERT ON dbos.operation_outputs
  FOR EACH ROW EXECUTE FUNCTION public.note_step();
CREATE TRIGGER note_end AFTER UPDATE ON dbos.workflow_status FOR EACH ROW
  WHEN (NEW.status IN ('SUCCESS', 'ERROR', 'CANCELLED', 'MAX_RECOVERY_ATTEMPTS_EXCEEDED'))
  EXECUTE FUNCTION public.note_end();
)";

int64_t WallNs() {
  static const SystemClock clock;
  return clock.WallNs();
}

// Numbers of runs: microseconds of their beginning, made unique within the process.
int64_t NewRun() {
  static std::atomic<int64_t> last{0};
  int64_t seen = last.load();
  while (true) {
    const int64_t next = std::max(seen + 1, WallNs() / kNanosPerMicro);
    if (last.compare_exchange_weak(seen, next)) return next;
  }
}

struct Booker {
  Outside* outside;
  int64_t run;
  int64_t value;

  absl::StatusOr<Booked> operator()(StepContext& context) const {
    const OutsideEffect effect = {.workflow_id = context.workflow_id(),
                                  .function_id = context.function_id(),
                                  .attempt = context.attempt(),
                                  .process_id = getpid(),
                                  .run = run,
                                  .started_ns = WallNs()};
    HF_RETURN_IF_ERROR(outside->Append(effect));
    context.Record(
        {.sink = "book",
         .json = absl::StrCat(R"({"workflow_id": ")", context.workflow_id(),
                              R"(", "function_id": )", context.function_id(), R"(, "process_id": )",
                              getpid(), R"(, "run": )", run, "}")});
    return Booked{getpid(), run, value};
  }
};

Operation<Booked> Book(Workflow& workflow, const char* name, Booker booker,
                       StepOptions options = {}) {
  return workflow.Step<Booked>(name, std::move(options), booker);
}

Task<absl::StatusOr<int64_t>> Steps(Workflow& workflow, Outside* outside, int size,
                                    bool is_blocking) {
  const int64_t run = NewRun();
  int64_t sum = 0;
  for (int i = 1; i <= size; ++i) {
    StepOptions options;
    options.is_blocking = is_blocking;
    HF_CO_ASSIGN_OR_RETURN(const Booked booked, Book(workflow, "book", {outside, run, i}, options));
    sum += booked[2];
  }
  co_return sum;
}

Task<absl::StatusOr<int64_t>> Flaky(Workflow& workflow, Outside* outside, int size) {
  const Booker booker = {outside, NewRun(), size};
  StepOptions options;
  options.max_attempts = 5;
  options.interval_s = 0.005;
  options.jitter = 0.5;
  HF_CO_ASSIGN_OR_RETURN(
      const Booked booked,
      workflow.Step<Booked>("flaky", options,
                            [booker](StepContext& context) -> absl::StatusOr<Booked> {
                              absl::StatusOr<Booked> booked = booker(context);
                              if (context.attempt() < 3) return absl::UnavailableError("not yet");
                              return booked;
                            }));
  co_return booked[2];
}

Task<absl::StatusOr<int64_t>> Parent(Workflow& workflow, Outside* outside, int size) {
  const int64_t run = NewRun();
  std::vector<ChildHandle<int64_t>> children;
  for (int i = 0; i < size; ++i) {
    ChildOptions options;
    if (i % 2 == 1) options.queue_name = kNarrowQueue;
    HF_CO_ASSIGN_OR_RETURN(auto child, workflow.StartChild<int64_t>("steps", options, 2));
    children.push_back(child);
  }
  HF_CO_ASSIGN_OR_RETURN(const Booked own, Book(workflow, "own", {outside, run, 100}));
  int64_t sum = own[2];
  for (ChildHandle<int64_t>& child : children) {
    HF_CO_ASSIGN_OR_RETURN(const int64_t value, child.Result());
    sum += value;
  }
  co_return sum;
}

Task<absl::StatusOr<int64_t>> Sleeper(Workflow& workflow, Outside* outside, int size) {
  const int64_t run = NewRun();
  HF_CO_ASSIGN_OR_RETURN(const Booked before, Book(workflow, "before", {outside, run, 1}));
  HF_CO_RETURN_IF_ERROR(workflow.Sleep(0.02 * size));
  HF_CO_ASSIGN_OR_RETURN(const Booked after, Book(workflow, "after", {outside, run, 2}));
  co_return before[2] + after[2];
}

Task<absl::StatusOr<int64_t>> Listener(Workflow& workflow, Outside*, int size) {
  const std::string self = workflow.id();
  HF_CO_ASSIGN_OR_RETURN(auto speaker, workflow.StartChild<int64_t>("speaker", {}, self, size));
  int64_t sum = 0;
  for (int i = 0; i < size; ++i) {
    const std::optional<std::string> topic = "numbers";
    HF_CO_ASSIGN_OR_RETURN(const std::optional<int64_t> number,
                           workflow.Receive<int64_t>(topic, 1'000));
    sum += number.value_or(-1'000);
  }
  HF_CO_RETURN_IF_ERROR(workflow.SetEvent("sum", sum));
  HF_CO_ASSIGN_OR_RETURN(const int64_t sent, speaker.Result());
  co_return sum - sent;
}

Task<absl::StatusOr<int64_t>> Speaker(Workflow& workflow, Outside* outside, std::string listener,
                                      int size) {
  const int64_t run = NewRun();
  for (int i = 1; i <= size; ++i) {
    HF_CO_ASSIGN_OR_RETURN(const Booked number, Book(workflow, "think", {outside, run, i}));
    HF_CO_RETURN_IF_ERROR(workflow.Send(listener, number[2], "numbers"));
  }
  HF_CO_ASSIGN_OR_RETURN(const std::optional<int64_t> sum,
                         workflow.GetEvent<int64_t>(listener, "sum", 1'000));
  co_return sum.value_or(-1) == size*(size + 1) / 2 ? size : -1;
}

Task<absl::StatusOr<int64_t>> Pairs(Workflow& workflow, Outside* outside, int size) {
  const int64_t run = NewRun();
  int64_t sum = 0;
  for (int i = 0; i < size; ++i) {
    auto left = Book(workflow, "left", {outside, run, 10});
    auto right = Book(workflow, "right", {outside, run, 1});
    HF_CO_ASSIGN_OR_RETURN(const Booked left_value, left);
    HF_CO_ASSIGN_OR_RETURN(const Booked right_value, right);
    sum += left_value[2] + right_value[2];
    HF_CO_RETURN_IF_ERROR(workflow.SetEvent("round", i));
    HF_CO_RETURN_IF_ERROR(workflow.WriteStream("rounds", i));
  }
  HF_CO_RETURN_IF_ERROR(workflow.CloseStream("rounds"));
  co_return sum;
}

// Application SQL in one commit with its step.
class TransferBody final : public PostgresTransactionBody {
 public:
  TransferBody(std::string key, int64_t run) : key_(std::move(key)), run_(run) {}
  absl::StatusOr<std::string> Run(pqxx::work& transaction) override {
    transaction.exec_params("INSERT INTO public.transfers (key, run) VALUES ($1, $2)", key_, run_);
    return "1";
  }

 private:
  const std::string key_;
  const int64_t run_;
};

Task<absl::StatusOr<int64_t>> Transfer(Workflow& workflow, Outside* outside, int size) {
  const int64_t run = NewRun();
  int64_t sum = 0;
  for (int i = 0; i < size; ++i) {
    const std::string key = absl::StrCat(workflow.id(), "/", i);
    auto body = std::make_shared<TransferBody>(key, run);
    HF_CO_ASSIGN_OR_RETURN(const int64_t one, workflow.RunTransaction<int64_t>("transfer", body));
    HF_CO_ASSIGN_OR_RETURN(const Booked booked, Book(workflow, "book", {outside, run, 1}));
    sum += one + booked[2];
  }
  co_return sum;
}

Task<absl::StatusOr<int64_t>> Waiter(Workflow& workflow, Outside* outside, int size) {
  const int64_t run = NewRun();
  HF_CO_ASSIGN_OR_RETURN(const Booked before, Book(workflow, "before", {outside, run, size}));
  const std::optional<std::string> topic = "go";
  HF_CO_ASSIGN_OR_RETURN(const std::optional<int64_t> go, workflow.Receive<int64_t>(topic, 1'000));
  HF_CO_ASSIGN_OR_RETURN(const Booked after, Book(workflow, "after", {outside, run, 1}));
  co_return before[2] + after[2] + go.value_or(-1'000);
}

}  // namespace

PlannedWorkflow PlanWorkflow(uint64_t seed, int index) {
  Prng prng(seed * 1'000'003 + static_cast<uint64_t>(index));
  PlannedWorkflow planned;
  planned.id = absl::StrCat("w", index);
  planned.size = static_cast<int>(prng.Between(1, 4));
  const int64_t n = planned.size;
  switch (prng.Below(8)) {
    case 0:
      planned.name = "steps";
      planned.output = n * (n + 1) / 2;
      break;
    case 1:
      planned.name = "blocking";
      planned.output = n * (n + 1) / 2;
      break;
    case 2:
      planned.name = "flaky";
      planned.output = n;
      break;
    case 3:
      planned.name = "parent";
      planned.output = 100 + 3 * n;
      break;
    case 4:
      planned.name = "sleeper";
      planned.output = 3;
      break;
    case 5:
      planned.name = "listener";
      planned.output = n * (n + 1) / 2 - n;
      break;
    case 6:
      planned.name = "pairs";
      planned.output = 11 * n;
      break;
    case 7:
      planned.name = "transfer";
      planned.output = 2 * n;
      planned.transfer_count = planned.size;
      break;
  }
  // A parent in the queue that its children wait in would wait for itself.
  planned.is_queued = planned.name != "parent" && prng.Chance(1, 4);
  return planned;
}

absl::Status CreateWorkloadTables(const std::string& database_url) {
  HF_ASSIGN_OR_RETURN(LibpqSession session, LibpqSession::Connect(database_url));
  return session.Execute(kTables).status();
}

std::vector<ApplicationSink> WorkloadSinks() {
  return {{.name = "book",
           .sql = "INSERT INTO public.bookings SELECT r.* FROM jsonb_to_recordset($1) AS r "
                  "(workflow_id text, function_id int, process_id bigint, run bigint)"}};
}

void RegisterWorkload(RuntimeHost& host, Outside& outside) {
  Outside* const out = &outside;
  host.Register("steps", [out](Workflow& workflow, int size) {
    return Steps(workflow, out, size, /*is_blocking=*/false);
  });
  host.Register("blocking", [out](Workflow& workflow, int size) {
    return Steps(workflow, out, size, /*is_blocking=*/true);
  });
  const auto add = [&](const char* name, auto fn) {
    host.Register(name,
                  [out, fn](Workflow& workflow, int size) { return fn(workflow, out, size); });
  };
  add("flaky", &Flaky);
  add("parent", &Parent);
  add("sleeper", &Sleeper);
  add("listener", &Listener);
  add("pairs", &Pairs);
  add("transfer", &Transfer);
  add("waiter", &Waiter);
  host.Register("speaker", [out](Workflow& workflow, std::string listener, int size) {
    return Speaker(workflow, out, std::move(listener), size);
  });
  QueueConfig queue;
  queue.name = kNarrowQueue;
  queue.concurrency = kNarrowConcurrency;
  queue.worker_concurrency = kNarrowWorkerConcurrency;
  host.RegisterQueue(queue);
}

absl::Status StartPlanned(RuntimeHost& host, const PlannedWorkflow& planned) {
  StartOptions options;
  options.id = planned.id;
  if (planned.is_queued) {
    return host.Enqueue<int64_t>(kNarrowQueue, planned.name, options, planned.size).status();
  }
  return host.Start<int64_t>(planned.name, options, planned.size).status();
}

}  // namespace holdfast::testing
