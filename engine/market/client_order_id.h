#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/market/ids.h"

namespace holdfast {

// Number of an order within one account: 1, 2, 3, ... for ever. The store hands numbers out in
// reserved blocks, so a number is never used twice, not even after a crash.
using OrderNumber = StrongId<struct OrderNumberTag, uint64_t>;
// 30-bit tag of an account, a hash of its name: tells our orders from those of another instance
// that trades with the same key.
using AccountTag = StrongId<struct AccountTagTag, uint32_t>;

AccountTag MakeAccountTag(std::string_view account_name);

// "hf" + 6 characters account tag + 13 characters order number + 7 characters slot key (Crockford
// base 32, lower case, fixed width): 28 characters, letters and digits only, so legal on every
// venue (Gate's 28 bytes behind "t-" are the tightest; the 128 bits without "hf" are a Hyperliquid
// cloid). The slot key is part of the id so that a fill found after a crash finds its slot even
// when the order's own record was lost. Pure and reversible. Hot path: no allocation.
//
// REQUIRES: slot_key fits in 34 bits, signed (SlotKey::Packed() always does).
ClientOrderId MakeClientOrderId(AccountTag account, OrderNumber number, int64_t slot_key);

struct ParsedClientOrderId {
  OrderNumber number;
  int64_t slot_key = 0;
  friend bool operator==(const ParsedClientOrderId&, const ParsedClientOrderId&) = default;
};

// The parts when `id` is one of ours for this account; nullopt for anybody else's.
std::optional<ParsedClientOrderId> ParseClientOrderId(AccountTag account, std::string_view id);

// The id that the cancel of one of our orders carries: the order's own with "hx" in place of "hf".
// A venue that renames a canceled order to its cancel's id (Binance) thereby keeps what the name
// says: an order whose record was lost is still recognized after it was canceled. As unique as the
// order's id, and legal wherever that is. Pure and reversible. Hot path: no allocation.
//
// nullopt when `order_id` does not have the form of ours, whatever its account; so a foreign order
// is canceled under an id of the venue's choice.
std::optional<ClientOrderId> MakeCancelId(std::string_view order_id);
// The id of the order that `cancel_id` is the cancel of; nullopt when it is not an id of
// MakeCancelId().
std::optional<ClientOrderId> OrderIdOfCancel(std::string_view cancel_id);

}  // namespace holdfast
