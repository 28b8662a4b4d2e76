#include "apps/config_toml.h"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "apps/text.h"

namespace holdfast {
namespace {

// Shortest text that reads back as the same number, without an exponent.
std::string NumberText(double value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "nan" : "inf";
  std::array<char, 400> buffer;
  const auto result =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return std::string(buffer.data(), result.ptr);
}

std::string_view TypeName(toml::node_type type) {
  switch (type) {
    case toml::node_type::array:
      return "array";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "date";
    case toml::node_type::none:
    case toml::node_type::table:
    case toml::node_type::string:
    case toml::node_type::integer:
    case toml::node_type::floating_point:
    case toml::node_type::boolean:
      break;
  }
  return "table";
}

TomlLeaf MakeLeaf(std::string name, const toml::node& node) {
  TomlLeaf leaf{.name = std::move(name), .line = static_cast<int>(node.source().begin.line)};
  if (const auto* text = node.as_string()) {
    leaf.text = text->get();
  } else if (const auto* integer = node.as_integer()) {
    leaf.kind = TomlLeaf::Kind::kInteger;
    leaf.text = Concat(integer->get());
  } else if (const auto* number = node.as_floating_point()) {
    leaf.kind = TomlLeaf::Kind::kNumber;
    leaf.text = NumberText(number->get());
  } else if (const auto* boolean = node.as_boolean()) {
    leaf.kind = TomlLeaf::Kind::kBoolean;
    leaf.text = boolean->get() ? "true" : "false";
  } else {
    leaf.kind = TomlLeaf::Kind::kOther;
    leaf.text = TypeName(node.type());
  }
  return leaf;
}

void Flatten(const toml::table& table, const std::string& prefix, std::vector<TomlLeaf>& leaves) {
  for (const auto& [key, node] : table) {
    std::string name = prefix.empty() ? std::string(key.str()) : Concat(prefix, ".", key.str());
    if (const toml::table* inner = node.as_table(); inner != nullptr && !inner->empty()) {
      Flatten(*inner, name, leaves);
    } else if (inner == nullptr || prefix.size() > 0) {
      leaves.push_back(MakeLeaf(std::move(name), node));
    } else {
      // An empty section is legal; an unknown one must still be told.
      leaves.push_back(MakeLeaf(Concat(name, "."), node));
    }
  }
}

}  // namespace

TomlDocument ParseToml(std::string_view text) {
  TomlDocument document;
  try {
    const toml::table table = toml::parse(text);
    Flatten(table, "", document.leaves);
  } catch (const toml::parse_error& error) {
    document.error = std::string(error.description());
    document.error_line = static_cast<int>(error.source().begin.line);
    return document;
  }
  std::stable_sort(document.leaves.begin(), document.leaves.end(),
                   [](const TomlLeaf& a, const TomlLeaf& b) { return a.line < b.line; });
  return document;
}

}  // namespace holdfast
