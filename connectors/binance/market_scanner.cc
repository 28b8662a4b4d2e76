#include "connectors/binance/market_scanner.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "absl/strings/ascii.h"
#include "engine/base/clock.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace holdfast {

BinanceMarketScanner::Expected::Expected(std::string_view text)
    : size(static_cast<uint32_t>(text.size())) {
  HF_ASSERT(text.size() <= kMaxBytes);
  std::copy(text.begin(), text.end(), bytes.begin());
  for (size_t i = 0; i < kMaxBytes; ++i) {
    if (i >= text.size()) unused[i / 32] |= uint32_t{1} << (i % 32);
  }
}

BinanceMarketScanner::NumberShape::NumberShape(Decimal step)
    : scale(step),
      max_whole_digits(
          std::min(kMaxWholeDigits, 15u - static_cast<uint32_t>(scale.fraction_digits))) {
  const int digits = scale.fraction_digits;
  zeros_mask = digits == 8 ? 0 : ~uint64_t{0} << (8 * digits);
  for (size_t whole = 0; whole < shuffles.size(); ++whole) {
    shuffles[whole].fill(0x80);  // a lane without a digit reads as zero
    size_t lane = 16;
    // The point is at index `whole`: with it at most 15 digits fit the 16 bytes.
    for (size_t i = static_cast<size_t>(digits); i-- > 0 && lane > 0;) {
      shuffles[whole][--lane] = static_cast<uint8_t>(std::min<size_t>(whole + 1 + i, 0x80));
    }
    for (size_t i = whole; i-- > 0 && lane > 0;) {
      shuffles[whole][--lane] = static_cast<uint8_t>(i);
    }
  }
}

BinanceMarketScanner::BinanceMarketScanner(const Instrument& instrument)
    : instrument_(instrument.id),
      price_(instrument.tick_size),
      quantity_(instrument.lot_size),
      symbol_bytes_(instrument.symbol.size()) {
  const std::string symbol(instrument.symbol.view());
  const std::string lower = absl::AsciiStrToLower(symbol);
  const auto stream = [&lower](std::string_view name) {
    return Expected("{\"stream\":\"" + lower + std::string(name) + "\",\"data\":");
  };
  wrapped_depth_100ms_ = stream("@depth@100ms");
  wrapped_depth_ = stream("@depth");
  wrapped_trade_ = stream("@trade");
  wrapped_book_ticker_ = stream("@bookTicker");
  const auto after_symbol = [&symbol](std::string_view next) {
    return Expected(",\"s\":\"" + symbol + "\"," + std::string(next));
  };
  depth_head_ = Expected(R"({"e":"depthUpdate","E":)");
  symbol_then_first_id_ = after_symbol(R"("U":)");
  then_last_id_ = Expected(R"(,"u":)");
  then_bids_ = Expected(R"(,"b":[)");
  then_asks_ = Expected(R"(,"a":[)");
  trade_head_ = Expected(R"({"e":"trade","E":)");
  symbol_then_trade_id_ = after_symbol(R"("t":)");
  then_price_ = Expected(R"(,"p":")");
  then_quantity_ = Expected(R"(","q":")");
  then_trade_time_ = Expected(R"(","T":)");
  then_is_buyer_maker_ = Expected(R"(,"m":)");
  then_ignored_ = Expected(R"(,"M":)");
  top_head_ = Expected(R"({"u":)");
  symbol_then_bid_price_ = after_symbol(R"("b":")");
  then_bid_quantity_ = Expected(R"(","B":")");
  then_ask_price_ = Expected(R"(","a":")");
  then_ask_quantity_ = Expected(R"(","A":")");
  quote_ = Expected("\"");
  snapshot_head_ = Expected(R"({"lastUpdateId":)");
  then_snapshot_bids_ = Expected(R"(,"bids":[)");
  then_snapshot_asks_ = Expected(R"(,"asks":[)");
}

#if defined(__AVX2__)

// Where reading is. INVARIANT, before each read: kTailBytes can be read at `at`.
struct BinanceMarketScanner::Cursor {
  const char* at;
  const char* end;    // of the frame, in whichever buffer `at` is
  const char* limit;  // the last `at` that keeps the invariant
  const char* tail_end;

  // Moves on to the copy of the frame's end when `at` has come near it. False: beyond the end.
  [[gnu::always_inline]] bool Settle() {
    if (at <= limit) [[likely]]
      return true;
    if (at > end) return false;
    at = tail_end - (end - at);
    end = tail_end;
    limit = tail_end;
    return true;
  }
  // What remains must be exactly the closing brackets.
  bool EndsWith(std::string_view text) const {
    return static_cast<size_t>(end - at) == text.size() &&
           std::memcmp(at, text.data(), text.size()) == 0;
  }
};

namespace {

constexpr uint32_t kFractionDigits = 8;

// Lanes 0 and on of `digits` hold values 0..9, most significant first: sixteen digits to a number.
[[gnu::always_inline]] inline uint64_t Combine(__m128i digits) {
  const __m128i pairs = _mm_maddubs_epi16(
      digits, _mm_setr_epi8(10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1, 10, 1));
  const __m128i quads = _mm_madd_epi16(pairs, _mm_setr_epi16(100, 1, 100, 1, 100, 1, 100, 1));
  const __m128i packed = _mm_packus_epi32(quads, quads);
  const __m128i halves =
      _mm_madd_epi16(packed, _mm_setr_epi16(10'000, 1, 10'000, 1, 10'000, 1, 10'000, 1));
  const auto both = static_cast<uint64_t>(_mm_cvtsi128_si64(halves));
  return (both & 0xffffffffu) * 100'000'000u + (both >> 32);
}

[[gnu::always_inline]] inline __m128i Load16(const char* at) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
}
[[gnu::always_inline]] inline uint64_t Load8(const char* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
[[gnu::always_inline]] inline uint32_t Load4(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}
constexpr uint32_t Bytes(char a, char b, char c = '\0') {
  return static_cast<uint32_t>(a) | static_cast<uint32_t>(b) << 8 | static_cast<uint32_t>(c) << 16;
}

// Number whose text starts at `at` and has its point at index `whole`. `wrong` collects non-zero
// bits when a character is not what it has to be or the value is off the grid.
template <typename Shape>
[[gnu::always_inline]] inline uint64_t ReadGridNumber(const char* at, uint32_t whole,
                                                      const Shape& shape, uint64_t& wrong) {
  const __m128i shuffle =
      _mm_load_si128(reinterpret_cast<const __m128i*>(shape.shuffles[whole].data()));
  const __m128i digits = _mm_shuffle_epi8(_mm_sub_epi8(Load16(at), _mm_set1_epi8('0')), shuffle);
  const __m128i above_nine = _mm_subs_epu8(digits, _mm_set1_epi8(9));
  wrong |= static_cast<uint64_t>(_mm_testz_si128(above_nine, above_nine) == 0);
  wrong |= (Load8(at + whole + 1) ^ 0x3030303030303030u) & shape.zeros_mask;
  uint64_t count;
  wrong |= static_cast<uint64_t>(!shape.scale.divisor.Divide(Combine(digits), count));
  return count;
}

}  // namespace

[[gnu::always_inline]] inline bool BinanceMarketScanner::Skip(Cursor& cursor,
                                                              const Expected& expected) {
  if (!cursor.Settle()) return false;
  const auto compare = [&](size_t part) {
    const __m256i text =
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(cursor.at + 32 * part));
    const __m256i wanted =
        _mm256_load_si256(reinterpret_cast<const __m256i*>(expected.bytes.data() + 32 * part));
    const auto equal = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, wanted)));
    return (equal | expected.unused[part]) == ~uint32_t{0};
  };
  if (!compare(0)) return false;
  if (expected.size > 32 && !compare(1)) return false;
  cursor.at += expected.size;
  return true;
}

// A JSON integer of 1 to 15 digits.
[[gnu::always_inline]] inline bool BinanceMarketScanner::ReadInteger(Cursor& cursor,
                                                                     int64_t& value) {
  alignas(32) static constexpr std::array<uint8_t, 32> kAlign = [] {
    std::array<uint8_t, 32> lanes = {};
    for (size_t i = 0; i < 16; ++i) {
      lanes[i] = 0x80;
      lanes[16 + i] = static_cast<uint8_t>(i);
    }
    return lanes;
  }();
  if (!cursor.Settle()) return false;
  const __m128i values = _mm_sub_epi8(Load16(cursor.at), _mm_set1_epi8('0'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
  const uint32_t others = ~static_cast<uint32_t>(_mm_movemask_epi8(is_digit));
  const auto count = static_cast<uint32_t>(std::countr_zero(others));
  if (count == 0 || count > 15) return false;
  if (*cursor.at == '0' && count > 1) return false;
  const __m128i shuffle = Load16(reinterpret_cast<const char*>(kAlign.data()) + count);
  value = static_cast<int64_t>(Combine(_mm_shuffle_epi8(values, shuffle)));
  cursor.at += count;
  return true;
}

[[gnu::always_inline]] inline bool BinanceMarketScanner::ReadTimeNs(Cursor& cursor,
                                                                    int64_t& value) {
  if (!ReadInteger(cursor, value)) return false;
  if (value > INT64_MAX / kNanosPerMilli) return false;
  value *= kNanosPerMilli;
  return true;
}

// The text of a decimal with exactly eight fraction digits; stops before the closing quote.
[[gnu::always_inline]] inline bool BinanceMarketScanner::ReadDecimal(Cursor& cursor,
                                                                     const NumberShape& shape,
                                                                     int64_t& value) {
  if (!cursor.Settle()) return false;
  const auto points = static_cast<uint32_t>(
      _mm_movemask_epi8(_mm_cmpeq_epi8(Load16(cursor.at), _mm_set1_epi8('.'))));
  const auto whole = static_cast<uint32_t>(std::countr_zero(points));
  if (whole - 1 >= shape.max_whole_digits) return false;
  uint64_t wrong = 0;
  value = static_cast<int64_t>(ReadGridNumber(cursor.at, whole, shape, wrong));
  cursor.at += whole + 1 + kFractionDigits;
  return wrong == 0;
}

[[gnu::always_inline]] inline bool BinanceMarketScanner::ReadBoolean(Cursor& cursor, bool& value) {
  if (!cursor.Settle()) return false;
  value = std::memcmp(cursor.at, "true", 4) == 0;
  if (!value && std::memcmp(cursor.at, "false", 5) != 0) return false;
  cursor.at += value ? 4 : 5;
  return true;
}

// Levels up to and including the list's closing bracket: `["61737.63000000","0.10000000"],[...]]`.
[[gnu::always_inline]] inline bool BinanceMarketScanner::ReadLevels(
    Cursor& cursor, LevelChange*& out, const LevelChange* out_end) const {
  if (!cursor.Settle()) return false;
  if (*cursor.at == ']') {
    ++cursor.at;
    return true;
  }
  while (true) {
    if (!cursor.Settle() || out == out_end) return false;
    const char* const price = cursor.at + 2;
    // Both points are found at once: the next level's place depends on this mask alone.
    const auto points = static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(price)), _mm256_set1_epi8('.'))));
    const uint32_t later_points = points & (points - 1);
    const auto price_whole = static_cast<uint32_t>(std::countr_zero(points));
    const auto quantity_point = static_cast<uint32_t>(std::countr_zero(later_points));
    // Behind the price's point: eight digits and `","`.
    const uint32_t quantity_begin = price_whole + 1 + kFractionDigits + 3;
    const uint32_t quantity_whole = quantity_point - quantity_begin;
    if (later_points == 0 || price_whole - 1 >= price_.max_whole_digits ||
        quantity_whole - 1 >= quantity_.max_whole_digits) {
      return false;
    }
    const char* const quantity_end = price + quantity_point + 1 + kFractionDigits;
    uint64_t wrong = (Load4(cursor.at) & 0xffffu) ^ Bytes('[', '"');
    wrong |= (Load4(price + quantity_begin - 3) & 0xffffffu) ^ Bytes('"', ',', '"');
    const uint64_t ticks = ReadGridNumber(price, price_whole, price_, wrong);
    const uint64_t lots = ReadGridNumber(price + quantity_begin, quantity_whole, quantity_, wrong);
    wrong |= static_cast<uint64_t>(ticks == 0);
    const uint32_t closing = Load4(quantity_end);
    wrong |= (closing & 0xffffu) ^ Bytes('"', ']');
    if (wrong != 0) return false;
    *out++ = {Price::FromTicks(static_cast<int64_t>(ticks)),
              Quantity::FromLots(static_cast<int64_t>(lots))};
    cursor.at = quantity_end + 3;
    const uint32_t separator = (closing >> 16) & 0xff;
    if (separator == ',') continue;
    return separator == ']';
  }
}

bool BinanceMarketScanner::ScanDepthUpdate(Cursor& cursor, BinanceFrame& frame) const {
  DepthUpdate& update = frame.depth_update;
  if (!Skip(cursor, depth_head_) || !ReadTimeNs(cursor, update.venue_time_ns) ||
      !Skip(cursor, symbol_then_first_id_) || !ReadInteger(cursor, update.first_update_id) ||
      !Skip(cursor, then_last_id_) || !ReadInteger(cursor, update.last_update_id) ||
      !Skip(cursor, then_bids_)) {
    return false;
  }
  const std::span<LevelChange> buffer = frame.level_buffer();
  LevelChange* const bids = buffer.data();
  LevelChange* out = bids;
  const LevelChange* const out_end = bids + buffer.size();
  if (!ReadLevels(cursor, out, out_end) || !Skip(cursor, then_asks_)) return false;
  LevelChange* const asks = out;
  if (!ReadLevels(cursor, out, out_end)) return false;
  if (update.first_update_id > update.last_update_id) return false;
  update.instrument = instrument_;
  update.bids = {bids, asks};
  update.asks = {asks, out};
  frame.kind = BinanceFrameKind::kDepthUpdate;
  return true;
}

bool BinanceMarketScanner::ScanSnapshot(Cursor& cursor, BinanceFrame& frame) const {
  DepthSnapshot& snapshot = frame.depth_snapshot;
  if (!Skip(cursor, snapshot_head_) || !ReadInteger(cursor, snapshot.last_update_id) ||
      !Skip(cursor, then_snapshot_bids_)) {
    return false;
  }
  const std::span<LevelChange> buffer = frame.level_buffer();
  LevelChange* const bids = buffer.data();
  LevelChange* out = bids;
  const LevelChange* const out_end = bids + buffer.size();
  if (!ReadLevels(cursor, out, out_end) || !Skip(cursor, then_snapshot_asks_)) return false;
  LevelChange* const asks = out;
  if (!ReadLevels(cursor, out, out_end)) return false;
  snapshot.instrument = instrument_;
  snapshot.bids = {bids, asks};
  snapshot.asks = {asks, out};
  frame.kind = BinanceFrameKind::kDepthSnapshot;
  return true;
}

bool BinanceMarketScanner::ScanTrade(Cursor& cursor, BinanceFrame& frame) const {
  PublicTrade& trade = frame.trade;
  int64_t event_time_ns = 0;
  int64_t trade_id = 0;
  int64_t ticks = 0;
  int64_t lots = 0;
  bool is_buyer_maker = false;
  bool is_ignored = false;
  if (!Skip(cursor, trade_head_) || !ReadTimeNs(cursor, event_time_ns) ||
      !Skip(cursor, symbol_then_trade_id_) || !ReadInteger(cursor, trade_id) ||
      !Skip(cursor, then_price_) || !ReadDecimal(cursor, price_, ticks) ||
      !Skip(cursor, then_quantity_) || !ReadDecimal(cursor, quantity_, lots) ||
      !Skip(cursor, then_trade_time_) || !ReadTimeNs(cursor, trade.venue_time_ns) ||
      !Skip(cursor, then_is_buyer_maker_) || !ReadBoolean(cursor, is_buyer_maker) ||
      !Skip(cursor, then_ignored_) || !ReadBoolean(cursor, is_ignored)) {
    return false;
  }
  if (ticks == 0 || lots == 0) return false;
  trade.instrument = instrument_;
  trade.trade_id = VenueTradeId(trade_id);
  trade.price = Price::FromTicks(ticks);
  trade.quantity = Quantity::FromLots(lots);
  trade.aggressor = is_buyer_maker ? Side::kSell : Side::kBuy;
  frame.kind = BinanceFrameKind::kTrade;
  return true;
}

bool BinanceMarketScanner::ScanBookTop(Cursor& cursor, BinanceFrame& frame) const {
  BookTop& top = frame.book_top;
  int64_t bid_ticks = 0;
  int64_t bid_lots = 0;
  int64_t ask_ticks = 0;
  int64_t ask_lots = 0;
  if (!Skip(cursor, top_head_) || !ReadInteger(cursor, top.update_id) ||
      !Skip(cursor, symbol_then_bid_price_) || !ReadDecimal(cursor, price_, bid_ticks) ||
      !Skip(cursor, then_bid_quantity_) || !ReadDecimal(cursor, quantity_, bid_lots) ||
      !Skip(cursor, then_ask_price_) || !ReadDecimal(cursor, price_, ask_ticks) ||
      !Skip(cursor, then_ask_quantity_) || !ReadDecimal(cursor, quantity_, ask_lots) ||
      !Skip(cursor, quote_)) {
    return false;
  }
  top.instrument = instrument_;
  top.bid_price = Price::FromTicks(bid_ticks);
  top.bid_quantity = Quantity::FromLots(bid_lots);
  top.ask_price = Price::FromTicks(ask_ticks);
  top.ask_quantity = Quantity::FromLots(ask_lots);
  frame.kind = BinanceFrameKind::kBookTop;
  return true;
}

bool BinanceMarketScanner::Scan(std::string_view text, BinanceFrame& frame) {
  if (text.size() < kTailBytes) return false;
  const char* const end = text.data() + text.size();
  std::memcpy(tail_.data(), end - kTailBytes, kTailBytes);
  Cursor cursor = {text.data(), end, end - kTailBytes, tail_.data() + kTailBytes};

  // The first byte that tells the kinds apart: {"stream", {"e", {"u", {"lastUpdateId".
  const bool is_wrapped = text[2] == 's';
  if (is_wrapped) {
    const size_t name = std::string_view(R"({"stream":"@)").size() + symbol_bytes_;
    const Expected& prefix = text[name] == 'b'       ? wrapped_book_ticker_
                             : text[name] == 't'     ? wrapped_trade_
                             : text[name + 5] == '@' ? wrapped_depth_100ms_
                                                     : wrapped_depth_;
    if (!Skip(cursor, prefix) || !cursor.Settle()) return false;
  }
  const std::string_view closing = is_wrapped ? "}}" : "}";
  bool is_recognized = false;
  switch (cursor.at[2]) {
    case 'u':
      is_recognized = ScanBookTop(cursor, frame);
      break;
    case 'e':
      is_recognized =
          cursor.at[6] == 'd' ? ScanDepthUpdate(cursor, frame) : ScanTrade(cursor, frame);
      break;
    case 'l':
      is_recognized = ScanSnapshot(cursor, frame);
      break;
    default:
      break;
  }
  return is_recognized && cursor.EndsWith(closing);
}

#else

bool BinanceMarketScanner::Scan(std::string_view, BinanceFrame&) { return false; }

#endif

}  // namespace holdfast
