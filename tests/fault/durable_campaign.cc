#include "tests/fault/durable_campaign.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace holdfast::testing {
namespace {

using workflows::LibpqSession;
using workflows::SessionResult;

constexpr char kLeaseSeconds[] = "1.5";
constexpr int64_t kLeaseMs = 1'500;
constexpr int kTickMs = 20;
constexpr int kReadyPollMs = 2;
constexpr int64_t kEndDeadlineMs = 90'000;  // for everything to end once the faults stopped
constexpr int64_t kFaultsDeadlineMs = 900'000;
constexpr int kStopLimitMs = 30'000;
constexpr size_t kLogShownMax = 20'000;

class Campaign {
 public:
  explicit Campaign(const CampaignOptions& options)
      : options_(options),
        prng_(options.seed),
        cluster_({.is_durable = true, .settings = {{"authentication_timeout", "'5s'"}}}),
        proxy_(cluster_.port()),
        ledger_(cluster_.folder() + "/ledger"),
        database_url_(cluster_.CreateDatabase("crash")),
        begin_ns_(clock_.MonotonicNs()) {
    const absl::Status status = CreateWorkloadTables(database_url_);
    if (!status.ok()) Fail(status.ToString());
    slots_.resize(static_cast<size_t>(options.worker_count));
  }

  CampaignResult Run();

 private:
  struct Slot {
    std::string executor_id;
    std::unique_ptr<ChildProcess> process;
    bool is_ready = false;
    std::optional<int64_t> restart_at_ns;
    std::optional<int64_t> thaw_at_ns;  // stopped until then
    FrozenLife life;                    // of a stopped one
  };

  void Note(const std::string& what) {
    const std::string line =
        absl::StrFormat("%.3f %8.3f %s\n", static_cast<double>(clock_.WallNs()) / 1e9,
                        static_cast<double>(clock_.MonotonicNs() - begin_ns_) / 1e9, what);
    result_.timeline += line;
    if (options_.is_told_live) std::fputs(line.c_str(), stderr);
  }
  void Fail(const std::string& what) {
    Note("FAILURE " + what);
    result_.failures.push_back(what);
  }
  void Count(const std::string& kind, const std::string& detail) {
    ++result_.faults_by_kind[kind];
    Note(kind + " " + detail);
  }

  std::optional<SessionResult> Ask(const std::string& sql);
  void StartWorker(size_t index);
  void Tick();
  void Pause(int64_t ms);
  void Look(size_t index);
  void TryThaw(Slot& slot, bool is_forced);
  void Sample();
  void Feed();

  enum class FaultKind : uint8_t { kKill, kFreeze, kCrashServer, kCut, kStall };
  std::vector<FaultKind> PlanFaults();
  bool Do(FaultKind kind);  // false: nobody to hit at the moment
  bool KillOne();
  bool FreezeOne();
  void CrashServer();
  void CutConnections();
  void StallConnections();
  void EndStall();
  void EndFaults();
  bool HasEverythingEnded();
  void StopWorkers();

  const CampaignOptions options_;
  const SystemClock clock_;
  Prng prng_;
  PostgresCluster cluster_;
  TcpProxy proxy_;
  LedgerServer ledger_;
  const std::string database_url_;
  const int64_t begin_ns_;
  std::vector<Slot> slots_;
  std::optional<LibpqSession> session_;
  std::optional<int64_t> stall_end_ns_;
  bool are_faults_on_ = true;
  int executor_count_ = 0;
  int wanted_count_ = 0;
  int64_t sample_count_ = 0;
  int64_t ended_count_ = 0;
  int64_t next_sample_ns_ = 0;
  std::vector<FrozenLife> frozen_;
  CampaignResult result_;
};

std::optional<SessionResult> Campaign::Ask(const std::string& sql) {
  if (!session_.has_value()) {
    absl::StatusOr<LibpqSession> opened = LibpqSession::Connect(database_url_);
    if (!opened.ok()) return std::nullopt;
    session_ = *std::move(opened);
  }
  absl::StatusOr<SessionResult> result = session_->Execute(sql);
  if (result.ok()) return *std::move(result);
  session_.reset();
  return std::nullopt;
}

// ---- Workers ------------------------------------------------------------------------------------

void Campaign::StartWorker(size_t index) {
  Slot& slot = slots_[index];
  // The same name in a new life, or a new name: both have to take over what was left.
  if (slot.executor_id.empty() || prng_.Chance(1, 2)) {
    slot.executor_id = absl::StrCat("executor", ++executor_count_);
  }
  slot.restart_at_ns.reset();
  slot.is_ready = false;
  slot.process = std::make_unique<ChildProcess>(
      std::vector<std::string>{options_.worker_binary, "--database-url",
                               absl::StrCat("postgresql://holdfast@127.0.0.1:", proxy_.port(),
                                            database_url_.substr(database_url_.rfind('/'))),
                               "--ledger", cluster_.folder() + "/ledger", "--executor-id",
                               slot.executor_id, "--seed", std::to_string(options_.seed),
                               "--lease-s", kLeaseSeconds},
      cluster_.folder() + "/workers.log");
  Note(absl::StrCat("start ", slot.executor_id, " pid=", slot.process->pid()));
}

void Campaign::Look(size_t index) {
  Slot& slot = slots_[index];
  if (slot.process == nullptr) {
    if (slot.restart_at_ns.has_value() && clock_.MonotonicNs() >= *slot.restart_at_ns) {
      StartWorker(index);
    }
    return;
  }
  if (slot.thaw_at_ns.has_value()) {
    if (clock_.MonotonicNs() >= *slot.thaw_at_ns) TryThaw(slot, /*is_forced=*/false);
    return;
  }
  if (!slot.is_ready && slot.process->ReadLine(kReadyPollMs).has_value()) {
    slot.is_ready = true;
    Note(absl::StrCat("ready ", slot.executor_id, " pid=", slot.process->pid()));
  }
  if (slot.process->HasEnded()) {
    Fail(absl::StrCat("worker ", slot.executor_id, " pid=", slot.process->pid(),
                      " ended by itself: ", slot.process->Wait(0).value_or(-1)));
    slot.process.reset();
    slot.restart_at_ns = clock_.MonotonicNs();
  }
}

// Only when the server says that the lease is over; from then on nothing of this life may land.
void Campaign::TryThaw(Slot& slot, bool is_forced) {
  const auto ended =
      Ask(absl::StrCat("SELECT clock_timestamp() FROM holdfast.executors WHERE executor_id = '",
                       slot.executor_id, "' AND (incarnation <> '", slot.life.incarnation,
                       "' OR lease_expires_at <= clock_timestamp())"));
  if (ended.has_value() && !ended->rows.empty()) {
    slot.life.ended_at = *ended->rows[0][0];
    frozen_.push_back(slot.life);
    Note("its lease is over: " + slot.executor_id + " at " + slot.life.ended_at);
  } else if (!is_forced) {
    return;
  }
  slot.thaw_at_ns.reset();
  slot.process->Signal(SIGCONT);
  Note("thaw " + slot.executor_id);
}

// ---- Load and looking ---------------------------------------------------------------------------

void Campaign::Sample() {
  if (clock_.MonotonicNs() < next_sample_ns_) return;
  next_sample_ns_ = clock_.MonotonicNs() + 100 * kNanosPerMilli;
  const auto running = Ask(absl::StrCat(
      "SELECT coalesce(sum(c), 0), coalesce(max(c), 0), (SELECT count(*) FROM "
      "public.ended_workflows WHERE workflow_id ~ '^w[0-9]+$') FROM (SELECT count(*) AS c FROM "
      "dbos.workflow_status WHERE queue_name = '",
      kNarrowQueue, "' AND status = 'PENDING' GROUP BY executor_id) AS x"));
  if (!running.has_value() || running->rows.empty()) return;
  ++sample_count_;
  const int64_t sum = std::stoll(*running->rows[0][0]);
  const int64_t max = std::stoll(*running->rows[0][1]);
  ended_count_ = std::stoll(*running->rows[0][2]);
  if (sum > kNarrowConcurrency) Fail(absl::StrCat("queue limit passed: running=", sum));
  if (max > kNarrowWorkerConcurrency) {
    Fail(absl::StrCat("queue limit of one worker passed: running=", max));
  }
}

void Campaign::Feed() {
  if (!are_faults_on_) return;
  wanted_count_ =
      std::max(wanted_count_, static_cast<int>(ended_count_) + options_.in_flight_count);
  ledger_.SetWanted(wanted_count_);
}

void Campaign::Tick() {
  if (stall_end_ns_.has_value() && clock_.MonotonicNs() >= *stall_end_ns_) EndStall();
  for (size_t i = 0; i < slots_.size(); ++i) Look(i);
  Sample();
  Feed();
}

void Campaign::Pause(int64_t ms) {
  const int64_t end_ns = clock_.MonotonicNs() + ms * kNanosPerMilli;
  do {
    Tick();
    poll(nullptr, 0, static_cast<int>(prng_.Between(1, kTickMs)));
  } while (clock_.MonotonicNs() < end_ns);
}

// ---- Faults -------------------------------------------------------------------------------------

bool Campaign::KillOne() {
  Slot& slot = slots_[prng_.Below(slots_.size())];
  const bool kills_at_start = prng_.Chance(1, 8);
  if (slot.process == nullptr || (!slot.is_ready && !kills_at_start)) return false;
  if (slot.thaw_at_ns.has_value() && !prng_.Chance(1, 4)) return false;
  slot.process->Signal(SIGKILL);
  Count("kill", absl::StrCat(slot.executor_id, " pid=", slot.process->pid(),
                             slot.is_ready ? "" : " at its start"));
  slot.process->Wait(kStopLimitMs);
  slot.process.reset();
  slot.thaw_at_ns.reset();
  slot.restart_at_ns = clock_.MonotonicNs() + prng_.Between(0, 1'500) * kNanosPerMilli;
  return true;
}

bool Campaign::FreezeOne() {
  Slot& slot = slots_[prng_.Below(slots_.size())];
  if (slot.process == nullptr || !slot.is_ready || slot.thaw_at_ns.has_value()) return false;
  slot.process->Signal(SIGSTOP);
  const auto row = Ask("SELECT incarnation FROM holdfast.executors WHERE executor_id = '" +
                       slot.executor_id + "'");
  if (!row.has_value() || row->rows.empty()) {
    slot.process->Signal(SIGCONT);
    return false;
  }
  slot.life = {.executor_id = slot.executor_id, .incarnation = *row->rows[0][0], .ended_at = {}};
  slot.thaw_at_ns = clock_.MonotonicNs() + (kLeaseMs + prng_.Between(100, 1'500)) * kNanosPerMilli;
  Count("freeze",
        absl::StrCat(slot.executor_id, " pid=", slot.process->pid(), " ", slot.life.incarnation));
  return true;
}

void Campaign::CrashServer() {
  session_.reset();
  EndStall();  // a server that shuts down waits for the log-ins that are under way
  switch (prng_.Below(3)) {
    case 0:
      Count("server crash", "immediate shutdown");
      cluster_.StopImmediate();
      break;
    case 1:
      Count("server crash", "SIGKILL");
      cluster_.Kill();
      break;
    case 2:
      Count("server restart", "fast shutdown");
      cluster_.StopFast();
      break;
  }
  // Once in a while it stays away for longer than every lease.
  if (prng_.Chance(1, 4)) Pause(kLeaseMs + prng_.Between(0, 1'000));
  cluster_.Start();
  Note("server is up");
}

void Campaign::CutConnections() {
  using Direction = TcpProxy::Direction;
  if (prng_.Chance(1, 4)) {
    proxy_.CutAll();
    return Count("cut", "all");
  }
  // Answers are small: a cut within the first bytes often falls between a commit and its answer.
  const bool is_answer = prng_.Chance(2, 3);
  const auto bytes =
      static_cast<uint64_t>(prng_.Chance(1, 2) ? prng_.Below(200) : prng_.Below(20'000));
  proxy_.CutAfter(is_answer ? Direction::kToClient : Direction::kToServer, bytes);
  Count("cut", absl::StrCat(is_answer ? "answers after " : "requests after ", bytes));
}

void Campaign::EndStall() {
  if (!stall_end_ns_.has_value()) return;
  stall_end_ns_.reset();
  proxy_.SetStalled(TcpProxy::Direction::kToServer, false);
  proxy_.SetStalled(TcpProxy::Direction::kToClient, false);
  Note("stall ends");
}

void Campaign::StallConnections() {
  using Direction = TcpProxy::Direction;
  const Direction direction = prng_.Chance(1, 2) ? Direction::kToClient : Direction::kToServer;
  proxy_.SetStalled(direction, true);
  stall_end_ns_ = clock_.MonotonicNs() + prng_.Between(50, 2'500) * kNanosPerMilli;
  Count("stall", direction == Direction::kToClient ? "answers" : "requests");
}

// What happens, in which order; a function of the seed. Kills and freezes that find nobody to hit
// are tried again.
std::vector<Campaign::FaultKind> Campaign::PlanFaults() {
  std::vector<FaultKind> plan;
  const auto add = [&](FaultKind kind, int count) {
    plan.insert(plan.end(), static_cast<size_t>(count), kind);
  };
  add(FaultKind::kKill, options_.kill_count);
  add(FaultKind::kFreeze, options_.freeze_count);
  add(FaultKind::kCrashServer, options_.crash_count);
  add(FaultKind::kCut, std::max(4, options_.kill_count / 3));
  add(FaultKind::kStall, std::max(1, options_.kill_count / 20));
  for (size_t i = plan.size(); i > 1; --i) std::swap(plan[i - 1], plan[prng_.Below(i)]);
  return plan;
}

bool Campaign::Do(FaultKind kind) {
  switch (kind) {
    case FaultKind::kKill:
      return KillOne();
    case FaultKind::kFreeze:
      return FreezeOne();
    case FaultKind::kCrashServer:
      CrashServer();
      return true;
    case FaultKind::kCut:
      CutConnections();
      return true;
    case FaultKind::kStall:
      StallConnections();
      return true;
  }
  return false;
}

// ---- The end ------------------------------------------------------------------------------------

void Campaign::EndFaults() {
  Note("faults end");
  are_faults_on_ = false;
  proxy_.CancelCut();
  EndStall();
  for (Slot& slot : slots_) {
    if (slot.restart_at_ns.has_value()) slot.restart_at_ns = clock_.MonotonicNs();
  }
}

bool Campaign::HasEverythingEnded() {
  if (ledger_.accepted_count() < wanted_count_) return false;
  const auto left =
      Ask("SELECT count(*) FROM dbos.workflow_status "
          "WHERE status IN ('PENDING', 'ENQUEUED', 'DELAYED')");
  return left.has_value() && left->rows[0][0] == "0";
}

void Campaign::StopWorkers() {
  for (Slot& slot : slots_) {
    if (slot.process == nullptr) continue;
    slot.process->Signal(SIGCONT);
    slot.process->Signal(SIGTERM);
  }
  for (Slot& slot : slots_) {
    if (slot.process == nullptr) continue;
    const std::optional<int> ending = slot.process->Wait(kStopLimitMs);
    if (ending != 0) Fail(absl::StrCat(slot.executor_id, " ended with ", ending.value_or(-1)));
  }
}

CampaignResult Campaign::Run() {
  for (size_t i = 0; i < slots_.size(); ++i) StartWorker(i);
  const int64_t faults_end_ns = clock_.MonotonicNs() + kFaultsDeadlineMs * kNanosPerMilli;
  Pause(500);
  for (const FaultKind kind : PlanFaults()) {
    while (!Do(kind) && clock_.MonotonicNs() < faults_end_ns) Pause(20);
    // What comes right behind another fault meets workers in the middle of a takeover.
    Pause(prng_.Chance(1, 5) ? prng_.Between(0, 50) : prng_.Between(100, 900));
  }
  if (clock_.MonotonicNs() >= faults_end_ns) Fail("the faults took too long");
  EndFaults();
  const int64_t deadline_ns = clock_.MonotonicNs() + kEndDeadlineMs * kNanosPerMilli;
  while (!HasEverythingEnded() && clock_.MonotonicNs() < deadline_ns) Pause(50);
  if (HasEverythingEnded()) {
    Note("everything has ended");
  } else {
    Fail(absl::StrCat("not everything ends after the faults stopped: accepted=",
                      ledger_.accepted_count(), " of ", wanted_count_));
  }
  for (Slot& slot : slots_) {
    if (slot.thaw_at_ns.has_value()) TryThaw(slot, /*is_forced=*/true);
  }
  StopWorkers();
  result_.faults_by_kind["cut connections"] = static_cast<int64_t>(proxy_.cut_count());
  result_.faults_by_kind["samples"] = sample_count_;
  for (const std::string& refusal : ledger_.refusals()) Fail("start refused: " + refusal);
  WorkloadFacts facts;
  for (int i = 0; i < wanted_count_; ++i) facts.planned.push_back(PlanWorkflow(options_.seed, i));
  facts.arrivals = ledger_.arrivals();
  facts.frozen = frozen_;
  result_.report = CheckWorkload(database_url_, facts);
  result_.worker_log = Tail(cluster_.folder() + "/workers.log", kLogShownMax);
  return std::move(result_);
}

}  // namespace

std::string CampaignResult::CountsText() const {
  std::string text;
  for (const auto& [kind, count] : faults_by_kind) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", kind, "=", count);
  }
  return text;
}

CampaignResult RunCampaign(const CampaignOptions& options) { return Campaign(options).Run(); }

}  // namespace holdfast::testing
