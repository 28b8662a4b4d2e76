#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/binance/connection.h"
#include "connectors/binance/options.h"
#include "connectors/binance/private_decoder.h"
#include "connectors/net/backoff.h"
#include "connectors/net/signing.h"
#include "connectors/net/websocket_client.h"

namespace holdfast {

// The connection to the WS API: connects, measures the clock offset, logs on (Ed25519) and
// subscribes to the user stream; again and again, with back-off and jitter, until stopped or
// refused for good. What is not its own business goes to the handler.
//
//   down -> connecting -> measuring -> logging on -> subscribing -> ready
//
// Order entry is possible from "subscribing" on. A user stream that ends is subscribed again. The
// connection is renewed before the venue's 24 hours and at its `serverShutdown`, after requests in
// flight have been answered or kDrainNs have passed.
//
// Network thread only.
class BinanceSession : private WebSocketClient::Handler {
 public:
  // Ids of the session's own requests start here; the handler's must be below.
  static constexpr uint64_t kFirstOwnRequestId = uint64_t{1} << 51;
  static constexpr int64_t kDrainNs = 2 * kNanosPerSecond;
  static constexpr int kOffsetSampleCount = 3;
  // A connection that stood this long was a good one: the next back-off starts small again. More
  // often than this nothing that the venue ends is begun again at once.
  static constexpr int64_t kStableNs = 10 * kNanosPerSecond;

  class Handler {
   public:
    virtual ~Handler() = default;
    // Order entry or the private stream went up or down.
    virtual void OnOrderEntryChange(bool is_up, std::string_view why) = 0;
    virtual void OnPrivateStreamChange(bool is_up, std::string_view why) = 0;
    // An answer to a request of the handler's, who also applies its rate limits.
    virtual void OnSessionReply(const BinanceReply& reply) = 0;
    virtual void OnSessionEvents(const std::vector<VenueEvent>& events) = 0;
    virtual void OnSessionFatal(const BinanceError& error) = 0;
    virtual bool HasRequestsInFlight() const = 0;
  };

  BinanceSession(BinanceConnection& connection, const BinanceOptions& options,
                 const RequestSigner& signer, bool is_session_authenticated,
                 BinancePrivateDecoder& decoder, Handler& handler);
  ~BinanceSession() override;

  void Start();
  // Without callbacks.
  void Stop();
  bool is_order_entry_up() const { return is_order_entry_up_ && !is_draining_; }
  // Renewal is under way: requests in flight are still answered, new ones go elsewhere.
  bool is_draining() const { return is_draining_; }
  bool is_private_stream_up() const { return is_private_stream_up_; }
  // False: nothing was sent.
  bool Send(std::string_view message) { return client_.Send(message); }
  // The clock offset is wrong: measure again. False: not now, it must be measured otherwise.
  bool MeasureClock();
  // Gives the connection up; does nothing unless there is one.
  void ConnectAnew(std::string_view why);
  // When the last bytes arrived, on the monotonic clock.
  int64_t last_read_ns() const { return client_.last_read_ns(); }
  // Holds for later connections too.
  void PauseReading();
  void ResumeReading();

 private:
  enum class State : uint8_t {
    kStopped,
    kDown,
    kConnecting,
    kMeasuring,
    kLoggingOn,
    kSubscribing,
    kReady
  };

  void OnWebSocketOpen(WebSocketClient& client) override;
  void OnWebSocketMessage(WebSocketClient& client, std::string_view text) override;
  void OnWebSocketClosed(WebSocketClient& client, const absl::Status& reason) override;

  void Connect();
  // Drops the connection and connects again, at once or after a delay.
  void Reconnect(std::string_view why, bool is_planned);
  void BeginDrain(std::string_view why);
  void OnTimer();
  void OnLifetime();
  void SendOwn(std::string_view method, std::string_view parameters);
  void RequestTime();
  void LogOn();
  void Subscribe();
  std::string SignedParameters();
  void OnOwnReply(const BinanceReply& reply);
  void OnTimeReply(const BinanceReply& reply);
  void OnLogonReply(const BinanceReply& reply);
  void OnSubscribeReply(const BinanceReply& reply);
  void OnRefused(std::string_view what, const BinanceReply& reply);
  void SetOrderEntry(bool is_up, std::string_view why);
  void SetPrivateStream(bool is_up, std::string_view why);

  BinanceConnection& connection_;
  const BinanceOptions& options_;
  const RequestSigner& signer_;
  const bool is_session_authenticated_;
  BinancePrivateDecoder& decoder_;
  Handler& handler_;
  WebSocketClient client_;
  Backoff backoff_;
  Timer timer_;           // the next attempt, the deadline of an own request, the end of draining
  Timer lifetime_timer_;  // renewal of the connection
  Timer clock_timer_;     // the next measurement of the clock offset
  State state_ = State::kStopped;
  bool is_order_entry_up_ = false;
  bool is_private_stream_up_ = false;
  bool is_draining_ = false;
  bool is_measuring_again_ = false;  // while ready
  int skew_count_ = 0;               // logons refused for the clock in a row
  int samples_left_ = 0;
  bool is_reading_paused_ = false;
  int64_t ready_since_ns_ = 0;  // while ready
  // When something was begun again at once.
  int64_t last_renewal_ns_ = -kStableNs;
  int64_t last_resubscription_ns_ = -kStableNs;
  uint64_t own_request_id_ = kFirstOwnRequestId;
  int64_t time_sent_wall_ns_ = 0;
  int64_t time_sent_ns_ = 0;
  uint64_t time_request_id_ = 0;
  std::vector<VenueEvent> events_;
};

}  // namespace holdfast
