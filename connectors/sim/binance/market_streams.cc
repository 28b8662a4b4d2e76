#include "connectors/sim/binance/market_streams.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "connectors/sim/binance/parameters.h"
#include "connectors/sim/binance/render.h"
#include "engine/base/assert.h"

namespace holdfast::sim {
namespace {

struct StreamName {
  std::string symbol;  // upper case
  StreamKind kind;
  int level_count = 0;
};

std::optional<StreamName> ParseStreamName(std::string_view name) {
  const size_t mark = name.find('@');
  if (mark == std::string_view::npos) return std::nullopt;
  StreamName result;
  for (const char c : name.substr(0, mark)) {
    if (c >= 'A' && c <= 'Z') return std::nullopt;  // symbols are lower case here
    result.symbol += (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
  }
  const std::string_view kind = name.substr(mark + 1);
  if (kind == "trade") {
    result.kind = StreamKind::kTrade;
  } else if (kind == "aggTrade") {
    result.kind = StreamKind::kAggTrade;
  } else if (kind == "bookTicker") {
    result.kind = StreamKind::kBookTicker;
  } else if (kind == "depth@100ms") {
    result.kind = StreamKind::kDepth100ms;
  } else if (kind == "depth" || kind == "depth@1000ms") {
    result.kind = StreamKind::kDepth1000ms;
  } else {
    for (const int count : {5, 10, 20}) {
      const std::string prefix = "depth" + std::to_string(count);
      if (kind == prefix || kind == prefix + "@100ms" || kind == prefix + "@1000ms") {
        result.kind = StreamKind::kPartialDepth;
        result.level_count = count;
        return result;
      }
    }
    return std::nullopt;
  }
  return result;
}

std::vector<std::string> SplitStreams(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t end = std::min(text.find('/'), text.size());
    if (end > 0) {
      if (auto name = PercentDecode(text.substr(0, end))) names.push_back(*std::move(name));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return names;
}

std::string Combined(std::string_view stream, std::string_view payload) {
  std::string text;
  text.reserve(payload.size() + stream.size() + 24);
  text += "{\"stream\":\"";
  text += stream;
  text += "\",\"data\":";
  text += payload;
  text += '}';
  return text;
}

std::string StreamError(int code, std::string_view message, const std::string& id_json) {
  std::string text;
  JsonWriter out(text);
  out.BeginObject().Key("error").BeginObject().Field("code", code).Field("msg", message);
  out.EndObject();
  if (!id_json.empty()) out.Key("id").Raw(id_json);
  out.EndObject();
  return text;
}

// Sums up diffs for the slow depth stream.
class SlowDepth {
 public:
  void Add(const SimDepthDiff& diff) {
    if (first_update_id_ == 0) first_update_id_ = diff.first_update_id;
    last_update_id_ = diff.last_update_id;
    for (const SimLevel& level : diff.bids) bids_[level.price] = level.quantity;
    for (const SimLevel& level : diff.asks) asks_[level.price] = level.quantity;
  }
  bool IsDue(int64_t now_ns) const {
    return first_update_id_ != 0 && now_ns - emit_ns_ >= kNanosPerSecond;
  }
  std::string Take(std::string_view symbol, InstrumentId instrument, int64_t now_ns) {
    std::vector<SimLevel> bids, asks;
    for (auto it = bids_.rbegin(); it != bids_.rend(); ++it)
      bids.push_back({it->first, it->second});
    for (const auto& [price, quantity] : asks_) asks.push_back({price, quantity});
    std::string text = DepthEvent(symbol, {.instrument = instrument,
                                           .first_update_id = first_update_id_,
                                           .last_update_id = last_update_id_,
                                           .time_ns = now_ns,
                                           .bids = bids,
                                           .asks = asks});
    Clear();
    emit_ns_ = now_ns;
    return text;
  }
  void Clear() {
    bids_.clear();
    asks_.clear();
    first_update_id_ = 0;
  }

 private:
  std::map<Decimal, Decimal> bids_, asks_;
  int64_t first_update_id_ = 0;
  int64_t last_update_id_ = 0;
  int64_t emit_ns_ = 0;
};

}  // namespace

class MarketStreams::InstrumentListener final : public SimMarketListener {
 public:
  InstrumentListener(MarketStreams& streams, InstrumentId id)
      : streams_(streams), id_(id), symbol_(streams.venue_.instrument(id).symbol) {}

  void OnDepth(const SimDepthDiff& diff) override {
    for (Channel* channel : Of(StreamKind::kDepth100ms)) {
      streams_.Publish(*channel, FaultPoint::kDepthEvent, DepthEvent(symbol_.view(), diff));
    }
    if (Of(StreamKind::kDepth1000ms).empty()) {
      slow_.Clear();
    } else {
      slow_.Add(diff);
      if (slow_.IsDue(diff.time_ns)) {
        const std::string text = slow_.Take(symbol_.view(), id_, diff.time_ns);
        for (Channel* channel : Of(StreamKind::kDepth1000ms)) {
          streams_.Publish(*channel, FaultPoint::kDepthEvent, text);
        }
      }
    }
    for (Channel* channel : Of(StreamKind::kPartialDepth)) {
      std::string text;
      JsonWriter out(text);
      RenderDepth(out, streams_.venue_.Depth(id_, channel->level_count));
      streams_.Publish(*channel, FaultPoint::kDepthEvent, text);
    }
  }

  void OnBookTop(const SimBookTop& top) override {
    for (Channel* channel : Of(StreamKind::kBookTicker)) {
      streams_.Publish(*channel, FaultPoint::kBookTopEvent, BookTopEvent(symbol_.view(), top));
    }
  }

  void OnPublicTrade(const SimPublicTrade& trade) override {
    streams_.klines_.OnTrade(trade);
    for (Channel* channel : Of(StreamKind::kTrade)) {
      streams_.Publish(*channel, FaultPoint::kTradeEvent,
                       TradeEvent(symbol_.view(), trade, trade.time_ns));
    }
    for (Channel* channel : Of(StreamKind::kAggTrade)) {
      streams_.Publish(*channel, FaultPoint::kTradeEvent,
                       AggregateTradeEvent(symbol_.view(), trade, trade.time_ns));
    }
  }

  void OnInstrument(const Instrument&) override {}

  std::vector<Channel*>& Of(StreamKind kind) { return channels_[static_cast<size_t>(kind)]; }

 private:
  MarketStreams& streams_;
  const InstrumentId id_;
  const SymbolText symbol_;
  // With at least one subscriber.
  std::vector<Channel*> channels_[kStreamKindCount];
  SlowDepth slow_;
};

MarketStreams::MarketStreams(WireServer& server, SimVenue& venue, VenueTime& time,
                             FaultInjector& faults, KlineStore& klines)
    : server_(server), venue_(venue), time_(time), faults_(faults), klines_(klines) {
  for (const Instrument& instrument : venue_.instruments()) {
    listeners_.push_back(std::make_unique<InstrumentListener>(*this, instrument.id));
    venue_.AddMarketListener(instrument.id, listeners_.back().get());
  }
}

MarketStreams::~MarketStreams() {
  for (size_t i = 0; i < listeners_.size(); ++i) {
    venue_.RemoveMarketListener(InstrumentId(static_cast<uint16_t>(i)), listeners_[i].get());
  }
}

bool MarketStreams::IsStreamPath(std::string_view path) {
  return path == "/ws" || path.starts_with("/ws/") || path == "/stream" || path == "/stream/";
}

void MarketStreams::OnUpgrade(ConnectionId id, const HttpRequest& request) {
  Connection& connection = connections_[id.value()];
  std::vector<std::string> names;
  if (request.path().starts_with("/stream")) {
    connection.is_combined = true;
    std::string_view query = request.query();
    const size_t begin = query.find("streams=");
    if (begin != std::string_view::npos) {
      query.remove_prefix(begin + 8);
      names = SplitStreams(query.substr(0, query.find('&')));
    }
  } else if (request.path().size() > 4) {
    names = SplitStreams(request.path().substr(4));
  }
  for (const std::string& name : names) {
    if (connection.streams.size() < kMaxStreamsPerConnection) Subscribe(id, connection, name);
  }
}

void MarketStreams::OnClosed(ConnectionId id) {
  const auto it = connections_.find(id.value());
  if (it == connections_.end()) return;
  const std::vector<std::string> names = it->second.streams;
  for (const std::string& name : names) Unsubscribe(id, it->second, name);
  connections_.erase(it);
}

MarketStreams::Channel* MarketStreams::FindOrAddChannel(const std::string& name) {
  const auto it = channels_.find(name);
  if (it != channels_.end()) return it->second.get();
  const auto parsed = ParseStreamName(name);
  if (!parsed.has_value()) return nullptr;
  const auto instrument = venue_.FindInstrument(parsed->symbol);
  if (!instrument.has_value()) return nullptr;
  auto channel = std::make_unique<Channel>();
  channel->name = name;
  channel->kind = parsed->kind;
  channel->level_count = parsed->level_count;
  listeners_[instrument->value()]->Of(parsed->kind).push_back(channel.get());
  return channels_.emplace(name, std::move(channel)).first->second.get();
}

void MarketStreams::Subscribe(ConnectionId id, Connection& connection, const std::string& name) {
  auto& names = connection.streams;
  if (std::find(names.begin(), names.end(), name) != names.end()) return;
  names.push_back(name);
  if (Channel* channel = FindOrAddChannel(name)) channel->subscribers.push_back(id);
}

void MarketStreams::Unsubscribe(ConnectionId id, Connection& connection, const std::string& name) {
  std::erase(connection.streams, name);
  const auto it = channels_.find(name);
  if (it == channels_.end()) return;
  Channel* channel = it->second.get();
  std::erase(channel->subscribers, id);
  if (!channel->subscribers.empty()) return;
  for (const auto& listener : listeners_) std::erase(listener->Of(channel->kind), channel);
  channels_.erase(it);
}

void MarketStreams::Deliver(Channel& channel, const std::shared_ptr<const std::string>& raw,
                            const std::shared_ptr<const std::string>& combined) {
  for (const ConnectionId id : channel.subscribers) {
    server_.Send(id, connections_[id.value()].is_combined ? combined : raw);
  }
}

void MarketStreams::Publish(Channel& channel, FaultPoint point, const std::string& payload) {
  const auto raw = std::make_shared<const std::string>(payload);
  const auto combined = std::make_shared<const std::string>(Combined(channel.name, payload));
  const auto fault = faults_.Decide(point, std::nullopt, time_.now_ns());
  const FaultKind kind = fault.has_value() ? fault->kind : FaultKind::kLostRequest;
  if (fault.has_value() && kind == FaultKind::kSequenceGap) return;
  if (fault.has_value() && kind == FaultKind::kReorderedEvent && channel.held_raw == nullptr) {
    channel.held_raw = raw;
    channel.held_combined = combined;
    return;
  }
  if (fault.has_value() && kind == FaultKind::kDisconnect) {
    // Cutting changes the list of subscribers.
    const std::vector<ConnectionId> subscribers = channel.subscribers;
    for (const ConnectionId id : subscribers) server_.AbortSoon(id);
    return;
  }
  Deliver(channel, raw, combined);
  if (fault.has_value() && kind == FaultKind::kDuplicateEvent) Deliver(channel, raw, combined);
  if (channel.held_raw != nullptr) {
    Deliver(channel, channel.held_raw, channel.held_combined);
    channel.held_raw = nullptr;
    channel.held_combined = nullptr;
  }
}

void MarketStreams::NotifyShutdown() {
  const std::string payload =
      R"({"e":"serverShutdown","E":)" + std::to_string(Milliseconds(time_.server_time_ns())) + "}";
  const auto raw = std::make_shared<const std::string>(payload);
  const auto combined = std::make_shared<const std::string>(Combined("!serverShutdown", payload));
  for (const auto& [id, connection] : connections_) {
    server_.Send(ConnectionId(id), connection.is_combined ? combined : raw);
  }
}

void MarketStreams::OnMessage(ConnectionId id, std::string_view text) {
  const auto it = connections_.find(id.value());
  if (it == connections_.end()) return;
  server_.Send(id, Answer(it->second, id, text));
}

std::string MarketStreams::Answer(Connection& connection, ConnectionId id, std::string_view text) {
  using nlohmann::json;
  const json request = json::parse(text, nullptr, false);
  if (request.is_discarded()) return StreamError(3, "Invalid JSON: expected value", "");
  if (!request.is_object()) return StreamError(2, "Invalid request: expected an object", "");
  const json id_value = request.value("id", json());
  const bool is_id_legal = id_value.is_null() || id_value.is_number_integer() ||
                           (id_value.is_string() && id_value.get<std::string>().size() <= 36);
  if (!is_id_legal) {
    return StreamError(2, "Invalid request: request ID must be an unsigned integer", "");
  }
  const std::string id_json = id_value.dump();
  const json method_value = request.value("method", json());
  if (!method_value.is_string()) {
    return StreamError(2, "Invalid request: missing field `method`", id_json);
  }
  const std::string method = method_value.get<std::string>();
  const json parameters = request.value("params", json::array());
  const auto ok = [&](const std::string& result) {
    return "{\"result\":" + result + ",\"id\":" + id_json + "}";
  };
  if (method == "LIST_SUBSCRIPTIONS") return ok(json(connection.streams).dump());
  if (method == "SUBSCRIBE" || method == "UNSUBSCRIBE") {
    if (!parameters.is_array()) return StreamError(2, "Invalid request: params", id_json);
    for (const json& name : parameters) {
      if (!name.is_string()) {
        return StreamError(2, "Invalid request: stream name must be a string", id_json);
      }
    }
    for (const json& name : parameters) {
      if (method == "UNSUBSCRIBE") {
        Unsubscribe(id, connection, name.get<std::string>());
      } else if (connection.streams.size() < kMaxStreamsPerConnection) {
        Subscribe(id, connection, name.get<std::string>());
      } else {
        return StreamError(2, "Invalid request: too many subscriptions", id_json);
      }
    }
    return ok("null");
  }
  if (method != "SET_PROPERTY" && method != "GET_PROPERTY") {
    return StreamError(2,
                       "Invalid request: unknown variant `" + method +
                           "`, expected one of `SUBSCRIBE`, `UNSUBSCRIBE`, `LIST_SUBSCRIPTIONS`, "
                           "`SET_PROPERTY`, `GET_PROPERTY`",
                       id_json);
  }
  if (!parameters.is_array() || parameters.empty() || !parameters[0].is_string()) {
    return StreamError(2, "Invalid request: property name must be a string", id_json);
  }
  if (parameters[0] != "combined") return StreamError(0, "Unknown property", id_json);
  if (method == "GET_PROPERTY") return ok(connection.is_combined ? "true" : "false");
  if (parameters.size() != 2 || !parameters[1].is_boolean()) {
    return StreamError(1, "Invalid value type: expected Boolean", id_json);
  }
  connection.is_combined = parameters[1].get<bool>();
  return ok("null");
}

}  // namespace holdfast::sim
