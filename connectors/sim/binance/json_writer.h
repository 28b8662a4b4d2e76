#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/decimal.h"

namespace holdfast::sim {

// Appends JSON to a string and sets the commas. Nesting is the caller's: every Begin has its End.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& BeginObject() { return Open('{'); }
  JsonWriter& EndObject() { return Shut('}'); }
  JsonWriter& BeginArray() { return Open('['); }
  JsonWriter& EndArray() { return Shut(']'); }

  JsonWriter& Key(std::string_view key) {
    Separate();
    Quote(key);
    out_ += ':';
    needs_comma_ = false;
    return *this;
  }

  JsonWriter& String(std::string_view value) {
    Separate();
    Quote(value);
    return Done();
  }
  JsonWriter& Integer(int64_t value) {
    Separate();
    char text[24];
    const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
    out_.append(text, end);
    return Done();
  }
  JsonWriter& Bool(bool value) { return Raw(value ? "true" : "false"); }
  JsonWriter& Null() { return Raw("null"); }
  // As quoted text with all eight fraction digits, the venue's form.
  JsonWriter& Number(Decimal value) {
    Separate();
    char text[Decimal::kMaxTextBytes + 8];
    out_ += '"';
    out_.append(text, value.AppendTo(text, Decimal::kFractionDigits));
    out_ += '"';
    return Done();
  }
  // Text that already is JSON.
  JsonWriter& Raw(std::string_view json) {
    Separate();
    out_ += json;
    return Done();
  }

  JsonWriter& Field(std::string_view key, std::string_view value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, const char* value) { return Key(key).String(value); }
  JsonWriter& Field(std::string_view key, int64_t value) { return Key(key).Integer(value); }
  JsonWriter& Field(std::string_view key, int value) { return Key(key).Integer(value); }
  JsonWriter& Field(std::string_view key, bool value) { return Key(key).Bool(value); }
  JsonWriter& Field(std::string_view key, Decimal value) { return Key(key).Number(value); }

 private:
  JsonWriter& Open(char bracket) {
    Separate();
    out_ += bracket;
    needs_comma_ = false;
    return *this;
  }
  JsonWriter& Shut(char bracket) {
    out_ += bracket;
    return Done();
  }
  JsonWriter& Done() {
    needs_comma_ = true;
    return *this;
  }
  void Separate() {
    if (needs_comma_) out_ += ',';
    needs_comma_ = false;
  }
  void Quote(std::string_view text) {
    out_ += '"';
    for (const char c : text) {
      if (c == '"' || c == '\\') {
        out_ += '\\';
        out_ += c;
      } else if (static_cast<unsigned char>(c) < 0x20) {
        constexpr char kHex[] = "0123456789abcdef";
        out_ += "\\u00";
        out_ += kHex[(c >> 4) & 0xf];
        out_ += kHex[c & 0xf];
      } else {
        out_ += c;
      }
    }
    out_ += '"';
  }

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace holdfast::sim
