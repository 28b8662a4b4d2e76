#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "engine/base/assert.h"
#include "engine/base/spsc_ring.h"

namespace holdfast {

// Hands the newest value of a large plain struct from one writer thread to readers on any thread,
// without locks: a sequence lock whose payload is stored as atomic words. The writer never waits;
// a reader that meets a write under way tries again.
//
// Every word is stored with release and loaded with acquire order: a reader that saw one word of a
// newer write also sees the odd sequence number that preceded it, so a torn copy is never returned.
// (No fences: ThreadSanitizer does not understand them. On x86-64 all of this is plain moves.)
template <typename T>
class SnapshotBuffer {
  static_assert(std::is_trivially_copyable_v<T>);
  static constexpr size_t kWordCount = (sizeof(T) + 7) / 8;

 public:
  SnapshotBuffer() = default;
  SnapshotBuffer(const SnapshotBuffer&) = delete;
  SnapshotBuffer& operator=(const SnapshotBuffer&) = delete;

  // The one writer.
  void Publish(const T& value) {
    const uint64_t sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    const auto* bytes = reinterpret_cast<const std::byte*>(&value);
    for (size_t i = 0; i < kWordCount; ++i) {
      uint64_t word = 0;
      const size_t offset = i * 8;
      std::memcpy(&word, bytes + offset, offset + 8 <= sizeof(T) ? 8 : sizeof(T) - offset);
      words_[i].store(word, std::memory_order_release);
    }
    sequence_.store(sequence + 2, std::memory_order_release);
  }

  // Any thread. False when a write was under way or nothing was published yet; `value` is then
  // unspecified.
  [[nodiscard]] bool TryRead(T& value) const {
    const uint64_t before = sequence_.load(std::memory_order_acquire);
    if (before == 0 || (before & 1) != 0) return false;
    auto* bytes = reinterpret_cast<std::byte*>(&value);
    for (size_t i = 0; i < kWordCount; ++i) {
      const uint64_t word = words_[i].load(std::memory_order_acquire);
      const size_t offset = i * 8;
      std::memcpy(bytes + offset, &word, offset + 8 <= sizeof(T) ? 8 : sizeof(T) - offset);
    }
    return sequence_.load(std::memory_order_relaxed) == before;
  }

  // Any thread. Tries at most `max_attempts` times; a write takes microseconds and there are at
  // most some ten a second, so the second attempt normally succeeds.
  [[nodiscard]] bool Read(T& value, int max_attempts = 1000) const {
    for (int i = 0; i < max_attempts; ++i) {
      if (TryRead(value)) return true;
    }
    return false;
  }

  // Any thread. Grows with every Publish().
  uint64_t publish_count() const { return sequence_.load(std::memory_order_relaxed) / 2; }

 private:
  alignas(kCacheLineBytes) std::atomic<uint64_t> sequence_{0};
  alignas(kCacheLineBytes) std::array<std::atomic<uint64_t>, kWordCount> words_ = {};
};

}  // namespace holdfast
