// holdfast-venue: a simulated exchange that speaks Binance Spot's REST, stream and WebSocket API
// protocols on loopback. docs/simulated_venue.md tells how the market behaves,
// docs/simulated_venue_wire.md what is on the wire.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/venue_state.h"
#include "connectors/sim/binance/fault_plan.h"
#include "connectors/sim/binance/front_end.h"
#include "connectors/sim/binance/venue_file.h"
#include "connectors/sim/generated_market.h"
#include "connectors/sim/replay_market.h"
#include "connectors/sim/venue.h"
#include "engine/base/clock.h"
#include "engine/base/status_macros.h"

namespace holdfast::sim {
namespace {

// Exit codes.
constexpr int kOk = 0;
constexpr int kRuntimeFailure = 1;  // port in use, capture unreadable
constexpr int kBadConfiguration = 2;

struct Options {
  std::string listen = "127.0.0.1";
  uint16_t port = 0;
  uint16_t control_port = 0;
  bool has_control = true;
  std::string accounts;
  std::vector<std::string> captures;
  bool is_looped = false;
  double speed = 1.0;
  std::string market = "generated";
  std::string queue_model = "trades_only";
  bool is_continue_on_error = false;
  uint64_t seed = 1;
  std::vector<std::string> symbols;
  std::string tls_certificate;
  std::string tls_key;
  std::string fault_plan;
  std::string state_file;
  std::string log = "text";
  int64_t max_connection_life_s = 86'400;
  int64_t max_ledger_rows = 0;
};

std::string_view View(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// One line an event: text for people, JSON for machines.
class Log {
 public:
  explicit Log(bool is_json) : is_json_(is_json) {}

  void Line(std::string_view level, std::string_view event, std::string_view text) const {
    if (!is_json_) {
      std::fprintf(stderr, "%.*s %.*s: %.*s\n", static_cast<int>(level.size()), level.data(),
                   static_cast<int>(event.size()), event.data(), static_cast<int>(text.size()),
                   text.data());
      return;
    }
    std::string escaped;
    for (const char c : text) {
      if (c == '"' || c == '\\') escaped += '\\';
      escaped += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    const int64_t time_ns = SystemClock().WallNs();
    std::fprintf(stderr,
                 "{\"time_ns\":%lld,\"level\":\"%.*s\",\"event\":\"%.*s\",\"text\":\"%s\"}\n",
                 static_cast<long long>(time_ns), static_cast<int>(level.size()), level.data(),
                 static_cast<int>(event.size()), event.data(), escaped.c_str());
  }

 private:
  bool is_json_;
};

bool IsLoopback(std::string_view address) {
  return address.starts_with("127.") || address == "::1";
}

void Declare(CLI::App& app, Options& options) {
  app.set_version_flag("--version", std::string(HOLDFAST_VERSION));
  app.add_option("--listen", options.listen, "IP address; anything but loopback needs TLS");
  app.add_option("--port", options.port, "trading port (0 = any free one)");
  app.add_option("--control-port", options.control_port, "control port on 127.0.0.1 (0 = any)");
  app.add_flag("!--no-control", options.has_control, "no control port");
  app.add_option("--accounts", options.accounts, "TOML file: accounts, keys, balances, limits");
  app.add_option("--capture", options.captures, "recorded market, gzip or plain; in this order");
  app.add_flag("--loop", options.is_looped, "start the capture again when it ends");
  app.add_option("--speed", options.speed, "recorded seconds per second")
      ->check(CLI::Range(0.01, 10'000.0));
  app.add_option("--market", options.market, "where the market comes from")
      ->check(CLI::IsMember({"generated", "replay", "none"}));
  app.add_option("--queue-model", options.queue_model, "replay: how orders advance in a queue")
      ->check(CLI::IsMember({"trades_only", "proportional"}));
  app.add_flag("--continue-on-error", options.is_continue_on_error,
               "replay: skip damaged lines instead of stopping the market");
  app.add_option("--seed", options.seed, "seed of everything random");
  app.add_option("--symbol", options.symbols, "instruments (default BTCUSDT)");
  app.add_option("--tls-cert", options.tls_certificate, "PEM certificate chain: https and wss");
  app.add_option("--tls-key", options.tls_key, "PEM key of the certificate");
  app.add_option("--fault-plan", options.fault_plan, "TOML file of faults to play");
  app.add_option("--state", options.state_file,
                 "file that keeps the balances over restarts; ids then go on above the old ones");
  app.add_option("--log", options.log, "form of the log lines")
      ->check(CLI::IsMember({"text", "json"}));
  app.add_option("--connection-life-seconds", options.max_connection_life_s,
                 "a WebSocket is closed after this long")
      ->check(CLI::Range(1, 86'400));
  app.add_option("--max-ledger-rows", options.max_ledger_rows,
                 "closed orders and trades kept (0 = all)")
      ->check(CLI::NonNegativeNumber);
}

absl::Status CheckOptions(Options& options) {
  if (options.tls_certificate.empty() != options.tls_key.empty()) {
    return absl::InvalidArgumentError("flags: key=--tls-cert value=" + options.tls_certificate +
                                      " expected=--tls-cert and --tls-key together");
  }
  if (!IsLoopback(options.listen) && options.tls_certificate.empty()) {
    return absl::InvalidArgumentError("flags: key=--listen value=" + options.listen +
                                      " expected=a loopback address, or --tls-cert and --tls-key");
  }
  if (!options.captures.empty()) options.market = "replay";
  if (options.market == "replay" && options.captures.empty()) {
    return absl::InvalidArgumentError(
        "flags: key=--market value=replay expected=at least one --capture");
  }
  if (options.symbols.empty()) options.symbols.push_back("BTCUSDT");
  if (options.market == "replay" && options.symbols.size() != 1) {
    return absl::InvalidArgumentError(
        "flags: key=--symbol value=(several) expected=one symbol with --capture");
  }
  return absl::OkStatus();
}

// Adds the chosen instruments; the file's definition wins over the built-in one.
absl::StatusOr<std::vector<InstrumentFileEntry>> AddInstruments(const Options& options,
                                                                const VenueFile& file,
                                                                SimVenue& venue) {
  std::vector<InstrumentFileEntry> chosen;
  for (const std::string& symbol : options.symbols) {
    auto entry = BuiltInInstrument(symbol);
    for (const InstrumentFileEntry& candidate : file.instruments) {
      if (candidate.instrument.instrument.symbol == symbol) entry = candidate;
    }
    if (!entry.has_value()) {
      return absl::InvalidArgumentError(
          "flags: key=--symbol value=" + symbol +
          " expected=BTCUSDT, ETHUSDT or an [[instrument]] of the accounts file");
    }
    const auto id = venue.AddInstrument(entry->instrument);
    if (!id.ok()) return WithContext(id.status(), "instrument " + symbol);
    entry->instrument.instrument.id = *id;
    chosen.push_back(*entry);
  }
  return chosen;
}

absl::Status StartMarket(const Options& options, const InstrumentFileEntry& entry,
                         SimVenue& venue) {
  const InstrumentId id = entry.instrument.instrument.id;
  if (options.market == "replay") {
    ReplayMarketConfig config;
    config.files = options.captures;
    config.speed_percent = static_cast<int64_t>(options.speed * 100 + 0.5);
    config.is_looped = options.is_looped;
    config.queue_model =
        options.queue_model == "proportional" ? QueueModel::kProportional : QueueModel::kTradesOnly;
    config.error_policy =
        options.is_continue_on_error ? ReplayErrorPolicy::kContinue : ReplayErrorPolicy::kStop;
    return venue.StartReplay(id, config);
  }
  if (options.market == "none") return absl::OkStatus();
  GeneratedMarketConfig config = entry.generated;
  config.seed = options.seed + id.value();
  if (config.start_price.is_zero()) {
    return absl::InvalidArgumentError("instrument.start_price: required for a generated market");
  }
  return venue.StartGenerated(id, config);
}

// Says what the replay stumbled over, and that it ended.
class ReplayWatch {
 public:
  ReplayWatch(const SimVenue& venue, const Log& log) : venue_(venue), log_(log) {}

  void Look() {
    const auto status = venue_.replay_status(InstrumentId(0));
    if (!status.has_value()) return;
    for (; reported_ < status->problems.size(); ++reported_) {
      const ReplayProblem& problem = status->problems[reported_];
      log_.Line("warning", ToText(problem.kind),
                problem.file + ":" + std::to_string(problem.line) + ": " + problem.text);
    }
    if (status->is_finished && !is_end_reported_) {
      is_end_reported_ = true;
      log_.Line("info", "capture_finished",
                "messages=" + std::to_string(status->message_count) +
                    " problems=" + std::to_string(status->problem_count));
    }
  }

 private:
  const SimVenue& venue_;
  const Log& log_;
  size_t reported_ = 0;
  bool is_end_reported_ = false;
};

int Fail(const Log& log, int code, const absl::Status& status) {
  log.Line("error", code == kBadConfiguration ? "bad_configuration" : "failed", View(status));
  return code;
}

int Serve(const Options& options, const Log& log, const VenueFile& file) {
  SystemClock clock;
  SimVenueConfig venue_config;
  venue_config.seed = options.seed;
  venue_config.start_time_ns = clock.WallNs();
  venue_config.max_ledger_orders = options.max_ledger_rows;
  venue_config.max_ledger_trades = options.max_ledger_rows;
  VenueState state;
  if (!options.state_file.empty()) {
    auto loaded = LoadVenueState(options.state_file);
    if (!loaded.ok()) return Fail(log, kBadConfiguration, loaded.status());
    state = *std::move(loaded);
    venue_config.first_order_id = FirstId(clock.WallNs());
    venue_config.first_trade_id = venue_config.first_order_id;
  }
  SimVenue venue(venue_config);
  const auto instruments = AddInstruments(options, file, venue);
  if (!instruments.ok()) return Fail(log, kBadConfiguration, instruments.status());

  FrontEndConfig config;
  config.trading.address = options.listen;
  config.trading.port = options.port;
  config.trading.tls_certificate = options.tls_certificate;
  config.trading.tls_key = options.tls_key;
  config.trading.web_socket_life_ns = options.max_connection_life_s * kNanosPerSecond;
  config.has_control = options.has_control;
  config.control_port = options.control_port;
  config.limits = file.limits;
  config.api.default_self_trade = venue_config.default_self_trade;
  ServerLoop loop;
  FrontEnd front_end(loop, clock, venue, config);
  std::vector<std::string> account_names;
  for (AccountFileEntry entry : file.accounts) {
    ApplyVenueState(state, entry.account);
    account_names.push_back(entry.account.name);
    if (absl::Status status = front_end.AddAccount(entry); !status.ok()) {
      return Fail(log, kBadConfiguration, WithContext(status, "account " + entry.account.name));
    }
  }
  if (!options.fault_plan.empty()) {
    const auto plan = LoadFaultPlan(options.fault_plan, venue);
    if (!plan.ok()) return Fail(log, kBadConfiguration, plan.status());
    front_end.StartFaultPlan(*plan);
  }
  for (const InstrumentFileEntry& entry : *instruments) {
    if (absl::Status status = StartMarket(options, entry, venue); !status.ok()) {
      return Fail(log, kRuntimeFailure, status);
    }
  }
  if (absl::Status status = front_end.Listen(); !status.ok()) {
    const bool is_bad = absl::IsInvalidArgument(status);
    return Fail(log, is_bad ? kBadConfiguration : kRuntimeFailure, status);
  }
  loop.OnTerminationSignal([&] {
    front_end.Shutdown();
    loop.Stop();
  });
  ReplayWatch watch(venue, log);
  loop.RunEvery(kNanosPerSecond, [&] { watch.Look(); });
  VenueStateFile state_file(options.state_file, venue, account_names);
  const auto save_state = [&] {
    if (options.state_file.empty()) return;
    if (absl::Status status = state_file.Save(); !status.ok()) {
      log.Line("warning", "state_not_saved", View(status));
    }
  };
  loop.RunEvery(kNanosPerSecond, save_state);

  std::printf("holdfast-venue listening address=%s port=%u control_port=%u\n",
              options.listen.c_str(), front_end.port(), front_end.control_port());
  std::fflush(stdout);
  loop.Run();
  save_state();
  log.Line("info", "stopped", "on request");
  return kOk;
}

int Main(int argument_count, char** arguments) {
  Options options;
  CLI::App app("A simulated exchange that speaks Binance Spot's wire protocol.", "holdfast-venue");
  Declare(app, options);
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    const std::string text = "flags: " + std::string(error.what()) + " (see --help)";
    return Fail(Log(false), kBadConfiguration, absl::InvalidArgumentError(text));
  }
  const Log log(options.log == "json");
  if (absl::Status status = CheckOptions(options); !status.ok()) {
    return Fail(log, kBadConfiguration, status);
  }
  VenueFile file;
  if (!options.accounts.empty()) {
    auto loaded = LoadVenueFile(options.accounts);
    if (!loaded.ok()) return Fail(log, kBadConfiguration, loaded.status());
    file = *std::move(loaded);
  }
  return Serve(options, log, file);
}

}  // namespace
}  // namespace holdfast::sim

int main(int argument_count, char** arguments) {
  return holdfast::sim::Main(argument_count, arguments);
}
