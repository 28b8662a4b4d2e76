#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "connectors/net/event_loop.h"
#include "connectors/net/http_response_reader.h"
#include "connectors/net/tls.h"
#include "connectors/net/transport.h"
#include "connectors/net/url.h"

namespace holdfast {

struct HttpRequest {
  std::string_view method = "GET";
  std::string_view target = {};        // path and query, already encoded
  std::string_view header_lines = {};  // further headers, "Name: value\r\n" each
  std::string_view body = {};
};

enum class HttpFailure : uint8_t {
  kNotSent,       // nothing left the process
  kTimeout,       // sent, no (complete) answer in time
  kDisconnected,  // sent, the connection ended before the answer was complete
  kUnreadable,    // sent, the answer is not HTTP or larger than the bound
};

// One keep-alive HTTP/1.1 connection with one request in flight: requests are answered in order
// anyway, and a caller that wants several at once uses several clients.
//
// Nothing is sent twice: what to do about a failure after sending is the caller's decision. Keeps
// its buffers, so that a request of a size seen before allocates nothing.
//
// The loop's thread only.
class HttpClient : private Transport::Handler {
 public:
  struct Options {
    size_t max_response_bytes = 8 * 1024 * 1024;
    std::string user_agent = "holdfast";
  };
  // Exactly one call per Send(). May call Send() again from inside.
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnHttpResponse(const HttpResponse& response) = 0;
    virtual void OnHttpFailure(HttpFailure failure, const absl::Status& reason) = 0;
  };

  HttpClient(EventLoop& loop, std::shared_ptr<const TlsContext> tls, Url base, Options options,
             Handler& handler);
  ~HttpClient() override;

  // Connects when necessary, sends, and waits at most `timeout_ns` for everything together.
  // REQUIRES: is_idle().
  void Send(const HttpRequest& request, int64_t timeout_ns);
  bool is_idle() const { return state_ == State::kIdle; }
  // Ends the connection; a request in flight gets no callback.
  void Close();

 private:
  enum class State : uint8_t { kIdle, kConnecting, kWaiting };

  void OnTransportConnected() override;
  void OnTransportReadable() override;
  void OnTransportClosed(const absl::Status& reason) override;
  void Transmit();
  void Deliver();
  void Fail(HttpFailure failure, const absl::Status& reason);

  const Url base_;
  const std::string fixed_headers_;
  Handler& handler_;
  Transport transport_;
  HttpResponseReader reader_;
  Timer timer_;
  State state_ = State::kIdle;
  std::string outgoing_;
  uint64_t send_count_ = 0;
};

}  // namespace holdfast
