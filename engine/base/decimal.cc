#include "engine/base/decimal.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

absl::Status BadText(std::string_view text, const char* reason, absl::StatusCode code) {
  return absl::Status(
      code, absl::StrCat("decimal: text=\"",
                         absl::string_view(text.data(), std::min<size_t>(text.size(), 40)),
                         "\" reason=", reason));
}

}  // namespace

absl::StatusOr<Decimal> Decimal::Parse(std::string_view text) {
  std::string_view rest = text;
  bool is_negative = false;
  if (!rest.empty() && (rest.front() == '-' || rest.front() == '+')) {
    is_negative = rest.front() == '-';
    rest.remove_prefix(1);
  }
  __int128 units = 0;
  int fraction_digits = -1;  // -1: still before the point
  bool has_digit = false;
  for (const char c : rest) {
    if (c == '.') {
      if (fraction_digits >= 0)
        return BadText(text, "two points", absl::StatusCode::kInvalidArgument);
      fraction_digits = 0;
      continue;
    }
    if (c < '0' || c > '9') {
      return BadText(text, "not a digit", absl::StatusCode::kInvalidArgument);
    }
    has_digit = true;
    if (fraction_digits >= kFractionDigits) {
      if (c != '0') return BadText(text, "finer than 1e-8", absl::StatusCode::kOutOfRange);
      continue;
    }
    units = units * 10 + (c - '0');
    if (fraction_digits >= 0) ++fraction_digits;
    if (!FitsUnits(units)) return BadText(text, "too large", absl::StatusCode::kOutOfRange);
  }
  if (!has_digit) return BadText(text, "no digits", absl::StatusCode::kInvalidArgument);
  for (int i = std::max(fraction_digits, 0); i < kFractionDigits; ++i) units *= 10;
  if (!FitsUnits(units)) return BadText(text, "too large", absl::StatusCode::kOutOfRange);
  return Decimal(static_cast<int64_t>(is_negative ? -units : units));
}

std::string Decimal::ToText() const { return ToText(0); }

std::string Decimal::ToText(int min_fraction_digits) const {
  char buffer[kMaxTextBytes];
  return std::string(buffer, AppendTo(buffer, min_fraction_digits));
}

char* Decimal::AppendTo(char* out, int min_fraction_digits) const {
  uint64_t magnitude = static_cast<uint64_t>(units_ < 0 ? -units_ : units_);
  if (units_ < 0) *out++ = '-';
  uint64_t whole = magnitude / kUnitsPerOne;
  uint64_t fraction = magnitude % kUnitsPerOne;

  char digits[12];
  int count = 0;
  do {
    digits[count++] = static_cast<char>('0' + whole % 10);
    whole /= 10;
  } while (whole != 0);
  while (count > 0) *out++ = digits[--count];

  int fraction_digits = kFractionDigits;
  if (fraction == 0) {
    fraction_digits = 0;
  } else {
    while (fraction % 10 == 0) {
      fraction /= 10;
      --fraction_digits;
    }
  }
  const int padding = std::max(0, std::min(min_fraction_digits, kFractionDigits) - fraction_digits);
  if (fraction_digits + padding == 0) return out;
  *out++ = '.';
  for (int i = fraction_digits - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + fraction % 10);
    fraction /= 10;
  }
  out += fraction_digits;
  for (int i = 0; i < padding; ++i) *out++ = '0';
  return out;
}

}  // namespace holdfast
