// Proves that an error survives the journal: an absl::Status, written and read back in the formats
// that keep it, is the identical status, and turning it over a second time changes nothing.
#include "workflows/runtime/workflow_error.h"

#include <catch2/catch.hpp>
#include <limits>
#include <string>

#include "absl/strings/cord.h"
#include "random_json.h"
#include "workflows/runtime/payload.h"

namespace holdfast::workflows {
namespace {

std::string Url() { return std::string(kWorkflowErrorUrl); }

absl::Status ThroughJournal(PayloadFormat format, const absl::Status& status) {
  const std::string text = EncodeError(format, WorkflowErrorFromStatus(status));
  const absl::StatusOr<WorkflowError> read = DecodeError(format, text);
  REQUIRE(read.ok());
  return StatusFromWorkflowError(*read);
}

void CheckSurvives(const absl::Status& status) {
  CAPTURE(status.ToString());
  CHECK(RecordedStatus(RecordedStatus(status)) == RecordedStatus(status));
  for (const PayloadFormat format : {PayloadFormat::kPortableJson, PayloadFormat::kSuperjson}) {
    CHECK(ThroughJournal(format, status) == RecordedStatus(status));
  }
}

TEST_CASE("workflow error: every status code survives as it is", "[workflows][error]") {
  for (int raw = 1; raw <= 16; ++raw) {
    const absl::Status status(static_cast<absl::StatusCode>(raw), "what failed: key=value");
    CHECK(RecordedStatus(status) == status);
    CheckSurvives(status);
    const auto code = static_cast<absl::StatusCode>(raw);
    CHECK(StatusCodeFromName(StatusCodeName(code)) == code);
    CHECK(std::string(StatusCodeName(code)) == absl::StatusCodeToString(code));
  }
  CHECK(StatusCodeFromName("OK") == absl::StatusCode::kUnknown);
  CHECK(StatusCodeFromName("ValueError") == absl::StatusCode::kUnknown);
  CheckSurvives(absl::NotFoundError(""));
}

TEST_CASE("workflow error: a plain status is recorded with its code's name and nothing else",
          "[workflows][error]") {
  const auto text = [](const absl::Status& status) {
    return EncodeError(PayloadFormat::kPortableJson, WorkflowErrorFromStatus(status));
  };
  CHECK(text(absl::UnavailableError("gone")) == R"({"name":"UNAVAILABLE","message":"gone"})");
  Json data = Json::object();
  data["retryable"] = false;
  CHECK(text(MakeWorkflowError("ValueError", "m", 42, data)) ==
        R"({"name":"ValueError","message":"m","code":42,"data":{"retryable":false}})");
  CHECK(text(MakeWorkflowError("E", "m", "X1", nullptr, absl::StatusCode::kAborted)) ==
        R"({"name":"E","message":"m","code":"X1","holdfast":{"status":"ABORTED"}})");
}

TEST_CASE("workflow error: an application's error keeps all its parts", "[workflows][error]") {
  Json data = Json::object();
  data["z"] = 1;
  data["a"] = Json::array();
  const absl::Status status =
      MakeWorkflowError("ValueError", "m", -7, data, absl::StatusCode::kInvalidArgument);
  CHECK(status.code() == absl::StatusCode::kInvalidArgument);
  CHECK(status.message() == "m");
  const WorkflowError error = WorkflowErrorFromStatus(status);
  CHECK(error.name == "ValueError");
  CHECK(error.code == ErrorCode(int64_t{-7}));
  CHECK(WriteJson(error.data).value() == R"({"z":1,"a":[]})");
  CHECK(RecordedStatus(status) == status);
  CheckSurvives(status);
  CheckSurvives(MakeWorkflowError("NOT_FOUND", "m", {}, nullptr, absl::StatusCode::kNotFound));
  CheckSurvives(MakeWorkflowError("NOT_FOUND", "m", {}, nullptr, absl::StatusCode::kAborted));
  CheckSurvives(MakeWorkflowError("", "", "", 0));
}

TEST_CASE("workflow error: payloads of other owners survive", "[workflows][error]") {
  absl::Status status = absl::AbortedError("m");
  status.SetPayload("type.example/b", absl::Cord(std::string("\0\xff\x01", 3)));
  status.SetPayload("type.example/a", absl::Cord("text"));
  CHECK(RecordedStatus(status) == status);
  CheckSurvives(status);
  CheckSurvives(ThroughJournal(PayloadFormat::kPortableJson, status));
}

TEST_CASE("workflow error: a broken payload under our own url is just a payload",
          "[workflows][error]") {
  for (const char* text : {"", "x", "[]", "{}", R"({"name":1})", R"({"code":1})"}) {
    absl::Status status = absl::InternalError("m");
    status.SetPayload(Url(), absl::Cord(text));
    CHECK(WorkflowErrorFromStatus(status).name == "INTERNAL");
    CheckSurvives(status);
  }
}

TEST_CASE("workflow error: what cannot be recorded is repaired, cut or left out",
          "[workflows][error]") {
  const absl::Status binary = absl::DataLossError("bytes \xff\xfe");
  CHECK(RecordedStatus(binary).message() == "bytes \xEF\xBF\xBD\xEF\xBF\xBD");
  CheckSurvives(binary);

  // Cut in the middle of a character, and by characters that grow when they are repaired.
  for (const std::string& piece : {std::string("a"), std::string("世"), std::string("\xff")}) {
    std::string message;
    while (message.size() <= 2 * kErrorMessageBytesMax) message += piece;
    const absl::Status status = absl::InternalError(message);
    CHECK(RecordedStatus(status).message().size() <= kErrorMessageBytesMax);
    CHECK(RecordedStatus(status).message().size() > kErrorMessageBytesMax - 4);
    CheckSurvives(status);
    CheckSurvives(MakeWorkflowError(message, message, message));
  }

  absl::Status heavy = absl::InternalError("m");
  heavy.SetPayload("u", absl::Cord(std::string(kErrorPayloadBytesMax + 1, 'x')));
  CHECK(RecordedStatus(heavy) == absl::InternalError("m"));
  CheckSurvives(heavy);

  Json deep = Json::array();
  for (int i = 0; i < kJsonDepthMax - 2; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(deep));
    deep = std::move(outer);
  }
  for (const Json& data : {Json(std::numeric_limits<double>::infinity()), Json("\xff"), deep,
                           Json(std::string(kErrorDataBytesMax + 1, 'x'))}) {
    const absl::Status status = MakeWorkflowError("E", "m", 1, data);
    CHECK(WorkflowErrorFromStatus(status).data.is_null());
    CHECK(WorkflowErrorFromStatus(status).code == ErrorCode(int64_t{1}));
    CheckSurvives(status);
  }
}

TEST_CASE("workflow error: random errors survive", "[workflows][error]") {
  const uint64_t seed = 42;
  CAPTURE(seed);
  Prng prng(seed);
  for (int i = 0; i < 1000; ++i) {
    ErrorCode code;
    if (prng.Chance(1, 3)) code = static_cast<int64_t>(prng.Next());
    if (prng.Chance(1, 3)) code = RandomText(prng);
    const auto status_code = static_cast<absl::StatusCode>(prng.Between(1, 16));
    const bool is_canonical = prng.Chance(1, 3);
    absl::Status status = MakeWorkflowError(
        is_canonical ? std::string(StatusCodeName(status_code)) : RandomText(prng),
        RandomText(prng), code, RandomJson(prng, 3), status_code);
    for (uint64_t n = prng.Below(3); n > 0; --n) {
      status.SetPayload(RandomText(prng), absl::Cord(RandomText(prng)));
    }
    CHECK(RecordedStatus(status) == status);
    CheckSurvives(status);
  }
}

}  // namespace
}  // namespace holdfast::workflows
