// Proves that settings reach the libraries unchanged and in the right units, that what a library
// refuses is told before anything starts, and that the loop's events become log records.

#include "apps/wiring.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "apps/config.h"
#include "apps/loop_log.h"
#include "apps/rate_block_file.h"
#include "apps/venue_factory.h"

namespace holdfast {
namespace {

Decimal D(std::string_view text) { return *Decimal::Parse(text); }

Instrument TestInstrument() {
  Instrument instrument;
  instrument.symbol = SymbolText("BTCUSDT");
  instrument.base_asset = AssetCode("BTC");
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = D("0.01");
  instrument.lot_size = D("0.00001");
  instrument.min_price = Price::FromTicks(1);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.min_notional = D("5");
  return instrument;
}

Settings Load(const std::vector<std::pair<std::string, std::string>>& flags) {
  ConfigSources sources;
  sources.default_file = "";
  sources.environment = {{"HOLDFAST_VENUE_API_KEY", "key"},
                         {"HOLDFAST_VENUE_SECRET_KEY", "secret"}};
  sources.flags = {{"inventory.max_position", "0.5"},
                   {"grid.price_interval", "10"},
                   {"grid.order_quantity", "0.001"},
                   {"layered.order_size", "0.01"}};
  sources.flags.insert(sources.flags.end(), flags.begin(), flags.end());
  const auto configuration = LoadConfiguration(sources);
  INFO(configuration.status().message());
  REQUIRE(configuration.ok());
  return configuration->settings;
}

TEST_CASE("wiring: percent and basis points become fractions, seconds nanoseconds",
          "[apps][wiring]") {
  const Settings settings = Load({{"risk.max_price_deviation_percent", "5"},
                                  {"risk.minimum_edge_bps", "1.5"},
                                  {"risk.drop_trigger_percent", "2.5"},
                                  {"risk.clear_hold_s", "7"},
                                  {"quoting.book_stale_ms", "1500"},
                                  {"safety.maker_fee_percent", "-0.005"},
                                  {"volatility.bar_s", "30"}});
  const auto limits = MakeRiskLimits(settings);
  REQUIRE(limits.ok());
  CHECK(limits->max_position == D("0.5"));
  CHECK(limits->max_price_deviation == D("0.05"));
  CHECK(limits->min_edge_rate == D("0.00015"));
  CHECK(limits->drop_trigger == D("0.025"));
  CHECK(limits->clear_hold_ns == 7 * kNanosPerSecond);
  const auto options = MakeQuotingOptions(settings);
  REQUIRE(options.ok());
  CHECK(options->book_stale_after_ns == 1500 * kNanosPerMilli);
  CHECK(options->configured_maker_fee_rate == D("-0.00005"));
  CHECK(options->atr_bar_ns == 30 * kNanosPerSecond);
}

TEST_CASE("wiring: defaults pass every library's own validation", "[apps][wiring]") {
  const Settings settings = Load({});
  CHECK(MakeRiskLimits(settings).ok());
  CHECK(MakeQuotingOptions(settings).ok());
  CHECK(MakeStrategy(settings, TestInstrument(), Decimal()).ok());
  CHECK(MakeStrategy(Load({{"quoting.strategy", "layered"}}), TestInstrument(), Decimal()).ok());
  CHECK(MakeEngineOptions(settings, TestInstrument()).store.path == "var/holdfast.db");
  CHECK(MakeEngineOptions(Load({{"store.kind", "memory"}}), TestInstrument()).store.path.empty());
}

TEST_CASE("wiring: what only the instrument shows to be wrong is refused with the key",
          "[apps][wiring][G10]") {
  const auto off_grid =
      MakeStrategy(Load({{"grid.order_quantity", "0.000001"}}), TestInstrument(), Decimal());
  REQUIRE(absl::IsInvalidArgument(off_grid.status()));
  CHECK(std::string(off_grid.status().message()).find("order_quantity") != std::string::npos);
  const auto layered =
      MakeStrategy(Load({{"quoting.strategy", "layered"}, {"layered.order_size", "0.000001"}}),
                   TestInstrument(), Decimal());
  REQUIRE(absl::IsInvalidArgument(layered.status()));
  CHECK(std::string(layered.status().message()).find("order_size") != std::string::npos);
}

TEST_CASE("wiring: the factory makes a connector by the venue's name", "[apps][wiring][X6]") {
  SystemClock clock;
  Settings settings = Load({});
  CHECK(MakeVenueConnector(settings, clock).ok());
  settings.venue_name = "nowhere";
  CHECK(std::string(MakeVenueConnector(settings, clock).status().message()) ==
        "no connector: venue.name=nowhere");
}

TEST_CASE("wiring: the venue's order to be quiet survives a restart", "[apps][wiring][X8]") {
  std::string folder = (std::filesystem::temp_directory_path() / "hf_block_XXXXXX").string();
  REQUIRE(mkdtemp(folder.data()) != nullptr);
  const std::string path = folder + "/rate_block";
  CHECK(LoadRateBlock(path) == RateBlock());
  const RateBlock block = {.not_before_wall_ns = SystemClock().WallNs() + 60 * kNanosPerSecond,
                           .is_ban = true};
  REQUIRE(SaveRateBlock(path, block).ok());
  CHECK(LoadRateBlock(path) == block);

  // Nothing is sent while it lasts, not even the first question of a start.
  SystemClock clock;
  const Settings settings = Load({{"service.state_dir", folder}});
  const auto connector = MakeVenueConnector(settings, clock);
  REQUIRE(connector.ok());
  const auto instrument = (*connector)->FetchInstrument();
  CHECK(absl::IsUnavailable(instrument.status()));
  CHECK(std::string(instrument.status().message()).find("to be quiet for another") !=
        std::string::npos);

  std::ofstream(path) << "damaged";
  CHECK(LoadRateBlock(path) == RateBlock());
  CHECK(absl::IsUnavailable(SaveRateBlock("/nonexistent-folder/rate_block", block)));
  std::filesystem::remove_all(folder);
}

TEST_CASE("wiring: a loop event is a log record with the instrument's decimals",
          "[apps][log][O6]") {
  LoopEvent event;
  event.kind = LoopEventKind::kFill;
  event.wall_time_ns = 1'700'000'000 * kNanosPerSecond;
  event.client_order_id = ClientOrderId("hf1");
  event.trade_id = VenueTradeId(7);
  event.side = Side::kSell;
  event.price = Price::FromTicks(6183763);
  event.quantity = Quantity::FromLots(100);
  CHECK(FormatLogRecord(MakeLoopRecord(event, TestInstrument()), LogFormat::kText, Redactor()) ==
        "2023-11-14T22:13:20.000000Z INFO  fill id=hf1 side=sell trade=7 price=61837.63 "
        "quantity=0.001");
  event = LoopEvent();
  event.kind = LoopEventKind::kOrderTransition;
  event.from = OrderState::kInFlight;
  event.to = OrderState::kUnknown;
  CHECK(MakeLoopRecord(event, TestInstrument()).level() == LogLevel::kDebug);
  event.severity = Severity::kWarning;
  event.reason = InlineString<32>("timeout");
  CHECK(FormatLogRecord(MakeLoopRecord(event, TestInstrument()), LogFormat::kText, Redactor()) ==
        "1970-01-01T00:00:00.000000Z WARN  order.transition from=in_flight to=unknown "
        "reason=timeout");
}

}  // namespace
}  // namespace holdfast
