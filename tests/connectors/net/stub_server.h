#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast::testing {

// An authority and what it signed, made on the spot, as PEM.
struct TestIdentity {
  std::string certificate_pem;
  std::string private_key_pem;
};
TestIdentity MakeTestAuthority();
struct TestCertificateOptions {
  std::string dns_name = {};    // subject alternative name; empty = none
  std::string ip_address = {};  // the same
  bool is_expired = false;
};
TestIdentity IssueTestCertificate(const TestIdentity& authority,
                                  const TestCertificateOptions& options);
// An unencrypted PKCS#8 Ed25519 key in PEM and its public half.
struct TestKeyPair {
  std::string private_key_pem;
  std::string public_key_pem;
};
TestKeyPair MakeEd25519KeyPair();
// A file below the system's temporary folder that is removed when this goes out of scope.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content);
  ~TemporaryFile();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

struct StubRequest {
  std::string method;
  std::string target;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;

  std::string Header(std::string_view name) const;
  // "/api/v3/order" of "/api/v3/order?symbol=..".
  std::string Path() const { return target.substr(0, target.find('?')); }
  // Value of a query parameter, as sent; empty when absent.
  std::string Parameter(std::string_view name) const;
};

struct StubReply {
  int status = 200;
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
  bool is_silent = false;               // never answers; the connection stays
  bool is_cut = false;                  // closes the connection instead of answering
  bool closes_after = false;            // answers, then closes
  std::optional<std::string> raw = {};  // written as it is instead of a proper answer
};

// A scripted HTTP and WebSocket server on a loopback port, built on Boost.Beast: an implementation
// independent of the clients under test. Everything runs inside Poll() on the caller's thread.
class StubServer {
 public:
  class Session;  // one WebSocket connection
  using SessionPointer = std::shared_ptr<Session>;

  explicit StubServer(std::optional<TestIdentity> tls = std::nullopt);
  ~StubServer();

  uint16_t port() const;
  // "ws://127.0.0.1:port" and so on, without a path.
  std::string HttpUrl(std::string_view host = "127.0.0.1") const;
  std::string WebSocketUrl(std::string_view host = "127.0.0.1") const;

  // The script. Unset: requests get 404, messages are ignored.
  std::function<StubReply(const StubRequest&)> on_request;
  // `target` is the path with the query. Return false to refuse the upgrade with a 403.
  std::function<bool(const std::string& target)> on_upgrade;
  StubReply refusal = {.status = 403, .body = "no"};  // or with this instead
  std::function<void(const SessionPointer&)> on_open;
  std::function<void(const SessionPointer&, const std::string& text)> on_message;
  std::function<void(const SessionPointer&)> on_session_end;

  // Runs what is ready; returns the number of handlers run.
  int Poll();
  // Cuts all connections.
  void CutAll();
  // Stops listening: later connections are refused.
  void StopListening();

  int connection_count() const;                      // accepted so far
  const std::vector<StubRequest>& requests() const;  // all so far

  struct Implementation;

 private:
  std::unique_ptr<Implementation> implementation_;
};

class StubServer::Session {
 public:
  virtual ~Session() = default;
  virtual const std::string& target() const = 0;
  virtual void Send(std::string text) = 0;
  virtual void SendBinary(std::string bytes) = 0;
  virtual void SendFragmented(std::string text, size_t fragment_bytes) = 0;
  virtual void SendRaw(std::string bytes) = 0;  // past the WebSocket layer, for broken frames
  virtual void Ping(std::string payload) = 0;
  virtual void CloseWith(uint16_t code, std::string reason) = 0;
  virtual void Cut() = 0;
  virtual bool is_open() const = 0;
  virtual int pong_count() const = 0;
  virtual int ping_count() const = 0;  // of the client's
};

}  // namespace holdfast::testing
