#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "connectors/binance/market_decoder.h"
#include "engine/market/instrument.h"

namespace holdfast {

// The general path of BinanceMarketDecoder, and the only one that refuses: any valid JSON with the
// keys of a known frame in any order, with blanks, escapes and unknown keys between them. What is
// valid JSON is decided by simdjson's full validation.
//
// Memory for kMaxFrameBytes is set aside at construction.
class BinanceMarketStrictParser {
 public:
  explicit BinanceMarketStrictParser(const Instrument& instrument);
  ~BinanceMarketStrictParser();

  // Sets `kind` and, when it is kMalformed, `error`.
  void Parse(std::string_view text, BinanceFrame& frame);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace holdfast
