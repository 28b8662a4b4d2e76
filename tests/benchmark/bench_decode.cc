// How long a market frame takes to become ticks and lots, and to become the best prices, beside
// simdjson, nlohmann and a scanner that checks nothing. Sums over all decoded numbers are compared
// before times are printed.
#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "connectors/binance/market_decoder.h"
#include "engine/market/sequenced_book.h"
#include "tests/benchmark/hot_peers.h"
#include "tests/benchmark/hot_streams.h"
#include "tests/benchmark/hot_support.h"

namespace holdfast::bench {
namespace {

constexpr int64_t kTickUnits = 1'000'000;
constexpr int64_t kLotUnits = 1'000;
constexpr int64_t kNeverStale = INT64_MAX / 2;

// Frames with the padding that simdjson wants behind each; ours reads none of it.
class Frames {
 public:
  void Add(std::string_view text) {
    frames_.push_back({bytes_.size(), text.size()});
    bytes_.append(text);
    bytes_.append(simdjson::SIMDJSON_PADDING, ' ');
  }
  size_t size() const { return frames_.size(); }
  std::string_view text(size_t i) const {
    return std::string_view(bytes_).substr(frames_[i].begin, frames_[i].size);
  }
  simdjson::padded_string_view padded(size_t i) const {
    return simdjson::padded_string_view(bytes_.data() + frames_[i].begin, frames_[i].size,
                                        frames_[i].size + simdjson::SIMDJSON_PADDING);
  }
  double MeanBytes() const {
    size_t sum = 0;
    for (const auto& frame : frames_) sum += frame.size;
    return static_cast<double>(sum) / static_cast<double>(frames_.size());
  }

 private:
  struct Frame {
    size_t begin, size;
  };
  std::string bytes_;
  std::vector<Frame> frames_;
};

// What a decoder saw, in units of 10^-8: order-dependent enough to notice an exchange.
struct Sum {
  uint64_t value = 0;
  void Add(uint64_t number) { value = value * 31 + number; }
  void AddLevel(int64_t price_units, int64_t quantity_units) {
    value += static_cast<uint64_t>(price_units) * 3 + static_cast<uint64_t>(quantity_units);
  }
  void AddLevels(std::span<const LevelChange> levels) {
    for (const LevelChange& level : levels) {
      AddLevel(level.price.ticks() * kTickUnits, level.quantity.lots() * kLotUnits);
    }
  }
};

int64_t Units(std::string_view text) {
  int64_t units = 0;
  int fraction_digits = -1;
  for (const char c : text) {
    if (c == '.') {
      fraction_digits = 0;
      continue;
    }
    units = units * 10 + (c - '0');
    if (fraction_digits >= 0) ++fraction_digits;
  }
  for (int i = std::max(fraction_digits, 0); i < 8; ++i) units *= 10;
  return units;
}

// --- depthUpdate -------------------------------------------------------------------------------

Sum DepthByHoldfast(BinanceMarketDecoder& decoder, BinanceFrame& frame, std::string_view text) {
  Sum sum;
  if (decoder.Decode(text, 1, frame) != BinanceFrameKind::kDepthUpdate) return sum;
  const DepthUpdate& update = frame.depth_update;
  sum.Add(static_cast<uint64_t>(update.venue_time_ns / 1'000'000));
  sum.Add(static_cast<uint64_t>(update.first_update_id));
  sum.Add(static_cast<uint64_t>(update.last_update_id));
  sum.AddLevels(update.bids);
  sum.AddLevels(update.asks);
  return sum;
}

using simdjson::ondemand::parser;

Sum DepthBySimdjson(parser& json, simdjson::padded_string_view text) {
  Sum sum;
  simdjson::ondemand::document document = json.iterate(text);
  simdjson::ondemand::object object = document.get_object();
  if (std::string_view(object.find_field("e")) != "depthUpdate") return sum;
  sum.Add(uint64_t(object.find_field("E")));
  if (std::string_view(object.find_field("s")) != "BTCUSDT") return sum;
  sum.Add(uint64_t(object.find_field("U")));
  sum.Add(uint64_t(object.find_field("u")));
  for (const std::string_view key : {"b", "a"}) {
    for (simdjson::ondemand::array level : object.find_field(key).get_array()) {
      auto item = level.begin();
      const int64_t price = Units(std::string_view(*item));
      ++item;
      sum.AddLevel(price, Units(std::string_view(*item)));
    }
  }
  return sum;
}

Sum DepthByNlohmann(std::string_view text) {
  Sum sum;
  const nlohmann::json json = nlohmann::json::parse(text);
  sum.Add(json["E"].get<uint64_t>());
  sum.Add(json["U"].get<uint64_t>());
  sum.Add(json["u"].get<uint64_t>());
  for (const char* key : {"b", "a"}) {
    for (const auto& level : json[key]) {
      sum.AddLevel(Units(level[0].get_ref<const std::string&>()),
                   Units(level[1].get_ref<const std::string&>()));
    }
  }
  return sum;
}

// Knows the layout, trusts every byte: what a careful decoder is measured against.
class HandScanner {
 public:
  explicit HandScanner(std::string_view text) : at_(text.data()) {}
  void Skip(size_t bytes) { at_ += bytes; }
  uint64_t Integer() {
    uint64_t value = 0;
    while (static_cast<uint8_t>(*at_ - '0') < 10)
      value = value * 10 + static_cast<uint64_t>(*at_++ - '0');
    return value;
  }
  int64_t DecimalUnits() {
    int64_t value = static_cast<int64_t>(Integer());
    ++at_;
    for (int i = 0; i < 8; ++i) value = value * 10 + (*at_++ - '0');
    return value;
  }
  // Levels of one list into `out`, in units; behind the closing bracket afterwards.
  void Levels(std::vector<std::pair<int64_t, int64_t>>& out) {
    out.clear();
    while (*at_ != ']') {
      at_ += *at_ == ',' ? 3 : 2;
      const int64_t price = DecimalUnits();
      at_ += 3;
      out.push_back({price, DecimalUnits()});
      at_ += 2;
    }
    ++at_;
  }

 private:
  const char* at_;
};

using Pairs = std::vector<std::pair<int64_t, int64_t>>;

Sum DepthByHand(std::string_view text, Pairs& bids, Pairs& asks) {
  Sum sum;
  HandScanner scanner(text);
  scanner.Skip(std::strlen(R"({"e":"depthUpdate","E":)"));
  sum.Add(scanner.Integer());
  scanner.Skip(std::strlen(R"(,"s":"BTCUSDT","U":)"));
  sum.Add(scanner.Integer());
  scanner.Skip(std::strlen(R"(,"u":)"));
  sum.Add(scanner.Integer());
  scanner.Skip(std::strlen(R"(,"b":[)"));
  scanner.Levels(bids);
  scanner.Skip(std::strlen(R"(,"a":[)"));
  scanner.Levels(asks);
  for (const Pairs* side : {&bids, &asks}) {
    for (const auto& [price, quantity] : *side) sum.AddLevel(price, quantity);
  }
  return sum;
}

// --- bookTicker --------------------------------------------------------------------------------

Sum TopByHoldfast(BinanceMarketDecoder& decoder, BinanceFrame& frame, std::string_view text) {
  Sum sum;
  if (decoder.Decode(text, 1, frame) != BinanceFrameKind::kBookTop) return sum;
  const BookTop& top = frame.book_top;
  sum.Add(static_cast<uint64_t>(top.update_id));
  sum.AddLevel(top.bid_price.ticks() * kTickUnits, top.bid_quantity.lots() * kLotUnits);
  sum.AddLevel(top.ask_price.ticks() * kTickUnits, top.ask_quantity.lots() * kLotUnits);
  return sum;
}

Sum TopBySimdjson(parser& json, simdjson::padded_string_view text) {
  Sum sum;
  simdjson::ondemand::document document = json.iterate(text);
  simdjson::ondemand::object object = document.get_object();
  sum.Add(uint64_t(object.find_field("u")));
  if (std::string_view(object.find_field("s")) != "BTCUSDT") return sum;
  const int64_t bid = Units(std::string_view(object.find_field("b")));
  sum.AddLevel(bid, Units(std::string_view(object.find_field("B"))));
  const int64_t ask = Units(std::string_view(object.find_field("a")));
  sum.AddLevel(ask, Units(std::string_view(object.find_field("A"))));
  return sum;
}

Sum TopByNlohmann(std::string_view text) {
  Sum sum;
  const nlohmann::json json = nlohmann::json::parse(text);
  const auto units = [&json](const char* key) {
    return Units(json[key].get_ref<const std::string&>());
  };
  sum.Add(json["u"].get<uint64_t>());
  sum.AddLevel(units("b"), units("B"));
  sum.AddLevel(units("a"), units("A"));
  return sum;
}

// --- comparisons -------------------------------------------------------------------------------

// Sums a decoder over all frames.
template <typename Decode>
uint64_t Total(const Frames& frames, Decode decode) {
  uint64_t total = 0;
  for (size_t i = 0; i < frames.size(); ++i) total += decode(i).value;
  return total;
}

void CompareDepth(const std::string& title, const Frames& frames) {
  BinanceMarketDecoder decoder(BtcUsdt());
  BinanceFrame frame;
  parser json;
  Pairs bids, asks;
  const auto holdfast = [&](size_t i) { return DepthByHoldfast(decoder, frame, frames.text(i)); };
  const auto simdjson = [&](size_t i) { return DepthBySimdjson(json, frames.padded(i)); };
  const auto nlohmann = [&](size_t i) { return DepthByNlohmann(frames.text(i)); };
  const auto hand = [&](size_t i) { return DepthByHand(frames.text(i), bids, asks); };
  const uint64_t expected = Total(frames, nlohmann);
  Require(Total(frames, holdfast) == expected, "depth: ours");
  Require(Total(frames, simdjson) == expected, "depth: simdjson");
  Require(Total(frames, hand) == expected, "depth: hand scanner");
  std::printf("\n%s: %zu frames, %.0f bytes on average; results agree: checksum %016lx\n",
              title.c_str(), frames.size(), frames.MeanBytes(),
              static_cast<unsigned long>(expected));
  std::vector<Variant> variants = {
      {"simdjson on demand, reused, padded", [&] { Keep(Total(frames, simdjson)); }},
      {"BinanceMarketDecoder", [&] { Keep(Total(frames, holdfast)); }},
      {"hand scanner without checks", [&] { Keep(Total(frames, hand)); }},
      {"nlohmann DOM", [&] { Keep(Total(frames, nlohmann)); }}};
  Compare(title, "frame", frames.size(), variants, 0, 7);
  PrintPercentiles("BinanceMarketDecoder", frames.size(), [&](size_t i) { Keep(holdfast(i)); });
  PrintPercentiles("simdjson", frames.size(), [&](size_t i) { Keep(simdjson(i)); });
}

void CompareTop(const Frames& frames) {
  BinanceMarketDecoder decoder(BtcUsdt());
  BinanceFrame frame;
  parser json;
  const auto holdfast = [&](size_t i) { return TopByHoldfast(decoder, frame, frames.text(i)); };
  const auto simdjson = [&](size_t i) { return TopBySimdjson(json, frames.padded(i)); };
  const auto nlohmann = [&](size_t i) { return TopByNlohmann(frames.text(i)); };
  const uint64_t expected = Total(frames, nlohmann);
  Require(Total(frames, holdfast) == expected, "bookTicker: ours");
  Require(Total(frames, simdjson) == expected, "bookTicker: simdjson");
  std::printf("\nbookTicker: %zu frames, %.0f bytes on average; results agree: checksum %016lx\n",
              frames.size(), frames.MeanBytes(), static_cast<unsigned long>(expected));
  std::vector<Variant> variants = {
      {"simdjson on demand, reused, padded", [&] { Keep(Total(frames, simdjson)); }},
      {"BinanceMarketDecoder", [&] { Keep(Total(frames, holdfast)); }},
      {"nlohmann DOM", [&] { Keep(Total(frames, nlohmann)); }}};
  Compare("bookTicker", "frame", frames.size(), variants, 0, 7);
  PrintPercentiles("BinanceMarketDecoder", frames.size(), [&](size_t i) { Keep(holdfast(i)); });
}

int64_t Ticks(const std::optional<BookLevel>& level) {
  return level.has_value() ? level->price.ticks() : 0;
}

// Frame -> levels -> book -> best prices.
class ByHoldfast {
 public:
  void Reset() {
    book_.Reset();
    book_.OnSnapshot({InstrumentId(0), 50'000'000'000, 0, {}, {}});
  }
  uint64_t operator()(std::string_view text) {
    if (decoder_.Decode(text, 1, frame_) != BinanceFrameKind::kDepthUpdate) return 0;
    book_.OnUpdate(frame_.depth_update);
    return TopSum(Ticks(book_.book().best_bid()), Ticks(book_.book().best_ask()));
  }

 private:
  BinanceMarketDecoder decoder_{BtcUsdt()};
  BinanceFrame frame_;
  SequencedBook book_{kNeverStale};
};

void ToChanges(const Pairs& pairs, std::vector<LevelChange>& changes) {
  changes.clear();
  for (const auto& [price, quantity] : pairs) {
    changes.push_back(
        {Price::FromTicks(price / kTickUnits), Quantity::FromLots(quantity / kLotUnits)});
  }
}

class ByHandAndLadder {
 public:
  explicit ByHandAndLadder(const Stream& stream) : ladder_(stream.min_ticks, stream.max_ticks) {}
  void Reset() { ladder_.Clear(); }
  uint64_t operator()(std::string_view text) {
    DepthByHand(text, bids_, asks_);
    ToChanges(bids_, bid_changes_);
    ToChanges(asks_, ask_changes_);
    ladder_.Apply(bid_changes_, ask_changes_);
    return TopSum(ladder_.best_bid(), ladder_.best_ask());
  }

 private:
  Pairs bids_, asks_;
  std::vector<LevelChange> bid_changes_, ask_changes_;
  BoundedLadder ladder_;
};

class BySimdjsonAndMap {
 public:
  void Reset() { book_.Clear(); }
  uint64_t operator()(simdjson::padded_string_view text) {
    simdjson::ondemand::document document = json_.iterate(text);
    simdjson::ondemand::object object = document.get_object();
    Read(object, "b", bids_);
    Read(object, "a", asks_);
    ToChanges(bids_, bid_changes_);
    ToChanges(asks_, ask_changes_);
    book_.Apply(bid_changes_, ask_changes_);
    return TopSum(book_.best_bid(), book_.best_ask());
  }

 private:
  static void Read(simdjson::ondemand::object& object, std::string_view key, Pairs& out) {
    out.clear();
    for (simdjson::ondemand::array level : object.find_field(key).get_array()) {
      auto item = level.begin();
      const int64_t price = Units(std::string_view(*item));
      ++item;
      out.push_back({price, Units(std::string_view(*item))});
    }
  }
  parser json_;
  Pairs bids_, asks_;
  std::vector<LevelChange> bid_changes_, ask_changes_;
  MapBook<StdMap> book_;
};

void CompareToBest(const Frames& frames, const Stream& stream) {
  ByHoldfast holdfast;
  ByHandAndLadder hand(stream);
  BySimdjsonAndMap simdjson;
  const auto run = [&](auto& path, auto frame_of) {
    path.Reset();
    uint64_t total = 0;
    for (size_t i = 0; i < frames.size(); ++i) total += path(frame_of(i));
    return total;
  };
  const auto text = [&](size_t i) { return frames.text(i); };
  const auto padded = [&](size_t i) { return frames.padded(i); };
  const uint64_t expected = run(simdjson, padded);
  Require(run(holdfast, text) == expected, "frame to best: ours");
  Require(run(hand, text) == expected, "frame to best: hand scanner and ladder");
  std::printf("\nframe -> book -> best prices: results agree: checksum %016lx\n",
              static_cast<unsigned long>(expected));
  std::vector<Variant> variants = {
      {"hand scanner + bounded ladder", [&] { Keep(run(hand, text)); }},
      {"BinanceMarketDecoder + SequencedBook", [&] { Keep(run(holdfast, text)); }},
      {"simdjson + std::map", [&] { Keep(run(simdjson, padded)); }}};
  Compare("frame -> book -> best prices", "frame", frames.size(), variants, 0, 7);
  holdfast.Reset();
  PrintPercentiles("BinanceMarketDecoder + SequencedBook", frames.size(),
                   [&](size_t i) { Keep(holdfast(frames.text(i))); });
}

Frames DepthFrames(const Stream& stream) {
  Frames frames;
  for (size_t i = 0; i < stream.messages.size(); ++i) {
    frames.Add(DepthFrame(stream.Update(i), false));
  }
  return frames;
}

Frames TopFrames(size_t count) {
  Prng prng(8);
  Frames frames;
  const Instrument instrument = BtcUsdt();
  for (size_t i = 0; i < count; ++i) {
    const int64_t bid = 6'183'763 + prng.Between(-500, 500);
    const auto price = [&](int64_t ticks) {
      return instrument.ToDecimal(Price::FromTicks(ticks)).ToText(8);
    };
    const auto quantity = [&] {
      return instrument.ToDecimal(Quantity::FromLots(prng.Between(1, 900'000))).ToText(8);
    };
    frames.Add("{\"u\":" + std::to_string(50'093'239'212 + i) + ",\"s\":\"BTCUSDT\",\"b\":\"" +
               price(bid) + "\",\"B\":\"" + quantity() + "\",\"a\":\"" + price(bid + 1) +
               "\",\"A\":\"" + quantity() + "\"}");
  }
  return frames;
}

// The bodies of recorded depth updates, without those that hold a size between two lots (those
// count as the next lot here, which no other variant does).
Frames RecordedFrames(std::string_view name) {
  constexpr std::string_view kHead = R"({"stream":"btcusdt@depth@100ms","data":)";
  Frames frames;
  if (!testing::HasCapture(name)) return frames;
  BinanceMarketDecoder decoder(BtcUsdt());
  BinanceFrame frame;
  for (const testing::CaptureLine& line : testing::ReadCapture(name)) {
    if (!line.text.starts_with(kHead)) continue;
    const uint64_t strict_count = decoder.strict_count();
    decoder.Decode(line.text, 1, frame);
    if (decoder.strict_count() != strict_count) continue;
    frames.Add(
        std::string_view(line.text).substr(kHead.size(), line.text.size() - kHead.size() - 1));
  }
  return frames;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using namespace holdfast;
  using namespace holdfast::bench;
  benchmark::Initialize(&argc, argv);
  PinToOneCpu();
  const Stream stream = GenerateStream(20'000, 0, 42);
  const Frames depth = DepthFrames(stream);
  CompareDepth("depthUpdate, 8 levels, generated", depth);
  CompareTop(TopFrames(20'000));
  const Frames recorded = RecordedFrames("binance_spot_btcusdt_20240808.gz");
  if (recorded.size() != 0) {
    CompareDepth("depthUpdate, recorded", recorded);
  } else {
    std::printf("\nrecorded depthUpdate: skipped, no such file\n");
  }
  CompareToBest(depth, stream);

  BinanceMarketDecoder decoder(BtcUsdt());
  BinanceFrame frame;
  benchmark::RegisterBenchmark("decode/depthUpdate", [&](benchmark::State& state) {
    size_t i = 0;
    for (auto _ : state) {
      benchmark::DoNotOptimize(decoder.Decode(depth.text(i), 1, frame));
      i = (i + 1) % depth.size();
    }
  });
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
