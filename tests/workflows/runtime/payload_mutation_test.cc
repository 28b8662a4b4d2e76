// Proves that no text makes decoding do anything but answer: valid payloads are damaged at random
// (bytes, pieces, repetitions) from a printed seed and read in every format. What is accepted can
// be written again and reads the same. Run under AddressSanitizer it proves memory safety too.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "fixture.h"
#include "random_json.h"
#include "workflows/runtime/cron.h"
#include "workflows/runtime/payload.h"
#include "workflows/runtime/typed_json.h"

namespace holdfast::workflows {
namespace {

constexpr PayloadFormat kFormats[] = {PayloadFormat::kPortableJson, PayloadFormat::kSuperjson,
                                      PayloadFormat::kDbosJson};

std::string Damaged(std::string text, Prng& prng) {
  static constexpr const char* kPieces[] = {"\"",
                                            "{",
                                            "}",
                                            "[",
                                            "]",
                                            ",",
                                            ":",
                                            "\\",
                                            "\\u",
                                            "\\ud800",
                                            "null",
                                            "1e999",
                                            "-",
                                            "0",
                                            ".",
                                            "\xff",
                                            "\xc3",
                                            "\"Date\"",
                                            "\"map\"",
                                            "\"set\"",
                                            "\"values\"",
                                            "\"meta\"",
                                            "\"0\"",
                                            "[[[[",
                                            "{\"a\":",
                                            "__proto__",
                                            "9999999999999999999999",
                                            "\"positionalArgs\""};
  for (uint64_t i = prng.Between(1, 4); i > 0; --i) {
    const size_t at = prng.Below(text.size() + 1);
    switch (prng.Below(5)) {
      case 0:
        text.insert(at, kPieces[prng.Below(std::size(kPieces))]);
        break;
      case 1:
        text.erase(at, prng.Below(8));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>(prng.Next());
        break;
      case 3:
        text.insert(at, text.substr(prng.Below(text.size() + 1), prng.Below(20)));
        break;
      default:
        text.resize(at);
        break;
    }
  }
  return text;
}

void Decode(const std::string& text) {
  for (const PayloadFormat format : kFormats) {
    const absl::StatusOr<Json> value = DecodeValue(format, text);
    if (value.ok()) {
      const absl::StatusOr<std::string> again = EncodeValue(format, *value);
      REQUIRE(again.ok());
      CHECK(*DecodeValue(format, *again) == *value);
      (void)FromJson<std::vector<int64_t>>(*value);
      (void)FromJson<std::map<std::string, std::optional<std::string>>>(*value);
    } else {
      CHECK((value.status().code() == absl::StatusCode::kInvalidArgument ||
             value.status().code() == absl::StatusCode::kUnimplemented ||
             value.status().code() == absl::StatusCode::kResourceExhausted));
      CHECK(value.status().message().size() < 300);
    }
    const absl::StatusOr<Arguments> arguments = DecodeArguments(format, text);
    if (arguments.ok()) {
      const absl::StatusOr<std::string> again = EncodeArguments(format, *arguments);
      REQUIRE(again.ok());
      CHECK(*DecodeArguments(format, *again) == *arguments);
    }
    const absl::StatusOr<WorkflowError> error = DecodeError(format, text);
    if (error.ok()) {
      const absl::Status status = RecordedStatus(StatusFromWorkflowError(*error));
      CHECK_FALSE(status.ok());
      if (format != PayloadFormat::kDbosJson) {
        const std::string again = EncodeError(format, WorkflowErrorFromStatus(status));
        CHECK(StatusFromWorkflowError(*DecodeError(format, again)) == status);
      }
    }
    (void)IsStreamClosedMarker(format, text);
  }
}

TEST_CASE("payload: damaged texts are answered with a status", "[workflows][payload][mutation]") {
  std::vector<std::string> texts;
  for (const Json& row : ReadFixture("sdk_payloads.json")) {
    texts.push_back(row["text"].get<std::string>());
  }
  for (const Json& row : ReadFixture("written_here.json")) {
    texts.push_back(row["text"].get<std::string>());
  }
  const uint64_t seed = 815;
  CAPTURE(seed);
  Prng prng(seed);
  for (int i = 0; i < 30'000; ++i) {
    std::string text = Damaged(texts[prng.Below(texts.size())], prng);
    if (prng.Chance(1, 4)) text = absl::Base64Escape(text);
    Decode(text);
  }
}

TEST_CASE("payload: random bytes are answered with a status", "[workflows][payload][mutation]") {
  const uint64_t seed = 4711;
  CAPTURE(seed);
  Prng prng(seed);
  for (int i = 0; i < 5'000; ++i) {
    std::string text(prng.Below(40), '\0');
    for (char& byte : text) byte = static_cast<char>(prng.Next());
    Decode(text);
  }
}

TEST_CASE("payload: texts made to hurt are answered quickly", "[workflows][payload][mutation]") {
  // Nothing here is slow when the work is proportional to the text.
  Decode(std::string(1 << 20, '['));
  Decode(std::string(1 << 20, '{'));
  Decode("\"" + std::string(1 << 20, '\\'));
  Decode(std::string(1 << 20, '9'));
  std::string wide = "{";
  for (int i = 0; i < 100'000; ++i) wide += "\"" + std::to_string(i) + "\":0,";
  Decode(wide + "\"x\":0}");
  // An object whose first member is large and which then grows, on every level.
  std::string nested = "[0";
  for (int i = 0; i < 200'000; ++i) nested += ",0";
  nested += "]";
  for (int i = 0; i < kJsonDepthMax - 1; ++i) nested = "{\"a\":" + nested + ",\"b\":1,\"c\":2}";
  CHECK(ParseJson(nested).ok());
  std::string path = "0";
  for (int i = 0; i < 100'000; ++i) path += ".0";
  Decode(R"({"json":[],"meta":{"values":{")" + path +
         R"(":["Date"]}},"__dbos_serializer":"superjson"})");
}

TEST_CASE("cron: damaged expressions are answered with a status", "[workflows][cron][mutation]") {
  const uint64_t seed = 99;
  CAPTURE(seed);
  Prng prng(seed);
  const Json rows = ReadFixture("sdk_cron_expressions.json");
  for (int i = 0; i < 20'000; ++i) {
    const auto& row = rows[prng.Below(rows.size())];
    const std::string text = Damaged(row["expression"].get<std::string>(), prng);
    const absl::StatusOr<CronExpression> cron = CronExpression::Parse(text);
    if (!cron.ok()) {
      CHECK(cron.status().code() == absl::StatusCode::kInvalidArgument);
      continue;
    }
    const absl::Time after = absl::FromUnixSeconds(prng.Between(0, 7'000'000'000));
    const absl::StatusOr<absl::Time> next = cron->NextFire(absl::UTCTimeZone(), after);
    if (next.ok()) CHECK(cron->Matches(absl::ToCivilSecond(*next, absl::UTCTimeZone())));
  }
}

}  // namespace
}  // namespace holdfast::workflows
