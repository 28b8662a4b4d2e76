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

}  // namespace
}  // namespace holdfast::testing
