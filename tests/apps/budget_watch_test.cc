// Proves what an operator reads when queries wait for the venue's budget, for instance when a crash
// loop has used it up and the proof of the empty book has to wait: the budget by name, used and
// limit, how long it takes; once in ten seconds, not for short waits, and when it is over.

#include "apps/budget_watch.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace holdfast {
namespace {

constexpr int64_t kWallNs = 1'700'000'000 * kNanosPerSecond;

RateBudget Waiting(QueryWait cause, int64_t left_ns = 29 * kNanosPerSecond) {
  RateBudget budget;
  budget.query_wait = cause;
  if (cause != QueryWait::kVenueBlock) {
    budget.query_wait_used = 5'412;
    budget.query_wait_limit = 6'000;
  }
  budget.query_wait_until_ns = kWallNs + left_ns;
  return budget;
}

TEST_CASE("budget watch: a wait is explained by its budget, its use and its end", "[apps][log]") {
  CHECK(ExplainQueryWait(RateBudget(), kWallNs).empty());
  CHECK(ExplainQueryWait(Waiting(QueryWait::kRequestWeight), kWallNs) ==
        "queries wait for the venue's budget of request weight: used 5412 of 6000 (a part is kept "
        "for cancels); counted anew in at most 29 s");
  CHECK(ExplainQueryWait(Waiting(QueryWait::kRequestCount, 1), kWallNs) ==
        "queries wait for the venue's budget of requests: used 5412 of 6000 (a part is kept for "
        "cancels); counted anew in at most 1 s");
  CHECK(ExplainQueryWait(Waiting(QueryWait::kVenueBlock), kWallNs) ==
        "queries wait because the venue told us to send nothing for another 29 s");
  CHECK(ExplainQueryWait(Waiting(QueryWait::kVenueBlock, -5), kWallNs) ==
        "queries wait because the venue told us to send nothing for another 0 s");
}

struct Story {
  Story() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hf_watch_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    Log::Options options;
    options.file = (folder / "log").string();
    auto opened = Log::Open(clock, options, Redactor());
    REQUIRE(opened.ok());
    log = *std::move(opened);
  }
  ~Story() { std::filesystem::remove_all(folder); }
  std::string Read() {
    log->Flush();
    std::ifstream file(folder / "log");
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }
  int LineCount() {
    const std::string text = Read();
    return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  }

  ManualClock clock;
  std::filesystem::path folder;
  std::unique_ptr<Log> log;
};

TEST_CASE("budget watch: a long wait is told once in ten seconds, and that it is over",
          "[apps][log]") {
  Story story;
  BudgetWatch watch(*story.log);
  const auto look = [&](QueryWait cause, int64_t second, bool is_stopping = true) {
    watch.Look(Waiting(cause), is_stopping, kWallNs, second * kNanosPerSecond);
    return story.LineCount();
  };
  CHECK(look(QueryWait::kNone, 0) == 0);
  CHECK(look(QueryWait::kRequestWeight, 1) == 0);
  CHECK(look(QueryWait::kNone, 2) == 0);  // was short
  CHECK(look(QueryWait::kRequestWeight, 10) == 0);
  CHECK(look(QueryWait::kRequestWeight, 12) == 1);
  CHECK(look(QueryWait::kRequestWeight, 21) == 1);
  CHECK(look(QueryWait::kRequestWeight, 22) == 2);
  CHECK(look(QueryWait::kNone, 30) == 3);
  const std::string text = story.Read();
  INFO(text);
  CHECK(text.find("venue.budget wait=request_weight used=5412 limit=6000 wait_s=29") !=
        std::string::npos);
  CHECK(text.find("the proof of the empty book comes after that") != std::string::npos);
  CHECK(text.find("venue.budget wait=over waited_s=20") != std::string::npos);
  CHECK(look(QueryWait::kVenueBlock, 40, false) == 3);
  CHECK(look(QueryWait::kVenueBlock, 43, false) == 4);
  const std::string later = story.Read().substr(text.size());
  CHECK(later.find("proof") == std::string::npos);
}

}  // namespace
}  // namespace holdfast
