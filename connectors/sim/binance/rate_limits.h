#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "connectors/sim/binance/api_error.h"
#include "connectors/sim/binance/venue_file.h"

namespace holdfast::sim {

// What a 429 or 418 carries besides its text.
struct RateRefusal {
  ApiError error;
  int64_t retry_after_s = 0;
};

// A count in a window that starts at multiples of its length on the venue's clock.
class WindowCount {
 public:
  explicit WindowCount(int64_t length_ns) : length_ns_(length_ns) {}
  int64_t Read(int64_t now_ns) const { return now_ns / length_ns_ == window_ ? count_ : 0; }
  // Never below zero.
  void Add(int64_t now_ns, int64_t amount);
  int64_t EndNs(int64_t now_ns) const { return (now_ns / length_ns_ + 1) * length_ns_; }

 private:
  int64_t length_ns_;
  int64_t window_ = -1;
  int64_t count_ = 0;
};

struct OrderCounts {
  int64_t in_10_seconds = 0;
  int64_t in_day = 0;
};

// The venue's budgets: request weight and raw requests per address, unfilled orders per account.
// Bounded: at most kMaxAddresses are remembered; when full the table is emptied, which is lenient.
class RateLimits {
 public:
  explicit RateLimits(const LimitConfig& config) : config_(config) {}
  static constexpr size_t kMaxAddresses = 10'000;

  // Before a request is handled. Counts the request; set = refuse it.
  std::optional<RateRefusal> OnRequest(const std::string& address, int64_t weight, int64_t now_ns);
  // Weight that became due (failures) or was waived (successful orders) afterwards.
  void AddWeight(const std::string& address, int64_t weight, int64_t now_ns);
  // Whether one more order may be placed; set = refuse it. Does not count.
  std::optional<RateRefusal> CheckOrder(SimAccountId account, int64_t now_ns);
  void AddOrder(SimAccountId account, int64_t now_ns);
  // A resting order got its first fill: it counts as filled.
  void OnMakerFill(SimAccountId account, int64_t now_ns);

  int64_t UsedWeight(const std::string& address, int64_t now_ns) const;
  OrderCounts Orders(SimAccountId account, int64_t now_ns) const;
  const LimitConfig& config() const { return config_; }
  void set_config(const LimitConfig& config) { config_ = config; }
  // Forgets all counts and bans.
  void Reset();

 private:
  struct Address {
    WindowCount weight{60'000'000'000};
    WindowCount requests{300'000'000'000};
    WindowCount refused{60'000'000'000};
    int64_t banned_until_ns = 0;
  };
  struct Account {
    WindowCount ten_seconds{10'000'000'000};
    WindowCount day{86'400'000'000'000};
  };
  Address& Of(const std::string& address);
  RateRefusal Refuse(Address& address, int64_t until_ns, std::string text, int64_t now_ns);

  LimitConfig config_;
  std::unordered_map<std::string, Address> addresses_;
  std::unordered_map<uint16_t, Account> accounts_;
};

}  // namespace holdfast::sim
