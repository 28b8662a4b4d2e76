#include "workflows/runtime/epoll_reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <utility>

#include "engine/base/assert.h"

namespace holdfast::workflows {
namespace {

constexpr int kEventsPerTurnMax = 64;
constexpr uint64_t kWakeWatch = 0;  // ids of watches start at 1

uint32_t EpollMask(FdInterest interest) {
  switch (interest) {
    case FdInterest::kRead:
      return EPOLLIN;
    case FdInterest::kWrite:
      return EPOLLOUT;
    case FdInterest::kReadWrite:
      return EPOLLIN | EPOLLOUT;
  }
  return 0;
}

int WaitForEvents(int epoll_fd, std::array<epoll_event, kEventsPerTurnMax>& events,
                  int64_t wait_ns) {
  const timespec timeout = {.tv_sec = wait_ns / kNanosPerSecond,
                            .tv_nsec = wait_ns % kNanosPerSecond};
  int count = epoll_pwait2(epoll_fd, events.data(), kEventsPerTurnMax, &timeout, nullptr);
  if (count < 0 && errno == ENOSYS) {
    // A kernel before 5.11: milliseconds, rounded up so that a timer is due after the wait.
    const int64_t wait_ms =
        std::min<int64_t>((wait_ns + kNanosPerMilli - 1) / kNanosPerMilli, kNanosPerSecond);
    count = epoll_wait(epoll_fd, events.data(), kEventsPerTurnMax, static_cast<int>(wait_ms));
  }
  HF_ASSERT(count >= 0 || errno == EINTR);
  return std::max(count, 0);
}

}  // namespace

EpollReactor::EpollReactor(const Clock& clock) : EpollReactor(clock, Options()) {}

EpollReactor::EpollReactor(const Clock& clock, Options options)
    : clock_(clock),
      options_(options),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  HF_ASSERT(epoll_fd_ >= 0);
  HF_ASSERT(wake_fd_ >= 0);
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = kWakeWatch}};
  HF_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
}

EpollReactor::~EpollReactor() {
  close(wake_fd_);
  close(epoll_fd_);
}

void EpollReactor::Post(Callback callback) {
  bool must_wake = false;
  {
    const std::lock_guard lock(mutex_);
    posted_.push_back(std::move(callback));
    must_wake = std::exchange(is_sleeping_, false);
  }
  if (!must_wake) return;
  const uint64_t one = 1;
  HF_ASSERT(write(wake_fd_, &one, sizeof(one)) == sizeof(one));
}

TimerId EpollReactor::CallAt(int64_t monotonic_ns, Callback callback) {
  const uint64_t id = next_timer_++;
  timers_.emplace(std::pair(monotonic_ns, id), std::move(callback));
  timer_times_.emplace(id, monotonic_ns);
  return TimerId{id};
}

void EpollReactor::CancelTimer(TimerId timer) {
  const auto id = static_cast<uint64_t>(timer);
  const auto found = timer_times_.find(id);
  if (found == timer_times_.end()) return;
  timers_.erase(std::pair(found->second, id));
  timer_times_.erase(found);
}

size_t EpollReactor::RunOnce(int64_t max_wait_ns) {
  const size_t done = RunPosted() + RunTimers();
  // What keeps posting does not keep the descriptors waiting.
  if (done > 0 || max_wait_ns <= 0) return done + RunDescriptors(0);
  int64_t wait_ns = WaitBudget(max_wait_ns);
  if (options_.spin_ns > 0) {
    const int64_t spin_until_ns = clock_.MonotonicNs() + std::min(options_.spin_ns, wait_ns);
    while (clock_.MonotonicNs() < spin_until_ns) {
      const size_t polled = RunPosted() + RunDescriptors(0);
      if (polled > 0) return polled;
    }
    wait_ns = WaitBudget(max_wait_ns);
  }
  if (!PrepareSleep()) return RunPosted();
  const size_t ready = RunDescriptors(wait_ns);
  return ready + RunPosted() + RunTimers();
}

void EpollReactor::Run() {
  while (!is_stopped_.load(std::memory_order_acquire)) RunOnce(kNanosPerSecond);
  is_stopped_.store(false, std::memory_order_release);
}

void EpollReactor::Stop() {
  is_stopped_.store(true, std::memory_order_release);
  Post([] {});
}

int64_t EpollReactor::WaitBudget(int64_t max_wait_ns) const {
  if (timers_.empty()) return max_wait_ns;
  return std::clamp<int64_t>(timers_.begin()->first.first - clock_.MonotonicNs(), 0, max_wait_ns);
}

bool EpollReactor::PrepareSleep() {
  const std::lock_guard lock(mutex_);
  is_sleeping_ = posted_.empty();
  return is_sleeping_;
}

// From here on what the callbacks post needs no eventfd.
void EpollReactor::WakeUp() {
  const std::lock_guard lock(mutex_);
  is_sleeping_ = false;
}

size_t EpollReactor::RunPosted() {
  {
    const std::lock_guard lock(mutex_);
    is_sleeping_ = false;
    running_.swap(posted_);
  }
  const size_t count = running_.size();
  for (Callback& callback : running_) {
    // What a callback holds is released before the next one runs.
    Callback current = std::move(callback);
    current();
  }
  running_.clear();
  return count;
}

size_t EpollReactor::RunTimers() {
  if (timers_.empty()) return 0;
  // Timers set by these callbacks, even those in the past, belong to the next turn.
  const int64_t now_ns = clock_.MonotonicNs();
  const uint64_t first_new = next_timer_;
  size_t count = 0;
  auto next = timers_.begin();
  while (next != timers_.end() && next->first.first <= now_ns) {
    if (next->first.second >= first_new) {
      ++next;
      continue;
    }
    const std::pair<int64_t, uint64_t> key = next->first;
    Callback callback = std::move(next->second);
    timers_.erase(next);
    timer_times_.erase(key.second);
    callback();
    ++count;
    next = timers_.upper_bound(key);
  }
  return count;
}

size_t EpollReactor::RunDescriptors(int64_t wait_ns) {
  std::array<epoll_event, kEventsPerTurnMax> events;
  const int ready_count = WaitForEvents(epoll_fd_, events, wait_ns);
  WakeUp();
  size_t count = 0;
  for (int i = 0; i < ready_count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.u64 == kWakeWatch) {
      uint64_t ignored;
      HF_ASSERT(read(wake_fd_, &ignored, sizeof(ignored)) == sizeof(ignored) || errno == EAGAIN);
      continue;
    }
    // The upper half is the watch's id, the lower its descriptor: an event of a watch that an
    // earlier callback of this turn ended is not mistaken for its successor's.
    const auto found = watches_.find(static_cast<int>(event.data.u64 & 0xffff'ffffu));
    if (found == watches_.end() || found->second->id != event.data.u64 >> 32) continue;
    const std::shared_ptr<Watch> watch = found->second;
    const bool is_broken = (event.events & (EPOLLERR | EPOLLHUP)) != 0;
    watch->callback({.is_readable = is_broken || (event.events & EPOLLIN) != 0,
                     .is_writable = is_broken || (event.events & EPOLLOUT) != 0});
    ++count;
  }
  return count;
}

void EpollReactor::WatchFd(int fd, FdInterest interest, FdCallback callback) {
  HF_ASSERT(fd >= 0);
  UnwatchFd(fd);
  auto watch = std::make_shared<Watch>(
      Watch{.fd = fd, .id = next_watch_, .interest = interest, .callback = std::move(callback)});
  next_watch_ = next_watch_ % 0xffff'ffffu + 1;
  Control(EPOLL_CTL_ADD, *watch);
  watches_.emplace(fd, std::move(watch));
}

void EpollReactor::SetInterest(int fd, FdInterest interest) {
  const auto found = watches_.find(fd);
  HF_ASSERT(found != watches_.end());
  if (found->second->interest == interest) return;
  found->second->interest = interest;
  Control(EPOLL_CTL_MOD, *found->second);
}

void EpollReactor::UnwatchFd(int fd) {
  const auto found = watches_.find(fd);
  if (found == watches_.end()) return;
  // Fails when the owner closed the descriptor already, which ended the watch in the kernel too.
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
  watches_.erase(found);
}

void EpollReactor::Control(int operation, const Watch& watch) {
  epoll_event event = {
      .events = EpollMask(watch.interest),
      .data = {.u64 = watch.id << 32 | static_cast<uint64_t>(static_cast<uint32_t>(watch.fd))}};
  HF_ASSERT(epoll_ctl(epoll_fd_, operation, watch.fd, &event) == 0);
}

}  // namespace holdfast::workflows
