#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/string_view.h"

namespace holdfast {

// Debian's Abseil has a string_view of its own, so its StrCat does not take ours; these are the few
// text helpers that the binaries need.
inline void AppendText(std::string& out, std::string_view part) { out += part; }
inline void AppendText(std::string& out, const std::string& part) { out += part; }
inline void AppendText(std::string& out, const char* part) { out += part; }
inline void AppendText(std::string& out, char part) { out += part; }
inline void AppendText(std::string& out, absl::string_view part) {
  out.append(part.data(), part.size());
}
template <std::integral Number>
void AppendText(std::string& out, Number part) {
  out += std::to_string(part);
}

template <typename... Parts>
void Append(std::string& out, const Parts&... parts) {
  (AppendText(out, parts), ...);
}

template <typename... Parts>
std::string Concat(const Parts&... parts) {
  std::string out;
  Append(out, parts...);
  return out;
}

// The parts between separators; empty text has none.
std::vector<std::string_view> SplitText(std::string_view text, char separator);
std::string ReplaceText(std::string_view text, std::string_view what, std::string_view by);

}  // namespace holdfast
