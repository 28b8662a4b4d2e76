#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>

#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast::testing {
namespace {

constexpr size_t kBufferBytes = 64 * 1024;
constexpr int kPollMs = 2;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

size_t IndexOf(TcpProxy::Direction direction) { return static_cast<size_t>(direction); }

void NoDelay(int descriptor) {
  const int on = 1;
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

bool IsRetry() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

// Bytes read at one end and not yet written at the other.
struct TcpProxy::Flow {
  std::array<char, kBufferBytes> buffer;
  size_t begin = 0;
  size_t end = 0;
  bool is_source_done = false;
  bool is_sink_done = false;
};

struct TcpProxy::Connection {
  ~Connection() {
    close(client);
    close(server);
  }
  int client = -1;
  int server = -1;
  Flow flows[2];  // by Direction
};

TcpProxy::TcpProxy(uint16_t target_port) : target_port_(target_port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  HF_ASSERT(listener_ >= 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  HF_ASSERT(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  HF_ASSERT(listen(listener_, SOMAXCONN) == 0);
  HF_ASSERT(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  wake_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  HF_ASSERT(wake_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  Wake();
  thread_.join();
  close(listener_);
  close(wake_);
}

void TcpProxy::Wake() const {
  const uint64_t one = 1;
  static_cast<void>(!write(wake_, &one, sizeof(one)));
}

void TcpProxy::SetTarget(uint16_t port) {
  const std::lock_guard lock(mutex_);
  target_port_ = port;
}

void TcpProxy::CutAfter(Direction direction, uint64_t byte_count) {
  const std::lock_guard lock(mutex_);
  bytes_until_cut_[0].reset();
  bytes_until_cut_[1].reset();
  bytes_until_cut_[IndexOf(direction)] = byte_count;
  cut_count_seen_ = cut_count_;
}

void TcpProxy::CancelCut() {
  const std::lock_guard lock(mutex_);
  bytes_until_cut_[0].reset();
  bytes_until_cut_[1].reset();
}

void TcpProxy::CutAll() {
  {
    const std::lock_guard lock(mutex_);
    connections_.clear();
  }
  Wake();
}

void TcpProxy::SetStalled(Direction direction, bool is_stalled) {
  {
    const std::lock_guard lock(mutex_);
    is_stalled_[IndexOf(direction)] = is_stalled;
  }
  Wake();
}

void TcpProxy::SetRefusing(bool is_refusing) {
  const std::lock_guard lock(mutex_);
  is_refusing_ = is_refusing;
}

uint64_t TcpProxy::forwarded_bytes(Direction direction) const {
  const std::lock_guard lock(mutex_);
  return forwarded_bytes_[IndexOf(direction)];
}

uint64_t TcpProxy::accepted_count() const {
  const std::lock_guard lock(mutex_);
  return accepted_count_;
}

uint64_t TcpProxy::cut_count() const {
  const std::lock_guard lock(mutex_);
  return cut_count_;
}

size_t TcpProxy::open_count() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

bool TcpProxy::WaitForCut(int timeout_ms) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + timeout_ms * kNanosPerMilli;
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (cut_count_ > cut_count_seen_) return true;
    }
    if (clock.MonotonicNs() > deadline_ns) return false;
    poll(nullptr, 0, kPollMs);
  }
}

void TcpProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (client < 0) return;
  ++accepted_count_;
  auto connection = std::make_unique<Connection>();
  connection->client = client;
  if (is_refusing_) return;
  // Loopback: answered at once, or refused at once. Connected before it turns non-blocking.
  connection->server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(target_port_);
  if (connect(connection->server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) !=
      0) {
    return;
  }
  HF_ASSERT(fcntl(connection->server, F_SETFL, O_NONBLOCK) == 0);
  NoDelay(connection->client);
  NoDelay(connection->server);
  connections_.push_back(std::move(connection));
}

// How many of `wanted` bytes may be forwarded now.
size_t TcpProxy::Allowance(Direction direction, size_t wanted) const {
  if (is_stalled_[IndexOf(direction)]) return 0;
  const std::optional<uint64_t>& left = bytes_until_cut_[IndexOf(direction)];
  return left.has_value() ? static_cast<size_t>(std::min<uint64_t>(*left, wanted)) : wanted;
}

bool TcpProxy::Pump(Connection& connection, Direction direction, short client_events,
                    short server_events) {
  const bool is_to_server = direction == Direction::kToServer;
  const int source = is_to_server ? connection.client : connection.server;
  const int sink = is_to_server ? connection.server : connection.client;
  const short source_events = is_to_server ? client_events : server_events;
  Flow& flow = connection.flows[IndexOf(direction)];

  if ((source_events & (POLLIN | POLLHUP | POLLERR)) != 0 && flow.begin == flow.end &&
      !flow.is_source_done) {
    flow.begin = flow.end = 0;
    const ssize_t count = recv(source, flow.buffer.data(), kBufferBytes, 0);
    if (count > 0) flow.end = static_cast<size_t>(count);
    if (count == 0) flow.is_source_done = true;
    if (count < 0 && !IsRetry()) return false;
  }
  std::optional<uint64_t>& until_cut = bytes_until_cut_[IndexOf(direction)];
  while (flow.begin < flow.end) {
    const size_t allowed = Allowance(direction, flow.end - flow.begin);
    if (allowed > 0) {
      const ssize_t count = send(sink, flow.buffer.data() + flow.begin, allowed, MSG_NOSIGNAL);
      if (count < 0 && IsRetry()) break;
      if (count < 0) return false;
      flow.begin += static_cast<size_t>(count);
      forwarded_bytes_[IndexOf(direction)] += static_cast<uint64_t>(count);
      if (until_cut.has_value()) *until_cut -= static_cast<uint64_t>(count);
    }
    if (until_cut == 0U) {
      until_cut.reset();
      ++cut_count_;
      return false;
    }
    if (allowed == 0) break;
  }
  if (flow.is_source_done && flow.begin == flow.end && !flow.is_sink_done) {
    flow.is_sink_done = true;
    shutdown(sink, SHUT_WR);
  }
  return !(connection.flows[0].is_sink_done && connection.flows[1].is_sink_done);
}

void TcpProxy::Run() {
  std::vector<pollfd> descriptors;
  std::vector<const Connection*> polled;
  while (true) {
    descriptors.assign({{.fd = listener_, .events = POLLIN, .revents = 0},
                        {.fd = wake_, .events = POLLIN, .revents = 0}});
    polled.clear();
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) break;
      for (const auto& connection : connections_) {
        short client = 0;
        short server = 0;
        const Flow& up = connection->flows[IndexOf(Direction::kToServer)];
        const Flow& down = connection->flows[IndexOf(Direction::kToClient)];
        if (up.begin == up.end && !up.is_source_done) client |= POLLIN;
        if (down.begin == down.end && !down.is_source_done) server |= POLLIN;
        if (up.begin < up.end && !is_stalled_[0]) server |= POLLOUT;
        if (down.begin < down.end && !is_stalled_[1]) client |= POLLOUT;
        // An end without a wish is left out: its hang-up would wake us for ever.
        descriptors.push_back(
            {.fd = client == 0 ? -1 : connection->client, .events = client, .revents = 0});
        descriptors.push_back(
            {.fd = server == 0 ? -1 : connection->server, .events = server, .revents = 0});
        polled.push_back(connection.get());
      }
    }
    if (poll(descriptors.data(), descriptors.size(), -1) < 0) continue;
    const std::lock_guard lock(mutex_);
    uint64_t drained = 0;
    static_cast<void>(!read(wake_, &drained, sizeof(drained)));
    // Connections may have been cut meanwhile; those that are left are matched by address.
    std::erase_if(connections_, [&](const std::unique_ptr<Connection>& connection) {
      const auto at = std::find(polled.begin(), polled.end(), connection.get());
      if (at == polled.end()) return false;
      const size_t index = 2 + 2 * static_cast<size_t>(at - polled.begin());
      const short client = descriptors[index].revents;
      const short server = descriptors[index + 1].revents;
      return !Pump(*connection, Direction::kToServer, client, server) ||
             !Pump(*connection, Direction::kToClient, client, server);
    });
    if ((descriptors[0].revents & POLLIN) != 0) Accept();
  }
  const std::lock_guard lock(mutex_);
  connections_.clear();
}

}  // namespace holdfast::testing
