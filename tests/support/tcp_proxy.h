#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace holdfast::testing {

// A TCP proxy on a loopback port of its own, with a thread of its own. Forwards every connection to
// 127.0.0.1:target, and breaks them on demand. Safe to steer from any thread; what is asked for
// holds when the call returns.
class TcpProxy {
 public:
  enum class Direction : uint8_t { kToServer, kToClient };

  explicit TcpProxy(uint16_t target_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  uint16_t port() const { return port_; }

  // Where later connections go.
  void SetTarget(uint16_t port);

  // The connection that carries the `byte_count`-th byte from now in this direction, over all
  // connections, is cut right behind it: exactly that many arrive, nothing more in either
  // direction. 0: at the next byte, which does not arrive. One cut; asking again replaces it.
  void CutAfter(Direction direction, uint64_t byte_count);
  void CancelCut();
  // Cuts what is open now. Both ends see a reset or an end of stream.
  void CutAll();

  // While on, nothing is forwarded in this direction; bytes wait, connections stay open.
  void SetStalled(Direction direction, bool is_stalled);
  // While on, new connections are closed at once.
  void SetRefusing(bool is_refusing);

  uint64_t forwarded_bytes(Direction direction) const;
  uint64_t accepted_count() const;
  uint64_t cut_count() const;  // connections that CutAfter cut
  size_t open_count() const;
  // True once CutAfter's cut has happened; false after `timeout_ms`.
  bool WaitForCut(int timeout_ms);

 private:
  struct Connection;
  struct Flow;

  void Run();
  void Accept();
  // One direction of a connection; false: the connection is over.
  bool Pump(Connection& connection, Direction direction, short client_events, short server_events);
  size_t Allowance(Direction direction, size_t wanted) const;
  void Wake() const;

  int listener_ = -1;
  int wake_ = -1;
  uint16_t port_ = 0;

  mutable std::mutex mutex_;
  bool is_stopping_ = false;
  uint16_t target_port_ = 0;
  bool is_refusing_ = false;
  bool is_stalled_[2] = {false, false};
  std::optional<uint64_t> bytes_until_cut_[2];
  uint64_t forwarded_bytes_[2] = {0, 0};
  uint64_t accepted_count_ = 0;
  uint64_t cut_count_ = 0;
  uint64_t cut_count_seen_ = 0;
  std::vector<std::unique_ptr<Connection>> connections_;

  std::thread thread_;
};

}  // namespace holdfast::testing
