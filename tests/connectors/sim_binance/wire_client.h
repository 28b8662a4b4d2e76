#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::sim {

// Plain test clients over loopback. Every wait is bounded by kDeadlineSeconds; running into it is
// reported as a thrown std::runtime_error, which fails the test.
inline constexpr int kDeadlineSeconds = 20;

struct HttpReply {
  int status = 0;
  std::string body;
  std::map<std::string, std::string> headers;  // names in lower case
};

using Headers = std::vector<std::pair<std::string, std::string>>;

// One keep-alive connection.
class HttpClient {
 public:
  explicit HttpClient(uint16_t port);
  ~HttpClient();
  // nullopt: the connection ended without an answer.
  std::optional<HttpReply> Request(const std::string& verb, const std::string& target,
                                   const Headers& headers = {}, const std::string& body = "");
  // For malformed input and pipelining.
  void SendRaw(std::string_view bytes);
  std::optional<HttpReply> ReadReply();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class WsClient {
 public:
  WsClient(uint16_t port, const std::string& path);
  ~WsClient();
  void Send(const std::string& text);
  void SendPing(const std::string& payload);
  // nullopt: the connection ended; then close_code() tells how (0 = cut).
  std::optional<std::string> Receive();
  uint16_t close_code() const;
  int ping_count() const;  // received so far, while reading
  // Bytes straight into the socket, past the WebSocket framing.
  void SendRaw(std::string_view bytes);
  void Close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::sim
