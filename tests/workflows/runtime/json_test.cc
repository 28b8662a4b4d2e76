// Proves that JSON texts are read exactly or refused, and that what is written can be read: by
// tables of good and bad texts, at both sides of each bound, and by random values.
#include "workflows/runtime/json.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <string>

#include "random_json.h"

namespace holdfast::workflows {
namespace {

std::string Nested(int depth) {
  return std::string(static_cast<size_t>(depth), '[') +
         std::string(static_cast<size_t>(depth), ']');
}

absl::StatusCode CodeOf(std::string_view text) { return ParseJson(text).status().code(); }

std::string Rewritten(std::string_view text) {
  const absl::StatusOr<Json> value = ParseJson(text);
  REQUIRE(value.ok());
  const absl::StatusOr<std::string> written = WriteJson(*value);
  REQUIRE(written.ok());
  return *written;
}

TEST_CASE("json: texts come back with the same bytes", "[workflows][json]") {
  for (const char* text :
       {"null", "true", "false", "0", "-1", "9007199254740993", "9223372036854775807",
        "-9223372036854775808", "18446744073709551615", "3.14", "\"\"", "\"Grüße 世界 🙂\"",
        R"("\u0000\b\f\n\r\t\u001f\"\\")", "[]", "{}", R"({"z":1,"a":{"y":[],"b":null}})",
        R"([[1,"2",{"":0}],-5.5])"}) {
    CAPTURE(text);
    CHECK(Rewritten(text) == text);
  }
  CHECK(Rewritten(" { \"a\" : [ 1 , 2 ] } ") == R"({"a":[1,2]})");
  CHECK(Rewritten(R"("\u00fc\ud83d\ude42\/")") == "\"ü🙂/\"");
}

TEST_CASE("json: integers are exact or refused, never rounded", "[workflows][json]") {
  CHECK(ParseJson("9007199254740993")->get<int64_t>() == 9007199254740993);
  CHECK(ParseJson("18446744073709551615")->get<uint64_t>() == 18446744073709551615u);
  // JavaScript writes doubles up to 1e21 without an exponent.
  CHECK(ParseJson("100000000000000000000")->get<double>() == 1e20);
  CHECK(ParseJson("-123456789012345680000")->get<double>() == -123456789012345680000.0);
  CHECK(CodeOf("18446744073709551617") == absl::StatusCode::kInvalidArgument);
  CHECK(CodeOf("-9223372036854775809") == absl::StatusCode::kInvalidArgument);
  CHECK(CodeOf("123456789012345678901234567890") == absl::StatusCode::kInvalidArgument);
  CHECK(CodeOf("100000000000000000001") == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("json: what is no JSON is refused with its place", "[workflows][json]") {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "NaN",
                           "Infinity",
                           "-",
                           "01",
                           "1.",
                           ".5",
                           "1e",
                           "1e400",
                           "-1e999",
                           "'a'",
                           "\"",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\ud800\"",
                           "\"\\ud800a\"",
                           "\"\\udc00\"",
                           "\"\n\"",
                           "[",
                           "[1,]",
                           "[1 2]",
                           "]",
                           "{",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:2}",
                           "1 2",
                           "[]]",
                           "nullx",
                           "/*c*/1",
                           "1//",
                           "\"\xff\"",
                           "\"\xc3\"",
                           "\"\xed\xa0\x80\"",
                           "\"\xc0\x80\"",
                           "\"\xf5\x80\x80\x80\"",
                           "\xff"}) {
    CAPTURE(text);
    CHECK(CodeOf(text) == absl::StatusCode::kInvalidArgument);
  }
  CHECK(CodeOf(std::string_view("\"a\0b\"", 5)) == absl::StatusCode::kInvalidArgument);
  CHECK(CodeOf(std::string_view("1\0", 2)) == absl::StatusCode::kInvalidArgument);
  CHECK(ParseJson("[1,x]").status().message() == "json: malformed at byte 4");
}

TEST_CASE("json: a member named twice is refused, in small and in large objects",
          "[workflows][json]") {
  CHECK(CodeOf(R"({"a":1,"a":1})") == absl::StatusCode::kInvalidArgument);
  CHECK(CodeOf(R"({"a":1,"\u0061":2})") == absl::StatusCode::kInvalidArgument);
  CHECK(ParseJson(R"({"a":{"a":1},"b":{"a":1}})").ok());
  for (const int count : {2, 15, 16, 17, 18, 40, 5000}) {
    std::string text = "{";
    for (int i = 0; i < count; ++i) text += "\"m" + std::to_string(i) + "\":0,";
    CAPTURE(count);
    CHECK(ParseJson(text + "\"last\":0}")->size() == static_cast<size_t>(count) + 1);
    for (const int repeated : {0, count / 2, count - 1}) {
      CHECK(CodeOf(text + "\"m" + std::to_string(repeated) + "\":0}") ==
            absl::StatusCode::kInvalidArgument);
    }
  }
}

TEST_CASE("json: depth, number of values and length are bounded both ways", "[workflows][json]") {
  CHECK(Rewritten(Nested(kJsonDepthMax)) == Nested(kJsonDepthMax));
  CHECK(CodeOf(Nested(kJsonDepthMax + 1)) == absl::StatusCode::kResourceExhausted);
  CHECK(CodeOf(std::string(1 << 20, '[')) == absl::StatusCode::kResourceExhausted);
  Json deep = *ParseJson(Nested(kJsonDepthMax));
  Json deeper = Json::array();
  deeper.push_back(std::move(deep));
  CHECK(WriteJson(deeper).status().code() == absl::StatusCode::kResourceExhausted);

  std::string many = "[0";
  for (size_t i = 2; i < kJsonValueCountMax; ++i) many += ",0";
  CHECK(ParseJson(many + "]").ok());
  CHECK(CodeOf(many + ",0]") == absl::StatusCode::kResourceExhausted);
  Json wide = *ParseJson(many + "]");
  CHECK(WriteJson(wide).ok());
  wide.push_back(0);
  CHECK(WriteJson(wide).status().code() == absl::StatusCode::kResourceExhausted);

  const std::string longest = "\"" + std::string(kJsonBytesMax - 2, 'a') + "\"";
  CHECK(WriteJson(*ParseJson(longest)).ok());
  CHECK(CodeOf(longest + " ") == absl::StatusCode::kResourceExhausted);
  CHECK(WriteJson(Json(std::string(kJsonBytesMax - 1, 'a'))).status().code() ==
        absl::StatusCode::kResourceExhausted);
}

TEST_CASE("json: what JSON cannot say is not written", "[workflows][json]") {
  for (const Json& value : {Json(std::nan("")), Json(std::numeric_limits<double>::infinity()),
                            Json("\xff"), Json::binary({1, 2}), Json(Json::value_t::discarded)}) {
    Json inside = Json::object();
    inside["a"] = Json::array();
    inside["a"].push_back(value);
    CHECK(WriteJson(value).status().code() == absl::StatusCode::kInvalidArgument);
    CHECK(WriteJson(inside).status().code() == absl::StatusCode::kInvalidArgument);
  }
  Json named = Json::object();
  named["\xc3"] = 1;
  CHECK(WriteJson(named).status().code() == absl::StatusCode::kInvalidArgument);
}

TEST_CASE("json: random values come back equal and with the same text", "[workflows][json]") {
  const uint64_t seed = 20261121;
  CAPTURE(seed);
  Prng prng(seed);
  for (int i = 0; i < 3000; ++i) {
    const Json value = RandomJson(prng, 5);
    const absl::StatusOr<std::string> text = WriteJson(value);
    REQUIRE(text.ok());
    const absl::StatusOr<Json> read = ParseJson(*text);
    REQUIRE(read.ok());
    CHECK(*read == value);
    CHECK(*WriteJson(*read) == *text);
  }
}

TEST_CASE("json: text that is not UTF-8 is repaired", "[workflows][json]") {
  CHECK(ValidUtf8("").empty());
  CHECK(ValidUtf8("Grüße \"\\\n🙂") == "Grüße \"\\\n🙂");
  CHECK(ValidUtf8("a\xff"
                  "b") ==
        "a\xEF\xBF\xBD"
        "b");
  CHECK(ValidUtf8("a\xe4\xb8") == "a\xEF\xBF\xBD");
  CHECK(ValidUtf8(std::string("a\0b", 3)) == std::string("a\0b", 3));
}

}  // namespace
}  // namespace holdfast::workflows
