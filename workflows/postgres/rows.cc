#include "workflows/postgres/rows.h"

#include <libpq-fe.h>

#include <charconv>

#include "absl/strings/numbers.h"
#include "engine/base/assert.h"

namespace holdfast::workflows {

Rows::Rows(pg_result* result) : result_(result, PQclear) {}

int Rows::count() const { return result_ ? PQntuples(result_.get()) : 0; }

bool Rows::IsNull(int row, int column) const {
  HF_ASSERT(row < count());
  HF_ASSERT(column < PQnfields(result_.get()));
  return PQgetisnull(result_.get(), row, column) != 0;
}

std::string_view Rows::text(int row, int column) const {
  HF_ASSERT(row < count());
  return std::string_view(PQgetvalue(result_.get(), row, column),
                          static_cast<size_t>(PQgetlength(result_.get(), row, column)));
}

std::optional<std::string> Rows::OptionalString(int row, int column) const {
  if (IsNull(row, column)) return std::nullopt;
  return String(row, column);
}

int64_t Rows::Integer(int row, int column) const {
  const std::string_view digits = text(row, column);
  int64_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  HF_ASSERT(parsed.ec == std::errc());
  HF_ASSERT(parsed.ptr == digits.data() + digits.size());
  return value;
}

std::optional<int64_t> Rows::OptionalInteger(int row, int column) const {
  if (IsNull(row, column)) return std::nullopt;
  return Integer(row, column);
}

double Rows::Double(int row, int column) const {
  double value = 0;
  HF_ASSERT(absl::SimpleAtod(String(row, column), &value));
  return value;
}

bool Rows::Bool(int row, int column) const { return text(row, column) == "t"; }

int64_t Rows::AffectedCount() const {
  int64_t count = 0;
  if (result_ && !absl::SimpleAtoi(PQcmdTuples(result_.get()), &count)) return 0;
  return count;
}

}  // namespace holdfast::workflows
