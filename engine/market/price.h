#pragma once

#include <compare>
#include <cstdint>
#include <utility>

namespace holdfast {

// A price as a count of one instrument's ticks. Prices of two instruments are not comparable:
// convert to Decimal with Instrument::ToDecimal() first.
class Price {
 public:
  constexpr Price() = default;
  static constexpr Price FromTicks(int64_t ticks) { return Price(ticks); }
  constexpr int64_t ticks() const { return ticks_; }

  friend constexpr auto operator<=>(Price, Price) = default;
  constexpr Price PlusTicks(int64_t ticks) const { return Price(ticks_ + ticks); }
  constexpr Price MinusTicks(int64_t ticks) const { return Price(ticks_ - ticks); }
  // Distance in ticks.
  friend constexpr int64_t operator-(Price a, Price b) { return a.ticks_ - b.ticks_; }

  template <typename Hash>
  friend Hash AbslHashValue(Hash hash, Price price) {
    return Hash::combine(std::move(hash), price.ticks_);
  }

 private:
  constexpr explicit Price(int64_t ticks) : ticks_(ticks) {}
  int64_t ticks_ = 0;
};

// A size as a count of one instrument's lots. Signed, so that it can also be a position.
class Quantity {
 public:
  constexpr Quantity() = default;
  static constexpr Quantity FromLots(int64_t lots) { return Quantity(lots); }
  constexpr int64_t lots() const { return lots_; }
  constexpr bool is_zero() const { return lots_ == 0; }
  constexpr bool is_positive() const { return lots_ > 0; }
  constexpr bool is_negative() const { return lots_ < 0; }

  friend constexpr auto operator<=>(Quantity, Quantity) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(a.lots_ + b.lots_);
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(a.lots_ - b.lots_);
  }
  friend constexpr Quantity operator-(Quantity a) { return Quantity(-a.lots_); }
  friend constexpr Quantity operator*(Quantity a, int64_t count) {
    return Quantity(a.lots_ * count);
  }
  constexpr Quantity& operator+=(Quantity other) { return *this = *this + other; }
  constexpr Quantity& operator-=(Quantity other) { return *this = *this - other; }
  constexpr Quantity Absolute() const { return Quantity(lots_ < 0 ? -lots_ : lots_); }

 private:
  constexpr explicit Quantity(int64_t lots) : lots_(lots) {}
  int64_t lots_ = 0;
};

}  // namespace holdfast
