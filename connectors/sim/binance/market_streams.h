#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connectors/sim/binance/kline_store.h"
#include "connectors/sim/binance/request_gate.h"
#include "connectors/sim/binance/wire_server.h"
#include "connectors/sim/fault_injector.h"
#include "connectors/sim/venue.h"

namespace holdfast::sim {

enum class StreamKind : uint8_t {
  kDepth100ms,
  kDepth1000ms,
  kPartialDepth,
  kBookTicker,
  kTrade,
  kAggTrade,
};
inline constexpr int kStreamKindCount = 6;

// Public streams: /ws, /ws/<stream>, /stream?streams=<a>/<b>, and SUBSCRIBE, UNSUBSCRIBE,
// LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY on an open connection. A name that means nothing
// here is accepted and stays silent, as the venue does it.
//
// An event is rendered once per stream and shared by its subscribers.
class MarketStreams {
 public:
  static constexpr size_t kMaxStreamsPerConnection = 1024;

  MarketStreams(WireServer& server, SimVenue& venue, VenueTime& time, FaultInjector& faults,
                KlineStore& klines);
  ~MarketStreams();

  static bool IsStreamPath(std::string_view path);
  // Remembers what the handshake asked for.
  void OnUpgrade(ConnectionId connection, const HttpRequest& request);
  void OnMessage(ConnectionId connection, std::string_view text);
  void OnClosed(ConnectionId connection);
  bool Owns(ConnectionId connection) const { return connections_.contains(connection.value()); }

  // Tells every client that the server is about to go.
  void NotifyShutdown();
  int64_t connection_count() const { return static_cast<int64_t>(connections_.size()); }

 private:
  struct Connection {
    bool is_combined = false;
    std::vector<std::string> streams;  // in order of subscription
  };
  struct Channel {
    std::string name;
    StreamKind kind = StreamKind::kDepth100ms;
    int level_count = 0;  // kPartialDepth
    std::vector<ConnectionId> subscribers;
    std::shared_ptr<const std::string> held_raw, held_combined;  // reordered event
  };
  class InstrumentListener;

  void Subscribe(ConnectionId id, Connection& connection, const std::string& name);
  void Unsubscribe(ConnectionId id, Connection& connection, const std::string& name);
  Channel* FindOrAddChannel(const std::string& name);
  void Publish(Channel& channel, FaultPoint point, const std::string& payload);
  void Deliver(Channel& channel, const std::shared_ptr<const std::string>& raw,
               const std::shared_ptr<const std::string>& combined);
  std::string Answer(Connection& connection, ConnectionId id, std::string_view text);

  WireServer& server_;
  SimVenue& venue_;
  VenueTime& time_;
  FaultInjector& faults_;
  KlineStore& klines_;
  std::unordered_map<uint64_t, Connection> connections_;
  std::unordered_map<std::string, std::unique_ptr<Channel>> channels_;
  std::vector<std::unique_ptr<InstrumentListener>> listeners_;  // by instrument
};

}  // namespace holdfast::sim
