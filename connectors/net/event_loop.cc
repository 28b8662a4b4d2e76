#include "connectors/net/event_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/base/assert.h"

namespace holdfast {

EventLoop::EventLoop(Clock& clock)
    : clock_(clock),
      epoll_fd_(epoll_create1(EPOLL_CLOEXEC)),
      wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  HF_ASSERT(epoll_fd_ >= 0);
  HF_ASSERT(wake_fd_ >= 0);
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.fd = wake_fd_;
  HF_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event) == 0);
}

EventLoop::~EventLoop() {
  HF_ASSERT(timers_.empty());
  close(wake_fd_);
  close(epoll_fd_);
}

int EventLoop::RunOnce(int64_t max_wait_ns) {
  const int posted = RunPosted() + RunTimers();
  int work = posted + RunPollers();
  int64_t wait_ns = 0;
  // Pollers that found something are asked again below, so the turn may sleep after them: that
  // saves a look at the sockets per command. What was posted may end the caller's loop: no sleep.
  if (posted == 0 && max_wait_ns > 0) {
    wait_ns = std::min(max_wait_ns, NextTimerNs() - NowNs());
    if (wait_ns > 0) {
      // Read-modify-write on both sides (see Wake()): whichever comes second sees the first, so
      // either the producer writes to the eventfd or this second look finds what it pushed.
      is_sleeping_.exchange(1, std::memory_order_acq_rel);
      const int late_work = RunPosted() + RunPollers();
      if (late_work != 0) wait_ns = 0;
      work += late_work;
    }
  }
  return work + WaitForIo(std::max<int64_t>(wait_ns, 0));
}

int EventLoop::WaitForIo(int64_t wait_ns) {
  epoll_event events[kMaxReadyEvents];
  // Rounded up: a timer may be a millisecond late, never early (which would spin).
  const int wait_ms = wait_ns == 0 ? 0
                                   : static_cast<int>(std::min<int64_t>(
                                         (wait_ns + kNanosPerMilli - 1) / kNanosPerMilli, 60'000));
  const int count = epoll_wait(epoll_fd_, events, kMaxReadyEvents, wait_ms);
  is_sleeping_.store(0, std::memory_order_relaxed);
  if (count <= 0) {
    HF_ASSERT(count == 0 || errno == EINTR);
    return 0;
  }
  ready_count_ = count;
  for (int i = 0; i < count; ++i) ready_fds_[i] = events[i].data.fd;
  int work = 0;
  for (int i = 0; i < count; ++i) {
    const int fd = ready_fds_[i];
    if (fd < 0) continue;  // unwatched by an earlier handler of this batch
    if (fd == wake_fd_) {
      uint64_t ignored;
      [[maybe_unused]] const ssize_t result = read(wake_fd_, &ignored, sizeof(ignored));
      continue;
    }
    ++work;
    handlers_[static_cast<size_t>(fd)]->OnIo(events[i].events);
  }
  ready_count_ = 0;
  return work;
}

void EventLoop::Wake() {
  if (is_sleeping_.exchange(0, std::memory_order_acq_rel) == 0) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t result = write(wake_fd_, &one, sizeof(one));
}

void EventLoop::Post(std::function<void()> function) {
  {
    std::lock_guard lock(posted_mutex_);
    posted_.push_back(std::move(function));
    has_posted_.store(1, std::memory_order_relaxed);
  }
  Wake();
}

int EventLoop::RunPosted() {
  if (has_posted_.load(std::memory_order_relaxed) == 0) return 0;
  std::vector<std::function<void()>> functions;
  {
    std::lock_guard lock(posted_mutex_);
    functions.swap(posted_);
    has_posted_.store(0, std::memory_order_relaxed);
  }
  for (auto& function : functions) function();
  return static_cast<int>(functions.size());
}

int EventLoop::RunPollers() {
  int work = 0;
  // By index: a poller may add or remove pollers.
  for (size_t i = 0; i < pollers_.size(); ++i) work += pollers_[i]->PollOnce();
  return work;
}

int EventLoop::RunTimers() {
  if (timers_.empty()) return 0;
  const int64_t now_ns = NowNs();
  int work = 0;
  for (size_t i = 0; i < timers_.size(); ++i) {
    Timer* timer = timers_[i];
    if (timer->deadline_ns_ > now_ns) continue;
    timer->Cancel();
    ++work;
    // Copied: the callback may destroy the timer. May allocate; timers are not the hot path.
    const std::function<void()> on_fire = timer->on_fire_;
    on_fire();
  }
  return work;
}

int64_t EventLoop::NextTimerNs() const {
  int64_t next_ns = INT64_MAX / 2;
  for (const Timer* timer : timers_) next_ns = std::min(next_ns, timer->deadline_ns_);
  return next_ns;
}

void EventLoop::Watch(int fd, uint32_t events, IoHandler* handler) {
  HF_ASSERT(fd >= 0);
  if (handlers_.size() <= static_cast<size_t>(fd)) handlers_.resize(static_cast<size_t>(fd) + 16);
  handlers_[static_cast<size_t>(fd)] = handler;
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  HF_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0);
}

void EventLoop::Modify(int fd, uint32_t events, IoHandler* handler) {
  handlers_[static_cast<size_t>(fd)] = handler;
  epoll_event event = {};
  event.events = events;
  event.data.fd = fd;
  HF_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0);
}

void EventLoop::Unwatch(int fd) {
  HF_ASSERT(epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr) == 0);
  handlers_[static_cast<size_t>(fd)] = nullptr;
  for (int i = 0; i < ready_count_; ++i) {
    if (ready_fds_[i] == fd) ready_fds_[i] = -1;
  }
}

void EventLoop::AddPoller(Poller* poller) { pollers_.push_back(poller); }

void EventLoop::RemovePoller(Poller* poller) {
  pollers_.erase(std::remove(pollers_.begin(), pollers_.end(), poller), pollers_.end());
}

Timer::Timer(EventLoop& loop, std::function<void()> on_fire)
    : loop_(loop), on_fire_(std::move(on_fire)) {
  loop_.timers_.push_back(this);
}

Timer::~Timer() {
  auto& timers = loop_.timers_;
  timers.erase(std::remove(timers.begin(), timers.end(), this), timers.end());
}

}  // namespace holdfast
