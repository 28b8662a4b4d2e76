#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "connectors/sim/sim_types.h"
#include "engine/base/prng.h"

namespace holdfast {

// What goes wrong. Who plays it: the wire front end and the in-process ports, at the points below.
enum class FaultKind : uint8_t {
  kLostRequest,       // request: the venue never sees it and nobody answers
  kLostReply,         // request: executed, nobody answers
  kLateAccept,        // request: executed after `delay_ns`, nobody answers
  kRateLimited,       // request: HTTP 429, not executed; Retry-After = delay_ns
  kBanned,            // request: HTTP 418, not executed; Retry-After = delay_ns
  kServerError,       // request: HTTP 5xx, not executed
  kServerErrorAfter,  // request: executed, answered with HTTP 5xx
  kFillBeforeCancel,  // cancel requests: `fraction_ppm` of what is open fills first
  kDuplicateEvent,    // event: delivered twice
  kReorderedEvent,    // event: delivered after the next one of its channel
  kSequenceGap,       // event: not delivered
  kDisconnect,        // request, event or timed: the connection is cut
  kClockSkew,         // timed: the venue's clock is off by `delay_ns` (may be negative)
  kRestart,           // timed: all connections are cut, orders survive
  kRestartForgetful,  // timed: the same, and SimVenue::ForgetOrders()
};
inline constexpr int kFaultKindCount = 15;
std::string_view ToText(FaultKind kind);  // snake case, as in plan files
std::optional<FaultKind> FaultKindFromText(std::string_view text);

// Where it can go wrong.
enum class FaultPoint : uint8_t {
  kPlace,
  kCancel,
  kCancelReplace,
  kCancelAll,
  kAmend,
  kQueryOrder,
  kOpenOrders,
  kTrades,
  kAccount,
  kPublicQuery,  // exchange information, tickers, recent trades, time
  kDepthSnapshot,
  kSession,  // log-on, (un)subscribe
  kExecutionEvent,
  kBalanceEvent,
  kDepthEvent,
  kBookTopEvent,
  kTradeEvent,
  kTimed,  // not asked for by a request: at a time
};
inline constexpr int kFaultPointCount = 18;
std::string_view ToText(FaultPoint point);  // snake case, as in plan files
std::optional<FaultPoint> FaultPointFromText(std::string_view text);

// One line of a plan. It applies at `point` while from_ns <= time since the plan's start < until_ns
// and, after `skip_count` passing occasions, either to the next `count` ones (ppm = 1,000,000) or
// to each with the given probability, `count` times at most.
struct FaultRule {
  FaultKind kind = FaultKind::kLostRequest;
  FaultPoint point = FaultPoint::kPlace;
  std::optional<SimAccountId> account = {};  // nullopt = every account (and public data)
  int64_t skip_count = 0;
  int64_t count = INT64_MAX;
  int32_t probability_ppm = 1'000'000;
  int64_t from_ns = 0;  // timed rules: when it happens (kClockSkew: from when)
  int64_t until_ns = INT64_MAX;
  int64_t every_ns = 0;  // timed rules: repeats with this period; 0 = once
  int64_t delay_ns = 0;
  int32_t fraction_ppm = 1'000'000;
};

struct FaultPlan {
  uint64_t seed = 1;
  std::vector<FaultRule> rules = {};
};

// kInvalidArgument names the rule (from 0) and the field.
absl::Status Validate(const FaultPlan& plan);

struct Fault {
  FaultKind kind = FaultKind::kLostRequest;
  int32_t rule_id = 0;
  int64_t delay_ns = 0;
  int32_t fraction_ppm = 1'000'000;
};

// Decides, reproducibly, what goes wrong. Each rule draws from a sequence of its own, seeded by
// (seed, rule id), so adding a rule never changes what another one decides. When several rules
// apply at one occasion the one added first wins, and the others do not count the occasion.
//
// Single-threaded.
class FaultInjector {
 public:
  explicit FaultInjector(uint64_t seed = 1, int64_t start_time_ns = 0);
  FaultInjector(const FaultPlan& plan, int64_t start_time_ns);

  // Returns the rule's id: 0, 1, ... in order of addition. REQUIRES: the rule validates.
  int32_t Add(const FaultRule& rule);
  // False when there is no such rule (any more).
  bool Remove(int32_t rule_id);
  void Clear();

  // Asks at every request and event; nullopt = nothing goes wrong. Counts the occasion.
  std::optional<Fault> Decide(FaultPoint point, std::optional<SimAccountId> account,
                              int64_t now_ns);
  // Timed faults (except clock skew) that have come due since the last call, in order of time.
  std::vector<Fault> TakeDue(int64_t now_ns);
  std::optional<int64_t> next_due_ns() const;
  // Sum of the clock skews in force: what the venue's clock shows minus the true time.
  int64_t clock_skew_ns(int64_t now_ns) const;

  int64_t injected_count(FaultKind kind) const {
    return injected_counts_[static_cast<size_t>(kind)];
  }

 private:
  struct ActiveRule {
    FaultRule rule;
    int32_t id;
    Prng prng;
    int64_t seen_count = 0;
    int64_t injected_count = 0;
    int64_t next_due_ns = 0;  // timed rules
  };
  bool Fires(ActiveRule& active, int64_t now_ns);

  uint64_t seed_;
  int64_t start_time_ns_;
  int32_t next_id_ = 0;
  std::vector<ActiveRule> rules_;
  int64_t injected_counts_[kFaultKindCount] = {};
};

}  // namespace holdfast
