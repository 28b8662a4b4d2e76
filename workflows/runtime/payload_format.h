#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"

namespace holdfast::workflows {

// How a row's payloads are written; the row names it in its column `serialization`. The rule of the
// shared tables: whoever answers writes in the format that the row names.
enum class PayloadFormat : uint8_t {
  kPortableJson,  // "portable_json": every language; what this runtime writes by itself
  kSuperjson,     // "js_superjson": TypeScript's own
  kDbosJson,      // "DBOS_JSON": Go's own, base64 of JSON
};

// The column's text.
std::string_view PayloadFormatName(PayloadFormat format);

// The format that a column names. A row without a name was written by a TypeScript release that
// recorded none: its format is js_superjson, whose texts carry a marker of their own, so a row of
// another language is refused when it is read, not misread.
//
// Errors: kUnimplemented for every other name ("py_pickle", custom serializers). Such a row belongs
// to a worker that can read it.
[[nodiscard]] absl::StatusOr<PayloadFormat> PayloadFormatFromColumn(
    std::optional<std::string_view> column);

}  // namespace holdfast::workflows
