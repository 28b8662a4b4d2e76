#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

// Documents that are generated from the code, so that they cannot go stale: the test compares the
// file with what the code says now. With HOLDFAST_REGENERATE=1 in the environment it writes the
// file instead.
namespace holdfast::testing {

inline std::string DocumentPath(std::string_view name) {
  return std::string(HOLDFAST_SOURCE_DIR) + "/docs/" + std::string(name);
}

inline std::string ReadDocument(std::string_view name) {
  std::ifstream file(DocumentPath(name));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What to tell the reader of a failing test.
inline std::string HowToRegenerate(std::string_view name, std::string_view test) {
  return "docs/" + std::string(name) +
         " is not what the code says. Regenerate it with: " + "HOLDFAST_REGENERATE=1 " +
         std::string(test) + ", and review the difference.";
}

// The file's text, after writing `expected` into it when asked to.
inline std::string DocumentToCompare(std::string_view name, const std::string& expected) {
  if (std::getenv("HOLDFAST_REGENERATE") != nullptr) std::ofstream(DocumentPath(name)) << expected;
  return ReadDocument(name);
}

// A mermaid state diagram and a table of rows with `from`, `event` and `to`, in the table's order.
// Transitions that stay are only in the table: as loops they would hide the shape.
template <typename Table>
std::string DiagramOf(const Table& table) {
  std::string text = "```mermaid\nstateDiagram-v2\n";
  for (const auto& row : table) {
    if (row.from == row.to) continue;
    text += "  " + std::string(ToText(row.from)) + " --> " + std::string(ToText(row.to)) + ": " +
            std::string(ToText(row.event)) + "\n";
  }
  text += "```\n\n| state | event | next state |\n|---|---|---|\n";
  for (const auto& row : table) {
    text += "| " + std::string(ToText(row.from)) + " | " + std::string(ToText(row.event)) + " | " +
            std::string(ToText(row.to)) + " |\n";
  }
  return text;
}

}  // namespace holdfast::testing
