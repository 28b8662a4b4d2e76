// Proves that the proxy forwards everything, and cuts, stalls and refuses exactly as asked. Runs
// plain sockets on loopback through it, with a peer that answers in its own thread.
#include "tests/support/tcp_proxy.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <string>
#include <thread>
#include <vector>

namespace holdfast::testing {
namespace {

using Direction = TcpProxy::Direction;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

// Accepts one connection after the other on a thread and hands back what it gets, in upper case.
class ShoutingServer {
 public:
  ShoutingServer() {
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address = Loopback(0);
    socklen_t size = sizeof(address);
    REQUIRE(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(listener_, 16) == 0);
    REQUIRE(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~ShoutingServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  uint16_t port() const { return port_; }

 private:
  void Serve() const {
    while (true) {
      const int peer = accept(listener_, nullptr, nullptr);
      if (peer < 0) return;
      std::array<char, 4096> buffer;
      for (ssize_t count = 0; (count = recv(peer, buffer.data(), buffer.size(), 0)) > 0;) {
        for (ssize_t i = 0; i < count; ++i) {
          char& c = buffer[static_cast<size_t>(i)];
          if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        }
        if (send(peer, buffer.data(), static_cast<size_t>(count), MSG_NOSIGNAL) < 0) break;
      }
      close(peer);
    }
  }

  int listener_ = -1;
  uint16_t port_ = 0;
  std::thread thread_;
};

class Client {
 public:
  explicit Client(uint16_t port, int receive_buffer_bytes = 0) {
    descriptor_ = socket(AF_INET, SOCK_STREAM, 0);
    if (receive_buffer_bytes > 0) {
      setsockopt(descriptor_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof(int));
    }
    const sockaddr_in address = Loopback(port);
    REQUIRE(connect(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) ==
            0);
    SetTimeout(20'000);
  }
  ~Client() { close(descriptor_); }
  void SetTimeout(int timeout_ms) {
    const timeval timeout = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  }
  void Send(const std::string& text) {
    REQUIRE(send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }
  void FinishSending() { shutdown(descriptor_, SHUT_WR); }
  // Exactly `count` bytes, or what came before the end.
  std::string Receive(size_t count) {
    std::string text;
    std::array<char, 4096> buffer;
    while (text.size() < count) {
      const size_t wanted = std::min(buffer.size(), count - text.size());
      const ssize_t got = recv(descriptor_, buffer.data(), wanted, 0);
      if (got <= 0) break;
      text.append(buffer.data(), static_cast<size_t>(got));
    }
    return text;
  }
  bool IsEnded() {
    char byte = 0;
    const ssize_t got = recv(descriptor_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }

 private:
  int descriptor_ = -1;
};

}  // namespace

TEST_CASE("proxy: forwards in both directions, and the end of a stream", "[support]") {
  const ShoutingServer server;
  TcpProxy proxy(server.port());
  Client client(proxy.port());
  client.Send("hello");
  CHECK(client.Receive(5) == "HELLO");
  client.FinishSending();
  CHECK(client.IsEnded());
  CHECK(proxy.forwarded_bytes(Direction::kToServer) == 5);
  CHECK(proxy.forwarded_bytes(Direction::kToClient) == 5);
  CHECK(proxy.accepted_count() == 1);
}

TEST_CASE("proxy: more than its buffers passes unharmed", "[support]") {
  const ShoutingServer server;
  TcpProxy proxy(server.port());
  Client client(proxy.port(), 4096);
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += std::to_string(i) + "x";
  std::thread sender([&] { client.Send(text); });
  const std::string got = client.Receive(text.size());
  sender.join();
  for (char& c : text) {
    if (c == 'x') c = 'X';
  }
  CHECK(got == text);
}

TEST_CASE("proxy: cuts right behind the byte that was named", "[support]") {
  const ShoutingServer server;
  TcpProxy proxy(server.port());
  for (const uint64_t count : {0, 1, 3, 5}) {
    Client client(proxy.port());
    client.Send("warm");
    REQUIRE(client.Receive(4) == "WARM");
    const uint64_t before = proxy.forwarded_bytes(Direction::kToClient);
    proxy.CutAfter(Direction::kToClient, count);
    client.Send("hello");
    CHECK(client.Receive(100) == std::string("HELLO").substr(0, count));
    CHECK(proxy.WaitForCut(20'000));
    CHECK(proxy.forwarded_bytes(Direction::kToClient) - before == count);
  }
  for (const uint64_t count : {0, 1, 4}) {
    Client client(proxy.port());
    const uint64_t before = proxy.forwarded_bytes(Direction::kToServer);
    proxy.CutAfter(Direction::kToServer, count);
    client.Send("hello");
    CHECK(client.Receive(100).size() <= count);
    CHECK(proxy.forwarded_bytes(Direction::kToServer) - before == count);
  }
  CHECK(proxy.cut_count() == 7);
  Client client(proxy.port());
  client.Send("on");
  CHECK(client.Receive(2) == "ON");
}

TEST_CASE("proxy: counts towards a cut over several messages and connections", "[support]") {
  const ShoutingServer server;
  TcpProxy proxy(server.port());
  proxy.CutAfter(Direction::kToServer, 6);
  {
    Client first(proxy.port());
    first.Send("abc");
    CHECK(first.Receive(3) == "ABC");
  }
  CHECK(proxy.cut_count() == 0);
  Client second(proxy.port());
  second.Send("defgh");
  CHECK(proxy.WaitForCut(20'000));
  CHECK(second.Receive(100).size() <= 3);
  proxy.CutAfter(Direction::kToServer, 1);
  proxy.CancelCut();
  Client third(proxy.port());
  third.Send("xyz");
  CHECK(third.Receive(3) == "XYZ");
}

TEST_CASE("proxy: stalled bytes wait and then come", "[support]") {
  const ShoutingServer server;
  TcpProxy proxy(server.port());
  Client client(proxy.port());
  proxy.SetStalled(Direction::kToClient, true);
  client.Send("hello");
  client.SetTimeout(50);
  CHECK(client.Receive(5).empty());
  client.SetTimeout(20'000);
  proxy.SetStalled(Direction::kToClient, false);
  CHECK(client.Receive(5) == "HELLO");
}

TEST_CASE("proxy: refuses, goes elsewhere, and cuts all on demand", "[support]") {
  const ShoutingServer server;
  TcpProxy proxy(1);  // nobody listens there
  CHECK(Client(proxy.port()).IsEnded());
  proxy.SetTarget(server.port());
  proxy.SetRefusing(true);
  CHECK(Client(proxy.port()).IsEnded());
  proxy.SetRefusing(false);
  Client client(proxy.port());
  client.Send("hi");
  CHECK(client.Receive(2) == "HI");
  CHECK(proxy.open_count() == 1);
  proxy.CutAll();
  CHECK(client.IsEnded());
  CHECK(proxy.open_count() == 0);
}

}  // namespace holdfast::testing
