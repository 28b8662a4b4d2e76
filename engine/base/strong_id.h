#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace holdfast {

// An integer that is an identity, not a number: no arithmetic, no implicit conversion, and two ids
// of different kinds do not compare. `Tag` is an incomplete struct that is never defined.
template <typename Tag, typename Representation = int64_t>
class StrongId {
 public:
  using representation = Representation;

  constexpr StrongId() = default;
  constexpr explicit StrongId(Representation value) : value_(value) {}

  constexpr Representation value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;

  template <typename Hash>
  friend Hash AbslHashValue(Hash hash, StrongId id) {
    return Hash::combine(std::move(hash), id.value_);
  }

 private:
  Representation value_ = 0;
};

}  // namespace holdfast
