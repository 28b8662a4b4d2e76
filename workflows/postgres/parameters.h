#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Parameters of statements in PostgreSQL's binary format. Arrays carry the rows of a batch; binary
// arrays need no quoting here and no parsing there. The types are fixed by the casts in the
// statement's text ($1::text[]), so that a mistake is an error of the server, never a conversion.
namespace holdfast::workflows {

// One array parameter, built element by element. T: std::string_view, int32_t, int64_t, bool.
template <class T>
class ArrayParameter {
 public:
  ArrayParameter();
  void Add(T value);
  void AddNull();
  void AddOptional(const std::optional<T>& value) { value ? Add(*value) : AddNull(); }
  int32_t count() const { return count_; }
  size_t size_bytes() const { return bytes_.size(); }
  // The wire form. The array is used up.
  std::string Take();

 private:
  std::string bytes_;
  int32_t count_ = 0;
  bool has_null_ = false;
};

using TextArray = ArrayParameter<std::string_view>;
using Int4Array = ArrayParameter<int32_t>;
using Int8Array = ArrayParameter<int64_t>;
using BoolArray = ArrayParameter<bool>;

// Null for nullopt.
inline void AddText(TextArray& array, const std::optional<std::string>& value) {
  value ? array.Add(std::string_view(*value)) : array.AddNull();
}

class Parameters {
 public:
  Parameters& Text(std::string_view value);
  Parameters& OptionalText(const std::optional<std::string>& value);
  Parameters& Int8(std::optional<int64_t> value);
  Parameters& Int4(std::optional<int32_t> value);
  Parameters& Float8(std::optional<double> value);
  Parameters& Bool(bool value);
  template <class T>
  Parameters& Array(ArrayParameter<T> array) {
    return Bytes(array.Take());
  }
  Parameters& Texts(const std::vector<std::string>& values);

  int count() const { return static_cast<int>(values_.size()); }
  size_t size_bytes() const { return size_bytes_; }
  // For libpq: pointers into this object.
  void Point(std::vector<const char*>& values, std::vector<int>& lengths) const;

 private:
  Parameters& Bytes(std::optional<std::string> bytes);
  std::vector<std::optional<std::string>> values_;
  size_t size_bytes_ = 0;
};

}  // namespace holdfast::workflows
