#include "connectors/sim/binance/rate_limits.h"

#include <algorithm>
#include <utility>

#include "connectors/sim/binance/json_writer.h"
#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

int64_t SecondsUntil(int64_t until_ns, int64_t now_ns) {
  return std::max<int64_t>(1, (until_ns - now_ns + kNanosPerSecond - 1) / kNanosPerSecond);
}

std::string RetryData(int64_t until_ns, int64_t now_ns) {
  std::string out;
  JsonWriter(out)
      .BeginObject()
      .Field("serverTime", now_ns / kNanosPerMilli)
      .Field("retryAfter", until_ns / kNanosPerMilli)
      .EndObject();
  return out;
}

// An unfilled order costs one; a maker fill gives back this many.
constexpr int64_t kMakerFillCredit = 5;

}  // namespace

void WindowCount::Add(int64_t now_ns, int64_t amount) {
  const int64_t window = now_ns / length_ns_;
  if (window != window_) {
    window_ = window;
    count_ = 0;
  }
  count_ = std::max<int64_t>(0, count_ + amount);
}

RateLimits::Address& RateLimits::Of(const std::string& address) {
  if (addresses_.size() >= kMaxAddresses && !addresses_.contains(address)) addresses_.clear();
  return addresses_[address];
}

RateRefusal RateLimits::Refuse(Address& address, int64_t until_ns, std::string text,
                               int64_t now_ns) {
  address.refused.Add(now_ns, 1);
  if (address.refused.Read(now_ns) > config_.ban_after_429_count) {
    address.banned_until_ns = now_ns + config_.ban_seconds * kNanosPerSecond;
  }
  return {{429, -1003, std::move(text), RetryData(until_ns, now_ns)},
          SecondsUntil(until_ns, now_ns)};
}

std::optional<RateRefusal> RateLimits::OnRequest(const std::string& address_text, int64_t weight,
                                                 int64_t now_ns) {
  Address& address = Of(address_text);
  if (now_ns < address.banned_until_ns) {
    const int64_t until_ms = address.banned_until_ns / kNanosPerMilli;
    return RateRefusal{
        {418, -1003,
         "Way too much request weight used; IP banned until " + std::to_string(until_ms) +
             ". Please use WebSocket Streams for live updates to avoid bans.",
         RetryData(address.banned_until_ns, now_ns)},
        SecondsUntil(address.banned_until_ns, now_ns)};
  }
  address.requests.Add(now_ns, 1);
  if (address.requests.Read(now_ns) > config_.requests_per_5_minutes) {
    return Refuse(address, address.requests.EndNs(now_ns),
                  "Too many requests; current limit is " +
                      std::to_string(config_.requests_per_5_minutes) +
                      " requests per 5 MINUTE. Please use WebSocket Streams for live updates to "
                      "avoid polling the API.",
                  now_ns);
  }
  if (address.weight.Read(now_ns) + weight > config_.weight_per_minute) {
    return Refuse(address, address.weight.EndNs(now_ns),
                  "Too much request weight used; current limit is " +
                      std::to_string(config_.weight_per_minute) +
                      " request weight per 1 MINUTE. Please use WebSocket Streams for live "
                      "updates to avoid polling the API.",
                  now_ns);
  }
  address.weight.Add(now_ns, weight);
  return std::nullopt;
}

void RateLimits::AddWeight(const std::string& address, int64_t weight, int64_t now_ns) {
  Of(address).weight.Add(now_ns, weight);
}

std::optional<RateRefusal> RateLimits::CheckOrder(SimAccountId account, int64_t now_ns) {
  Account& counts = accounts_[account.value()];
  const auto refuse = [&](int64_t until_ns, int64_t limit, std::string_view interval) {
    return RateRefusal{{429, -1015,
                        "Too many new orders; current limit is " + std::to_string(limit) +
                            " orders per " + std::string(interval) + ".",
                        RetryData(until_ns, now_ns)},
                       SecondsUntil(until_ns, now_ns)};
  };
  if (counts.ten_seconds.Read(now_ns) >= config_.orders_per_10_seconds) {
    return refuse(counts.ten_seconds.EndNs(now_ns), config_.orders_per_10_seconds, "10 SECOND");
  }
  if (counts.day.Read(now_ns) >= config_.orders_per_day) {
    return refuse(counts.day.EndNs(now_ns), config_.orders_per_day, "1 DAY");
  }
  return std::nullopt;
}

void RateLimits::AddOrder(SimAccountId account, int64_t now_ns) {
  Account& counts = accounts_[account.value()];
  counts.ten_seconds.Add(now_ns, 1);
  counts.day.Add(now_ns, 1);
}

void RateLimits::OnMakerFill(SimAccountId account, int64_t now_ns) {
  Account& counts = accounts_[account.value()];
  counts.ten_seconds.Add(now_ns, -kMakerFillCredit);
  counts.day.Add(now_ns, -kMakerFillCredit);
}

int64_t RateLimits::UsedWeight(const std::string& address, int64_t now_ns) const {
  const auto it = addresses_.find(address);
  return it == addresses_.end() ? 0 : it->second.weight.Read(now_ns);
}

OrderCounts RateLimits::Orders(SimAccountId account, int64_t now_ns) const {
  const auto it = accounts_.find(account.value());
  if (it == accounts_.end()) return {};
  return {it->second.ten_seconds.Read(now_ns), it->second.day.Read(now_ns)};
}

void RateLimits::Reset() {
  addresses_.clear();
  accounts_.clear();
}

}  // namespace holdfast::sim
