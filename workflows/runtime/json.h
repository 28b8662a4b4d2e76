#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace holdfast::workflows {

// The value type of payloads. Members of an object keep the order in which they were written: a
// value that only passes through is written back with the bytes it came with, as DBOS's runtimes
// in other languages do. Looking a member up is linear; adapters of types with many members read
// them in the order they are declared.
using Json = nlohmann::ordered_json;

// Bounds of one text, read or written. A row beyond them was not written by a workflow.
inline constexpr size_t kJsonBytesMax = size_t{16} << 20;
inline constexpr int kJsonDepthMax = 128;  // arrays and objects inside each other
inline constexpr size_t kJsonValueCountMax = size_t{1} << 20;  // bounds the memory of a tree

// Reads one JSON text. Integers within 64 bits are exact; longer ones are taken as a double only if
// that double has the same decimal digits (this is how JavaScript writes 1e20), so a number never
// changes silently.
//
// Errors:
//   kInvalidArgument    not one JSON value in UTF-8; a member named twice; a number that cannot be
//                       held
//   kResourceExhausted  one of the bounds above
[[nodiscard]] absl::StatusOr<Json> ParseJson(std::string_view text);

// Writes compact JSON in UTF-8, nothing escaped that needs no escape.
//
// Errors: kInvalidArgument for what JSON cannot say (NaN, infinities, bytes, text that is not
// UTF-8), kResourceExhausted for the bounds above. What is written can be read by ParseJson.
[[nodiscard]] absl::StatusOr<std::string> WriteJson(const Json& value);

// The same text with every byte that is not part of valid UTF-8 replaced by U+FFFD.
std::string ValidUtf8(std::string_view text);

}  // namespace holdfast::workflows
