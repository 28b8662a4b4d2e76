#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace holdfast::sim {

// The one thread that owns the simulated venue: sockets, timers and the venue itself are touched
// only from inside Run(). Stop() and Post() are callable from any thread (Stop() also from a signal
// handler installed by StopOnSignals()).
class ServerLoop {
 public:
  ServerLoop();
  ~ServerLoop();
  ServerLoop(const ServerLoop&) = delete;
  ServerLoop& operator=(const ServerLoop&) = delete;

  // Runs handlers until Stop(). May be called once.
  void Run();
  void Stop();
  // Any thread. Runs `task` on the loop's thread.
  void Post(std::function<void()> task);
  // Loop thread (or before Run()). Runs `task` once, not before `delay_ns` of monotonic time.
  void RunAfter(int64_t delay_ns, std::function<void()> task);
  // Loop thread (or before Run()). Runs `task` for ever, `period_ns` after its previous end.
  void RunEvery(int64_t period_ns, std::function<void()> task);
  // SIGINT and SIGTERM call `task` on the loop's thread, once each.
  void OnTerminationSignal(std::function<void()> task);

  struct Impl;  // server_loop_impl.h, for the transport only
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::sim
