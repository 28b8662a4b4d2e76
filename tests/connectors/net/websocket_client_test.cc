// Proves the WebSocket client against an independent server: messages of all sizes both ways,
// fragments, pings, silence, backpressure, and peers that break the protocol. Client and server run
// in turns on one thread; time is stepped by hand.

#include "connectors/net/websocket_client.h"

#include <catch2/catch.hpp>

#include "tests/connectors/net/pump.h"
#include "tests/connectors/net/stub_server.h"

namespace holdfast {
namespace {

using testing::PumpIdle;
using testing::PumpUntil;
using testing::StubServer;

struct Recorder : WebSocketClient::Handler {
  void OnWebSocketOpen(WebSocketClient&) override { ++open_count; }
  void OnWebSocketMessage(WebSocketClient& client, std::string_view text) override {
    messages.emplace_back(text);
    if (pauses) client.PauseReading();
    if (closes) client.Close();
  }
  void OnWebSocketClosed(WebSocketClient& client, const absl::Status& reason) override {
    ++closed_count;
    if (client.refusal() != nullptr) refusal_status = client.refusal()->status;
    closed_reason = std::string(reason.message());
  }
  int open_count = 0;
  int closed_count = 0;
  int refusal_status = 0;
  std::string closed_reason;
  std::vector<std::string> messages;
  bool pauses = false;
  bool closes = false;
};

struct Fixture {
  explicit Fixture(std::optional<testing::TestIdentity> tls = std::nullopt)
      : server(std::move(tls)) {
    server.on_open = [this](const StubServer::SessionPointer& opened) { session = opened; };
    server.on_message = [this](const StubServer::SessionPointer&, const std::string& text) {
      received.push_back(text);
    };
  }
  void Open(const std::string& path = "/ws", std::shared_ptr<const TlsContext> tls = nullptr,
            const std::string& host = "127.0.0.1") {
    client = std::make_unique<WebSocketClient>(loop, std::move(tls), options, prng, recorder);
    client->Open(*ParseUrl(JoinUrl(server.WebSocketUrl(host), path)));
    REQUIRE(PumpUntil(loop, server, [&] {
      return (recorder.open_count == 1 && session != nullptr) || recorder.closed_count == 1;
    }));
  }

  ManualClock clock;
  EventLoop loop{clock};
  Prng prng{1};
  WebSocketClient::Options options = {
      .connect_timeout_ns = kNanosPerSecond,
      .ping_interval_ns = 10 * kNanosPerSecond,
      .silence_timeout_ns = 30 * kNanosPerSecond,
      .max_message_bytes = 1 << 20,
      .max_unsent_bytes = 1 << 21,
      .user_agent = "test",
  };
  StubServer server;
  StubServer::SessionPointer session;
  std::vector<std::string> received;
  Recorder recorder;
  std::unique_ptr<WebSocketClient> client;
};

std::string Text(size_t size) {
  std::string text(size, ' ');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + size) % 26);
  return text;
}

TEST_CASE("websocket: messages of every length class arrive unchanged both ways",
          "[net][websocket]") {
  Fixture fixture;
  fixture.Open("/ws?x=1");
  CHECK(fixture.session->target() == "/ws?x=1");
  std::vector<std::string> expected;
  for (size_t size : {0, 1, 3, 7, 8, 9, 125, 126, 127, 1000, 65'535, 65'536, 200'000, 1 << 20}) {
    expected.push_back(Text(size));
    REQUIRE(fixture.client->Send(expected.back()));
    fixture.session->Send(expected.back());
    REQUIRE(PumpUntil(fixture.loop, fixture.server, [&] {
      return fixture.received.size() == expected.size() &&
             fixture.recorder.messages.size() == expected.size();
    }));
  }
  CHECK(fixture.received == expected);
  CHECK(fixture.recorder.messages == expected);
}

TEST_CASE("websocket: many small messages and fragments are put together", "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  std::vector<std::string> expected;
  for (size_t i = 0; i < 3000; ++i) {
    expected.push_back(Text(i % 300));
    fixture.session->Send(expected.back());
  }
  for (size_t fragment : {1, 2, 100, 40'000}) {
    expected.push_back(Text(fragment * 7 + 3));
    fixture.session->SendFragmented(expected.back(), fragment);
    fixture.session->Ping("between");
  }
  REQUIRE(PumpUntil(fixture.loop, fixture.server,
                    [&] { return fixture.recorder.messages.size() == expected.size(); }));
  CHECK(fixture.recorder.messages == expected);
  CHECK(PumpUntil(fixture.loop, fixture.server, [&] { return fixture.session->pong_count() > 0; }));
}

TEST_CASE("websocket: works over TLS, and only with the right certificate", "[net][websocket]") {
  const auto authority = testing::MakeTestAuthority();
  const testing::TemporaryFile ca_file(authority.certificate_pem);
  const auto tls = TlsContext::Create({.ca_file = ca_file.path()});
  Fixture fixture(testing::IssueTestCertificate(authority, {.dns_name = "localhost"}));
  SECTION("right") {
    fixture.Open("/ws", *tls, "localhost");
    const std::string text = Text(100'000);
    fixture.session->Send(text);
    fixture.client->Send(text);
    REQUIRE(PumpUntil(fixture.loop, fixture.server, [&] {
      return fixture.recorder.messages.size() == 1 && fixture.received.size() == 1;
    }));
    CHECK(fixture.recorder.messages[0] == text);
    CHECK(fixture.received[0] == text);
  }
  SECTION("wrong") {
    fixture.Open("/ws", *tls, "127.0.0.1");
    CHECK(fixture.recorder.closed_count == 1);
    CHECK(fixture.recorder.closed_reason.find("IP address mismatch") != std::string::npos);
  }
}

TEST_CASE("websocket: silence is probed with a ping and then ends the connection",
          "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  fixture.clock.Advance(10 * kNanosPerSecond);
  REQUIRE(
      PumpUntil(fixture.loop, fixture.server, [&] { return fixture.session->ping_count() == 1; }));
  PumpIdle(fixture.loop, fixture.server);  // the pong arrives and counts as life
  for (int i = 0; i < 10; ++i) {
    fixture.clock.Advance(10 * kNanosPerSecond);
    PumpIdle(fixture.loop, fixture.server);
  }
  CHECK(fixture.recorder.closed_count == 0);
  CHECK(fixture.session->ping_count() > 5);
  // The server falls silent: only the client runs.
  fixture.clock.Advance(10 * kNanosPerSecond);
  fixture.loop.RunOnce(0);  // pings
  fixture.clock.Advance(5 * kNanosPerSecond - 1);
  fixture.loop.RunOnce(0);
  CHECK(fixture.recorder.closed_count == 0);
  fixture.clock.Advance(1);
  fixture.loop.RunOnce(0);
  CHECK(fixture.recorder.closed_count == 1);
  CHECK(fixture.recorder.closed_reason.find("nothing heard from") != std::string::npos);
}

TEST_CASE("websocket: silence while reading is paused says nothing about the peer",
          "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  fixture.client->PauseReading();
  for (int i = 0; i < 10; ++i) {
    fixture.clock.Advance(10 * kNanosPerSecond);
    PumpIdle(fixture.loop, fixture.server);
  }
  CHECK(fixture.recorder.closed_count == 0);
  fixture.client->ResumeReading();
  PumpIdle(fixture.loop, fixture.server);
  CHECK(fixture.client->is_open());
}

TEST_CASE("websocket: paused reading delivers nothing, and nothing is lost", "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  fixture.recorder.pauses = true;
  for (int i = 0; i < 100; ++i) fixture.session->Send(Text(50));
  for (size_t i = 1; i <= 100; ++i) {
    REQUIRE(PumpUntil(fixture.loop, fixture.server,
                      [&] { return fixture.recorder.messages.size() == i; }));
    PumpIdle(fixture.loop, fixture.server);
    REQUIRE(fixture.recorder.messages.size() == i);
    fixture.client->ResumeReading();
  }
}

TEST_CASE("websocket: closing inside a message stops the rest", "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  fixture.recorder.closes = true;
  for (int i = 0; i < 10; ++i) fixture.session->Send(Text(50));
  REQUIRE(PumpUntil(fixture.loop, fixture.server,
                    [&] { return fixture.recorder.messages.size() == 1; }));
  PumpIdle(fixture.loop, fixture.server);
  CHECK(fixture.recorder.messages.size() == 1);
  CHECK(fixture.recorder.closed_count == 0);
  CHECK(fixture.client->is_closed());
}

TEST_CASE("websocket: the peer's close is reported with its code and text", "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  fixture.session->CloseWith(1008, "go away");
  REQUIRE(
      PumpUntil(fixture.loop, fixture.server, [&] { return fixture.recorder.closed_count == 1; }));
  CHECK(fixture.recorder.closed_reason.find("code=1008 reason=go away") != std::string::npos);
  CHECK_FALSE(fixture.client->Send("x"));
}

TEST_CASE("websocket: a cut connection is reported once", "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  fixture.session->Cut();
  REQUIRE(
      PumpUntil(fixture.loop, fixture.server, [&] { return fixture.recorder.closed_count == 1; }));
  PumpIdle(fixture.loop, fixture.server);
  CHECK(fixture.recorder.closed_count == 1);
}

TEST_CASE("websocket: a refused upgrade and one that never comes", "[net][websocket]") {
  Fixture fixture;
  SECTION("refused") {
    fixture.server.on_upgrade = [](const std::string&) { return false; };
    fixture.Open();
    CHECK(fixture.recorder.closed_reason.find("refused the upgrade: HTTP/1.1 403") !=
          std::string::npos);
    CHECK(fixture.recorder.refusal_status == 403);
  }
  SECTION("never") {
    fixture.client = std::make_unique<WebSocketClient>(fixture.loop, nullptr, fixture.options,
                                                       fixture.prng, fixture.recorder);
    fixture.client->Open(*ParseUrl(fixture.server.WebSocketUrl()));
    for (int i = 0; i < 20; ++i) fixture.loop.RunOnce(0);  // the server is not polled
    fixture.clock.Advance(kNanosPerSecond);
    fixture.loop.RunOnce(0);
    CHECK(fixture.recorder.closed_count == 1);
  }
}

TEST_CASE("websocket: frames that break the protocol or a bound end the connection",
          "[net][websocket]") {
  struct Row {
    std::string frame;
    const char* expected;
  };
  const Row rows[] = {
      {std::string("\xc1\x01x", 3), "reserved bits"},
      {std::string("\x81\x81\0\0\0\0x", 7), "reserved bits or a mask"},
      {std::string("\x80\x01x", 3), "out of order"},           // continuation of nothing
      {std::string("\x01\x01x\x81\x01y", 6), "out of order"},  // text inside a fragmented text
      {std::string("\x83\x01x", 3), "out of order"},           // reserved opcode
      {std::string("\x82\x01x", 3), "binary"},
      {std::string("\x09\x01x", 3), "control frame"},  // fragmented ping
      {std::string("\x89\x7e\0\x7e", 4), "control frame"},
      {std::string("\x81\x7f\0\0\0\0\x10\0\0\0", 10), "larger than the bound"},
      {std::string("\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10), "larger than the bound"},
  };
  for (const Row& row : rows) {
    INFO(row.expected);
    Fixture fixture;
    Recorder& recorder = fixture.recorder;
    fixture.Open();
    REQUIRE(recorder.open_count == 1);
    fixture.session->SendRaw(row.frame);
    REQUIRE(PumpUntil(fixture.loop, fixture.server, [&] { return recorder.closed_count == 1; }));
    INFO(recorder.closed_reason);
    CHECK(recorder.closed_reason.find(row.expected) != std::string::npos);
    CHECK(recorder.messages.empty());
  }
}

TEST_CASE("websocket: a peer that does not read bounds what is kept for it", "[net][websocket]") {
  Fixture fixture;
  fixture.Open();
  const std::string text = Text(100'000);
  int taken = 0;
  while (taken < 10'000 && fixture.client->Send(text)) ++taken;
  CHECK(taken < 10'000);
  CHECK(taken > 10);
  REQUIRE(PumpUntil(fixture.loop, fixture.server,
                    [&] { return fixture.received.size() == static_cast<size_t>(taken); }));
  CHECK(fixture.client->Send(text));
}

}  // namespace
}  // namespace holdfast
