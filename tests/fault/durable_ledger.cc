#include "tests/fault/durable_ledger.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast::testing {
namespace {

// A worker that died with an index in its hand gives it back after this long.
constexpr int64_t kHandOutAgainNs = 2 * kNanosPerSecond;

int64_t WallNs() {
  static const SystemClock clock;
  return clock.WallNs();
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  HF_ASSERT(path.size() < sizeof(address.sun_path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool WriteAll(int fd, const std::string& text) {
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t size = send(fd, text.data() + done, text.size() - done, MSG_NOSIGNAL);
    if (size <= 0) return false;
    done += static_cast<size_t>(size);
  }
  return true;
}

}  // namespace

// ---- Server -------------------------------------------------------------------------------------

LedgerServer::LedgerServer(const std::string& socket_path) {
  listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HF_ASSERT(listener_ >= 0);
  const sockaddr_un address = AddressOf(socket_path);
  HF_ASSERT(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
  HF_ASSERT(listen(listener_, 64) == 0);
  wake_ = eventfd(0, EFD_CLOEXEC);
  HF_ASSERT(wake_ >= 0);
  thread_ = std::thread([this] { Run(); });
}

LedgerServer::~LedgerServer() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
  }
  const uint64_t one = 1;
  HF_ASSERT(write(wake_, &one, sizeof(one)) == sizeof(one));
  thread_.join();
  close(listener_);
  close(wake_);
}

void LedgerServer::SetWanted(int count) {
  const std::lock_guard<std::mutex> lock(mutex_);
  wanted_count_ = count;
}
int LedgerServer::accepted_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return accepted_count_;
}
std::vector<LedgerServer::Arrival> LedgerServer::arrivals() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return arrivals_;
}
size_t LedgerServer::arrival_count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return arrivals_.size();
}
std::vector<std::string> LedgerServer::refusals() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return refusals_;
}

void LedgerServer::Run() {
  std::vector<Client> clients;
  while (true) {
    std::vector<pollfd> wanted = {{.fd = wake_, .events = POLLIN, .revents = 0},
                                  {.fd = listener_, .events = POLLIN, .revents = 0}};
    for (const Client& client : clients) {
      wanted.push_back({.fd = client.fd, .events = POLLIN, .revents = 0});
    }
    poll(wanted.data(), wanted.size(), -1);
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      if (is_stopping_) break;
    }
    std::vector<Client> left;
    for (size_t i = 0; i < clients.size(); ++i) {
      if (wanted[i + 2].revents == 0 || Read(clients[i])) {
        left.push_back(std::move(clients[i]));
      } else {
        close(clients[i].fd);
      }
    }
    clients = std::move(left);
    if (wanted[1].revents != 0) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) clients.push_back({.fd = fd, .unread = {}});
    }
  }
  for (const Client& client : clients) close(client.fd);
}

bool LedgerServer::Read(Client& client) {
  char bytes[4096];
  const ssize_t size = recv(client.fd, bytes, sizeof(bytes), 0);
  if (size <= 0) return false;
  client.unread.append(bytes, static_cast<size_t>(size));
  for (size_t end; (end = client.unread.find('\n')) != std::string::npos;) {
    const std::string line = client.unread.substr(0, end);
    client.unread.erase(0, end + 1);
    if (!WriteAll(client.fd, Answer(line) + "\n")) return false;
  }
  return true;
}

std::string LedgerServer::Answer(const std::string& line) {
  std::istringstream text(line);
  std::string verb;
  text >> verb;
  const std::lock_guard<std::mutex> lock(mutex_);
  if (verb == "effect") {
    Arrival arrival;
    OutsideEffect& effect = arrival.effect;
    text >> effect.workflow_id >> effect.function_id >> effect.attempt >> effect.process_id >>
        effect.run >> effect.started_ns;
    HF_ASSERT(!text.fail());
    arrival.arrived_ns = WallNs();
    arrivals_.push_back(std::move(arrival));
    return "ok";
  }
  if (verb == "next") {
    const int64_t now_ns = WallNs();
    for (auto& [index, again_ns] : handed_out_) {
      if (again_ns > now_ns) continue;
      again_ns = now_ns + kHandOutAgainNs;
      return absl::StrCat("start ", index);
    }
    if (next_index_ >= wanted_count_) return "none";
    handed_out_[next_index_] = now_ns + kHandOutAgainNs;
    return absl::StrCat("start ", next_index_++);
  }
  int index = -1;
  text >> index;
  if (verb == "accepted") {
    accepted_count_ += static_cast<int>(handed_out_.erase(index));
  } else {
    refusals_.push_back(line);
  }
  return "ok";
}

// ---- Client -------------------------------------------------------------------------------------

LedgerClient::LedgerClient(const std::string& socket_path) {
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HF_ASSERT(fd_ >= 0);
  const sockaddr_un address = AddressOf(socket_path);
  HF_ASSERT(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
}

LedgerClient::~LedgerClient() { close(fd_); }

std::optional<std::string> LedgerClient::Ask(const std::string& line) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!WriteAll(fd_, line + "\n")) return std::nullopt;
  size_t end;
  while ((end = unread_.find('\n')) == std::string::npos) {
    char bytes[256];
    const ssize_t size = recv(fd_, bytes, sizeof(bytes), 0);
    if (size <= 0) return std::nullopt;
    unread_.append(bytes, static_cast<size_t>(size));
  }
  const std::string answer = unread_.substr(0, end);
  unread_.erase(0, end + 1);
  return answer;
}

absl::Status LedgerClient::Append(const OutsideEffect& effect) {
  const auto answer =
      Ask(absl::StrCat("effect ", effect.workflow_id, " ", effect.function_id, " ", effect.attempt,
                       " ", effect.process_id, " ", effect.run, " ", effect.started_ns));
  if (answer == "ok") return absl::OkStatus();
  return absl::UnavailableError("the ledger does not answer");
}

std::optional<int> LedgerClient::Next() {
  const std::optional<std::string> answer = Ask("next");
  if (!answer || answer->compare(0, 6, "start ") != 0) return std::nullopt;
  return std::stoi(answer->substr(6));
}

void LedgerClient::Accepted(int index) { Ask(absl::StrCat("accepted ", index)); }

void LedgerClient::Refused(int index, const std::string& why) {
  Ask(absl::StrCat("refused ", index, " ", why.substr(0, why.find('\n'))));
}

}  // namespace holdfast::testing
