#include "connectors/sim/fault_injector.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr std::array<std::string_view, kFaultKindCount> kKindTexts = {
    "lost_request",    "lost_reply",      "late_accept",        "rate_limited",
    "banned",          "server_error",    "server_error_after", "fill_before_cancel",
    "duplicate_event", "reordered_event", "sequence_gap",       "disconnect",
    "clock_skew",      "restart",         "restart_forgetful"};

constexpr std::array<std::string_view, kFaultPointCount> kPointTexts = {
    "place",           "cancel",        "cancel_replace", "cancel_all",
    "amend",           "query_order",   "open_orders",    "trades",
    "account",         "public_query",  "depth_snapshot", "session",
    "execution_event", "balance_event", "depth_event",    "book_top_event",
    "trade_event",     "timed"};

enum class PointGroup : uint8_t { kRequest, kEvent, kTimed };

PointGroup GroupOf(FaultPoint point) {
  if (point == FaultPoint::kTimed) return PointGroup::kTimed;
  return point >= FaultPoint::kExecutionEvent ? PointGroup::kEvent : PointGroup::kRequest;
}

bool IsPossible(FaultKind kind, FaultPoint point) {
  const PointGroup group = GroupOf(point);
  switch (kind) {
    case FaultKind::kLostRequest:
    case FaultKind::kLostReply:
    case FaultKind::kLateAccept:
    case FaultKind::kRateLimited:
    case FaultKind::kBanned:
    case FaultKind::kServerError:
    case FaultKind::kServerErrorAfter:
      return group == PointGroup::kRequest;
    case FaultKind::kFillBeforeCancel:
      return point == FaultPoint::kCancel || point == FaultPoint::kCancelReplace;
    case FaultKind::kDuplicateEvent:
    case FaultKind::kReorderedEvent:
    case FaultKind::kSequenceGap:
      return group == PointGroup::kEvent;
    case FaultKind::kDisconnect:
      return true;
    case FaultKind::kClockSkew:
    case FaultKind::kRestart:
    case FaultKind::kRestartForgetful:
      return group == PointGroup::kTimed;
  }
  return false;
}

// A stream of its own for each rule of a plan.
Prng RulePrng(uint64_t seed, int32_t rule_id) {
  return Prng(seed * 0x9e3779b97f4a7c15u + static_cast<uint64_t>(rule_id) + 1);
}

absl::Status ValidateRule(const FaultRule& rule, size_t index) {
  const auto bad = [&](const char* field) {
    return absl::InvalidArgumentError(absl::StrCat("fault plan: rule=", index, " field=", field));
  };
  if (!IsPossible(rule.kind, rule.point)) return bad("point");
  if (rule.skip_count < 0) return bad("skip_count");
  if (rule.count <= 0) return bad("count");
  if (rule.probability_ppm <= 0 || rule.probability_ppm > 1'000'000) return bad("probability_ppm");
  if (rule.from_ns < 0) return bad("from_ns");
  if (rule.until_ns <= rule.from_ns) return bad("until_ns");
  if (rule.every_ns < 0) return bad("every_ns");
  if (rule.delay_ns < 0 && rule.kind != FaultKind::kClockSkew) return bad("delay_ns");
  if (rule.fraction_ppm <= 0 || rule.fraction_ppm > 1'000'000) return bad("fraction_ppm");
  return absl::OkStatus();
}

}  // namespace

std::string_view ToText(FaultKind kind) { return kKindTexts[static_cast<size_t>(kind)]; }
std::string_view ToText(FaultPoint point) { return kPointTexts[static_cast<size_t>(point)]; }

std::optional<FaultKind> FaultKindFromText(std::string_view text) {
  const auto it = std::find(kKindTexts.begin(), kKindTexts.end(), text);
  if (it == kKindTexts.end()) return std::nullopt;
  return static_cast<FaultKind>(it - kKindTexts.begin());
}

std::optional<FaultPoint> FaultPointFromText(std::string_view text) {
  const auto it = std::find(kPointTexts.begin(), kPointTexts.end(), text);
  if (it == kPointTexts.end()) return std::nullopt;
  return static_cast<FaultPoint>(it - kPointTexts.begin());
}

absl::Status Validate(const FaultPlan& plan) {
  for (size_t i = 0; i < plan.rules.size(); ++i) {
    if (absl::Status status = ValidateRule(plan.rules[i], i); !status.ok()) return status;
  }
  return absl::OkStatus();
}

FaultInjector::FaultInjector(uint64_t seed, int64_t start_time_ns)
    : seed_(seed), start_time_ns_(start_time_ns) {}

FaultInjector::FaultInjector(const FaultPlan& plan, int64_t start_time_ns)
    : FaultInjector(plan.seed, start_time_ns) {
  for (const FaultRule& rule : plan.rules) Add(rule);
}

int32_t FaultInjector::Add(const FaultRule& rule) {
  HF_ASSERT(ValidateRule(rule, 0).ok());
  const int32_t id = next_id_++;
  rules_.push_back({.rule = rule,
                    .id = id,
                    .prng = RulePrng(seed_, id),
                    .seen_count = 0,
                    .injected_count = 0,
                    .next_due_ns = start_time_ns_ + rule.from_ns});
  return id;
}

bool FaultInjector::Remove(int32_t rule_id) {
  return std::erase_if(rules_, [&](const ActiveRule& active) { return active.id == rule_id; }) > 0;
}

void FaultInjector::Clear() { rules_.clear(); }

bool FaultInjector::Fires(ActiveRule& active, int64_t now_ns) {
  const FaultRule& rule = active.rule;
  const int64_t elapsed_ns = now_ns - start_time_ns_;
  if (elapsed_ns < rule.from_ns || elapsed_ns >= rule.until_ns) return false;
  if (active.injected_count >= rule.count) return false;
  if (active.seen_count++ < rule.skip_count) return false;
  if (rule.probability_ppm < 1'000'000 &&
      !active.prng.Chance(static_cast<uint64_t>(rule.probability_ppm), 1'000'000)) {
    return false;
  }
  ++active.injected_count;
  return true;
}

std::optional<Fault> FaultInjector::Decide(FaultPoint point, std::optional<SimAccountId> account,
                                           int64_t now_ns) {
  HF_ASSERT(point != FaultPoint::kTimed);
  for (ActiveRule& active : rules_) {
    const FaultRule& rule = active.rule;
    if (rule.point != point) continue;
    if (rule.account.has_value() && rule.account != account) continue;
    if (!Fires(active, now_ns)) continue;
    ++injected_counts_[static_cast<size_t>(rule.kind)];
    return Fault{.kind = rule.kind,
                 .rule_id = active.id,
                 .delay_ns = rule.delay_ns,
                 .fraction_ppm = rule.fraction_ppm};
  }
  return std::nullopt;
}

std::optional<int64_t> FaultInjector::next_due_ns() const {
  std::optional<int64_t> next;
  for (const ActiveRule& active : rules_) {
    const FaultRule& rule = active.rule;
    if (rule.point != FaultPoint::kTimed || rule.kind == FaultKind::kClockSkew) continue;
    if (active.injected_count >= rule.count) continue;
    if (active.injected_count > 0 && rule.every_ns == 0) continue;
    if (active.next_due_ns - start_time_ns_ >= rule.until_ns) continue;
    if (!next.has_value() || active.next_due_ns < *next) next = active.next_due_ns;
  }
  return next;
}

std::vector<Fault> FaultInjector::TakeDue(int64_t now_ns) {
  std::vector<Fault> due;
  while (true) {
    const std::optional<int64_t> next = next_due_ns();
    if (!next.has_value() || *next > now_ns) return due;
    for (ActiveRule& active : rules_) {
      const FaultRule& rule = active.rule;
      const bool is_over =
          active.injected_count >= rule.count || (active.injected_count > 0 && rule.every_ns == 0);
      if (rule.point != FaultPoint::kTimed || rule.kind == FaultKind::kClockSkew || is_over ||
          active.next_due_ns != *next) {
        continue;
      }
      ++active.injected_count;
      active.next_due_ns += rule.every_ns;
      ++injected_counts_[static_cast<size_t>(rule.kind)];
      due.push_back({.kind = rule.kind,
                     .rule_id = active.id,
                     .delay_ns = rule.delay_ns,
                     .fraction_ppm = rule.fraction_ppm});
    }
  }
}

int64_t FaultInjector::clock_skew_ns(int64_t now_ns) const {
  int64_t skew_ns = 0;
  for (const ActiveRule& active : rules_) {
    const FaultRule& rule = active.rule;
    const int64_t elapsed_ns = now_ns - start_time_ns_;
    if (rule.kind == FaultKind::kClockSkew && elapsed_ns >= rule.from_ns &&
        elapsed_ns < rule.until_ns) {
      skew_ns += rule.delay_ns;
    }
  }
  return skew_ns;
}

}  // namespace holdfast
