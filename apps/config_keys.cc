#include "apps/config_keys.h"

#include <array>

#include "absl/strings/ascii.h"
#include "apps/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

using enum KeyType;
using enum KeyRequirement;

constexpr auto kKeys = std::to_array<ConfigKey>({
    {.name = "service.account",
     .member = &Settings::service_account,
     .default_text = "main",
     .range = "1..32",
     .description = "Name of the trading account. Goes into every client order id and owns the "
                    "store: never change it while orders are open."},
    {.name = "service.state_dir",
     .member = &Settings::service_state_dir,
     .type = kPath,
     .default_text = "var",
     .description = "Folder of the store, the lock and files made at run time. One instance per "
                    "folder."},
    {.name = "service.duration_s",
     .member = &Settings::service_duration_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "0",
     .range = "0..31536000",
     .flag_alias = "--duration",
     .description = "Stop by itself after this time, as on SIGTERM. 0 = run until stopped."},
    {.name = "service.stop_timeout_s",
     .member = &Settings::service_stop_timeout_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "30",
     .range = "1..3600",
     .description = "How long a stop may take to cancel all orders and prove the empty book; then "
                    "the program ends with status 1 and says what may still be open."},
    {.name = "service.live_view",
     .member = &Settings::service_live_view,
     .type = kChoice,
     .default_text = "auto",
     .range = "auto|on|off",
     .description = "The full-screen view. auto = when standard output is a terminal; otherwise "
                    "one line a second."},

    {.name = "venue.name",
     .member = &Settings::venue_name,
     .type = kChoice,
     .default_text = "binance",
     .range = "binance",
     .description = "Which connector."},
    {.name = "venue.rest_url",
     .member = &Settings::venue_rest_url,
     .type = kUrl,
     .default_text = "https://api.binance.com",
     .range = "https|http",
     .description = "Base of the REST interface."},
    {.name = "venue.ws_api_url",
     .member = &Settings::venue_ws_api_url,
     .type = kUrl,
     .default_text = "wss://ws-api.binance.com:443/ws-api/v3",
     .range = "wss|ws",
     .description = "WebSocket interface for orders and account events."},
    {.name = "venue.stream_url",
     .member = &Settings::venue_stream_url,
     .type = kUrl,
     .default_text = "wss://stream.binance.com:9443",
     .range = "wss|ws",
     .description = "WebSocket market data."},
    {.name = "venue.ca_file",
     .member = &Settings::venue_ca_file,
     .type = kPath,
     .description = "PEM file of the authorities to trust instead of the system's."},
    {.name = "venue.api_key",
     .member = &Settings::venue_api_key,
     .type = kSecret,
     .description = "API key. Either this or venue.api_key_file is required."},
    {.name = "venue.api_key_file",
     .member = &Settings::venue_api_key_file,
     .type = kPath,
     .description = "File with the API key on one line, not readable by everyone."},
    {.name = "venue.secret_key",
     .member = &Settings::venue_secret_key,
     .type = kSecret,
     .description = "HMAC secret. Exactly one of venue.secret_key, venue.secret_key_file and "
                    "venue.ed25519_key_file is required."},
    {.name = "venue.secret_key_file",
     .member = &Settings::venue_secret_key_file,
     .type = kPath,
     .description = "File with the HMAC secret on one line, not readable by everyone."},
    {.name = "venue.ed25519_key_file",
     .member = &Settings::venue_ed25519_key_file,
     .type = kPath,
     .description = "PEM file with the Ed25519 private key, not readable by everyone."},
    {.name = "venue.recv_window_ms",
     .member = &Settings::venue_recv_window_ms,
     .type = kInteger,
     .unit = "ms",
     .default_text = "5000",
     .range = "100..60000",
     .description = "How long after signing the venue may still accept a request. An order "
                    "without an answer is resolved after it."},

    {.name = "quoting.symbol",
     .member = &Settings::quoting_symbol,
     .default_text = "BTCUSDT",
     .range = "1..24",
     .file_aliases = "MARKET_SYMBOL",
     .environment_aliases = "MARKET_SYMBOL",
     .flag_alias = "--symbol",
     .description = "Instrument, as the venue spells it."},
    {.name = "quoting.strategy",
     .member = &Settings::quoting_strategy,
     .type = kChoice,
     .default_text = "grid",
     .range = "grid|layered",
     .flag_alias = "--strategy",
     .description = "What decides the quotes; its parameters are in the section of that name."},
    {.name = "quoting.book_stale_ms",
     .member = &Settings::quoting_book_stale_ms,
     .type = kInteger,
     .unit = "ms",
     .default_text = "5000",
     .range = "100..600000",
     .description = "A book without news for so long is not quoted on; orders are canceled."},
    {.name = "quoting.reconcile_interval_s",
     .member = &Settings::quoting_reconcile_interval_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "300",
     .range = "5..86400",
     .description = "Full comparison of orders, fills and balances with the venue, besides the one "
                    "after every reconnect."},
    {.name = "quoting.cancel_foreign_orders",
     .member = &Settings::quoting_cancel_foreign_orders,
     .type = kBoolean,
     .default_text = "false",
     .description = "Cancel open orders of this symbol that are not ours. false = report them."},

    {.name = "inventory.max_position",
     .member = &Settings::inventory_max_position,
     .type = kMoney,
     .unit = "base",
     .range = "0.00000001..90000000000",
     .requirement = kAlways,
     .flag_alias = "--max-position",
     .description = "Largest position, long or short, with all working orders counted in."},
    {.name = "inventory.target_position",
     .member = &Settings::inventory_target_position,
     .type = kMoney,
     .unit = "base",
     .default_text = "0",
     .range = "-90000000000..90000000000",
     .description = "Signed position that the skew steers to."},

    {.name = "grid.price_interval",
     .member = &Settings::grid_price_interval,
     .type = kMoney,
     .unit = "quote",
     .range = "0.00000001..90000000000",
     .requirement = kGrid,
     .file_aliases = "PriceInterval GridSize",
     .description = "Distance between two lines before volatility scaling."},
    {.name = "grid.order_quantity",
     .member = &Settings::grid_order_quantity,
     .type = kMoney,
     .unit = "base",
     .range = "0.00000001..90000000000",
     .requirement = kGrid,
     .file_aliases = "OrderQuantity",
     .description = "Quantity of each entry order."},
    {.name = "grid.buy_window",
     .member = &Settings::grid_buy_window,
     .type = kInteger,
     .unit = "lines",
     .default_text = "10",
     .range = "1..200",
     .file_aliases = "BuyWindowSize",
     .description = "Lines below the center that are quoted."},
    {.name = "grid.sell_window",
     .member = &Settings::grid_sell_window,
     .type = kInteger,
     .unit = "lines",
     .default_text = "10",
     .range = "1..200",
     .file_aliases = "SellWindowSize",
     .description = "Lines above the center that are quoted."},
    {.name = "grid.mode",
     .member = &Settings::grid_mode,
     .type = kChoice,
     .default_text = "long",
     .range = "long|short|neutral",
     .file_aliases = "GridMode",
     .description =
         "long: sells only close; short: buys only close; neutral: both open (sells from the base "
         "inventory)."},
    {.name = "grid.anchor",
     .member = &Settings::grid_anchor,
     .type = kMoney,
     .unit = "quote",
     .range = "0..90000000000",
     .file_aliases = "Anchor",
     .description = "Price that line 0 lies on. Unset = the first live price, kept for ever after; "
                    "0 = plain multiples of the interval."},
    {.name = "grid.volatility_scale",
     .member = &Settings::grid_volatility_scale,
     .type = kNumber,
     .unit = "factor",
     .default_text = "1",
     .range = "0..100",
     .file_aliases = "VolatilityScale",
     .description = "Multiplies the interval together with ATR / baseline ATR."},
    {.name = "grid.skew_factor",
     .member = &Settings::grid_skew_factor,
     .type = kNumber,
     .unit = "factor",
     .default_text = "0",
     .range = "0..1",
     .file_aliases = "InventorySkewFactor SkewFactor",
     .description = "Shift of the whole grid against the inventory: price * (1 - factor * "
                    "inventory ratio)."},
    {.name = "grid.minimum_edge_bps",
     .member = &Settings::grid_minimum_edge_bps,
     .type = kNumber,
     .unit = "bps",
     .default_text = "0",
     .range = "0..1000",
     .description =
         "Least profit of a round trip after fees: a floor for the interval and for every exit."},
    {.name = "grid.hysteresis_percent",
     .member = &Settings::grid_hysteresis_percent,
     .type = kNumber,
     .unit = "%",
     .default_text = "10",
     .range = "0..100",
     .description = "The interval in force changes when the wanted one is further away than this."},
    {.name = "grid.price_tolerance_ticks",
     .member = &Settings::grid_price_tolerance_ticks,
     .type = kInteger,
     .unit = "ticks",
     .default_text = "0",
     .range = "0..1000",
     .description = "An order this close to its target stays, and keeps its place in the queue."},

    {.name = "layered.levels",
     .member = &Settings::layered_levels,
     .type = kInteger,
     .unit = "levels",
     .default_text = "3",
     .range = "1..100",
     .file_aliases = "NUM_LEVELS",
     .environment_aliases = "NUM_LEVELS",
     .description = "Orders on each side."},
    {.name = "layered.base_spread_percent",
     .member = &Settings::layered_base_spread_percent,
     .type = kNumber,
     .unit = "%",
     .default_text = "0.1",
     .range = "0.00000001..99.99999999",
     .file_aliases = "BASE_SPREAD_PERCENT SPREAD_PERCENT",
     .environment_aliases = "BASE_SPREAD_PERCENT SPREAD_PERCENT",
     .description = "Distance between the first bid and the first ask, of the price."},
    {.name = "layered.price_step_percent",
     .member = &Settings::layered_price_step_percent,
     .type = kNumber,
     .unit = "%",
     .default_text = "0.05",
     .range = "0..100",
     .file_aliases = "PRICE_STEP_PERCENT",
     .environment_aliases = "PRICE_STEP_PERCENT",
     .description = "Distance between two levels, of the price."},
    {.name = "layered.order_size",
     .member = &Settings::layered_order_size,
     .type = kMoney,
     .unit = "base",
     .range = "0.00000001..90000000000",
     .requirement = kLayered,
     .file_aliases = "ORDER_SIZE",
     .environment_aliases = "ORDER_SIZE",
     .description = "Quantity of each order."},
    {.name = "layered.update_mode",
     .member = &Settings::layered_update_mode,
     .type = kChoice,
     .default_text = "granular",
     .range = "granular|replace_all",
     .description = "granular touches only orders that deviate; replace_all cancels and places "
                    "all."},
    {.name = "layered.threshold_ticks",
     .member = &Settings::layered_threshold_ticks,
     .type = kInteger,
     .unit = "ticks",
     .default_text = "0",
     .range = "0..1000000",
     .description = "In granular mode an order within this distance of its level stays."},
    {.name = "layered.update_interval_s",
     .member = &Settings::layered_update_interval_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "1",
     .range = "0..3600",
     .file_aliases = "UPDATE_INTERVAL_SECONDS",
     .environment_aliases = "UPDATE_INTERVAL_SECONDS",
     .description = "Least time between two moves of the levels after the market; 0 follows each "
                    "change. Fills and gates are answered at once."},

    {.name = "volatility.bar_s",
     .member = &Settings::volatility_bar_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "60",
     .range = "1..3600",
     .description = "Length of a bar of the ATR."},
    {.name = "volatility.period",
     .member = &Settings::volatility_period,
     .type = kInteger,
     .unit = "bars",
     .default_text = "14",
     .range = "1..1000",
     .description = "Smoothing period of the ATR (Wilder)."},
    {.name = "volatility.baseline_bars",
     .member = &Settings::volatility_baseline_bars,
     .type = kInteger,
     .unit = "bars",
     .default_text = "1440",
     .range = "1..100000",
     .description = "Long window that gives the baseline ATR."},

    {.name = "risk.max_order_quantity",
     .member = &Settings::risk_max_order_quantity,
     .type = kMoney,
     .unit = "base",
     .default_text = "0",
     .range = "0..90000000000",
     .description = "Largest single order. 0 = the venue's limit only."},
    {.name = "risk.max_order_notional",
     .member = &Settings::risk_max_order_notional,
     .type = kMoney,
     .unit = "quote",
     .default_text = "0",
     .range = "0..90000000000",
     .description = "Largest value of a single order. 0 = none."},
    {.name = "risk.max_open_orders",
     .member = &Settings::risk_max_open_orders,
     .type = kInteger,
     .unit = "orders",
     .default_text = "450",
     .range = "1..800",
     .description = "Open orders at once, unknown ones included."},
    {.name = "risk.max_price_deviation_percent",
     .member = &Settings::risk_max_price_deviation_percent,
     .type = kNumber,
     .unit = "%",
     .default_text = "20",
     .range = "0.01..100",
     .description = "Price collar: largest distance of an order from the mid."},
    {.name = "risk.max_orders_per_second",
     .member = &Settings::risk_max_orders_per_second,
     .type = kInteger,
     .unit = "orders/s",
     .default_text = "100",
     .range = "1..100000",
     .description = "Placements a second. Cancels are never limited here."},
    {.name = "risk.max_order_burst",
     .member = &Settings::risk_max_order_burst,
     .type = kInteger,
     .unit = "orders",
     .default_text = "200",
     .range = "1..100000",
     .description = "Placements at once."},
    {.name = "risk.minimum_edge_bps",
     .member = &Settings::risk_minimum_edge_bps,
     .type = kNumber,
     .unit = "bps",
     .default_text = "0",
     .range = "-100..10000",
     .description = "Edge guard: least gain of a round trip after two maker fees."},
    {.name = "risk.breaker_failures",
     .member = &Settings::risk_breaker_failures,
     .type = kInteger,
     .unit = "failures",
     .default_text = "10",
     .range = "1..1000",
     .description = "Failures in a row that open the venue breaker: no placements for a while."},
    {.name = "risk.breaker_open_s",
     .member = &Settings::risk_breaker_open_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "10",
     .range = "1..600",
     .description = "How long the breaker stays open; doubled while it opens again at once."},
    {.name = "risk.atr_trigger_ratio",
     .member = &Settings::risk_atr_trigger_ratio,
     .type = kNumber,
     .unit = "factor",
     .default_text = "3",
     .range = "0..100",
     .description = "Risk mode (all buys canceled, entries paused) from this ATR / baseline. 0 = "
                    "off."},
    {.name = "risk.atr_clear_ratio",
     .member = &Settings::risk_atr_clear_ratio,
     .type = kNumber,
     .unit = "factor",
     .default_text = "2",
     .range = "0..100",
     .description = "Risk mode may end below this."},
    {.name = "risk.drop_trigger_percent",
     .member = &Settings::risk_drop_trigger_percent,
     .type = kNumber,
     .unit = "%",
     .default_text = "3",
     .range = "0..100",
     .description = "Risk mode when the mid has fallen so far below its highest. 0 = off."},
    {.name = "risk.drop_clear_percent",
     .member = &Settings::risk_drop_clear_percent,
     .type = kNumber,
     .unit = "%",
     .default_text = "1.5",
     .range = "0..100",
     .description = "Risk mode may end below this."},
    {.name = "risk.drop_window_s",
     .member = &Settings::risk_drop_window_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "900",
     .range = "1..86400",
     .description = "Window of that highest mid."},
    {.name = "risk.clear_hold_s",
     .member = &Settings::risk_clear_hold_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "60",
     .range = "0..86400",
     .description = "Both must be clear for so long in a row before risk mode ends."},

    {.name = "cleanup.interval_s",
     .member = &Settings::cleanup_interval_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "10",
     .range = "1..3600",
     .description = "Time between two looks for orders to clean up."},
    {.name = "cleanup.stale_after_s",
     .member = &Settings::cleanup_stale_after_s,
     .type = kInteger,
     .unit = "s",
     .default_text = "30",
     .range = "1..86400",
     .description = "An order that nothing wants for so long is canceled."},
    {.name = "cleanup.max_orders",
     .member = &Settings::cleanup_max_orders,
     .type = kInteger,
     .unit = "orders",
     .default_text = "400",
     .range = "1..800",
     .description = "Above this count the oldest and farthest orders are canceled."},

    {.name = "safety.maker_fee_percent",
     .member = &Settings::safety_maker_fee_percent,
     .type = kNumber,
     .unit = "%",
     .range = "-1..5",
     .description = "Maker fee that is planned with, negative = rebate. Start is refused when the "
                    "venue charges another one. Unset = the venue's word is taken."},
    {.name = "safety.max_clock_skew_ms",
     .member = &Settings::safety_max_clock_skew_ms,
     .type = kInteger,
     .unit = "ms",
     .default_text = "1000",
     .range = "1..60000",
     .description = "Largest difference between our clock and the venue's."},

    {.name = "store.kind",
     .member = &Settings::store_kind,
     .type = kChoice,
     .default_text = "sqlite",
     .range = "sqlite|memory",
     .description = "sqlite survives a crash; memory forgets everything, for experiments only."},

    {.name = "log.level",
     .member = &Settings::log_level,
     .type = kChoice,
     .default_text = "info",
     .range = "debug|info|warning|error",
     .description = "Least severity that is written."},
    {.name = "log.format",
     .member = &Settings::log_format,
     .type = kChoice,
     .default_text = "text",
     .range = "text|json",
     .description = "json = one object a line."},
    {.name = "log.file",
     .member = &Settings::log_file,
     .type = kPath,
     .description =
         "Appended to. Unset = standard error, or holdfast.log in the state folder while "
         "the live view has the terminal."},
});

static_assert([] {
  for (size_t i = 0; i < kKeys.size(); ++i) {
    if (kKeys[i].description.empty() || kKeys[i].name.find('.') == std::string_view::npos) {
      return false;
    }
    for (size_t j = i + 1; j < kKeys.size(); ++j) {
      if (kKeys[i].name == kKeys[j].name) return false;
    }
  }
  return true;
}());

std::string_view RequirementText(const ConfigKey& key) {
  switch (key.requirement) {
    case kOptional:
      return key.default_text.empty() ? "unset" : key.default_text;
    case kAlways:
      return "required";
    case kGrid:
      return "required by grid";
    case kLayered:
      return "required by layered";
  }
  return "";
}

std::string CodeOrNothing(std::string_view text) {
  return text.empty() ? std::string() : Concat("`", text, "`");
}

}  // namespace

std::string_view ToText(KeyType type) {
  switch (type) {
    case kText:
      return "text";
    case kPath:
      return "path";
    case kChoice:
      return "choice";
    case kUrl:
      return "URL";
    case kInteger:
      return "integer";
    case kNumber:
      return "number";
    case kMoney:
      return "decimal text";
    case kBoolean:
      return "boolean";
    case kSecret:
      return "secret";
  }
  return "";
}

std::span<const ConfigKey> ConfigKeys() { return kKeys; }

const ConfigKey* FindConfigKey(std::string_view name) {
  for (const ConfigKey& key : kKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::string EnvironmentName(const ConfigKey& key) {
  return Concat("HOLDFAST_", absl::AsciiStrToUpper(ReplaceText(key.name, ".", "_")));
}

std::string FlagName(const ConfigKey& key) {
  HF_ASSERT(!key.is_secret());
  return Concat("--", ReplaceText(ReplaceText(key.name, ".", "-"), "_", "-"));
}

std::string ExpectedText(const ConfigKey& key) {
  switch (key.type) {
    case kText:
      return Concat("text of ", key.range, " characters");
    case kPath:
      return "path";
    case kChoice:
      return std::string(key.range);
    case kUrl:
      return Concat(key.range, "://host[:port][/path], without TLS only on loopback");
    case kInteger:
      return Concat("integer ", key.range);
    case kNumber:
      return Concat("number ", key.range);
    case kMoney:
      return Concat("decimal text ", key.range);
    case kBoolean:
      return "true|false";
    case kSecret:
      return Concat("environment variable ", EnvironmentName(key), " or ", key.name, "_file");
  }
  return "";
}

std::string ConfigReference() {
  std::string out =
      "# Configuration\n"
      "\n"
      "Generated from the table of keys (`holdfast check-config --reference`); a test compares.\n"
      "\n"
      "- Sources, in rising precedence: the default, the TOML file (`--config FILE`, else\n"
      "  `HOLDFAST_CONFIG`, else `holdfast.toml` in the working directory if there is one), the\n"
      "  environment (`HOLDFAST_<SECTION>_<KEY>`), flags (`--section-key value`).\n"
      "- `holdfast check-config` reads and checks everything and starts nothing;\n"
      "  `holdfast check-config --print` shows each effective value and where it comes from.\n"
      "- Anything wrong ends the program with exit status 2 and one line:\n"
      "  `config: file=F line=N key=K value=V expected=E`. `file` is `environment` or `flags` "
      "when\n"
      "  the value came from there, and the line is then `-`.\n"
      "- Prices, quantities and amounts are decimal text in quotes (`\"0.001\"`), at most eight\n"
      "  fraction digits. Units are part of the key's name or of the column below; `base` and\n"
      "  `quote` are the two assets of the instrument.\n"
      "- Secrets come from the environment or from a file that only the owner may read, never "
      "from\n"
      "  the TOML file or a flag. They are shown as `set` or `unset` and are cut out of every log\n"
      "  line.\n";
  std::string_view section;
  for (const ConfigKey& key : kKeys) {
    if (key.section() != section) {
      section = key.section();
      AppendTo(out, "\n## [", section, "]\n\n",
               "| key | value | unit | default | environment | flag | meaning |\n",
               "|---|---|---|---|---|---|---|\n");
    }
    const std::string expected = key.is_secret() ? "secret" : ExpectedText(key);
    std::string environment = CodeOrNothing(EnvironmentName(key));
    if (!key.environment_aliases.empty()) {
      AppendTo(environment, " ", CodeOrNothing(ReplaceText(key.environment_aliases, " ", "` `")));
    }
    std::string flag = key.is_secret() ? "none" : CodeOrNothing(FlagName(key));
    if (!key.flag_alias.empty()) AppendTo(flag, " ", CodeOrNothing(key.flag_alias));
    std::string name = CodeOrNothing(key.name.substr(section.size() + 1));
    if (!key.file_aliases.empty()) {
      AppendTo(name, " (also ", CodeOrNothing(ReplaceText(key.file_aliases, " ", "` `")), ")");
    }
    AppendTo(out, "| ", name, " | ", ReplaceText(expected, "|", "\\|"), " | ", key.unit, " | ",
             RequirementText(key), " | ", environment, " | ", flag, " | ", key.description, " |\n");
  }
  return out;
}

}  // namespace holdfast
