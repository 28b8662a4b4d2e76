#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>

#include "engine/base/assert.h"

namespace holdfast {

// A string of at most `kCapacity` bytes stored in place: trivially copyable, so it crosses rings
// and lives in events without an allocation.
template <size_t kCapacity>
class InlineString {
  static_assert(kCapacity < 256);

 public:
  constexpr InlineString() = default;
  // REQUIRES: text fits. Use Truncated() for text of foreign origin.
  constexpr explicit InlineString(std::string_view text) {
    HF_ASSERT(text.size() <= kCapacity);
    Set(text);
  }
  static constexpr InlineString Truncated(std::string_view text) {
    InlineString result;
    result.Set(text.substr(0, kCapacity));
    return result;
  }
  static constexpr bool Fits(std::string_view text) { return text.size() <= kCapacity; }

  constexpr std::string_view view() const { return {bytes_.data(), size_}; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr size_t size() const { return size_; }
  static constexpr size_t capacity() { return kCapacity; }

  friend constexpr bool operator==(const InlineString& a, const InlineString& b) {
    return a.view() == b.view();
  }
  friend constexpr auto operator<=>(const InlineString& a, const InlineString& b) {
    return a.view() <=> b.view();
  }
  friend constexpr bool operator==(const InlineString& a, std::string_view b) {
    return a.view() == b;
  }

  template <typename Hash>
  friend Hash AbslHashValue(Hash hash, const InlineString& text) {
    return Hash::combine(std::move(hash), text.view());
  }

 private:
  constexpr void Set(std::string_view text) {
    std::copy(text.begin(), text.end(), bytes_.begin());
    size_ = static_cast<uint8_t>(text.size());
  }

  uint8_t size_ = 0;
  std::array<char, kCapacity> bytes_ = {};
};

}  // namespace holdfast
