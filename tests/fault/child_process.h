#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::testing {

// A program that this test started, and ends whatever happens. One thread.
class ChildProcess {
 public:
  // Starts argv[0]; standard output goes into a pipe, standard error is appended to `log_path`.
  // `environment` is added to ours.
  ChildProcess(const std::vector<std::string>& argv, const std::string& log_path,
               const std::vector<std::pair<std::string, std::string>>& environment = {});
  ~ChildProcess();  // kills it
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The next line of its standard output without the end of line; nullopt when it ended or nothing
  // came within `timeout_ms`.
  std::optional<std::string> ReadLine(int timeout_ms);
  void Signal(int signal) const;
  // Whether it has ended by itself or by a signal.
  bool HasEnded();
  // How it ended: exit code, or 128 + signal. nullopt: still running after `timeout_ms`. What it
  // writes meanwhile is read and dropped, so that it never waits for us.
  std::optional<int> Wait(int timeout_ms);
  pid_t pid() const { return pid_; }

 private:
  bool ReadSome(int timeout_ms);

  pid_t pid_ = -1;
  int output_ = -1;
  std::string unread_;
  std::optional<int> ending_;
};

// Last lines of a file, for a failed test's message.
std::string Tail(const std::string& path, size_t max_bytes = 4000);

}  // namespace holdfast::testing
