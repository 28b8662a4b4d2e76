#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/sim/binance/http_message.h"
#include "connectors/sim/binance/server_loop.h"
#include "engine/base/clock.h"
#include "engine/base/strong_id.h"

namespace holdfast::sim {

// Unique for the life of a server; never reused.
using ConnectionId = StrongId<struct ConnectionIdTag, uint64_t>;

// Answer to a WebSocket handshake.
struct UpgradeDecision {
  std::optional<HttpResponse> refusal;  // set: no WebSocket, this response instead
  // Incoming text, ping and pong frames a second (a fixed window); above it the connection is
  // closed. 0 = no limit.
  int max_messages_per_second = 0;
};

// What the protocol above does with requests and messages. All calls come from the loop's thread.
class WireHandler {
 public:
  virtual ~WireHandler();
  // To be answered by exactly one Respond() or Abort(), now or later. Further requests of the same
  // connection wait until then, so answers keep the order of the requests.
  virtual void OnHttpRequest(ConnectionId connection, const HttpRequest& request) = 0;
  virtual UpgradeDecision OnUpgrade(ConnectionId connection, const HttpRequest& request) = 0;
  // The handshake is complete: messages can be sent.
  virtual void OnWebSocketOpen(ConnectionId connection) = 0;
  virtual void OnWebSocketMessage(ConnectionId connection, std::string_view text) = 0;
  // The connection, of either kind, is gone. Called exactly once.
  virtual void OnClosed(ConnectionId connection) = 0;
};

struct WireServerOptions {
  std::string address = "127.0.0.1";
  uint16_t port = 0;            // 0 = ephemeral
  std::string tls_certificate;  // PEM file; empty = plain
  std::string tls_key;          // PEM file

  int max_connections = 1024;  // above it a new connection is closed at once
  size_t max_header_bytes = 16 * 1024;
  size_t max_body_bytes = 64 * 1024;     // larger: 413 and the connection ends
  size_t max_message_bytes = 64 * 1024;  // larger: close code 1009
  // Outgoing bytes that wait for a slow reader. A WebSocket above it is cut (a market data stream
  // with holes would be worse than none); on HTTP no further request is read until it has drained.
  size_t max_queued_bytes = 8 * 1024 * 1024;
  int64_t http_idle_timeout_ns = 60 * kNanosPerSecond;
  int64_t ping_interval_ns = 20 * kNanosPerSecond;
  int64_t pong_timeout_ns = 60 * kNanosPerSecond;         // after an unanswered ping
  int64_t web_socket_life_ns = 86'400 * kNanosPerSecond;  // then the connection is closed
};

struct WireServerStats {
  int64_t accepted = 0;
  int64_t refused_full = 0;     // above max_connections
  int64_t slow_reader_cut = 0;  // above max_queued_bytes
  int64_t flood_cut = 0;        // above max_messages_per_second
  int64_t pong_timeout_cut = 0;
  int64_t expired = 0;  // reached web_socket_life
  int64_t malformed = 0;
  int open = 0;
};

// HTTP/1.1 (keep-alive, pipelining) and WebSocket server on one listening socket. Belongs to the
// loop's thread.
class WireServer {
 public:
  // `handler`, `loop` and `clock` outlive the server.
  WireServer(ServerLoop& loop, const Clock& clock, WireHandler& handler, WireServerOptions options);
  ~WireServer();

  // Errors: kInvalidArgument (address, certificate), kAlreadyExists (port in use).
  absl::Status Listen();
  uint16_t port() const;

  // Sending to a connection that is gone is a no-op.
  void Respond(ConnectionId connection, const HttpResponse& response);
  void Send(ConnectionId connection, std::shared_ptr<const std::string> text);
  void Send(ConnectionId connection, std::string text) {
    Send(connection, std::make_shared<const std::string>(std::move(text)));
  }
  // Sends what is queued, then the closing handshake.
  void Close(ConnectionId connection, uint16_t code, std::string_view reason);
  // Cuts the connection with a reset: nothing more is sent.
  void Abort(ConnectionId connection);
  // The same, from inside a callback that walks over connections: in the loop's next turn.
  void AbortSoon(ConnectionId connection);
  void AbortAll();
  // Stops accepting and cuts everything.
  void Shutdown();

  const WireServerStats& stats() const;

  struct Impl;

 private:
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::sim
