#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/base/assert.h"
#include "engine/base/spsc_ring.h"

namespace holdfast {

// Like SpscRing, for records of different sizes (a depth update of 4 levels, a snapshot of 10,000).
// A record is contiguous in memory and 8-byte aligned. One producer thread, one consumer thread.
class SpscRecordRing {
 public:
  // REQUIRES: capacity is a power of two of at least 64 bytes. The largest record that is sure to
  // fit into an empty ring is max_record_bytes().
  explicit SpscRecordRing(size_t capacity_bytes);
  SpscRecordRing(const SpscRecordRing&) = delete;
  SpscRecordRing& operator=(const SpscRecordRing&) = delete;

  // Producer. Space for a record of `size_bytes`, to be filled and then published with Commit();
  // nullptr when there is no room now (or never: size_bytes > max_record_bytes()).
  std::byte* Reserve(size_t size_bytes);
  // Producer. Publishes the reserved record. REQUIRES: Reserve() succeeded since the last Commit().
  void Commit();

  // Consumer. The oldest record, or nullopt; valid until Pop().
  std::optional<std::span<const std::byte>> Front();
  // Consumer. REQUIRES: Front() returned a record.
  void Pop();

  // Any thread; a moment's estimate.
  size_t BytesUsedEstimate() const;
  size_t max_record_bytes() const { return (mask_ + 1) / 2 - kHeaderBytes; }

 private:
  static constexpr size_t kHeaderBytes = 8;
  static constexpr uint64_t kPadding = ~uint64_t{0};  // header of the unused rest before the wrap

  struct alignas(kCacheLineBytes) Side {
    std::atomic<uint64_t> position{0};
    uint64_t other_seen = 0;
    uint64_t pending = 0;  // where position moves with the next Commit() or Pop()
  };

  uint64_t* HeaderAt(uint64_t position) {
    return reinterpret_cast<uint64_t*>(bytes_.get() + (position & mask_));
  }

  Side producer_;
  Side consumer_;
  const uint64_t mask_;
  const std::unique_ptr<std::byte[]> bytes_;
};

}  // namespace holdfast
