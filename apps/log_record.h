#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "engine/base/assert.h"
#include "engine/base/decimal.h"

namespace holdfast {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };
std::string_view ToText(LogLevel level);

// One structured log line before it is formatted: an event's name and fields. Trivially copyable
// and built without an allocation, so that a hot thread can hand it over. Keys and the event's name
// must be literals (they are kept as pointers); texts are copied and cut when they do not fit.
class LogRecord {
 public:
  static constexpr int kMaxFields = 16;
  static constexpr size_t kTextBytes = 288;

  LogRecord() = default;
  LogRecord(LogLevel level, const char* event, int64_t wall_time_ns)
      : level_(level), event_(event), wall_time_ns_(wall_time_ns) {}

  LogRecord& Add(const char* key, std::string_view text) {
    Field& field = NextField(key, Kind::kText);
    const size_t room = kTextBytes - text_size_;
    const size_t size = text.size() < room ? text.size() : room;
    std::memcpy(text_.data() + text_size_, text.data(), size);
    field.text_begin = static_cast<uint16_t>(text_size_);
    field.text_size = static_cast<uint16_t>(size);
    text_size_ += size;
    return *this;
  }
  LogRecord& Add(const char* key, const char* text) { return Add(key, std::string_view(text)); }
  LogRecord& Add(const char* key, int64_t number) {
    NextField(key, Kind::kInteger).number = number;
    return *this;
  }
  LogRecord& Add(const char* key, Decimal number) {
    NextField(key, Kind::kDecimal).number = number.units();
    return *this;
  }
  LogRecord& Add(const char* key, bool is_true) {
    NextField(key, Kind::kBoolean).number = is_true ? 1 : 0;
    return *this;
  }

  LogLevel level() const { return level_; }
  std::string_view event() const { return event_; }
  int64_t wall_time_ns() const { return wall_time_ns_; }

  enum class Kind : uint8_t { kText, kInteger, kDecimal, kBoolean };
  struct Field {
    const char* key = "";
    int64_t number = 0;
    uint16_t text_begin = 0;
    uint16_t text_size = 0;
    Kind kind = Kind::kText;
  };
  int field_count() const { return field_count_; }
  const Field& field(int index) const { return fields_[static_cast<size_t>(index)]; }
  std::string_view TextOf(const Field& field) const {
    return {text_.data() + field.text_begin, field.text_size};
  }

 private:
  Field& NextField(const char* key, Kind kind) {
    HF_ASSERT(field_count_ < kMaxFields);
    Field& field = fields_[static_cast<size_t>(field_count_++)];
    field.key = key;
    field.kind = kind;
    return field;
  }

  LogLevel level_ = LogLevel::kInfo;
  const char* event_ = "";
  int64_t wall_time_ns_ = 0;
  int field_count_ = 0;
  size_t text_size_ = 0;
  std::array<Field, kMaxFields> fields_ = {};
  std::array<char, kTextBytes> text_ = {};
};
static_assert(std::is_trivially_copyable_v<LogRecord>);

}  // namespace holdfast
