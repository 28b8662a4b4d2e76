#include "apps/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "engine/base/assert.h"
#include "engine/base/clock.h"

namespace holdfast {

SignalQueue::SignalQueue() {
  // A reader that goes away must not end a market maker with open orders.
  std::signal(SIGPIPE, SIG_IGN);
  // A parent may have left them ignored (a shell does so for background commands).
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  HF_ASSERT(pthread_sigmask(SIG_BLOCK, &signals, nullptr) == 0);
  file_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  HF_ASSERT(file_ >= 0);
}

SignalQueue::~SignalQueue() { close(file_); }

std::optional<int> SignalQueue::Wait(int64_t timeout_ns) {
  pollfd entry = {.fd = file_, .events = POLLIN, .revents = 0};
  const int64_t timeout_ms = std::clamp<int64_t>(timeout_ns / kNanosPerMilli, 0, 60'000);
  if (poll(&entry, 1, static_cast<int>(timeout_ms)) <= 0) return std::nullopt;
  signalfd_siginfo information = {};
  if (read(file_, &information, sizeof(information)) != sizeof(information)) return std::nullopt;
  return static_cast<int>(information.ssi_signo);
}

}  // namespace holdfast
