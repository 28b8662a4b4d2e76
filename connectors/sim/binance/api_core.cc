#include "connectors/sim/binance/api_core.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "connectors/sim/binance/json_writer.h"
#include "connectors/sim/binance/parameter_reader.h"
#include "connectors/sim/binance/render.h"
#include "engine/base/assert.h"

namespace holdfast::sim {
namespace {

template <typename Render>
ApiReply Reply(Render render) {
  ApiReply reply;
  JsonWriter out(reply.body);
  render(out);
  return reply;
}

// The symbols of `symbol` or of `symbols` (a JSON array of text, as REST clients send it).
std::vector<InstrumentId> ReadInstruments(ParameterReader& reader, const SimVenue& venue) {
  std::vector<InstrumentId> ids;
  if (reader.Has("symbol")) {
    ids.push_back(reader.RequiredInstrument(venue));
    return ids;
  }
  if (!reader.Has("symbols")) {
    for (const Instrument& instrument : venue.instruments()) ids.push_back(instrument.id);
    return ids;
  }
  std::string_view text = reader.Text("symbols");
  if (!text.starts_with('[') || !text.ends_with(']')) {
    reader.Fail(errors::IllegalCharacters("symbols", R"(^\["[A-Z0-9-_.]{1,20}"(,...)*\]$)"));
    return ids;
  }
  text = text.substr(1, text.size() - 2);
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    std::string_view symbol = text.substr(0, end);
    while (!symbol.empty() && (symbol.front() == ' ' || symbol.front() == '"')) {
      symbol.remove_prefix(1);
    }
    while (!symbol.empty() && (symbol.back() == ' ' || symbol.back() == '"')) {
      symbol.remove_suffix(1);
    }
    const auto id = venue.FindInstrument(symbol);
    if (!id.has_value()) {
      reader.Fail(errors::InvalidSymbol());
      return ids;
    }
    ids.push_back(*id);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ids;
}

}  // namespace

ApiReply ErrorReply(const ApiError& error) {
  return {.status = error.http_status, .body = ToJson(error), .retry_after_s = 0};
}

ApiReply ErrorReply(const RateRefusal& refusal) {
  return {.status = refusal.error.http_status,
          .body = ToJson(refusal.error),
          .retry_after_s = refusal.retry_after_s};
}

ApiCore::ApiCore(SimVenue& venue, RateLimits& limits, const KlineStore& klines,
                 const ApiCoreConfig& config)
    : venue_(venue), limits_(limits), klines_(klines), config_(config) {}

int ApiCore::Weight(const Endpoint& endpoint, const Parameters& parameters) const {
  const bool has_symbol = parameters.Has("symbol");
  switch (endpoint.method) {
    case ApiMethod::kDepth: {
      const auto result = parameters.Integer("limit");
      const auto* limit = std::get_if<std::optional<int64_t>>(&result);
      const int64_t value = limit == nullptr ? 100 : limit->value_or(100);
      return value <= 100 ? 5 : value <= 500 ? 25 : value <= 1000 ? 50 : 250;
    }
    case ApiMethod::kTicker24Hours:
      return has_symbol ? 2 : 80;
    case ApiMethod::kTickerPrice:
    case ApiMethod::kTickerBook:
      return has_symbol ? 2 : 4;
    case ApiMethod::kOpenOrders:
      return has_symbol ? 6 : 80;
    case ApiMethod::kMyTrades:
      return parameters.Has("orderId") ? 5 : 20;
    default:
      return endpoint.weight;
  }
}

ApiReply ApiCore::Execute(const ApiCall& call, int64_t server_time_ns) {
  HF_ASSERT(call.endpoint != nullptr);
  if (call.endpoint->security == Security::kNone) return Public(call, server_time_ns);
  return Private(call);
}

ApiReply ApiCore::Public(const ApiCall& call, int64_t server_time_ns) {
  const Parameters& parameters = *call.parameters;
  switch (call.endpoint->method) {
    case ApiMethod::kPing:
      return {.status = 200, .body = "{}", .retry_after_s = 0};
    case ApiMethod::kTime:
      return Reply([&](JsonWriter& out) {
        out.BeginObject().Field("serverTime", Milliseconds(server_time_ns)).EndObject();
      });
    case ApiMethod::kExchangeInfo:
      return ExchangeInfo(parameters, server_time_ns);
    case ApiMethod::kDepth:
      return Depth(parameters);
    case ApiMethod::kTrades:
      return Trades(parameters, false);
    case ApiMethod::kAggTrades:
      return Trades(parameters, true);
    case ApiMethod::kKlines:
      return Klines(parameters);
    case ApiMethod::kAveragePrice:
      return AveragePrice(parameters);
    case ApiMethod::kTicker24Hours:
    case ApiMethod::kTickerPrice:
    case ApiMethod::kTickerBook:
      return Tickers(call.endpoint->method, parameters);
    default:
      break;
  }
  HF_ASSERT(false);  // sessions are handled before
  return {};
}

ApiReply ApiCore::Private(const ApiCall& call) {
  const Parameters& parameters = *call.parameters;
  const SimAccountId account = call.account;
  switch (call.endpoint->method) {
    case ApiMethod::kAccount:
      return Account(account, parameters);
    case ApiMethod::kCommission:
      return Commission(account, parameters);
    case ApiMethod::kOrderRateLimit:
      return OrderRateLimit(account);
    case ApiMethod::kOrderPlace:
      return PlaceOrder(account, parameters, false);
    case ApiMethod::kOrderTest:
      return PlaceOrder(account, parameters, true);
    case ApiMethod::kOrderQuery:
      return QueryOrder(account, parameters);
    case ApiMethod::kOrderCancel:
      return CancelOrder(account, parameters);
    case ApiMethod::kCancelReplace:
      return CancelReplace(account, parameters);
    case ApiMethod::kAmend:
      return Amend(account, parameters);
    case ApiMethod::kOpenOrders:
      return OpenOrders(account, parameters);
    case ApiMethod::kCancelAll:
      return CancelAll(account, parameters);
    case ApiMethod::kAllOrders:
      return AllOrders(account, parameters);
    case ApiMethod::kMyTrades:
      return MyTrades(account, parameters);
    default:
      break;
  }
  HF_ASSERT(false);
  return {};
}

// --- market -----------------------------------------------------------------------------------

ApiReply ApiCore::ExchangeInfo(const Parameters& parameters, int64_t server_time_ns) {
  ParameterReader reader(parameters);
  const auto ids = ReadInstruments(reader, venue_);
  if (reader.failed()) return ErrorReply(reader.error());
  return Reply([&](JsonWriter& out) {
    out.BeginObject().Field("timezone", "UTC").Field("serverTime", Milliseconds(server_time_ns));
    RenderRateLimitRules(out.Key("rateLimits"), limits_.config());
    out.Key("exchangeFilters").BeginArray().EndArray();
    out.Key("symbols").BeginArray();
    for (const InstrumentId id : ids) {
      RenderSymbol(out, venue_.instrument(id), config_.default_self_trade);
    }
    out.EndArray().EndObject();
  });
}

ApiReply ApiCore::Depth(const Parameters& parameters) {
  constexpr int64_t kMaxLevels = 5000;
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  const int64_t limit = reader.Integer("limit", 100);
  if (reader.failed()) return ErrorReply(reader.error());
  const int64_t levels = limit == 0 ? 100 : std::min(limit, kMaxLevels);
  const SimDepth depth = venue_.Depth(instrument, static_cast<int32_t>(levels));
  return Reply([&](JsonWriter& out) { RenderDepth(out, depth); });
}

ApiReply ApiCore::Trades(const Parameters& parameters, bool is_aggregate) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  const int64_t limit = reader.Integer("limit", 500, 1, 1000);
  if (reader.failed()) return ErrorReply(reader.error());
  const auto trades = venue_.RecentTrades(instrument, static_cast<int32_t>(limit));
  return Reply([&](JsonWriter& out) {
    out.BeginArray();
    for (const SimPublicTrade& trade : trades) {
      is_aggregate ? RenderAggregateTrade(out, trade) : RenderPublicTrade(out, trade);
    }
    out.EndArray();
  });
}

ApiReply ApiCore::Klines(const Parameters& parameters) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  const auto interval_ns = KlineIntervalNs(reader.RequiredText("interval"));
  const int64_t limit = reader.Integer("limit", 500, 1, 1000);
  const int64_t start_ms = reader.Integer("startTime", 0, 0, 1LL << 42);
  const int64_t end_ms = reader.Integer("endTime", 1LL << 42, 0, 1LL << 42);
  if (!reader.failed() && !interval_ns.has_value()) {
    reader.Fail({400, -1120, "Invalid interval."});
  }
  if (reader.failed()) return ErrorReply(reader.error());
  const auto bars = klines_.Read(instrument, *interval_ns, start_ms * kNanosPerMilli,
                                 end_ms * kNanosPerMilli, static_cast<size_t>(limit));
  return Reply([&](JsonWriter& out) {
    out.BeginArray();
    for (const Kline& bar : bars) {
      out.BeginArray().Integer(Milliseconds(bar.open_time_ns));
      out.Number(bar.open).Number(bar.high).Number(bar.low).Number(bar.close).Number(bar.volume);
      out.Integer(Milliseconds(bar.open_time_ns + *interval_ns) - 1).Number(bar.quote_volume);
      out.Integer(bar.trade_count).Number(bar.taker_buy_volume).Number(bar.taker_buy_quote);
      out.String("0").EndArray();
    }
    out.EndArray();
  });
}

ApiReply ApiCore::AveragePrice(const Parameters& parameters) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  if (reader.failed()) return ErrorReply(reader.error());
  const Decimal price = venue_.LastPrice(instrument).value_or(Decimal());
  const auto trades = venue_.RecentTrades(instrument, 1);
  return Reply([&](JsonWriter& out) {
    out.BeginObject().Field("mins", 5).Field("price", price);
    out.Field("closeTime", trades.empty() ? 0 : Milliseconds(trades.back().time_ns)).EndObject();
  });
}

ApiReply ApiCore::Tickers(ApiMethod method, const Parameters& parameters) {
  ParameterReader reader(parameters);
  const auto ids = ReadInstruments(reader, venue_);
  if (reader.failed()) return ErrorReply(reader.error());
  return Reply([&](JsonWriter& out) {
    const bool is_single = parameters.Has("symbol");
    if (!is_single) out.BeginArray();
    for (const InstrumentId id : ids) {
      const std::string_view symbol = venue_.instrument(id).symbol.view();
      if (method == ApiMethod::kTickerBook) {
        RenderTickerBook(out, symbol, venue_.Top(id));
      } else if (method == ApiMethod::kTicker24Hours) {
        RenderTicker(out, symbol, venue_.Ticker(id), venue_.Top(id));
      } else {
        const Decimal price = venue_.LastPrice(id).value_or(Decimal());
        out.BeginObject().Field("symbol", symbol).Field("price", price).EndObject();
      }
    }
    if (!is_single) out.EndArray();
  });
}

// --- account ----------------------------------------------------------------------------------

ApiReply ApiCore::Account(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  const bool omit_zero = reader.Boolean("omitZeroBalances", false);
  if (reader.failed()) return ErrorReply(reader.error());
  return Reply([&](JsonWriter& out) {
    RenderAccount(out, venue_.account_config(account), account, venue_.Balances(account),
                  venue_.account_update_time_ns(account), omit_zero);
  });
}

ApiReply ApiCore::Commission(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  if (reader.failed()) return ErrorReply(reader.error());
  return Reply([&](JsonWriter& out) {
    RenderCommission(out, venue_.instrument(instrument), venue_.account_config(account));
  });
}

ApiReply ApiCore::OrderRateLimit(SimAccountId account) {
  const OrderCounts counts = limits_.Orders(account, venue_.now_ns());
  const LimitConfig& limits = limits_.config();
  return Reply([&](JsonWriter& out) {
    const auto row = [&](const char* interval, int number, int64_t limit, int64_t count) {
      out.BeginObject()
          .Field("rateLimitType", "ORDERS")
          .Field("interval", interval)
          .Field("intervalNum", number)
          .Field("limit", limit)
          .Field("count", count)
          .EndObject();
    };
    out.BeginArray();
    row("SECOND", 10, limits.orders_per_10_seconds, counts.in_10_seconds);
    row("DAY", 1, limits.orders_per_day, counts.in_day);
    out.EndArray();
  });
}

}  // namespace holdfast::sim
