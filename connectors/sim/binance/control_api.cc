#include "connectors/sim/binance/control_api.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sim/binance/fault_plan.h"
#include "connectors/sim/binance/front_end_impl.h"
#include "connectors/sim/binance/json_writer.h"
#include "connectors/sim/binance/parameter_reader.h"
#include "connectors/sim/binance/render.h"
#include "connectors/sim/replay_market.h"
#include "engine/base/status_macros.h"

namespace holdfast::sim {
namespace {

using nlohmann::json;

constexpr char kDone[] = R"({"ok":true})";

WireServerOptions ControlOptions(uint16_t port) {
  WireServerOptions options;
  options.port = port;
  options.max_connections = 64;
  options.max_queued_bytes = 256 * 1024 * 1024;  // a whole ledger
  return options;
}

absl::StatusOr<json> ParseBody(std::string_view body) {
  json value = body.empty() ? json::object() : json::parse(body, nullptr, false);
  if (value.is_discarded() || !value.is_object()) {
    return absl::InvalidArgumentError("body: expected a JSON object");
  }
  return value;
}

// Numbers may be sent as numbers or as text; text is exact.
std::string Scalar(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string Member(const json& object, const char* key) {
  return object.contains(key) ? Scalar(object[key]) : std::string();
}

absl::Status Wrong(const std::string& key, const std::string& value, const std::string& expected) {
  return absl::InvalidArgumentError("key=" + key + " value=" + value + " expected=" + expected);
}

absl::Status ReadDecimal(const json& object, const char* key, Decimal& out) {
  if (!object.contains(key)) return absl::OkStatus();
  const auto value = Decimal::Parse(Scalar(object[key]));
  if (!value.ok()) return Wrong(key, Scalar(object[key]), "a decimal number");
  out = *value;
  return absl::OkStatus();
}

absl::Status ReadInteger(const json& object, const char* key, int64_t& out) {
  if (!object.contains(key)) return absl::OkStatus();
  if (!object[key].is_number_integer()) return Wrong(key, Scalar(object[key]), "an integer");
  out = object[key].get<int64_t>();
  return absl::OkStatus();
}

absl::StatusOr<SimAccountId> AccountOf(const SimVenue& venue, const std::string& name) {
  const auto account = venue.FindAccount(name);
  if (!account.has_value()) return Wrong("account", name, "the name of an account");
  return *account;
}

absl::StatusOr<InstrumentId> InstrumentOf(const SimVenue& venue, const std::string& symbol) {
  const auto instrument = venue.FindInstrument(symbol);
  if (!instrument.has_value()) return Wrong("symbol", symbol, "a symbol of this venue");
  return *instrument;
}

void RenderLedgerOrder(JsonWriter& out, const SimVenue& venue, const SimOrder& order) {
  out.BeginObject()
      .Field("account", std::string_view(venue.account_config(order.account).name))
      .Field("symbol", venue.instrument(order.instrument).symbol.view())
      .Field("orderId", order.order_id.value())
      .Field("clientOrderId", order.client_order_id.view())
      .Field("originalClientOrderId", order.original_client_order_id.view())
      .Field("side", WireText(order.side))
      .Field("type", WireText(order.type))
      .Field("timeInForce", WireText(order.time_in_force))
      .Field("status", WireText(order.status))
      .Field("price", order.price)
      .Field("quantity", order.quantity)
      .Field("executed", order.executed_quantity)
      .Field("executedQuote", order.executed_quote)
      .Field("createTimeNs", order.create_time_ns)
      .Field("updateTimeNs", order.update_time_ns)
      .EndObject();
}

void RenderLedgerTrade(JsonWriter& out, const SimVenue& venue, const SimTrade& trade) {
  out.BeginObject()
      .Field("account", std::string_view(venue.account_config(trade.account).name))
      .Field("symbol", venue.instrument(trade.instrument).symbol.view())
      .Field("tradeId", trade.trade_id.value())
      .Field("orderId", trade.order_id.value())
      .Field("clientOrderId", trade.client_order_id.view())
      .Field("side", WireText(trade.side))
      .Field("isMaker", trade.is_maker)
      .Field("price", trade.price)
      .Field("quantity", trade.quantity)
      .Field("quote", trade.quote_quantity)
      .Field("fee", trade.fee)
      .Field("feeAsset", trade.fee_asset.view())
      .Field("timeNs", trade.time_ns)
      .EndObject();
}

void RenderBalances(JsonWriter& out, std::span<const SimBalance> balances) {
  out.BeginArray();
  for (const SimBalance& balance : balances) {
    out.BeginObject()
        .Field("asset", balance.asset.view())
        .Field("free", balance.free)
        .Field("locked", balance.locked)
        .EndObject();
  }
  out.EndArray();
}

void RenderTotals(JsonWriter& out, const SimVenue& venue, SimAccountId account) {
  const SimAccountTotals totals = venue.Totals(account);
  out.BeginObject().Field("account", std::string_view(venue.account_config(account).name));
  out.Key("instruments").BeginArray();
  for (const SimInstrumentTotals& row : totals.instruments) {
    out.BeginObject()
        .Field("symbol", venue.instrument(row.instrument).symbol.view())
        .Field("bought", row.bought)
        .Field("sold", row.sold)
        .Field("boughtQuote", row.bought_quote)
        .Field("soldQuote", row.sold_quote)
        .Field("tradeCount", row.trade_count)
        .Field("orderCount", row.order_count)
        .EndObject();
  }
  out.EndArray();
  out.Key("fees").BeginArray();
  for (const SimBalance& fee : totals.fees) {
    out.BeginObject().Field("asset", fee.asset.view()).Field("amount", fee.free).EndObject();
  }
  out.EndArray();
  RenderBalances(out.Key("balances"), venue.Balances(account));
  out.Field("droppedOrders", totals.dropped_order_count)
      .Field("droppedTrades", totals.dropped_trade_count)
      .EndObject();
}

}  // namespace

ControlApi::ControlApi(FrontEnd::Impl& front, uint16_t port)
    : front_(front), server_(front.loop, front.clock, *this, ControlOptions(port)) {}

ControlApi::~ControlApi() = default;

absl::Status ControlApi::Listen() { return server_.Listen(); }
uint16_t ControlApi::port() const { return server_.port(); }
void ControlApi::Shutdown() { server_.Shutdown(); }

UpgradeDecision ControlApi::OnUpgrade(ConnectionId, const HttpRequest&) {
  HttpResponse refusal;
  refusal.status = 404;
  return {.refusal = std::move(refusal)};
}

void ControlApi::OnHttpRequest(ConnectionId connection, const HttpRequest& request) {
  front_.time.Advance();
  const Answer answer = Handle(request);
  HttpResponse response;
  response.content_type = "application/json";
  if (answer.ok()) {
    response.body = *answer;
  } else {
    response.status = absl::IsNotFound(answer.status()) ? 404 : 400;
    const auto message = answer.status().message();
    JsonWriter(response.body)
        .BeginObject()
        .Field("error", std::string_view(message.data(), message.size()))
        .EndObject();
  }
  server_.Respond(connection, response);
}

ControlApi::Answer ControlApi::Handle(const HttpRequest& request) {
  const std::string route = request.method + " " + std::string(request.path());
  if (route == "GET /health") return std::string(R"({"status":"ok"})");
  if (route == "GET /state") return GetState();
  if (route == "GET /faults") return FaultCounts();
  if (route == "GET /ledger") {
    Parameters parameters;
    if (auto error = parameters.AddQueryString(request.query())) {
      return absl::InvalidArgumentError(error->text);
    }
    return GetLedger(parameters);
  }
  if (route == "POST /faults") return PostFaults(request.body);
  if (route == "DELETE /faults") {
    front_.faults.Clear();
    return std::string(kDone);
  }
  if (route == "POST /filters") return PostFilters(request.body);
  if (route == "POST /transfer") return PostTransfer(request.body);
  if (route == "POST /fees") return PostFees(request.body);
  if (route == "POST /limits") return PostLimits(request.body);
  if (route == "POST /fill") return PostFill(request.body);
  if (route == "POST /shutdown-notice") {
    front_.NotifyShutdown();
    return std::string(kDone);
  }
  HF_ASSIGN_OR_RETURN(const json body, ParseBody(request.body));
  if (route == "POST /disconnect") {
    front_.server.AbortAll();
    return std::string(kDone);
  }
  if (route == "POST /restart") {
    if (!body.contains("memory") || !body["memory"].is_boolean()) {
      return Wrong("memory", Member(body, "memory"), "true or false");
    }
    front_.Restart(!body["memory"].get<bool>());
    return std::string(kDone);
  }
  if (route == "POST /clock-skew") {
    int64_t skew_ms = 0;
    HF_RETURN_IF_ERROR(ReadInteger(body, "ms", skew_ms));
    if (std::abs(skew_ms) > 86'400'000) return Wrong("ms", Member(body, "ms"), "at most a day");
    front_.time.set_manual_skew_ns(skew_ms * kNanosPerMilli);
    return std::string(kDone);
  }
  return absl::NotFoundError("no such request: " + route);
}

ControlApi::Answer ControlApi::PostFaults(std::string_view body) {
  HF_ASSIGN_OR_RETURN(const json value, ParseBody(body));
  if (value.contains("clear")) {
    front_.faults.Clear();
    return std::string(kDone);
  }
  RuleFields fields;
  for (const auto& [key, field] : value.items()) fields[key] = Scalar(field);
  HF_ASSIGN_OR_RETURN(FaultRule rule, FaultRuleFromFields(fields, front_.venue));
  const bool is_in_window = rule.from_ns == 0 && rule.point != FaultPoint::kTimed;
  // Times of a rule count from the start of its plan; a rule that is added means "from now".
  const int64_t since_ns = front_.time.now_ns() - front_.fault_start_ns;
  if (!is_in_window) rule.from_ns += since_ns;
  if (rule.until_ns != INT64_MAX) rule.until_ns += since_ns;
  return "{\"id\":" + std::to_string(front_.faults.Add(rule)) + "}";
}

std::string ControlApi::FaultCounts() const {
  std::string text;
  JsonWriter out(text);
  out.BeginObject();
  for (int i = 0; i < kFaultKindCount; ++i) {
    const auto kind = static_cast<FaultKind>(i);
    out.Field(ToText(kind), front_.faults.injected_count(kind));
  }
  out.EndObject();
  return text;
}

ControlApi::Answer ControlApi::PostFilters(std::string_view body) {
  HF_ASSIGN_OR_RETURN(const json value, ParseBody(body));
  HF_ASSIGN_OR_RETURN(const InstrumentId id, InstrumentOf(front_.venue, Member(value, "symbol")));
  Instrument next = front_.venue.instrument(id);
  Decimal min_price = next.ToDecimal(next.min_price);
  Decimal max_price = next.ToDecimal(next.max_price);
  Decimal min_quantity = next.ToDecimal(next.min_quantity);
  Decimal max_quantity = next.ToDecimal(next.max_quantity);
  HF_RETURN_IF_ERROR(ReadDecimal(value, "tick_size", next.tick_size));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "lot_size", next.lot_size));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "min_price", min_price));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "max_price", max_price));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "min_quantity", min_quantity));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "max_quantity", max_quantity));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "min_notional", next.min_notional));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "bid_multiplier_up", next.bid_multiplier_up));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "bid_multiplier_down", next.bid_multiplier_down));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "ask_multiplier_up", next.ask_multiplier_up));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "ask_multiplier_down", next.ask_multiplier_down));
  int64_t order_count = next.max_order_count;
  HF_RETURN_IF_ERROR(ReadInteger(value, "max_order_count", order_count));
  next.max_order_count = static_cast<int32_t>(std::clamp<int64_t>(order_count, 0, INT32_MAX));
  if (!next.tick_size.is_positive() || !next.lot_size.is_positive()) {
    return Wrong("tick_size, lot_size", "", "positive numbers");
  }
  next.min_price = next.RoundPrice(min_price, Rounding::kUp);
  next.max_price = next.RoundPrice(max_price, Rounding::kDown);
  next.min_quantity = next.RoundQuantity(min_quantity, Rounding::kUp);
  next.max_quantity = next.RoundQuantity(max_quantity, Rounding::kDown);
  if (value.contains("status")) {
    const std::string status = Member(value, "status");
    if (status != "trading" && status != "cancel_only" && status != "halted") {
      return Wrong("status", status, "trading, cancel_only or halted");
    }
    next.status = status == "trading"       ? TradingStatus::kTrading
                  : status == "cancel_only" ? TradingStatus::kCancelOnly
                                            : TradingStatus::kHalted;
  }
  HF_RETURN_IF_ERROR(front_.venue.UpdateInstrument(next));
  return std::string(kDone);
}

ControlApi::Answer ControlApi::PostTransfer(std::string_view body) {
  HF_ASSIGN_OR_RETURN(const json value, ParseBody(body));
  HF_ASSIGN_OR_RETURN(const SimAccountId account,
                      AccountOf(front_.venue, Member(value, "account")));
  const std::string asset = Member(value, "asset");
  if (asset.empty() || !AssetCode::Fits(asset)) return Wrong("asset", asset, "an asset code");
  Decimal amount;
  HF_RETURN_IF_ERROR(ReadDecimal(value, "amount", amount));
  if (amount.is_zero()) return Wrong("amount", Member(value, "amount"), "not zero");
  HF_RETURN_IF_ERROR(front_.venue.Deposit(account, AssetCode(asset), amount));
  front_.events.SendBalanceUpdate(account, asset, amount);
  return std::string(kDone);
}

ControlApi::Answer ControlApi::PostFees(std::string_view body) {
  HF_ASSIGN_OR_RETURN(const json value, ParseBody(body));
  HF_ASSIGN_OR_RETURN(const SimAccountId account,
                      AccountOf(front_.venue, Member(value, "account")));
  Decimal maker = front_.venue.account_config(account).maker_fee_rate;
  Decimal taker = front_.venue.account_config(account).taker_fee_rate;
  HF_RETURN_IF_ERROR(ReadDecimal(value, "maker", maker));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "taker", taker));
  HF_RETURN_IF_ERROR(front_.venue.SetFees(account, maker, taker));
  return std::string(kDone);
}

ControlApi::Answer ControlApi::PostLimits(std::string_view body) {
  HF_ASSIGN_OR_RETURN(const json value, ParseBody(body));
  LimitConfig limits = front_.limits.config();
  HF_RETURN_IF_ERROR(ReadInteger(value, "weight_per_minute", limits.weight_per_minute));
  HF_RETURN_IF_ERROR(ReadInteger(value, "orders_per_10_seconds", limits.orders_per_10_seconds));
  HF_RETURN_IF_ERROR(ReadInteger(value, "orders_per_day", limits.orders_per_day));
  HF_RETURN_IF_ERROR(ReadInteger(value, "requests_per_5_minutes", limits.requests_per_5_minutes));
  HF_RETURN_IF_ERROR(ReadInteger(value, "ban_after_429_count", limits.ban_after_429_count));
  HF_RETURN_IF_ERROR(ReadInteger(value, "ban_seconds", limits.ban_seconds));
  HF_RETURN_IF_ERROR(
      ReadInteger(value, "stream_messages_per_second", limits.stream_messages_per_second));
  front_.limits.set_config(limits);
  front_.limits.Reset();
  return std::string(kDone);
}

ControlApi::Answer ControlApi::PostFill(std::string_view body) {
  HF_ASSIGN_OR_RETURN(const json value, ParseBody(body));
  HF_ASSIGN_OR_RETURN(const SimAccountId account,
                      AccountOf(front_.venue, Member(value, "account")));
  HF_ASSIGN_OR_RETURN(const InstrumentId id, InstrumentOf(front_.venue, Member(value, "symbol")));
  const std::string client_order_id = Member(value, "client_order_id");
  int64_t order_id = 0;
  Decimal quantity;
  HF_RETURN_IF_ERROR(ReadInteger(value, "order_id", order_id));
  HF_RETURN_IF_ERROR(ReadDecimal(value, "quantity", quantity));
  if (!quantity.is_positive()) return Wrong("quantity", Member(value, "quantity"), "positive");
  if (order_id == 0 && client_order_id.empty()) {
    return Wrong("order_id", "", "order_id or client_order_id");
  }
  const Decimal filled = front_.venue.FillResting(
      account, id, {.order_id = VenueOrderId(order_id), .client_order_id = client_order_id},
      quantity);
  std::string text;
  JsonWriter(text).BeginObject().Field("filled", filled).EndObject();
  return text;
}

ControlApi::Answer ControlApi::GetLedger(const Parameters& parameters) {
  const SimVenue& venue = front_.venue;
  ParameterReader reader(parameters);
  std::optional<SimAccountId> only;
  if (reader.Has("account")) {
    HF_ASSIGN_OR_RETURN(only, AccountOf(venue, std::string(reader.Text("account"))));
  }
  const int64_t since_order = reader.Integer("since_order", 0);
  const int64_t since_trade = reader.Integer("since_trade", 0);
  const int64_t limit = reader.Integer("limit", 100'000, 1, 1'000'000);
  if (reader.failed()) return absl::InvalidArgumentError(reader.error().text);
  const auto is_wanted = [&](SimAccountId account) {
    return !only.has_value() || *only == account;
  };

  std::string text;
  JsonWriter out(text);
  int64_t last_order = since_order, last_trade = since_trade, count = 0;
  out.BeginObject().Field("timeNs", venue.now_ns()).Key("orders").BeginArray();
  for (const SimOrder& order : venue.LedgerOrders()) {
    if (order.order_id.value() <= since_order || !is_wanted(order.account)) continue;
    if (count++ >= limit) break;
    last_order = order.order_id.value();
    RenderLedgerOrder(out, venue, order);
  }
  out.EndArray().Key("trades").BeginArray();
  count = 0;
  for (const SimTrade& trade : venue.LedgerTrades()) {
    if (trade.trade_id.value() <= since_trade || !is_wanted(trade.account)) continue;
    // Both sides of a trade carry one id: a page never ends between them.
    if (count++ >= limit && trade.trade_id.value() != last_trade) break;
    last_trade = trade.trade_id.value();
    RenderLedgerTrade(out, venue, trade);
  }
  out.EndArray().Key("totals").BeginArray();
  for (const SimAccountId account : front_.accounts) {
    if (is_wanted(account)) RenderTotals(out, venue, account);
  }
  out.EndArray().Field("lastOrder", last_order).Field("lastTrade", last_trade).EndObject();
  return text;
}

std::string ControlApi::GetState() {
  const SimVenue& venue = front_.venue;
  const WireServerStats& stats = front_.server.stats();
  std::string text;
  JsonWriter out(text);
  out.BeginObject()
      .Field("timeNs", venue.now_ns())
      .Field("serverTimeMs", Milliseconds(front_.time.server_time_ns()));
  out.Key("instruments").BeginArray();
  for (const Instrument& instrument : venue.instruments()) {
    const SimBookTop top = venue.Top(instrument.id);
    out.BeginObject()
        .Field("symbol", instrument.symbol.view())
        .Field("status", ToText(instrument.status))
        .Field("bid", top.bid.price)
        .Field("bidQuantity", top.bid.quantity)
        .Field("ask", top.ask.price)
        .Field("askQuantity", top.ask.quantity)
        .Field("last", venue.LastPrice(instrument.id).value_or(Decimal()));
    if (const auto replay = venue.replay_status(instrument.id)) {
      out.Key("replay")
          .BeginObject()
          .Field("isStarted", replay->is_started)
          .Field("isFinished", replay->is_finished)
          .Field("messages", replay->message_count)
          .Field("loops", replay->loop_count)
          .Field("file", std::string_view(replay->file))
          .Field("line", replay->line)
          .Field("problems", replay->problem_count)
          .EndObject();
    }
    out.EndObject();
  }
  out.EndArray().Key("accounts").BeginArray();
  for (const SimAccountId account : front_.accounts) {
    out.BeginObject().Field("name", std::string_view(venue.account_config(account).name));
    out.Field("openOrders", static_cast<int64_t>(venue.OpenOrders(account, std::nullopt).size()));
    RenderBalances(out.Key("balances"), venue.Balances(account));
    out.EndObject();
  }
  out.EndArray().Key("connections").BeginObject();
  out.Field("open", stats.open)
      .Field("streams", front_.streams.connection_count())
      .Field("wsApi", front_.ws.connection_count())
      .Field("accepted", stats.accepted)
      .Field("refusedFull", stats.refused_full)
      .Field("slowReaderCut", stats.slow_reader_cut)
      .Field("floodCut", stats.flood_cut)
      .Field("pongTimeoutCut", stats.pong_timeout_cut)
      .Field("expired", stats.expired)
      .Field("malformed", stats.malformed)
      .EndObject();
  out.Key("faults").Raw(FaultCounts());
  out.EndObject();
  return text;
}

}  // namespace holdfast::sim
