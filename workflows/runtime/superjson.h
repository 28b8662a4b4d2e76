#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "workflows/runtime/json.h"

namespace holdfast::workflows {

// The value of a js_superjson text, {"json":V,"meta":{...},"__dbos_serializer":"superjson"}, in
// which `meta` names the places whose JavaScript type JSON has no word for. They become what the
// portable format has for them: dates and URLs text, big integers decimal text, undefined null,
// sets arrays, maps with text keys objects, errors {name, message}, -0 a double. Anything else is
// kUnimplemented, and so is a value that contains itself.
[[nodiscard]] absl::StatusOr<Json> ParseSuperjson(std::string_view text);

// The text of a plain value: no `meta`.
[[nodiscard]] absl::StatusOr<std::string> WriteSuperjson(Json value);

}  // namespace holdfast::workflows
