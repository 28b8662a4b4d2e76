// Proves that URLs are taken apart exactly and that nothing unencrypted leaves the machine.
// Tables of accepted and refused texts.

#include "connectors/net/url.h"

#include <catch2/catch.hpp>

namespace holdfast {
namespace {

TEST_CASE("url: scheme, host, port and target are taken apart", "[net][url]") {
  struct Row {
    const char* text;
    UrlScheme scheme;
    const char* host;
    uint16_t port;
    const char* target;
    const char* host_header;
  };
  const Row rows[] = {
      {"https://api.binance.com", UrlScheme::kHttps, "api.binance.com", 443, "/",
       "api.binance.com"},
      {"wss://ws-api.binance.com:443/ws-api/v3", UrlScheme::kWss, "ws-api.binance.com", 443,
       "/ws-api/v3", "ws-api.binance.com"},
      {"wss://stream.binance.com:9443/stream?streams=a/b", UrlScheme::kWss, "stream.binance.com",
       9443, "/stream?streams=a/b", "stream.binance.com:9443"},
      {"http://127.0.0.1:8080", UrlScheme::kHttp, "127.0.0.1", 8080, "/", "127.0.0.1:8080"},
      {"ws://localhost?x=1", UrlScheme::kWs, "localhost", 80, "/?x=1", "localhost"},
      {"http://[::1]:1/", UrlScheme::kHttp, "::1", 1, "/", "[::1]:1"},
      {"HTTPS://Example.com/", UrlScheme::kHttps, "Example.com", 443, "/", "Example.com"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    const auto url = ParseUrl(row.text);
    REQUIRE(url.ok());
    CHECK(url->scheme == row.scheme);
    CHECK(url->host == row.host);
    CHECK(url->port == row.port);
    CHECK(url->target == row.target);
    CHECK(url->HostHeader() == row.host_header);
  }
}

TEST_CASE("url: malformed text is refused with its reason", "[net][url]") {
  const char* const rows[] = {"",
                              "api.binance.com",
                              "ftp://api.binance.com",
                              "https://",
                              "https:///path",
                              "https://host:0/",
                              "https://host:65536/",
                              "https://host:12x/",
                              "https://host:/",
                              "https://user@host/",
                              "https://host/#fragment",
                              "https://ho st/",
                              "https://host/\r\nX: y",
                              "https://[::1/",
                              "https://[zz]/",
                              "https://[::1]x/",
                              "https://h\xc3\xa4st/",
                              "https://host$/"};
  for (const char* text : rows) {
    INFO(text);
    const auto url = ParseUrl(text);
    REQUIRE_FALSE(url.ok());
    CHECK(url.status().code() == absl::StatusCode::kInvalidArgument);
  }
  CHECK_FALSE(ParseUrl("https://" + std::string(3000, 'a')).ok());
}

TEST_CASE("url: a refusal does not repeat user name and password", "[net][url]") {
  for (const char* text : {"https://user:hunter2@host/", "https://user:hun/hunter2@host/",
                           "user:hunter2@host", "https://user:hunter2@ho st/"}) {
    INFO(text);
    const auto url = ParseUrl(text);
    REQUIRE_FALSE(url.ok());
    const std::string message(url.status().message());
    CHECK(message.find("hunter2") == std::string::npos);
    CHECK(message.find("user:") == std::string::npos);
    CHECK(message.find("***@ho") != std::string::npos);
  }
}

TEST_CASE("url: an unencrypted scheme is for loopback only", "[net][url]") {
  for (const char* text : {"ws://127.0.0.1:1/", "ws://127.9.8.7/", "http://localhost/",
                           "http://LOCALHOST/", "ws://[::1]/"}) {
    INFO(text);
    CHECK(ParseUrl(text).ok());
  }
  for (const char* text : {"ws://stream.binance.com/", "http://10.0.0.1/", "http://128.0.0.1/",
                           "http://127.0.0.1.evil.com/", "http://localhost.evil.com/"}) {
    INFO(text);
    const auto url = ParseUrl(text);
    REQUIRE_FALSE(url.ok());
    CHECK(std::string(url.status().message()).find("loopback") != std::string::npos);
  }
}

TEST_CASE("url: joining a base and a path leaves one slash", "[net][url]") {
  CHECK(JoinUrl("https://a", "b") == "https://a/b");
  CHECK(JoinUrl("https://a/", "/b") == "https://a/b");
}

}  // namespace
}  // namespace holdfast
