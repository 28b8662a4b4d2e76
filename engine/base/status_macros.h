#pragma once

#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Abseil 20220623 (Debian 12) has no status macros; these are the two that the project uses.

#define HF_RETURN_IF_ERROR(expression)                                              \
  do {                                                                              \
    if (::absl::Status hf_status = (expression); !hf_status.ok()) return hf_status; \
  } while (false)

#define HF_CONCAT_INNER(a, b) a##b
#define HF_CONCAT(a, b) HF_CONCAT_INNER(a, b)

#define HF_ASSIGN_OR_RETURN(lhs, expression) \
  HF_ASSIGN_OR_RETURN_IMPL(HF_CONCAT(hf_status_or_, __LINE__), lhs, expression)

#define HF_ASSIGN_OR_RETURN_IMPL(holder, lhs, expression) \
  auto holder = (expression);                             \
  if (!holder.ok()) return std::move(holder).status();    \
  lhs = *std::move(holder)

namespace holdfast {

// The same status with `context` in front of its message: "context: message".
absl::Status WithContext(const absl::Status& status, std::string_view context);

}  // namespace holdfast
