#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/binance/market_decoder.h"
#include "engine/base/prng.h"
#include "engine/market/instrument.h"
#include "engine/market/market_data.h"
#include "tests/engine/market/capture_lines.h"

namespace holdfast::bench {

inline Instrument BtcUsdt() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = Decimal::FromUnits(1'000'000);
  instrument.lot_size = Decimal::FromUnits(1'000);
  return instrument;
}

// A sequence of depth diffs, and the book before it.
struct Stream {
  struct Message {
    size_t bids_begin, asks_begin, end;
  };
  std::vector<LevelChange> first_bids, first_asks;
  std::vector<Message> messages;
  std::vector<LevelChange> changes;
  int64_t min_ticks = INT64_MAX;
  int64_t max_ticks = INT64_MIN;

  std::span<const LevelChange> bids(size_t i) const {
    return std::span(changes).subspan(messages[i].bids_begin,
                                      messages[i].asks_begin - messages[i].bids_begin);
  }
  std::span<const LevelChange> asks(size_t i) const {
    return std::span(changes).subspan(messages[i].asks_begin,
                                      messages[i].end - messages[i].asks_begin);
  }
  DepthUpdate Update(size_t i) const {
    const auto id = static_cast<int64_t>(i) + 1;
    return {InstrumentId(0), id, id, 0, id, bids(i), asks(i)};
  }
  void Add(std::span<const LevelChange> bid_changes, std::span<const LevelChange> ask_changes) {
    Message message = {changes.size(), changes.size() + bid_changes.size(), 0};
    changes.insert(changes.end(), bid_changes.begin(), bid_changes.end());
    changes.insert(changes.end(), ask_changes.begin(), ask_changes.end());
    message.end = changes.size();
    messages.push_back(message);
  }
  void FindRange() {
    for (const auto* levels : {&first_bids, &first_asks, &changes}) {
      for (const LevelChange& change : *levels) {
        min_ticks = std::min(min_ticks, change.price.ticks());
        max_ticks = std::max(max_ticks, change.price.ticks());
      }
    }
  }
};

// Eight changes a message round a fair price that moves by single ticks, and by `drift_ticks` per
// message up in the first half and down in the second. Never crossed. Distances from the touch:
// mostly some ticks, every eighth some hundreds, every sixty-fourth some thousands. A side keeps at
// most kMaxLevelsPerSide levels: beyond that its worst one is taken away.
inline constexpr size_t kMaxLevelsPerSide = 3'000;

inline Stream GenerateStream(size_t message_count, int64_t drift_ticks, uint64_t seed) {
  Prng prng(seed);
  Stream stream;
  std::map<int64_t, int64_t> sides[2];  // keys: bids negated, so that the best is first
  int64_t fair = 6'183'763;
  std::vector<LevelChange> changes[2];
  const auto set = [&](int side, int64_t ticks, int64_t lots) {
    const int64_t key = side == 0 ? -ticks : ticks;
    if (lots == 0) {
      sides[side].erase(key);
    } else {
      sides[side][key] = lots;
    }
    changes[side].push_back({Price::FromTicks(ticks), Quantity::FromLots(lots)});
  };
  for (size_t i = 0; i < message_count; ++i) {
    changes[0].clear();
    changes[1].clear();
    if (prng.Chance(1, 3)) fair += prng.Between(-2, 2);
    fair += i < message_count / 2 ? drift_ticks : -drift_ticks;
    for (int c = 0; c < 8; ++c) {
      const int side = prng.Chance(1, 2) ? 1 : 0;
      const int64_t reach = prng.Chance(1, 64) ? 8'000 : prng.Chance(1, 8) ? 600 : 24;
      const int64_t distance = prng.Between(0, prng.Between(0, reach));
      const int64_t ticks = side == 0 ? fair - distance : fair + 1 + distance;
      auto& other = sides[1 - side];
      if (!other.empty()) {
        const int64_t best = side == 0 ? other.begin()->first : -other.begin()->first;
        if (side == 0 ? best <= ticks : best >= ticks) {
          set(1 - side, best, 0);  // in the way: removed first
          continue;
        }
      }
      if (sides[side].size() > kMaxLevelsPerSide) {
        const int64_t worst = sides[side].rbegin()->first;
        set(side, side == 0 ? -worst : worst, 0);
        continue;
      }
      const int64_t key = side == 0 ? -ticks : ticks;
      const auto near = sides[side].lower_bound(key);
      if (near != sides[side].end() && prng.Chance(32, 100)) {
        set(side, side == 0 ? -near->first : near->first, 0);
      } else {
        set(side, ticks, prng.Between(1, 500'000));
      }
    }
    stream.Add(changes[0], changes[1]);
  }
  stream.FindRange();
  return stream;
}

// The diffs of a recording that follow its snapshot; empty when the file is not there.
inline Stream ReadRecordedStream(std::string_view name) {
  Stream stream;
  if (!testing::HasCapture(name)) return stream;
  BinanceMarketDecoder decoder(BtcUsdt());
  BinanceFrame frame;
  int64_t last_id = INT64_MAX;
  for (const testing::CaptureLine& line : testing::ReadCapture(name)) {
    const BinanceFrameKind kind = decoder.Decode(line.text, line.receive_time_ns, frame);
    if (kind == BinanceFrameKind::kDepthSnapshot) {
      const DepthSnapshot& snapshot = frame.depth_snapshot;
      stream.first_bids.assign(snapshot.bids.begin(), snapshot.bids.end());
      stream.first_asks.assign(snapshot.asks.begin(), snapshot.asks.end());
      last_id = snapshot.last_update_id;
    }
    if (kind != BinanceFrameKind::kDepthUpdate) continue;
    if (frame.depth_update.last_update_id <= last_id) continue;
    stream.Add(frame.depth_update.bids, frame.depth_update.asks);
  }
  stream.FindRange();
  return stream;
}

// A depthUpdate frame in the venue's layout.
inline std::string DepthFrame(const DepthUpdate& update, bool is_wrapped) {
  const Instrument instrument = BtcUsdt();
  std::string text = is_wrapped ? R"({"stream":"btcusdt@depth@100ms","data":)" : "";
  text += R"({"e":"depthUpdate","E":1723161255208,"s":"BTCUSDT","U":)" +
          std::to_string(50'000'000'000 + update.first_update_id) +
          ",\"u\":" + std::to_string(50'000'000'000 + update.last_update_id) + ",\"b\":[";
  for (const bool is_bid : {true, false}) {
    bool is_first = true;
    for (const LevelChange& change : is_bid ? update.bids : update.asks) {
      text += is_first ? "[\"" : ",[\"";
      is_first = false;
      text += instrument.ToDecimal(change.price).ToText(8) + "\",\"" +
              instrument.ToDecimal(change.quantity).ToText(8) + "\"]";
    }
    text += is_bid ? "],\"a\":[" : "]}";
  }
  if (is_wrapped) text += "}";
  return text;
}

}  // namespace holdfast::bench
