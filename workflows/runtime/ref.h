#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace holdfast::workflows::internal {

// An intrusive count for objects of the reactor's thread: one word in the object, no atomics. The
// object starts without references and is deleted with the last one.
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void AddRef() { ++reference_count_; }
  void RemoveRef() {
    if (--reference_count_ == 0) delete this;
  }

 protected:
  virtual ~RefCounted();

 private:
  uint32_t reference_count_ = 0;
};

template <class T>
class Ref {
 public:
  Ref() = default;
  explicit Ref(T* target) : target_(target) {
    if (target_ != nullptr) target_->AddRef();
  }
  Ref(const Ref& other) : Ref(other.target_) {}
  Ref(Ref&& other) noexcept : target_(std::exchange(other.target_, nullptr)) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(target_, other.target_);
    return *this;
  }
  ~Ref() { reset(); }

  void reset() {
    if (T* target = std::exchange(target_, nullptr); target != nullptr) target->RemoveRef();
  }
  T* get() const { return target_; }
  T* operator->() const { return target_; }
  T& operator*() const { return *target_; }
  explicit operator bool() const { return target_ != nullptr; }

 private:
  T* target_ = nullptr;
};

}  // namespace holdfast::workflows::internal
