#include "connectors/binance/session.h"

#include <array>

#include "connectors/binance/connection_options.h"
#include "connectors/net/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr int kMaxClockRetries = 3;
constexpr int64_t kConnectWeight = 2;

}  // namespace

BinanceSession::BinanceSession(BinanceConnection& connection, const BinanceOptions& options,
                               const RequestSigner& signer, bool is_session_authenticated,
                               BinancePrivateDecoder& decoder, Handler& handler)
    : connection_(connection),
      options_(options),
      signer_(signer),
      is_session_authenticated_(is_session_authenticated),
      decoder_(decoder),
      handler_(handler),
      client_(connection.loop(), connection.tls(), WebSocketOptionsOf(options), connection.prng(),
              *this),
      backoff_(BackoffOptionsOf(options), connection.prng()),
      timer_(connection.loop(), [this] { OnTimer(); }),
      lifetime_timer_(connection.loop(), [this] { OnLifetime(); }),
      clock_timer_(connection.loop(), [this] { MeasureClock(); }) {
  events_.reserve(1024);
}

BinanceSession::~BinanceSession() = default;

void BinanceSession::Start() {
  HF_ASSERT(state_ == State::kStopped);
  state_ = State::kDown;
  Connect();
}

void BinanceSession::Stop() {
  state_ = State::kStopped;
  timer_.Cancel();
  lifetime_timer_.Cancel();
  clock_timer_.Cancel();
  client_.Close();
  is_order_entry_up_ = false;
  is_private_stream_up_ = false;
  is_draining_ = false;
  is_measuring_again_ = false;
  skew_count_ = 0;
  samples_left_ = 0;
  backoff_.Reset();
}

void BinanceSession::PauseReading() {
  is_reading_paused_ = true;
  if (client_.is_open()) client_.PauseReading();
}

void BinanceSession::ResumeReading() {
  is_reading_paused_ = false;
  if (client_.is_open()) client_.ResumeReading();
}

void BinanceSession::ConnectAnew(std::string_view why) {
  if (state_ != State::kStopped && state_ != State::kDown) Reconnect(why, false);
}

void BinanceSession::Connect() {
  const int64_t wall_ns = connection_.clock().WallNs();
  if (connection_.budget().IsBlocked(wall_ns)) {
    // A connection is a request too: the venue asked us to be quiet.
    timer_.SetAfter(connection_.budget().block().not_before_wall_ns - wall_ns);
    return;
  }
  connection_.Charge(BudgetKind::kRequestWeight, kConnectWeight);
  state_ = State::kConnecting;
  client_.Open(connection_.websocket_api_url());
}

void BinanceSession::OnTimer() {
  switch (state_) {
    case State::kStopped:
      return;
    case State::kDown:
      return Connect();
    case State::kConnecting:
    case State::kMeasuring:
    case State::kLoggingOn:
    case State::kSubscribing:
      return Reconnect("WS API: no answer in time", false);
    case State::kReady:
      if (is_draining_) return Reconnect("WS API: connection renewed", true);
      if (is_measuring_again_) return Reconnect("WS API: no answer in time", false);
  }
}

void BinanceSession::OnWebSocketOpen(WebSocketClient&) {
  // The jitter keeps several processes from renewing at one moment.
  lifetime_timer_.SetAfter(options_.connection_lifetime_ms * kNanosPerMilli +
                           static_cast<int64_t>(connection_.prng().Below(
                               static_cast<uint64_t>(1800 * kNanosPerSecond))));
  state_ = State::kMeasuring;
  samples_left_ = kOffsetSampleCount;
  RequestTime();
  if (is_reading_paused_) client_.PauseReading();
}

void BinanceSession::SendOwn(std::string_view method, std::string_view parameters) {
  ++own_request_id_;
  std::string message = Concat("{\"id\":", own_request_id_, ",\"method\":\"", method, "\"");
  if (!parameters.empty()) AppendTo(message, ",\"params\":{", parameters, "}");
  message += '}';
  connection_.Charge(BudgetKind::kRequestWeight, 1);
  client_.Send(message);
  timer_.SetAfter(options_.request_timeout_ms * kNanosPerMilli);
}

void BinanceSession::RequestTime() {
  time_sent_wall_ns_ = connection_.clock().WallNs();
  time_sent_ns_ = connection_.clock().MonotonicNs();
  SendOwn("time", "");
  time_request_id_ = own_request_id_;
}

bool BinanceSession::MeasureClock() {
  if (state_ == State::kMeasuring) return true;
  if (state_ != State::kReady || is_draining_) return false;
  if (is_measuring_again_) return true;
  if (connection_.IsBlocked()) {
    clock_timer_.SetAfter(kNanosPerSecond);
    return true;
  }
  is_measuring_again_ = true;
  samples_left_ = 1;
  RequestTime();
  return true;
}

// Parameters of a request that carries its own proof: sorted by name, signed as they are.
std::string BinanceSession::SignedParameters() {
  const int64_t timestamp_ms = connection_.VenueTimeNs() / kNanosPerMilli;
  const std::string payload =
      Concat("apiKey=", options_.api_key, "&recvWindow=", options_.recv_window_ms,
             "&timestamp=", timestamp_ms);
  std::array<char, RequestSigner::kMaxSignatureBytes> signature;
  const size_t size = signer_.Sign(payload, signature.data());
  return Concat("\"apiKey\":\"", options_.api_key, "\",\"recvWindow\":", options_.recv_window_ms,
                ",\"timestamp\":", timestamp_ms, ",\"signature\":\"",
                std::string_view(signature.data(), size), "\"");
}

void BinanceSession::LogOn() {
  state_ = State::kLoggingOn;
  SendOwn("session.logon", SignedParameters());
}

void BinanceSession::Subscribe() {
  state_ = State::kSubscribing;
  if (is_session_authenticated_) {
    SendOwn("userDataStream.subscribe", "");
  } else {
    SendOwn("userDataStream.subscribe.signature", SignedParameters());
  }
}

void BinanceSession::OnWebSocketMessage(WebSocketClient& client, std::string_view text) {
  events_.clear();
  BinanceReply reply;
  switch (decoder_.DecodeMessage(text, client.read_wall_time_ns(), reply, events_)) {
    case PrivateMessageKind::kReply:
      if (reply.request_id && *reply.request_id >= kFirstOwnRequestId) {
        connection_.ApplyRateLimits(reply);
        OnOwnReply(reply);
      } else {
        handler_.OnSessionReply(reply);
      }
      break;
    case PrivateMessageKind::kEvents:
      handler_.OnSessionEvents(events_);
      break;
    case PrivateMessageKind::kStreamTerminated:
      SetPrivateStream(false, "the venue ended the user stream");
      if (state_ == State::kReady) {
        const int64_t now_ns = connection_.loop().NowNs();
        if (connection_.IsBlocked() || now_ns - last_resubscription_ns_ < kStableNs) {
          return Reconnect("the venue ended the user stream", false);  // after a pause
        }
        last_resubscription_ns_ = now_ns;
        is_measuring_again_ = false;
        clock_timer_.SetAfter(options_.clock_sync_period_ms * kNanosPerMilli);
        Subscribe();
      }
      break;
    case PrivateMessageKind::kServerShutdown:
      BeginDrain("the venue is about to close the connection");
      break;
    case PrivateMessageKind::kOther:
      break;
    case PrivateMessageKind::kMalformed:
      // It may have been about an order: only a new reconciliation can tell.
      return Reconnect("WS API: a message was not understood", false);
  }
  if (is_draining_ && state_ == State::kReady && !handler_.HasRequestsInFlight()) {
    Reconnect("WS API: connection renewed", true);
  }
}

void BinanceSession::OnOwnReply(const BinanceReply& reply) {
  if (*reply.request_id != own_request_id_) return;  // the answer to an abandoned one
  if (!is_draining_) timer_.Cancel();
  if (is_measuring_again_ && *reply.request_id == time_request_id_) return OnTimeReply(reply);
  switch (state_) {
    case State::kMeasuring:
      return OnTimeReply(reply);
    case State::kLoggingOn:
      return OnLogonReply(reply);
    case State::kSubscribing:
      return OnSubscribeReply(reply);
    case State::kStopped:
    case State::kDown:
    case State::kConnecting:
    case State::kReady:
      return;
  }
}

void BinanceSession::OnTimeReply(const BinanceReply& reply) {
  if (!reply.is_success() || reply.server_time_ms <= 0) {
    if (!is_measuring_again_) return OnRefused("time", reply);
    // The session is as good as before. Without an estimate nothing can be placed: soon again.
    is_measuring_again_ = false;
    return clock_timer_.SetAfter(connection_.clock_offset().has_estimate()
                                     ? options_.clock_sync_period_ms * kNanosPerMilli
                                     : kNanosPerSecond);
  }
  connection_.clock_offset().AddSample(time_sent_wall_ns_,
                                       connection_.clock().MonotonicNs() - time_sent_ns_,
                                       reply.server_time_ms * kNanosPerMilli);
  if (--samples_left_ > 0) return RequestTime();
  clock_timer_.SetAfter(options_.clock_sync_period_ms * kNanosPerMilli);
  if (is_measuring_again_) {
    is_measuring_again_ = false;
    return handler_.OnOrderEntryChange(is_order_entry_up(), "clock offset measured");
  }
  if (is_session_authenticated_) return LogOn();
  Subscribe();
  SetOrderEntry(true, "connected");
}

void BinanceSession::OnLogonReply(const BinanceReply& reply) {
  if (!reply.is_success()) return OnRefused("session.logon", reply);
  Subscribe();
  SetOrderEntry(true, "logged on");
}

void BinanceSession::OnSubscribeReply(const BinanceReply& reply) {
  if (!reply.is_success()) return OnRefused("userDataStream.subscribe", reply);
  state_ = State::kReady;
  skew_count_ = 0;
  ready_since_ns_ = connection_.loop().NowNs();
  SetPrivateStream(true, "subscribed");
}

void BinanceSession::OnRefused(std::string_view what, const BinanceReply& reply) {
  const BinanceError& error = reply.error;
  if (IsAuthenticationFailure(error)) {
    Stop();
    return handler_.OnSessionFatal(error);
  }
  if (error.code == kBinanceClockSkew && skew_count_ < kMaxClockRetries) {
    ++skew_count_;
    connection_.clock_offset().Distrust();
    state_ = State::kMeasuring;
    samples_left_ = kOffsetSampleCount;
    SetOrderEntry(false, "clock offset is measured again");
    return RequestTime();
  }
  Reconnect(Concat("WS API: ", what, " refused: status=", error.status, " code=", error.code,
                   " text=", error.text),
            false);
}

void BinanceSession::BeginDrain(std::string_view why) {
  if (is_draining_ || state_ == State::kStopped || state_ == State::kDown) return;
  if (state_ != State::kReady || !handler_.HasRequestsInFlight()) return Reconnect(why, true);
  is_draining_ = true;
  timer_.SetAfter(kDrainNs);
  handler_.OnOrderEntryChange(false, why);
}

void BinanceSession::OnLifetime() { BeginDrain("the connection reached its planned age"); }

void BinanceSession::OnWebSocketClosed(WebSocketClient& client, const absl::Status& reason) {
  if (client.refusal() != nullptr) connection_.ApplyRefusedUpgrade(*client.refusal());
  const absl::string_view text = reason.message();
  Reconnect({text.data(), text.size()}, false);
}

void BinanceSession::Reconnect(std::string_view why, bool is_planned) {
  const std::string reason(why);  // `why` may point into what is closed now
  client_.Close();
  lifetime_timer_.Cancel();
  clock_timer_.Cancel();
  is_draining_ = false;
  is_measuring_again_ = false;
  const int64_t now_ns = connection_.loop().NowNs();
  if (state_ == State::kReady && now_ns - ready_since_ns_ >= kStableNs) backoff_.Reset();
  state_ = State::kDown;
  if (is_planned && now_ns - last_renewal_ns_ >= kStableNs) {
    last_renewal_ns_ = now_ns;
    timer_.SetAfter(0);
  } else {
    timer_.SetAfter(backoff_.NextDelayNs());
  }
  SetPrivateStream(false, reason);
  // Always told, even when order entry was not up: requests in flight end with the connection.
  is_order_entry_up_ = false;
  handler_.OnOrderEntryChange(false, reason);
}

void BinanceSession::SetOrderEntry(bool is_up, std::string_view why) {
  if (is_order_entry_up_ == is_up) return;
  is_order_entry_up_ = is_up;
  handler_.OnOrderEntryChange(is_up, why);
}

void BinanceSession::SetPrivateStream(bool is_up, std::string_view why) {
  if (is_private_stream_up_ == is_up) return;
  is_private_stream_up_ = is_up;
  handler_.OnPrivateStreamChange(is_up, why);
}

}  // namespace holdfast
