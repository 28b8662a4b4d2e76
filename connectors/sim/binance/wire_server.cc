#include "connectors/sim/binance/wire_server.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <chrono>
#include <deque>
#include <unordered_map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "connectors/sim/binance/server_loop_impl.h"
#include "engine/base/assert.h"

namespace holdfast::sim {
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using boost::system::error_code;
using tcp = asio::ip::tcp;

namespace {

using PlainStream = beast::tcp_stream;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

std::string Serialize(const HttpResponse& response, bool keep_alive) {
  std::string out;
  out.reserve(response.body.size() + 256);
  absl::StrAppend(&out, "HTTP/1.1 ", response.status, " ",
                  std::string(http::obsolete_reason(static_cast<http::status>(response.status))),
                  "\r\nContent-Type: ", response.content_type,
                  "\r\nContent-Length: ", response.body.size(),
                  "\r\nConnection: ", keep_alive ? "keep-alive" : "close", "\r\n");
  for (const HttpHeader& header : response.headers) {
    absl::StrAppend(&out, header.name, ": ", header.value, "\r\n");
  }
  absl::StrAppend(&out, "\r\n", response.body);
  return out;
}

HttpRequest Translate(const http::request<http::string_body>& in, std::string peer_address) {
  HttpRequest out;
  out.method = std::string(in.method_string());
  out.target = std::string(in.target());
  out.body = in.body();
  for (const auto& field : in) {
    out.headers.push_back({std::string(field.name_string()), std::string(field.value())});
  }
  out.peer_address = std::move(peer_address);
  return out;
}

std::string PeerAddress(PlainStream& stream) {
  error_code error;
  const auto endpoint = stream.socket().remote_endpoint(error);
  return error ? std::string("unknown") : endpoint.address().to_string();
}

}  // namespace

WireHandler::~WireHandler() = default;

std::string_view HttpRequest::Header(std::string_view name) const {
  for (const HttpHeader& header : headers) {
    if (absl::EqualsIgnoreCase(header.name, {name.data(), name.size()})) return header.value;
  }
  return {};
}

// --- one connection ---------------------------------------------------------------------------

struct WireServer::Impl : std::enable_shared_from_this<WireServer::Impl> {
  class Connection {
   public:
    Connection(Impl& server_impl, ConnectionId connection_id)
        : server(server_impl), id(connection_id) {}
    virtual ~Connection() = default;
    virtual void Respond(const HttpResponse&) {}
    virtual void Send(std::shared_ptr<const std::string>) {}
    virtual void Close(uint16_t, std::string_view) {}
    virtual void Cut() = 0;
    virtual void Tick(int64_t) {}

    Impl& server;
    const ConnectionId id;
  };
  template <typename Stream>
  class HttpConnection;
  template <typename Stream>
  class WebSocketConnection;

  Impl(ServerLoop& server_loop, const Clock& time, WireHandler& wire_handler,
       WireServerOptions server_options)
      : loop(server_loop),
        clock(time),
        handler(wire_handler),
        options(std::move(server_options)),
        acceptor(loop.impl().context) {}

  absl::Status Listen();
  absl::Status LoadCertificate();
  void Accept();
  void OnAccept(error_code error, tcp::socket socket);
  void TickAll();
  Connection* Find(ConnectionId id) {
    const auto it = connections.find(id.value());
    return it == connections.end() ? nullptr : it->second.get();
  }
  void Remove(ConnectionId id) {
    if (connections.erase(id.value()) == 0) return;
    stats.open = static_cast<int>(connections.size());
    handler.OnClosed(id);
  }

  ServerLoop& loop;
  const Clock& clock;
  WireHandler& handler;
  const WireServerOptions options;
  tcp::acceptor acceptor;
  std::optional<asio::ssl::context> tls;
  WireServerStats stats;
  uint64_t last_id = 0;
  bool is_shut_down = false;
  std::unordered_map<uint64_t, std::shared_ptr<Connection>> connections;
};

// Requests are read one at a time; an answer goes into `pending_` and several leave in one write.
template <typename Stream>
class WireServer::Impl::HttpConnection final
    : public Connection,
      public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(Impl& server_impl, ConnectionId connection_id, Stream stream)
      : Connection(server_impl, connection_id),
        stream_(std::move(stream)),
        peer_address_(PeerAddress(beast::get_lowest_layer(stream_))) {}

  void Start() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      ArmTimeout();
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](error_code error) {
                                if (error) return self->Cut();
                                self->Read();
                              });
    } else {
      Read();
    }
  }

  void Respond(const HttpResponse& response) override {
    if (is_finished_ || !is_answer_due_) return;
    is_answer_due_ = false;
    is_last_ = is_last_ || response.is_last;
    pending_ += Serialize(response, !is_last_);
    Write();
    if (!is_last_) ReadIfRoom();
  }

  void Cut() override {
    if (is_finished_) return;
    is_finished_ = true;
    auto& socket = beast::get_lowest_layer(stream_).socket();
    error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
    this->server.Remove(this->id);
  }

 private:
  void ArmTimeout() {
    beast::get_lowest_layer(stream_).expires_after(
        std::chrono::nanoseconds(this->server.options.http_idle_timeout_ns));
  }

  void ReadIfRoom() {
    if (is_reading_ || is_answer_due_ || is_finished_) return;
    if (pending_.size() + writing_.size() > this->server.options.max_queued_bytes) return;
    Read();
  }

  void Read() {
    is_reading_ = true;
    parser_.emplace();
    parser_->header_limit(static_cast<uint32_t>(this->server.options.max_header_bytes));
    parser_->body_limit(this->server.options.max_body_bytes);
    ArmTimeout();
    http::async_read(stream_, buffer_, *parser_,
                     [self = this->shared_from_this()](error_code error, size_t) {
                       self->is_reading_ = false;
                       self->OnRead(error);
                     });
  }

  void OnRead(error_code error) {
    if (is_finished_) return;
    if (error == http::error::end_of_stream) return FinishAfterWrite();
    if (error) return OnReadError(error);
    is_last_ = !parser_->get().keep_alive();
    is_answer_due_ = true;
    const HttpRequest request = Translate(parser_->get(), peer_address_);
    if (websocket::is_upgrade(parser_->get())) return OnUpgrade(request);
    this->server.handler.OnHttpRequest(this->id, request);
  }

  void OnReadError(error_code error) {
    int status = 0;
    if (error == http::error::body_limit) status = 413;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) status = 431;
    if (status == 0 &&
        error.category() == http::make_error_code(http::error::bad_line_ending).category()) {
      status = error == http::error::partial_message ? 0 : 400;
    }
    if (status == 0) return Cut();  // the peer is gone, or idle for too long
    ++this->server.stats.malformed;
    is_answer_due_ = true;
    HttpResponse response;
    response.status = status;
    response.body = R"({"code":-1000,"msg":"Malformed request."})";
    response.is_last = true;
    Respond(response);
  }

  void OnUpgrade(const HttpRequest& request) {
    const UpgradeDecision decision = this->server.handler.OnUpgrade(this->id, request);
    if (decision.refusal.has_value()) return Respond(*decision.refusal);
    beast::get_lowest_layer(stream_).expires_never();
    auto upgraded = std::make_shared<WebSocketConnection<Stream>>(
        this->server, this->id, std::move(stream_), decision.max_messages_per_second);
    is_finished_ = true;  // the id lives on with the WebSocket
    this->server.connections[this->id.value()] = upgraded;
    upgraded->Start(parser_->release());
  }

  void Write() {
    if (is_writing_ || pending_.empty()) return;
    is_writing_ = true;
    std::swap(pending_, writing_);
    asio::async_write(stream_, asio::buffer(writing_),
                      [self = this->shared_from_this()](error_code error, size_t) {
                        self->is_writing_ = false;
                        self->writing_.clear();
                        if (self->is_finished_) return;
                        if (error) return self->Cut();
                        if (!self->pending_.empty()) return self->Write();
                        if (self->is_last_ && !self->is_answer_due_) return self->Finish();
                        self->ReadIfRoom();
                      });
  }

  void FinishAfterWrite() {
    is_last_ = true;
    if (!is_writing_) Finish();
  }

  // Orderly end: everything is written.
  void Finish() {
    if (is_finished_) return;
    is_finished_ = true;
    error_code ignored;
    auto& socket = beast::get_lowest_layer(stream_).socket();
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    socket.close(ignored);
    this->server.Remove(this->id);
  }

  Stream stream_;
  const std::string peer_address_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  std::string pending_;
  std::string writing_;
  bool is_reading_ = false;
  bool is_writing_ = false;
  bool is_answer_due_ = false;
  bool is_last_ = false;
  bool is_finished_ = false;
};

template <typename Stream>
class WireServer::Impl::WebSocketConnection final
    : public Connection,
      public std::enable_shared_from_this<WebSocketConnection<Stream>> {
 public:
  WebSocketConnection(Impl& server_impl, ConnectionId connection_id, Stream stream,
                      int max_messages_per_second)
      : Connection(server_impl, connection_id),
        socket_(std::move(stream)),
        max_messages_per_second_(max_messages_per_second),
        open_ns_(server_impl.clock.MonotonicNs()),
        ping_ns_(open_ns_) {}

  void Start(http::request<http::string_body> request) {
    request_ = std::move(request);
    websocket::stream_base::timeout timeout{};
    timeout.handshake_timeout = std::chrono::seconds(10);
    timeout.idle_timeout = websocket::stream_base::none();
    socket_.set_option(timeout);
    socket_.read_message_max(this->server.options.max_message_bytes);
    socket_.text(true);
    socket_.async_accept(request_, [self = this->shared_from_this()](error_code error) {
      if (error) return self->Cut();
      self->is_open_ = true;
      self->InstallControlCallback();
      self->server.handler.OnWebSocketOpen(self->id);
      self->Read();
      // What was sent to it since the handshake began.
      if (self->is_closing_) return self->SendClose();
      self->Write();
    });
  }

  void Send(std::shared_ptr<const std::string> text) override {
    if (is_finished_ || is_closing_) return;
    queued_bytes_ += text->size();
    queue_.push_back(std::move(text));
    if (queued_bytes_ > this->server.options.max_queued_bytes) {
      ++this->server.stats.slow_reader_cut;
      return CutSoon();
    }
    Write();
  }

  void Close(uint16_t code, std::string_view reason) override {
    if (is_finished_ || is_closing_) return;
    is_closing_ = true;
    close_reason_ =
        websocket::close_reason(static_cast<websocket::close_code>(code), std::string(reason));
    if (is_open_ && !is_writing_) SendClose();
  }

  void Cut() override {
    if (is_finished_) return;
    is_finished_ = true;
    auto& socket = beast::get_lowest_layer(socket_).socket();
    error_code ignored;
    socket.set_option(asio::socket_base::linger(true, 0), ignored);
    socket.close(ignored);
    this->server.Remove(this->id);
  }

  void Tick(int64_t now_ns) override {
    if (!is_open_ || is_finished_) return;
    const WireServerOptions& options = this->server.options;
    if (is_closing_) {
      // The peer does not answer the closing handshake.
      if (now_ns - closing_ns_ > options.pong_timeout_ns) Cut();
      return;
    }
    closing_ns_ = now_ns;
    if (now_ns - open_ns_ >= options.web_socket_life_ns) {
      ++this->server.stats.expired;
      return Close(1001, "connection reached its maximum age");
    }
    if (oldest_unanswered_ping_ns_ != 0 &&
        now_ns - oldest_unanswered_ping_ns_ >= options.pong_timeout_ns) {
      ++this->server.stats.pong_timeout_cut;
      return Cut();
    }
    if (now_ns - ping_ns_ >= options.ping_interval_ns && !is_pinging_) Ping(now_ns);
  }

 private:
  void InstallControlCallback() {
    socket_.control_callback([this](websocket::frame_type kind, beast::string_view) {
      if (kind == websocket::frame_type::pong) oldest_unanswered_ping_ns_ = 0;
      // The answer to our own ping is not counted against the peer.
      if (kind == websocket::frame_type::ping) CountIncoming();
    });
  }

  // False when the peer sends too fast and the connection is about to end.
  bool CountIncoming() {
    if (max_messages_per_second_ == 0) return true;
    const int64_t second = this->server.clock.MonotonicNs() / kNanosPerSecond;
    if (second != window_) {
      window_ = second;
      window_count_ = 0;
    }
    if (++window_count_ <= max_messages_per_second_) return true;
    ++this->server.stats.flood_cut;
    Close(1008, "Too many requests");
    return false;
  }

  void Read() {
    socket_.async_read(buffer_, [self = this->shared_from_this()](error_code error, size_t) {
      self->OnRead(error);
    });
  }

  void OnRead(error_code error) {
    if (is_finished_) return;
    if (error) {
      if (error != websocket::error::closed &&
          error.category() == websocket::make_error_code(websocket::error::closed).category()) {
        ++this->server.stats.malformed;
      }
      return Cut();
    }
    if (!is_closing_ && CountIncoming()) {
      const auto data = buffer_.data();
      this->server.handler.OnWebSocketMessage(this->id,
                                              {static_cast<const char*>(data.data()), data.size()});
    }
    if (is_finished_) return;
    buffer_.clear();
    Read();
  }

  void Write() {
    if (is_writing_ || queue_.empty() || !is_open_) return;
    is_writing_ = true;
    socket_.async_write(asio::buffer(*queue_.front()),
                        [self = this->shared_from_this()](error_code error, size_t) {
                          self->is_writing_ = false;
                          self->queued_bytes_ -= self->queue_.front()->size();
                          self->queue_.pop_front();
                          if (self->is_finished_) return;
                          if (error) return self->Cut();
                          if (!self->queue_.empty()) return self->Write();
                          if (self->is_closing_) self->SendClose();
                        });
  }

  void SendClose() {
    if (!queue_.empty()) return Write();
    socket_.async_close(close_reason_,
                        [self = this->shared_from_this()](error_code) { self->Cut(); });
  }

  void Ping(int64_t now_ns) {
    ping_ns_ = now_ns;
    if (oldest_unanswered_ping_ns_ == 0) oldest_unanswered_ping_ns_ = now_ns;
    is_pinging_ = true;
    const int64_t wall_ms = this->server.clock.WallNs() / kNanosPerMilli;
    const std::string payload = std::to_string(wall_ms);
    socket_.async_ping(
        websocket::ping_data(payload),
        [self = this->shared_from_this()](error_code) { self->is_pinging_ = false; });
  }

  // Sending happens inside the handler's own calls; the end is reported from the loop.
  void CutSoon() {
    is_closing_ = true;
    asio::post(this->server.loop.impl().context,
               [self = this->shared_from_this()] { self->Cut(); });
  }

  websocket::stream<Stream> socket_;
  http::request<http::string_body> request_;
  const int max_messages_per_second_;
  beast::flat_buffer buffer_;
  std::deque<std::shared_ptr<const std::string>> queue_;
  size_t queued_bytes_ = 0;
  websocket::close_reason close_reason_;
  int64_t open_ns_;
  int64_t ping_ns_;
  int64_t closing_ns_ = 0;
  int64_t oldest_unanswered_ping_ns_ = 0;
  int64_t window_ = 0;
  int window_count_ = 0;
  bool is_open_ = false;
  bool is_writing_ = false;
  bool is_pinging_ = false;
  bool is_closing_ = false;
  bool is_finished_ = false;
};

// --- the server -------------------------------------------------------------------------------

absl::Status WireServer::Impl::LoadCertificate() {
  if (options.tls_certificate.empty() && options.tls_key.empty()) return absl::OkStatus();
  error_code error;
  tls.emplace(asio::ssl::context::tls_server);
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                   asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                   asio::ssl::context::no_tlsv1_1);
  tls->use_certificate_chain_file(options.tls_certificate, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat(
        "cannot load certificate: file=", options.tls_certificate, " error=", error.message()));
  }
  tls->use_private_key_file(options.tls_key, asio::ssl::context::pem, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot load key: file=", options.tls_key, " error=", error.message()));
  }
  return absl::OkStatus();
}

absl::Status WireServer::Impl::Listen() {
  if (absl::Status status = LoadCertificate(); !status.ok()) return status;
  error_code error;
  const auto address = asio::ip::make_address(options.address, error);
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("not an IP address: ", options.address));
  }
  const tcp::endpoint endpoint(address, options.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) {
    const std::string text = absl::StrCat("cannot listen: address=", options.address,
                                          " port=", options.port, " error=", error.message());
    return error == asio::error::address_in_use ? absl::AlreadyExistsError(text)
                                                : absl::InvalidArgumentError(text);
  }
  Accept();
  return absl::OkStatus();
}

void WireServer::Impl::Accept() {
  acceptor.async_accept([self = shared_from_this()](error_code error, tcp::socket socket) {
    self->OnAccept(error, std::move(socket));
  });
}

void WireServer::Impl::OnAccept(error_code error, tcp::socket socket) {
  if (is_shut_down) return;
  if (error) {
    // Out of descriptors and the like: try again a little later instead of spinning.
    return loop.RunAfter(10 * kNanosPerMilli, [self = shared_from_this()] {
      if (!self->is_shut_down) self->Accept();
    });
  }
  if (static_cast<int>(connections.size()) >= options.max_connections) {
    ++stats.refused_full;
    socket.close(error);
    return Accept();
  }
  socket.set_option(tcp::no_delay(true), error);
  ++stats.accepted;
  const ConnectionId id(++last_id);
  const auto start = [&](auto connection) {
    connections[id.value()] = connection;
    stats.open = static_cast<int>(connections.size());
    connection->Start();
  };
  if (tls.has_value()) {
    start(
        std::make_shared<HttpConnection<TlsStream>>(*this, id, TlsStream(std::move(socket), *tls)));
  } else {
    start(std::make_shared<HttpConnection<PlainStream>>(*this, id, PlainStream(std::move(socket))));
  }
  Accept();
}

void WireServer::Impl::TickAll() {
  const int64_t now_ns = clock.MonotonicNs();
  std::vector<std::shared_ptr<Connection>> all;  // a tick may end a connection
  all.reserve(connections.size());
  for (const auto& [id, connection] : connections) all.push_back(connection);
  for (const auto& connection : all) connection->Tick(now_ns);
}

WireServer::WireServer(ServerLoop& loop, const Clock& clock, WireHandler& handler,
                       WireServerOptions options)
    : impl_(std::make_shared<Impl>(loop, clock, handler, std::move(options))) {
  const int64_t shortest_ns =
      std::min({impl_->options.ping_interval_ns, impl_->options.pong_timeout_ns,
                impl_->options.web_socket_life_ns, kNanosPerSecond});
  loop.RunEvery(std::max(shortest_ns / 4, kNanosPerMilli), [weak = std::weak_ptr<Impl>(impl_)] {
    if (auto impl = weak.lock()) impl->TickAll();
  });
}

WireServer::~WireServer() { Shutdown(); }

absl::Status WireServer::Listen() { return impl_->Listen(); }

uint16_t WireServer::port() const {
  error_code ignored;
  return impl_->acceptor.local_endpoint(ignored).port();
}

void WireServer::Respond(ConnectionId connection, const HttpResponse& response) {
  if (auto* found = impl_->Find(connection)) found->Respond(response);
}

void WireServer::Send(ConnectionId connection, std::shared_ptr<const std::string> text) {
  if (auto* found = impl_->Find(connection)) found->Send(std::move(text));
}

void WireServer::Close(ConnectionId connection, uint16_t code, std::string_view reason) {
  if (auto* found = impl_->Find(connection)) found->Close(code, reason);
}

void WireServer::Abort(ConnectionId connection) {
  const auto it = impl_->connections.find(connection.value());
  if (it == impl_->connections.end()) return;
  const std::shared_ptr<Impl::Connection> keep = it->second;
  keep->Cut();
}

void WireServer::AbortSoon(ConnectionId connection) {
  impl_->loop.Post([weak = std::weak_ptr<Impl>(impl_), connection] {
    auto impl = weak.lock();
    if (impl == nullptr) return;
    const auto it = impl->connections.find(connection.value());
    if (it == impl->connections.end()) return;
    const std::shared_ptr<Impl::Connection> keep = it->second;
    keep->Cut();
  });
}

void WireServer::AbortAll() {
  std::vector<std::shared_ptr<Impl::Connection>> all;
  for (const auto& [id, connection] : impl_->connections) all.push_back(connection);
  for (const auto& connection : all) connection->Cut();
}

void WireServer::Shutdown() {
  impl_->is_shut_down = true;
  error_code ignored;
  impl_->acceptor.close(ignored);
  AbortAll();
}

const WireServerStats& WireServer::stats() const { return impl_->stats; }

}  // namespace holdfast::sim
