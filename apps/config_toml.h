#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

// A TOML document flattened to its leaves, in the order of their lines. The parser library stays
// behind this header.
struct TomlLeaf {
  enum class Kind : uint8_t { kText, kInteger, kNumber, kBoolean, kOther };
  std::string name;  // "section.key"
  Kind kind = Kind::kText;
  std::string text = {};  // the value; of kOther its type: "array"
  int line = 0;
};

struct TomlDocument {
  std::vector<TomlLeaf> leaves;
  // Set when the text is not TOML (leaves is then empty).
  std::string error;
  int error_line = 0;
};

TomlDocument ParseToml(std::string_view text);

}  // namespace holdfast
