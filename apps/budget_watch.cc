#include "apps/budget_watch.h"

#include <algorithm>

#include "apps/text.h"

namespace holdfast {

std::string ExplainQueryWait(const RateBudget& budget, int64_t wall_ns) {
  const int64_t left_ns = std::max<int64_t>(0, budget.query_wait_until_ns - wall_ns);
  const int64_t left_s = (left_ns + kNanosPerSecond - 1) / kNanosPerSecond;
  const auto used_up = [&](std::string_view name) {
    return Concat("queries wait for the venue's ", name, ": used ", budget.query_wait_used, " of ",
                  budget.query_wait_limit,
                  " (a part is kept for cancels); counted anew in at most ", left_s, " s");
  };
  switch (budget.query_wait) {
    case QueryWait::kNone:
      return "";
    case QueryWait::kRequestWeight:
      return used_up("budget of request weight");
    case QueryWait::kRequestCount:
      return used_up("budget of requests");
    case QueryWait::kVenueBlock:
      return Concat("queries wait because the venue told us to send nothing for another ", left_s,
                    " s");
  }
  return "";
}

void BudgetWatch::Look(const RateBudget& budget, bool is_stopping, int64_t wall_ns,
                       int64_t now_ns) {
  if (budget.query_wait == QueryWait::kNone) {
    if (told_at_ns_.has_value()) {
      log_.Write(log_.Record(LogLevel::kInfo, "venue.budget")
                     .Add("wait", "over")
                     .Add("waited_s", (now_ns - *waits_since_ns_) / kNanosPerSecond));
    }
    waits_since_ns_.reset();
    told_at_ns_.reset();
    return;
  }
  if (!waits_since_ns_.has_value()) waits_since_ns_ = now_ns;
  if (now_ns - *waits_since_ns_ < kQuietNs) return;
  if (told_at_ns_.has_value() && now_ns - *told_at_ns_ < kRepeatNs) return;
  told_at_ns_ = now_ns;
  std::string text = ExplainQueryWait(budget, wall_ns);
  if (is_stopping) AppendTo(text, "; the proof of the empty book comes after that");
  const int64_t left_ns = std::max<int64_t>(0, budget.query_wait_until_ns - wall_ns);
  log_.Write(log_.Record(LogLevel::kWarning, "venue.budget")
                 .Add("wait", ToText(budget.query_wait))
                 .Add("used", budget.query_wait_used)
                 .Add("limit", budget.query_wait_limit)
                 .Add("wait_s", (left_ns + kNanosPerSecond - 1) / kNanosPerSecond)
                 .Add("text", text));
}

}  // namespace holdfast
