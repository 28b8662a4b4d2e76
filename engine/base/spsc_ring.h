#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "engine/base/assert.h"

namespace holdfast {

inline constexpr size_t kCacheLineBytes = 64;

// A bounded queue between exactly one producer thread and one consumer thread. Wait-free; never
// allocates after construction. Full and empty are normal results; the caller states the policy.
template <typename T>
class SpscRing {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  // REQUIRES: capacity is a power of two.
  explicit SpscRing(size_t capacity)
      : mask_(capacity - 1), slots_(std::make_unique<T[]>(capacity)) {
    HF_ASSERT(std::has_single_bit(capacity));
  }
  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  // Producer. False when full.
  [[nodiscard]] bool TryPush(const T& element) {
    const uint64_t head = producer_.position.load(std::memory_order_relaxed);
    if (head - producer_.other_seen > mask_) {
      producer_.other_seen = consumer_.position.load(std::memory_order_acquire);
      if (head - producer_.other_seen > mask_) return false;
    }
    slots_[head & mask_] = element;
    producer_.position.store(head + 1, std::memory_order_release);
    return true;
  }

  // Consumer. The oldest element, or nullptr; valid until Pop().
  const T* Front() {
    const uint64_t tail = consumer_.position.load(std::memory_order_relaxed);
    if (tail == consumer_.other_seen) {
      consumer_.other_seen = producer_.position.load(std::memory_order_acquire);
      if (tail == consumer_.other_seen) return nullptr;
    }
    return &slots_[tail & mask_];
  }
  // Consumer. REQUIRES: Front() returned an element.
  void Pop() {
    const uint64_t tail = consumer_.position.load(std::memory_order_relaxed);
    consumer_.position.store(tail + 1, std::memory_order_release);
  }
  // Consumer.
  [[nodiscard]] bool TryPop(T& element) {
    const T* front = Front();
    if (front == nullptr) return false;
    element = *front;
    Pop();
    return true;
  }

  // Any thread; a moment's estimate.
  size_t SizeEstimate() const {
    return static_cast<size_t>(producer_.position.load(std::memory_order_acquire) -
                               consumer_.position.load(std::memory_order_acquire));
  }
  size_t capacity() const { return mask_ + 1; }

 private:
  struct alignas(kCacheLineBytes) Side {
    std::atomic<uint64_t> position{0};
    uint64_t other_seen = 0;  // last value read of the other side's position
  };

  Side producer_;
  Side consumer_;
  const uint64_t mask_;
  const std::unique_ptr<T[]> slots_;
};

}  // namespace holdfast
