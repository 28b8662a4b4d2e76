#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engine/base/clock.h"

namespace holdfast {

// The body of a GET, on the calling thread; blocks for at most `timeout_ns`. For start and end of a
// run, never beside the loop. Errors: kInvalidArgument = not a usable URL; kUnavailable = no answer
// or a status other than 200.
absl::StatusOr<std::string> HttpGet(const std::string& url, int64_t timeout_ns, Clock& clock);

}  // namespace holdfast
