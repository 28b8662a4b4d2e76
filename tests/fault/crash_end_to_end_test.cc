// Proves that the service, killed at any instant and started again, sends no order twice, orphans
// none and books every fill. How: the real binaries. holdfast-venue makes a fast market on
// loopback, `holdfast serve` quotes it with the store on disk and is killed with SIGKILL at random
// instants, over and over; at the end it is stopped properly and its books are compared, to the
// last unit, with the venue's.
#include <signal.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "engine/base/clock.h"
#include "engine/base/prng.h"
#include "engine/market/client_order_id.h"
#include "tests/engine/simple/store_testing.h"
#include "tests/fault/child_process.h"
#include "tests/fault/service_books.h"
#include "tests/fault/venue_ledger.h"

namespace holdfast::testing {
namespace {

constexpr char kAccount[] = "crash";
constexpr char kApiKey[] = "crashKey";
constexpr char kSecret[] = "crashSecret";
constexpr int64_t kKillingNs = 30 * kNanosPerSecond;  // how long kills go on
constexpr int kStartLimitMs = 20'000;
constexpr int kStopLimitMs = 30'000;

uint64_t SeedOfThisRun() {
  const char* text = std::getenv("HOLDFAST_TEST_SEED");
  if (text != nullptr) return std::strtoull(text, nullptr, 10);
  return static_cast<uint64_t>(SystemClock().WallNs());
}

// What a bad network and a bad venue do to the requests and events of a trading account, for as
// long as the kills go on.
constexpr char kBadDays[] = R"(
seed = 7
[[rule]]
kind = "lost_request"
point = "place"
probability = 0.03
until_ms = 30000
[[rule]]
kind = "lost_reply"
point = "place"
probability = 0.03
until_ms = 30000
[[rule]]
kind = "late_accept"
point = "place"
probability = 0.03
delay_ms = 400
until_ms = 30000
[[rule]]
kind = "lost_reply"
point = "cancel"
probability = 0.05
until_ms = 30000
[[rule]]
kind = "fill_before_cancel"
point = "cancel"
probability = 0.1
fraction = 0.5
until_ms = 30000
[[rule]]
kind = "server_error"
point = "open_orders"
probability = 0.1
until_ms = 30000
[[rule]]
kind = "lost_reply"
point = "trades"
probability = 0.1
until_ms = 30000
[[rule]]
kind = "duplicate_event"
point = "execution_event"
probability = 0.1
until_ms = 30000
[[rule]]
kind = "reordered_event"
point = "execution_event"
probability = 0.1
until_ms = 30000
[[rule]]
kind = "sequence_gap"
point = "depth_event"
probability = 0.01
until_ms = 30000
[[rule]]
kind = "disconnect"
point = "timed"
from_ms = 2300
every_ms = 3700
until_ms = 30000
)";

void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

// Venue and service with their files in one folder.
class Stage {
 public:
  Stage(uint64_t seed, const std::string& fault_plan) {
    Write(folder_.File("faults.toml"), fault_plan);
    Write(folder_.File("accounts.toml"), std::string("[[account]]\nname = \"") + kAccount +
                                             "\"\napi_key = \"" + kApiKey + "\"\nhmac_secret = \"" +
                                             kSecret + R"("
maker_fee_rate = "0.00001"
taker_fee_rate = "0.0004"
balances = { BTC = "100", USDT = "10000000" }

# Small sizes at the touch, so that takers reach our orders.
[[instrument]]
symbol = "BTCUSDT"
level_quantity = "0.02"

[limits]
orders_per_10_seconds = 1000000
weight_per_minute = 1000000
)");
    venue_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{HOLDFAST_VENUE_BINARY, "--accounts", folder_.File("accounts.toml"),
                                 "--seed", std::to_string(seed), "--fault-plan",
                                 folder_.File("faults.toml")},
        folder_.File("venue.log"));
    const std::optional<std::string> line = venue_->ReadLine(kStartLimitMs);
    INFO("venue log:\n" << Tail(folder_.File("venue.log")));
    REQUIRE(line.has_value());
    REQUIRE(std::sscanf(line->c_str(),
                        "holdfast-venue listening address=127.0.0.1 port=%d control_port=%d",
                        &port_, &control_port_) == 2);
    WriteServiceConfiguration();
  }

  // With HOLDFAST_TEST_KEEP set, logs and store are left for a look.
  ~Stage() {
    if (std::getenv("HOLDFAST_TEST_KEEP") == nullptr) return;
    const std::string kept = folder_.path() + "_kept";
    std::error_code error;
    std::filesystem::copy(folder_.path(), kept, std::filesystem::copy_options::recursive, error);
    std::printf("files kept in %s\n", kept.c_str());
  }

  std::unique_ptr<ChildProcess> StartService() {
    return std::make_unique<ChildProcess>(
        std::vector<std::string>{HOLDFAST_BINARY, "serve", "--config",
                                 folder_.File("service.toml")},
        folder_.File("service.log"),
        std::vector<std::pair<std::string, std::string>>{{"HOLDFAST_VENUE_API_KEY", kApiKey},
                                                         {"HOLDFAST_VENUE_SECRET_KEY", kSecret}});
  }
  std::string ServiceLog() const { return Tail(folder_.File("service.log")); }
  std::string StorePath() const { return folder_.File("var/holdfast.db"); }
  int control_port() const { return control_port_; }
  std::optional<int> StopVenue() {
    venue_->Signal(SIGTERM);
    return venue_->Wait(kStopLimitMs);
  }

 private:
  void WriteServiceConfiguration() {
    const std::string host = "127.0.0.1:" + std::to_string(port_);
    Write(folder_.File("service.toml"), std::string("[service]\naccount = \"") + kAccount +
                                            "\"\nstate_dir = \"" + folder_.File("var") + R"("
live_view = "off"

[venue]
rest_url = "http://)" + host + R"("
ws_api_url = "ws://)" + host + R"(/ws-api/v3"
stream_url = "ws://)" + host + R"("
recv_window_ms = 1000

[quoting]
symbol = "BTCUSDT"
strategy = "grid"

[inventory]
max_position = "5"

[grid]
price_interval = "1.5"
order_quantity = "0.002"
buy_window = 20
sell_window = 20
mode = "neutral"

[risk]
max_orders_per_second = 1000
max_order_burst = 1000
atr_trigger_ratio = 0
drop_trigger_percent = 0
)");
  }

  TempFolder folder_;
  std::unique_ptr<ChildProcess> venue_;
  int port_ = 0;
  int control_port_ = 0;
};

// Half of the kills hit the start and the reconciliation, the others the middle of quoting.
int64_t LifeNs(Prng& prng) {
  return prng.Chance(1, 2) ? prng.Between(0, 600) * kNanosPerMilli
                           : prng.Between(600, 4000) * kNanosPerMilli;
}

// Runs and kills the service until the time is up; how often.
int KillAgainAndAgain(Stage& stage, Prng& prng) {
  const SystemClock clock;
  const int64_t end_ns = clock.MonotonicNs() + kKillingNs;
  int kill_count = 0;
  while (clock.MonotonicNs() < end_ns) {
    const std::unique_ptr<ChildProcess> service = stage.StartService();
    const int64_t life_ns = LifeNs(prng);
    const std::optional<int> ending = service->Wait(static_cast<int>(life_ns / kNanosPerMilli));
    INFO("service log:\n" << stage.ServiceLog());
    REQUIRE_FALSE(ending.has_value());  // it never ends by itself
    service->Signal(SIGKILL);
    REQUIRE(service->Wait(kStopLimitMs) == 128 + SIGKILL);
    ++kill_count;
  }
  return kill_count;
}

// The last run: quotes for a while, then stops in good order.
void RunToTheEnd(Stage& stage) {
  const SystemClock clock;
  const std::unique_ptr<ChildProcess> service = stage.StartService();
  const int64_t deadline_ns = clock.MonotonicNs() + kStartLimitMs * kNanosPerMilli;
  while (OpenOrderCount(stage.control_port(), kAccount) < 10) {
    INFO("service log:\n" << stage.ServiceLog());
    REQUIRE_FALSE(service->Wait(50).has_value());
    REQUIRE(clock.MonotonicNs() < deadline_ns);
  }
  REQUIRE_FALSE(service->Wait(3000).has_value());
  service->Signal(SIGTERM);
  const std::optional<int> ending = service->Wait(kStopLimitMs);
  INFO("service log:\n" << stage.ServiceLog());
  REQUIRE(ending.has_value());
  CHECK(*ending == 0);
}

struct PlacedOrder {
  uint64_t number = 0;
  int64_t slot_key = 0;
  VenueOrderRow row;
};

// Every order of the account is ours, and no id and no number was used twice.
std::vector<PlacedOrder> CheckIds(const VenueBooks& venue, const ServiceBooks& service) {
  std::vector<PlacedOrder> placed;
  std::set<std::string> ids;
  std::set<uint64_t> numbers;
  for (const VenueOrderRow& row : venue.orders) {
    INFO("client id " << row.client_order_id << " status " << row.status);
    CHECK(ids.insert(row.client_order_id).second);
    const auto parsed = ParseClientOrderId(MakeAccountTag(kAccount), row.client_order_id);
    REQUIRE(parsed.has_value());
    CHECK(numbers.insert(parsed->number.value()).second);
    CHECK(static_cast<int64_t>(parsed->number.value()) < service.next_order_number);
    CHECK_FALSE(row.is_open());
    placed.push_back({parsed->number.value(), parsed->slot_key, row});
  }
  return placed;
}

// One intent, one order: a slot never has two orders of one kind at the venue at the same time.
void CheckOneOrderPerSlot(std::vector<PlacedOrder> placed) {
  std::sort(placed.begin(), placed.end(), [](const PlacedOrder& a, const PlacedOrder& b) {
    return std::make_pair(a.slot_key, a.row.create_time_ns) <
           std::make_pair(b.slot_key, b.row.create_time_ns);
  });
  for (size_t i = 1; i < placed.size(); ++i) {
    const PlacedOrder& earlier = placed[i - 1];
    const PlacedOrder& later = placed[i];
    if (earlier.slot_key != later.slot_key) continue;
    INFO("slot key " << later.slot_key << " numbers " << earlier.number << " " << later.number);
    CHECK(earlier.row.update_time_ns <= later.row.create_time_ns);
  }
}

void CheckFills(const VenueBooks& venue, const ServiceBooks& service) {
  std::map<std::string, Decimal> venue_fees;
  for (const auto& [id, trade] : venue.trades) {
    venue_fees[trade.fee_asset] += trade.fee;
    INFO("trade " << id);
    const auto booked = service.trades.find(id);
    REQUIRE(booked != service.trades.end());
    CHECK(booked->second == trade);
  }
  CHECK(service.trades.size() == venue.trades.size());
  for (const auto& [asset, fee] : venue_fees) {
    INFO("fees in " << asset);
    CHECK(service.fees.at(asset).ToText() == fee.ToText());
  }
  for (const auto& [asset, balance] : venue.balances) {
    INFO("balance of " << asset);
    REQUIRE(service.wallet.count(asset) == 1);
    CHECK(service.wallet.at(asset).ToText() == balance.ToText());
  }
  CHECK(service.unbalanced_count == 0);
  CHECK(service.adjustment_count == 0);
  CHECK(service.opening_count > 0);
}

void CheckNothingOpen(const ServiceBooks& service) {
  const std::set<std::string> kFinal = {"denied", "canceled", "rejected", "expired", "filled"};
  for (const auto& [state, count] : service.order_states) {
    INFO(state << ": " << count);
    CHECK(kFinal.contains(state));
  }
}

void RunStory(const std::string& fault_plan) {
  const uint64_t seed = SeedOfThisRun();
  std::printf("HOLDFAST_TEST_SEED=%lu\n", seed);
  INFO("HOLDFAST_TEST_SEED=" << seed);
  Prng prng(seed);
  Stage stage(seed, fault_plan);
  const int kill_count = KillAgainAndAgain(stage, prng);
  RunToTheEnd(stage);

  const VenueBooks venue = ReadVenueBooks(stage.control_port(), kAccount);
  const ServiceBooks service = ReadServiceBooks(stage.StorePath());
  std::printf("kills=%d venue_orders=%zu stored_orders=%zu trades=%zu records=%ld\n", kill_count,
              venue.orders.size(), service.orders.size(), venue.trades.size(),
              service.record_count);
  // Enough happened for the comparison to mean something.
  CHECK(kill_count >= 8);
  CHECK(venue.orders.size() >= 100);
  CHECK(venue.trades.size() >= 20);

  const std::vector<PlacedOrder> placed = CheckIds(venue, service);
  CheckOneOrderPerSlot(placed);
  CheckFills(venue, service);
  CheckNothingOpen(service);
  CHECK(stage.StopVenue() == 0);
}

}  // namespace

TEST_CASE("crash: killed at random instants, no order twice, none orphaned, every fill booked",
          "[fault][e2e]") {
  RunStory("seed = 1\n");
}

TEST_CASE("crash: the same while requests, replies, events and connections are lost",
          "[fault][e2e]") {
  RunStory(kBadDays);
}

}  // namespace holdfast::testing
