// Proves that HTTP answers are assembled the same however the network cuts them, and that anything
// that is not a proper answer is refused. Each text is fed whole and byte by byte.

#include "connectors/net/http_response_reader.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <optional>

namespace holdfast {
namespace {

constexpr size_t kMaxBytes = 64 * 1024;

struct Outcome {
  bool is_complete = false;
  bool must_close = false;
  int status = 0;
  std::string body;
  absl::Status error;
  size_t consumed = 0;
};

Outcome Feed(std::string_view text, size_t piece_bytes, bool ends = false) {
  HttpResponseReader reader(kMaxBytes);
  Outcome outcome;
  while (!text.empty() && !outcome.is_complete) {
    const size_t count = std::min({piece_bytes, text.size(), reader.WriteSpace()});
    memcpy(reader.WritePosition(), text.data(), count);
    text.remove_prefix(count);
    outcome.consumed += count;
    const auto result = reader.Commit(count);
    if (!result.ok()) {
      outcome.error = result.status();
      return outcome;
    }
    outcome.is_complete = *result;
  }
  if (!outcome.is_complete && ends) outcome.is_complete = reader.OnEndOfStream();
  outcome.must_close = reader.must_close();
  outcome.status = reader.response().status;
  outcome.body = std::string(reader.response().body);
  return outcome;
}

TEST_CASE("http answer: complete with a length, chunks or the end of the stream", "[net][http]") {
  struct Row {
    std::string text;
    int status;
    std::string body;
    bool must_close;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false},
      {"HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 200, "", false},
      {"HTTP/1.1 204 No Content\r\n\r\n", 204, "", false},
      {"HTTP/1.1 400 Bad\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", 400, "{}", true},
      {"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x", true},
      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n"
       "0\r\n\r\n",
       200, "abc0123456789", false},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny", 200, "y",
       false},
      {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\ny", 200, "y", false},
      {"HTTP/1.1 502 Bad Gateway\r\n\r\n<html>", 502, "<html>", true},
  };
  for (const Row& row : rows) {
    for (size_t piece : {size_t{1}, size_t{3}, row.text.size()}) {
      INFO(row.text << " in pieces of " << piece);
      const Outcome outcome = Feed(row.text, piece, true);
      REQUIRE(outcome.error.ok());
      REQUIRE(outcome.is_complete);
      CHECK(outcome.status == row.status);
      CHECK(outcome.body == row.body);
      CHECK(outcome.must_close == row.must_close);
    }
  }
}

TEST_CASE("http answer: what is not one is refused", "[net][http]") {
  const std::string rows[] = {
      "SSH-2.0-OpenSSH\r\n\r\n",
      "HTTP/2 200 OK\r\n\r\n",
      "HTTP/1.1 abc OK\r\n\r\n",
      "HTTP/1.1 099 Low\r\n\r\n",
      "HTTP/1.1  200 OK\r\n\r\n",
      "HTTP/1.1 2000\r\n\r\n",
      "HTTP/1.1 101 Switching Protocols\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
      "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\n",
      "HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
      "HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
      "HTTP/1.1 200 OK\r\nBad name: x\r\n\r\n",
      std::string("HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n", 28),
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
      "HTTP/1.1 200 OK\r\nA: " + std::string(20'000, 'x') + "\r\n\r\n",
  };
  for (const std::string& text : rows) {
    for (size_t piece : {size_t{1}, text.size()}) {
      INFO(text.substr(0, 80) << " in pieces of " << piece);
      CHECK_FALSE(Feed(text, piece, true).error.ok());
    }
  }
}

TEST_CASE("http answer: larger than the bound is refused before it is read", "[net][http]") {
  const Outcome by_length = Feed("HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", 1000);
  CHECK(by_length.error.code() == absl::StatusCode::kResourceExhausted);
  const Outcome endless = Feed("HTTP/1.1 200 OK\r\n\r\n" + std::string(100'000, 'x'), 4096);
  CHECK(endless.error.code() == absl::StatusCode::kResourceExhausted);
  std::string chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (int i = 0; i < 100; ++i) chunks += "400\r\n" + std::string(0x400, 'x') + "\r\n";
  CHECK(Feed(chunks, 4096).error.code() == absl::StatusCode::kResourceExhausted);
}

TEST_CASE("http answer: a body cut short is not complete", "[net][http]") {
  CHECK_FALSE(Feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 100, true).is_complete);
  CHECK_FALSE(Feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell", 100, true)
                  .is_complete);
  CHECK_FALSE(Feed("HTTP/1.1 200 OK\r\nContent-Le", 100, true).is_complete);
}

TEST_CASE("http answer: bytes beyond it mean that the connection is out of step", "[net][http]") {
  const Outcome outcome = Feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1", 100);
  CHECK(outcome.is_complete);
  CHECK(outcome.body == "x");
  CHECK(outcome.must_close);
}

TEST_CASE("http answer: headers are found whatever their case", "[net][http]") {
  HttpResponse response;
  response.header_lines = "Retry-After: 7\r\nX-MBX-USED-WEIGHT-1M:  12 \r\n";
  CHECK(response.Header("retry-after") == "7");
  CHECK(response.Header("X-Mbx-Used-Weight-1m") == "12");
  CHECK(response.Header("x-mbx") == "");
}

}  // namespace
}  // namespace holdfast
