#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "engine/base/assert.h"
#include "engine/base/decimal.h"

namespace holdfast {

// Exact division by a constant that is not known at compile time: a multiplication by the inverse
// modulo 2^64 of the odd part, and a rotation that also tells whether the even part divides
// (Granlund and Montgomery, "Division by Invariant Integers using Multiplication", section 9).
class ExactDivisor {
 public:
  // REQUIRES: divisor > 0.
  explicit ExactDivisor(uint64_t divisor)
      : shift_(std::countr_zero(divisor)),
        max_quotient_(std::numeric_limits<uint64_t>::max() / divisor) {
    HF_ASSERT(divisor > 0);
    const uint64_t odd = divisor >> shift_;
    inverse_ = odd;  // correct to three bits; each step doubles them
    for (int i = 0; i < 5; ++i) inverse_ *= 2 - odd * inverse_;
    HF_ASSERT(inverse_ * odd == 1);
  }

  // Sets `quotient` and returns true when the division leaves no remainder.
  bool Divide(uint64_t value, uint64_t& quotient) const {
    quotient = std::rotr(value * inverse_, shift_);
    return quotient <= max_quotient_;
  }

 private:
  int shift_;
  uint64_t max_quotient_;
  uint64_t inverse_;
};

// How decimals become counts of one step (a tick or a lot): the step is `divisor` times
// 10^-fraction_digits, so a text with all further digits zero is divided as an integer.
struct GridScale {
  int fraction_digits;
  ExactDivisor divisor;
  int64_t step_units;

  // REQUIRES: step is positive.
  explicit GridScale(Decimal step)
      : fraction_digits(FractionDigits(step.units())),
        divisor(static_cast<uint64_t>(step.units() / PowerOfTen(8 - fraction_digits))),
        step_units(step.units()) {}

  static constexpr int64_t PowerOfTen(int exponent) {
    int64_t power = 1;
    for (int i = 0; i < exponent; ++i) power *= 10;
    return power;
  }

 private:
  static int FractionDigits(int64_t units) {
    HF_ASSERT(units > 0);
    int digits = Decimal::kFractionDigits;
    for (; digits > 0 && units % 10 == 0; --digits) units /= 10;
    return digits;
  }
};
static_assert(Decimal::kFractionDigits == 8);

}  // namespace holdfast
