#include <simdjson.h>

#include "connectors/binance/json_fields.h"
#include "connectors/binance/private_decoder.h"
#include "connectors/net/text.h"
#include "engine/base/clock.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

namespace dom = simdjson::dom;

std::optional<int64_t> ParseIntervalNs(std::string_view unit, int64_t count) {
  if (unit == "SECOND") return count * kNanosPerSecond;
  if (unit == "MINUTE") return count * 60 * kNanosPerSecond;
  if (unit == "HOUR") return count * 3600 * kNanosPerSecond;
  if (unit == "DAY") return count * 86'400 * kNanosPerSecond;
  return std::nullopt;
}

std::optional<BudgetKind> ParseBudgetKind(std::string_view text) {
  if (text == "REQUEST_WEIGHT") return BudgetKind::kRequestWeight;
  if (text == "ORDERS") return BudgetKind::kOrderCount;
  if (text == "RAW_REQUESTS") return BudgetKind::kRequestCount;
  return std::nullopt;
}

absl::Status Bad(std::string_view symbol, std::string_view what) {
  return absl::InvalidArgumentError(
      Concat("exchange information not usable: symbol=", symbol, " problem=", what));
}

// What the filters say, still as decimals: the grid is known only after all have been read.
struct Filters {
  Decimal tick_size, min_price, max_price;
  Decimal lot_size, min_quantity, max_quantity;
  Decimal min_notional;
  Decimal bid_up, bid_down, ask_up, ask_down;
  int64_t max_order_count = 0;
};

bool ReadFilter(dom::element element, Filters& out) {
  JsonFields fields(element);
  const std::string_view type = fields.Text("filterType");
  if (!fields.ok()) return false;
  if (type == "PRICE_FILTER") {
    out.tick_size = fields.Number("tickSize");
    out.min_price = fields.Number("minPrice");
    out.max_price = fields.Number("maxPrice");
  } else if (type == "LOT_SIZE") {
    out.lot_size = fields.Number("stepSize");
    out.min_quantity = fields.Number("minQty");
    out.max_quantity = fields.Number("maxQty");
  } else if (type == "NOTIONAL" || type == "MIN_NOTIONAL") {
    out.min_notional = std::max(out.min_notional, fields.Number("minNotional"));
  } else if (type == "PERCENT_PRICE_BY_SIDE") {
    out.bid_up = fields.Number("bidMultiplierUp");
    out.bid_down = fields.Number("bidMultiplierDown");
    out.ask_up = fields.Number("askMultiplierUp");
    out.ask_down = fields.Number("askMultiplierDown");
  } else if (type == "PERCENT_PRICE") {
    out.bid_up = out.ask_up = fields.Number("multiplierUp");
    out.bid_down = out.ask_down = fields.Number("multiplierDown");
  } else if (type == "MAX_NUM_ORDERS") {
    out.max_order_count = fields.Integer("maxNumOrders");
  }
  return fields.ok();
}

TradingStatus ParseTradingStatus(std::string_view text) {
  if (text == "TRADING") return TradingStatus::kTrading;
  if (text == "CANCEL_ONLY") return TradingStatus::kCancelOnly;
  return TradingStatus::kHalted;  // BREAK, HALT, END_OF_DAY, ...: whatever it is, not trading
}

absl::StatusOr<Instrument> MakeInstrument(dom::element entry, std::string_view symbol,
                                          InstrumentId id) {
  JsonFields fields(entry);
  const std::string_view base = fields.Text("baseAsset");
  const std::string_view quote = fields.Text("quoteAsset");
  const std::string_view status = fields.Text("status");
  dom::array list;
  if (!fields.ok() || entry["filters"].get(list) != simdjson::SUCCESS) {
    return Bad(symbol, "assets, status or filters missing");
  }
  if (!AssetCode::Fits(base) || !AssetCode::Fits(quote)) return Bad(symbol, "asset name too long");
  Filters filters;
  for (dom::element filter : list) {
    if (!ReadFilter(filter, filters)) return Bad(symbol, "a filter was not understood");
  }
  if (!filters.tick_size.is_positive()) return Bad(symbol, "no tick size (PRICE_FILTER)");
  if (!filters.lot_size.is_positive()) return Bad(symbol, "no step size (LOT_SIZE)");
  if (filters.max_order_count < 0 || filters.max_order_count > INT32_MAX) {
    return Bad(symbol, "maxNumOrders out of range");
  }

  Instrument instrument = {};
  instrument.id = id;
  instrument.symbol = SymbolText(symbol);
  instrument.base_asset = AssetCode(base);
  instrument.quote_asset = AssetCode(quote);
  instrument.tick_size = filters.tick_size;
  instrument.lot_size = filters.lot_size;
  // Bounds that are off the grid are moved inward.
  instrument.min_price = instrument.RoundPrice(filters.min_price, Rounding::kUp);
  instrument.max_price = instrument.RoundPrice(filters.max_price, Rounding::kDown);
  instrument.min_quantity = instrument.RoundQuantity(filters.min_quantity, Rounding::kUp);
  instrument.max_quantity = instrument.RoundQuantity(filters.max_quantity, Rounding::kDown);
  instrument.min_notional = filters.min_notional;
  instrument.max_order_count = static_cast<int32_t>(filters.max_order_count);
  instrument.bid_multiplier_up = filters.bid_up;
  instrument.bid_multiplier_down = filters.bid_down;
  instrument.ask_multiplier_up = filters.ask_up;
  instrument.ask_multiplier_down = filters.ask_down;
  instrument.status = ParseTradingStatus(status);
  HF_RETURN_IF_ERROR(Validate(instrument));
  return instrument;
}

}  // namespace

std::optional<RateLimitCount> ParseRateLimit(simdjson::dom::element entry) {
  JsonFields fields(entry);
  const auto kind = ParseBudgetKind(fields.Text("rateLimitType"));
  const int64_t interval_count = fields.Integer("intervalNum");
  const int64_t limit = fields.Integer("limit");
  const std::string_view unit = fields.Text("interval");
  if (!fields.ok() || !kind || interval_count <= 0 || interval_count > 10'000 || limit < 0) {
    return std::nullopt;
  }
  const auto interval_ns = ParseIntervalNs(unit, interval_count);
  if (!interval_ns) return std::nullopt;
  RateLimitCount result = {.window = {.kind = *kind, .interval_ns = *interval_ns, .limit = limit},
                           .used = -1};
  if (fields.Has("count")) result.used = fields.Integer("count");
  return fields.ok() ? std::optional(result) : std::nullopt;
}

absl::StatusOr<Instrument> ParseExchangeInfo(std::string_view body, std::string_view symbol,
                                             InstrumentId id) {
  if (!SymbolText::Fits(symbol)) return Bad(symbol, "symbol too long");
  dom::parser parser;
  dom::element root;
  dom::array symbols;
  if (parser.parse(body.data(), body.size(), /*realloc_if_needed=*/true).get(root) !=
          simdjson::SUCCESS ||
      root["symbols"].get(symbols) != simdjson::SUCCESS) {
    return Bad(symbol, "not the JSON expected");
  }
  for (dom::element entry : symbols) {
    std::string_view name;
    if (entry["symbol"].get(name) == simdjson::SUCCESS && name == symbol) {
      return MakeInstrument(entry, symbol, id);
    }
  }
  return absl::NotFoundError(Concat("the venue does not list this symbol: symbol=", symbol));
}

std::vector<BudgetWindow> ParseRateLimits(std::string_view body) {
  std::vector<BudgetWindow> windows;
  dom::parser parser;
  dom::element root;
  dom::array limits;
  if (parser.parse(body.data(), body.size(), /*realloc_if_needed=*/true).get(root) !=
          simdjson::SUCCESS ||
      root["rateLimits"].get(limits) != simdjson::SUCCESS) {
    return windows;
  }
  for (dom::element entry : limits) {
    const auto limit = ParseRateLimit(entry);
    if (limit) windows.push_back(limit->window);
  }
  return windows;
}

}  // namespace holdfast
