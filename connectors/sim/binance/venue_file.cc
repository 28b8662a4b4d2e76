#include "connectors/sim/binance/venue_file.h"

#include <toml++/toml.h>

#include <fstream>
#include <initializer_list>
#include <set>
#include <sstream>
#include <utility>

#include "connectors/net/signing.h"
#include "engine/base/status_macros.h"

namespace holdfast::sim {
namespace {

using namespace literals;

// Reads one table and remembers where it is, for messages.
class TableReader {
 public:
  TableReader(const std::string& file, const toml::table& table, std::string path)
      : file_(file), table_(table), path_(std::move(path)) {}

  absl::Status Error(std::string_view key, std::string_view value,
                     std::string_view expected) const {
    const toml::node* node = table_.get(key);
    const auto line = node != nullptr ? node->source().begin.line : table_.source().begin.line;
    std::string text = file_ + ":" + std::to_string(line) + ": key=" + path_ + "." +
                       std::string(key) + " value=" + std::string(value) +
                       " expected=" + std::string(expected);
    return absl::InvalidArgumentError(text);
  }

  absl::Status CheckKeys(std::initializer_list<std::string_view> allowed) const {
    for (const auto& [key, node] : table_) {
      bool is_known = false;
      std::string list;
      for (const std::string_view name : allowed) {
        is_known = is_known || key.str() == name;
        list += list.empty() ? "" : ", ";
        list += name;
      }
      if (!is_known) return Error(key.str(), "?", "one of: " + list);
    }
    return absl::OkStatus();
  }

  absl::Status Read(std::string_view key, std::string& out) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return absl::OkStatus();
    if (!node->is_string()) return Error(key, "?", "text in quotes");
    out = **node->as_string();
    return absl::OkStatus();
  }

  absl::Status Read(std::string_view key, bool& out) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return absl::OkStatus();
    if (!node->is_boolean()) return Error(key, Shown(*node), "true or false");
    out = **node->as_boolean();
    return absl::OkStatus();
  }

  absl::Status Read(std::string_view key, int64_t low, int64_t high, int64_t& out) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return absl::OkStatus();
    if (!node->is_integer() || **node->as_integer() < low || **node->as_integer() > high) {
      return Error(key, Shown(*node),
                   "integer in [" + std::to_string(low) + ", " + std::to_string(high) + "]");
    }
    out = **node->as_integer();
    return absl::OkStatus();
  }

  // Exact numbers are written as text: "0.001".
  absl::Status Read(std::string_view key, Decimal low, Decimal high, Decimal& out) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return absl::OkStatus();
    const std::string expected =
        "a decimal number in quotes in [" + low.ToText() + ", " + high.ToText() + "]";
    if (!node->is_string()) return Error(key, Shown(*node), expected);
    const auto value = Decimal::Parse(**node->as_string());
    if (!value.ok() || *value < low || *value > high) return Error(key, Shown(*node), expected);
    out = *value;
    return absl::OkStatus();
  }

  // A secret or key: inline or in a file named by `key`_file.
  absl::Status ReadSecret(std::string_view key, std::string& out) const {
    const std::string file_key = std::string(key) + "_file";
    std::string path;
    HF_RETURN_IF_ERROR(Read(key, out));
    HF_RETURN_IF_ERROR(Read(file_key, path));
    if (path.empty()) return absl::OkStatus();
    if (!out.empty()) return Error(file_key, path, "not together with " + std::string(key));
    std::ifstream stream(path);
    if (!stream) return Error(file_key, path, "a readable file");
    std::ostringstream text;
    text << stream.rdbuf();
    out = text.str();
    if (key == "hmac_secret") {
      while (!out.empty() && (out.back() == '\n' || out.back() == '\r')) out.pop_back();
    }
    return absl::OkStatus();
  }

  const toml::node* Get(std::string_view key) const { return table_.get(key); }
  const std::string& file() const { return file_; }
  const std::string& path() const { return path_; }

  static std::string Shown(const toml::node& node) {
    std::ostringstream text;
    node.visit([&](const auto& value) {
      if constexpr (toml::is_value<decltype(value)>) {
        text << value.get();
      } else {
        text << "?";
      }
    });
    return text.str();
  }

 private:
  const std::string& file_;
  const toml::table& table_;
  std::string path_;
};

int64_t StepCount(Price price) { return price.ticks(); }
int64_t StepCount(Quantity quantity) { return quantity.lots(); }

constexpr Decimal kMaxAmount = Decimal::FromInteger(90'000'000'000);
constexpr Decimal kZero;

absl::Status ReadKey(const TableReader& reader, std::vector<ApiKeyConfig>& keys) {
  ApiKeyConfig key;
  HF_RETURN_IF_ERROR(reader.Read("api_key", key.api_key));
  HF_RETURN_IF_ERROR(reader.ReadSecret("hmac_secret", key.hmac_secret));
  HF_RETURN_IF_ERROR(reader.ReadSecret("ed25519_public_key", key.ed25519_public_key));
  HF_RETURN_IF_ERROR(reader.Read("key_can_trade", key.can_trade));
  if (key.api_key.empty()) return reader.Error("api_key", "", "a non-empty key");
  if (key.hmac_secret.empty() == key.ed25519_public_key.empty()) {
    return reader.Error("hmac_secret", "(hidden)",
                        "exactly one of hmac_secret and ed25519_public_key (or their _file forms)");
  }
  if (!key.ed25519_public_key.empty() && !Ed25519Verifier::FromPem(key.ed25519_public_key).ok()) {
    return reader.Error("ed25519_public_key", "(hidden)", "an Ed25519 public key in PEM");
  }
  keys.push_back(std::move(key));
  return absl::OkStatus();
}

absl::Status ReadBalances(const TableReader& reader, std::vector<SimBalance>& balances) {
  const toml::node* node = reader.Get("balances");
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_table()) return reader.Error("balances", "?", "a table of asset = \"amount\"");
  const TableReader inner(reader.file(), *node->as_table(), reader.path() + ".balances");
  for (const auto& [key, value] : *node->as_table()) {
    const std::string_view asset = key.str();
    if (asset.empty() || !AssetCode::Fits(asset)) {
      return inner.Error(asset, "?", "an asset code of at most 12 characters");
    }
    SimBalance balance{.asset = AssetCode(asset), .free = {}, .locked = {}};
    HF_RETURN_IF_ERROR(inner.Read(asset, kZero, kMaxAmount, balance.free));
    balances.push_back(balance);
  }
  return absl::OkStatus();
}

absl::Status ReadFeeAsset(const TableReader& reader, std::optional<SimFeeAsset>& out) {
  const toml::node* node = reader.Get("fee_asset");
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_table()) return reader.Error("fee_asset", "?", "a table");
  const TableReader inner(reader.file(), *node->as_table(), reader.path() + ".fee_asset");
  HF_RETURN_IF_ERROR(inner.CheckKeys({"asset", "quote_per_unit", "discount"}));
  SimFeeAsset fee;
  std::string asset;
  HF_RETURN_IF_ERROR(inner.Read("asset", asset));
  if (asset.empty() || !AssetCode::Fits(asset)) {
    return inner.Error("asset", asset, "an asset code of at most 12 characters");
  }
  fee.asset = AssetCode(asset);
  HF_RETURN_IF_ERROR(inner.Read("quote_per_unit", 0.00000001_dec, kMaxAmount, fee.quote_per_unit));
  if (fee.quote_per_unit.is_zero()) return inner.Error("quote_per_unit", "", "a positive price");
  HF_RETURN_IF_ERROR(inner.Read("discount", kZero, 1_dec, fee.discount));
  out = fee;
  return absl::OkStatus();
}

absl::Status ReadAccount(const TableReader& reader, AccountFileEntry& entry) {
  HF_RETURN_IF_ERROR(
      reader.CheckKeys({"name", "api_key", "hmac_secret", "hmac_secret_file", "ed25519_public_key",
                        "ed25519_public_key_file", "key_can_trade", "key", "maker_fee_rate",
                        "taker_fee_rate", "can_trade", "trade_group", "fee_asset", "balances"}));
  SimAccountConfig& account = entry.account;
  HF_RETURN_IF_ERROR(reader.Read("name", account.name));
  if (account.name.empty()) return reader.Error("name", "", "a non-empty name");
  account.maker_fee_rate = 0.001_dec;
  account.taker_fee_rate = 0.001_dec;
  const Decimal max_rate = 0.1_dec;
  HF_RETURN_IF_ERROR(reader.Read("maker_fee_rate", -max_rate, max_rate, account.maker_fee_rate));
  HF_RETURN_IF_ERROR(reader.Read("taker_fee_rate", -max_rate, max_rate, account.taker_fee_rate));
  HF_RETURN_IF_ERROR(reader.Read("can_trade", account.can_trade));
  int64_t group = -1;
  HF_RETURN_IF_ERROR(reader.Read("trade_group", -1, INT32_MAX, group));
  account.trade_group = static_cast<int32_t>(group);
  HF_RETURN_IF_ERROR(ReadFeeAsset(reader, account.fee_asset));
  HF_RETURN_IF_ERROR(ReadBalances(reader, account.balances));
  if (reader.Get("api_key") != nullptr) HF_RETURN_IF_ERROR(ReadKey(reader, entry.keys));
  if (const toml::node* node = reader.Get("key"); node != nullptr) {
    if (!node->is_array_of_tables()) return reader.Error("key", "?", "[[account.key]] tables");
    for (const toml::node& item : *node->as_array()) {
      const TableReader inner(reader.file(), *item.as_table(), reader.path() + ".key");
      HF_RETURN_IF_ERROR(
          inner.CheckKeys({"api_key", "hmac_secret", "hmac_secret_file", "ed25519_public_key",
                           "ed25519_public_key_file", "key_can_trade"}));
      HF_RETURN_IF_ERROR(ReadKey(inner, entry.keys));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadInstrument(const TableReader& reader, InstrumentFileEntry& entry) {
  HF_RETURN_IF_ERROR(reader.CheckKeys({"symbol",
                                       "base",
                                       "quote",
                                       "tick_size",
                                       "lot_size",
                                       "min_quantity",
                                       "max_quantity",
                                       "min_price",
                                       "max_price",
                                       "min_notional",
                                       "max_order_count",
                                       "price_grid",
                                       "quantity_grid",
                                       "bid_multiplier_up",
                                       "bid_multiplier_down",
                                       "ask_multiplier_up",
                                       "ask_multiplier_down",
                                       "start_price",
                                       "level_quantity",
                                       "half_spread_ticks",
                                       "level_step_ticks"}));
  std::string symbol, base, quote;
  HF_RETURN_IF_ERROR(reader.Read("symbol", symbol));
  if (auto known = BuiltInInstrument(symbol); known.has_value()) entry = *known;
  Instrument& instrument = entry.instrument.instrument;
  if (symbol.empty() || !SymbolText::Fits(symbol)) {
    return reader.Error("symbol", symbol, "1 to 24 characters");
  }
  base = std::string(instrument.base_asset.view());
  quote = std::string(instrument.quote_asset.view());
  HF_RETURN_IF_ERROR(reader.Read("base", base));
  HF_RETURN_IF_ERROR(reader.Read("quote", quote));
  if (base.empty() || !AssetCode::Fits(base)) return reader.Error("base", base, "an asset code");
  if (quote.empty() || !AssetCode::Fits(quote)) {
    return reader.Error("quote", quote, "an asset code");
  }
  instrument.symbol = SymbolText(symbol);
  instrument.base_asset = AssetCode(base);
  instrument.quote_asset = AssetCode(quote);
  const auto positive = [&](std::string_view key, Decimal& value) -> absl::Status {
    HF_RETURN_IF_ERROR(reader.Read(key, 0.00000001_dec, kMaxAmount, value));
    return value.is_zero() ? reader.Error(key, "", "a positive number") : absl::OkStatus();
  };
  HF_RETURN_IF_ERROR(positive("tick_size", instrument.tick_size));
  HF_RETURN_IF_ERROR(positive("lot_size", instrument.lot_size));
  HF_RETURN_IF_ERROR(positive("start_price", entry.generated.start_price));
  const auto on_grid = [&](std::string_view key, Decimal grid, auto make, auto& out) {
    Decimal value = grid * StepCount(out);
    if (absl::Status status = reader.Read(key, kZero, kMaxAmount, value); !status.ok()) {
      return status;
    }
    if (value.units() % grid.units() != 0) {
      return reader.Error(key, value.ToText(), "a multiple of " + grid.ToText());
    }
    out = make(value.units() / grid.units());
    return absl::OkStatus();
  };
  HF_RETURN_IF_ERROR(
      on_grid("min_price", instrument.tick_size, Price::FromTicks, instrument.min_price));
  HF_RETURN_IF_ERROR(
      on_grid("max_price", instrument.tick_size, Price::FromTicks, instrument.max_price));
  HF_RETURN_IF_ERROR(
      on_grid("min_quantity", instrument.lot_size, Quantity::FromLots, instrument.min_quantity));
  HF_RETURN_IF_ERROR(
      on_grid("max_quantity", instrument.lot_size, Quantity::FromLots, instrument.max_quantity));
  HF_RETURN_IF_ERROR(reader.Read("min_notional", kZero, kMaxAmount, instrument.min_notional));
  int64_t order_count = instrument.max_order_count;
  HF_RETURN_IF_ERROR(reader.Read("max_order_count", 0, INT32_MAX, order_count));
  instrument.max_order_count = static_cast<int32_t>(order_count);
  const Decimal most = Decimal::FromInteger(1000);
  HF_RETURN_IF_ERROR(reader.Read("bid_multiplier_up", kZero, most, instrument.bid_multiplier_up));
  HF_RETURN_IF_ERROR(
      reader.Read("bid_multiplier_down", kZero, most, instrument.bid_multiplier_down));
  HF_RETURN_IF_ERROR(reader.Read("ask_multiplier_up", kZero, most, instrument.ask_multiplier_up));
  HF_RETURN_IF_ERROR(
      reader.Read("ask_multiplier_down", kZero, most, instrument.ask_multiplier_down));
  HF_RETURN_IF_ERROR(reader.Read("price_grid", kZero, kMaxAmount, entry.instrument.price_grid));
  HF_RETURN_IF_ERROR(
      reader.Read("quantity_grid", kZero, kMaxAmount, entry.instrument.quantity_grid));
  GeneratedMarketConfig& market = entry.generated;
  HF_RETURN_IF_ERROR(reader.Read("level_quantity", kZero, kMaxAmount, market.level_quantity));
  HF_RETURN_IF_ERROR(reader.Read("half_spread_ticks", 1, 1'000'000, market.half_spread_ticks));
  HF_RETURN_IF_ERROR(reader.Read("level_step_ticks", 1, 1'000'000, market.level_step_ticks));
  return absl::OkStatus();
}

absl::Status ReadLimits(const TableReader& reader, LimitConfig& limits) {
  HF_RETURN_IF_ERROR(reader.CheckKeys(
      {"weight_per_minute", "orders_per_10_seconds", "orders_per_day", "requests_per_5_minutes",
       "ban_after_429_count", "ban_seconds", "stream_messages_per_second"}));
  constexpr int64_t kMost = 1'000'000'000;
  HF_RETURN_IF_ERROR(reader.Read("weight_per_minute", 1, kMost, limits.weight_per_minute));
  HF_RETURN_IF_ERROR(reader.Read("orders_per_10_seconds", 1, kMost, limits.orders_per_10_seconds));
  HF_RETURN_IF_ERROR(reader.Read("orders_per_day", 1, kMost, limits.orders_per_day));
  HF_RETURN_IF_ERROR(
      reader.Read("requests_per_5_minutes", 1, kMost, limits.requests_per_5_minutes));
  HF_RETURN_IF_ERROR(reader.Read("ban_after_429_count", 1, kMost, limits.ban_after_429_count));
  HF_RETURN_IF_ERROR(reader.Read("ban_seconds", 1, 259'200, limits.ban_seconds));
  return reader.Read("stream_messages_per_second", 0, kMost, limits.stream_messages_per_second);
}

absl::Status ReadTables(const TableReader& root, std::string_view key, auto read) {
  const toml::node* node = root.Get(key);
  if (node == nullptr) return absl::OkStatus();
  if (!node->is_array_of_tables()) {
    return root.Error(key, "?", "[[" + std::string(key) + "]] tables");
  }
  for (const toml::node& item : *node->as_array()) {
    HF_RETURN_IF_ERROR(read(TableReader(root.file(), *item.as_table(), std::string(key))));
  }
  return absl::OkStatus();
}

absl::Status CheckUnique(const std::string& name, const VenueFile& file) {
  std::set<std::string> names, keys;
  for (const AccountFileEntry& entry : file.accounts) {
    if (!names.insert(entry.account.name).second) {
      return absl::InvalidArgumentError(name + ": key=account.name value=" + entry.account.name +
                                        " expected=names that differ");
    }
    for (const ApiKeyConfig& key : entry.keys) {
      if (!keys.insert(key.api_key).second) {
        return absl::InvalidArgumentError(name + ": key=account.api_key value=(of account " +
                                          entry.account.name + ") expected=keys that differ");
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<VenueFile> ParseVenueFile(std::string_view text, const std::string& name) {
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(name + ":" + std::to_string(error.source().begin.line) +
                                      ": not valid TOML: " + std::string(error.description()));
  }
  VenueFile file;
  const TableReader root(name, table, "");
  HF_RETURN_IF_ERROR(root.CheckKeys({"account", "instrument", "limits"}));
  HF_RETURN_IF_ERROR(ReadTables(root, "account", [&](const TableReader& reader) {
    return ReadAccount(reader, file.accounts.emplace_back());
  }));
  HF_RETURN_IF_ERROR(ReadTables(root, "instrument", [&](const TableReader& reader) {
    return ReadInstrument(reader, file.instruments.emplace_back());
  }));
  if (const toml::node* node = root.Get("limits"); node != nullptr) {
    if (!node->is_table()) return root.Error("limits", "?", "a [limits] table");
    HF_RETURN_IF_ERROR(ReadLimits(TableReader(name, *node->as_table(), "limits"), file.limits));
  }
  HF_RETURN_IF_ERROR(CheckUnique(name, file));
  return file;
}

absl::StatusOr<VenueFile> LoadVenueFile(const std::string& path) {
  std::ifstream stream(path);
  if (!stream) return absl::InvalidArgumentError(path + ": cannot be read");
  std::ostringstream text;
  text << stream.rdbuf();
  return ParseVenueFile(text.str(), path);
}

std::optional<InstrumentFileEntry> BuiltInInstrument(std::string_view symbol) {
  InstrumentFileEntry entry;
  Instrument& instrument = entry.instrument.instrument;
  instrument.symbol = SymbolText::Truncated(symbol);
  instrument.quote_asset = AssetCode("USDT");
  instrument.tick_size = 0.01_dec;
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.min_notional = 5_dec;
  instrument.max_order_count = 200;
  instrument.bid_multiplier_up = 5_dec;
  instrument.bid_multiplier_down = 0.2_dec;
  instrument.ask_multiplier_up = 5_dec;
  instrument.ask_multiplier_down = 0.2_dec;
  if (symbol == "BTCUSDT") {
    instrument.base_asset = AssetCode("BTC");
    instrument.lot_size = 0.00001_dec;
    instrument.max_quantity = Quantity::FromLots(900'000'000);
    entry.generated.start_price = 60000_dec;
    entry.generated.level_quantity = 0.5_dec;
    return entry;
  }
  if (symbol == "ETHUSDT") {
    instrument.base_asset = AssetCode("ETH");
    instrument.lot_size = 0.0001_dec;
    instrument.max_quantity = Quantity::FromLots(90'000'000);
    entry.generated.start_price = 3000_dec;
    entry.generated.level_quantity = 5_dec;
    return entry;
  }
  return std::nullopt;
}

}  // namespace holdfast::sim
