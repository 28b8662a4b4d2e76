#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <type_traits>

#include "engine/base/assert.h"

namespace holdfast {

// A vector of at most `kCapacity` trivially copyable elements stored in place. Full is the caller's
// to check (`full()`): pushing to a full one is a broken invariant.
template <typename T, size_t kCapacity>
class StaticVector {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  StaticVector() = default;
  // Copies only what is in use; a large, mostly empty vector copies cheaply.
  StaticVector(const StaticVector& other) { *this = other; }
  StaticVector& operator=(const StaticVector& other) {
    size_ = other.size_;
    for (size_t i = 0; i < size_; ++i) elements_[i] = other.elements_[i];
    return *this;
  }

  static constexpr size_t capacity() { return kCapacity; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool full() const { return size_ == kCapacity; }
  void clear() { size_ = 0; }
  void push_back(const T& element) {
    HF_ASSERT(size_ < kCapacity);
    elements_[size_++] = element;
  }
  // Room for `count` more elements behind the others, which the caller assigns.
  T* Extend(size_t count) {
    HF_ASSERT(count <= kCapacity - size_);
    T* const first = elements_.data() + size_;
    size_ += count;
    return first;
  }
  void pop_back() {
    HF_ASSERT(size_ > 0);
    --size_;
  }
  T& operator[](size_t index) {
    HF_ASSERT(index < size_);
    return elements_[index];
  }
  const T& operator[](size_t index) const {
    HF_ASSERT(index < size_);
    return elements_[index];
  }
  T& back() { return (*this)[size_ - 1]; }
  const T& back() const { return (*this)[size_ - 1]; }
  T* begin() { return elements_.data(); }
  T* end() { return elements_.data() + size_; }
  const T* begin() const { return elements_.data(); }
  const T* end() const { return elements_.data() + size_; }
  std::span<const T> span() const { return {elements_.data(), size_}; }

 private:
  size_t size_ = 0;
  std::array<T, kCapacity> elements_;
};

}  // namespace holdfast
