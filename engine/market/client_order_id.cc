#include "engine/market/client_order_id.h"

#include <algorithm>
#include <array>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::string_view kOrderPrefix = "hf";
constexpr std::string_view kCancelPrefix = "hx";
constexpr int kTagDigits = 6;
constexpr int kNumberDigits = 13;
constexpr int kSlotDigits = 7;
constexpr int kSlotAt = 2 + kTagDigits + kNumberDigits;
constexpr int kIdLength = kSlotAt + kSlotDigits;
constexpr int kSlotKeyBits = 34;

constexpr std::array<int8_t, 256> kDigitOf = [] {
  std::array<int8_t, 256> table = {};
  table.fill(-1);
  for (size_t i = 0; i < kAlphabet.size(); ++i) {
    table[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  }
  return table;
}();

void WriteBase32(char* out, int digits, uint64_t value) {
  for (int i = digits - 1; i >= 0; --i) {
    out[i] = kAlphabet[value & 31];
    value >>= 5;
  }
}

std::optional<uint64_t> ReadBase32(std::string_view text) {
  uint64_t value = 0;
  for (const char c : text) {
    const int8_t digit = kDigitOf[static_cast<uint8_t>(c)];
    if (digit < 0) return std::nullopt;
    if (value >> 59 != 0) return std::nullopt;
    value = value << 5 | static_cast<uint64_t>(digit);
  }
  return value;
}

// `id` under another prefix, when it has the form of an id with the prefix `from`.
std::optional<ClientOrderId> WithPrefix(std::string_view id, std::string_view from,
                                        std::string_view to) {
  if (id.size() != kIdLength || id.substr(0, from.size()) != from) return std::nullopt;
  char text[kIdLength];
  std::copy(to.begin(), to.end(), text);
  int all_digits = 0;
  for (size_t i = to.size(); i < kIdLength; ++i) {
    all_digits |= kDigitOf[static_cast<uint8_t>(id[i])];  // negative once one is none
    text[i] = id[i];
  }
  if (all_digits < 0) return std::nullopt;
  return ClientOrderId(std::string_view(text, kIdLength));
}

}  // namespace

AccountTag MakeAccountTag(std::string_view account_name) {
  // FNV-1a, folded to 30 bits: stable across builds and machines, unlike std::hash.
  uint64_t hash = 14695981039346656037u;
  for (const char c : account_name) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  }
  return AccountTag(static_cast<uint32_t>((hash ^ hash >> 30) & 0x3fffffff));
}

ClientOrderId MakeClientOrderId(AccountTag account, OrderNumber number, int64_t slot_key) {
  constexpr int64_t kLimit = int64_t{1} << (kSlotKeyBits - 1);
  HF_ASSERT(slot_key >= -kLimit);
  HF_ASSERT(slot_key < kLimit);
  char text[kIdLength];
  std::copy(kOrderPrefix.begin(), kOrderPrefix.end(), text);
  WriteBase32(text + 2, kTagDigits, account.value());
  WriteBase32(text + 2 + kTagDigits, kNumberDigits, number.value());
  WriteBase32(text + kSlotAt, kSlotDigits,
              static_cast<uint64_t>(slot_key) & ((uint64_t{1} << kSlotKeyBits) - 1));
  return ClientOrderId(std::string_view(text, kIdLength));
}

std::optional<ParsedClientOrderId> ParseClientOrderId(AccountTag account, std::string_view id) {
  if (id.size() != kIdLength || id.substr(0, 2) != kOrderPrefix) return std::nullopt;
  if (ReadBase32(id.substr(2, kTagDigits)) != account.value()) return std::nullopt;
  const std::optional<uint64_t> number = ReadBase32(id.substr(2 + kTagDigits, kNumberDigits));
  const std::optional<uint64_t> slot = ReadBase32(id.substr(kSlotAt));
  if (!number.has_value() || *number == 0) return std::nullopt;
  if (!slot.has_value() || *slot >> kSlotKeyBits != 0) return std::nullopt;
  // Sign-extend from 34 bits.
  const int64_t slot_key =
      static_cast<int64_t>(*slot << (64 - kSlotKeyBits)) >> (64 - kSlotKeyBits);
  return ParsedClientOrderId{.number = OrderNumber(*number), .slot_key = slot_key};
}

std::optional<ClientOrderId> MakeCancelId(std::string_view order_id) {
  return WithPrefix(order_id, kOrderPrefix, kCancelPrefix);
}

std::optional<ClientOrderId> OrderIdOfCancel(std::string_view cancel_id) {
  return WithPrefix(cancel_id, kCancelPrefix, kOrderPrefix);
}

}  // namespace holdfast
