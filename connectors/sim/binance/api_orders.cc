// The order operations of ApiCore.
#include <optional>
#include <utility>
#include <vector>

#include "connectors/sim/binance/api_core.h"
#include "connectors/sim/binance/json_writer.h"
#include "connectors/sim/binance/parameter_reader.h"
#include "connectors/sim/binance/render.h"

namespace holdfast::sim {
namespace {

template <typename Render>
ApiReply Reply(Render render) {
  ApiReply reply;
  JsonWriter out(reply.body);
  render(out);
  return reply;
}

std::optional<SelfTradeMode> SelfTradeModeFromText(std::string_view text) {
  for (const auto mode :
       {SelfTradeMode::kNone, SelfTradeMode::kExpireTaker, SelfTradeMode::kExpireMaker,
        SelfTradeMode::kExpireBoth, SelfTradeMode::kDecrement}) {
    if (WireText(mode) == text) return mode;
  }
  return std::nullopt;
}

Side ReadSide(ParameterReader& reader) {
  const std::string_view text = reader.RequiredText("side");
  if (text == "SELL") return Side::kSell;
  if (!text.empty() && text != "BUY") reader.Fail({400, -1117, "Invalid side."});
  return Side::kBuy;
}

SimOrderType ReadType(ParameterReader& reader) {
  const std::string_view text = reader.RequiredText("type");
  for (const auto type : {SimOrderType::kLimit, SimOrderType::kLimitMaker, SimOrderType::kMarket}) {
    if (WireText(type) == text) return type;
  }
  if (text.starts_with("STOP_LOSS") || text.starts_with("TAKE_PROFIT")) {
    reader.Fail(
        {400, -2010, "Stop loss and take profit orders are not supported for this symbol."});
  } else if (!text.empty()) {
    reader.Fail({400, -1116, "Invalid orderType."});
  }
  return SimOrderType::kLimit;
}

TimeInForce ReadTimeInForce(ParameterReader& reader, SimOrderType type) {
  if (type != SimOrderType::kLimit) {
    reader.Forbid("timeInForce");
    return TimeInForce::kGoodTillCancel;
  }
  const std::string_view text = reader.RequiredText("timeInForce");
  for (const auto value :
       {TimeInForce::kGoodTillCancel, TimeInForce::kImmediateOrCancel, TimeInForce::kFillOrKill}) {
    if (WireText(value) == text) return value;
  }
  if (!text.empty()) reader.Fail({400, -1115, "Invalid timeInForce."});
  return TimeInForce::kGoodTillCancel;
}

ResponseType ReadResponseType(ParameterReader& reader, SimOrderType type) {
  const std::string_view text = reader.Text("newOrderRespType");
  if (text.empty()) {
    return type == SimOrderType::kLimitMaker ? ResponseType::kAck : ResponseType::kFull;
  }
  if (text == "ACK") return ResponseType::kAck;
  if (text == "RESULT") return ResponseType::kResult;
  if (text != "FULL") reader.Fail(errors::InvalidData("newOrderRespType"));
  return ResponseType::kFull;
}

struct OrderParameters {
  SimOrderRequest request;
  ResponseType response = ResponseType::kAck;
};

OrderParameters ReadOrder(ParameterReader& reader, InstrumentId instrument) {
  OrderParameters order;
  SimOrderRequest& request = order.request;
  request.instrument = instrument;
  request.side = ReadSide(reader);
  request.type = ReadType(reader);
  if (reader.failed()) return order;
  request.time_in_force = ReadTimeInForce(reader, request.type);
  if (request.type == SimOrderType::kMarket) {
    reader.Forbid("price");
    const bool has_quote = reader.Has("quoteOrderQty");
    if (has_quote && reader.Has("quantity")) reader.Fail(errors::NotRequired("quoteOrderQty"));
    if (!has_quote && !reader.Has("quantity")) {
      reader.Fail(errors::EitherOf("quantity", "quoteOrderQty"));
    }
    if (has_quote) {
      request.quote_quantity = reader.RequiredNumber("quoteOrderQty");
    } else {
      request.quantity = reader.RequiredNumber("quantity");
    }
  } else {
    reader.Forbid("quoteOrderQty");
    request.quantity = reader.RequiredNumber("quantity");
    request.price = reader.RequiredNumber("price");
  }
  reader.Forbid("stopPrice");
  reader.Forbid("trailingDelta");
  if (reader.Number("icebergQty").is_positive()) {
    reader.Fail({400, -2010, "Iceberg orders are not supported for this symbol."});
  }
  request.client_order_id = reader.ClientOrderIdText("newClientOrderId");
  if (const std::string_view mode = reader.Text("selfTradePreventionMode"); !mode.empty()) {
    request.self_trade = SelfTradeModeFromText(mode);
    if (!request.self_trade.has_value()) {
      reader.Fail(errors::InvalidData("selfTradePreventionMode"));
    }
  }
  order.response = ReadResponseType(reader, request.type);
  return order;
}

SimOrderKey ReadKey(ParameterReader& reader, std::string_view id_name,
                    std::string_view client_id_name) {
  SimOrderKey key;
  key.order_id = VenueOrderId(reader.Integer(id_name, 0));
  key.client_order_id = reader.Text(client_id_name);
  if (key.order_id.value() == 0 && key.client_order_id.empty()) {
    reader.Fail(errors::EitherOf(client_id_name, id_name));
  }
  return key;
}

SimCancelRestriction ReadRestriction(ParameterReader& reader) {
  const std::string_view text = reader.Text("cancelRestrictions");
  if (text == "ONLY_NEW") return SimCancelRestriction::kOnlyNew;
  if (text == "ONLY_PARTIALLY_FILLED") return SimCancelRestriction::kOnlyPartiallyFilled;
  if (!text.empty()) {
    reader.Fail(
        {400, -1145, "cancelRestrictions has to be either ONLY_NEW or ONLY_PARTIALLY_FILLED."});
  }
  return SimCancelRestriction::kNone;
}

// The body of a cancel-replace that did not go through entirely.
ApiError ReplaceError(const Instrument& instrument, const SimCancelReplaceResult& result,
                      const std::optional<ApiError>& order_error, ResponseType response) {
  ApiError error;
  const bool is_canceled = result.cancel.is_accepted();
  const bool is_placed = result.order.has_value() && result.order->is_accepted();
  const bool is_partial = is_canceled || is_placed;
  error.http_status = is_partial ? 409 : 400;
  error.code = is_partial ? -2021 : -2022;
  error.text =
      is_partial ? "Order cancel-replace partially failed." : "Order cancel-replace failed.";
  JsonWriter out(error.data_json);
  out.BeginObject().Field("cancelResult", is_canceled ? "SUCCESS" : "FAILURE");
  const bool is_attempted = result.order.has_value() || order_error.has_value();
  out.Field("newOrderResult", is_placed ? "SUCCESS" : is_attempted ? "FAILURE" : "NOT_ATTEMPTED");
  out.Key("cancelResponse");
  if (is_canceled) {
    RenderCanceled(out, instrument, result.cancel.order);
  } else {
    out.Raw(ToJson(CancelError(*result.cancel.refusal)));
  }
  out.Key("newOrderResponse");
  if (is_placed) {
    RenderPlaced(out, instrument, *result.order, response);
  } else if (order_error.has_value()) {
    out.Raw(ToJson(*order_error));
  } else {
    out.Null();
  }
  out.EndObject();
  return error;
}

}  // namespace

ApiReply ApiCore::PlaceOrder(SimAccountId account, const Parameters& parameters, bool is_test) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  const OrderParameters order = ReadOrder(reader, instrument);
  if (reader.failed()) return ErrorReply(reader.error());
  if (is_test) {
    const auto refusal = venue_.TestOrder(account, order.request);
    if (refusal.has_value()) return ErrorReply(PlaceError(*refusal));
    return {.status = 200, .body = "{}", .retry_after_s = 0};
  }
  if (const auto refusal = limits_.CheckOrder(account, venue_.now_ns())) {
    return ErrorReply(*refusal);
  }
  const SimOrderResult result = venue_.PlaceOrder(account, order.request);
  if (!result.is_accepted()) return ErrorReply(PlaceError(*result.refusal));
  limits_.AddOrder(account, venue_.now_ns());
  return Reply([&](JsonWriter& out) {
    RenderPlaced(out, venue_.instrument(instrument), result, order.response);
  });
}

ApiReply ApiCore::QueryOrder(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  const SimOrderKey key = ReadKey(reader, "orderId", "origClientOrderId");
  if (reader.failed()) return ErrorReply(reader.error());
  const auto order = venue_.QueryOrder(account, instrument, key);
  if (!order.has_value()) return ErrorReply(errors::NoSuchOrder());
  const bool is_archived = !IsOpen(order->status) && order->executed_quantity.is_zero() &&
                           venue_.now_ns() - order->update_time_ns > config_.archive_after_ns;
  if (is_archived) return ErrorReply(errors::Archived());
  return Reply([&](JsonWriter& out) { RenderOrder(out, venue_.instrument(instrument), *order); });
}

ApiReply ApiCore::CancelOrder(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  SimCancelRequest request;
  request.instrument = reader.RequiredInstrument(venue_);
  request.key = ReadKey(reader, "orderId", "origClientOrderId");
  request.new_client_order_id = reader.ClientOrderIdText("newClientOrderId");
  request.restriction = ReadRestriction(reader);
  if (reader.failed()) return ErrorReply(reader.error());
  const SimCancelResult result = venue_.CancelOrder(account, request);
  if (!result.is_accepted()) return ErrorReply(CancelError(*result.refusal));
  return Reply([&](JsonWriter& out) {
    RenderCanceled(out, venue_.instrument(request.instrument), result.order);
  });
}

ApiReply ApiCore::CancelReplace(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  const std::string_view mode = reader.RequiredText("cancelReplaceMode");
  if (!mode.empty() && mode != "STOP_ON_FAILURE" && mode != "ALLOW_FAILURE") {
    reader.Fail(errors::InvalidData("cancelReplaceMode"));
  }
  const OrderParameters order = ReadOrder(reader, instrument);
  SimCancelReplaceRequest request;
  request.is_stop_on_failure = mode == "STOP_ON_FAILURE";
  request.order = order.request;
  request.cancel.instrument = instrument;
  request.cancel.key = ReadKey(reader, "cancelOrderId", "cancelOrigClientOrderId");
  request.cancel.new_client_order_id = reader.ClientOrderIdText("cancelNewClientOrderId");
  request.cancel.restriction = ReadRestriction(reader);
  if (reader.failed()) return ErrorReply(reader.error());

  if (const auto refusal = limits_.CheckOrder(account, venue_.now_ns())) {
    return ErrorReply(*refusal);
  }
  const Instrument& traits = venue_.instrument(instrument);
  const SimCancelReplaceResult result = venue_.CancelReplace(account, request);
  std::optional<ApiError> order_error;
  if (result.order.has_value()) {
    if (result.order->is_accepted()) {
      limits_.AddOrder(account, venue_.now_ns());
    } else {
      order_error = PlaceError(*result.order->refusal);
    }
  }
  const bool is_placed = result.order.has_value() && result.order->is_accepted();
  if (!result.cancel.is_accepted() || !is_placed) {
    return ErrorReply(ReplaceError(traits, result, order_error, order.response));
  }
  return Reply([&](JsonWriter& out) {
    out.BeginObject().Field("cancelResult", "SUCCESS").Field("newOrderResult", "SUCCESS");
    RenderCanceled(out.Key("cancelResponse"), traits, result.cancel.order);
    RenderPlaced(out.Key("newOrderResponse"), traits, *result.order, order.response);
    out.EndObject();
  });
}

ApiReply ApiCore::Amend(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  SimAmendRequest request;
  request.instrument = reader.RequiredInstrument(venue_);
  request.key = ReadKey(reader, "orderId", "origClientOrderId");
  request.new_client_order_id = reader.ClientOrderIdText("newClientOrderId");
  request.new_quantity = reader.RequiredNumber("newQty");
  if (reader.failed()) return ErrorReply(reader.error());
  const SimAmendResult result = venue_.AmendKeepPriority(account, request);
  if (!result.is_accepted()) return ErrorReply(AmendError(*result.refusal));
  return Reply(
      [&](JsonWriter& out) { RenderAmended(out, venue_.instrument(request.instrument), result); });
}

ApiReply ApiCore::OpenOrders(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  std::optional<InstrumentId> instrument;
  if (reader.Has("symbol")) instrument = reader.RequiredInstrument(venue_);
  if (reader.failed()) return ErrorReply(reader.error());
  const auto orders = venue_.OpenOrders(account, instrument);
  return Reply([&](JsonWriter& out) {
    out.BeginArray();
    for (const SimOrder& order : orders) {
      RenderOrder(out, venue_.instrument(order.instrument), order);
    }
    out.EndArray();
  });
}

ApiReply ApiCore::CancelAll(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  const InstrumentId instrument = reader.RequiredInstrument(venue_);
  if (reader.failed()) return ErrorReply(reader.error());
  const auto orders = venue_.CancelAll(account, instrument);
  if (orders.empty()) return ErrorReply(errors::UnknownOrderOnCancel());
  return Reply([&](JsonWriter& out) {
    out.BeginArray();
    for (const SimOrder& order : orders) {
      RenderCanceled(out, venue_.instrument(instrument), order);
    }
    out.EndArray();
  });
}

ApiReply ApiCore::AllOrders(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  SimOrdersQuery query;
  query.instrument = reader.RequiredInstrument(venue_);
  query.from_order_id = VenueOrderId(reader.Integer("orderId", 0));
  query.start_time_ns = reader.Integer("startTime", 0, 0, 1LL << 42) * kNanosPerMilli;
  query.end_time_ns = reader.Integer("endTime", 0, 0, 1LL << 42) * kNanosPerMilli;
  query.limit = static_cast<int32_t>(reader.Integer("limit", 500, 1, 1000));
  if (reader.failed()) return ErrorReply(reader.error());
  const auto orders = venue_.AllOrders(account, query);
  return Reply([&](JsonWriter& out) {
    out.BeginArray();
    for (const SimOrder& order : orders) {
      RenderOrder(out, venue_.instrument(query.instrument), order);
    }
    out.EndArray();
  });
}

ApiReply ApiCore::MyTrades(SimAccountId account, const Parameters& parameters) {
  ParameterReader reader(parameters);
  SimTradesQuery query;
  query.instrument = reader.RequiredInstrument(venue_);
  query.order_id = VenueOrderId(reader.Integer("orderId", 0));
  query.start_time_ns = reader.Integer("startTime", 0, 0, 1LL << 42) * kNanosPerMilli;
  query.end_time_ns = reader.Integer("endTime", 0, 0, 1LL << 42) * kNanosPerMilli;
  query.limit = static_cast<int32_t>(reader.Integer("limit", 500, 1, 1000));
  if (reader.Has("fromId")) query.from_trade_id = VenueTradeId(reader.Integer("fromId", 0));
  const bool has_times = reader.Has("startTime") || reader.Has("endTime");
  if (has_times && reader.Has("fromId")) {
    reader.Fail({400, -1128, "Combination of optional parameters invalid."});
  }
  constexpr int64_t kDayNs = 86'400 * kNanosPerSecond;
  if (query.start_time_ns != 0 && query.end_time_ns != 0 &&
      query.end_time_ns - query.start_time_ns > kDayNs) {
    reader.Fail({400, -1127, "More than 24 hours between startTime and endTime."});
  }
  if (reader.failed()) return ErrorReply(reader.error());
  const auto trades = venue_.MyTrades(account, query);
  return Reply([&](JsonWriter& out) {
    out.BeginArray();
    for (const SimTrade& trade : trades) {
      RenderTrade(out, venue_.instrument(query.instrument), trade);
    }
    out.EndArray();
  });
}

}  // namespace holdfast::sim
