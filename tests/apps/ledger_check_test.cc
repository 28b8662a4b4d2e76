// Proves that a difference of one unit between our books and the venue's ledger is found and named,
// and that equal books pass. The venue's side is text in the form of its control port.

#include "apps/ledger_check.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace holdfast {
namespace {

Decimal D(std::string_view text) { return *Decimal::Parse(text); }

// Two fills of ours in this run, after an earlier one (trade 10) of a run before.
struct Books {
  Books() {
    instrument.symbol = SymbolText("BTCUSDT");
    instrument.base_asset = AssetCode("BTC");
    instrument.quote_asset = AssetCode("USDT");
    instrument.tick_size = D("0.01");
    instrument.lot_size = D("0.001");
    Book(before, MakeWalletTransaction(LedgerCause::kOpening, AssetCode("BTC"), D("1"), "", 0));
    Book(before, MakeWalletTransaction(LedgerCause::kOpening, AssetCode("USDT"), D("1000"), "", 0));
    after = before;
    Add(11, Side::kBuy, 10'000, 2, D("0.000002"), "BTC");
    Add(12, Side::kSell, 10'100, 1, D("0.000101"), "USDT");
  }
  static void Book(Ledger& ledger, const LedgerTransaction& transaction) {
    REQUIRE(ledger.Apply(transaction).ok());
  }
  void Add(int64_t id, Side side, int64_t ticks, int64_t lots, Decimal fee,
           std::string_view fee_asset) {
    Fill fill;
    fill.trade_id = VenueTradeId(id);
    fill.side = side;
    fill.price = Price::FromTicks(ticks);
    fill.quantity = Quantity::FromLots(lots);
    fill.fee = fee;
    fill.fee_asset = AssetCode(fee_asset);
    fills.push_back(fill);
    Book(after, MakeFillTransaction(instrument, fill));
    position += fill.quantity * Sign(side);
  }
  std::vector<std::string> Compare(const std::string& venue) {
    const auto differences = CompareWithVenue({.instrument = instrument,
                                               .fills = fills,
                                               .last_trade_before = VenueTradeId(10),
                                               .position_before = Quantity(),
                                               .position_after = position,
                                               .ledger_before = &before,
                                               .ledger_after = &after},
                                              venue);
    REQUIRE(differences.ok());
    return *differences;
  }

  Instrument instrument;
  std::vector<Fill> fills;
  Ledger before;
  Ledger after;
  Quantity position;
};

std::string Trade(int64_t id, const std::string& side, const std::string& price,
                  const std::string& quantity, const std::string& fee,
                  const std::string& fee_asset) {
  return R"({"account":"a","symbol":"BTCUSDT","tradeId":)" + std::to_string(id) +
         R"(,"orderId":1,"clientOrderId":"x","side":")" + side + R"(","isMaker":true,"price":")" +
         price + R"(","quantity":")" + quantity + R"(","quote":"0","fee":")" + fee +
         R"(","feeAsset":")" + fee_asset + R"(","timeNs":1})";
}

const std::string kOld = Trade(10, "SELL", "99.00", "0.005", "0.1", "USDT");
const std::string kBuy = Trade(11, "BUY", "100.00000000", "0.00200000", "0.00000200", "BTC");
const std::string kSell = Trade(12, "SELL", "101.00000000", "0.00100000", "0.00010100", "USDT");

std::string Venue(const std::string& trades, const std::string& orders = "",
                  const std::string& btc = "1.000998", const std::string& usdt = "999.900899") {
  return R"({"timeNs":1,"orders":[)" + orders + R"(],"trades":[)" + trades +
         R"(],"totals":[{"account":"a","instruments":[],"fees":[],"balances":[)" +
         R"({"asset":"BTC","free":")" + btc + R"(","locked":"0.00000000"},)" +
         R"({"asset":"USDT","free":"0.1","locked":")" + (D(usdt) - D("0.1")).ToText() +
         R"("}]}],"lastOrder":1,"lastTrade":12})";
}

std::string Order(const std::string& status) {
  return R"({"account":"a","symbol":"BTCUSDT","orderId":7,"clientOrderId":"hf7","status":")" +
         status + R"("})";
}

TEST_CASE("ledger check: equal books have no differences", "[apps][ledger]") {
  Books books;
  CHECK(books.Compare(Venue(kOld + "," + kBuy + "," + kSell, Order("CANCELED"))).empty());
}

TEST_CASE("ledger check: each difference is named", "[apps][ledger]") {
  Books books;
  using Lines = std::vector<std::string>;
  SECTION("a fill that we did not book") {
    const std::string extra = Trade(13, "BUY", "100", "0.001", "0", "BTC");
    CHECK(books.Compare(Venue(kBuy + "," + kSell + "," + extra)) ==
          Lines{"fill 13: venue buy 0.001 @ 100 fee 0 BTC maker; ours none",
                "position: venue changed by 0.002; ours by 0.001"});
  }
  SECTION("a fill that the venue does not know") {
    CHECK(books.Compare(Venue(kBuy)) ==
          Lines{"fill 12: venue none; ours sell 0.001 @ 101 fee 0.000101 USDT maker",
                "position: venue changed by 0.002; ours by 0.001",
                "fees in USDT: venue 0; ours 0.000101"});
  }
  SECTION("a fee that differs by one unit") {
    const std::string other = Trade(12, "SELL", "101", "0.001", "0.00010101", "USDT");
    CHECK(books.Compare(Venue(kBuy + "," + other)) ==
          Lines{"fill 12: venue sell 0.001 @ 101 fee 0.00010101 USDT maker; ours sell 0.001 @ 101 "
                "fee 0.000101 USDT maker",
                "fees in USDT: venue 0.00010101; ours 0.000101"});
  }
  SECTION("a fill booked twice") {
    books.fills.push_back(books.fills[0]);
    CHECK(books.Compare(Venue(kBuy + "," + kSell)) == Lines{"fill 11: booked twice"});
  }
  SECTION("a wallet that differs") {
    CHECK(books.Compare(Venue(kBuy + "," + kSell, "", "1.00099801")) ==
          Lines{"wallet in BTC: venue 1.00099801; ours 1.000998"});
  }
  SECTION("an order that is still open") {
    CHECK(books.Compare(Venue(kBuy + "," + kSell, Order("PARTIALLY_FILLED"))) ==
          Lines{"order 7 (hf7): open at the venue (PARTIALLY_FILLED)"});
  }
}

TEST_CASE("ledger check: text that is no ledger is an error", "[apps][ledger]") {
  Books books;
  for (const std::string text :
       {"", "[]", "{}", "{\"trades\":[{}],\"orders\":[],\"totals\":[]}", "not JSON"}) {
    INFO(text);
    const auto differences = CompareWithVenue({.instrument = books.instrument,
                                               .fills = books.fills,
                                               .last_trade_before = VenueTradeId(10),
                                               .position_before = Quantity(),
                                               .position_after = books.position,
                                               .ledger_before = &books.before,
                                               .ledger_after = &books.after},
                                              text);
    CHECK(absl::IsInvalidArgument(differences.status()));
  }
}

}  // namespace
}  // namespace holdfast
