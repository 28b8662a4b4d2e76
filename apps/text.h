#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "connectors/net/text.h"

namespace holdfast {

// The parts between separators; empty text has none.
std::vector<std::string_view> SplitText(std::string_view text, char separator);
std::string ReplaceText(std::string_view text, std::string_view what, std::string_view by);

inline std::string_view MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

}  // namespace holdfast
