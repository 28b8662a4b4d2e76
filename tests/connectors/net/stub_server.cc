#include "tests/connectors/net/stub_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <deque>

#include "connectors/net/text.h"
#include "engine/base/assert.h"

namespace holdfast::testing {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using asio::ip::tcp;
using TlsStream = beast::ssl_stream<beast::tcp_stream>;

}  // namespace

std::string StubRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoreCase(key, name)) return value;
  }
  return "";
}

std::string StubRequest::Parameter(std::string_view name) const {
  const std::string text = "&" + target.substr(std::min(target.find('?'), target.size() - 1) + 1);
  const size_t position = text.find("&" + std::string(name) + "=");
  if (position == std::string::npos) return "";
  const size_t begin = position + name.size() + 2;
  return text.substr(begin, text.find('&', begin) - begin);
}

// A connection that can be cut from outside.
struct StubConnection {
  virtual ~StubConnection() = default;
  virtual void CutNow() = 0;
};

struct StubServer::Implementation {
  explicit Implementation(StubServer& server) : owner(server), acceptor(context) {}
  void Accept();
  void CutAll() {
    const auto all = connections;
    for (const auto& weak : all) {
      if (auto connection = weak.lock()) connection->CutNow();
    }
    connections.clear();
  }

  StubServer& owner;
  asio::io_context context{1};
  std::unique_ptr<asio::ssl::context> tls;
  tcp::acceptor acceptor;
  int connection_count = 0;
  std::vector<StubRequest> requests;
  std::vector<std::weak_ptr<StubConnection>> connections;
};

namespace {

template <typename Stream>
class WebSocketSession final : public StubServer::Session,
                               public StubConnection,
                               public std::enable_shared_from_this<WebSocketSession<Stream>> {
 public:
  WebSocketSession(Stream stream, StubServer& server, std::string target)
      : stream_(std::move(stream)), server_(server), target_(std::move(target)) {}

  void Start(http::request<http::string_body> request) {
    stream_.control_callback([this](websocket::frame_type type, beast::string_view) {
      if (type == websocket::frame_type::pong) ++pong_count_;
      if (type == websocket::frame_type::ping) ++ping_count_;
    });
    request_ = std::move(request);
    stream_.async_accept(request_, [self = this->shared_from_this()](beast::error_code error) {
      if (error) return;
      self->is_open_ = true;
      if (self->server_.on_open) self->server_.on_open(self);
      self->Read();
    });
  }

  const std::string& target() const override { return target_; }
  void Send(std::string text) override { Enqueue({std::move(text), Kind::kText}); }
  void SendBinary(std::string bytes) override { Enqueue({std::move(bytes), Kind::kBinary}); }
  void SendFragmented(std::string text, size_t fragment_bytes) override {
    for (size_t i = 0; i < text.size(); i += fragment_bytes) {
      const bool is_last = i + fragment_bytes >= text.size();
      Enqueue({text.substr(i, fragment_bytes), is_last ? Kind::kLastFragment : Kind::kFragment});
    }
  }
  void SendRaw(std::string bytes) override {
    raw_ = std::move(bytes);
    asio::async_write(stream_.next_layer(), asio::buffer(raw_),
                      [self = this->shared_from_this()](beast::error_code, size_t) {});
  }
  void Ping(std::string payload) override { Enqueue({std::move(payload), Kind::kPing}); }
  void CloseWith(uint16_t code, std::string reason) override {
    stream_.async_close(
        websocket::close_reason(static_cast<websocket::close_code>(code), reason.c_str()),
        [self = this->shared_from_this()](beast::error_code) { self->End(); });
  }
  void Cut() override {
    beast::error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
    End();
  }
  void CutNow() override { Cut(); }
  bool is_open() const override { return is_open_; }
  int pong_count() const override { return pong_count_; }
  int ping_count() const override { return ping_count_; }

 private:
  enum class Kind { kText, kBinary, kFragment, kLastFragment, kPing };
  struct Outgoing {
    std::string bytes;
    Kind kind;
  };

  void Read() {
    stream_.async_read(buffer_, [self = this->shared_from_this()](beast::error_code error, size_t) {
      if (error) return self->End();
      const std::string text = beast::buffers_to_string(self->buffer_.data());
      self->buffer_.consume(self->buffer_.size());
      if (self->server_.on_message) self->server_.on_message(self, text);
      if (self->is_open_) self->Read();
    });
  }
  void Enqueue(Outgoing outgoing) {
    outgoing_.push_back(std::move(outgoing));
    if (outgoing_.size() == 1) Write();
  }
  void Write() {
    const Outgoing& next = outgoing_.front();
    const auto on_sent = [self = this->shared_from_this()](beast::error_code error) {
      self->outgoing_.pop_front();
      if (!error && !self->outgoing_.empty()) self->Write();
    };
    if (next.kind == Kind::kPing) {
      return stream_.async_ping(websocket::ping_data(next.bytes.c_str()), on_sent);
    }
    stream_.binary(next.kind == Kind::kBinary);
    stream_.async_write_some(next.kind != Kind::kFragment, asio::buffer(next.bytes),
                             [on_sent](beast::error_code error, size_t) { on_sent(error); });
  }
  void End() {
    if (!is_open_) return;
    is_open_ = false;
    if (server_.on_session_end) server_.on_session_end(this->shared_from_this());
  }

  websocket::stream<Stream> stream_;
  StubServer& server_;
  const std::string target_;
  http::request<http::string_body> request_;
  beast::flat_buffer buffer_;
  std::deque<Outgoing> outgoing_;
  std::string raw_;
  bool is_open_ = false;
  int pong_count_ = 0;
  int ping_count_ = 0;
};

template <typename Stream>
class HttpConnection final : public StubConnection,
                             public std::enable_shared_from_this<HttpConnection<Stream>> {
 public:
  HttpConnection(Stream stream, StubServer& server, StubServer::Implementation& implementation)
      : stream_(std::move(stream)), server_(server), implementation_(implementation) {}

  void Start() {
    if constexpr (std::is_same_v<Stream, TlsStream>) {
      stream_.async_handshake(asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](beast::error_code error) {
                                if (!error) self->Read();
                              });
    } else {
      Read();
    }
  }
  void CutNow() override {
    beast::error_code ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

 private:
  void Read() {
    request_ = {};
    http::async_read(stream_, buffer_, request_,
                     [self = this->shared_from_this()](beast::error_code error, size_t) {
                       if (!error) self->Handle();
                     });
  }

  void Handle() {
    const std::string target(request_.target());
    if (websocket::is_upgrade(request_)) {
      if (server_.on_upgrade && !server_.on_upgrade(target)) {
        return Answer(server_.refusal);
      }
      auto session =
          std::make_shared<WebSocketSession<Stream>>(std::move(stream_), server_, target);
      implementation_.connections.push_back(session);
      return session->Start(std::move(request_));
    }
    StubRequest seen = {.method = std::string(request_.method_string()),
                        .target = target,
                        .body = request_.body(),
                        .headers = {}};
    for (const auto& field : request_) {
      seen.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    implementation_.requests.push_back(seen);
    Answer(server_.on_request ? server_.on_request(seen) : StubReply{.status = 404, .body = {}});
  }

  void Answer(StubReply reply) {
    if (reply.is_silent) return KeepOpen();
    if (reply.is_cut) return CutNow();
    if (reply.raw) {
      raw_ = *reply.raw;
    } else {
      http::response<http::string_body> response;
      response.version(11);
      response.result(static_cast<unsigned>(reply.status));
      for (const auto& [name, value] : reply.headers) response.set(name, value);
      response.body() = reply.body;
      response.prepare_payload();
      response.keep_alive(!reply.closes_after);
      std::ostringstream text;
      text << response;
      raw_ = text.str();
    }
    asio::async_write(stream_, asio::buffer(raw_),
                      [self = this->shared_from_this(), closes = reply.closes_after](
                          beast::error_code error, size_t) {
                        if (error) return;
                        if (closes) return self->CutNow();
                        self->Read();
                      });
  }
  // Waits for the client to give up; ignores what it sends meanwhile.
  void KeepOpen() {
    stream_.async_read_some(asio::buffer(sink_),
                            [self = this->shared_from_this()](beast::error_code error, size_t) {
                              if (!error) self->KeepOpen();
                            });
  }

  Stream stream_;
  StubServer& server_;
  StubServer::Implementation& implementation_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> request_;
  std::string raw_;
  std::array<char, 512> sink_;
};

}  // namespace

void StubServer::Implementation::Accept() {
  acceptor.async_accept([this](beast::error_code error, tcp::socket socket) {
    if (error) return;
    ++connection_count;
    socket.set_option(tcp::no_delay(true));
    if (tls != nullptr) {
      auto connection = std::make_shared<HttpConnection<TlsStream>>(
          TlsStream(beast::tcp_stream(std::move(socket)), *tls), owner, *this);
      connections.push_back(connection);
      connection->Start();
    } else {
      auto connection = std::make_shared<HttpConnection<beast::tcp_stream>>(
          beast::tcp_stream(std::move(socket)), owner, *this);
      connections.push_back(connection);
      connection->Start();
    }
    Accept();
  });
}

StubServer::StubServer(std::optional<TestIdentity> tls)
    : implementation_(std::make_unique<Implementation>(*this)) {
  auto& acceptor = implementation_->acceptor;
  if (tls) {
    implementation_->tls = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_server);
    implementation_->tls->use_certificate_chain(asio::buffer(tls->certificate_pem));
    implementation_->tls->use_private_key(asio::buffer(tls->private_key_pem),
                                          asio::ssl::context::pem);
  }
  acceptor.open(tcp::v4());
  acceptor.set_option(tcp::acceptor::reuse_address(true));
  acceptor.bind(tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  acceptor.listen();
  implementation_->Accept();
}

StubServer::~StubServer() {
  on_session_end = nullptr;
  implementation_->CutAll();
  implementation_->acceptor.close();
  implementation_->context.poll();
}

uint16_t StubServer::port() const { return implementation_->acceptor.local_endpoint().port(); }

std::string StubServer::HttpUrl(std::string_view host) const {
  return Concat(implementation_->tls ? "https://" : "http://", host, ":", port());
}
std::string StubServer::WebSocketUrl(std::string_view host) const {
  return Concat(implementation_->tls ? "wss://" : "ws://", host, ":", port());
}

int StubServer::Poll() {
  implementation_->context.restart();
  return static_cast<int>(implementation_->context.poll());
}
void StubServer::CutAll() { implementation_->CutAll(); }
void StubServer::StopListening() {
  beast::error_code ignored;
  implementation_->acceptor.close(ignored);
}
int StubServer::connection_count() const { return implementation_->connection_count; }
const std::vector<StubRequest>& StubServer::requests() const { return implementation_->requests; }

}  // namespace holdfast::testing
