// What the client adds to an order's round trip: a signed order over HTTPS and over a TLS WebSocket
// to a minimal server on loopback. Our clients stand beside a raw OpenSSL client and bare
// Boost.Beast, all against the same server in the same run, round after round in turn. Every answer
// is compared with what was asked before any time is printed.
//
// Placements: "same" = client and server on one core (every nanosecond of both counts, no sleep is
// hidden); "cross" = the server busy-polls on another core and the client sleeps in its wait;
// "spin" = both busy-poll. Build: TLS 1.3, TCP_NODELAY everywhere.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "connectors/binance/order_encoder.h"
#include "connectors/net/http_client.h"
#include "connectors/net/signing.h"
#include "connectors/net/text.h"
#include "connectors/net/websocket_client.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"
#include "tests/connectors/net/stub_server.h"

namespace holdfast {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

constexpr int kRounds = 15;
constexpr int kTripsPerRound = 400;
constexpr int kWarmUpTrips = 200;

void PinThread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

// --- the server ----------------------------------------------------------------------------------

// Blocking or busy-polling TLS, one thread per connection; answers orders as the venue would, with
// the client order id that it was sent.
class OrderServer {
 public:
  OrderServer(const testing::TestIdentity& identity, bool is_spinning, int cpu)
      : is_spinning_(is_spinning), cpu_(cpu), context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX_set_min_proto_version(context_, TLS1_3_VERSION);
    const testing::TemporaryFile certificate(identity.certificate_pem);
    const testing::TemporaryFile key(identity.private_key_pem);
    HF_ASSERT(SSL_CTX_use_certificate_chain_file(context_, certificate.path().c_str()) == 1);
    HF_ASSERT(SSL_CTX_use_PrivateKey_file(context_, key.path().c_str(), SSL_FILETYPE_PEM) == 1);
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    HF_ASSERT(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    HF_ASSERT(listen(listener_, 16) == 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  ~OrderServer() {
    is_stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    for (std::thread& worker : workers_) worker.join();
    close(listener_);
    SSL_CTX_free(context_);
  }
  uint16_t port() const { return port_; }

 private:
  void Accept() {
    while (true) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      const int one = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
      workers_.emplace_back([this, fd] { Serve(fd); });
    }
  }
  void Serve(int fd) {
    PinThread(cpu_);
    SSL* ssl = SSL_new(context_);
    SSL_set_fd(ssl, fd);
    if (SSL_accept(ssl) == 1) {
      if (is_spinning_) fcntl(fd, F_SETFL, O_NONBLOCK);
      std::vector<char> buffer(64 * 1024);
      size_t size = 0;
      bool is_websocket = false;
      while (ReadSome(ssl, buffer, size)) {
        while (is_websocket ? AnswerFrame(ssl, buffer, size)
                            : AnswerRequest(ssl, buffer, size, is_websocket)) {
        }
      }
    }
    SSL_free(ssl);
    close(fd);
  }
  bool ReadSome(SSL* ssl, std::vector<char>& buffer, size_t& size) {
    while (true) {
      const int count = SSL_read(ssl, buffer.data() + size, static_cast<int>(buffer.size() - size));
      if (count > 0) {
        size += static_cast<size_t>(count);
        return true;
      }
      const int error = SSL_get_error(ssl, count);
      if (error != SSL_ERROR_WANT_READ || is_stopping_.load(std::memory_order_relaxed)) {
        return false;
      }
    }
  }
  static std::string_view IdIn(std::string_view text, std::string_view key) {
    const size_t begin = text.find(key) + key.size();
    return text.substr(begin, text.find_first_of("&\" ", begin) - begin);
  }
  static void WriteAll(SSL* ssl, std::string_view bytes) {
    HF_ASSERT(SSL_write(ssl, bytes.data(), static_cast<int>(bytes.size())) ==
              static_cast<int>(bytes.size()));
  }
  // One HTTP request; false = not complete.
  bool AnswerRequest(SSL* ssl, std::vector<char>& buffer, size_t& size, bool& is_websocket) {
    const std::string_view text(buffer.data(), size);
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return false;
    std::string answer;
    if (text.find("Upgrade: websocket") != std::string_view::npos) {
      const std::string_view name = "Sec-WebSocket-Key: ";
      const size_t begin = text.find(name) + name.size();
      const std::string seed = Concat(text.substr(begin, text.find("\r\n", begin) - begin),
                                      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
      std::array<uint8_t, SHA_DIGEST_LENGTH> digest;
      SHA1(reinterpret_cast<const uint8_t*>(seed.data()), seed.size(), digest.data());
      std::string accept(Base64Size(digest.size()), '\0');
      EncodeBase64(digest, accept.data());
      answer = Concat(
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: "
          "Upgrade\r\nSec-WebSocket-Accept: ",
          accept, "\r\n\r\n");
      is_websocket = true;
    } else {
      const std::string body =
          Concat("{\"symbol\":\"BTCUSDT\",\"orderId\":28,\"orderListId\":-1,\"clientOrderId\":\"",
                 IdIn(text, "newClientOrderId="), "\",\"transactTime\":1507725176595}");
      answer = Concat(
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-MBX-USED-WEIGHT-1M: "
          "1\r\nContent-Length: ",
          body.size(), "\r\n\r\n", body);
    }
    size -= end + 4;
    memmove(buffer.data(), buffer.data() + end + 4, size);
    WriteAll(ssl, answer);
    return true;
  }
  // One masked text frame of 126..65535 bytes; false = not complete.
  bool AnswerFrame(SSL* ssl, std::vector<char>& buffer, size_t& size) {
    if (size < 8) return false;
    const auto* bytes = reinterpret_cast<const uint8_t*>(buffer.data());
    if (bytes[0] != 0x81 || (bytes[1] & 0x7f) != 126) {
      size = 0;  // a close frame: the client is leaving
      return false;
    }
    const size_t payload = static_cast<size_t>(bytes[2]) << 8 | bytes[3];
    if (size < 8 + payload) return false;
    std::string text(payload, '\0');
    for (size_t i = 0; i < payload; ++i) {
      text[i] = static_cast<char>(bytes[8 + i] ^ bytes[4 + i % 4]);
    }
    size -= 8 + payload;
    memmove(buffer.data(), buffer.data() + 8 + payload, size);
    const std::string body = Concat(
        "{\"id\":1,\"status\":200,\"result\":{\"symbol\":\"BTCUSDT\",\"orderId\":28,"
        "\"clientOrderId\":\"",
        IdIn(text, "\"newClientOrderId\":\""),
        "\",\"transactTime\":1507725176595},\"rateLimits\":[]}");
    HF_ASSERT(body.size() >= 126);
    std::string frame = {static_cast<char>(0x81), 126, static_cast<char>(body.size() >> 8),
                         static_cast<char>(body.size())};
    frame += body;
    WriteAll(ssl, frame);
    return true;
  }

  const bool is_spinning_;
  const int cpu_;
  SSL_CTX* const context_;
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> is_stopping_{false};
  std::thread acceptor_;
  std::vector<std::thread> workers_;
};

// --- the clients ---------------------------------------------------------------------------------

Instrument BenchInstrument() {
  Instrument instrument = {};
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = *Decimal::Parse("0.01");
  instrument.lot_size = *Decimal::Parse("0.00001");
  instrument.min_quantity = Quantity::FromLots(1);
  return instrument;
}

// Signs every order anew, as trading does; the same for all clients.
struct Orders {
  explicit Orders(uint16_t port)
      : encoder(BenchInstrument(),
                {.api_key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
                 .host = Concat("127.0.0.1:", port),
                 .self_trade_prevention_mode = ""},
                &signer) {}
  PlaceRequest Next() {
    PlaceRequest request = {};
    request.client_order_id = ClientOrderId(Concat("hf0000000000000000", ++count));
    request.price = Price::FromTicks(6'183'763 + count % 100);
    request.quantity = Quantity::FromLots(150);
    return request;
  }
  HmacSha256Signer signer{"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"};
  BinanceOrderEncoder encoder;
  std::array<char, BinanceOrderEncoder::kMaxRequestBytes> buffer;
  int64_t count = 0;
  int64_t time_ms = 1'700'000'000'000;
};

// One way of sending an order and waiting for its answer; RoundTrip() returns the answer's text.
class Client {
 public:
  Client(std::string label, uint16_t port) : name(std::move(label)), orders(port) {}
  virtual ~Client() = default;
  virtual std::string_view RoundTrip(const PlaceRequest& request) = 0;

  void RunRound(int trips, bool is_counted) {
    std::vector<int64_t> times;
    times.reserve(static_cast<size_t>(trips));
    for (int i = 0; i < trips; ++i) {
      const PlaceRequest request = orders.Next();
      const int64_t begin_ns = clock.MonotonicNs();
      const std::string_view answer = RoundTrip(request);
      times.push_back(clock.MonotonicNs() - begin_ns);
      if (answer.find(request.client_order_id.view()) == std::string_view::npos) {
        std::printf("RESULTS DIFFER: %s got a wrong answer: %.*s\n", name.c_str(),
                    static_cast<int>(answer.size()), answer.data());
        std::exit(1);
      }
    }
    if (!is_counted) return;
    std::sort(times.begin(), times.end());
    medians.push_back(times[times.size() / 2]);
    all.insert(all.end(), times.begin(), times.end());
  }

  const std::string name;
  Orders orders;
  SystemClock clock;
  std::vector<int64_t> medians;  // one per round
  std::vector<int64_t> all;
};

class RawClient final : public Client {
 public:
  RawClient(uint16_t port, bool is_spinning)
      : Client("raw OpenSSL HTTPS", port), context_(SSL_CTX_new(TLS_client_method())) {
    fd_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    HF_ASSERT(connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    const int one = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    HF_ASSERT(SSL_connect(ssl_) == 1);
    if (is_spinning) fcntl(fd_, F_SETFL, O_NONBLOCK);
  }
  ~RawClient() override {
    SSL_free(ssl_);
    close(fd_);
    SSL_CTX_free(context_);
  }
  std::string_view RoundTrip(const PlaceRequest& request) override {
    const std::string_view bytes = orders.encoder.PlaceHttp(request, orders.time_ms, orders.buffer);
    SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
    size_t size = 0;
    while (true) {
      const int count = SSL_read(ssl_, answer_ + size, static_cast<int>(sizeof(answer_) - size));
      if (count <= 0) {
        HF_ASSERT(SSL_get_error(ssl_, count) == SSL_ERROR_WANT_READ);
        continue;
      }
      size += static_cast<size_t>(count);
      const std::string_view text(answer_, size);
      const size_t head_end = text.find("\r\n\r\n");
      if (head_end == std::string_view::npos) continue;
      const size_t length_at = text.find("Content-Length: ") + 16;
      const size_t length = static_cast<size_t>(atoi(answer_ + length_at));
      if (size >= head_end + 4 + length) return text.substr(head_end + 4, length);
    }
  }

 private:
  SSL_CTX* const context_;
  SSL* ssl_;
  int fd_;
  char answer_[16 * 1024];
};

class BeastHttpsClient final : public Client {
 public:
  explicit BeastHttpsClient(uint16_t port)
      : Client("Beast sync HTTPS", port), stream_(io_, tls_), port_(port) {
    beast::get_lowest_layer(stream_).connect(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port));
    beast::get_lowest_layer(stream_).socket().set_option(asio::ip::tcp::no_delay(true));
    stream_.handshake(asio::ssl::stream_base::client);
  }
  std::string_view RoundTrip(const PlaceRequest& order) override {
    beast::http::request<beast::http::empty_body> request(
        beast::http::verb::post,
        Concat("/api/v3/order?", orders.encoder.PlaceQuery(order, orders.time_ms, orders.buffer)),
        11);
    request.set(beast::http::field::host, Concat("127.0.0.1:", port_));
    request.set("X-MBX-APIKEY", "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A");
    beast::http::write(stream_, request);
    response_ = {};
    beast::http::read(stream_, buffer_, response_);
    return response_.body();
  }

 private:
  asio::io_context io_;
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  beast::ssl_stream<beast::tcp_stream> stream_;
  uint16_t port_;
  beast::flat_buffer buffer_;
  beast::http::response<beast::http::string_body> response_;
};

class OurHttpsClient final : public Client, private HttpClient::Handler {
 public:
  OurHttpsClient(uint16_t port, std::shared_ptr<const TlsContext> tls, bool is_spinning)
      : Client("holdfast HttpClient", port),
        wait_ns_(is_spinning ? 0 : kNanosPerSecond),
        loop_(clock),
        client_(loop_, std::move(tls), *ParseUrl(Concat("https://127.0.0.1:", port)),
                HttpClient::Options(), *this) {}
  std::string_view RoundTrip(const PlaceRequest& request) override {
    target_.assign("/api/v3/order?");
    target_.append(orders.encoder.PlaceQuery(request, orders.time_ms, orders.buffer));
    is_done_ = false;
    client_.Send({.method = "POST", .target = target_, .header_lines = kHeaders},
                 10 * kNanosPerSecond);
    while (!is_done_) loop_.RunOnce(wait_ns_);
    return body_;
  }

 private:
  static constexpr std::string_view kHeaders =
      "X-MBX-APIKEY: vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A\r\n";
  void OnHttpResponse(const HttpResponse& response) override {
    is_done_ = true;
    body_ = response.body;
  }
  void OnHttpFailure(HttpFailure, const absl::Status& reason) override {
    std::printf("FAILED: %s\n", std::string(reason.message()).c_str());
    std::exit(1);
  }
  const int64_t wait_ns_;
  EventLoop loop_;
  HttpClient client_;
  std::string target_;
  std::string_view body_;
  bool is_done_ = false;
};

class BeastWebSocketClient final : public Client {
 public:
  explicit BeastWebSocketClient(uint16_t port)
      : Client("Beast sync WebSocket", port), stream_(io_, tls_) {
    beast::get_lowest_layer(stream_).connect(
        asio::ip::tcp::endpoint(asio::ip::address_v4::loopback(), port));
    beast::get_lowest_layer(stream_).socket().set_option(asio::ip::tcp::no_delay(true));
    stream_.next_layer().handshake(asio::ssl::stream_base::client);
    stream_.handshake(Concat("127.0.0.1:", port), "/ws-api/v3");
    stream_.text(true);
  }
  std::string_view RoundTrip(const PlaceRequest& request) override {
    const std::string_view message = orders.encoder.PlaceMessage(
        request, RequestId(1), orders.time_ms, BinanceAuthentication::kSigned, orders.buffer);
    stream_.write(asio::buffer(message.data(), message.size()));
    buffer_.consume(buffer_.size());
    stream_.read(buffer_);
    return {static_cast<const char*>(buffer_.data().data()), buffer_.size()};
  }

 private:
  asio::io_context io_;
  asio::ssl::context tls_{asio::ssl::context::tls_client};
  beast::websocket::stream<beast::ssl_stream<beast::tcp_stream>> stream_;
  beast::flat_buffer buffer_;
};

class OurWebSocketClient final : public Client, private WebSocketClient::Handler {
 public:
  OurWebSocketClient(uint16_t port, std::shared_ptr<const TlsContext> tls, bool is_spinning)
      : Client("holdfast WebSocketClient", port),
        wait_ns_(is_spinning ? 0 : kNanosPerSecond),
        loop_(clock),
        client_(loop_, std::move(tls), WebSocketClient::Options(), prng_, *this) {
    client_.Open(*ParseUrl(Concat("wss://127.0.0.1:", port, "/ws-api/v3")));
    while (!client_.is_open()) loop_.RunOnce(kNanosPerMilli);
  }
  std::string_view RoundTrip(const PlaceRequest& request) override {
    is_done_ = false;
    client_.Send(orders.encoder.PlaceMessage(request, RequestId(1), orders.time_ms,
                                             BinanceAuthentication::kSigned, orders.buffer));
    while (!is_done_) loop_.RunOnce(wait_ns_);
    return text_;
  }

 private:
  void OnWebSocketOpen(WebSocketClient&) override {}
  void OnWebSocketMessage(WebSocketClient&, std::string_view text) override {
    is_done_ = true;
    text_ = text;
  }
  void OnWebSocketClosed(WebSocketClient&, const absl::Status& reason) override {
    std::printf("FAILED: %s\n", std::string(reason.message()).c_str());
    std::exit(1);
  }
  const int64_t wait_ns_;
  EventLoop loop_;
  Prng prng_{1};
  WebSocketClient client_;
  std::string_view text_;
  bool is_done_ = false;
};

// --- the comparison ------------------------------------------------------------------------------

int64_t Quantile(std::vector<int64_t> values, double quantile) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(quantile * static_cast<double>(values.size() - 1))];
}

void Compare(const char* placement, const testing::TestIdentity& identity,
             const std::shared_ptr<const TlsContext>& tls, int client_cpu, int server_cpu,
             bool is_server_spinning, bool is_client_spinning) {
  PinThread(client_cpu);
  OrderServer server(identity, is_server_spinning, server_cpu);
  // A spinning server has one thread per connection: only one may exist at a time.
  const auto make = [&](int which) -> std::unique_ptr<Client> {
    switch (which) {
      case 0:
        return std::make_unique<RawClient>(server.port(), is_client_spinning);
      case 1:
        return std::make_unique<OurHttpsClient>(server.port(), tls, is_client_spinning);
      case 2:
        return std::make_unique<BeastHttpsClient>(server.port());
      case 3:
        return std::make_unique<BeastWebSocketClient>(server.port());
      default:
        return std::make_unique<OurWebSocketClient>(server.port(), tls, is_client_spinning);
    }
  };
  constexpr int kClientCount = 5;
  struct Result {
    std::vector<int64_t> medians;
    std::vector<int64_t> all;
    std::string name;
  };
  std::vector<Result> results(kClientCount);
  for (int round = 0; round < kRounds; ++round) {
    for (int which = 0; which < kClientCount; ++which) {
      const std::unique_ptr<Client> client = make(which);
      client->RunRound(kWarmUpTrips, false);
      client->RunRound(kTripsPerRound, true);
      Result& result = results[static_cast<size_t>(which)];
      result.name = client->name;
      result.medians.push_back(client->medians[0]);
      result.all.insert(result.all.end(), client->all.begin(), client->all.end());
    }
  }
  const auto ratio = [&](size_t ours, size_t base) {
    std::vector<double> ratios;
    for (int i = 0; i < kRounds; ++i) {
      const auto index = static_cast<size_t>(i);
      ratios.push_back(static_cast<double>(results[ours].medians[index]) /
                       static_cast<double>(results[base].medians[index]));
    }
    std::sort(ratios.begin(), ratios.end());
    return ratios[ratios.size() / 2];
  };
  std::printf("\norder round trip, %s (%d rounds of %d, answers checked)\n", placement, kRounds,
              kTripsPerRound);
  std::printf("  %-26s %10s %10s %8s\n", "client", "p50 us", "p99 us", "ratio");
  for (size_t i = 0; i < results.size(); ++i) {
    const size_t base = i <= 2 ? 0 : 3;
    std::printf("  %-26s %10.2f %10.2f %8.3f  of %s\n", results[i].name.c_str(),
                static_cast<double>(Quantile(results[i].all, 0.5)) / 1e3,
                static_cast<double>(Quantile(results[i].all, 0.99)) / 1e3, ratio(i, base),
                results[base].name.c_str());
  }
}

}  // namespace
}  // namespace holdfast

int main() {
  using namespace holdfast;
  const auto authority = testing::MakeTestAuthority();
  const testing::TemporaryFile ca_file(authority.certificate_pem);
  const auto tls = TlsContext::Create({.ca_file = ca_file.path()});
  const auto identity = testing::IssueTestCertificate(authority, {.ip_address = "127.0.0.1"});
  const int cpu_count = static_cast<int>(std::thread::hardware_concurrency());
  Compare("same core", identity, *tls, 0, 0, false, false);
  if (cpu_count > 1) {
    Compare("other core, server spins, client sleeps", identity, *tls, 0, 1, true, false);
    Compare("other core, both spin", identity, *tls, 0, 1, true, true);
  }
  std::printf("\ngoals: HttpClient <= 1.15 of raw OpenSSL, WebSocketClient <= 1.05 of Beast\n");
  return 0;
}
