// Proves that the wallet is compared as the venue states it now: what a list of balances leaves out
// is zero, and the assets that matter are never crowded out by others.
#include <catch2/catch.hpp>

#include "engine/quoting/account_books.h"
#include "fake_venue.h"

namespace holdfast::testing {
namespace {

BalanceReport Balance(std::string_view asset, int64_t amount) {
  BalanceReport report;
  report.asset = AssetCode(asset);
  report.free = Decimal::FromInteger(amount);
  return report;
}

std::optional<Decimal> FreeOf(const AccountBooks& books, std::string_view asset) {
  for (const AssetBalance& balance : books.balances()) {
    if (balance.asset == AssetCode(asset)) return balance.free;
  }
  return std::nullopt;
}

TEST_CASE("books: an asset that a list of balances leaves out is zero", "[quoting][R7]") {
  AccountBooks books(TestInstrument(), RecoveredState());
  books.BeginBalanceList();
  books.OnBalance(Balance("BTC", 3));
  books.OnBalance(Balance("USDT", 100));
  books.EndBalanceList();
  CHECK(FreeOf(books, "BTC") == Decimal::FromInteger(3));
  books.BeginBalanceList();
  books.OnBalance(Balance("USDT", 90));
  CHECK(FreeOf(books, "BTC") == Decimal::FromInteger(3));  // not yet at its end
  books.EndBalanceList();
  CHECK(FreeOf(books, "BTC") == Decimal());
  CHECK(FreeOf(books, "USDT") == Decimal::FromInteger(90));
}

TEST_CASE("books: the traded assets have a place among many others", "[quoting][R7]") {
  AccountBooks books(TestInstrument(), RecoveredState());
  for (int i = 0; i < 100; ++i) books.OnBalance(Balance("A" + std::to_string(i), 1));
  books.OnBalance(Balance("BTC", 3));
  books.OnBalance(Balance("USDT", 100));
  CHECK(FreeOf(books, "BTC") == Decimal::FromInteger(3));
  CHECK(FreeOf(books, "USDT") == Decimal::FromInteger(100));
  CHECK(books.balances().size() < static_cast<size_t>(Ledger::kMaxAssets));
}

TEST_CASE("loop: a balance that vanished from the venue's list is noticed", "[quoting][R7]") {
  World world;
  world.Begin();
  CHECK(world.loop->ledger().Balance(LedgerAccount::kWallet, AssetCode("BTC")) ==
        Decimal::FromInteger(10));
  world.engine.balances.erase("BTC");
  world.Pass(400 * kNanosPerSecond, 200 * kNanosPerMilli);
  CHECK(world.counters().wallet_adjustments == 1);
  CHECK(world.loop->ledger().Balance(LedgerAccount::kWallet, AssetCode("BTC")).is_zero());
}

TEST_CASE("loop: why the store fails is asked for rarely, and shown", "[quoting]") {
  World world;
  world.Begin();
  world.engine.is_healthy = false;
  for (int i = 0; i < 10; ++i) {
    const HealthStatus health = world.Status().health[static_cast<size_t>(HealthFlag::kStore)];
    CHECK_FALSE(health.is_ok);
    CHECK(health.reason.view() == "disk full");
  }
  CHECK(world.engine.store_problem_count <= 3);  // 10 snapshots in 2 s
}

TEST_CASE("loop: once stopped it asks for no further turn", "[quoting]") {
  World world;
  world.Begin();
  world.loop->RequestStop();
  REQUIRE(world.PassUntilStopped(60 * kNanosPerSecond));
  CHECK(world.loop->NextTimerNs() > world.clock.MonotonicNs() + 3600 * kNanosPerSecond);
}

TEST_CASE("loop: opening balances are booked as such after a run that stored something else",
          "[quoting][R7]") {
  RecoveredState recovered = World::FirstRun();
  recovered.is_first_run = false;  // a pause was recorded, the opening balances were not
  World world(recovered);
  world.Begin();
  CHECK(world.counters().wallet_adjustments == 0);
  CHECK(world.loop->ledger().Balance(LedgerAccount::kAdjustment, AssetCode("BTC")).is_zero());
  CHECK(world.loop->ledger().Balance(LedgerAccount::kWallet, AssetCode("BTC")) ==
        Decimal::FromInteger(10));
}

std::string AssetNumber(int i) { return "A" + std::to_string(i); }

// The books of a run that has seen as many assets as a ledger holds.
RecoveredState FullLedger() {
  RecoveredState recovered = SecondRun();
  for (int i = 0; i < Ledger::kMaxAssets - 2; ++i) {
    const auto status = recovered.ledger.Apply(
        MakeWalletTransaction(LedgerCause::kOpening, AssetCode(AssetNumber(i)),
                              Decimal::FromInteger(1), "opening balance", 0));
    REQUIRE(status.ok());
  }
  return recovered;
}

TEST_CASE("books: a fill in one asset too many is refused whole, quoting stops, cancels go",
          "[quoting][X4]") {
  World world(FullLedger());
  for (int i = 0; i < Ledger::kMaxAssets - 2; ++i) {
    world.engine.balances[AssetNumber(i)].first = Decimal::FromInteger(1);
  }
  world.engine.next_number = 100;
  world.strategy.wanted = {Want(BuyKey(1), World::kMid - 1000, 100),
                           Want(BuyKey(2), World::kMid - 2000, 100)};
  world.Begin();
  REQUIRE(world.engine.open_count() == 2);
  auto& order = world.engine.ByKey(BuyKey(1));
  Fill fill = world.engine.Execute(order, Quantity::FromLots(30));
  fill.fee = Decimal::FromUnits(5);
  fill.fee_asset = AssetCode("BNB");
  world.engine.fills.back() = fill;
  world.engine.TellOrder(order);
  world.engine.TellFill(fill);
  world.Pass(20 * kNanosPerSecond);

  // Nothing of it is booked and nothing is stored that could not be loaded again.
  CHECK(world.loop->position().quantity().is_zero());
  CHECK(world.engine.fill_records.empty());
  CHECK(world.counters().fills == 0);
  CHECK(world.counters().wallet_adjustments == 0);
  for (const OrderRecord& record : world.engine.order_records) {
    if (record.order.number == order.intent.number) CHECK_FALSE(IsFinal(record.order.state));
  }
  CHECK(world.engine.open_count() == 0);
  CHECK(world.engine.placed.size() == 2);
  CHECK(world.loop->phase() == LoopPhase::kHalted);
  CHECK_FALSE(world.IsHealthy(HealthFlag::kStore));
  const auto alerts = std::count_if(
      world.observer.events.begin(), world.observer.events.end(), [](const LoopEvent& event) {
        return event.severity == Severity::kAlert && event.reason == "ledger_full";
      });
  CHECK(alerts == 1);
}

TEST_CASE("books: a foreign fill in one asset too many is refused whole", "[quoting][X4]") {
  AccountBooks books(TestInstrument(), FullLedger());
  Fill fill;
  fill.trade_id = VenueTradeId(1000);
  fill.price = Price::FromTicks(World::kMid);
  fill.quantity = Quantity::FromLots(5);
  fill.fee = Decimal::FromUnits(5);
  fill.fee_asset = AssetCode("BNB");
  AccountBooks::Booked booked;
  books.BookForeign(fill, booked);
  CHECK(absl::IsResourceExhausted(booked.ledger_status));
  CHECK_FALSE(books.IsBooked(fill.trade_id));
  fill.fee_asset = AssetCode("USDT");
  books.BookForeign(fill, booked);
  CHECK(booked.ledger_status.ok());
  CHECK(books.IsBooked(fill.trade_id));
}

TEST_CASE("books: assets that come and go over many runs never fill the ledger", "[quoting][R7]") {
  RecoveredState recovered = SecondRun();
  for (int run = 0; run < 4; ++run) {
    AccountBooks books(TestInstrument(), recovered);
    books.BeginBalanceList();
    for (int i = 0; i < 40; ++i) books.OnBalance(Balance(AssetNumber(run * 100 + i), 1));
    books.EndBalanceList();
    for (const AssetBalance& balance : books.balances()) {
      if (!books.Wallet(balance.asset).is_zero() || balance.free.is_zero()) continue;
      REQUIRE(books
                  .BookWallet(MakeWalletTransaction(LedgerCause::kAdjustment, balance.asset,
                                                    balance.free, "", 0))
                  .ok());
    }
    recovered.ledger = books.ledger();
  }
  CHECK(recovered.ledger.assets().size() <= Ledger::kMaxAssets - 8);
}

}  // namespace
}  // namespace holdfast::testing
