// Proves that an id of ours gives back exactly what it was made of, that nobody else's id is taken
// for ours, and that the form is legal on every venue.

#include "engine/market/client_order_id.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "engine/base/prng.h"
#include "engine/market/order.h"

namespace holdfast {
namespace {

constexpr int64_t kSlotLimit = int64_t{1} << 33;

}  // namespace

TEST_CASE("client order id: golden form", "[market][client_order_id]") {
  // A stored id must be readable for ever; this text must never change.
  CHECK(MakeClientOrderId(AccountTag(0), OrderNumber(1), 0).view() ==
        "hf00000000000000000010000000");
  CHECK(MakeClientOrderId(AccountTag(0x3fffffff), OrderNumber(UINT64_MAX), -1).view() ==
        "hfzzzzzzfzzzzzzzzzzzzfzzzzzz");
  CHECK(MakeAccountTag("main").value() == MakeAccountTag("main").value());
  CHECK(MakeAccountTag("main") != MakeAccountTag("mail"));
  CHECK(MakeAccountTag("").value() < (1u << 30));
}

TEST_CASE("client order id: parts survive the round trip", "[market][client_order_id]") {
  const uint64_t seed = 99;
  INFO("seed " << seed);
  Prng prng(seed);
  std::set<std::string> seen;
  for (int i = 0; i < 5000; ++i) {
    const AccountTag account(static_cast<uint32_t>(prng.Below(1u << 30)));
    const OrderNumber number(1 + prng.Next() % UINT64_MAX);
    const int64_t slot_key = prng.Between(-kSlotLimit, kSlotLimit - 1);
    const ClientOrderId id = MakeClientOrderId(account, number, slot_key);
    REQUIRE(id.size() == 28);
    for (const char c : id.view()) {
      REQUIRE(((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')));
    }
    REQUIRE(seen.insert(std::string(id.view())).second);
    const auto parsed = ParseClientOrderId(account, id.view());
    REQUIRE(parsed.has_value());
    REQUIRE(parsed->number == number);
    REQUIRE(parsed->slot_key == slot_key);
  }
  for (const int64_t slot_key : {-kSlotLimit, int64_t{-1}, int64_t{0}, kSlotLimit - 1}) {
    const ClientOrderId id = MakeClientOrderId(AccountTag(5), OrderNumber(9), slot_key);
    CHECK(ParseClientOrderId(AccountTag(5), id.view())->slot_key == slot_key);
  }
}

TEST_CASE("client order id: a foreign id is nobody's", "[market][client_order_id]") {
  const AccountTag account = MakeAccountTag("main");
  const ClientOrderId id = MakeClientOrderId(account, OrderNumber(42), 7);
  REQUIRE(ParseClientOrderId(account, id.view()).has_value());
  CHECK_FALSE(ParseClientOrderId(MakeAccountTag("other"), id.view()).has_value());

  const std::string text(id.view());
  CHECK_FALSE(ParseClientOrderId(account, "").has_value());
  CHECK_FALSE(ParseClientOrderId(account, text.substr(0, 27)).has_value());
  CHECK_FALSE(ParseClientOrderId(account, text + "0").has_value());
  CHECK_FALSE(ParseClientOrderId(account, "web_0123456789abcdef01234567").has_value());
  CHECK_FALSE(ParseClientOrderId(account, "x-" + text.substr(2)).has_value());
  for (size_t i = 0; i < text.size(); ++i) {
    for (const char bad : {'i', 'l', 'o', 'u', 'A', '-', '_', ' ', '\0', '\xff'}) {
      std::string spoiled = text;
      spoiled[i] = bad;
      INFO("position " << i << " character " << static_cast<int>(bad));
      CHECK_FALSE(ParseClientOrderId(account, spoiled).has_value());
    }
  }
}

TEST_CASE("client order id: numbers that we never mint are refused", "[market][client_order_id]") {
  const AccountTag account(0);
  // Order number 0, a number above 64 bits, a slot key above 34 bits.
  CHECK_FALSE(ParseClientOrderId(account, "hf00000000000000000000000000").has_value());
  CHECK_FALSE(ParseClientOrderId(account, "hf000000zzzzzzzzzzzzz0000000").has_value());
  CHECK_FALSE(ParseClientOrderId(account, "hf0000000000000000001zzzzzzz").has_value());
}

TEST_CASE("order: what remains is what was ordered less what was filled", "[market][order]") {
  Order order;
  order.quantity = Quantity::FromLots(10);
  order.filled = Quantity::FromLots(4);
  CHECK(order.remaining() == Quantity::FromLots(6));
}

}  // namespace holdfast
