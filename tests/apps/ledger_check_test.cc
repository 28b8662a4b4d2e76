// Proves that a difference of one unit between our books and the venue's ledger is found and named,
// and that equal books pass. The venue's side is text in the form of its control port.

#include "apps/ledger_check.h"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "apps/fill_recorder.h"
#include "tests/engine/quoting/fake_venue.h"

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
    const OurBooks ours = Ours();
    LedgerCheck check(ours);
    REQUIRE(check.AddPage(venue).ok());
    return check.Differences();
  }
  // `newest`: only so many fills were kept.
  OurBooks Ours(size_t newest = SIZE_MAX) const {
    FillTotals totals;
    for (const Fill& fill : fills) totals.Add(FactsOf(instrument, fill));
    return {.instrument = instrument,
            .fills = totals,
            .newest_fills = std::span(fills).last(std::min(newest, fills.size())),
            .last_trade_before = VenueTradeId(10),
            .position_before = Quantity(),
            .position_after = position,
            .ledger_before = &before,
            .ledger_after = &after};
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
                  const std::string& btc = "1.000998", const std::string& usdt = "999.900899",
                  int64_t last_trade = 12) {
  return R"({"timeNs":1,"orders":[)" + orders + R"(],"trades":[)" + trades +
         R"(],"totals":[{"account":"a","instruments":[],"fees":[],"balances":[)" +
         R"({"asset":"BTC","free":")" + btc + R"(","locked":"0.00000000"},)" +
         R"({"asset":"USDT","free":"0.1","locked":")" + (D(usdt) - D("0.1")).ToText() +
         R"("}]}],"lastOrder":1,"lastTrade":)" + std::to_string(last_trade) + "}";
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
    const OurBooks ours = books.Ours();
    LedgerCheck check(ours);
    CHECK(absl::IsInvalidArgument(check.AddPage(text).status()));
  }
}

TEST_CASE("ledger check: fills before the newest that were kept are compared all the same",
          "[apps][ledger]") {
  Books books;
  const OurBooks ours = books.Ours(1);
  SECTION("equal, in pages") {
    LedgerCheck check(ours);
    CHECK(check.cursor() == LedgerCheck::Cursor{.since_order = 0, .since_trade = 10});
    CHECK(*check.AddPage(Venue(kBuy, "", "1.000998", "999.900899", 11)));
    CHECK(check.cursor().since_trade == 11);
    CHECK(*check.AddPage(Venue(kSell)));
    CHECK_FALSE(*check.AddPage(Venue("")));
    CHECK(check.Differences().empty());
  }
  SECTION("one that is other than ours in nothing that any total shows") {
    const std::string taker = Trade(11, "BUY", "100.00000000", "0.00200000", "0.00000200", "BTC");
    std::string changed = taker;
    changed.replace(changed.find("\"isMaker\":true"), 14, "\"isMaker\":false");
    LedgerCheck check(ours);
    CHECK(*check.AddPage(Venue(changed + "," + kSell)));
    CHECK(check.Differences() ==
          std::vector<std::string>{"fills: venue 2; ours 2; they differ before the newest 1"});
  }
}

TEST_CASE("fill recorder: the totals count all, copies are kept of the newest, memory stays",
          "[apps][ledger]") {
  Books books;
  const ManualClock clock;
  testing::FakeEngine store(books.instrument, clock);
  FillRecorder recorder(store, books.instrument);
  FillTotals expected;
  FillRecord record;
  record.fill = books.fills[0];
  constexpr int64_t kCount = 100'000;
  for (int64_t id = 11; id < 11 + kCount; ++id) {
    record.fill.trade_id = VenueTradeId(id);
    REQUIRE(recorder.Record(record));
    expected.Add(FactsOf(books.instrument, record.fill));
  }
  CHECK(recorder.totals() == expected);
  CHECK(recorder.totals().count == kCount);
  REQUIRE(recorder.kept().size() == FillRecorder::kKeptFills);
  int64_t oldest = INT64_MAX;
  for (const Fill& fill : recorder.kept()) oldest = std::min(oldest, fill.trade_id.value());
  CHECK(oldest == 11 + kCount - static_cast<int64_t>(FillRecorder::kKeptFills));
  store.takes_records = false;
  CHECK_FALSE(recorder.Record(record));
  CHECK(recorder.totals() == expected);
}

}  // namespace
}  // namespace holdfast
