#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/assert.h"

namespace holdfast {

// A hash map from 64-bit keys to 32-bit values with a fixed number of cells, allocated once: open
// addressing, linear probing, deletion by shifting back (no tombstones, so it never degrades).
// Iteration is not offered: nothing may depend on hash order.
class FixedIndex {
 public:
  // Holds at most `capacity` keys; twice as many cells, rounded up to a power of two.
  explicit FixedIndex(size_t capacity)
      : capacity_(capacity),
        mask_(std::bit_ceil(capacity * 2) - 1),
        shift_(64 - std::bit_width(mask_)),
        cells_(mask_ + 1) {
    HF_ASSERT(capacity > 0);
  }

  // REQUIRES: the key is not in it, and size() < capacity().
  void Insert(uint64_t key, uint32_t value) {
    HF_ASSERT(size_ < capacity_);
    size_t cell = CellOf(key);
    while (cells_[cell].is_used) {
      HF_ASSERT(cells_[cell].key != key);
      cell = (cell + 1) & mask_;
    }
    cells_[cell] = {.key = key, .value = value, .is_used = true};
    ++size_;
  }
  std::optional<uint32_t> Find(uint64_t key) const {
    for (size_t cell = CellOf(key); cells_[cell].is_used; cell = (cell + 1) & mask_) {
      if (cells_[cell].key == key) return cells_[cell].value;
    }
    return std::nullopt;
  }
  void Set(uint64_t key, uint32_t value) {
    for (size_t cell = CellOf(key); cells_[cell].is_used; cell = (cell + 1) & mask_) {
      if (cells_[cell].key == key) {
        cells_[cell].value = value;
        return;
      }
    }
    Insert(key, value);
  }
  // False when it was not in it.
  bool Erase(uint64_t key) {
    size_t hole = CellOf(key);
    while (cells_[hole].is_used && cells_[hole].key != key) hole = (hole + 1) & mask_;
    if (!cells_[hole].is_used) return false;
    for (size_t next = (hole + 1) & mask_; cells_[next].is_used; next = (next + 1) & mask_) {
      // Moves back only when its home is not between the hole and where it stands.
      const size_t home = CellOf(cells_[next].key);
      if (((next - home) & mask_) >= ((next - hole) & mask_)) {
        cells_[hole] = cells_[next];
        hole = next;
      }
    }
    cells_[hole].is_used = false;
    --size_;
    return true;
  }
  void Clear() {
    for (Cell& cell : cells_) cell.is_used = false;
    size_ = 0;
  }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }

 private:
  struct Cell {
    uint64_t key = 0;
    uint32_t value = 0;
    bool is_used = false;
  };
  size_t CellOf(uint64_t key) const { return (key * 0x9e3779b97f4a7c15u) >> shift_; }

  size_t capacity_;
  size_t mask_;
  int shift_;
  size_t size_ = 0;
  std::vector<Cell> cells_;
};

// A queue with a fixed number of places, allocated once.
template <typename T>
class FixedQueue {
 public:
  explicit FixedQueue(size_t capacity) : elements_(capacity) { HF_ASSERT(capacity > 0); }

  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == elements_.size(); }
  size_t size() const { return size_; }
  size_t capacity() const { return elements_.size(); }
  size_t room() const { return elements_.size() - size_; }
  // REQUIRES: !full().
  T& push() {
    HF_ASSERT(size_ < elements_.size());
    const size_t at = (first_ + size_++) % elements_.size();
    return elements_[at];
  }
  // REQUIRES: index < size(); 0 is the oldest.
  T& operator[](size_t index) {
    HF_ASSERT(index < size_);
    return elements_[(first_ + index) % elements_.size()];
  }
  const T& operator[](size_t index) const {
    HF_ASSERT(index < size_);
    return elements_[(first_ + index) % elements_.size()];
  }
  void pop() {
    HF_ASSERT(size_ > 0);
    first_ = (first_ + 1) % elements_.size();
    --size_;
  }

 private:
  std::vector<T> elements_;
  size_t first_ = 0;
  size_t size_ = 0;
};

}  // namespace holdfast
