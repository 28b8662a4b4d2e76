// Proves the HTTP client and its TLS against an independent server: keep-alive, deadlines, every
// way an answer can fail to come, and certificates that must be refused. Client and server run in
// turns on one thread; time is stepped by hand.

#include "connectors/net/http_client.h"

#include <catch2/catch.hpp>

#include "tests/connectors/net/pump.h"
#include "tests/connectors/net/stub_server.h"

namespace holdfast {
namespace {

using testing::PumpUntil;
using testing::StubReply;
using testing::StubRequest;
using testing::StubServer;

struct Recorder : HttpClient::Handler {
  void OnHttpResponse(const HttpResponse& response) override {
    ++count;
    status = response.status;
    body = std::string(response.body);
    retry_after = std::string(response.Header("Retry-After"));
    failure.reset();
  }
  void OnHttpFailure(HttpFailure what, const absl::Status& why) override {
    ++count;
    failure = what;
    reason = std::string(why.message());
  }
  int count = 0;
  int status = 0;
  std::string body;
  std::string retry_after;
  std::optional<HttpFailure> failure;
  std::string reason;
};

struct Fixture {
  explicit Fixture(std::optional<testing::TestIdentity> tls = std::nullopt)
      : server(std::move(tls)) {}

  HttpClient& Client(const std::string& url, std::shared_ptr<const TlsContext> tls = nullptr,
                     size_t max_bytes = 1 << 20) {
    const auto parsed = ParseUrl(url);
    REQUIRE(parsed.ok());
    client = std::make_unique<HttpClient>(
        loop, std::move(tls), *parsed,
        HttpClient::Options{.max_response_bytes = max_bytes, .user_agent = "test"}, recorder);
    return *client;
  }
  void SendAndWait(const HttpRequest& request, int64_t timeout_ns = kNanosPerSecond) {
    const int expected = recorder.count + 1;
    client->Send(request, timeout_ns);
    REQUIRE(PumpUntil(loop, server, [&] { return recorder.count == expected; }));
    CHECK(client->is_idle());
  }

  ManualClock clock;
  EventLoop loop{clock};
  StubServer server;
  Recorder recorder;
  std::unique_ptr<HttpClient> client;
};

TEST_CASE("http client: requests share one connection and arrive as written", "[net][http]") {
  Fixture fixture;
  fixture.server.on_request = [](const StubRequest& request) {
    return StubReply{.status = 201,
                     .body = request.method + " " + request.target + " " + request.body,
                     .headers = {{"Retry-After", "5"}}};
  };
  fixture.Client(fixture.server.HttpUrl());
  fixture.SendAndWait({.target = "/a?b=c", .header_lines = "X-Key: secret\r\n"});
  CHECK(fixture.recorder.status == 201);
  CHECK(fixture.recorder.body == "GET /a?b=c ");
  CHECK(fixture.recorder.retry_after == "5");
  CHECK(fixture.server.requests()[0].Header("x-key") == "secret");
  CHECK(fixture.server.requests()[0].Header("host") ==
        "127.0.0.1:" + std::to_string(fixture.server.port()));
  fixture.SendAndWait({.method = "POST", .target = "/p", .body = "x=1"});
  CHECK(fixture.recorder.body == "POST /p x=1");
  fixture.SendAndWait({.method = "DELETE", .target = "/d"});
  CHECK(fixture.server.connection_count() == 1);
}

TEST_CASE("http client: a large answer is received whole, one beyond the bound is refused",
          "[net][http]") {
  Fixture fixture;
  fixture.server.on_request = [](const StubRequest&) {
    return StubReply{.status = 200, .body = std::string(900'000, 'z')};
  };
  fixture.Client(fixture.server.HttpUrl());
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.body == std::string(900'000, 'z'));
  fixture.Client(fixture.server.HttpUrl(), nullptr, 100'000);
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kUnreadable);
}

TEST_CASE("http client: after the server closed, the next request connects again", "[net][http]") {
  Fixture fixture;
  fixture.server.on_request = [](const StubRequest&) {
    return StubReply{.status = 200, .body = "ok", .closes_after = true};
  };
  fixture.Client(fixture.server.HttpUrl());
  fixture.SendAndWait({.target = "/1"});
  fixture.SendAndWait({.target = "/2"});
  CHECK(fixture.recorder.body == "ok");
  CHECK(fixture.server.connection_count() == 2);
  // Also when the server drops an idle connection without a word.
  fixture.server.on_request = [](const StubRequest&) { return StubReply{.body = "ok"}; };
  fixture.SendAndWait({.target = "/3"});
  fixture.server.CutAll();
  testing::PumpIdle(fixture.loop, fixture.server);
  fixture.SendAndWait({.target = "/4"});
  CHECK(fixture.recorder.body == "ok");
}

TEST_CASE("http client: no answer in time is a timeout after sending", "[net][http]") {
  Fixture fixture;
  fixture.server.on_request = [](const StubRequest&) { return StubReply{.is_silent = true}; };
  HttpClient& client = fixture.Client(fixture.server.HttpUrl());
  client.Send({.target = "/"}, kNanosPerSecond);
  REQUIRE(PumpUntil(fixture.loop, fixture.server,
                    [&] { return fixture.server.requests().size() == 1; }));
  CHECK(fixture.recorder.count == 0);
  fixture.clock.Advance(kNanosPerSecond);
  fixture.loop.RunOnce(0);
  REQUIRE(fixture.recorder.count == 1);
  CHECK(fixture.recorder.failure == HttpFailure::kTimeout);
  // And it works again.
  fixture.server.on_request = [](const StubRequest&) { return StubReply{.body = "ok"}; };
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.body == "ok");
}

TEST_CASE("http client: a cut or a garbled answer says that the request was sent", "[net][http]") {
  Fixture fixture;
  fixture.server.on_request = [](const StubRequest&) { return StubReply{.is_cut = true}; };
  fixture.Client(fixture.server.HttpUrl());
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kDisconnected);

  fixture.server.on_request = [](const StubRequest&) {
    return StubReply{.closes_after = true,
                     .raw = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"};
  };
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kDisconnected);

  fixture.server.on_request = [](const StubRequest&) {
    return StubReply{.raw = "what is this\r\n\r\n"};
  };
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kUnreadable);
}

TEST_CASE("http client: refused and unknown hosts are named, and nothing was sent", "[net][http]") {
  Fixture fixture;
  const std::string url = fixture.server.HttpUrl();
  fixture.server.StopListening();
  fixture.Client(url);
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kNotSent);
  CHECK(fixture.recorder.reason.find("Connection refused") != std::string::npos);
  CHECK(fixture.recorder.reason.find("127.0.0.1:") != std::string::npos);

  const auto tls = TlsContext::Create({});
  REQUIRE(tls.ok());
  fixture.Client("https://no-such-host.invalid/", *tls);
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kNotSent);
  CHECK(fixture.recorder.reason.find("host name not resolved: host=no-such-host.invalid") !=
        std::string::npos);
}

TEST_CASE("http client: an address that the system refuses at once is a failure like any other",
          "[net][http]") {
  Fixture fixture;
  // No stream goes to the broadcast address: connect() itself says so, and nothing leaves.
  fixture.client = std::make_unique<HttpClient>(
      fixture.loop, nullptr,
      Url{.scheme = UrlScheme::kHttp, .host = "255.255.255.255", .port = 9, .target = "/"},
      HttpClient::Options{}, fixture.recorder);
  for (int i = 0; i < 2; ++i) {
    fixture.SendAndWait({.target = "/"});
    CHECK(fixture.recorder.failure == HttpFailure::kNotSent);
    CHECK(fixture.recorder.reason.find("connect to 255.255.255.255:9: ") != std::string::npos);
  }
}

TEST_CASE("http client: may be destroyed while a name is being resolved", "[net][http]") {
  Fixture fixture;
  const auto tls = TlsContext::Create({});
  fixture.Client("https://no-such-host.invalid/", *tls).Send({.target = "/"}, kNanosPerSecond);
  fixture.loop.RunOnce(0);
  fixture.client.reset();
  fixture.loop.RunOnce(0);
  CHECK(fixture.recorder.count == 0);
}

TEST_CASE("tls: a certificate of the configured authority for this host is accepted",
          "[net][tls]") {
  const auto authority = testing::MakeTestAuthority();
  const testing::TemporaryFile ca_file(authority.certificate_pem);
  const auto tls = TlsContext::Create({.ca_file = ca_file.path()});
  REQUIRE(tls.ok());
  SECTION("by address") {
    Fixture fixture(testing::IssueTestCertificate(authority, {.ip_address = "127.0.0.1"}));
    fixture.server.on_request = [](const StubRequest&) { return StubReply{.body = "safe"}; };
    fixture.Client(fixture.server.HttpUrl(), *tls);
    fixture.SendAndWait({.target = "/"});
    CHECK(fixture.recorder.body == "safe");
    fixture.SendAndWait({.target = "/"});
    CHECK(fixture.server.connection_count() == 1);
  }
  SECTION("by name, and a large answer in many records") {
    Fixture fixture(testing::IssueTestCertificate(authority, {.dns_name = "localhost"}));
    fixture.server.on_request = [](const StubRequest&) {
      return StubReply{.body = std::string(900'000, 'y')};
    };
    fixture.Client(fixture.server.HttpUrl("localhost"), *tls);
    fixture.SendAndWait({.target = "/"});
    CHECK(fixture.recorder.body == std::string(900'000, 'y'));
  }
}

TEST_CASE("tls: a certificate that proves nothing is refused in words", "[net][tls]") {
  const auto authority = testing::MakeTestAuthority();
  const testing::TemporaryFile ca_file(authority.certificate_pem);
  struct Row {
    const char* what;
    testing::TestIdentity identity;
    std::string ca_file;
    const char* expected;
  };
  const Row rows[] = {
      {"wrong name", testing::IssueTestCertificate(authority, {.dns_name = "example.com"}),
       ca_file.path(), "hostname mismatch"},
      {"expired",
       testing::IssueTestCertificate(authority, {.dns_name = "localhost", .is_expired = true}),
       ca_file.path(), "certificate has expired"},
      {"unknown authority",
       testing::IssueTestCertificate(testing::MakeTestAuthority(), {.dns_name = "localhost"}),
       ca_file.path(), "certificate signature failure"},
      {"not in the system's list",
       testing::IssueTestCertificate(authority, {.dns_name = "localhost"}), "",
       "unable to get local issuer certificate"},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    Fixture fixture(row.identity);
    const auto tls = TlsContext::Create({.ca_file = row.ca_file});
    REQUIRE(tls.ok());
    fixture.Client(fixture.server.HttpUrl("localhost"), *tls);
    fixture.SendAndWait({.target = "/"});
    CHECK(fixture.recorder.failure == HttpFailure::kNotSent);
    INFO(fixture.recorder.reason);
    CHECK(fixture.recorder.reason.find(row.expected) != std::string::npos);
    CHECK(fixture.server.requests().empty());
  }
}

TEST_CASE("tls: an address must be in the certificate too", "[net][tls]") {
  const auto authority = testing::MakeTestAuthority();
  const testing::TemporaryFile ca_file(authority.certificate_pem);
  const auto tls = TlsContext::Create({.ca_file = ca_file.path()});
  Fixture fixture(testing::IssueTestCertificate(authority, {.dns_name = "localhost"}));
  fixture.Client(fixture.server.HttpUrl("127.0.0.1"), *tls);
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kNotSent);
  CHECK(fixture.recorder.reason.find("IP address mismatch") != std::string::npos);
}

TEST_CASE("tls: a peer that does not speak it is reported, a bad CA file is refused",
          "[net][tls]") {
  Fixture fixture;
  const auto tls = TlsContext::Create({});
  const std::string url = "https://127.0.0.1:" + std::to_string(fixture.server.port());
  fixture.Client(url, *tls);
  fixture.SendAndWait({.target = "/"});
  CHECK(fixture.recorder.failure == HttpFailure::kNotSent);
  CHECK(fixture.recorder.reason.find("TLS: handshake") != std::string::npos);

  const testing::TemporaryFile nonsense("not a certificate");
  for (const std::string& path : {nonsense.path(), std::string("/no/such/file")}) {
    const auto refused = TlsContext::Create({.ca_file = path});
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(std::string(refused.status().message()).find(path) != std::string::npos);
  }
}

}  // namespace
}  // namespace holdfast
