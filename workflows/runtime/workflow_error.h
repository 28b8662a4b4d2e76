#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "workflows/runtime/json.h"

namespace holdfast::workflows {

// Where a WorkflowError rides in an absl::Status.
inline constexpr std::string_view kWorkflowErrorUrl = "type.holdfast/workflows.WorkflowError";

// A longer message (name, code) is cut; larger data is left out, and so are larger payloads of
// others.
inline constexpr size_t kErrorMessageBytesMax = size_t{64} << 10;
inline constexpr size_t kErrorDataBytesMax = size_t{1} << 20;
inline constexpr size_t kErrorPayloadBytesMax = size_t{64} << 10;

// Absent, a number, or a text, as the application likes.
using ErrorCode = std::variant<std::monostate, int64_t, std::string>;

// An error as the tables hold it: what a workflow or a step of any language failed with.
//
// In C++ errors are absl::Status. The two map one to one, so that an error that is read back from
// the journal is the one that was recorded: RecordedStatus below is the identity on its results.
struct WorkflowError {
  std::string name;     // the kind: "ValueError", or a status code's name such as "NOT_FOUND"
  std::string message;  // for people
  ErrorCode code;
  Json data;  // null: none

  // The code of the status; clients of other languages do not see it. It is recorded only when the
  // name alone would not say it.
  absl::StatusCode status_code = absl::StatusCode::kUnknown;
  // The status's payloads of other owners, sorted by their type urls.
  std::vector<std::pair<std::string, std::string>> payloads;

  bool operator==(const WorkflowError&) const = default;
};

// "NOT_FOUND" and so on; kUnknown for a name that is no status code's.
std::string_view StatusCodeName(absl::StatusCode code);
absl::StatusCode StatusCodeFromName(std::string_view name);

// An error of the application's own kind, to return from a step or a workflow. Callers in other
// languages see these four; `status_code` is what C++ callers see beside them.
absl::Status MakeWorkflowError(std::string name, std::string message, ErrorCode code = {},
                               Json data = nullptr,
                               absl::StatusCode status_code = absl::StatusCode::kUnknown);

// REQUIRES: !status.ok(). A status without a WorkflowError in it gets its code's name and nothing
// else. Text that is not UTF-8 is repaired and a message over its bound is cut.
WorkflowError WorkflowErrorFromStatus(const absl::Status& status);

// Never OK. A WorkflowError rides along unless the code and the message say everything.
absl::Status StatusFromWorkflowError(const WorkflowError& error);

// What reading `status` back from the journal gives. The runtime hands this to the workflow in the
// first run too, so that a replay sees the same.
absl::Status RecordedStatus(const absl::Status& status);

}  // namespace holdfast::workflows
