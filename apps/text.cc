#include "apps/text.h"

namespace holdfast {

std::vector<std::string_view> SplitText(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return parts;
}

std::string ReplaceText(std::string_view text, std::string_view what, std::string_view by) {
  std::string out;
  for (size_t at = text.find(what); at != std::string_view::npos; at = text.find(what)) {
    AppendTo(out, text.substr(0, at), by);
    text.remove_prefix(at + what.size());
  }
  return Concat(out, text);
}

}  // namespace holdfast
