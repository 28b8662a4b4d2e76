// How many orders a second one client gets through the simulated venue's WebSocket API on loopback.
//
// Server and client run in this process on a thread each. The client keeps a window of unanswered
// requests open: places post-only orders, then cancels them, each request signed (HMAC-SHA256) or
// sent in a session. Every answer is checked; afterwards the venue's own ledger must hold exactly
// the orders that were sent. Latency is send to answer, so it contains the window's queue; the row
// with a window of one is the round trip.
//
//   bench_venue_wire [--orders N]

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "connectors/net/signing.h"
#include "connectors/sim/binance/front_end.h"
#include "connectors/sim/binance/server_loop.h"
#include "connectors/sim/binance/venue_file.h"
#include "connectors/sim/venue.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;

constexpr char kPublicKey[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAO09AYsZIz1Ptx3WPwcZ24OnDBWU2naeKzgMo++Krphk=\n"
    "-----END PUBLIC KEY-----\n";
constexpr char kPrivateKey[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIPzdvQo5rJ3Mb/rowWJKVQWvGRu5IsQmNLs1xV9OsHMy\n"
    "-----END PRIVATE KEY-----\n";

class Server {
 public:
  Server() {
    SimVenueConfig config;
    config.start_time_ns = clock_.WallNs();
    venue_ = std::make_unique<SimVenue>(config);
    InstrumentFileEntry entry = *BuiltInInstrument("BTCUSDT");
    entry.instrument.instrument.max_order_count = 0;
    HF_ASSERT(venue_->AddInstrument(entry.instrument).ok());
    FrontEndConfig front;
    front.limits = {.weight_per_minute = 1'000'000'000,
                    .orders_per_10_seconds = 1'000'000'000,
                    .orders_per_day = 1'000'000'000,
                    .requests_per_5_minutes = 1'000'000'000,
                    .ban_after_429_count = 50,
                    .ban_seconds = 120,
                    .stream_messages_per_second = 5};
    front_ = std::make_unique<FrontEnd>(loop_, clock_, *venue_, front);
    AccountFileEntry account;
    account.account.name = "load";
    account.account.balances = {
        {.asset = AssetCode("USDT"), .free = Decimal::FromInteger(1'000'000'000), .locked = {}}};
    account.keys.push_back({.api_key = "loadHmac",
                            .hmac_secret = "secret",
                            .ed25519_public_key = "",
                            .can_trade = true});
    account.keys.push_back({.api_key = "loadEd",
                            .hmac_secret = "",
                            .ed25519_public_key = kPublicKey,
                            .can_trade = true});
    HF_ASSERT(front_->AddAccount(account).ok());
    HF_ASSERT(front_->Listen().ok());
    thread_ = std::thread([this] { loop_.Run(); });
  }
  // Ends the server; the venue can be looked at afterwards.
  SimVenue& Stop() {
    loop_.Post([this] {
      front_->Shutdown();
      loop_.Stop();
    });
    thread_.join();
    return *venue_;
  }
  uint16_t port() const { return front_->port(); }

 private:
  SystemClock clock_;
  ServerLoop loop_;
  std::unique_ptr<SimVenue> venue_;
  std::unique_ptr<FrontEnd> front_;
  std::thread thread_;
};

// Writes one frame at a time, reads one frame at a time, blocking.
class Client {
 public:
  explicit Client(uint16_t port) {
    asio::ip::tcp::socket& socket = socket_.next_layer();
    socket.connect({asio::ip::make_address("127.0.0.1"), port});
    socket.set_option(asio::ip::tcp::no_delay(true));
    socket_.handshake("localhost", "/ws-api/v3?returnRateLimits=false");
  }
  void Send(const std::string& text) { socket_.write(asio::buffer(text)); }
  std::string_view Receive() {
    buffer_.clear();
    socket_.read(buffer_);
    const auto data = buffer_.data();
    return {static_cast<const char*>(data.data()), data.size()};
  }

 private:
  asio::io_context context_;
  beast::websocket::stream<asio::ip::tcp::socket> socket_{context_};
  beast::flat_buffer buffer_;
};

int64_t Milliseconds() { return SystemClock().WallNs() / kNanosPerMilli; }

std::string Place(int64_t number, const HmacSha256Signer* signer) {
  const std::string id = "load" + std::to_string(number);
  const std::string time = std::to_string(Milliseconds());
  const std::string price = std::to_string(50'000 + number % 1000);
  std::string extra;
  if (signer != nullptr) {
    const std::string payload = "apiKey=loadHmac&newClientOrderId=" + id + "&price=" + price +
                                "&quantity=0.001&side=BUY&symbol=BTCUSDT&timestamp=" + time +
                                "&type=LIMIT_MAKER";
    char hex[HmacSha256Signer::kHexBytes];
    signer->SignHex(payload, hex);
    extra = ",\"apiKey\":\"loadHmac\",\"signature\":\"" + std::string(hex, sizeof(hex)) + "\"";
  }
  return "{\"id\":" + std::to_string(number) +
         ",\"method\":\"order.place\",\"params\":{\"symbol\":\"BTCUSDT\",\"side\":\"BUY\","
         "\"type\":\"LIMIT_MAKER\",\"quantity\":\"0.001\",\"price\":\"" +
         price + "\",\"newClientOrderId\":\"" + id + "\",\"timestamp\":" + time + extra + "}}";
}

std::string Cancel(int64_t number) {
  return "{\"id\":" + std::to_string(number) +
         ",\"method\":\"order.cancel\",\"params\":{\"symbol\":\"BTCUSDT\",\"origClientOrderId\":"
         "\"load" +
         std::to_string(number) + "\",\"timestamp\":" + std::to_string(Milliseconds()) + "}}";
}

void LogOn(Client& client) {
  const std::string time = std::to_string(Milliseconds());
  auto signer = Ed25519Signer::FromPem(kPrivateKey);
  HF_ASSERT(signer.ok());
  char signature[RequestSigner::kMaxSignatureBytes];
  const size_t size = (*signer)->Sign("apiKey=loadEd&timestamp=" + time, signature);
  client.Send(
      "{\"id\":0,\"method\":\"session.logon\",\"params\":{\"apiKey\":\"loadEd\","
      "\"timestamp\":" +
      time + ",\"signature\":\"" + std::string(signature, size) + "\"}}");
  HF_ASSERT(client.Receive().find("\"status\":200") != std::string_view::npos);
}

struct Row {
  double seconds = 0;
  std::vector<int64_t> latency_ns;
};

// `make(i)` for i in [first, first + count), at most `window` unanswered.
template <typename Make>
Row Run(Client& client, int64_t first, int64_t count, int64_t window, Make make) {
  SystemClock clock;
  Row row;
  row.latency_ns.reserve(static_cast<size_t>(count));
  std::deque<int64_t> sent_ns;
  const int64_t start_ns = clock.MonotonicNs();
  int64_t next = first;
  for (int64_t answered = first; answered < first + count; ++answered) {
    while (next < first + count && next - answered < window) {
      sent_ns.push_back(clock.MonotonicNs());
      client.Send(make(next++));
    }
    const std::string_view answer = client.Receive();
    const std::string wanted = "{\"id\":" + std::to_string(answered) + ",\"status\":200";
    if (!answer.starts_with(wanted)) {
      std::fprintf(stderr, "unexpected answer: %.*s\n", static_cast<int>(answer.size()),
                   answer.data());
      std::abort();
    }
    row.latency_ns.push_back(clock.MonotonicNs() - sent_ns.front());
    sent_ns.pop_front();
  }
  row.seconds = static_cast<double>(clock.MonotonicNs() - start_ns) * 1e-9;
  return row;
}

void Print(const char* name, int64_t window, Row row) {
  std::sort(row.latency_ns.begin(), row.latency_ns.end());
  const auto at = [&](double part) {
    const auto index = static_cast<size_t>(part * static_cast<double>(row.latency_ns.size() - 1));
    return static_cast<double>(row.latency_ns[index]) / 1000.0;
  };
  std::printf("%-28s window %4lld  %9.0f requests/s   p50 %8.1f us  p99 %8.1f us\n", name,
              static_cast<long long>(window),
              static_cast<double>(row.latency_ns.size()) / row.seconds, at(0.50), at(0.99));
}

int Main(int64_t count) {
  Server server;
  Client client(server.port());
  const HmacSha256Signer signer("secret");
  int64_t next = 1;
  const auto measure = [&](const char* name, int64_t requests, int64_t window, auto make) {
    Print(name, window, Run(client, next, requests, window, make));
  };
  const auto signed_place = [&](int64_t i) { return Place(i, &signer); };
  const auto session_place = [](int64_t i) { return Place(i, nullptr); };
  const auto cancel = [](int64_t i) { return Cancel(i); };
  LogOn(client);
  Run(client, next, count / 10, 64, signed_place);  // warm-up
  Run(client, next, count / 10, 64, cancel);
  int64_t placed = count / 10;
  next += placed;
  for (const int64_t window : {int64_t{1}, int64_t{64}, int64_t{512}}) {
    const int64_t requests = window == 1 ? count / 10 : count;
    measure("place, HMAC each", requests, window, signed_place);
    measure("cancel, session", requests, window, cancel);
    next += requests;
    measure("place, session", requests, window, session_place);
    measure("cancel, session", requests, window, cancel);
    next += requests;
    placed += 2 * requests;
  }
  const SimVenue& venue = server.Stop();
  const auto orders = static_cast<int64_t>(venue.LedgerOrders().size());
  const bool is_same = orders == placed;
  std::printf("ledger: %lld orders, sent %lld: %s\n", static_cast<long long>(orders),
              static_cast<long long>(placed), is_same ? "equal" : "DIFFERENT");
  return is_same ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::sim

int main(int argument_count, char** arguments) {
  int64_t count = 50'000;
  if (argument_count == 3 && std::strcmp(arguments[1], "--orders") == 0) {
    count = std::max<int64_t>(1000, std::atoll(arguments[2]));
  }
  return holdfast::sim::Main(count);
}
