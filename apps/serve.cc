#include "apps/serve.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <system_error>

#include "apps/budget_watch.h"
#include "apps/display.h"
#include "apps/fill_recorder.h"
#include "apps/http_get.h"
#include "apps/ledger_check.h"
#include "apps/live_view.h"
#include "apps/log.h"
#include "apps/loop_log.h"
#include "apps/memory.h"
#include "apps/signals.h"
#include "apps/terminal.h"
#include "apps/text.h"
#include "apps/venue_factory.h"
#include "apps/wiring.h"
#include "connectors/net/url.h"
#include "engine/base/status_macros.h"
#include "engine/quoting/quoting_loop.h"
#include "engine/simple/loop_runner.h"
#include "engine/simple/store_lock.h"

namespace holdfast {
namespace {

constexpr int64_t kWatchIntervalNs = 50 * kNanosPerMilli;
constexpr int64_t kStallWarningNs = 2 * kNanosPerSecond;
constexpr int64_t kFetchRetryFirstNs = 250 * kNanosPerMilli;
constexpr int64_t kFetchRetryMaxNs = 10 * kNanosPerSecond;
constexpr int64_t kLedgerTimeoutNs = 20 * kNanosPerSecond;

// How a step ended that may end the program.
struct Failure {
  ExitStatus status = kExitFailure;
  std::string message;
};
using Outcome = std::optional<Failure>;  // nullopt: go on

// The loop as something a runner can turn.
class LoopTurn final : public Turn {
 public:
  LoopTurn(QuotingLoop& loop, const Clock& clock) : loop_(loop), clock_(clock) {}
  int RunOnce() override { return loop_.RunOnce(); }
  int64_t IdleTimeoutNs() override { return loop_.NextTimerNs() - clock_.MonotonicNs(); }

 private:
  QuotingLoop& loop_;
  const Clock& clock_;
};

// Tells when the service becomes ready to quote, stops being so, and why.
class ReadinessWatch {
 public:
  explicit ReadinessWatch(Log& log) : log_(log) {}

  void Look(const StatusSnapshot& snapshot) {
    if (snapshot.phase != phase_) {
      log_.Write(log_.Record(LogLevel::kInfo, "service.phase")
                     .Add("from", phase_.has_value() ? ToText(*phase_) : "none")
                     .Add("to", ToText(snapshot.phase))
                     .Add("ready", snapshot.phase == LoopPhase::kQuoting));
      phase_ = snapshot.phase;
    }
    for (int i = 0; i < kHealthFlagCount; ++i) {
      const auto index = static_cast<size_t>(i);
      const HealthStatus& status = snapshot.health[index];
      if (has_seen_ && status.is_ok == is_ok_[index]) continue;
      is_ok_[index] = status.is_ok;
      if (!has_seen_ && status.is_ok) continue;
      LogRecord record = log_.Record(status.is_ok ? LogLevel::kInfo : LogLevel::kWarning, "health");
      record.Add("flag", ToText(static_cast<HealthFlag>(i))).Add("ok", status.is_ok);
      if (!status.reason.empty()) record.Add("reason", status.reason.view());
      log_.Write(record);
    }
    has_seen_ = true;
  }

 private:
  Log& log_;
  std::optional<LoopPhase> phase_;
  bool has_seen_ = false;
  std::array<bool, kHealthFlagCount> is_ok_ = {};
};

class Service {
 public:
  Service(const Configuration& configuration, const ServeOptions& options)
      : settings_(configuration.settings),
        warnings_(configuration.warnings),
        options_(options),
        is_full_screen_(IsFullScreen(settings_.service_live_view)) {}

  ExitStatus Run() {
    Outcome outcome = Start();
    TouchHeap();
    if (!outcome.has_value() && loop_ != nullptr) outcome = RunLoop();
    const ExitStatus status = outcome.has_value() ? outcome->status : kExitOk;
    if (outcome.has_value() && log_ != nullptr) {
      log_->Write(log_->Record(LogLevel::kError, "service.failed").Add("text", outcome->message));
    }
    log_.reset();  // writes what is left
    if (outcome.has_value()) std::cerr << "holdfast: " << outcome->message << std::endl;
    return status;
  }

 private:
  // --- start -----------------------------------------------------------------------------------

  // Everything up to a loop that is ready to run. `loop_` stays null when a signal came first.
  Outcome Start() {
    if (Outcome outcome = TakeStateFolder()) return outcome;
    if (Outcome outcome = OpenLog()) return outcome;
    absl::StatusOr<std::unique_ptr<VenueConnector>> venue = MakeVenueConnector(settings_, clock_);
    if (!venue.ok()) return Refuse(kExitConfiguration, "", venue.status());
    venue_ = *std::move(venue);
    absl::StatusOr<RiskLimits> limits = MakeRiskLimits(settings_);
    if (!limits.ok()) return Refuse(kExitConfiguration, "config: ", limits.status());
    absl::StatusOr<QuotingOptions> quoting = MakeQuotingOptions(settings_);
    if (!quoting.ok()) return Refuse(kExitConfiguration, "config: ", quoting.status());

    if (Outcome outcome = WaitForInstrument()) return outcome;
    if (!instrument_.has_value()) return std::nullopt;
    const Decimal maker_fee_rate = quoting->configured_maker_fee_rate.value_or(Decimal());
    absl::StatusOr<std::unique_ptr<Strategy>> strategy =
        MakeStrategy(settings_, *instrument_, maker_fee_rate);
    if (!strategy.ok()) return Refuse(kExitConfiguration, "config: ", strategy.status());
    strategy_ = *std::move(strategy);
    if (absl::Status status = venue_->Open(*instrument_, waker_); !status.ok()) {
      return Refuse(kExitConfiguration, "config: ", status);
    }
    if (Outcome outcome = OpenEngine()) return outcome;
    loop_log_ = std::make_unique<LoopLog>(log_->AddChannel(), *instrument_);
    loop_ = std::make_unique<QuotingLoop>(
        clock_, *instrument_, MakeAccountTag(settings_.service_account), *strategy_, venue_->feed(),
        *recorder_, *limits, *quoting, recovered_, loop_log_.get());
    return std::nullopt;
  }

  static Failure Refuse(ExitStatus status, std::string_view prefix, const absl::Status& reason) {
    return {.status = status, .message = Concat(prefix, MessageOf(reason))};
  }

  Outcome TakeStateFolder() {
    const std::string& folder = settings_.service_state_dir;
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) {
      return Failure{kExitFailure, Concat("state folder can't be made: service.state_dir=", folder,
                                          " reason=", error.message())};
    }
    absl::StatusOr<StoreLock> lock = StoreLock::Acquire(Concat(folder, "/instance.lock"));
    if (!lock.ok()) {
      const bool is_taken = absl::IsFailedPrecondition(lock.status());
      return Refuse(is_taken ? kExitSecondInstance : kExitFailure,
                    is_taken ? "another instance runs on this state folder: " : "", lock.status());
    }
    lock_ = *std::move(lock);
    return std::nullopt;
  }

  Outcome OpenLog() {
    Redactor redactor;
    redactor.AddSecret(settings_.venue_api_key.Reveal());
    redactor.AddSecret(settings_.venue_secret_key.Reveal());
    redactor.AddSecret(settings_.venue_ed25519_key.Reveal());
    Log::Options log_options;
    for (const LogLevel level :
         {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
      if (ToText(level) == settings_.log_level) log_options.level = level;
    }
    log_options.format = settings_.log_format == "json" ? LogFormat::kJson : LogFormat::kText;
    log_options.file = settings_.log_file;
    if (log_options.file.empty() && is_full_screen_) {
      log_options.file = Concat(settings_.service_state_dir, "/holdfast.log");
    }
    absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(clock_, log_options, redactor);
    if (!log.ok()) return Refuse(kExitFailure, "", log.status());
    log_ = *std::move(log);
    for (const std::string& warning : warnings_) {
      log_->Write(log_->Record(LogLevel::kWarning, "config").Add("text", warning));
    }
    log_->Write(log_->Record(LogLevel::kInfo, "service.start")
                    .Add("version", HOLDFAST_VERSION)
                    .Add("account", settings_.service_account)
                    .Add("venue", settings_.venue_name)
                    .Add("symbol", settings_.quoting_symbol)
                    .Add("strategy", settings_.quoting_strategy)
                    .Add("ready", false));
    return std::nullopt;
  }

  // Tries until the venue answers or a signal comes.
  Outcome WaitForInstrument() {
    int64_t retry_ns = kFetchRetryFirstNs;
    while (!IsStopWanted()) {
      absl::StatusOr<Instrument> instrument = venue_->FetchInstrument();
      if (instrument.ok()) {
        instrument_ = *instrument;
        return std::nullopt;
      }
      const absl::Status& status = instrument.status();
      if (absl::IsNotFound(status)) {
        return Failure{kExitConfiguration,
                       Concat("config: key=quoting.symbol value=", settings_.quoting_symbol,
                              " expected=a symbol that the venue lists (", MessageOf(status), ")")};
      }
      if (!absl::IsUnavailable(status)) return Refuse(kExitFailure, "", status);
      log_->Write(log_->Record(LogLevel::kWarning, "venue.unreachable")
                      .Add("text", MessageOf(status))
                      .Add("retry_ms", retry_ns / kNanosPerMilli)
                      .Add("ready", false));
      if (signals_.Wait(std::min(retry_ns, TimeLeftNs())).has_value()) return StoppedEarly();
      retry_ns = std::min(retry_ns * 2, kFetchRetryMaxNs);
    }
    return StoppedEarly();
  }

  Outcome StoppedEarly() {
    log_->Write(log_->Record(LogLevel::kInfo, "service.stopped")
                    .Add("text", "before the venue was reached; nothing was sent"));
    return std::nullopt;
  }

  Outcome OpenEngine() {
    engine_ = std::make_unique<SimpleEngine>(MakeEngineOptions(settings_, *instrument_),
                                             venue_->gateway(), clock_);
    recorder_ = std::make_unique<FillRecorder>(*engine_, *instrument_);
    absl::StatusOr<RecoveredState> recovered = recorder_->Open();
    if (!recovered.ok()) {
      const ExitStatus status =
          absl::IsFailedPrecondition(recovered.status()) ? kExitSecondInstance : kExitFailure;
      return Refuse(status, "store: ", recovered.status());
    }
    recovered_ = *std::move(recovered);
    LogRecord record = log_->Record(LogLevel::kInfo, "store.opened");
    record.Add("first_run", recovered_.is_first_run)
        .Add("open_orders", static_cast<int64_t>(recovered_.open_orders.size()))
        .Add("slots", static_cast<int64_t>(recovered_.slots.size()))
        .Add("position", instrument_->ToDecimal(recovered_.position.quantity()))
        .Add("last_trade", recovered_.last_trade_id.value());
    if (recovered_.memory.has_anchor) {
      record.Add("anchor", instrument_->ToDecimal(recovered_.memory.anchor));
    }
    log_->Write(record);
    return std::nullopt;
  }

  // --- run -------------------------------------------------------------------------------------

  int64_t TimeLeftNs() const {
    if (settings_.service_duration_s == 0) return INT64_MAX;
    return start_ns_ + settings_.service_duration_s * kNanosPerSecond - clock_.MonotonicNs();
  }
  bool IsStopWanted() const { return TimeLeftNs() <= 0; }

  Outcome RunLoop() {
    if (absl::Status status = loop_->Start(); !status.ok()) {
      return Refuse(kExitFailure, "", status);
    }
    LoopTurn turn(*loop_, clock_);
    LoopRunner runner({}, turn, waker_);
    if (absl::Status status = runner.Start(); !status.ok()) {
      return Refuse(kExitFailure, "", status);
    }
    Outcome outcome = Watch(runner);
    // From here on the loop belongs to this thread.
    const absl::Status ended = runner.Stop();
    if (!ended.ok()) outcome = Refuse(kExitFailure, "loop: ", ended);
    return Finish(std::move(outcome));
  }

  // Until the loop has stopped, failed, or not stopped in time.
  Outcome Watch(LoopRunner& runner) {
    std::unique_ptr<Display> display = MakeDisplay(is_full_screen_);
    ReadinessWatch readiness(*log_);
    BudgetWatch budget(*log_);
    StallMonitor stall;
    int64_t stop_deadline_ns = INT64_MAX;
    int64_t next_save_ns = 0;
    bool is_stall_told = false;
    while (true) {
      const int64_t now_ns = clock_.MonotonicNs();
      if (loop_->snapshots().Read(snapshot_)) {
        readiness.Look(snapshot_);
        display->Show(snapshot_, now_ns);
      }
      if (now_ns >= next_save_ns) {
        next_save_ns = now_ns + kNanosPerSecond;
        SaveVenueState();
      }
      const bool is_stopping = stop_deadline_ns != INT64_MAX;
      has_quoted_ = has_quoted_ || snapshot_.phase == LoopPhase::kQuoting;
      // A configuration that could never quote is refused as soon as the price tells it.
      if (!is_stopping && !has_quoted_ && !IsOrderLargeEnough()) refusal_ = OrderTooSmall();
      budget.Look(venue_->gateway().rate_budget(), is_stopping, clock_.WallNs(), now_ns);
      // Of the loop itself only snapshots may be read from this thread.
      const LoopPhase phase = snapshot_.phase;
      if (phase == LoopPhase::kStopped) return refusal_;
      if (phase == LoopPhase::kFailed) return Failure{kExitVenueRefused, ""};
      if (!runner.is_running()) return Failure{kExitFailure, "the loop ended by itself"};
      if (now_ns >= stop_deadline_ns) return NotProven();

      const bool is_stalled = stall.StalledForNs(runner.heartbeat(), now_ns) >= kStallWarningNs;
      if (is_stalled && !is_stall_told) {
        log_->Write(log_->Record(LogLevel::kError, "loop.stalled"));
      }
      is_stall_told = is_stalled;

      const std::optional<int> signal = signals_.Wait(kWatchIntervalNs);
      if (signal.has_value() && is_stopping) EndAtOnce();
      if ((signal.has_value() || refusal_.has_value() || IsStopWanted()) && !is_stopping) {
        stop_deadline_ns =
            clock_.MonotonicNs() + settings_.service_stop_timeout_s * kNanosPerSecond;
        log_->Write(log_->Record(LogLevel::kInfo, "service.stopping")
                        .Add("cause", signal.has_value()     ? strsignal(*signal)
                                      : refusal_.has_value() ? "configuration"
                                                             : "duration"));
        loop_->RequestStop();
        waker_.Notify();
      }
    }
  }

  bool IsOrderLargeEnough() const {
    return snapshot_.order_quantity >= snapshot_.order_quantity_needed;
  }

  Failure OrderTooSmall() const {
    const bool is_grid = settings_.quoting_strategy == "grid";
    return {.status = kExitConfiguration,
            .message = Concat(
                "config: key=", is_grid ? "grid.order_quantity" : "layered.order_size",
                " value=", instrument_->ToDecimal(snapshot_.order_quantity).ToText(),
                " expected=", instrument_->ToDecimal(snapshot_.order_quantity_needed).ToText(),
                " or more (minimum notional ", instrument_->min_notional.ToText(), " ",
                instrument_->quote_asset.view(), " at the best bid)")};
  }

  void SaveVenueState() {
    const absl::Status status = venue_->SaveState();
    if (status.ok() == is_state_saved_) return;
    is_state_saved_ = status.ok();
    log_->Write(log_->Record(status.ok() ? LogLevel::kInfo : LogLevel::kWarning, "venue.state")
                    .Add("saved", status.ok())
                    .Add("text", MessageOf(status)));
  }

  Failure NotProven() const {
    const std::string wait = ExplainQueryWait(venue_->gateway().rate_budget(), clock_.WallNs());
    return {.status = kExitFailure,
            .message =
                Concat("the empty book could not be proven within service.stop_timeout_s=",
                       settings_.service_stop_timeout_s, ": ", snapshot_.order_total,
                       " orders may still be open at the venue", wait.empty() ? "" : "; ", wait)};
  }

  // The operator asked twice.
  [[noreturn]] void EndAtOnce() {
    if (is_full_screen_) AlternateScreen::Restore(STDOUT_FILENO);
    log_->Write(log_->Record(LogLevel::kWarning, "service.ended_at_once"));
    log_->Flush();
    std::cerr << "holdfast: ended at once on the second signal: " << snapshot_.order_total
              << " orders may still be open at the venue" << std::endl;
    _exit(kExitFailure);
  }

  // --- end -------------------------------------------------------------------------------------

  Outcome Finish(Outcome outcome) {
    if (outcome.has_value() && outcome->status == kExitVenueRefused) {
      outcome->message = FatalText();
    }
    const RunReport report = loop_->report();
    (void)loop_->snapshots().Read(snapshot_);
    std::cout << RunSummary(snapshot_, report);
    if (!outcome.has_value() && !report.is_proven_empty) outcome = NotProven();
    const absl::Status closed = recorder_->Close();
    SaveVenueState();
    venue_->Close();
    if (!outcome.has_value() && !closed.ok()) outcome = Refuse(kExitFailure, "store: ", closed);
    if (!outcome.has_value() && !options_.ledger_url.empty()) outcome = VerifyLedger(report);
    // It has quoted before: the price or the venue's filter has left the configured size behind.
    if (!outcome.has_value() && !IsOrderLargeEnough()) {
      outcome = OrderTooSmall();
      outcome->status = kExitFailure;
    }
    log_->Write(log_->Record(LogLevel::kInfo, "service.stopped")
                    .Add("proven_empty", report.is_proven_empty)
                    .Add("fills", static_cast<int64_t>(report.counters.fills)));
    std::cout << std::flush;
    return outcome;
  }

  std::string FatalText() const {
    const std::optional<FatalVenueError>& error = loop_->fatal_error();
    std::string text =
        Concat("the venue refused us: code=", error.has_value() ? error->venue_code : 0, " text=\"",
               error.has_value() ? error->text.view() : "", "\"");
    AppendTo(text,
             "; check the API key, its permissions and the secret (venue.api_key, "
             "venue.secret_key, venue.ed25519_key_file)");
    if (loop_->open_order_count() > 0) {
      AppendTo(text, "; ", loop_->open_order_count(), " orders may still be open");
    }
    return text;
  }

  // What a run on a simulated venue must show: equal books, no gap, no reject but post-only ones.
  Outcome VerifyLedger(const RunReport& report) {
    const OurBooks ours{.instrument = *instrument_,
                        .fills = recorder_->totals(),
                        .newest_fills = recorder_->kept(),
                        .last_trade_before = recovered_.last_trade_id,
                        .position_before = recovered_.position.quantity(),
                        .position_after = loop_->position().quantity(),
                        .ledger_before = &recovered_.ledger,
                        .ledger_after = &loop_->ledger()};
    LedgerCheck check(ours);
    for (bool has_more = true; has_more;) {
      const std::string url =
          JoinUrl(options_.ledger_url, Concat("/ledger?account=", settings_.service_account,
                                              "&since_order=", check.cursor().since_order,
                                              "&since_trade=", check.cursor().since_trade,
                                              "&limit=", LedgerCheck::kPageRows));
      const absl::StatusOr<HttpAnswer> answer = HttpGet(url, "", kLedgerTimeoutNs, clock_);
      if (!answer.ok()) return Refuse(kExitFailure, "ledger: ", answer.status());
      if (answer->status != 200) {
        return Failure{kExitFailure, Concat("ledger: GET ", url, ": status=", answer->status, " ",
                                            answer->body.substr(0, 200))};
      }
      const absl::StatusOr<bool> is_new = check.AddPage(answer->body);
      if (!is_new.ok()) return Refuse(kExitFailure, "ledger: ", is_new.status());
      has_more = *is_new;
    }
    std::vector<std::string> differences = check.Differences();
    AddIrregularities(report, differences);
    if (differences.empty()) {
      std::cout << "  ledger          equal to the venue's: " << recorder_->totals().count
                << " fills, position, fees and wallet\n";
      return std::nullopt;
    }
    for (const std::string& difference : differences) {
      std::cout << "  DIFFERENCE      " << difference << '\n';
    }
    return Failure{kExitFailure,
                   Concat("ledger: ", differences.size(), " differences from the venue's")};
  }

  static void AddIrregularities(const RunReport& report, std::vector<std::string>& out) {
    const LoopCounters& counters = report.counters;
    for (int i = 0; i < kRejectReasonCount; ++i) {
      const auto reason = static_cast<RejectReason>(i);
      const uint64_t count = counters.rejects_by_reason[static_cast<size_t>(i)];
      if (count == 0 || reason == RejectReason::kWouldTake) continue;
      out.push_back(Concat("rejected orders: ", ToText(reason), " ", count));
    }
    if (counters.book_gaps > 0) out.push_back(Concat("gaps in the book: ", counters.book_gaps));
    if (counters.foreign_fills > 0) {
      out.push_back(Concat("fills of orders that are not ours: ", counters.foreign_fills));
    }
    if (counters.illegal_transitions > 0) {
      out.push_back(Concat("illegal order transitions: ", counters.illegal_transitions));
    }
  }

  const Settings& settings_;
  const std::vector<std::string>& warnings_;
  const ServeOptions& options_;
  const bool is_full_screen_;
  SystemClock clock_;
  const int64_t start_ns_ = clock_.MonotonicNs();
  SignalQueue signals_;  // before every thread
  std::optional<StoreLock> lock_;
  std::unique_ptr<Log> log_;
  Waker waker_;
  std::unique_ptr<VenueConnector> venue_;
  std::optional<Instrument> instrument_;
  std::unique_ptr<Strategy> strategy_;
  std::unique_ptr<SimpleEngine> engine_;
  std::unique_ptr<FillRecorder> recorder_;
  RecoveredState recovered_;
  std::unique_ptr<LoopLog> loop_log_;
  std::unique_ptr<QuotingLoop> loop_;
  StatusSnapshot snapshot_;
  bool is_state_saved_ = true;
  bool has_quoted_ = false;
  Outcome refusal_;
};

}  // namespace

ExitStatus Serve(const Configuration& configuration, const ServeOptions& options) {
  KeepMemoryInHeap();
  const auto service = std::make_unique<Service>(configuration, options);
  return service->Run();
}

}  // namespace holdfast
