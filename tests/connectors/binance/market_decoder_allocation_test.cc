// Proves that decoding never allocates, not even the first time: operator new is counted in this
// executable.

#include <catch2/catch.hpp>
#include <string>

#include "connectors/binance/market_decoder.h"
#include "count_allocations.h"
#include "engine/market/instrument.h"

namespace holdfast {
namespace {

using testing::allocation_count;

TEST_CASE("market decoder: the first frame of any size allocates nothing on either path",
          "[binance][market]") {
  Instrument instrument = {};
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = *Decimal::Parse("0.01");
  instrument.lot_size = *Decimal::Parse("0.00001");
  const int level_count = GENERATE(1, 5000);
  std::string levels;
  for (int i = 0; i < level_count; ++i) levels += i == 0 ? "[\"1.01\",\"2\"]" : ",[\"1.01\",\"2\"]";
  const std::string snapshot =
      "{\"lastUpdateId\":7,\"bids\":[" + levels + "],\"asks\":[" + levels + "]}";
  // The keys in another order: what the scanner leaves to the general path.
  const std::string reordered =
      "{\"asks\":[" + levels + "],\"bids\":[" + levels + "],\"lastUpdateId\":7}";
  BinanceMarketDecoder decoder(instrument);
  BinanceFrame frame;
  const int64_t before = allocation_count;
  const BinanceFrameKind scanned = decoder.Decode(snapshot, 1, frame);
  const BinanceFrameKind general = decoder.DecodeStrict(snapshot, 1, frame);
  const BinanceFrameKind other_order = decoder.Decode(reordered, 1, frame);
  const int64_t after = allocation_count;
  CHECK(scanned == BinanceFrameKind::kDepthSnapshot);
  CHECK(general == BinanceFrameKind::kDepthSnapshot);
  CHECK(other_order == BinanceFrameKind::kDepthSnapshot);
  CHECK(after == before);
}

}  // namespace
}  // namespace holdfast
