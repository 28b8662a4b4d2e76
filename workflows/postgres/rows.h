#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct pg_result;

namespace holdfast::workflows {

// The rows that one statement answered, in text format. Copies share them; what text() points into
// lives as long as any copy.
class Rows {
 public:
  Rows() = default;
  explicit Rows(pg_result* result);  // takes it over

  int count() const;
  bool IsNull(int row, int column) const;
  std::string_view text(int row, int column) const;  // empty for null
  std::string String(int row, int column) const { return std::string(text(row, column)); }
  std::optional<std::string> OptionalString(int row, int column) const;
  // REQUIRES: the column is of an integer type and not null.
  int64_t Integer(int row, int column) const;
  std::optional<int64_t> OptionalInteger(int row, int column) const;
  double Double(int row, int column) const;
  bool Bool(int row, int column) const;  // false for null
  // Rows that an INSERT, UPDATE or DELETE touched.
  int64_t AffectedCount() const;

 private:
  std::shared_ptr<pg_result> result_;
};

}  // namespace holdfast::workflows
