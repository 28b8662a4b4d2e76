#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "workflows/runtime/json.h"
#include "workflows/runtime/payload_format.h"
#include "workflows/runtime/workflow_error.h"

// The texts of the payload columns: inputs, output and error of a workflow and of a step, messages,
// events and stream values. Grammar with examples: docs/journal_format.md.
//
// Decoding takes rows that anybody may have written. Its errors:
//   kInvalidArgument    not a text of this format
//   kUnimplemented      a text of this format with something that JSON has no word for (a regular
//                       expression, a registered class); a worker in its own language can read it
//   kResourceExhausted  over the bounds in json.h
// Encoding has the same errors, for values. Nothing here throws.
namespace holdfast::workflows {

// What a workflow is called with.
struct Arguments {
  std::vector<Json> positional;
  Json named = Json::object();

  bool operator==(const Arguments&) const = default;
};

// portable_json   {"positionalArgs":[...],"namedArgs":{...}}; the second only when there are any
// js_superjson    the array of arguments; named ones are refused
// DBOS_JSON       the one argument; more, or named ones, are refused
[[nodiscard]] absl::StatusOr<std::string> EncodeArguments(PayloadFormat format,
                                                          const Arguments& arguments);
// A column without inputs is a call without arguments.
[[nodiscard]] absl::StatusOr<Arguments> DecodeArguments(PayloadFormat format,
                                                        std::optional<std::string_view> text);

// Outputs, messages, events, stream values, schedule contexts.
[[nodiscard]] absl::StatusOr<std::string> EncodeValue(PayloadFormat format, const Json& value);
// A column without a value is null.
[[nodiscard]] absl::StatusOr<Json> DecodeValue(PayloadFormat format,
                                               std::optional<std::string_view> text);

// DBOS_JSON keeps the message only: that is what Go's client makes of an error that it did not
// write itself. The other two keep everything. Data that cannot be written is left out, so that an
// error can always be recorded.
std::string EncodeError(PayloadFormat format, const WorkflowError& error);
// Reads leniently: what stands in an error column is an error, however odd its shape. Fails only
// for a text that is not of the format at all.
[[nodiscard]] absl::StatusOr<WorkflowError> DecodeError(PayloadFormat format,
                                                        std::string_view text);

// Whether a stored stream value is the marker that ends a stream, in any format and as releases
// before the portable form wrote it.
bool IsStreamClosedMarker(PayloadFormat format, std::string_view text);

}  // namespace holdfast::workflows
