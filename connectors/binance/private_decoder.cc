#include "connectors/binance/private_decoder.h"

#include <simdjson.h>

#include "connectors/binance/json_fields.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"
#include "engine/market/client_order_id.h"

namespace holdfast {
namespace {

namespace dom = simdjson::dom;

constexpr size_t kMaxMessageBytes = size_t{32} << 20;

std::optional<Side> ParseSide(std::string_view text) {
  if (text == "BUY") return Side::kBuy;
  if (text == "SELL") return Side::kSell;
  return std::nullopt;
}

std::optional<VenueOrderStatus> ParseStatus(std::string_view text) {
  if (text == "NEW" || text == "PENDING_NEW" || text == "PENDING_CANCEL") {
    return VenueOrderStatus::kNew;
  }
  if (text == "PARTIALLY_FILLED") return VenueOrderStatus::kPartiallyFilled;
  if (text == "FILLED") return VenueOrderStatus::kFilled;
  if (text == "CANCELED") return VenueOrderStatus::kCanceled;
  if (text == "REJECTED") return VenueOrderStatus::kRejected;
  if (text == "EXPIRED" || text == "EXPIRED_IN_MATCH") return VenueOrderStatus::kExpired;
  return std::nullopt;
}

// Prices of orders that have none (market) are zero, which is on every grid.
bool ToGrid(const Instrument& instrument, Decimal price, Decimal quantity, Price& price_out,
            Quantity& quantity_out) {
  const auto ticks = instrument.PriceFromDecimal(price);
  const auto lots = instrument.QuantityFromDecimal(quantity);
  if (!ticks.ok() || !lots.ok()) return false;
  price_out = *ticks;
  quantity_out = *lots;
  return true;
}

// Keys of an order in replies and queries, and their one-letter forms in user stream events.
struct OrderKeys {
  std::string_view symbol, client_id, original_client_id, order_id, side, status, price, quantity,
      filled;
};
constexpr OrderKeys kReplyKeys = {"symbol",  "clientOrderId", "origClientOrderId",
                                  "orderId", "side",          "status",
                                  "price",   "origQty",       "executedQty"};
constexpr OrderKeys kEventKeys = {"s", "c", "C", "i", "S", "X", "p", "q", "z"};

enum class RowResult : uint8_t { kOk, kNotOurs, kMalformed };

RowResult ParseOrder(dom::element element, const OrderKeys& keys,
                     const BinanceInstruments& instruments, OrderReport& report) {
  JsonFields fields(element);
  const std::string_view symbol = fields.Text(keys.symbol);
  if (!fields.ok()) return RowResult::kMalformed;
  const Instrument* instrument = instruments.Find(symbol);
  if (instrument == nullptr) return RowResult::kNotOurs;
  std::string_view client_id = fields.Text(keys.client_id);
  // After a cancel the first is the cancel's own id; the order's id is the "original" one.
  if (fields.Has(keys.original_client_id)) {
    const std::string_view original = fields.Text(keys.original_client_id);
    if (!original.empty()) client_id = original;
  }
  const auto side = ParseSide(fields.Text(keys.side));
  const auto status = ParseStatus(fields.Text(keys.status));
  const Decimal price = fields.Number(keys.price);
  const Decimal quantity = fields.Number(keys.quantity);
  const Decimal filled = fields.Number(keys.filled);
  report.venue_order_id = VenueOrderId(fields.Integer(keys.order_id));
  if (!fields.ok() || !side || !status || !ClientOrderId::Fits(client_id)) {
    return RowResult::kMalformed;
  }
  // The name that a canceled order of ours keeps is its cancel's; here it has its own again.
  report.client_order_id = OrderIdOfCancel(client_id).value_or(ClientOrderId(client_id));
  report.instrument = instrument->id;
  report.side = *side;
  report.status = *status;
  Price ignored;
  if (!ToGrid(*instrument, price, quantity, report.price, report.quantity) ||
      !ToGrid(*instrument, Decimal(), filled, ignored, report.filled)) {
    return RowResult::kMalformed;
  }
  // Quantities in quote currency leave the base quantity at zero until something fills.
  if (report.filled > report.quantity) report.quantity = report.filled;
  return RowResult::kOk;
}

int64_t FirstTimeMs(dom::element element, std::initializer_list<std::string_view> keys) {
  for (std::string_view key : keys) {
    int64_t value = 0;
    if (element[key].get(value) == simdjson::SUCCESS) return value;
  }
  return 0;
}

// Commission asset, amount and the rest of an execution; `keys` in the order below.
struct FillKeys {
  std::string_view trade_id, price, quantity, fee, fee_asset, is_maker;
};
constexpr FillKeys kTradeRowKeys = {"id",         "price",           "qty",
                                    "commission", "commissionAsset", "isMaker"};
constexpr FillKeys kTradeEventKeys = {"t", "L", "l", "n", "N", "m"};

bool ParseFill(dom::element element, const FillKeys& keys, const Instrument& instrument,
               Fill& fill) {
  JsonFields fields(element);
  fill.instrument = instrument.id;
  fill.trade_id = VenueTradeId(fields.Integer(keys.trade_id));
  const Decimal price = fields.Number(keys.price);
  const Decimal quantity = fields.Number(keys.quantity);
  fill.fee = fields.Number(keys.fee);
  fill.liquidity = fields.Boolean(keys.is_maker) ? Liquidity::kMaker : Liquidity::kTaker;
  // No fee, no asset: the venue says null.
  std::string_view asset;
  if (!fields.IsNull(keys.fee_asset)) asset = fields.Text(keys.fee_asset);
  if (!fields.ok() || !AssetCode::Fits(asset)) return false;
  if (asset.empty() && !fill.fee.is_zero()) return false;
  fill.fee_asset = asset.empty() ? instrument.quote_asset : AssetCode(asset);
  return fill.trade_id.value() >= 0 &&
         ToGrid(instrument, price, quantity, fill.price, fill.quantity) &&
         fill.quantity.is_positive();
}

}  // namespace

BinanceInstruments::BinanceInstruments(std::vector<Instrument> instruments)
    : instruments_(std::move(instruments)) {
  for (size_t i = 0; i < instruments_.size(); ++i) HF_ASSERT(instruments_[i].id.value() == i);
}

const Instrument* BinanceInstruments::Find(std::string_view symbol) const {
  for (const Instrument& instrument : instruments_) {
    if (instrument.symbol == symbol) return &instrument;
  }
  return nullptr;
}

const Instrument& BinanceInstruments::at(InstrumentId id) const {
  HF_ASSERT(Contains(id));
  return instruments_[id.value()];
}

bool BinanceInstruments::IsOurAsset(std::string_view asset) const {
  for (const Instrument& instrument : instruments_) {
    if (instrument.base_asset == asset || instrument.quote_asset == asset) return true;
  }
  return false;
}

void BinanceInstruments::Replace(const Instrument& instrument) {
  HF_ASSERT(Contains(instrument.id));
  instruments_[instrument.id.value()] = instrument;
}

struct BinancePrivateDecoder::Implementation {
  explicit Implementation(const BinanceInstruments& known) : instruments(known) {}

  bool Parse(std::string_view text) {
    result_known = false;
    if (text.size() > kMaxMessageBytes) return false;
    return parser.parse(text.data(), text.size(), /*realloc_if_needed=*/false).get(root) ==
           simdjson::SUCCESS;
  }
  void FillReply(BinanceReply& reply);
  void FillError(dom::element error, BinanceReply& reply);
  PrivateMessageKind DecodeEvent(dom::element event, int64_t receive_time_ns,
                                 std::vector<VenueEvent>& events);
  PrivateMessageKind DecodeExecution(dom::element event, int64_t receive_time_ns,
                                     std::vector<VenueEvent>& events);
  PrivateMessageKind DecodePosition(dom::element event, std::vector<VenueEvent>& events);

  const BinanceInstruments& instruments;
  dom::parser parser;
  dom::element root;
  dom::element result;  // of the last reply
  bool result_known = false;
};

BinancePrivateDecoder::BinancePrivateDecoder(const BinanceInstruments& instruments)
    : instruments_(instruments), implementation_(std::make_unique<Implementation>(instruments)) {
  static_assert(kPaddingBytes >= simdjson::SIMDJSON_PADDING);
}

BinancePrivateDecoder::~BinancePrivateDecoder() = default;

PrivateMessageKind BinancePrivateDecoder::DecodeMessage(std::string_view text,
                                                        int64_t receive_time_ns,
                                                        BinanceReply& reply,
                                                        std::vector<VenueEvent>& events) {
  Implementation& self = *implementation_;
  if (!self.Parse(text) || !self.root.is_object()) return PrivateMessageKind::kMalformed;
  dom::element event;
  if (self.root["event"].get(event) == simdjson::SUCCESS) {
    return self.DecodeEvent(event, receive_time_ns, events);
  }
  if (self.root["e"].error() == simdjson::SUCCESS) {
    return self.DecodeEvent(self.root, receive_time_ns, events);
  }
  reply = BinanceReply();
  dom::element id;
  if (self.root["id"].get(id) != simdjson::SUCCESS) return PrivateMessageKind::kOther;
  uint64_t request_id = 0;
  if (id.get(request_id) == simdjson::SUCCESS) reply.request_id = request_id;
  int64_t status = 0;
  // Without a status the answer says nothing: 0 counts as ambiguous.
  if (self.root["status"].get(status) == simdjson::SUCCESS && status > 0 && status < 1000) {
    reply.error.status = static_cast<int32_t>(status);
  }
  if (self.root["result"].get(self.result) == simdjson::SUCCESS) self.result_known = true;
  dom::element error;
  if (self.root["error"].get(error) == simdjson::SUCCESS) {
    self.FillError(error, reply);
    if (reply.error.status == 200) reply.error.status = 0;  // contradicts itself
  }
  self.FillReply(reply);
  return PrivateMessageKind::kReply;
}

void BinancePrivateDecoder::Implementation::FillError(dom::element error, BinanceReply& reply) {
  JsonFields fields(error);
  const int64_t code = fields.Integer("code");
  const std::string_view text = fields.Text("msg");
  if (!fields.ok()) return;
  reply.error.code = static_cast<int32_t>(code);
  reply.error.text = text;
  int64_t retry_after = 0;
  if (error["data"]["retryAfter"].get(retry_after) == simdjson::SUCCESS) {
    reply.retry_after_ms = retry_after;
  }
}

void BinancePrivateDecoder::Implementation::FillReply(BinanceReply& reply) {
  if (result_known && result.is_object()) {
    int64_t value = 0;
    if (result["orderId"].get(value) == simdjson::SUCCESS) reply.venue_order_id = value;
    reply.transact_time_ms = FirstTimeMs(result, {"transactTime", "updateTime", "time"});
    reply.server_time_ms = FirstTimeMs(result, {"serverTime"});
  }
  dom::array limits;
  if (root.is_object() && root["rateLimits"].get(limits) == simdjson::SUCCESS) {
    for (dom::element entry : limits) {
      const auto limit = ParseRateLimit(entry);
      if (limit && !reply.rate_limits.full()) reply.rate_limits.push_back(*limit);
    }
  }
}

PrivateMessageKind BinancePrivateDecoder::Implementation::DecodeEvent(
    dom::element event, int64_t receive_time_ns, std::vector<VenueEvent>& events) {
  std::string_view kind;
  if (event["e"].get(kind) != simdjson::SUCCESS) return PrivateMessageKind::kMalformed;
  if (kind == "executionReport") return DecodeExecution(event, receive_time_ns, events);
  if (kind == "outboundAccountPosition") return DecodePosition(event, events);
  if (kind == "eventStreamTerminated") return PrivateMessageKind::kStreamTerminated;
  if (kind == "serverShutdown") return PrivateMessageKind::kServerShutdown;
  // balanceUpdate states a difference only; the position that follows it states the balance.
  return PrivateMessageKind::kOther;
}

PrivateMessageKind BinancePrivateDecoder::Implementation::DecodeExecution(
    dom::element event, int64_t receive_time_ns, std::vector<VenueEvent>& events) {
  OrderReport report = {};
  switch (ParseOrder(event, kEventKeys, instruments, report)) {
    case RowResult::kNotOurs:
      return PrivateMessageKind::kOther;
    case RowResult::kMalformed:
      return PrivateMessageKind::kMalformed;
    case RowResult::kOk:
      break;
  }
  report.source = EvidenceSource::kStream;
  report.venue_time_ns = FirstTimeMs(event, {"T", "E"}) * kNanosPerMilli;
  report.receive_time_ns = receive_time_ns;
  std::string_view execution_type;
  if (event["x"].get(execution_type) != simdjson::SUCCESS) return PrivateMessageKind::kMalformed;
  if (execution_type == "TRADE") {
    FillReport fill = {};
    fill.source = EvidenceSource::kStream;
    if (!ParseFill(event, kTradeEventKeys, instruments.at(report.instrument), fill.fill)) {
      return PrivateMessageKind::kMalformed;
    }
    fill.fill.venue_order_id = report.venue_order_id;
    fill.fill.client_order_id = report.client_order_id;
    fill.fill.side = report.side;
    fill.fill.venue_time_ns = report.venue_time_ns;
    fill.fill.receive_time_ns = receive_time_ns;
    events.push_back(fill);
  }
  events.push_back(report);
  return PrivateMessageKind::kEvents;
}

PrivateMessageKind BinancePrivateDecoder::Implementation::DecodePosition(
    dom::element event, std::vector<VenueEvent>& events) {
  dom::array balances;
  if (event["B"].get(balances) != simdjson::SUCCESS) return PrivateMessageKind::kMalformed;
  const int64_t time_ns = FirstTimeMs(event, {"u", "E"}) * kNanosPerMilli;
  for (dom::element entry : balances) {
    JsonFields fields(entry);
    const std::string_view asset = fields.Text("a");
    if (!fields.ok()) return PrivateMessageKind::kMalformed;
    const Decimal free = fields.Number("f");
    const Decimal locked = fields.Number("l");
    if (!fields.ok() || !AssetCode::Fits(asset)) {
      // Some foreign asset is counted in more digits than we hold.
      if (!instruments.IsOurAsset(asset)) continue;
      return PrivateMessageKind::kMalformed;
    }
    BalanceReport report = {};
    report.asset = AssetCode(asset);
    report.free = free;
    report.locked = locked;
    report.venue_time_ns = time_ns;
    events.push_back(report);
  }
  return PrivateMessageKind::kEvents;
}

std::optional<OrderReport> BinancePrivateDecoder::OrderInReply(int64_t receive_time_ns) const {
  const Implementation& self = *implementation_;
  if (!self.result_known || !self.result.is_object()) return std::nullopt;
  OrderReport report = {};
  if (ParseOrder(self.result, kReplyKeys, instruments_, report) != RowResult::kOk) {
    return std::nullopt;
  }
  report.venue_time_ns =
      FirstTimeMs(self.result, {"transactTime", "updateTime", "time"}) * kNanosPerMilli;
  report.receive_time_ns = receive_time_ns;
  return report;
}

bool BinancePrivateDecoder::OrdersInReply(int64_t receive_time_ns,
                                          std::vector<OrderReport>& rows) const {
  const Implementation& self = *implementation_;
  dom::array list;
  if (!self.result_known || self.result.get(list) != simdjson::SUCCESS) return false;
  for (dom::element entry : list) {
    // A list of linked orders, placed by hand: we have none.
    if (entry["contingencyType"].error() == simdjson::SUCCESS) continue;
    OrderReport report = {};
    switch (ParseOrder(entry, kReplyKeys, instruments_, report)) {
      case RowResult::kNotOurs:
        continue;
      case RowResult::kMalformed:
        return false;
      case RowResult::kOk:
        break;
    }
    report.venue_time_ns =
        FirstTimeMs(entry, {"transactTime", "updateTime", "time"}) * kNanosPerMilli;
    report.receive_time_ns = receive_time_ns;
    rows.push_back(report);
  }
  return true;
}

bool BinancePrivateDecoder::DecodeHttp(int status, std::string_view body, BinanceReply& reply) {
  Implementation& self = *implementation_;
  reply = BinanceReply();
  reply.error.status = status;
  if (!self.Parse(body)) return false;
  if (status == 200) {
    self.result = self.root;
    self.result_known = true;
    self.FillReply(reply);
    return true;
  }
  if (!self.root.is_object()) return false;
  self.FillError(self.root, reply);
  return reply.error.code != 0;
}

bool BinancePrivateDecoder::TradesInReply(int64_t receive_time_ns, std::vector<Fill>& rows) const {
  const Implementation& self = *implementation_;
  dom::array list;
  if (!self.result_known || self.result.get(list) != simdjson::SUCCESS) return false;
  for (dom::element entry : list) {
    JsonFields fields(entry);
    const Instrument* instrument = instruments_.Find(fields.Text("symbol"));
    Fill fill = {};
    fill.venue_order_id = VenueOrderId(fields.Integer("orderId"));
    fill.venue_time_ns = fields.Integer("time") * kNanosPerMilli;
    fill.side = fields.Boolean("isBuyer") ? Side::kBuy : Side::kSell;
    fill.receive_time_ns = receive_time_ns;
    if (!fields.ok() || instrument == nullptr) return false;
    if (!ParseFill(entry, kTradeRowKeys, *instrument, fill)) return false;
    rows.push_back(fill);
  }
  return true;
}

bool BinancePrivateDecoder::BalancesInReply(std::vector<BalanceReport>& rows) const {
  const Implementation& self = *implementation_;
  dom::array list;
  if (!self.result_known || self.result["balances"].get(list) != simdjson::SUCCESS) return false;
  const int64_t time_ns = FirstTimeMs(self.result, {"updateTime"}) * kNanosPerMilli;
  for (dom::element entry : list) {
    JsonFields fields(entry);
    const std::string_view asset = fields.Text("asset");
    if (!fields.ok()) return false;
    const Decimal free = fields.Number("free");
    const Decimal locked = fields.Number("locked");
    if (!fields.ok() || !AssetCode::Fits(asset)) {
      if (!instruments_.IsOurAsset(asset)) continue;
      return false;
    }
    BalanceReport report = {};
    report.asset = AssetCode(asset);
    report.free = free;
    report.locked = locked;
    report.venue_time_ns = time_ns;
    rows.push_back(report);
  }
  // The venue leaves out what is zero: an asset of ours that was emptied is not unknown.
  const auto add_if_missing = [&](const AssetCode& asset) {
    for (const BalanceReport& row : rows) {
      if (row.asset == asset) return;
    }
    BalanceReport report = {};
    report.asset = asset;
    report.venue_time_ns = time_ns;
    rows.push_back(report);
  };
  for (const Instrument& instrument : instruments_.all()) {
    add_if_missing(instrument.base_asset);
    add_if_missing(instrument.quote_asset);
  }
  return true;
}

std::optional<BinanceAccount> BinancePrivateDecoder::AccountInReply() const {
  const Implementation& self = *implementation_;
  if (!self.result_known || !self.result.is_object()) return std::nullopt;
  JsonFields fields(self.result);
  BinanceAccount account;
  account.can_trade = fields.Boolean("canTrade");
  dom::element rates;
  if (!fields.ok() || self.result["commissionRates"].get(rates) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  JsonFields rate_fields(rates);
  account.maker_fee_rate = rate_fields.Number("maker");
  account.taker_fee_rate = rate_fields.Number("taker");
  if (!rate_fields.ok()) return std::nullopt;
  return account;
}

}  // namespace holdfast
