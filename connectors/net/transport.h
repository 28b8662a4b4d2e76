#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "connectors/net/event_loop.h"
#include "connectors/net/tls.h"
#include "connectors/net/url.h"

namespace holdfast {

// One TCP or TLS connection as a non-blocking byte stream: name resolution, connect (each address
// in turn), TLS handshake with SNI and host name check, TCP_NODELAY, bounded writes.
//
// The loop's thread only. A handler may Close() and Connect() again; it must not destroy the
// Transport.
class Transport : private EventLoop::IoHandler {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnTransportConnected() = 0;
    // Call Read() until it returns 0; what is left makes no further call.
    virtual void OnTransportReadable() = 0;
    // Ends every Connect() that was not ended by Close(), exactly once. `reason` is never OK and
    // says in words what happened: "connect to 127.0.0.1:1: Connection refused".
    virtual void OnTransportClosed(const absl::Status& reason) = 0;
  };

  // `max_unsent_bytes` bounds what Write() keeps when the peer reads too slowly.
  Transport(EventLoop& loop, std::shared_ptr<const TlsContext> tls, size_t max_unsent_bytes,
            Handler& handler);
  ~Transport() override;

  // Begins to connect and returns; the outcome is a callback, within `timeout_ns`.
  // REQUIRES: closed.
  void Connect(const Url& url, int64_t timeout_ns);
  // Closes at once, without a callback. What was written and not sent is lost.
  void Close();
  bool is_connected() const { return state_ == State::kConnected; }
  bool is_closed() const { return state_ == State::kClosed; }

  // Bytes read; 0 = nothing now. Only from OnTransportReadable().
  size_t Read(char* out, size_t size);
  // Takes all or nothing. False: not connected, or more than the bound would be unsent.
  bool Write(std::string_view bytes);
  size_t unsent_bytes() const { return unsent_.size() - unsent_offset_; }

  // Backpressure: the peer is not read until ResumeReading().
  void PauseReading();
  void ResumeReading();

 private:
  enum class State : uint8_t { kClosed, kResolving, kConnecting, kHandshaking, kConnected };
  struct Addresses;
  struct Resolution;
  struct TlsSession;

  void OnIo(uint32_t events) override;
  void StartResolution();
  void OnResolved(const Addresses& addresses);
  void ConnectNext();
  void OnConnectReady();
  void StartHandshake();
  void ContinueHandshake();
  void EnterConnected();
  void FlushUnsent();
  void DeliverReadable();
  // Bytes the socket took, 0 = none now; records a failure in failure_.
  size_t SendNow(std::string_view bytes);
  void UpdateInterest();
  void CloseSocket();
  void Fail(absl::Status reason);
  absl::Status HandshakeError();

  EventLoop& loop_;
  const std::shared_ptr<const TlsContext> tls_;
  const size_t max_unsent_bytes_;
  Handler& handler_;
  State state_ = State::kClosed;
  Url url_;
  int fd_ = -1;
  bool is_watched_ = false;  // the loop knows fd_
  uint32_t interest_ = 0;
  bool is_reading_paused_ = false;
  bool is_drained_ = false;     // the last read took everything there was
  bool is_read_ended_ = false;  // end of stream or read error
  bool wants_write_ = false;
  uint64_t generation_ = 0;  // of the connection; tells callbacks of an earlier one
  std::shared_ptr<Resolution> resolution_;
  std::unique_ptr<Addresses> addresses_;
  std::unique_ptr<TlsSession> session_;
  std::string unsent_;
  size_t unsent_offset_ = 0;
  absl::Status failure_;  // found while reading or writing, delivered from the loop
  Timer deadline_timer_;
  Timer deferred_timer_;  // delivers a failure or the rest of a paused stream in a turn of its own
};

}  // namespace holdfast
