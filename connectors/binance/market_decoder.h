#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "engine/market/instrument.h"
#include "engine/market/market_data.h"

namespace holdfast {

class BinanceMarketScanner;
class BinanceMarketStrictParser;

enum class BinanceFrameKind : uint8_t {
  kDepthUpdate,
  kDepthSnapshot,
  kTrade,
  kBookTop,
  kServerShutdown,  // the venue is about to close: reconnect at once
  kOther,           // valid JSON that is none of the above: a subscription's answer, another event
  kMalformed,       // refused: see BinanceFrame::error
};
std::string_view ToText(BinanceFrameKind kind);

enum class BinanceDecodeError : uint8_t {
  kNone,
  kSyntax,         // not one complete JSON value: truncated, trailing bytes, NUL, bad UTF-8
  kTooLarge,       // more bytes than BinanceMarketDecoder::kMaxFrameBytes
  kMissingKey,     // a key that the frame's kind needs
  kDuplicateKey,   // a key that we read occurs twice
  kWrongType,      // text where a number belongs, a level that is not a pair, ...
  kBadNumber,      // sign, exponent, blanks, empty, no digit beside the point
  kTooManyDigits,  // more than 18 before or 8 behind the point
  kOutOfRange,     // does not fit, or zero where only positive makes sense
  kOffGrid,        // a price that is not a multiple of the tick
  kTooManyLevels,  // more than the caller's buffer holds
  kWrongSymbol,    // belongs to another instrument
  kBadSequence,    // first update id above the last one
};
std::string_view ToText(BinanceDecodeError error);

// Output of BinanceMarketDecoder, owned and reused by the caller. `kind` says which member is
// meaningful; the others are stale. The spans of depth updates and snapshots point into this object
// and stay valid until it is decoded into again. Allocates once.
class BinanceFrame {
 public:
  // A depth snapshot of 5000 levels a side is the largest frame the venue sends.
  static constexpr size_t kMaxLevels = 2 * 5000;

  explicit BinanceFrame(size_t level_capacity = kMaxLevels);

  BinanceFrameKind kind = BinanceFrameKind::kOther;
  BinanceDecodeError error = BinanceDecodeError::kNone;
  DepthUpdate depth_update;
  DepthSnapshot depth_snapshot;
  PublicTrade trade;
  BookTop book_top;

  // Both sides of a frame share this buffer.
  std::span<LevelChange> level_buffer() { return {levels_.get(), level_capacity_}; }

 private:
  size_t level_capacity_;
  std::unique_ptr<LevelChange[]> levels_;
};

// Turns one text frame of the market streams (raw or inside {"stream":..,"data":..}) or one REST
// depth snapshot into ticks and lots of one instrument. A price off the tick grid refuses the
// frame. A size off the lot grid does not: orders older than a change of the venue's lot size rest
// in real books; it counts as the next full lot, so that a level that exists is never lost.
//
// Two paths with one meaning. The scanner knows the layout the venue sends and reads it in one
// pass; whatever it does not expect goes, from the start, to a strict parser that takes any valid
// JSON (other key order, blanks, escapes, unknown keys) and is the one that refuses. Neither reads
// outside the frame.
//
// Allocates at construction only. One thread.
class BinanceMarketDecoder {
 public:
  static constexpr size_t kMaxFrameBytes = size_t{1} << 20;

  // REQUIRES: Validate(instrument).ok().
  explicit BinanceMarketDecoder(const Instrument& instrument);
  ~BinanceMarketDecoder();
  BinanceMarketDecoder(const BinanceMarketDecoder&) = delete;
  BinanceMarketDecoder& operator=(const BinanceMarketDecoder&) = delete;

  // Returns frame.kind.
  BinanceFrameKind Decode(std::string_view text, int64_t receive_time_ns, BinanceFrame& frame);

  // The general path alone, for tests and benchmarks.
  BinanceFrameKind DecodeStrict(std::string_view text, int64_t receive_time_ns,
                                BinanceFrame& frame);

  // How many frames took the general path: many mean that the venue's layout has changed.
  uint64_t strict_count() const { return strict_count_; }

  // The lower-case symbol of a combined-stream frame ("btcusdt" of {"stream":"btcusdt@depth..."),
  // empty when the frame does not start like one: which instrument's decoder to ask.
  static std::string_view StreamSymbol(std::string_view text);

 private:
  std::unique_ptr<BinanceMarketScanner> scanner_;
  std::unique_ptr<BinanceMarketStrictParser> strict_;
  uint64_t strict_count_ = 0;
};

}  // namespace holdfast
