#pragma once

#include <atomic>
#include <memory>
#include <utility>

namespace holdfast::workflows {

// Tells work that nobody waits for it any more: its workflow was canceled, taken over or shut down,
// or the attempt took too long. Work that runs long looks at it now and then and gives up; nothing
// is forced. Once canceled, a token stays so.
//
// Thread-safe. A default-constructed token is never canceled.
class CancellationToken {
 public:
  CancellationToken() = default;

  bool is_canceled() const { return flag_ != nullptr && flag_->load(std::memory_order_acquire); }

 private:
  friend class CancellationSource;
  explicit CancellationToken(std::shared_ptr<const std::atomic<bool>> flag)
      : flag_(std::move(flag)) {}

  std::shared_ptr<const std::atomic<bool>> flag_;
};

// The other end. Costs nothing until the first token is asked for.
class CancellationSource {
 public:
  CancellationToken token() {
    if (flag_ == nullptr) flag_ = std::make_shared<std::atomic<bool>>(is_canceled_);
    return CancellationToken(flag_);
  }
  void Cancel() {
    is_canceled_ = true;
    if (flag_ != nullptr) flag_->store(true, std::memory_order_release);
  }

 private:
  bool is_canceled_ = false;
  std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace holdfast::workflows
