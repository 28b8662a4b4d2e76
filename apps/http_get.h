#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engine/base/clock.h"

namespace holdfast {

struct HttpAnswer {
  int status = 0;
  std::string body;
};

// A GET on the calling thread; blocks for at most `timeout_ns`. For start and end of a run, never
// beside the loop. Errors: kInvalidArgument = not a usable URL; kUnavailable = no answer.
absl::StatusOr<HttpAnswer> HttpGet(const std::string& url, const std::string& ca_file,
                                   int64_t timeout_ns, Clock& clock);

}  // namespace holdfast
