#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>

#include "connectors/net/event_loop.h"
#include "engine/base/clock.h"

namespace holdfast {

// The thread on which the connections of one venue live, shared by its gateway and feed.
//
// Not started, nobody runs the loop: a test (or a single-threaded simulation) then drives loop()
// itself and every call below runs in place.
class NetworkThread {
 public:
  struct Options {
    std::string name = "hf-network";  // shown by ps and top; at most 15 bytes
    // Busy-polls instead of sleeping: lower latency for one whole core.
    bool is_spinning = false;
  };

  NetworkThread(Options options, Clock& clock);
  // Stops the thread. Everything that lives on the loop must be gone or stopped before.
  ~NetworkThread();
  NetworkThread(const NetworkThread&) = delete;
  NetworkThread& operator=(const NetworkThread&) = delete;

  void Start();
  void Stop();
  bool is_running() const { return thread_.joinable(); }

  EventLoop& loop() { return loop_; }
  // Runs `function` on the loop's thread and returns when it is done; in place when no thread runs
  // or when the caller is that thread. Blocks: for construction and shutdown.
  void Execute(const std::function<void()>& function);

 private:
  void Run();

  const Options options_;
  EventLoop loop_;
  std::atomic<bool> is_stopping_{false};
  std::thread thread_;
};

}  // namespace holdfast
