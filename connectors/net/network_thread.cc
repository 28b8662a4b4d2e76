#include "connectors/net/network_thread.h"

#include <pthread.h>

#include <condition_variable>
#include <csignal>
#include <mutex>

#include "engine/base/assert.h"

namespace holdfast {

NetworkThread::NetworkThread(Options options, Clock& clock)
    : options_(std::move(options)), loop_(clock) {}

NetworkThread::~NetworkThread() { Stop(); }

void NetworkThread::Start() {
  HF_ASSERT(!thread_.joinable());
  is_stopping_.store(false, std::memory_order_relaxed);
  // Signals are for the main thread: it shuts down in order.
  sigset_t all_signals;
  sigset_t previous;
  sigfillset(&all_signals);
  pthread_sigmask(SIG_SETMASK, &all_signals, &previous);
  thread_ = std::thread([this] { Run(); });
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
}

void NetworkThread::Stop() {
  if (!thread_.joinable()) return;
  is_stopping_.store(true, std::memory_order_relaxed);
  loop_.Post([] {});
  thread_.join();
  thread_ = std::thread();
}

void NetworkThread::Run() {
  pthread_setname_np(pthread_self(), options_.name.substr(0, 15).c_str());
  const int64_t wait_ns = options_.is_spinning ? 0 : kNanosPerSecond;
  while (!is_stopping_.load(std::memory_order_relaxed)) loop_.RunOnce(wait_ns);
  loop_.RunOnce(0);  // what was posted before the stop still runs
}

void NetworkThread::Execute(const std::function<void()>& function) {
  if (!thread_.joinable() || thread_.get_id() == std::this_thread::get_id()) {
    function();
    return;
  }
  std::mutex mutex;
  std::condition_variable condition;
  bool is_done = false;
  loop_.Post([&] {
    function();
    // Notified under the lock: the waiter may destroy the condition as soon as it sees the flag.
    std::lock_guard lock(mutex);
    is_done = true;
    condition.notify_one();
  });
  std::unique_lock lock(mutex);
  condition.wait(lock, [&] { return is_done; });
}

}  // namespace holdfast
