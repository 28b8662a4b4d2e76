#include "workflows/runtime/blocking_pool.h"

#include <utility>

#include "engine/base/assert.h"

namespace holdfast::workflows {

BlockingPool::~BlockingPool() = default;

ThreadBlockingPool::ThreadBlockingPool(Reactor& reactor, size_t thread_count)
    : reactor_(reactor), thread_count_(thread_count) {
  HF_ASSERT(thread_count > 0);
}

ThreadBlockingPool::~ThreadBlockingPool() {
  std::deque<Job> dropped;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    is_stopping_ = true;
    dropped.swap(jobs_);
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadBlockingPool::Submit(Callback work, Callback done) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    jobs_.push_back({std::move(work), std::move(done)});
    if (jobs_.size() > idle_count_ && threads_.size() < thread_count_) {
      threads_.emplace_back([this] { Run(); });
    }
  }
  changed_.notify_one();
}

void ThreadBlockingPool::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    ++idle_count_;
    changed_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    --idle_count_;
    if (is_stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job.work();
    // The reactor's thread drops what the body was given; this thread is done with it.
    reactor_.Post([work = std::move(job.work), done = std::move(job.done)]() mutable {
      work = nullptr;
      done();
    });
    lock.lock();
  }
}

void InlineBlockingPool::Submit(Callback work, Callback done) {
  reactor_.Post([work = std::move(work), done = std::move(done)]() mutable {
    work();
    work = nullptr;
    done();
  });
}

}  // namespace holdfast::workflows
