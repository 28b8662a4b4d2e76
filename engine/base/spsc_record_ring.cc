#include "engine/base/spsc_record_ring.h"

namespace holdfast {
namespace {

constexpr uint64_t RoundUp8(uint64_t size) { return (size + 7) & ~uint64_t{7}; }

}  // namespace

SpscRecordRing::SpscRecordRing(size_t capacity_bytes)
    : mask_(capacity_bytes - 1), bytes_(std::make_unique<std::byte[]>(capacity_bytes)) {
  HF_ASSERT(capacity_bytes >= 64);
  HF_ASSERT(std::has_single_bit(capacity_bytes));
}

std::byte* SpscRecordRing::Reserve(size_t size_bytes) {
  if (size_bytes > max_record_bytes()) return nullptr;
  const uint64_t capacity = mask_ + 1;
  const uint64_t head = producer_.position.load(std::memory_order_relaxed);
  const uint64_t record = kHeaderBytes + RoundUp8(size_bytes);
  const uint64_t until_wrap = capacity - (head & mask_);
  const uint64_t padding = record <= until_wrap ? 0 : until_wrap;
  const uint64_t end = head + padding + record;
  if (end - producer_.other_seen > capacity) {
    producer_.other_seen = consumer_.position.load(std::memory_order_acquire);
    if (end - producer_.other_seen > capacity) return nullptr;
  }
  if (padding != 0) *HeaderAt(head) = kPadding;
  *HeaderAt(head + padding) = size_bytes;
  producer_.pending = end;
  return bytes_.get() + ((head + padding) & mask_) + kHeaderBytes;
}

void SpscRecordRing::Commit() {
  HF_ASSERT(producer_.pending > producer_.position.load(std::memory_order_relaxed));
  producer_.position.store(producer_.pending, std::memory_order_release);
}

std::optional<std::span<const std::byte>> SpscRecordRing::Front() {
  uint64_t tail = consumer_.position.load(std::memory_order_relaxed);
  if (tail == consumer_.other_seen) {
    consumer_.other_seen = producer_.position.load(std::memory_order_acquire);
    if (tail == consumer_.other_seen) return std::nullopt;
  }
  // Padding and the record behind it are published together, so the record is always there.
  if (*HeaderAt(tail) == kPadding) tail += (mask_ + 1) - (tail & mask_);
  const uint64_t size_bytes = *HeaderAt(tail);
  consumer_.pending = tail + kHeaderBytes + RoundUp8(size_bytes);
  return std::span<const std::byte>(bytes_.get() + (tail & mask_) + kHeaderBytes, size_bytes);
}

void SpscRecordRing::Pop() {
  HF_ASSERT(consumer_.pending > consumer_.position.load(std::memory_order_relaxed));
  consumer_.position.store(consumer_.pending, std::memory_order_release);
}

size_t SpscRecordRing::BytesUsedEstimate() const {
  return static_cast<size_t>(producer_.position.load(std::memory_order_acquire) -
                             consumer_.position.load(std::memory_order_acquire));
}

}  // namespace holdfast
