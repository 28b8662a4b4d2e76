#include "connectors/binance/connection.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "connectors/net/text.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr int64_t kMinuteNs = 60 * kNanosPerSecond;

std::optional<int64_t> ParseCount(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || value < 0) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BinanceConnection>> BinanceConnection::Create(
    const BinanceOptions& options, NetworkThread::Options thread_options, Clock& clock) {
  std::unique_ptr<BinanceConnection> connection(
      new BinanceConnection(options, std::move(thread_options), clock));
  HF_ASSIGN_OR_RETURN(connection->tls_, TlsContext::Create({.ca_file = options.ca_file}));
  HF_ASSIGN_OR_RETURN(connection->rest_url_, ParseUrl(options.rest_url));
  HF_ASSIGN_OR_RETURN(connection->websocket_api_url_, ParseUrl(options.websocket_api_url));
  HF_ASSIGN_OR_RETURN(connection->stream_url_, ParseUrl(options.stream_url));
  return connection;
}

BinanceConnection::BinanceConnection(const BinanceOptions& options,
                                     NetworkThread::Options thread_options, Clock& clock)
    : clock_(clock),
      thread_(std::move(thread_options), clock),
      prng_(options.prng_seed),
      budget_(options.cancel_reserve_ppm) {
  // The venue's published limits, until exchangeInfo or an answer states others.
  budget_.Configure({BudgetKind::kRequestWeight, kMinuteNs, 6000});
  budget_.Configure({BudgetKind::kOrderCount, 10 * kNanosPerSecond, 100});
  budget_.Configure({BudgetKind::kOrderCount, 1440 * kMinuteNs, 200'000});
  budget_.Configure({BudgetKind::kRequestCount, 5 * kMinuteNs, 300'000});
  budget_.ImportBlock(options.initial_rate_block);
  PublishBudget();
}

void BinanceConnection::Charge(BudgetKind kind, int64_t amount) {
  budget_.Charge(kind, amount, VenueTimeNs());
}

void BinanceConnection::ApplyRateLimits(const BinanceReply& reply) {
  for (const RateLimitCount& limit : reply.rate_limits) {
    budget_.Configure(limit.window);
    if (limit.used >= 0) {
      OnVenueCount(limit.window.kind, limit.window.interval_ns, limit.used);
    }
  }
  const BinanceError& error = reply.error;
  if (error.status == 429 || error.status == 418) {
    const bool is_ban = error.status == 418;
    // Stated on the venue's clock; ours may differ.
    const int64_t until_ns =
        reply.retry_after_ms > 0
            ? reply.retry_after_ms * kNanosPerMilli - clock_offset_.offset_ns()
            : clock_.WallNs() + (is_ban ? kDefaultBanNs : kDefaultRetryAfterNs);
    if (error.code == kBinanceTooManyOrders) {
      budget_.BlockPlacements(until_ns);
    } else {
      budget_.Block(until_ns, is_ban);
    }
  }
  PublishBudget();
}

void BinanceConnection::ApplyRateLimits(const HttpResponse& response, BinanceReply& reply) {
  struct Row {
    const char* header;
    BudgetKind kind;
    int64_t interval_ns;
  };
  static constexpr Row kRows[] = {
      {"x-mbx-used-weight-1m", BudgetKind::kRequestWeight, kMinuteNs},
      {"x-mbx-order-count-10s", BudgetKind::kOrderCount, 10 * kNanosPerSecond},
      {"x-mbx-order-count-1d", BudgetKind::kOrderCount, 1440 * kMinuteNs},
  };
  for (const Row& row : kRows) {
    if (const auto used = ParseCount(response.Header(row.header))) {
      OnVenueCount(row.kind, row.interval_ns, *used);
    }
  }
  if (const auto seconds = ParseCount(response.Header("retry-after"))) {
    // A year is as good as for ever and does not overflow.
    reply.retry_after_ms =
        VenueTimeNs() / kNanosPerMilli + std::min<int64_t>(*seconds, 365 * 86'400) * 1000;
  }
  ApplyRateLimits(reply);
}

void BinanceConnection::OnVenueCount(BudgetKind kind, int64_t interval_ns, int64_t used) {
  const int64_t unanswered = kind == BudgetKind::kOrderCount ? unanswered_placements_ : 0;
  // A venue that states nonsense must not make the sum overflow.
  budget_.OnVenueCount(kind, interval_ns, std::min(used, INT64_MAX / 2) + unanswered,
                       VenueTimeNs());
}

void BinanceConnection::ApplyRefusedUpgrade(const HttpResponse& response) {
  BinanceReply reply;
  reply.error.status = response.status;
  ApplyRateLimits(response, reply);
}

void BinanceConnection::PublishBudget() {
  const int64_t now_ns = VenueTimeNs();
  const RateBlock block = budget_.block();
  block_until_ns_.store(block.not_before_wall_ns, std::memory_order_relaxed);
  is_ban_.store(block.is_ban, std::memory_order_relaxed);
  const auto weight = budget_.UsageOf(BudgetKind::kRequestWeight, now_ns);
  const auto orders = budget_.UsageOf(BudgetKind::kOrderCount, now_ns);
  weight_used_.store(weight.used, std::memory_order_relaxed);
  weight_limit_.store(weight.limit, std::memory_order_relaxed);
  orders_used_.store(orders.used, std::memory_order_relaxed);
  orders_limit_.store(orders.limit, std::memory_order_relaxed);
  const bool is_blocked = budget_.ArePlacementsBlocked(clock_.WallNs());
  placement_room_.store(is_blocked ? 0 : budget_.PlacementRoom(1, now_ns),
                        std::memory_order_relaxed);
}

RateBlock BinanceConnection::rate_block() const {
  return {.not_before_wall_ns = block_until_ns_.load(std::memory_order_relaxed),
          .is_ban = is_ban_.load(std::memory_order_relaxed)};
}

void BinanceConnection::PublishQueryWait(QueryWait cause, int64_t used, int64_t limit,
                                         int64_t until_wall_ns) {
  query_wait_used_.store(used, std::memory_order_relaxed);
  query_wait_limit_.store(limit, std::memory_order_relaxed);
  query_wait_until_ns_.store(until_wall_ns, std::memory_order_relaxed);
  query_wait_.store(cause, std::memory_order_relaxed);
}

RateBudget BinanceConnection::budget_snapshot() const {
  const int64_t placement_room = placement_room_.load(std::memory_order_relaxed);
  return {.request_weight_used = weight_used_.load(std::memory_order_relaxed),
          .request_weight_limit = weight_limit_.load(std::memory_order_relaxed),
          .order_count_used = orders_used_.load(std::memory_order_relaxed),
          .order_count_limit = orders_limit_.load(std::memory_order_relaxed),
          .is_placement_allowed = placement_room > 0,
          .placement_room = placement_room,
          .query_wait = query_wait_.load(std::memory_order_relaxed),
          .query_wait_used = query_wait_used_.load(std::memory_order_relaxed),
          .query_wait_limit = query_wait_limit_.load(std::memory_order_relaxed),
          .query_wait_until_ns = query_wait_until_ns_.load(std::memory_order_relaxed)};
}

}  // namespace holdfast
