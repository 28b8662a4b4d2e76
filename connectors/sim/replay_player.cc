#include "connectors/sim/replay_player.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"

namespace holdfast {

std::string_view ToText(ReplayProblemKind kind) {
  switch (kind) {
    case ReplayProblemKind::kCannotOpen:
      return "cannot_open";
    case ReplayProblemKind::kTruncated:
      return "truncated";
    case ReplayProblemKind::kCorruptLine:
      return "corrupt_line";
    case ReplayProblemKind::kTimeReversed:
      return "time_reversed";
    case ReplayProblemKind::kSequenceGap:
      return "sequence_gap";
    case ReplayProblemKind::kNoSnapshot:
      return "no_snapshot";
    case ReplayProblemKind::kOffGrid:
      return "off_grid";
  }
  return "?";
}

absl::Status Validate(const ReplayMarketConfig& config) {
  if (config.files.empty()) return absl::InvalidArgumentError("replay: no files");
  if (config.speed_percent <= 0 || config.speed_percent > 1'000'000) {
    return absl::InvalidArgumentError("replay: speed_percent not within 1..1000000");
  }
  if (config.time_reversal_tolerance_ns < 0) {
    return absl::InvalidArgumentError("replay: time_reversal_tolerance_ns negative");
  }
  return absl::OkStatus();
}

ReplayPlayer::ReplayPlayer(const ReplayMarketConfig& config, const Grid& grid, ReplayBook& book)
    : config_(config),
      symbol_(grid.symbol),
      price_grid_(grid.price),
      quantity_grid_(grid.quantity),
      book_(book),
      lines_(config.files) {
  HF_ASSERT(Validate(config).ok());
}

bool ReplayPlayer::Report(ReplayProblemKind kind, std::string_view text) {
  ++status_.problem_count;
  if (status_.problems.size() < kMaxReplayProblems) {
    status_.problems.push_back(
        {.kind = kind, .file = status_.file, .line = status_.line, .text = std::string(text)});
  }
  if (config_.error_policy == ReplayErrorPolicy::kContinue) return true;
  Finish();
  return false;
}

void ReplayPlayer::Finish() {
  status_.is_finished = true;
  next_time_ns_.reset();
}

bool ReplayPlayer::Read() {
  while (!status_.is_finished) {
    status_.file = lines_.file();
    const absl::StatusOr<std::optional<std::string_view>> line = lines_.Next();
    if (!line.ok()) {
      status_.line = lines_.line();
      const bool is_missing = line.status().code() == absl::StatusCode::kNotFound;
      const absl::string_view text = line.status().message();
      if (!Report(is_missing ? ReplayProblemKind::kCannotOpen : ReplayProblemKind::kTruncated,
                  {text.data(), text.size()})) {
        return false;
      }
      continue;
    }
    if (!line->has_value()) return false;
    status_.file = lines_.file();
    status_.line = lines_.line();
    const absl::Status decoded = decoder_.Decode(**line, message_);
    if (!decoded.ok()) {
      const absl::string_view text = decoded.message();
      if (!Report(ReplayProblemKind::kCorruptLine, {text.data(), text.size()})) return false;
      continue;
    }
    if (message_.receive_time_ns + config_.time_reversal_tolerance_ns < last_receive_time_ns_) {
      if (!Report(ReplayProblemKind::kTimeReversed,
                  absl::StrCat("receive time goes back by ",
                               last_receive_time_ns_ - message_.receive_time_ns, " ns"))) {
        return false;
      }
      continue;
    }
    last_receive_time_ns_ = std::max(last_receive_time_ns_, message_.receive_time_ns);
    if (message_.kind == CaptureKind::kOther) continue;
    if (!message_.symbol.empty() && message_.symbol != symbol_) continue;
    return true;
  }
  return false;
}

bool ReplayPlayer::ToLevels(const std::vector<CaptureLevel>& from,
                            std::vector<ReplayBook::RecordedLevel>& to) {
  to.clear();
  for (const CaptureLevel& level : from) {
    if (level.price.units() % price_grid_.units() != 0) {
      if (!Report(ReplayProblemKind::kOffGrid, absl::StrCat("price ", level.price.ToText()))) {
        return false;
      }
      continue;
    }
    // Orders from before a coarser lot size still stand in real books.
    if (level.quantity.units() % quantity_grid_.units() != 0) ++status_.rounded_quantity_count;
    to.push_back({.ticks = level.price.units() / price_grid_.units(),
                  .lots = level.quantity.units() / quantity_grid_.units()});
  }
  return true;
}

void ReplayPlayer::LoadSnapshot(const CaptureMessage& message, Host& host) {
  if (!ToLevels(message.bids, bids_) || !ToLevels(message.asks, asks_)) return;
  book_.LoadBase(bids_, asks_, message.last_update_id, last_receive_time_ns_, host);
}

bool ReplayPlayer::ReadUntilSnapshot(Host& host) {
  std::deque<CaptureMessage> buffered;
  while (Read()) {
    if (message_.kind == CaptureKind::kDepth) {
      buffered.push_back(message_);
      if (buffered.size() > kMaxBufferedMessages) buffered.pop_front();
    }
    if (message_.kind != CaptureKind::kSnapshot) continue;
    LoadSnapshot(message_, host);
    for (const CaptureMessage& message : buffered) ApplyDepth(message, host);
    if (status_.is_finished) return false;
    status_.is_started = true;
    return true;
  }
  if (!status_.is_finished) {
    Report(ReplayProblemKind::kNoSnapshot, "the files end without a depth snapshot");
    Finish();
  }
  return false;
}

absl::Status ReplayPlayer::Start(int64_t now_ns, Host& host) {
  status_ = ReplayStatus{};
  if (!ReadUntilSnapshot(host)) {
    const ReplayProblem& problem = status_.problems.back();
    return absl::DataLossError(absl::StrCat("replay: file=", problem.file, " line=", problem.line,
                                            " problem=", ToText(problem.kind).data(), " ",
                                            problem.text));
  }
  origin_receive_ns_ = last_receive_time_ns_;
  origin_venue_ns_ = now_ns;
  ScheduleNext(now_ns);
  return absl::OkStatus();
}

// Reads the message that comes next and computes when it is due, never before `previous_time_ns`.
void ReplayPlayer::ScheduleNext(int64_t previous_time_ns) {
  if (!Read()) {
    // A loop needs at least some recorded time, or it would spin.
    const bool can_loop =
        config_.is_looped && !status_.is_finished && last_receive_time_ns_ > origin_receive_ns_;
    if (!can_loop) return Finish();
    message_.kind = CaptureKind::kOther;  // stands for the restart
    next_time_ns_ = previous_time_ns;
    return;
  }
  const int64_t recorded_ns = last_receive_time_ns_ - origin_receive_ns_;
  const auto venue_ns =
      static_cast<int64_t>(static_cast<__int128>(recorded_ns) * 100 / config_.speed_percent);
  next_time_ns_ = std::max(previous_time_ns, origin_venue_ns_ + venue_ns);
}

void ReplayPlayer::Restart(Host& host) {
  const int64_t now_ns = *next_time_ns_;
  lines_.Rewind();
  last_receive_time_ns_ = 0;
  ++status_.loop_count;
  if (!ReadUntilSnapshot(host)) return Finish();
  origin_receive_ns_ = last_receive_time_ns_;
  origin_venue_ns_ = now_ns;
}

void ReplayPlayer::Step(Host& host) {
  HF_ASSERT(next_time_ns_.has_value());
  const int64_t now_ns = *next_time_ns_;
  if (message_.kind == CaptureKind::kOther) {
    Restart(host);
  } else {
    ++status_.message_count;
    Apply(host);
  }
  if (!status_.is_finished) ScheduleNext(now_ns);
}

void ReplayPlayer::ApplyDepth(const CaptureMessage& message, Host& host) {
  if (status_.is_finished || message.last_update_id <= book_.last_update_id()) return;
  if (message.first_update_id > book_.last_update_id() + 1 &&
      !Report(ReplayProblemKind::kSequenceGap, absl::StrCat("expected ", book_.last_update_id() + 1,
                                                            " got ", message.first_update_id))) {
    return;
  }
  if (!ToLevels(message.bids, bids_) || !ToLevels(message.asks, asks_)) return;
  book_.ApplyDepth(bids_, asks_, message.last_update_id, last_receive_time_ns_, host);
}

void ReplayPlayer::Apply(Host& host) {
  switch (message_.kind) {
    case CaptureKind::kSnapshot:
      if (message_.last_update_id > book_.last_update_id()) LoadSnapshot(message_, host);
      return;
    case CaptureKind::kDepth:
      return ApplyDepth(message_, host);
    case CaptureKind::kBookTop: {
      if (!config_.is_book_top_used) return;
      if (!ToLevels(message_.bids, bids_) || !ToLevels(message_.asks, asks_)) return;
      if (bids_.empty() || asks_.empty()) return;  // off the grid, reported
      book_.ApplyBookTop(bids_[0], asks_[0], message_.last_update_id, last_receive_time_ns_, host);
      return;
    }
    case CaptureKind::kTrade: {
      if (!ToLevels({{.price = message_.price, .quantity = message_.quantity}}, bids_)) return;
      if (bids_.empty() || bids_[0].lots == 0) return;
      const int64_t left = book_.ApplyTrade(bids_[0].ticks, bids_[0].lots, message_.aggressor,
                                            last_receive_time_ns_, host);
      if (left > 0) host.OnRecordedTrade(bids_[0].ticks, left, message_.aggressor);
      return;
    }
    case CaptureKind::kOther:
      return;
  }
}

ReplayStatus ReplayPlayer::status() const { return status_; }

}  // namespace holdfast
