#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "connectors/net/event_loop.h"
#include "connectors/net/http_response_reader.h"
#include "connectors/net/tls.h"
#include "connectors/net/transport.h"
#include "connectors/net/url.h"
#include "engine/base/prng.h"

namespace holdfast {

// A WebSocket (RFC 6455) client for text messages.
//
// Messages are handed over where they lie in the receive buffer, and a sent message is masked into
// a buffer that is kept: neither direction allocates after the first messages. Fragments are put
// together; a server that masks, uses reserved bits, sends binary or exceeds a bound is cut off.
// UTF-8 is not verified here: whoever decodes the text refuses what it does not understand.
//
// Pings of the peer are answered at once. When nothing at all arrived for `ping_interval_ns` a ping
// of our own is sent; when that brings no byte within `pong_timeout_ns`, or nothing came for
// `silence_timeout_ns`, the connection counts as dead.
//
// The loop's thread only.
class WebSocketClient : private Transport::Handler {
 public:
  struct Options {
    int64_t connect_timeout_ns = 10'000'000'000;  // until the WebSocket is open
    int64_t ping_interval_ns = 10'000'000'000;
    int64_t pong_timeout_ns = 5'000'000'000;
    int64_t silence_timeout_ns = 60'000'000'000;
    size_t max_message_bytes = 4 * 1024 * 1024;
    size_t max_unsent_bytes = 256 * 1024;
    std::string user_agent = "holdfast";
  };
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnWebSocketOpen(WebSocketClient& client) = 0;
    // The text is valid during the call; kPaddingBytes readable bytes follow it.
    virtual void OnWebSocketMessage(WebSocketClient& client, std::string_view text) = 0;
    // Ends every Open() that was not ended by Close(), exactly once; `reason` says why in words.
    virtual void OnWebSocketClosed(WebSocketClient& client, const absl::Status& reason) = 0;
  };
  static constexpr size_t kPaddingBytes = 64;

  // `prng` gives the masks and the handshake's key. They protect proxies from scripts in browsers,
  // not us from anybody, so they need not be secret.
  WebSocketClient(EventLoop& loop, std::shared_ptr<const TlsContext> tls, Options options,
                  Prng& prng, Handler& handler);
  ~WebSocketClient() override;

  // REQUIRES: closed.
  void Open(const Url& url);
  // At once, without a callback.
  void Close();
  bool is_open() const { return state_ == State::kOpen; }
  bool is_closed() const { return state_ == State::kClosed; }

  // All or nothing. False: not open, or the bound on unsent bytes would be exceeded.
  bool Send(std::string_view text);

  // When the bytes of the message being handled were read from the socket, on the wall clock.
  int64_t read_wall_time_ns() const { return read_wall_time_ns_; }
  // When the last bytes of any kind arrived, on the monotonic clock.
  int64_t last_read_ns() const { return last_read_ns_; }
  // Only during OnWebSocketClosed(): the HTTP answer that refused the upgrade, nullptr when the
  // connection ended otherwise. Its body is not read.
  const HttpResponse* refusal() const { return refusal_ ? &*refusal_ : nullptr; }

  void PauseReading() {
    transport_.PauseReading();
    is_paused_ = true;
  }
  void ResumeReading() {
    is_paused_ = false;
    last_read_ns_ = loop_.NowNs();  // the silence was ours
    transport_.ResumeReading();
  }

 private:
  enum class State : uint8_t { kClosed, kConnecting, kUpgrading, kOpen };
  struct FrameHeader;
  enum class Opcode : uint8_t {
    kContinuation = 0,
    kText = 1,
    kBinary = 2,
    kClose = 8,
    kPing = 9,
    kPong = 10
  };

  void OnTransportConnected() override;
  void OnTransportReadable() override;
  void OnTransportClosed(const absl::Status& reason) override;
  void SendUpgrade();
  bool ReadUpgrade();
  void ProcessFrames();
  void HandleFrame(Opcode opcode, bool is_final, std::string_view payload);
  void HandleCloseFrame(std::string_view payload);
  void DeliverText(std::string_view text);
  bool SendFrame(Opcode opcode, std::string_view payload);
  void MakeRoom();
  void OnKeepAliveTimer();
  void Fail(absl::Status reason);

  EventLoop& loop_;
  const Options options_;
  Prng& prng_;
  Handler& handler_;
  Transport transport_;
  Timer timer_;  // the deadline of the handshake, then keep-alive
  State state_ = State::kClosed;
  bool is_paused_ = false;
  uint64_t generation_ = 0;
  Url url_;
  std::string expected_accept_;
  std::string buffer_;  // [begin_, end_) received and not yet handled
  size_t begin_ = 0;
  size_t end_ = 0;
  std::string fragments_;  // of a message that is not complete yet
  bool is_fragmented_ = false;
  std::string outgoing_;
  std::optional<HttpResponse> refusal_;  // points into buffer_
  int64_t last_read_ns_ = 0;
  int64_t ping_sent_ns_ = 0;
  int64_t read_wall_time_ns_ = 0;
};

}  // namespace holdfast
