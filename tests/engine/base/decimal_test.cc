// Proves that decimals are exact in text and arithmetic: worked values, refused texts, and random
// values against 128-bit integers and a plain text reference.

#include "engine/base/decimal.h"

#include <catch2/catch.hpp>
#include <cctype>
#include <string>
#include <vector>

#include "engine/base/prng.h"

namespace holdfast {
namespace {

using namespace literals;

// A value of random magnitude, so that short and long texts are equally likely.
Decimal RandomDecimal(Prng& prng, int max_bits = 63) {
  const int64_t magnitude = static_cast<int64_t>(prng.Next() >> (64 - prng.Between(1, max_bits)));
  const int64_t rounded = prng.Chance(1, 2) ? magnitude : magnitude / 1'000'000 * 1'000'000;
  return Decimal::FromUnits(prng.Chance(1, 2) ? rounded : -rounded);
}

}  // namespace

TEST_CASE("decimal: texts and values", "[base][decimal]") {
  struct Case {
    const char* text;
    int64_t units;
    const char* shortest;
  };
  const Case cases[] = {
      {"0", 0, "0"},
      {"-0", 0, "0"},
      {"+0.0", 0, "0"},
      {"1", 100'000'000, "1"},
      {"-12", -1'200'000'000, "-12"},
      {"0.001", 100'000, "0.001"},
      {".5", 50'000'000, "0.5"},
      {"5.", 500'000'000, "5"},
      {"007.10", 710'000'000, "7.1"},
      {"61837.63000000", 6'183'763'000'000, "61837.63"},
      {"0.00000001", 1, "0.00000001"},
      {"-0.00000001", -1, "-0.00000001"},
      {"1.000000000000", 100'000'000, "1"},
      {"92233720368.54775807", INT64_MAX, "92233720368.54775807"},
      {"-92233720368.54775807", -INT64_MAX, "-92233720368.54775807"},
  };
  for (const Case& c : cases) {
    INFO("text " << c.text);
    const auto parsed = Decimal::Parse(c.text);
    REQUIRE(parsed.ok());
    CHECK(parsed->units() == c.units);
    CHECK(parsed->ToText() == c.shortest);
  }
}

TEST_CASE("decimal: bad texts are refused with the text and a reason", "[base][decimal]") {
  using Code = absl::StatusCode;
  struct Case {
    std::string text;
    Code code;
    const char* reason;
  };
  const Case cases[] = {
      {"", Code::kInvalidArgument, "no digits"},
      {"-", Code::kInvalidArgument, "no digits"},
      {".", Code::kInvalidArgument, "no digits"},
      {"+.", Code::kInvalidArgument, "no digits"},
      {"1.2.3", Code::kInvalidArgument, "two points"},
      {"1e5", Code::kInvalidArgument, "not a digit"},
      {" 1", Code::kInvalidArgument, "not a digit"},
      {"1 ", Code::kInvalidArgument, "not a digit"},
      {"1,5", Code::kInvalidArgument, "not a digit"},
      {"--1", Code::kInvalidArgument, "not a digit"},
      {"0x10", Code::kInvalidArgument, "not a digit"},
      {"NaN", Code::kInvalidArgument, "not a digit"},
      {std::string("1\0", 2), Code::kInvalidArgument, "not a digit"},
      {"\xd9\xa1", Code::kInvalidArgument, "not a digit"},
      {"0.000000001", Code::kOutOfRange, "finer than 1e-8"},
      {"1.123456789", Code::kOutOfRange, "finer than 1e-8"},
      {"92233720368.54775808", Code::kOutOfRange, "too large"},
      {"-92233720368.54775808", Code::kOutOfRange, "too large"},
      {"92233720369", Code::kOutOfRange, "too large"},
      {std::string(100, '9'), Code::kOutOfRange, "too large"},
  };
  for (const Case& c : cases) {
    const auto parsed = Decimal::Parse(c.text);
    INFO("text " << c.text << " message " << parsed.status().message());
    CHECK(parsed.status().code() == c.code);
    CHECK(std::string(parsed.status().message()).find(c.reason) != std::string::npos);
  }
  // A foreign text in a message is cut.
  CHECK(Decimal::Parse(std::string(5000, 'x')).status().message().size() < 120);
}

TEST_CASE("decimal: printing and parsing are inverse", "[base][decimal]") {
  const uint64_t seed = 1;
  INFO("seed " << seed);
  Prng prng(seed);
  for (int i = 0; i < 20'000; ++i) {
    const Decimal value = RandomDecimal(prng);
    const int digits = static_cast<int>(prng.Between(0, 9));
    for (const std::string& text : {value.ToText(), value.ToText(digits)}) {
      REQUIRE(text.size() <= Decimal::kMaxTextBytes);
      REQUIRE(Decimal::Parse(text).value() == value);
    }
    // At least the digits asked for, and never a needless zero beyond them.
    const std::string text = value.ToText(digits);
    const size_t point = text.find('.');
    const size_t fraction_digits = point == std::string::npos ? 0 : text.size() - point - 1;
    REQUIRE(fraction_digits >= static_cast<size_t>(std::min(digits, 8)));
    if (fraction_digits > static_cast<size_t>(digits)) REQUIRE(text.back() != '0');
    char buffer[Decimal::kMaxTextBytes];
    REQUIRE(std::string(buffer, value.AppendTo(buffer)) == value.ToText());
  }
  CHECK((5_dec).ToText(2) == "5.00");
  CHECK((5.125_dec).ToText(2) == "5.125");
  CHECK((-0.5_dec).ToText(3) == "-0.500");
}

TEST_CASE("decimal: random bytes are refused or are exactly a decimal", "[base][decimal]") {
  const uint64_t seed = 2;
  INFO("seed " << seed);
  Prng prng(seed);
  const std::string alphabet = "0123456789.+-e ";
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    const int64_t size = prng.Between(0, 12);
    for (int64_t k = 0; k < size; ++k) text += alphabet[prng.Below(alphabet.size())];
    size_t at = !text.empty() && (text[0] == '+' || text[0] == '-') ? 1 : 0;
    int points = 0;
    int digits = 0;
    int significant_fraction = 0;
    int fraction = 0;
    bool is_decimal = true;
    for (; at < text.size(); ++at) {
      if (text[at] == '.') {
        ++points;
      } else if (std::isdigit(static_cast<unsigned char>(text[at])) != 0) {
        ++digits;
        if (points > 0) ++fraction;
        if (points > 0 && text[at] != '0') significant_fraction = fraction;
      } else {
        is_decimal = false;
      }
    }
    is_decimal = is_decimal && points <= 1 && digits > 0 && significant_fraction <= 8;
    const auto parsed = Decimal::Parse(text);
    INFO("text \"" << text << "\"");
    if (!is_decimal) {
      REQUIRE_FALSE(parsed.ok());
    } else if (parsed.ok()) {
      ++accepted;
      REQUIRE(parsed->ToDouble() == Approx(std::stod(text)));
    } else {
      REQUIRE(digits - fraction > 10);  // too large is the only other reason
    }
  }
  CHECK(accepted > 1000);
}

TEST_CASE("decimal: rounding of every sign and half", "[base][decimal]") {
  struct Case {
    int numerator;
    int denominator;
    int down;
    int up;
    int nearest;
  };
  const Case cases[] = {
      {7, 2, 3, 4, 4},     {-7, 2, -4, -3, -4}, {5, 3, 1, 2, 2}, {-5, 3, -2, -1, -2},
      {4, 3, 1, 2, 1},     {-4, 3, -2, -1, -1}, {6, 3, 2, 2, 2}, {-6, 3, -2, -2, -2},
      {1, 2, 0, 1, 1},     {-1, 2, -1, 0, -1},  {0, 5, 0, 0, 0}, {1, 100, 0, 1, 0},
      {-1, 100, -1, 0, 0}, {99, 100, 0, 1, 1},
  };
  for (const Case& c : cases) {
    INFO(c.numerator << " / " << c.denominator);
    CHECK(DivideRounded(c.numerator, c.denominator, Rounding::kDown) == c.down);
    CHECK(DivideRounded(c.numerator, c.denominator, Rounding::kUp) == c.up);
    CHECK(DivideRounded(c.numerator, c.denominator, Rounding::kNearest) == c.nearest);
  }
}

TEST_CASE("decimal: products and quotients lie within one unit of the exact value",
          "[base][decimal]") {
  const uint64_t seed = 3;
  INFO("seed " << seed);
  Prng prng(seed);
  for (int i = 0; i < 20'000; ++i) {
    const Decimal a = RandomDecimal(prng, 44);
    const Decimal b = RandomDecimal(prng, 44);
    const __int128 product = static_cast<__int128>(a.units()) * b.units();
    const Decimal down = Multiply(a, b, Rounding::kDown);
    const Decimal up = Multiply(a, b, Rounding::kUp);
    const Decimal nearest = Multiply(a, b, Rounding::kNearest);
    REQUIRE(static_cast<__int128>(down.units()) * Decimal::kUnitsPerOne <= product);
    REQUIRE(static_cast<__int128>(up.units()) * Decimal::kUnitsPerOne >= product);
    REQUIRE(up.units() - down.units() == (product % Decimal::kUnitsPerOne == 0 ? 0 : 1));
    const __int128 off = product - static_cast<__int128>(nearest.units()) * Decimal::kUnitsPerOne;
    REQUIRE((off < 0 ? -off : off) * 2 <= Decimal::kUnitsPerOne);
    REQUIRE(Multiply(-a, b, Rounding::kNearest) == -nearest);
    REQUIRE(Multiply(-a, b, Rounding::kDown) == -up);

    if (b.is_zero()) continue;
    const Decimal small = Decimal::FromUnits(a.units() / 100'000'000);
    const Decimal low = Divide(small, b, Rounding::kDown);
    const Decimal high = Divide(small, b, Rounding::kUp);
    const __int128 wanted = static_cast<__int128>(small.units()) * Decimal::kUnitsPerOne;
    const int sign = b.is_negative() ? -1 : 1;
    REQUIRE(sign * static_cast<__int128>(low.units()) * b.units() <= sign * wanted);
    REQUIRE(sign * static_cast<__int128>(high.units()) * b.units() >= sign * wanted);
    REQUIRE(high.units() - low.units() <= 1);
  }
}

TEST_CASE("decimal: sums, differences and counts are exact", "[base][decimal]") {
  const uint64_t seed = 4;
  INFO("seed " << seed);
  Prng prng(seed);
  for (int i = 0; i < 5'000; ++i) {
    const Decimal a = RandomDecimal(prng, 60);
    const Decimal b = RandomDecimal(prng, 60);
    REQUIRE((a + b) - b == a);
    REQUIRE(a - b == -(b - a));
    REQUIRE((a < b) == (a.units() < b.units()));
    REQUIRE(a.Absolute().units() >= 0);
    Decimal sum = a;
    sum += b;
    sum -= a;
    REQUIRE(sum == b);
  }
  CHECK(0.1_dec * 3 == 0.3_dec);
  CHECK(0.1_dec * -3 == -0.3_dec);
  CHECK(Decimal::FromInteger(-5) == -5_dec);
}

TEST_CASE("decimal: literals are exact", "[base][decimal]") {
  STATIC_REQUIRE(61837.63_dec == Decimal::FromUnits(6'183'763'000'000));
  STATIC_REQUIRE(1'000'000_dec == Decimal::FromInteger(1'000'000));
  STATIC_REQUIRE(0.00000001_dec == Decimal::FromUnits(1));
  STATIC_REQUIRE(Decimal().is_zero());
  STATIC_REQUIRE((-1_dec).is_negative());
  STATIC_REQUIRE((1_dec).is_positive());
}

TEST_CASE("decimal: what fits is known before it is computed", "[base][decimal]") {
  CHECK(Decimal::FitsUnits(INT64_MAX));
  CHECK(Decimal::FitsUnits(-static_cast<__int128>(INT64_MAX)));
  CHECK_FALSE(Decimal::FitsUnits(static_cast<__int128>(INT64_MAX) + 1));
  CHECK_FALSE(Decimal::FitsUnits(static_cast<__int128>(INT64_MIN)));  // has no negative
}

}  // namespace holdfast
