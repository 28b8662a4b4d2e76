#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "connectors/sim/capture_reader.h"
#include "connectors/sim/replay_book.h"
#include "connectors/sim/replay_market.h"

namespace holdfast {

// Plays a capture into a ReplayBook on the venue's clock: reads ahead by one message, knows when it
// is due, checks sequence and time, reports what is damaged, starts over when looped.
class ReplayPlayer {
 public:
  class Host : public ReplayBook::Observer {
   public:
    // The part of a recorded trade that did not fill our orders.
    virtual void OnRecordedTrade(int64_t ticks, int64_t lots, Side aggressor) = 0;
  };
  struct Grid {
    std::string_view symbol;  // other instruments' messages are skipped
    Decimal price;
    Decimal quantity;
  };

  ReplayPlayer(const ReplayMarketConfig& config, const Grid& grid, ReplayBook& book);

  // Reads up to the first usable snapshot and shows its book at once. kDataLoss, kNotFound: there
  // is none, or (policy kStop) the file is damaged before it.
  absl::Status Start(int64_t now_ns, Host& host);
  // When the next message is due; nullopt = finished.
  std::optional<int64_t> next_time_ns() const { return next_time_ns_; }
  // Plays the message that is due. REQUIRES: next_time_ns() has a value.
  void Step(Host& host);
  ReplayStatus status() const;

 private:
  // Depth messages before the snapshot that may have to be applied on top of it.
  static constexpr size_t kMaxBufferedMessages = 10'000;

  // The next message that decodes and is ours; false at the end or at a stop.
  bool Read();
  bool ReadUntilSnapshot(Host& host);
  void ScheduleNext(int64_t previous_time_ns);
  void Restart(Host& host);
  void Apply(Host& host);
  void ApplyDepth(const CaptureMessage& message, Host& host);
  // True = go on.
  bool Report(ReplayProblemKind kind, std::string_view text);
  void Finish();
  bool ToLevels(const std::vector<CaptureLevel>& from, std::vector<ReplayBook::RecordedLevel>& to);
  void LoadSnapshot(const CaptureMessage& message, Host& host);

  ReplayMarketConfig config_;
  std::string symbol_;
  Decimal price_grid_;
  Decimal quantity_grid_;
  ReplayBook& book_;
  CaptureLines lines_;
  CaptureDecoder decoder_;
  CaptureMessage message_;  // the one that is due at next_time_ns_
  std::vector<ReplayBook::RecordedLevel> bids_;
  std::vector<ReplayBook::RecordedLevel> asks_;
  std::optional<int64_t> next_time_ns_;
  int64_t last_receive_time_ns_ = 0;  // never goes back
  int64_t origin_receive_ns_ = 0;     // recorded time of ...
  int64_t origin_venue_ns_ = 0;       // ... this venue time
  ReplayStatus status_;
};

}  // namespace holdfast
