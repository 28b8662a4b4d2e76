#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

namespace holdfast {

// How an order of ours advances in the queue of a recorded level (docs/simulated_venue.md).
enum class QueueModel : uint8_t {
  kTradesOnly,  // conservative: only recorded trades at our price; never behind the displayed size
  kProportional,  // also shrinkage without trades, in proportion to what was ahead of and behind us
};

// What a damaged capture does. Every problem is reported with its file and line either way.
enum class ReplayErrorPolicy : uint8_t {
  kStop,      // the market stands still from there; orders stay, nothing fills
  kContinue,  // skips what is damaged; after a gap the book goes on until a snapshot replaces it
};

enum class ReplayProblemKind : uint8_t {
  kCannotOpen,
  kTruncated,     // the compressed stream ends early
  kCorruptLine,   // not `<ns> <JSON>`, or a known message with a missing or malformed field
  kTimeReversed,  // receive time goes back by more than the tolerance
  kSequenceGap,   // a depth update does not continue the one before
  kNoSnapshot,    // the files end without a usable depth snapshot
  kOffGrid,       // a price is not on the instrument's grid
};
std::string_view ToText(ReplayProblemKind kind);

struct ReplayProblem {
  ReplayProblemKind kind = ReplayProblemKind::kCorruptLine;
  std::string file;
  int64_t line = 0;  // from 1; 0 = the file itself
  std::string text;
};

struct ReplayMarketConfig {
  std::vector<std::string> files = {};  // gzip or plain, one capture continued over several files
  // Recorded seconds per venue second, in hundredths: 100 = as recorded, 1000 = ten times as fast.
  int64_t speed_percent = 100;
  bool is_looped = false;  // starts again from the first snapshot; ids and times go on
  QueueModel queue_model = QueueModel::kTradesOnly;
  ReplayErrorPolicy error_policy = ReplayErrorPolicy::kStop;
  bool is_book_top_used = true;  // book-top messages refine the book between depth updates
  int64_t time_reversal_tolerance_ns = 1'000'000'000;
};

struct ReplayStatus {
  bool is_started = false;   // the first snapshot has been reached
  bool is_finished = false;  // end of the files (not looped), or stopped by a problem
  int64_t message_count = 0;
  int64_t loop_count = 0;
  int64_t rounded_quantity_count = 0;  // sizes off the instrument's lot, cut to it
  std::string file;                    // being read
  int64_t line = 0;                    // last line used
  int64_t problem_count = 0;
  std::vector<ReplayProblem> problems;  // the first kMaxReplayProblems
};
inline constexpr size_t kMaxReplayProblems = 100;

absl::Status Validate(const ReplayMarketConfig& config);

}  // namespace holdfast
