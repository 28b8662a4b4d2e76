#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace guide {

// The example of docs/runtime.md.
absl::StatusOr<std::string> Run();

}  // namespace guide
