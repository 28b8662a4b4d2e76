#include "connectors/binance/instrument_fetch.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "connectors/binance/connection_options.h"
#include "connectors/binance/private_decoder.h"
#include "connectors/net/event_loop.h"
#include "connectors/net/http_client.h"
#include "connectors/net/text.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr int64_t kAttemptTimeoutNs = 10 * kNanosPerSecond;
constexpr int64_t kStopCheckNs = 100 * kNanosPerMilli;

struct Answer : HttpClient::Handler {
  void OnHttpResponse(const HttpResponse& response) override {
    is_done = true;
    status = response.status;
    retry_after = std::string(response.Header("retry-after"));
    body = std::string(response.body);
  }
  void OnHttpFailure(HttpFailure, const absl::Status& reason) override {
    is_done = true;
    failure = reason;
  }
  bool is_done = false;
  int status = 0;
  std::string body;
  std::string retry_after;
  absl::Status failure;
};

// Until when the venue wants to hear nothing; nothing when it did not say so.
RateBlock BlockOf(const Answer& answer, Clock& clock) {
  if (answer.status != 429 && answer.status != 418) return {};
  const bool is_ban = answer.status == 418;
  int64_t wait_ns = is_ban ? kDefaultBanNs : kDefaultRetryAfterNs;
  int64_t seconds = 0;
  const char* const end = answer.retry_after.data() + answer.retry_after.size();
  const auto [rest, error] = std::from_chars(answer.retry_after.data(), end, seconds);
  if (!answer.retry_after.empty() && error == std::errc() && rest == end && seconds >= 0) {
    wait_ns = std::min<int64_t>(seconds, 365 * 86'400) * kNanosPerSecond;
  }
  return {.not_before_wall_ns = clock.WallNs() + wait_ns, .is_ban = is_ban};
}

bool AlwaysGoOn() { return true; }

template <typename GoOn>
absl::StatusOr<Instrument> Fetch(const BinanceOptions& options, std::string_view symbol,
                                 InstrumentId id, Clock& clock, int64_t timeout_ns, GoOn go_on,
                                 RateBlock& block) {
  HF_ASSIGN_OR_RETURN(const Url url, ParseUrl(options.rest_url));
  HF_ASSIGN_OR_RETURN(const auto tls, TlsContext::Create({.ca_file = options.ca_file}));
  for (char c : symbol) {
    if (!IsAlphanumeric(c)) {
      return absl::InvalidArgumentError(Concat("not a symbol of this venue: symbol=", symbol));
    }
  }
  EventLoop loop(clock);
  Answer answer;
  HttpClient client(loop, tls, url, {.max_response_bytes = size_t{32} << 20}, answer);
  const std::string target = Concat("/api/v3/exchangeInfo?symbol=", symbol);
  client.Send({.target = target}, timeout_ns);
  while (!answer.is_done) {
    if (!go_on()) return absl::CancelledError("stopped");
    loop.RunOnce(kStopCheckNs);
  }
  if (!answer.failure.ok()) return answer.failure;
  if (answer.status == 200) return ParseExchangeInfo(answer.body, symbol, id);
  block = BlockOf(answer, clock);
  const std::string what =
      Concat("exchange information refused: symbol=", symbol, " status=", answer.status,
             " answer=", answer.body.substr(0, 120));
  if (answer.status == 400) return absl::NotFoundError(what);
  return absl::UnavailableError(what);
}

}  // namespace

absl::StatusOr<Instrument> FetchInstrument(const BinanceOptions& options, std::string_view symbol,
                                           InstrumentId id, Clock& clock, int64_t timeout_ns,
                                           RateBlock* block) {
  RateBlock unused;
  return Fetch(options, symbol, id, clock, timeout_ns, AlwaysGoOn,
               block == nullptr ? unused : *block);
}

absl::StatusOr<Instrument> FetchInstrumentPatiently(
    const BinanceOptions& options, std::string_view symbol, InstrumentId id, Clock& clock,
    const std::atomic<bool>& is_stopping,
    const std::function<void(const absl::Status&)>& on_failure) {
  Prng prng(options.prng_seed);
  Backoff backoff(BackoffOptionsOf(options), prng);
  const auto go_on = [&] { return !is_stopping.load(std::memory_order_relaxed); };
  while (true) {
    RateBlock block;
    auto instrument = Fetch(options, symbol, id, clock, kAttemptTimeoutNs, go_on, block);
    if (instrument.ok()) return instrument;
    const absl::StatusCode code = instrument.status().code();
    if (code != absl::StatusCode::kUnavailable && code != absl::StatusCode::kDeadlineExceeded) {
      return instrument;
    }
    if (on_failure) on_failure(instrument.status());
    // Waits in a loop of its own, looking at the stop flag now and then.
    EventLoop loop(clock);
    const int64_t until_ns =
        clock.MonotonicNs() +
        std::max(backoff.NextDelayNs(), block.not_before_wall_ns - clock.WallNs());
    while (clock.MonotonicNs() < until_ns) {
      if (!go_on()) return absl::CancelledError("stopped");
      loop.RunOnce(std::min(kStopCheckNs, until_ns - clock.MonotonicNs()));
    }
  }
}

}  // namespace holdfast
