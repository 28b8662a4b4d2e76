// Proves that the books always balance and agree with the position they describe: single
// transactions, refused ones, and random fills against plain sums.

#include "engine/market/ledger.h"

#include <catch2/catch.hpp>
#include <map>
#include <string>

#include "engine/base/prng.h"
#include "engine/market/position.h"

namespace holdfast {
namespace {

using namespace literals;

const AssetCode kBtc("BTC");
const AssetCode kUsdt("USDT");
const AssetCode kBnb("BNB");

Instrument MakeInstrument() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = kBtc;
  instrument.quote_asset = kUsdt;
  instrument.tick_size = 0.01_dec;
  instrument.lot_size = 0.00001_dec;
  return instrument;
}

Fill MakeFill(Side side, int64_t ticks, int64_t lots, Decimal fee, AssetCode fee_asset) {
  Fill fill;
  fill.trade_id = VenueTradeId(77);
  fill.side = side;
  fill.price = Price::FromTicks(ticks);
  fill.quantity = Quantity::FromLots(lots);
  fill.fee = fee;
  fill.fee_asset = fee_asset;
  fill.venue_time_ns = 123;
  return fill;
}

}  // namespace

TEST_CASE("ledger: a buy moves quote out, base in, and the fee to the venue", "[market][ledger]") {
  const LedgerTransaction transaction =
      MakeFillTransaction(MakeInstrument(), MakeFill(Side::kBuy, 6'000'000, 200, 0.09_dec, kBnb));
  CHECK(transaction.IsBalanced());
  CHECK(transaction.cause == LedgerCause::kFill);
  CHECK(transaction.trade_id == VenueTradeId(77));
  CHECK(transaction.symbol == "BTCUSDT");
  CHECK(transaction.venue_time_ns == 123);
  CHECK(transaction.entries.size() == 6);

  Ledger ledger;
  REQUIRE(ledger.Apply(transaction).ok());
  CHECK(ledger.Balance(LedgerAccount::kWallet, kBtc) == 0.002_dec);
  CHECK(ledger.Balance(LedgerAccount::kTrading, kBtc) == -0.002_dec);
  CHECK(ledger.Balance(LedgerAccount::kWallet, kUsdt) == -120_dec);
  CHECK(ledger.Balance(LedgerAccount::kTrading, kUsdt) == 120_dec);
  CHECK(ledger.Balance(LedgerAccount::kWallet, kBnb) == -0.09_dec);
  CHECK(ledger.Balance(LedgerAccount::kFees, kBnb) == 0.09_dec);
  CHECK(ledger.CheckInvariants());
}

TEST_CASE("ledger: a fee in a traded asset and a rebate land in the same wallet",
          "[market][ledger]") {
  Ledger ledger;
  REQUIRE(ledger
              .Apply(MakeFillTransaction(MakeInstrument(),
                                         MakeFill(Side::kBuy, 6'000'000, 200, 0.000002_dec, kBtc)))
              .ok());
  CHECK(ledger.Balance(LedgerAccount::kWallet, kBtc) == 0.001998_dec);
  REQUIRE(ledger
              .Apply(MakeFillTransaction(MakeInstrument(),
                                         MakeFill(Side::kSell, 6'000'000, 100, -0.01_dec, kUsdt)))
              .ok());
  CHECK(ledger.Balance(LedgerAccount::kWallet, kUsdt) == -59.99_dec);
  CHECK(ledger.Balance(LedgerAccount::kFees, kUsdt) == -0.01_dec);
  CHECK(ledger.CheckInvariants());
}

TEST_CASE("ledger: openings, transfers and adjustments name where the money came from",
          "[market][ledger]") {
  Ledger ledger;
  REQUIRE(ledger.Apply(MakeWalletTransaction(LedgerCause::kOpening, kUsdt, 1000_dec, "", 1)).ok());
  REQUIRE(ledger.Apply(MakeWalletTransaction(LedgerCause::kTransfer, kUsdt, -200_dec, "", 2)).ok());
  const std::string long_reason(100, 'x');
  const LedgerTransaction adjustment =
      MakeWalletTransaction(LedgerCause::kAdjustment, kUsdt, 3_dec, long_reason, 3);
  CHECK(adjustment.reason.size() == 64);
  REQUIRE(ledger.Apply(adjustment).ok());
  CHECK(ledger.Balance(LedgerAccount::kWallet, kUsdt) == 803_dec);
  CHECK(ledger.Balance(LedgerAccount::kTransfers, kUsdt) == -800_dec);
  CHECK(ledger.Balance(LedgerAccount::kAdjustment, kUsdt) == -3_dec);
  CHECK(ledger.CheckInvariants());
  // Nothing moved, nothing written.
  CHECK(MakeWalletTransaction(LedgerCause::kTransfer, kUsdt, Decimal(), "", 4).entries.empty());
}

TEST_CASE("ledger: an unbalanced transaction is refused whole", "[market][ledger]") {
  LedgerTransaction transaction =
      MakeFillTransaction(MakeInstrument(), MakeFill(Side::kBuy, 6'000'000, 200, 0_dec, kBnb));
  REQUIRE(transaction.entries.size() == 4);
  transaction.entries.back().amount += 0.00000001_dec;
  CHECK_FALSE(transaction.IsBalanced());
  Ledger ledger;
  CHECK(ledger.Apply(transaction).code() == absl::StatusCode::kFailedPrecondition);
  CHECK(ledger.assets().empty());
  CHECK(ledger.Balance(LedgerAccount::kWallet, kBtc).is_zero());
}

TEST_CASE("ledger: an entry without an asset is refused", "[market][ledger]") {
  Ledger ledger;
  CHECK(ledger.Apply(MakeWalletTransaction(LedgerCause::kTransfer, AssetCode(), 1_dec, "", 0))
            .code() == absl::StatusCode::kInvalidArgument);
  CHECK(ledger.assets().empty());
}

TEST_CASE("ledger: one asset too many is refused, and the known ones go on", "[market][ledger]") {
  Ledger ledger;
  for (int i = 0; i < Ledger::kMaxAssets; ++i) {
    const AssetCode asset("A" + std::to_string(i));
    REQUIRE(ledger.Apply(MakeWalletTransaction(LedgerCause::kOpening, asset, 1_dec, "", 0)).ok());
  }
  CHECK(ledger.Apply(MakeWalletTransaction(LedgerCause::kOpening, kUsdt, 1_dec, "", 0)).code() ==
        absl::StatusCode::kResourceExhausted);
  CHECK(ledger.assets().size() == Ledger::kMaxAssets);
  CHECK(ledger.Balance(LedgerAccount::kWallet, kUsdt).is_zero());
  REQUIRE(ledger.Apply(MakeWalletTransaction(LedgerCause::kTransfer, AssetCode("A5"), 2_dec, "", 0))
              .ok());
  CHECK(ledger.Balance(LedgerAccount::kWallet, AssetCode("A5")) == 3_dec);
  CHECK(ledger.CheckInvariants());
}

TEST_CASE("ledger: random fills agree with plain sums and with the position", "[market][ledger]") {
  const uint64_t seed = 815;
  INFO("seed " << seed);
  Prng prng(seed);
  const Instrument instrument = MakeInstrument();
  Ledger ledger;
  Position position;
  std::map<std::string, __int128> wallet;
  const AssetCode fee_assets[] = {kBtc, kUsdt, kBnb};
  for (int i = 0; i < 5000; ++i) {
    const Fill fill =
        MakeFill(prng.Chance(1, 2) ? Side::kBuy : Side::kSell, prng.Between(1, 10'000'000),
                 prng.Between(1, 100'000), Decimal::FromUnits(prng.Between(-1'000'000, 1'000'000)),
                 fee_assets[prng.Below(3)]);
    const LedgerTransaction transaction = MakeFillTransaction(instrument, fill);
    REQUIRE(transaction.IsBalanced());
    REQUIRE(ledger.Apply(transaction).ok());
    position.Apply(instrument, fill);
    const int64_t sign = Sign(fill.side);
    wallet["BTC"] += instrument.ToDecimal(fill.quantity).units() * sign;
    wallet["USDT"] -= instrument.NotionalOf(fill.price, fill.quantity).units() * sign;
    wallet[std::string(fill.fee_asset.view())] -= fill.fee.units();

    REQUIRE(ledger.CheckInvariants());
    for (const auto& [asset, units] : wallet) {
      REQUIRE(ledger.Balance(LedgerAccount::kWallet, AssetCode(asset)).units() == units);
    }
    // The market gave the base that the position says is held, and took what it cost.
    REQUIRE(-ledger.Balance(LedgerAccount::kTrading, kBtc) ==
            instrument.ToDecimal(position.quantity()));
    REQUIRE(-ledger.Balance(LedgerAccount::kTrading, kUsdt) ==
            position.realized_pnl() - position.cost());
  }
}

TEST_CASE("ledger: texts name accounts and causes", "[market][ledger]") {
  CHECK(ToText(LedgerAccount::kWallet) == "wallet");
  CHECK(ToText(LedgerAccount::kTrading) == "trading");
  CHECK(ToText(LedgerAccount::kFees) == "fees");
  CHECK(ToText(LedgerAccount::kTransfers) == "transfers");
  CHECK(ToText(LedgerAccount::kAdjustment) == "adjustment");
  CHECK(ToText(LedgerCause::kFill) == "fill");
  CHECK(ToText(LedgerCause::kOpening) == "opening");
  CHECK(ToText(LedgerCause::kTransfer) == "transfer");
  CHECK(ToText(LedgerCause::kAdjustment) == "adjustment");
}

}  // namespace holdfast
