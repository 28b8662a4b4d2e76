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

TEST_CASE("client order id: a cancel's id is its order's under another prefix, and leads back",
          "[market][client_order_id]") {
  // A venue may keep this text for ever as the name of a canceled order.
  CHECK(MakeCancelId("hf00000000000000000010000000") ==
        ClientOrderId("hx00000000000000000010000000"));
  Prng prng(7);
  for (int i = 0; i < 1000; ++i) {
    const AccountTag account(static_cast<uint32_t>(prng.Below(1u << 30)));
    const ClientOrderId id = MakeClientOrderId(account, OrderNumber(1 + prng.Next() % UINT64_MAX),
                                               prng.Between(-kSlotLimit, kSlotLimit - 1));
    const std::optional<ClientOrderId> cancel = MakeCancelId(id.view());
    REQUIRE(cancel.has_value());
    REQUIRE(cancel->view().substr(0, 2) == "hx");
    REQUIRE(cancel->view().substr(2) == id.view().substr(2));
    REQUIRE(OrderIdOfCancel(cancel->view()) == id);
    // Neither is ever taken for the other.
    REQUIRE_FALSE(ParseClientOrderId(account, cancel->view()).has_value());
    REQUIRE_FALSE(MakeCancelId(cancel->view()).has_value());
    REQUIRE_FALSE(OrderIdOfCancel(id.view()).has_value());
  }
}

TEST_CASE("client order id: what is not of our form has no cancel id, and is none",
          "[market][client_order_id]") {
  const std::string tail(MakeClientOrderId(AccountTag(5), OrderNumber(9), -3).view().substr(2));
  REQUIRE(MakeCancelId("hf" + tail).has_value());
  REQUIRE(OrderIdOfCancel("hx" + tail).has_value());
  for (const std::string& text :
       {std::string(), std::string("h"), std::string("my-order_1"), tail, "web_" + tail.substr(2),
        "Hf" + tail, "hX" + tail, "hf" + tail + "0", "hx" + tail + "0", "hf" + tail.substr(1),
        "hx" + tail.substr(1)}) {
    INFO(text);
    CHECK_FALSE(MakeCancelId(text).has_value());
    CHECK_FALSE(OrderIdOfCancel(text).has_value());
  }
  for (size_t i = 0; i < tail.size(); ++i) {
    for (const char bad : {'i', 'l', 'o', 'u', 'A', '-', '_', ' ', '\0', '\xff'}) {
      std::string spoiled = tail;
      spoiled[i] = bad;
      INFO("position " << i << " character " << static_cast<int>(bad));
      CHECK_FALSE(MakeCancelId("hf" + spoiled).has_value());
      CHECK_FALSE(OrderIdOfCancel("hx" + spoiled).has_value());
    }
  }
}

TEST_CASE("order: what remains is what was ordered less what was filled", "[market][order]") {
  Order order;
  order.quantity = Quantity::FromLots(10);
  order.filled = Quantity::FromLots(4);
  CHECK(order.remaining() == Quantity::FromLots(6));
}

}  // namespace holdfast
