#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "connectors/binance/grid_scale.h"
#include "connectors/binance/market_decoder.h"
#include "engine/market/instrument.h"

namespace holdfast {

// The fast path of BinanceMarketDecoder: reads frames that have exactly the layout the venue sends
// today. It never refuses anything: what it does not recognize is left to the strict parser.
//
// Numbers are read 16 characters at a time with SSE/AVX2; on a machine or build without, it
// recognizes nothing.
class BinanceMarketScanner {
 public:
  explicit BinanceMarketScanner(const Instrument& instrument);

  // True when `text` was recognized and `frame` is filled, but for `receive_time_ns`. False says
  // nothing about the text; `frame` then holds garbage.
  bool Scan(std::string_view text, BinanceFrame& frame);

 private:
  // Text that must come next, compared 32 bytes at a time.
  struct Expected {
    static constexpr size_t kMaxBytes = 64;
    alignas(32) std::array<char, kMaxBytes> bytes = {};
    std::array<uint32_t, 2> unused = {};  // bit mask of the bytes that do not count
    uint32_t size = 0;

    Expected() = default;
    explicit Expected(std::string_view text);
  };
  // Places the digits of "123.45000000" that count at the low end of 16 lanes.
  struct NumberShape {
    // Ten digits always fit Decimal.
    static constexpr uint32_t kMaxWholeDigits = 10;
    GridScale scale;
    uint32_t max_whole_digits;
    uint64_t zeros_mask;  // of the eight fraction bytes: those that must be '0'
    alignas(16) std::array<std::array<uint8_t, 16>, 17> shuffles = {};

    explicit NumberShape(Decimal step);
  };
  struct Cursor;

  static bool Skip(Cursor& cursor, const Expected& expected);
  static bool ReadInteger(Cursor& cursor, int64_t& value);
  static bool ReadTimeNs(Cursor& cursor, int64_t& value);
  static bool ReadDecimal(Cursor& cursor, const NumberShape& shape, int64_t& value);
  static bool ReadBoolean(Cursor& cursor, bool& value);
  bool ReadLevels(Cursor& cursor, LevelChange*& out, const LevelChange* out_end) const;

  bool ScanDepthUpdate(Cursor& cursor, BinanceFrame& frame) const;
  bool ScanTrade(Cursor& cursor, BinanceFrame& frame) const;
  bool ScanBookTop(Cursor& cursor, BinanceFrame& frame) const;
  bool ScanSnapshot(Cursor& cursor, BinanceFrame& frame) const;

  InstrumentId instrument_;
  NumberShape price_;
  NumberShape quantity_;
  size_t symbol_bytes_;
  Expected wrapped_depth_100ms_, wrapped_depth_, wrapped_trade_, wrapped_book_ticker_;
  Expected depth_head_, symbol_then_first_id_, then_last_id_, then_bids_, then_asks_;
  Expected trade_head_, symbol_then_trade_id_, then_price_, then_quantity_, then_trade_time_;
  Expected then_is_buyer_maker_, then_ignored_;
  Expected top_head_, symbol_then_bid_price_, then_bid_quantity_, then_ask_price_;
  Expected then_ask_quantity_, quote_;
  Expected snapshot_head_, then_snapshot_bids_, then_snapshot_asks_;

  // A copy of the frame's last bytes with zeros behind: what is read past the frame is read here.
  static constexpr size_t kTailBytes = 64;
  alignas(64) std::array<char, 3 * kTailBytes> tail_ = {};
};

}  // namespace holdfast
