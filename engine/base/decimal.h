#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "engine/base/assert.h"

namespace holdfast {

enum class Rounding : uint8_t {
  kDown,
  kUp,
  kNearest
};  // toward -inf, toward +inf, half away from 0

// An exact decimal number: a 64-bit count of 10^-8 units, so +-92,233,720,368.54775807. Products
// and quotients go through 128 bits and name their rounding. Overflow is a broken invariant
// (HF_ASSERT): values from outside are range-checked when they are parsed. Why eight digits:
// docs/adr/0001.
class Decimal {
 public:
  static constexpr int kFractionDigits = 8;
  static constexpr int64_t kUnitsPerOne = 100'000'000;
  // Longest text: sign, 11 digits, point, 8 digits.
  static constexpr size_t kMaxTextBytes = 21;

  constexpr Decimal() = default;
  static constexpr Decimal FromUnits(int64_t units) { return Decimal(units); }
  static constexpr Decimal FromInteger(int64_t value) {
    return Decimal(Checked(static_cast<__int128>(value) * kUnitsPerOne));
  }

  // Exact: `[-+]?digits[.digits]`, at most 8 significant fraction digits (more are accepted only
  // when zero), no exponent, no blanks. Errors: kInvalidArgument (syntax), kOutOfRange (does not
  // fit, or finer than 10^-8).
  static absl::StatusOr<Decimal> Parse(std::string_view text);

  constexpr int64_t units() const { return units_; }
  constexpr bool is_zero() const { return units_ == 0; }
  constexpr bool is_negative() const { return units_ < 0; }
  constexpr bool is_positive() const { return units_ > 0; }
  // For strategy/ and for display only.
  constexpr double ToDouble() const {
    return static_cast<double>(units_) / static_cast<double>(kUnitsPerOne);
  }

  // Shortest exact text: "0.001", "-12", "61837.63".
  std::string ToText() const;
  // At least `fraction_digits` digits after the point: ToText(2) of 5 is "5.00".
  std::string ToText(int min_fraction_digits) const;
  // Hot path: writes the text to `out` (kMaxTextBytes are enough) and returns the end. No
  // allocation.
  char* AppendTo(char* out, int min_fraction_digits = 0) const;

  friend constexpr auto operator<=>(Decimal, Decimal) = default;
  friend constexpr Decimal operator+(Decimal a, Decimal b) {
    return Decimal(Checked(static_cast<__int128>(a.units_) + b.units_));
  }
  friend constexpr Decimal operator-(Decimal a, Decimal b) {
    return Decimal(Checked(static_cast<__int128>(a.units_) - b.units_));
  }
  friend constexpr Decimal operator-(Decimal a) { return Decimal() - a; }
  Decimal& operator+=(Decimal other) { return *this = *this + other; }
  Decimal& operator-=(Decimal other) { return *this = *this - other; }
  // Scaling by a plain count is exact.
  friend constexpr Decimal operator*(Decimal a, int64_t count) {
    return Decimal(Checked(static_cast<__int128>(a.units_) * count));
  }

  constexpr Decimal Absolute() const { return units_ < 0 ? Decimal() - *this : *this; }

  template <typename Hash>
  friend Hash AbslHashValue(Hash hash, Decimal value) {
    return Hash::combine(std::move(hash), value.units_);
  }

  // True when a 128-bit intermediate fits; what Checked() asserts.
  static constexpr bool FitsUnits(__int128 units) {
    return units <= INT64_MAX && units >= -static_cast<__int128>(INT64_MAX);
  }
  static constexpr int64_t Checked(__int128 units) {
    HF_ASSERT(FitsUnits(units));
    return static_cast<int64_t>(units);
  }

 private:
  constexpr explicit Decimal(int64_t units) : units_(units) {}
  int64_t units_ = 0;
};

// Quotient of 128-bit integers under a stated rounding. REQUIRES: denominator > 0.
constexpr __int128 DivideRounded(__int128 numerator, __int128 denominator, Rounding rounding) {
  const __int128 quotient = numerator / denominator;
  const __int128 remainder = numerator % denominator;
  if (remainder == 0) return quotient;
  switch (rounding) {
    case Rounding::kDown:
      return remainder < 0 ? quotient - 1 : quotient;
    case Rounding::kUp:
      return remainder > 0 ? quotient + 1 : quotient;
    case Rounding::kNearest: {
      const __int128 magnitude = remainder < 0 ? -remainder : remainder;
      if (magnitude * 2 < denominator) return quotient;
      return remainder < 0 ? quotient - 1 : quotient + 1;
    }
  }
  return quotient;
}

constexpr Decimal Multiply(Decimal a, Decimal b, Rounding rounding) {
  const __int128 product = static_cast<__int128>(a.units()) * b.units();
  return Decimal::FromUnits(
      Decimal::Checked(DivideRounded(product, Decimal::kUnitsPerOne, rounding)));
}

// REQUIRES: !b.is_zero().
constexpr Decimal Divide(Decimal a, Decimal b, Rounding rounding) {
  HF_ASSERT(!b.is_zero());
  __int128 numerator = static_cast<__int128>(a.units()) * Decimal::kUnitsPerOne;
  __int128 denominator = b.units();
  if (denominator < 0) {
    numerator = -numerator;
    denominator = -denominator;
  }
  return Decimal::FromUnits(Decimal::Checked(DivideRounded(numerator, denominator, rounding)));
}

// Money at rest and in motion: price x quantity in the quote asset.
using Notional = Decimal;

namespace literals {
// 61837.63_dec, checked by the compiler: a literal that is not exact does not compile.
template <char... kText>
consteval Decimal operator""_dec() {
  constexpr char text[] = {kText..., '\0'};
  __int128 units = 0;
  int fraction_digits = -1;
  for (const char* c = text; *c != '\0'; ++c) {
    if (*c == '\'') continue;
    if (*c == '.') {
      fraction_digits = 0;
      continue;
    }
    if (*c < '0' || *c > '9') throw "not a decimal literal";
    units = units * 10 + (*c - '0');
    if (fraction_digits >= 0) ++fraction_digits;
  }
  for (int i = fraction_digits < 0 ? 0 : fraction_digits; i < Decimal::kFractionDigits; ++i) {
    units *= 10;
  }
  if (fraction_digits > Decimal::kFractionDigits) throw "more than eight fraction digits";
  return Decimal::FromUnits(Decimal::Checked(units));
}
}  // namespace literals

}  // namespace holdfast
