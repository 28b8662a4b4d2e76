#include "workflows/postgres/parameters.h"

#include <bit>
#include <limits>
#include <type_traits>
#include <utility>

#include "engine/base/assert.h"

namespace holdfast::workflows {
namespace {

// Header of a one-dimensional array: dimensions, has-null flag, element type, length, lower bound.
constexpr size_t kHeaderBytes = 20;

template <class Integer>
void AppendBigEndian(std::string& bytes, Integer value) {
  auto bits = static_cast<std::make_unsigned_t<Integer>>(value);
  char text[sizeof(Integer)];
  for (size_t i = sizeof(Integer); i-- > 0;) {
    text[i] = static_cast<char>(bits & 0xff);
    if constexpr (sizeof(Integer) > 1) bits >>= 8;
  }
  bytes.append(text, sizeof(Integer));
}

int32_t LengthOf(std::string_view value) {
  HF_ASSERT(value.size() <= static_cast<size_t>(std::numeric_limits<int32_t>::max()));
  return static_cast<int32_t>(value.size());
}

template <class T>
constexpr int32_t ElementOid() {
  if constexpr (std::is_same_v<T, std::string_view>) return 25;
  if constexpr (std::is_same_v<T, int32_t>) return 23;
  if constexpr (std::is_same_v<T, int64_t>) return 20;
  if constexpr (std::is_same_v<T, bool>) return 16;
}

}  // namespace

template <class T>
ArrayParameter<T>::ArrayParameter() : bytes_(kHeaderBytes, '\0') {}

template <class T>
void ArrayParameter<T>::Add(T value) {
  ++count_;
  if constexpr (std::is_same_v<T, std::string_view>) {
    AppendBigEndian(bytes_, LengthOf(value));
    bytes_.append(value);
  } else if constexpr (std::is_same_v<T, bool>) {
    AppendBigEndian(bytes_, int32_t{1});
    bytes_.push_back(value ? '\1' : '\0');
  } else {
    AppendBigEndian(bytes_, static_cast<int32_t>(sizeof(T)));
    AppendBigEndian(bytes_, value);
  }
}

template <class T>
void ArrayParameter<T>::AddNull() {
  ++count_;
  has_null_ = true;
  AppendBigEndian(bytes_, int32_t{-1});
}

template <class T>
std::string ArrayParameter<T>::Take() {
  std::string header;
  AppendBigEndian(header, int32_t{count_ > 0});
  AppendBigEndian(header, int32_t{has_null_});
  AppendBigEndian(header, ElementOid<T>());
  if (count_ == 0) return header;
  AppendBigEndian(header, count_);
  AppendBigEndian(header, int32_t{1});
  bytes_.replace(0, kHeaderBytes, header);
  return std::move(bytes_);
}

template class ArrayParameter<std::string_view>;
template class ArrayParameter<int32_t>;
template class ArrayParameter<int64_t>;
template class ArrayParameter<bool>;

Parameters& Parameters::Bytes(std::optional<std::string> bytes) {
  size_bytes_ += bytes ? bytes->size() : 0;
  values_.push_back(std::move(bytes));
  return *this;
}

Parameters& Parameters::Text(std::string_view value) { return Bytes(std::string(value)); }

Parameters& Parameters::OptionalText(const std::optional<std::string>& value) {
  return Bytes(value);
}

Parameters& Parameters::Int8(std::optional<int64_t> value) {
  if (!value) return Bytes(std::nullopt);
  std::string bytes;
  AppendBigEndian(bytes, *value);
  return Bytes(std::move(bytes));
}

Parameters& Parameters::Int4(std::optional<int32_t> value) {
  if (!value) return Bytes(std::nullopt);
  std::string bytes;
  AppendBigEndian(bytes, *value);
  return Bytes(std::move(bytes));
}

Parameters& Parameters::Float8(std::optional<double> value) {
  if (!value) return Bytes(std::nullopt);
  std::string bytes;
  AppendBigEndian(bytes, std::bit_cast<int64_t>(*value));
  return Bytes(std::move(bytes));
}

Parameters& Parameters::Bool(bool value) { return Bytes(std::string(1, value ? '\1' : '\0')); }

Parameters& Parameters::Texts(const std::vector<std::string>& values) {
  TextArray array;
  for (const std::string& value : values) array.Add(std::string_view(value));
  return Array(std::move(array));
}

void Parameters::Point(std::vector<const char*>& values, std::vector<int>& lengths) const {
  values.clear();
  lengths.clear();
  for (const std::optional<std::string>& value : values_) {
    values.push_back(value ? value->data() : nullptr);
    lengths.push_back(value ? LengthOf(*value) : 0);
  }
}

}  // namespace holdfast::workflows
