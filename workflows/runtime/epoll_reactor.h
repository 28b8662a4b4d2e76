#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

enum class FdInterest : uint8_t { kRead, kWrite, kReadWrite };

// What the system says about a descriptor. An error or a hang-up is reported as both, so that the
// owner's next read or write finds out.
struct FdReady {
  bool is_readable = false;
  bool is_writable = false;
};
using FdCallback = absl::AnyInvocable<void(FdReady)>;

// The reactor of production: waits in epoll, so an idle process costs no processor time. Callbacks
// posted by another thread wake it through an eventfd, one system call for any number of posts
// while it sleeps and none while it is awake.
class EpollReactor final : public Reactor {
 public:
  struct Options {
    // Polls this long before it sleeps. Zero: never polls. A wake-up costs tens of microseconds on
    // a virtual machine; who has a core to spare trades it for latency.
    int64_t spin_ns = 0;
  };

  // `clock` outlives the reactor and is a real one: waits take real time.
  explicit EpollReactor(const Clock& clock);
  EpollReactor(const Clock& clock, Options options);
  ~EpollReactor() override;
  EpollReactor(const EpollReactor&) = delete;
  EpollReactor& operator=(const EpollReactor&) = delete;

  const Clock& clock() const override { return clock_; }
  void Post(Callback callback) override;
  TimerId CallAt(int64_t monotonic_ns, Callback callback) override;
  void CancelTimer(TimerId timer) override;
  size_t RunOnce(int64_t max_wait_ns) override;

  // Turns until Stop(), which any thread may call; a Stop() before Run() is not lost.
  void Run();
  void Stop();

  // Calls `callback` whenever `fd` is ready for `interest` (level-triggered). One watch a
  // descriptor: watching again replaces interest and callback. The descriptor stays its owner's,
  // who unwatches before closing it or hands the number in again. A callback may watch and unwatch
  // anything, itself included.
  void WatchFd(int fd, FdInterest interest, FdCallback callback);
  // REQUIRES: `fd` is watched.
  void SetInterest(int fd, FdInterest interest);
  // Nothing of this watch is called any more, not even what was already reported.
  void UnwatchFd(int fd);

 private:
  struct Watch {
    int fd;
    uint64_t id;
    FdInterest interest;
    FdCallback callback;
  };

  size_t RunPosted();
  size_t RunTimers();
  // Waits for descriptors at most `wait_ns`, then runs what is ready.
  size_t RunDescriptors(int64_t wait_ns);
  int64_t WaitBudget(int64_t max_wait_ns) const;
  // True: nothing was posted and from here on a Post() writes the eventfd.
  bool PrepareSleep();
  void WakeUp();
  void Control(int operation, const Watch& watch);

  const Clock& clock_;
  const Options options_;
  int epoll_fd_;
  int wake_fd_;

  std::mutex mutex_;
  std::vector<Callback> posted_;  // guarded by mutex_
  bool is_sleeping_ = false;      // guarded by mutex_
  std::atomic<bool> is_stopped_{false};

  std::vector<Callback> running_;  // capacity is kept from turn to turn
  uint64_t next_timer_ = 1;
  absl::btree_map<std::pair<int64_t, uint64_t>, Callback> timers_;  // by time, then age
  absl::flat_hash_map<uint64_t, int64_t> timer_times_;
  uint64_t next_watch_ = 1;
  absl::flat_hash_map<int, std::shared_ptr<Watch>> watches_;
};

}  // namespace holdfast::workflows
