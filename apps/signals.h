#pragma once

#include <cstdint>
#include <optional>

namespace holdfast {

// SIGINT and SIGTERM as something to wait for instead of handlers: blocked in every thread and read
// from a file descriptor. Make it before any thread is started.
class SignalQueue {
 public:
  SignalQueue();
  ~SignalQueue();
  SignalQueue(const SignalQueue&) = delete;
  SignalQueue& operator=(const SignalQueue&) = delete;

  // The next signal, waiting for at most `timeout_ns`; nullopt when none came.
  std::optional<int> Wait(int64_t timeout_ns);

 private:
  int file_;
};

}  // namespace holdfast
