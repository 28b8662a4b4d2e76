#include "connectors/binance/market_strict_parser.h"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <optional>

#include "connectors/binance/grid_scale.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast {
namespace {

using Error = BinanceDecodeError;
using simdjson::dom::element;
using simdjson::dom::object;

// Keys that some frame needs. A frame's own unknown keys are skipped.
enum class Key : uint8_t {
  kEvent,         // e
  kEventTime,     // E
  kSymbol,        // s
  kFirstId,       // U
  kLastId,        // u
  kBids,          // b: levels of a diff, bid price of a book top
  kAsks,          // a
  kBidQuantity,   // B
  kAskQuantity,   // A
  kTradeId,       // t
  kPrice,         // p
  kQuantity,      // q
  kTradeTime,     // T
  kIsBuyerMaker,  // m
  kSnapshotId,    // lastUpdateId
  kSnapshotBids,  // bids
  kSnapshotAsks,  // asks
  kStream,        // stream
  kData,          // data
};
constexpr std::array<std::string_view, 19> kKeyTexts = {
    "e",    "E",    "s",      "U",   "u",
    "b",    "a",    "B",      "A",   "t",
    "p",    "q",    "T",      "m",   "lastUpdateId",
    "bids", "asks", "stream", "data"};

struct Fields {
  std::array<std::optional<element>, kKeyTexts.size()> values;
  bool Has(Key key) const { return values[static_cast<size_t>(key)].has_value(); }
  bool HasAll(std::initializer_list<Key> keys) const {
    return std::all_of(keys.begin(), keys.end(), [this](Key key) { return Has(key); });
  }
  // REQUIRES: Has(key).
  element operator[](Key key) const {
    HF_ASSERT(Has(key));
    return *values[static_cast<size_t>(key)];
  }
};

Error CollectFields(object json, Fields& fields) {
  for (const auto& field : json) {
    for (size_t i = 0; i < kKeyTexts.size(); ++i) {
      if (field.key != kKeyTexts[i]) continue;
      if (fields.values[i].has_value()) return Error::kDuplicateKey;
      fields.values[i] = field.value;
      break;
    }
  }
  return Error::kNone;
}

Error ReadText(element value, std::string_view& text) {
  return value.get(text) == simdjson::SUCCESS ? Error::kNone : Error::kWrongType;
}

// A JSON integer that is not negative: ids and times.
Error ReadInteger(element value, int64_t& integer) {
  if (value.type() == simdjson::dom::element_type::DOUBLE) return Error::kBadNumber;
  if (value.is_uint64() && !value.is_int64()) return Error::kOutOfRange;
  if (value.get(integer) != simdjson::SUCCESS) return Error::kWrongType;
  return integer < 0 ? Error::kOutOfRange : Error::kNone;
}

Error ReadTimeNs(element value, int64_t& time_ns) {
  int64_t time_ms = 0;
  if (const Error error = ReadInteger(value, time_ms); error != Error::kNone) return error;
  if (time_ms > std::numeric_limits<int64_t>::max() / kNanosPerMilli) return Error::kOutOfRange;
  time_ns = time_ms * kNanosPerMilli;
  return Error::kNone;
}

Error ReadBoolean(element value, bool& boolean) {
  return value.get(boolean) == simdjson::SUCCESS ? Error::kNone : Error::kWrongType;
}

enum class OffGrid : uint8_t { kRefused, kRoundedUp };

// `digits[.digits]` to a count of steps. The value is held in 10^-8 units: 26 digits at most.
Error ReadGridText(std::string_view text, const GridScale& scale, OffGrid off_grid,
                   int64_t& count) {
  constexpr int kMaxWholeDigits = 18;
  constexpr int kMaxFractionDigits = Decimal::kFractionDigits;
  unsigned __int128 units = 0;
  int whole_digits = 0;
  int fraction_digits = 0;
  bool is_fraction = false;
  for (const char c : text) {
    if (c == '.' && !is_fraction) {
      is_fraction = true;
      continue;
    }
    if (c < '0' || c > '9') return Error::kBadNumber;
    ++(is_fraction ? fraction_digits : whole_digits);
    if (whole_digits > kMaxWholeDigits || fraction_digits > kMaxFractionDigits) {
      return Error::kTooManyDigits;
    }
    units = units * 10 + static_cast<unsigned>(c - '0');
  }
  if (whole_digits == 0 || (is_fraction && fraction_digits == 0)) return Error::kBadNumber;
  for (; fraction_digits < kMaxFractionDigits; ++fraction_digits) units *= 10;
  const auto step = static_cast<unsigned __int128>(scale.step_units);
  if (units % step != 0 && off_grid == OffGrid::kRefused) return Error::kOffGrid;
  // What does not fit Decimal must not get in: ticks and lots are converted back without a check.
  if (units > static_cast<unsigned __int128>(std::numeric_limits<int64_t>::max())) {
    return Error::kOutOfRange;
  }
  count = static_cast<int64_t>((units + step - 1) / step);
  return Error::kNone;
}

Error ReadPrice(element value, const GridScale& scale, int64_t& ticks) {
  std::string_view text;
  if (const Error error = ReadText(value, text); error != Error::kNone) return error;
  return ReadGridText(text, scale, OffGrid::kRefused, ticks);
}

Error ReadQuantity(element value, const GridScale& scale, int64_t& lots) {
  std::string_view text;
  if (const Error error = ReadText(value, text); error != Error::kNone) return error;
  return ReadGridText(text, scale, OffGrid::kRoundedUp, lots);
}

// The first error of several reads, in the order they are written.
template <typename... Errors>
Error FirstOf(Errors... errors) {
  Error first = Error::kNone;
  ((first = first == Error::kNone ? errors : first), ...);
  return first;
}

}  // namespace

class BinanceMarketStrictParser::Implementation {
 public:
  explicit Implementation(const Instrument& instrument)
      : instrument_(instrument.id),
        symbol_(instrument.symbol),
        price_(instrument.tick_size),
        quantity_(instrument.lot_size),
        padded_(new char[BinanceMarketDecoder::kMaxFrameBytes + simdjson::SIMDJSON_PADDING]) {
    HF_ASSERT(parser_.allocate(BinanceMarketDecoder::kMaxFrameBytes) == simdjson::SUCCESS);
    // The memory for what is parsed grows with the first frames: have it grow to the largest now.
    std::memset(padded_.get(), ' ', BinanceMarketDecoder::kMaxFrameBytes);
    std::memset(padded_.get() + BinanceMarketDecoder::kMaxFrameBytes, 0,
                simdjson::SIMDJSON_PADDING);
    std::memcpy(padded_.get(), "{}", 2);
    element root;
    HF_ASSERT(parser_.parse(padded_.get(), BinanceMarketDecoder::kMaxFrameBytes, false).get(root) ==
              simdjson::SUCCESS);
  }

  Error Parse(std::string_view text, BinanceFrame& frame) {
    if (text.size() > BinanceMarketDecoder::kMaxFrameBytes) return Error::kTooLarge;
    if (!text.empty()) std::memcpy(padded_.get(), text.data(), text.size());
    std::memset(padded_.get() + text.size(), 0, simdjson::SIMDJSON_PADDING);
    element root;
    if (parser_.parse(padded_.get(), text.size(), false).get(root) != simdjson::SUCCESS) {
      return Error::kSyntax;
    }
    object json;
    frame.kind = BinanceFrameKind::kOther;
    if (root.get(json) != simdjson::SUCCESS) return Error::kNone;
    Fields fields;
    if (const Error error = CollectFields(json, fields); error != Error::kNone) return error;
    if (!fields.Has(Key::kStream)) return ParseBody(fields, "", frame);

    std::string_view stream;
    if (const Error error = ReadText(fields[Key::kStream], stream); error != Error::kNone) {
      return error;
    }
    if (!fields.Has(Key::kData)) return Error::kMissingKey;
    if (fields[Key::kData].get(json) != simdjson::SUCCESS) return Error::kWrongType;
    Fields body;
    if (const Error error = CollectFields(json, body); error != Error::kNone) return error;
    return ParseBody(body, stream, frame);
  }

 private:
  Error ParseBody(const Fields& fields, std::string_view stream, BinanceFrame& frame) const {
    if (fields.Has(Key::kEvent)) {
      std::string_view event;
      if (fields[Key::kEvent].get(event) != simdjson::SUCCESS) return Error::kWrongType;
      if (event == "depthUpdate") return ParseDepthUpdate(fields, frame);
      if (event == "trade") return ParseTrade(fields, frame);
      if (event == "serverShutdown") frame.kind = BinanceFrameKind::kServerShutdown;
      return Error::kNone;
    }
    if (fields.Has(Key::kSnapshotId)) return ParseSnapshot(fields, frame);
    if (fields.Has(Key::kLastId)) return ParseBookTop(fields, frame);
    // Something that only makes sense in one of ours, or that came on a stream of ours.
    for (size_t i = 0; i < static_cast<size_t>(Key::kStream); ++i) {
      if (fields.values[i].has_value()) return Error::kMissingKey;
    }
    const bool is_ours = stream.find("@depth") != std::string_view::npos ||
                         stream.find("@trade") != std::string_view::npos ||
                         stream.find("@bookTicker") != std::string_view::npos;
    return is_ours ? Error::kMissingKey : Error::kNone;
  }

  Error CheckSymbol(const Fields& fields) const {
    std::string_view symbol;
    if (const Error error = ReadText(fields[Key::kSymbol], symbol); error != Error::kNone) {
      return error;
    }
    return symbol_ == symbol ? Error::kNone : Error::kWrongSymbol;
  }

  Error ParseDepthUpdate(const Fields& fields, BinanceFrame& frame) const {
    if (!fields.HasAll(
            {Key::kEventTime, Key::kSymbol, Key::kFirstId, Key::kLastId, Key::kBids, Key::kAsks})) {
      return Error::kMissingKey;
    }
    DepthUpdate& update = frame.depth_update;
    const Error error = FirstOf(
        ReadTimeNs(fields[Key::kEventTime], update.venue_time_ns), CheckSymbol(fields),
        ReadInteger(fields[Key::kFirstId], update.first_update_id),
        ReadInteger(fields[Key::kLastId], update.last_update_id),
        ReadBothSides(fields[Key::kBids], fields[Key::kAsks], frame, update.bids, update.asks));
    if (error != Error::kNone) return error;
    if (update.first_update_id > update.last_update_id) return Error::kBadSequence;
    update.instrument = instrument_;
    frame.kind = BinanceFrameKind::kDepthUpdate;
    return Error::kNone;
  }

  Error ParseSnapshot(const Fields& fields, BinanceFrame& frame) const {
    if (!fields.HasAll({Key::kSnapshotBids, Key::kSnapshotAsks})) return Error::kMissingKey;
    DepthSnapshot& snapshot = frame.depth_snapshot;
    const Error error =
        FirstOf(ReadInteger(fields[Key::kSnapshotId], snapshot.last_update_id),
                ReadBothSides(fields[Key::kSnapshotBids], fields[Key::kSnapshotAsks], frame,
                              snapshot.bids, snapshot.asks));
    if (error != Error::kNone) return error;
    snapshot.instrument = instrument_;
    frame.kind = BinanceFrameKind::kDepthSnapshot;
    return Error::kNone;
  }

  Error ParseTrade(const Fields& fields, BinanceFrame& frame) const {
    if (!fields.HasAll({Key::kEventTime, Key::kSymbol, Key::kTradeId, Key::kPrice, Key::kQuantity,
                        Key::kTradeTime, Key::kIsBuyerMaker})) {
      return Error::kMissingKey;
    }
    PublicTrade& trade = frame.trade;
    int64_t event_time_ns = 0;
    int64_t trade_id = 0;
    int64_t ticks = 0;
    int64_t lots = 0;
    bool is_buyer_maker = false;
    const Error error = FirstOf(ReadTimeNs(fields[Key::kEventTime], event_time_ns),
                                CheckSymbol(fields), ReadInteger(fields[Key::kTradeId], trade_id),
                                ReadPrice(fields[Key::kPrice], price_, ticks),
                                ReadQuantity(fields[Key::kQuantity], quantity_, lots),
                                ReadTimeNs(fields[Key::kTradeTime], trade.venue_time_ns),
                                ReadBoolean(fields[Key::kIsBuyerMaker], is_buyer_maker));
    if (error != Error::kNone) return error;
    if (ticks == 0 || lots == 0) return Error::kOutOfRange;
    trade.instrument = instrument_;
    trade.trade_id = VenueTradeId(trade_id);
    trade.price = Price::FromTicks(ticks);
    trade.quantity = Quantity::FromLots(lots);
    trade.aggressor = is_buyer_maker ? Side::kSell : Side::kBuy;
    frame.kind = BinanceFrameKind::kTrade;
    return Error::kNone;
  }

  // A side without orders has price and quantity zero.
  Error ParseBookTop(const Fields& fields, BinanceFrame& frame) const {
    if (!fields.HasAll(
            {Key::kSymbol, Key::kBids, Key::kBidQuantity, Key::kAsks, Key::kAskQuantity})) {
      return Error::kMissingKey;
    }
    BookTop& top = frame.book_top;
    int64_t bid_ticks = 0;
    int64_t bid_lots = 0;
    int64_t ask_ticks = 0;
    int64_t ask_lots = 0;
    const Error error =
        FirstOf(ReadInteger(fields[Key::kLastId], top.update_id), CheckSymbol(fields),
                ReadPrice(fields[Key::kBids], price_, bid_ticks),
                ReadQuantity(fields[Key::kBidQuantity], quantity_, bid_lots),
                ReadPrice(fields[Key::kAsks], price_, ask_ticks),
                ReadQuantity(fields[Key::kAskQuantity], quantity_, ask_lots));
    if (error != Error::kNone) return error;
    top.instrument = instrument_;
    top.bid_price = Price::FromTicks(bid_ticks);
    top.bid_quantity = Quantity::FromLots(bid_lots);
    top.ask_price = Price::FromTicks(ask_ticks);
    top.ask_quantity = Quantity::FromLots(ask_lots);
    frame.kind = BinanceFrameKind::kBookTop;
    return Error::kNone;
  }

  Error ReadBothSides(element bids, element asks, BinanceFrame& frame,
                      std::span<const LevelChange>& bid_levels,
                      std::span<const LevelChange>& ask_levels) const {
    const std::span<LevelChange> buffer = frame.level_buffer();
    size_t bid_count = 0;
    if (const Error error = ReadLevels(bids, buffer, bid_count); error != Error::kNone) {
      return error;
    }
    const std::span<LevelChange> rest = buffer.subspan(bid_count);
    size_t ask_count = 0;
    if (const Error error = ReadLevels(asks, rest, ask_count); error != Error::kNone) {
      return error;
    }
    bid_levels = buffer.first(bid_count);
    ask_levels = rest.first(ask_count);
    return Error::kNone;
  }

  Error ReadLevels(element value, std::span<LevelChange> out, size_t& count) const {
    simdjson::dom::array levels;
    if (value.get(levels) != simdjson::SUCCESS) return Error::kWrongType;
    for (const element level : levels) {
      simdjson::dom::array pair;
      if (level.get(pair) != simdjson::SUCCESS || pair.size() != 2) return Error::kWrongType;
      if (count == out.size()) return Error::kTooManyLevels;
      auto item = pair.begin();
      int64_t ticks = 0;
      int64_t lots = 0;
      if (const Error error = ReadPrice(*item, price_, ticks); error != Error::kNone) return error;
      ++item;
      if (const Error error = ReadQuantity(*item, quantity_, lots); error != Error::kNone) {
        return error;
      }
      if (ticks == 0) return Error::kOutOfRange;
      out[count++] = {Price::FromTicks(ticks), Quantity::FromLots(lots)};
    }
    return Error::kNone;
  }

  InstrumentId instrument_;
  SymbolText symbol_;
  GridScale price_;
  GridScale quantity_;
  simdjson::dom::parser parser_;
  std::unique_ptr<char[]> padded_;
};

BinanceMarketStrictParser::BinanceMarketStrictParser(const Instrument& instrument)
    : implementation_(std::make_unique<Implementation>(instrument)) {}
BinanceMarketStrictParser::~BinanceMarketStrictParser() = default;

void BinanceMarketStrictParser::Parse(std::string_view text, BinanceFrame& frame) {
  frame.error = implementation_->Parse(text, frame);
  if (frame.error != Error::kNone) frame.kind = BinanceFrameKind::kMalformed;
}

}  // namespace holdfast
