#pragma once

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

#include "workflows/runtime/json.h"

namespace holdfast::workflows {

// The rows of a fixture file: a JSON array of objects.
inline Json ReadFixture(const std::string& name) {
  std::ifstream file(HOLDFAST_WORKFLOW_FIXTURES + name);
  REQUIRE(file.is_open());
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const absl::StatusOr<Json> rows = ParseJson(text);
  REQUIRE(rows.ok());
  REQUIRE(rows->is_array());
  REQUIRE_FALSE(rows->empty());
  return *rows;
}

}  // namespace holdfast::workflows
