#include "connectors/net/http_client.h"

#include "connectors/net/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr size_t kMaxRequestBytes = 64 * 1024;

}  // namespace

HttpClient::HttpClient(EventLoop& loop, std::shared_ptr<const TlsContext> tls, Url base,
                       Options options, Handler& handler)
    : base_(std::move(base)),
      fixed_headers_(Concat(" HTTP/1.1\r\nHost: ", base_.HostHeader(),
                            "\r\nUser-Agent: ", options.user_agent, "\r\n")),
      handler_(handler),
      transport_(loop, std::move(tls), kMaxRequestBytes, *this),
      reader_(options.max_response_bytes),
      timer_(loop, [this] {
        const bool was_sent = state_ == State::kWaiting;
        transport_.Close();
        Fail(was_sent ? HttpFailure::kTimeout : HttpFailure::kNotSent,
             absl::DeadlineExceededError(Concat("no answer in time: endpoint=", base_.Endpoint())));
      }) {
  outgoing_.reserve(4096);
}

HttpClient::~HttpClient() = default;

void HttpClient::Send(const HttpRequest& request, int64_t timeout_ns) {
  HF_ASSERT(is_idle());
  ++send_count_;
  outgoing_.clear();
  AppendTo(outgoing_, request.method, " ", request.target, fixed_headers_, request.header_lines);
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    AppendTo(outgoing_, "Content-Length: ", request.body.size(), "\r\n");
  }
  AppendTo(outgoing_, "\r\n", request.body);
  reader_.Reset();
  timer_.SetAfter(timeout_ns);
  if (transport_.is_connected()) return Transmit();
  state_ = State::kConnecting;
  if (transport_.is_closed()) transport_.Connect(base_, timeout_ns);
}

void HttpClient::Transmit() {
  state_ = State::kWaiting;
  if (transport_.Write(outgoing_)) return;
  transport_.Close();
  Fail(HttpFailure::kNotSent, absl::UnavailableError("the request was not taken"));
}

void HttpClient::Close() {
  transport_.Close();
  timer_.Cancel();
  state_ = State::kIdle;
}

void HttpClient::OnTransportConnected() {
  if (state_ == State::kConnecting) Transmit();
}

void HttpClient::OnTransportReadable() {
  while (true) {
    if (state_ != State::kWaiting) {
      // Bytes nobody asked for: the connection can't be trusted to be in step.
      char ignored;
      if (transport_.Read(&ignored, 1) > 0) transport_.Close();
      return;
    }
    const size_t received = transport_.Read(reader_.WritePosition(), reader_.WriteSpace());
    if (received == 0) return;
    const absl::StatusOr<bool> is_complete = reader_.Commit(received);
    if (!is_complete.ok()) {
      transport_.Close();
      return Fail(HttpFailure::kUnreadable, is_complete.status());
    }
    if (*is_complete) return Deliver();
  }
}

void HttpClient::Deliver() {
  if (reader_.must_close()) transport_.Close();
  timer_.Cancel();
  state_ = State::kIdle;
  handler_.OnHttpResponse(reader_.response());
}

void HttpClient::OnTransportClosed(const absl::Status& reason) {
  switch (state_) {
    case State::kIdle:
      return;  // keep-alive ended; the next request connects again
    case State::kConnecting:
      return Fail(HttpFailure::kNotSent, reason);
    case State::kWaiting:
      if (reader_.OnEndOfStream()) return Deliver();
      return Fail(HttpFailure::kDisconnected, reason);
  }
}

void HttpClient::Fail(HttpFailure failure, const absl::Status& reason) {
  timer_.Cancel();
  state_ = State::kIdle;
  handler_.OnHttpFailure(failure, reason);
}

}  // namespace holdfast
