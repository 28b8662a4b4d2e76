#pragma once

#include <string_view>

#include "absl/strings/string_view.h"

// Debian's Abseil has a string_view of its own, which does not convert to or from the standard's.
namespace holdfast::workflows {

inline absl::string_view AbslView(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view StdView(absl::string_view text) { return {text.data(), text.size()}; }

}  // namespace holdfast::workflows
