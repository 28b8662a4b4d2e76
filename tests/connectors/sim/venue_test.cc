// The simulated venue keeps the promises a real one documents: price-time matching, holds, fees,
// filters, client ids, queries, numbered market data. One story per clause.
#include <catch2/catch.hpp>

#include "sim_fixture.h"

namespace holdfast {
namespace {

using Lines = std::vector<std::string>;

TEST_CASE("venue: orders match by price, then time, at the maker's price", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kSell, "0.1", "60001", "late_price");
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "first");
  f.Limit(f.alice, Side::kSell, "0.1", "60000", "second");
  const SimOrderResult taken = f.Limit(f.bob, Side::kBuy, "0.25", "60005", "taker");
  REQUIRE(taken.trades.size() == 3);
  CHECK(taken.trades[0].price == Dec("60000"));
  CHECK(taken.trades[2].price == Dec("60001"));
  CHECK(taken.order.status == SimOrderStatus::kFilled);
  CHECK(f.Query(f.alice, "first")->status == SimOrderStatus::kFilled);
  CHECK(f.Query(f.alice, "second")->status == SimOrderStatus::kFilled);
  CHECK(f.Query(f.alice, "late_price")->executed_quantity == Dec("0.05"));
  f.venue.CheckInvariants();
}

TEST_CASE("venue: fees are charged in the received asset, to 10^-8 towards zero", "[sim][venue]") {
  VenueFixture f;
  f.Limit(f.alice, Side::kSell, "0.00333", "60000.01", "maker");
  const SimOrderResult taken = f.Limit(f.bob, Side::kBuy, "0.00333", "60000.01", "taker");
  REQUIRE(taken.trades.size() == 1);
  CHECK(taken.trades[0].fee == Dec("0.00000333"));
  CHECK(taken.trades[0].fee_asset == "BTC");
  const std::vector<SimTrade> maker = f.venue.MyTrades(f.alice, {.instrument = f.btc});
  REQUIRE(maker.size() == 1);
  CHECK(maker[0].quote_quantity == Dec("199.8000333"));
  CHECK(maker[0].fee == Dec("0.19980003"));
  CHECK(maker[0].fee_asset == "USDT");
  CHECK(f.Balance(f.bob, "BTC") == "10.00332667/0");
  CHECK(f.Balance(f.alice, "USDT") == "1000199.60023327/0");
}

}  // namespace
}  // namespace holdfast
