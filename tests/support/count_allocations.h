#pragma once

// Replaces the global operator new of the program that includes this, so that a test can prove that
// something allocates nothing. Include it in one .cc file of a program of its own.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace holdfast::testing {

// Of this thread: how often operator new was called while the switch was on.
inline thread_local int64_t allocation_count = 0;
inline thread_local bool is_counting_allocations = true;

inline void* CountedAllocation(std::size_t size, std::size_t alignment = 0) noexcept {
  if (is_counting_allocations) ++allocation_count;
  if (size == 0) size = 1;
  if (alignment == 0) return std::malloc(size);
  return std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}
inline void* CountedAllocationOrThrow(std::size_t size, std::size_t alignment = 0) {
  void* const memory = CountedAllocation(size, alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace holdfast::testing

void* operator new(std::size_t size) { return holdfast::testing::CountedAllocationOrThrow(size); }
void* operator new[](std::size_t size) { return holdfast::testing::CountedAllocationOrThrow(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return holdfast::testing::CountedAllocationOrThrow(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return holdfast::testing::CountedAllocationOrThrow(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return holdfast::testing::CountedAllocation(size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return holdfast::testing::CountedAllocation(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
