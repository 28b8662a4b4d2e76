#include "tests/fault/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast::testing {
namespace {

constexpr int kPollMs = 5;

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& argv, const std::string& log_path,
                           const std::vector<std::pair<std::string, std::string>>& environment) {
  int ends[2];
  HF_ASSERT(pipe2(ends, O_CLOEXEC) == 0);
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  HF_ASSERT(log >= 0);
  std::vector<char*> arguments;
  for (const std::string& text : argv) arguments.push_back(const_cast<char*>(text.c_str()));
  arguments.push_back(nullptr);
  pid_ = fork();
  HF_ASSERT(pid_ >= 0);
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // never outlives the test
    dup2(ends[1], STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    execv(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  close(log);
  output_ = ends[0];
}

ChildProcess::~ChildProcess() {
  if (!HasEnded()) {
    Signal(SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  if (output_ >= 0) close(output_);
}

bool ChildProcess::ReadSome(int timeout_ms) {
  if (output_ < 0) return false;
  pollfd wanted = {.fd = output_, .events = POLLIN, .revents = 0};
  if (poll(&wanted, 1, timeout_ms) <= 0) return false;
  char bytes[4096];
  const ssize_t size = read(output_, bytes, sizeof(bytes));
  if (size <= 0) {
    close(output_);
    output_ = -1;
    return false;
  }
  unread_.append(bytes, static_cast<size_t>(size));
  return true;
}

std::optional<std::string> ChildProcess::ReadLine(int timeout_ms) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + timeout_ms * kNanosPerMilli;
  while (true) {
    const size_t end = unread_.find('\n');
    if (end != std::string::npos) {
      const std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      return line;
    }
    const int64_t left_ms = (deadline_ns - clock.MonotonicNs()) / kNanosPerMilli;
    if (left_ms <= 0 || !ReadSome(static_cast<int>(left_ms))) return std::nullopt;
  }
}

void ChildProcess::Signal(int signal) const {
  HF_ASSERT(pid_ > 0);
  if (!ending_.has_value()) kill(pid_, signal);
}

bool ChildProcess::HasEnded() {
  if (ending_.has_value()) return true;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) != pid_) return false;
  ending_ = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return true;
}

std::optional<int> ChildProcess::Wait(int timeout_ms) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + timeout_ms * kNanosPerMilli;
  while (!HasEnded()) {
    if (clock.MonotonicNs() > deadline_ns) return std::nullopt;
    unread_.clear();
    if (!ReadSome(kPollMs) && output_ < 0) poll(nullptr, 0, kPollMs);
  }
  return ending_;
}

std::string Tail(const std::string& path, size_t max_bytes) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() <= max_bytes ? all : all.substr(all.size() - max_bytes);
}

}  // namespace holdfast::testing
