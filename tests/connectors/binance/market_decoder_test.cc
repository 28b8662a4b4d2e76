// Proves that market frames become exact ticks and lots, that both paths of the decoder mean the
// same, and that nothing malformed is accepted. How: tables of valid and invalid frames, random
// mutations of real layouts compared with simdjson and with a slow reference, and (where the files
// are) every frame of the recorded captures.
#include "connectors/binance/market_decoder.h"

#include <simdjson.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/prng.h"
#include "engine/market/instrument.h"
#include "tests/engine/market/capture_lines.h"

namespace holdfast {
namespace {

using namespace holdfast::literals;
using Kind = BinanceFrameKind;
using Error = BinanceDecodeError;

Instrument MakeInstrument(Decimal tick_size = 0.01_dec, Decimal lot_size = 0.00001_dec) {
  Instrument instrument;
  instrument.id = InstrumentId(3);
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = tick_size;
  instrument.lot_size = lot_size;
  return instrument;
}

const std::string kDepth =
    R"({"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":50093239189,"u":50093239202,)"
    R"("b":[["61737.63000000","0.00000000"],["56854.58000000","12.50000000"]],)"
    R"("a":[["61837.64000000","1.54698000"],["61839.85000000","0.00001000"]]})";
const std::string kTrade =
    R"({"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,"p":"61837.63000000",)"
    R"("q":"0.02000000","T":1723161255342,"m":true,"M":true})";
const std::string kBookTop =
    R"({"u":50093239212,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000",)"
    R"("a":"61837.64000000","A":"1.54698000"})";
const std::string kSnapshot =
    R"({"lastUpdateId":50093239218,"bids":[["61837.63000000","3.78826000"],)"
    R"(["61837.62000000","0.61700000"]],"asks":[["61837.64000000","1.00000000"]]})";
const std::string kShutdown = R"({"e":"serverShutdown","E":1770123456789})";

std::string Wrap(std::string_view stream, std::string_view body) {
  return "{\"stream\":\"" + std::string(stream) + "\",\"data\":" + std::string(body) + "}";
}

std::string Replace(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

// The frame is copied into an allocation of its exact size, so that the address sanitizer sees
// every read beyond it.
struct ExactCopy {
  explicit ExactCopy(std::string_view text) : size(text.size()), bytes(new char[text.size()]) {
    if (size != 0) std::memcpy(bytes.get(), text.data(), size);
  }
  std::string_view view() const { return {bytes.get(), size}; }
  size_t size;
  std::unique_ptr<char[]> bytes;
};

// Everything a frame says, as one comparable text.
std::string Describe(const BinanceFrame& frame) {
  std::string text(ToText(frame.kind));
  const auto add = [&text](int64_t value) { text += " " + std::to_string(value); };
  const auto add_levels = [&](std::span<const LevelChange> levels) {
    text += " [";
    for (const LevelChange& level : levels) {
      add(level.price.ticks());
      add(level.quantity.lots());
    }
    text += " ]";
  };
  switch (frame.kind) {
    case Kind::kDepthUpdate:
      add(frame.depth_update.instrument.value());
      add(frame.depth_update.first_update_id);
      add(frame.depth_update.last_update_id);
      add(frame.depth_update.venue_time_ns);
      add(frame.depth_update.receive_time_ns);
      add_levels(frame.depth_update.bids);
      add_levels(frame.depth_update.asks);
      break;
    case Kind::kDepthSnapshot:
      add(frame.depth_snapshot.instrument.value());
      add(frame.depth_snapshot.last_update_id);
      add(frame.depth_snapshot.receive_time_ns);
      add_levels(frame.depth_snapshot.bids);
      add_levels(frame.depth_snapshot.asks);
      break;
    case Kind::kTrade:
      add(frame.trade.instrument.value());
      add(frame.trade.trade_id.value());
      add(frame.trade.price.ticks());
      add(frame.trade.quantity.lots());
      text += std::string(" ") + std::string(ToText(frame.trade.aggressor));
      add(frame.trade.venue_time_ns);
      add(frame.trade.receive_time_ns);
      break;
    case Kind::kBookTop:
      add(frame.book_top.instrument.value());
      add(frame.book_top.update_id);
      add(frame.book_top.bid_price.ticks());
      add(frame.book_top.bid_quantity.lots());
      add(frame.book_top.ask_price.ticks());
      add(frame.book_top.ask_quantity.lots());
      add(frame.book_top.receive_time_ns);
      break;
    case Kind::kServerShutdown:
    case Kind::kOther:
      break;
    case Kind::kMalformed:
      text += std::string(" ") + std::string(ToText(frame.error));
      break;
  }
  return text;
}

class Decoder {
 public:
  explicit Decoder(const Instrument& instrument = MakeInstrument()) : decoder_(instrument) {}

  // Both paths must agree; returns what they say.
  std::string operator()(std::string_view text) {
    const ExactCopy copy(text);
    decoder_.Decode(copy.view(), 77, frame_);
    const std::string by_decode = Describe(frame_);
    decoder_.DecodeStrict(copy.view(), 77, frame_);
    const std::string by_strict = Describe(frame_);
    if (by_decode != by_strict) {
      CAPTURE(std::string(text));
      CHECK(by_decode == by_strict);
    }
    return by_decode;
  }
  bool TakesFastPath(std::string_view text) {
    const ExactCopy copy(text);
    const uint64_t before = decoder_.strict_count();
    decoder_.Decode(copy.view(), 77, frame_);
    return decoder_.strict_count() == before;
  }

 private:
  BinanceMarketDecoder decoder_;
  BinanceFrame frame_;
};

constexpr std::string_view kDepthMeaning =
    "depth_update 3 50093239189 50093239202 1723161255208000000 77 "
    "[ 6173763 0 5685458 1250000 ] [ 6183764 154698 6183985 1 ]";
constexpr std::string_view kTradeMeaning =
    "trade 3 3735683259 6183763 2000 sell 1723161255342000000 77";
constexpr std::string_view kBookTopMeaning =
    "book_top 3 50093239212 6183763 378826 6183764 154698 77";
constexpr std::string_view kSnapshotMeaning =
    "depth_snapshot 3 50093239218 77 [ 6183763 378826 6183762 61700 ] [ 6183764 100000 ]";

}  // namespace

TEST_CASE("market decoder: the venue's frames become ticks and lots", "[binance][decoder]") {
  Decoder decode;
  CHECK(decode(kDepth) == kDepthMeaning);
  CHECK(decode(Wrap("btcusdt@depth@100ms", kDepth)) == kDepthMeaning);
  CHECK(decode(Wrap("btcusdt@depth", kDepth)) == kDepthMeaning);
  CHECK(decode(kTrade) == kTradeMeaning);
  CHECK(decode(Wrap("btcusdt@trade", kTrade)) == kTradeMeaning);
  CHECK(decode(Replace(kTrade, "\"m\":true", "\"m\":false")) ==
        "trade 3 3735683259 6183763 2000 buy 1723161255342000000 77");
  CHECK(decode(kBookTop) == kBookTopMeaning);
  CHECK(decode(Wrap("btcusdt@bookTicker", kBookTop)) == kBookTopMeaning);
  CHECK(decode(kSnapshot) == kSnapshotMeaning);
  CHECK(decode(kShutdown) == "server_shutdown");
  CHECK(decode(Wrap("btcusdt@trade", kShutdown)) == "server_shutdown");
}

#if defined(__x86_64__)
TEST_CASE("market decoder: the venue's own layout is read by the fast path", "[binance][decoder]") {
  Decoder decode;
  for (const std::string& text :
       {kDepth, Wrap("btcusdt@depth@100ms", kDepth), Wrap("btcusdt@depth", kDepth), kTrade,
        Wrap("btcusdt@trade", kTrade), kBookTop, Wrap("btcusdt@bookTicker", kBookTop), kSnapshot}) {
    CAPTURE(text);
    CHECK(decode.TakesFastPath(text));
  }
}
#endif

TEST_CASE("market decoder: empty sides and zero sizes are data", "[binance][decoder]") {
  Decoder decode;
  CHECK(
      decode(R"({"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":1,"u":2,"b":[],"a":[]})") ==
      "depth_update 3 1 2 1723161255208000000 77 [ ] [ ]");
  CHECK(decode(R"({"lastUpdateId":1,"bids":[],"asks":[["0.01000000","0.00001000"]]})") ==
        "depth_snapshot 3 1 77 [ ] [ 1 1 ]");
  // The venue states a side without orders as zero.
  CHECK(decode(R"({"u":1,"s":"BTCUSDT","b":"0.00000000","B":"0.00000000","a":"5.00000000",)"
               R"("A":"1.00000000"})") == "book_top 3 1 0 0 500 100000 77");
}

TEST_CASE("market decoder: a size between two lots counts as the larger one",
          "[binance][decoder]") {
  // Seen in recorded books: orders older than a change of the lot size.
  Decoder decode;
  CHECK(decode(Replace(kDepth, "12.50000000", "25.42618900")) ==
        Replace(std::string(kDepthMeaning), "1250000", "2542619"));
  CHECK(decode(Replace(kDepth, "12.50000000", "0.00000001")) ==
        Replace(std::string(kDepthMeaning), "1250000", "1"));
}

TEST_CASE("market decoder: key order, blanks, escapes and unknown keys do not matter",
          "[binance][decoder]") {
  Decoder decode;
  CHECK(decode(R"( {"A":"1.54698","a":"61837.64","B":"3.788260", "b":"61837.6300","x":{"u":1},)"
               R"("s":"BTCUSDT","u":50093239212 } )") == kBookTopMeaning);
  CHECK(decode(Replace(kTrade, "\"M\":true", "\"M\":null,\"X\":[1,2.5e3]")) == kTradeMeaning);
  CHECK(decode(Replace(kTrade, "\"e\":\"trade\"", "\"\\u0065\":\"tr\\u0061de\"")) == kTradeMeaning);
  CHECK(decode(Replace(Wrap("btcusdt@trade", kTrade), "{\"stream\"", "{\"n\":0,\"stream\"")) ==
        kTradeMeaning);
  CHECK(decode("{\"data\":" + kBookTop + ",\"stream\":\"btcusdt@bookTicker\"}") == kBookTopMeaning);
  CHECK(decode(kDepth + "\n") == kDepthMeaning);
  CHECK(decode(Replace(kDepth, "12.50000000", "0000012.5")) == kDepthMeaning);
}

TEST_CASE("market decoder: valid JSON that is none of ours is told apart from damage",
          "[binance][decoder]") {
  Decoder decode;
  for (const std::string_view text :
       {R"({"result":null,"id":1})", R"({"code":-1121,"msg":"Invalid symbol."})", "[]", "{}", "7",
        R"("text")", R"({"e":"aggTrade","E":1,"s":"BTCUSDT","a":5})",
        R"({"error":{"code":2,"msg":"Invalid request"},"id":3})"}) {
    CAPTURE(std::string(text));
    CHECK(decode(text) == "other");
  }
}

TEST_CASE("market decoder: every refusal has its reason", "[binance][decoder]") {
  struct Case {
    std::string text;
    std::string_view reason;
  };
  const std::string wrapped = Wrap("btcusdt@depth@100ms", kDepth);
  const std::vector<Case> cases = {
      {"", "syntax"},
      {" ", "syntax"},
      {kDepth + "x", "syntax"},
      {kDepth + "}", "syntax"},
      {wrapped + "]", "syntax"},
      {kDepth + std::string(1, '\0'), "syntax"},
      {Replace(kDepth, "BTCUSDT", std::string("BTC\0SDT", 7)), "syntax"},
      {Replace(kDepth, "BTCUSDT", "BTC\xff\xfeUSDT"), "syntax"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":050093239189"), "syntax"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":+1"), "syntax"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":"), "syntax"},
      {Replace(kDepth, "],[", "] ["), "syntax"},
      {Replace(kDepth, "\"61737.63000000\"", "\"61737.63000000"), "syntax"},
      {Replace(kDepth, "\"e\":\"depthUpdate\",", ""), "missing_key"},
      {Replace(kDepth, "\"E\":1723161255208,", ""), "missing_key"},
      {Replace(kDepth, "\"s\":\"BTCUSDT\",", ""), "missing_key"},
      {Replace(kDepth, "\"U\":50093239189,", ""), "missing_key"},
      {Replace(kDepth, "\"u\":50093239202,", ""), "missing_key"},
      {Replace(kDepth, "\"b\":", "\"z\":"), "missing_key"},
      {Replace(kTrade, "\"t\":3735683259,", ""), "missing_key"},
      {Replace(kTrade, "\"m\":true,", ""), "missing_key"},
      {Replace(kTrade, "\"e\":\"trade\",", ""), "missing_key"},
      {Replace(kBookTop, "\"u\":50093239212,", ""), "missing_key"},
      {Replace(kBookTop, "\"A\"", "\"Z\""), "missing_key"},
      {Replace(kSnapshot, "\"lastUpdateId\":50093239218,", ""), "missing_key"},
      {Replace(kSnapshot, "\"asks\"", "\"bits\""), "missing_key"},
      {Wrap("btcusdt@depth@100ms", "{}"), "missing_key"},
      {R"({"stream":"btcusdt@trade"})", "missing_key"},
      {Replace(kDepth, "\"u\":", "\"U\":"), "duplicate_key"},
      {Replace(kTrade, "\"E\":", "\"E\":1,\"E\":"), "duplicate_key"},
      {Replace(wrapped, "\"data\"", "\"stream\":\"x\",\"data\""), "duplicate_key"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":\"50093239189\""), "wrong_type"},
      {Replace(kDepth, "\"BTCUSDT\"", "7"), "wrong_type"},
      {Replace(kDepth, "\"61737.63000000\"", "61737.63"), "wrong_type"},
      {Replace(kDepth, "[\"61737.63000000\",", "["), "wrong_type"},
      {Replace(kDepth, "\"0.00000000\"]", "\"0.00000000\",\"1\"]"), "wrong_type"},
      {Replace(kDepth, "[[\"61737.63000000\",\"0.00000000\"],", "[\"\","), "wrong_type"},
      {Replace(kTrade, "\"m\":true", "\"m\":1"), "wrong_type"},
      {Replace(kTrade, "\"e\":\"trade\"", "\"e\":null"), "wrong_type"},
      {R"({"stream":1,"data":{}})", "wrong_type"},
      {R"({"stream":"btcusdt@trade","data":[]})", "wrong_type"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":5e3"), "bad_number"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":1.0"), "bad_number"},
      {Replace(kDepth, "61737.63000000", "6.173763e4"), "bad_number"},
      {Replace(kDepth, "61737.63000000", "-61737.63000000"), "bad_number"},
      {Replace(kDepth, "61737.63000000", "+61737.63000000"), "bad_number"},
      {Replace(kDepth, "61737.63000000", " 61737.63000000"), "bad_number"},
      {Replace(kDepth, "61737.63000000", "61737.63.000000"), "bad_number"},
      {Replace(kDepth, "61737.63000000", "61737."), "bad_number"},
      {Replace(kDepth, "61737.63000000", ".63"), "bad_number"},
      {Replace(kDepth, "61737.63000000", ""), "bad_number"},
      {Replace(kDepth, "61737.63000000", "."), "bad_number"},
      {Replace(kDepth, "61737.63000000", "6173a.63000000"), "bad_number"},
      {Replace(kDepth, "61737.63000000", "61737.6300000:"), "bad_number"},
      {Replace(kDepth, "61737.63000000", "61737.630000000"), "too_many_digits"},
      {Replace(kDepth, "61737.63000000", "1234567890123456789.0"), "too_many_digits"},
      {Replace(kDepth, "61737.63000000", "0.00000000"), "out_of_range"},
      {Replace(kTrade, "0.02000000", "0.00000000"), "out_of_range"},
      {Replace(kDepth, "12.50000000", "999999999999999999.00000000"), "out_of_range"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":-1"), "out_of_range"},
      {Replace(kDepth, "\"U\":50093239189", "\"U\":18446744073709551615"), "out_of_range"},
      {Replace(kDepth, "1723161255208", "9223372036855"), "out_of_range"},
      {Replace(kDepth, "61737.63000000", "61737.63500000"), "off_grid"},
      {Replace(kDepth, "61737.63000000", "61737.63000001"), "off_grid"},
      {Replace(kDepth, "BTCUSDT", "ETHUSDT"), "wrong_symbol"},
      {Replace(kBookTop, "BTCUSDT", "btcusdt"), "wrong_symbol"},
      {Replace(kDepth, "50093239202", "50093239188"), "bad_sequence"}};
  Decoder decode;
  for (const Case& bad : cases) {
    CAPTURE(bad.text);
    CHECK(decode(bad.text) == "malformed " + std::string(bad.reason));
  }
}

TEST_CASE("market decoder: a frame cut at any byte is refused", "[binance][decoder]") {
  Decoder decode;
  for (const std::string& text :
       {kDepth, Wrap("btcusdt@depth@100ms", kDepth), kTrade, kBookTop, kSnapshot}) {
    for (size_t size = 0; size < text.size(); ++size) {
      CAPTURE(text.substr(0, size));
      CHECK(decode(text.substr(0, size)) == "malformed syntax");
    }
  }
}

TEST_CASE("market decoder: more levels than the buffer holds refuse the frame",
          "[binance][decoder]") {
  BinanceMarketDecoder decoder(MakeInstrument());
  BinanceFrame small(3);
  CHECK(decoder.Decode(kDepth, 1, small) == Kind::kMalformed);
  CHECK(small.error == Error::kTooManyLevels);
  BinanceFrame exact(4);
  CHECK(decoder.Decode(kDepth, 1, exact) == Kind::kDepthUpdate);
  BinanceFrame frame;
  const std::string huge(BinanceMarketDecoder::kMaxFrameBytes + 1, ' ');
  CHECK(decoder.Decode(huge, 1, frame) == Kind::kMalformed);
  CHECK(frame.error == Error::kTooLarge);
}

TEST_CASE("market decoder: every kind of tick and lot is converted exactly", "[binance][decoder]") {
  struct Grid {
    Decimal tick_size, lot_size;
  };
  const Grid grids[] = {{0.01_dec, 0.00001_dec}, {0.00000001_dec, 1_dec}, {0.05_dec, 0.025_dec},
                        {10_dec, 100_dec},       {1_dec, 0.00000001_dec}, {0.125_dec, 3_dec},
                        {2.5_dec, 0.1_dec},      {0.00000007_dec, 7_dec}};
  Prng prng(5);
  for (const Grid& grid : grids) {
    Decoder decode(MakeInstrument(grid.tick_size, grid.lot_size));
    for (int i = 0; i < 300; ++i) {
      const int64_t most = int64_t{1} << prng.Between(1, 40);
      const int64_t ticks =
          prng.Between(1, std::min(most, 900'000'000'000'000'000 / grid.tick_size.units()));
      const int64_t lots =
          prng.Between(0, std::min(most, 900'000'000'000'000'000 / grid.lot_size.units()));
      const std::string text =
          R"({"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":1,"u":2,"b":[[")" +
          (grid.tick_size * ticks).ToText(8) + "\",\"" + (grid.lot_size * lots).ToText(8) +
          R"("]],"a":[]})";
      CAPTURE(text);
      CHECK(decode(text) == "depth_update 3 1 2 1723161255208000000 77 [ " + std::to_string(ticks) +
                                " " + std::to_string(lots) + " ] [ ]");
      // Next to the grid, in the last place the venue writes.
      const Decimal beside = grid.tick_size * ticks + 0.00000001_dec;
      const std::string off = Replace(text, (grid.tick_size * ticks).ToText(8), beside.ToText(8));
      if (grid.tick_size != 0.00000001_dec) CHECK(decode(off) == "malformed off_grid");
    }
  }
}

TEST_CASE("market decoder: the stream's symbol is found without decoding", "[binance][decoder]") {
  CHECK(BinanceMarketDecoder::StreamSymbol(Wrap("btcusdt@depth@100ms", kDepth)) == "btcusdt");
  CHECK(BinanceMarketDecoder::StreamSymbol(kDepth).empty());
  CHECK(BinanceMarketDecoder::StreamSymbol("{\"stream\":\"btc").empty());
  CHECK(BinanceMarketDecoder::StreamSymbol("").empty());
}

namespace {

// What simdjson and exact decimals say about a frame; empty when they cannot read it. Slow and
// written independently of the decoder's own parsers.
class Reference {
 public:
  bool IsJson(std::string_view text) {
    const simdjson::padded_string padded(text);
    return parser_.parse(padded).error() == simdjson::SUCCESS;
  }

  std::string Read(std::string_view text, const Instrument& instrument) {
    const simdjson::padded_string padded(text);
    try {
      simdjson::dom::object json = parser_.parse(padded).get_object();
      simdjson::dom::element data;
      if (json["data"].get(data) == simdjson::SUCCESS) json = data.get_object();
      BinanceFrame frame;
      std::vector<LevelChange> bids, asks;
      if (json["lastUpdateId"].error() == simdjson::SUCCESS) {
        frame.kind = Kind::kDepthSnapshot;
        bids = Levels(json["bids"], instrument);
        asks = Levels(json["asks"], instrument);
        frame.depth_snapshot = {instrument.id, int64_t(json["lastUpdateId"]), 77, bids, asks};
      } else if (json["e"].error() != simdjson::SUCCESS) {
        frame.kind = Kind::kBookTop;
        frame.book_top = {instrument.id,
                          int64_t(json["u"]),
                          PriceOf(json["b"], instrument),
                          QuantityOf(json["B"], instrument),
                          PriceOf(json["a"], instrument),
                          QuantityOf(json["A"], instrument),
                          77};
      } else if (std::string_view(json["e"]) == "trade") {
        frame.kind = Kind::kTrade;
        frame.trade = {instrument.id,
                       VenueTradeId(int64_t(json["t"])),
                       PriceOf(json["p"], instrument),
                       QuantityOf(json["q"], instrument),
                       bool(json["m"]) ? Side::kSell : Side::kBuy,
                       int64_t(json["T"]) * 1'000'000,
                       77};
      } else if (std::string_view(json["e"]) == "depthUpdate") {
        frame.kind = Kind::kDepthUpdate;
        bids = Levels(json["b"], instrument);
        asks = Levels(json["a"], instrument);
        frame.depth_update = {instrument.id,
                              int64_t(json["U"]),
                              int64_t(json["u"]),
                              int64_t(json["E"]) * 1'000'000,
                              77,
                              bids,
                              asks};
      } else {
        return "";
      }
      return Describe(frame);
    } catch (const simdjson::simdjson_error&) {
      return "";
    } catch (const BadGrid&) {
      return "";
    }
  }

 private:
  struct BadGrid {};

  static int64_t Steps(std::string_view text, Decimal step) {
    const absl::StatusOr<Decimal> value = Decimal::Parse(text);
    if (!value.ok() || value->units() % step.units() != 0) throw BadGrid();
    return value->units() / step.units();
  }
  static Price PriceOf(simdjson::dom::element text, const Instrument& instrument) {
    return Price::FromTicks(Steps(text, instrument.tick_size));
  }
  // A size between two lots counts as the larger one.
  static Quantity QuantityOf(simdjson::dom::element text, const Instrument& instrument) {
    const absl::StatusOr<Decimal> value = Decimal::Parse(std::string_view(text));
    if (!value.ok()) throw BadGrid();
    return Quantity::FromLots(static_cast<int64_t>(
        DivideRounded(value->units(), instrument.lot_size.units(), Rounding::kUp)));
  }
  static std::vector<LevelChange> Levels(simdjson::dom::array rows, const Instrument& instrument) {
    std::vector<LevelChange> levels;
    for (const simdjson::dom::array row : rows) {
      levels.push_back({PriceOf(row.at(0), instrument), QuantityOf(row.at(1), instrument)});
    }
    return levels;
  }

  simdjson::dom::parser parser_;
};

// One to three random edits: bytes changed, removed, doubled, inserted, or two spans exchanged.
std::string Mutate(std::string text, Prng& prng) {
  constexpr std::string_view kTypical = "0123456789.\"[]{},:-+eE tfn\\bauU\0\x01\x7f\x80\xff";
  const int64_t edits = prng.Between(1, 3);
  for (int64_t i = 0; i < edits && !text.empty(); ++i) {
    const size_t at = prng.Below(text.size());
    const char c = kTypical[prng.Below(kTypical.size())];
    switch (prng.Below(6)) {
      case 0:
        text[at] = c;
        break;
      case 1:
        text.insert(at, 1, c);
        break;
      case 2:
        text.erase(at, 1 + prng.Below(4));
        break;
      case 3:
        text.insert(at, text.substr(at, 1 + prng.Below(20)));
        break;
      case 4:
        text[at] = static_cast<char>(text[at] ^ (1 << prng.Below(8)));
        break;
      default:
        std::swap(text[at], text[prng.Below(text.size())]);
        break;
    }
  }
  return text;
}

void CheckAgainstReference(Decoder& decode, Reference& reference, const std::string& text,
                           const Instrument& instrument) {
  const std::string meaning = decode(text);
  const bool is_malformed = meaning.starts_with("malformed");
  if (!reference.IsJson(text)) {
    if (meaning != "malformed syntax") {
      CAPTURE(text);
      CHECK(meaning == "malformed syntax");
    }
    return;
  }
  if (is_malformed || meaning == "other" || meaning == "server_shutdown") return;
  const std::string expected = reference.Read(text, instrument);
  if (meaning != expected) {
    CAPTURE(text);
    CHECK(meaning == expected);
  }
}

}  // namespace

TEST_CASE("market decoder: random damage is accepted or refused as simdjson does",
          "[binance][decoder]") {
  const Instrument instrument = MakeInstrument();
  const std::string originals[] = {
      kDepth,   Wrap("btcusdt@depth@100ms", kDepth),  kTrade,   Wrap("btcusdt@trade", kTrade),
      kBookTop, Wrap("btcusdt@bookTicker", kBookTop), kSnapshot};
  Decoder decode(instrument);
  Reference reference;
  for (const std::string& original : originals) {
    REQUIRE(decode(original) == reference.Read(original, instrument));
  }
  Prng prng(20240808);
  for (int i = 0; i < 20'000; ++i) {
    const std::string& original = originals[prng.Below(std::size(originals))];
    CheckAgainstReference(decode, reference, Mutate(original, prng), instrument);
  }
}

TEST_CASE("market decoder: recorded frames, whole and damaged, agree with simdjson",
          "[binance][decoder]") {
  constexpr std::string_view kCapture = "binance_spot_btcusdt_20240808.gz";
  if (!testing::HasCapture(kCapture)) {
    if (testing::AreCapturesRequired()) FAIL("captures missing: " << testing::CaptureFolder());
    WARN("skipped, captures missing: " << testing::CaptureFolder());
    return;
  }
  const Instrument instrument = MakeInstrument();
  Decoder decode(instrument);
  Reference reference;
  Prng prng(9);
  size_t strict_count = 0;
  size_t frame_count = 0;
  for (const testing::CaptureLine& line : testing::ReadCapture(kCapture)) {
    ++frame_count;
    const std::string expected = reference.Read(line.text, instrument);
    if (expected.empty()) FAIL("unreadable: " << frame_count << " " << line.text.substr(0, 300));
    if (decode(line.text) != expected) {
      CAPTURE(line.text);
      REQUIRE(decode(line.text) == expected);
    }
    if (!decode.TakesFastPath(line.text)) ++strict_count;
    if (frame_count % 8 == 0 && line.text.size() < 4'000) {
      CheckAgainstReference(decode, reference, Mutate(line.text, prng), instrument);
    }
  }
  CHECK(frame_count == 41'249);
#if defined(__x86_64__)
  CHECK(strict_count == 3);  // those with a size between two lots
#endif
}

}  // namespace holdfast
