#include "workflows/runtime/workflow_error.h"

#include <algorithm>
#include <array>
#include <type_traits>

#include "absl/status/statusor.h"
#include "absl/strings/cord.h"
#include "engine/base/assert.h"
#include "workflows/runtime/text.h"

namespace holdfast::workflows {
namespace {

struct CodeName {
  absl::StatusCode code;
  std::string_view name;
};

constexpr auto kCodeNames = std::to_array<CodeName>({
    {absl::StatusCode::kOk, "OK"},
    {absl::StatusCode::kCancelled, "CANCELLED"},
    {absl::StatusCode::kUnknown, "UNKNOWN"},
    {absl::StatusCode::kInvalidArgument, "INVALID_ARGUMENT"},
    {absl::StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED"},
    {absl::StatusCode::kNotFound, "NOT_FOUND"},
    {absl::StatusCode::kAlreadyExists, "ALREADY_EXISTS"},
    {absl::StatusCode::kPermissionDenied, "PERMISSION_DENIED"},
    {absl::StatusCode::kResourceExhausted, "RESOURCE_EXHAUSTED"},
    {absl::StatusCode::kFailedPrecondition, "FAILED_PRECONDITION"},
    {absl::StatusCode::kAborted, "ABORTED"},
    {absl::StatusCode::kOutOfRange, "OUT_OF_RANGE"},
    {absl::StatusCode::kUnimplemented, "UNIMPLEMENTED"},
    {absl::StatusCode::kInternal, "INTERNAL"},
    {absl::StatusCode::kUnavailable, "UNAVAILABLE"},
    {absl::StatusCode::kDataLoss, "DATA_LOSS"},
    {absl::StatusCode::kUnauthenticated, "UNAUTHENTICATED"},
});

// Valid UTF-8 within the bound; a text that already is comes back as it is.
std::string Readable(std::string_view text) {
  std::string readable = ValidUtf8(text.substr(0, kErrorMessageBytesMax));
  if (readable.size() <= kErrorMessageBytesMax) return readable;
  size_t size = kErrorMessageBytesMax;
  while ((static_cast<unsigned char>(readable[size]) & 0xC0) == 0x80) --size;
  readable.resize(size);
  return readable;
}

// Whether the data fits into every format: inside their envelopes, and within its own bound.
bool IsRecordable(const Json& data) {
  constexpr int kEnvelopeDepthMax = 4;
  Json enveloped = data;
  for (int i = 0; i < kEnvelopeDepthMax; ++i) {
    Json outer = Json::array();
    outer.push_back(std::move(enveloped));
    enveloped = std::move(outer);
  }
  const absl::StatusOr<std::string> text = WriteJson(enveloped);
  return text.ok() && text->size() <= kErrorDataBytesMax;
}

// What rides in a status: the members that the status itself has no place for. The error matters
// more than its details: data that cannot be recorded is left out.
std::string PayloadText(const WorkflowError& error) {
  Json payload = Json::object();
  payload["name"] = Readable(error.name);
  if (const auto* number = std::get_if<int64_t>(&error.code)) payload["code"] = *number;
  if (const auto* text = std::get_if<std::string>(&error.code)) payload["code"] = Readable(*text);
  if (!error.data.is_null() && IsRecordable(error.data)) payload["data"] = error.data;
  const absl::StatusOr<std::string> text = WriteJson(payload);
  HF_ASSERT(text.ok());
  return *text;
}

// Fills name, code and data; false when the text is not one of PayloadText's.
bool ReadPayloadText(std::string_view text, WorkflowError& error) {
  absl::StatusOr<Json> payload = ParseJson(text);
  if (!payload.ok() || !payload->is_object()) return false;
  const auto name = payload->find("name");
  if (name == payload->end() || !name->is_string()) return false;
  error.name = Readable(name->get_ref<const std::string&>());
  if (const auto code = payload->find("code"); code != payload->end()) {
    if (code->is_string()) {
      error.code = Readable(code->get_ref<const std::string&>());
    } else if (code->is_number_integer()) {
      error.code = code->get<int64_t>();
    }
  }
  if (const auto data = payload->find("data"); data != payload->end() && IsRecordable(*data)) {
    error.data = *data;
  }
  return true;
}

}  // namespace

std::string_view StatusCodeName(absl::StatusCode code) {
  for (const CodeName& entry : kCodeNames) {
    if (entry.code == code) return entry.name;
  }
  return "UNKNOWN";
}

absl::StatusCode StatusCodeFromName(std::string_view name) {
  for (const CodeName& entry : kCodeNames) {
    if (entry.name == name && entry.code != absl::StatusCode::kOk) return entry.code;
  }
  return absl::StatusCode::kUnknown;
}

absl::Status MakeWorkflowError(std::string name, std::string message, ErrorCode code, Json data,
                               absl::StatusCode status_code) {
  WorkflowError error;
  error.name = std::move(name);
  error.message = std::move(message);
  error.code = std::move(code);
  error.data = std::move(data);
  error.status_code = status_code;
  return StatusFromWorkflowError(error);
}

WorkflowError WorkflowErrorFromStatus(const absl::Status& status) {
  HF_ASSERT(!status.ok());
  WorkflowError error;
  error.status_code = status.code();
  error.message = Readable(StdView(status.message()));
  error.name = StatusCodeName(status.code());
  size_t payload_bytes = 0;
  status.ForEachPayload([&](absl::string_view url, const absl::Cord& payload) {
    std::string bytes(payload);
    if (StdView(url) == kWorkflowErrorUrl && ReadPayloadText(bytes, error)) return;
    payload_bytes += url.size() + bytes.size();
    error.payloads.emplace_back(ValidUtf8(StdView(url)), std::move(bytes));
  });
  if (payload_bytes > kErrorPayloadBytesMax) error.payloads.clear();
  std::sort(error.payloads.begin(), error.payloads.end());
  return error;
}

absl::Status StatusFromWorkflowError(const WorkflowError& error) {
  const absl::StatusCode code =
      error.status_code == absl::StatusCode::kOk ? absl::StatusCode::kUnknown : error.status_code;
  absl::Status status(code, Readable(error.message));
  for (const auto& [url, bytes] : error.payloads) status.SetPayload(url, absl::Cord(bytes));
  const bool says_all = error.name == StatusCodeName(code) && error.data.is_null() &&
                        std::holds_alternative<std::monostate>(error.code);
  if (!says_all) status.SetPayload(AbslView(kWorkflowErrorUrl), absl::Cord(PayloadText(error)));
  return status;
}

absl::Status RecordedStatus(const absl::Status& status) {
  return StatusFromWorkflowError(WorkflowErrorFromStatus(status));
}

}  // namespace holdfast::workflows
