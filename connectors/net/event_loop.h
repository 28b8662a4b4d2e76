#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "engine/base/clock.h"

namespace holdfast {

// Readiness, timers and wake-ups for the connections of one network thread.
//
// A thin layer over epoll rather than a general framework: one order round trip costs exactly one
// send, one wait and one receive, nothing is allocated per message, and the same loop can be driven
// by hand on a test's thread with a manual clock.
//
// Threads: everything belongs to the thread that calls RunOnce(), except Wake() and Post().
class EventLoop {
 public:
  class IoHandler {
   public:
    virtual ~IoHandler() = default;
    virtual void OnIo(uint32_t events) = 0;  // EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP
  };
  // Looks at queues filled by other threads, once a turn.
  class Poller {
   public:
    virtual ~Poller() = default;
    virtual int PollOnce() = 0;  // returns the amount of work done
  };

  explicit EventLoop(Clock& clock);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  Clock& clock() { return clock_; }
  int64_t NowNs() const { return clock_.MonotonicNs(); }

  // One turn: pollers, due timers, ready sockets. Waits for at most `max_wait_ns` when there is
  // nothing to do. Returns the amount of work done.
  int RunOnce(int64_t max_wait_ns);

  // Any thread. Ends the wait of the turn in progress, if there is one. One locked instruction
  // while the loop is awake, one system call when it sleeps; never allocates.
  void Wake();
  // Any thread. Runs `function` in a turn of the loop. Allocates: not for the hot path.
  void Post(std::function<void()> function);

  void Watch(int fd, uint32_t events, IoHandler* handler);
  void Modify(int fd, uint32_t events, IoHandler* handler);
  // After this the handler is not called again, not even for events already read.
  void Unwatch(int fd);
  void AddPoller(Poller* poller);
  void RemovePoller(Poller* poller);

 private:
  friend class Timer;
  struct ReadyEvent;
  static constexpr int kMaxReadyEvents = 32;

  int RunPollers();
  int RunTimers();
  int RunPosted();
  int64_t NextTimerNs() const;
  int WaitForIo(int64_t wait_ns);

  Clock& clock_;
  int epoll_fd_;
  int wake_fd_;
  std::vector<Poller*> pollers_;
  std::vector<class Timer*> timers_;  // all that exist, armed or not: a handful per connection
  // The batch being dispatched; Unwatch() clears entries in it.
  int ready_fds_[kMaxReadyEvents] = {};
  int ready_count_ = 0;
  std::vector<IoHandler*> handlers_;  // by file descriptor
  std::atomic<uint32_t> is_sleeping_{0};
  std::mutex posted_mutex_;
  std::vector<std::function<void()>> posted_;
  std::atomic<uint32_t> has_posted_{0};
};

// Fires once per Set(), on the loop's thread. May be set, canceled or destroyed in its own
// callback.
class Timer {
 public:
  Timer(EventLoop& loop, std::function<void()> on_fire);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void SetAfter(int64_t delay_ns) { SetAt(loop_.NowNs() + delay_ns); }
  void SetAt(int64_t deadline_ns) { deadline_ns_ = deadline_ns; }
  void Cancel() { deadline_ns_ = kNever; }
  bool is_set() const { return deadline_ns_ != kNever; }
  int64_t deadline_ns() const { return deadline_ns_; }

 private:
  friend class EventLoop;
  static constexpr int64_t kNever = INT64_MAX;

  EventLoop& loop_;
  std::function<void()> on_fire_;
  int64_t deadline_ns_ = kNever;
};

}  // namespace holdfast
