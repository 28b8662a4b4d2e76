#include "connectors/sim/binance/request_gate.h"

#include <algorithm>
#include <utility>

#include "engine/base/assert.h"

namespace holdfast::sim {
namespace {

ApiReply RateFault(int status, int64_t delay_ns, int64_t server_time_ns) {
  const int64_t retry_s = std::max<int64_t>(1, (delay_ns + kNanosPerSecond - 1) / kNanosPerSecond);
  const int64_t until_ms = server_time_ns / kNanosPerMilli + retry_s * 1000;
  ApiError error{status, -1003,
                 status == 418
                     ? "Way too much request weight used; IP banned until " +
                           std::to_string(until_ms) +
                           ". Please use WebSocket Streams for live updates to avoid bans."
                     : std::string("Too many requests queued.")};
  error.data_json = "{\"serverTime\":" + std::to_string(server_time_ns / kNanosPerMilli) +
                    ",\"retryAfter\":" + std::to_string(until_ms) + "}";
  ApiReply reply = ErrorReply(error);
  reply.retry_after_s = retry_s;
  return reply;
}

}  // namespace

std::optional<ApiReply> RequestGate::Admit(const Endpoint& endpoint, const Parameters& parameters,
                                           const std::string& address) {
  const auto refusal =
      limits_.OnRequest(address, core_.Weight(endpoint, parameters), time_.now_ns());
  if (!refusal.has_value()) return std::nullopt;
  return ErrorReply(*refusal);
}

ApiReply RequestGate::Execute(const GatedRequest& request,
                              const std::function<ApiReply()>& otherwise) {
  ApiReply reply = otherwise ? otherwise()
                             : core_.Execute({.endpoint = request.endpoint,
                                              .parameters = request.parameters.get(),
                                              .account = request.account.value_or(SimAccountId())},
                                             time_.server_time_ns());
  if (reply.is_ok() && request.endpoint->is_free_on_success) {
    limits_.AddWeight(request.address, -core_.Weight(*request.endpoint, *request.parameters),
                      time_.now_ns());
  }
  return reply;
}

GateOutcome RequestGate::Run(const GatedRequest& request,
                             const std::function<ApiReply()>& otherwise) {
  HF_ASSERT(request.endpoint != nullptr && request.parameters != nullptr);
  const auto fault = faults_.Decide(request.endpoint->fault_point, request.account, time_.now_ns());
  if (!fault.has_value()) return {.reply = Execute(request, otherwise)};
  const bool has_delay = fault->delay_ns > 0;
  switch (fault->kind) {
    case FaultKind::kLostRequest:
      return {.reply = {}, .is_cut = has_delay, .cut_delay_ns = fault->delay_ns};
    case FaultKind::kLostReply:
      Execute(request, otherwise);
      return {.reply = {}, .is_cut = has_delay, .cut_delay_ns = fault->delay_ns};
    case FaultKind::kLateAccept:
      ExecuteLate(request, fault->delay_ns);
      return {};
    case FaultKind::kRateLimited:
      return {.reply = RateFault(429, fault->delay_ns, time_.server_time_ns())};
    case FaultKind::kBanned:
      return {.reply = RateFault(418, fault->delay_ns, time_.server_time_ns())};
    case FaultKind::kServerError:
      return {.reply = ErrorReply(errors::ExecutionUnknown())};
    case FaultKind::kServerErrorAfter:
      Execute(request, otherwise);
      return {.reply = ErrorReply(errors::ExecutionUnknown())};
    case FaultKind::kFillBeforeCancel:
      FillBeforeCancel(request, *fault);
      return {.reply = Execute(request, otherwise)};
    case FaultKind::kDisconnect:
      return {.reply = {}, .is_cut = true, .cut_delay_ns = fault->delay_ns};
    case FaultKind::kDuplicateEvent:
    case FaultKind::kReorderedEvent:
    case FaultKind::kSequenceGap:
    case FaultKind::kClockSkew:
    case FaultKind::kRestart:
    case FaultKind::kRestartForgetful:
      break;  // not faults of a request
  }
  return {.reply = Execute(request, otherwise)};
}

void RequestGate::ExecuteLate(const GatedRequest& request, int64_t delay_ns) {
  loop_.RunAfter(delay_ns, [this, request] {
    time_.Advance();
    // The venue checks the request's age a second time when it gets to the matching engine.
    const bool is_expired = request.timing.has_value() &&
                            CheckTiming(*request.timing, time_.server_time_ns()).has_value();
    if (!is_expired) Execute(request, nullptr);
  });
}

void RequestGate::FillBeforeCancel(const GatedRequest& request, const Fault& fault) {
  const Parameters& parameters = *request.parameters;
  const auto instrument = venue_.FindInstrument(parameters.Find("symbol").value_or(""));
  if (!instrument.has_value() || !request.account.has_value()) return;
  const bool is_replace = request.endpoint->method == ApiMethod::kCancelReplace;
  const auto text = parameters.Find(is_replace ? "cancelOrigClientOrderId" : "origClientOrderId");
  const auto number = parameters.Integer(is_replace ? "cancelOrderId" : "orderId");
  SimOrderKey key;
  key.client_order_id = text.value_or(std::string_view());
  if (const auto* id = std::get_if<std::optional<int64_t>>(&number)) {
    key.order_id = VenueOrderId(id->value_or(0));
  }
  std::vector<SimOrder> orders;
  if (request.endpoint->method == ApiMethod::kCancelAll) {
    orders = venue_.OpenOrders(*request.account, *instrument);
  } else if (auto order = venue_.QueryOrder(*request.account, *instrument, key)) {
    orders.push_back(*order);
  }
  for (const SimOrder& order : orders) {
    if (!IsOpen(order.status)) continue;
    const Decimal open = order.quantity - order.executed_quantity - order.prevented_quantity;
    const Decimal lot = venue_.instrument(*instrument).lot_size;
    const __int128 part = static_cast<__int128>(open.units()) * fault.fraction_ppm / 1'000'000;
    const int64_t lots = std::max<int64_t>(1, static_cast<int64_t>(part) / lot.units());
    venue_.FillResting(*request.account, *instrument,
                       {.order_id = order.order_id, .client_order_id = {}}, lot * lots);
  }
}

}  // namespace holdfast::sim
