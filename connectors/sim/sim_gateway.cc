#include "connectors/sim/sim_gateway.h"

#include <algorithm>
#include <utility>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr int32_t kPageSize = 1000;

VenueOrderStatus StatusOf(SimOrderStatus status) {
  switch (status) {
    case SimOrderStatus::kNew:
      return VenueOrderStatus::kNew;
    case SimOrderStatus::kPartiallyFilled:
      return VenueOrderStatus::kPartiallyFilled;
    case SimOrderStatus::kFilled:
      return VenueOrderStatus::kFilled;
    case SimOrderStatus::kCanceled:
      return VenueOrderStatus::kCanceled;
    case SimOrderStatus::kRejected:
      return VenueOrderStatus::kRejected;
    case SimOrderStatus::kExpired:
    case SimOrderStatus::kExpiredInMatch:
      return VenueOrderStatus::kExpired;
  }
  return VenueOrderStatus::kRejected;
}

RejectReason ReasonOf(SimRefusal refusal) {
  switch (refusal) {
    case SimRefusal::kWouldTake:
      return RejectReason::kWouldTake;
    case SimRefusal::kDuplicateClientOrderId:
      return RejectReason::kDuplicateId;
    case SimRefusal::kInsufficientBalance:
      return RejectReason::kInsufficientBalance;
    case SimRefusal::kPriceFilter:
    case SimRefusal::kLotSize:
    case SimRefusal::kNotional:
    case SimRefusal::kPercentPriceBySide:
      return RejectReason::kFilter;
    case SimRefusal::kMaxOrderCount:
    case SimRefusal::kVenueFull:
      return RejectReason::kTooManyOrders;
    case SimRefusal::kInstrumentHalted:
    case SimRefusal::kInstrumentCancelOnly:
    case SimRefusal::kAccountCannotTrade:
      return RejectReason::kNotTrading;
    case SimRefusal::kUnknownInstrument:
    case SimRefusal::kUnknownAccount:
    case SimRefusal::kBadClientOrderId:
    case SimRefusal::kMissingQuantity:
    case SimRefusal::kMissingPrice:
    case SimRefusal::kBadParameterCombination:
    case SimRefusal::kUnknownOrder:
    case SimRefusal::kCancelRestriction:
    case SimRefusal::kQuantityNotReduced:
      return RejectReason::kOther;
  }
  return RejectReason::kOther;
}

// The order's id before a cancel renamed it.
const ClientOrderId& OwnId(const SimOrder& order) {
  return order.status == SimOrderStatus::kCanceled ? order.original_client_order_id
                                                   : order.client_order_id;
}

}  // namespace

SimGateway::SimGateway(SimVenue& venue, SimAccountId account, const Clock& clock,
                       const SimGatewayConfig& config, FaultInjector* faults)
    : venue_(venue),
      account_(account),
      clock_(clock),
      config_(config),
      faults_(faults),
      connection_(std::make_shared<uint64_t>(0)) {
  HF_ASSERT(config_.timeout_ns > 0);
  HF_ASSERT(config_.max_requests_in_flight > 0);
  venue_.AddAccountListener(account_, this);
}

SimGateway::~SimGateway() { venue_.RemoveAccountListener(account_, this); }

// --- connection ---------------------------------------------------------------------------------

absl::Status SimGateway::Start() {
  if (is_started_) return absl::FailedPreconditionError("sim gateway: already started");
  is_started_ = true;
  Connect(config_.connect_delay_ns);
  return absl::OkStatus();
}

void SimGateway::Connect(int64_t delay_ns) {
  After(delay_ns, [this] {
    is_up_ = true;
    for (const Channel channel : {Channel::kOrderEntry, Channel::kPrivateStream}) {
      queue_.push_back(ConnectionChange{
          .channel = channel, .is_up = true, .text = {}, .receive_time_ns = clock_.WallNs()});
    }
  });
}

void SimGateway::Drop() {
  ++*connection_;
  held_back_.clear();
  for (const auto& [sequence, request] : std::exchange(in_flight_, {})) {
    queue_.push_back(request.ambiguous(AmbiguityCause::kDisconnected));
  }
  if (!is_up_) return;
  is_up_ = false;
  for (const Channel channel : {Channel::kPrivateStream, Channel::kOrderEntry}) {
    queue_.push_back(ConnectionChange{
        .channel = channel, .is_up = false, .text = {}, .receive_time_ns = clock_.WallNs()});
  }
}

void SimGateway::Stop() {
  if (!is_started_) return;
  is_started_ = false;
  Drop();
}

void SimGateway::Disconnect() {
  if (!is_started_) return;
  Drop();
  Connect(config_.reconnect_delay_ns);
}

void SimGateway::After(int64_t delay_ns, std::function<void()> call, bool survives_disconnect) {
  const std::weak_ptr<uint64_t> alive = connection_;
  const uint64_t connection = *connection_;
  venue_.At(venue_.now_ns() + delay_ns,
            [alive, connection, survives_disconnect, run = std::move(call)] {
              const std::shared_ptr<uint64_t> current = alive.lock();
              if (current == nullptr) return;
              if (*current == connection || survives_disconnect) run();
            });
}

int64_t SimGateway::VenueClockNs() const {
  return venue_.now_ns() + (faults_ == nullptr ? 0 : faults_->clock_skew_ns(venue_.now_ns()));
}

std::optional<Fault> SimGateway::Decide(FaultPoint point) {
  if (faults_ == nullptr) return std::nullopt;
  return faults_->Decide(point, account_, venue_.now_ns());
}

GatewayCapabilities SimGateway::capabilities() const {
  return {.has_amend_keep_priority = true,
          .has_dead_man_switch = false,
          .visibility_lag_ns = config_.visibility_lag_ns,
          .submit_window_ns = config_.submit_window_ns};
}

RateBudget SimGateway::rate_budget() const {
  return {.request_weight_used = 0,
          .request_weight_limit = 0,
          .order_count_used = order_count_,
          .order_count_limit = 0,
          .is_placement_allowed = true};
}

// --- requests -----------------------------------------------------------------------------------

absl::Status SimGateway::Send(Request request) {
  if (!is_up_) return absl::UnavailableError("sim gateway: not connected");
  if (in_flight_.size() >= config_.max_requests_in_flight) {
    return absl::ResourceExhaustedError("sim gateway: too many requests in flight");
  }
  const uint64_t sequence = next_sequence_++;
  in_flight_.emplace(sequence, InFlight{.ambiguous = request.ambiguous});
  After(config_.timeout_ns, [this, sequence] { GiveUp(sequence, AmbiguityCause::kTimeout); });
  const std::optional<Fault> fault = Decide(request.point);
  const int64_t travel_ns = config_.request_delay_ns;
  // Once on its way a request reaches the venue whatever becomes of the connection.
  const auto run_later = [&](int64_t delay_ns, std::function<void(Events)> then) {
    const bool is_fill_first = fault.has_value() && fault->kind == FaultKind::kFillBeforeCancel;
    const int32_t fill_first_ppm = is_fill_first ? fault->fraction_ppm : 0;
    After(
        delay_ns,
        [execute = request.execute, fill_first_ppm, run = std::move(then)] {
          run(execute(fill_first_ppm));
        },
        /*survives_disconnect=*/true);
  };
  if (!fault.has_value() || fault->kind == FaultKind::kFillBeforeCancel) {
    run_later(travel_ns, [this, sequence](Events answer) {
      Answer(sequence, std::move(answer), config_.response_delay_ns);
    });
    return absl::OkStatus();
  }
  switch (fault->kind) {
    case FaultKind::kLostReply:
      run_later(travel_ns, [](Events) {});
      break;
    case FaultKind::kLateAccept:
      run_later(travel_ns + fault->delay_ns, [](Events) {});
      break;
    case FaultKind::kRateLimited:
    case FaultKind::kBanned:
      Answer(sequence, {request.refuse(*fault)}, travel_ns + config_.response_delay_ns);
      break;
    case FaultKind::kServerError:
      After(travel_ns + config_.response_delay_ns,
            [this, sequence] { GiveUp(sequence, AmbiguityCause::kServerError); });
      break;
    case FaultKind::kServerErrorAfter:
      run_later(travel_ns, [this, sequence](Events) {
        After(config_.response_delay_ns,
              [this, sequence] { GiveUp(sequence, AmbiguityCause::kServerError); });
      });
      break;
    case FaultKind::kDisconnect:
      run_later(travel_ns, [](Events) {});
      After(travel_ns, [this] { Disconnect(); });
      break;
    case FaultKind::kLostRequest:
    case FaultKind::kFillBeforeCancel:
    case FaultKind::kDuplicateEvent:
    case FaultKind::kReorderedEvent:
    case FaultKind::kSequenceGap:
    case FaultKind::kClockSkew:
    case FaultKind::kRestart:
    case FaultKind::kRestartForgetful:
      break;  // nobody answers
  }
  return absl::OkStatus();
}

void SimGateway::Answer(uint64_t sequence, Events events, int64_t delay_ns) {
  After(delay_ns, [this, sequence, answer = std::move(events)] {
    if (in_flight_.erase(sequence) == 0) return;  // given up
    queue_.insert(queue_.end(), answer.begin(), answer.end());
  });
}

void SimGateway::GiveUp(uint64_t sequence, AmbiguityCause cause) {
  const auto it = in_flight_.find(sequence);
  if (it == in_flight_.end()) return;
  queue_.push_back(it->second.ambiguous(cause));
  in_flight_.erase(it);
}

absl::Status SimGateway::Place(const PlaceRequest& request) {
  const ClientOrderId id = request.client_order_id;
  const int64_t sent_ns = clock_.WallNs() + measured_offset_ns_;
  const int64_t expiry_ns = sent_ns + config_.submit_window_ns;
  ++order_count_;
  return Send({.point = FaultPoint::kPlace,
               .execute = [this, request, id,
                           sent_ns](int32_t) { return ExecutePlace(request, id, sent_ns); },
               .ambiguous = [this, id, expiry_ns](AmbiguityCause cause) -> VenueEvent {
                 return OrderAmbiguous{.client_order_id = id,
                                       .cause = cause,
                                       .submit_expiry_ns = expiry_ns,
                                       .receive_time_ns = clock_.WallNs()};
               },
               .refuse = [this, id](const Fault& fault) -> VenueEvent {
                 return OrderRejected{.client_order_id = id,
                                      .reason = RejectReason::kRateLimit,
                                      .venue_code = fault.kind == FaultKind::kBanned ? 418 : 429,
                                      .text = VenueText(ToText(fault.kind)),
                                      .receive_time_ns = clock_.WallNs()};
               }});
}

SimGateway::Events SimGateway::ExecutePlace(const PlaceRequest& request, const ClientOrderId& id,
                                            int64_t sent_ns) {
  const auto reject = [&](RejectReason reason, std::string_view text) -> Events {
    return {OrderRejected{.client_order_id = id,
                          .reason = reason,
                          .venue_code = 0,
                          .text = VenueText::Truncated(text),
                          .receive_time_ns = clock_.WallNs()}};
  };
  const int64_t venue_clock_ns = VenueClockNs();
  if (sent_ns >= venue_clock_ns + config_.clock_ahead_limit_ns ||
      venue_clock_ns - sent_ns > config_.submit_window_ns) {
    return reject(RejectReason::kClockSkew, "timestamp outside the receive window");
  }
  if (request.instrument.value() >= venue_.instruments().size()) {
    return reject(RejectReason::kOther, "unknown instrument");
  }
  const Instrument& instrument = venue_.instrument(request.instrument);
  SimOrderRequest order{.instrument = request.instrument,
                        .side = request.side,
                        .type = request.is_market      ? SimOrderType::kMarket
                                : request.is_post_only ? SimOrderType::kLimitMaker
                                                       : SimOrderType::kLimit,
                        .time_in_force = request.time_in_force,
                        .quantity = instrument.ToDecimal(request.quantity),
                        .client_order_id = id.view()};
  if (!request.is_market) order.price = instrument.ToDecimal(request.price);
  const SimOrderResult result = venue_.PlaceOrder(account_, order);
  if (!result.is_accepted()) return reject(ReasonOf(*result.refusal), ToText(*result.refusal));
  return {OrderAccepted{.client_order_id = id,
                        .venue_order_id = result.order.order_id,
                        .venue_time_ns = venue_.now_ns(),
                        .receive_time_ns = clock_.WallNs()}};
}

absl::Status SimGateway::Cancel(const CancelRequest& request) {
  const ClientOrderId id = request.client_order_id;
  const auto rejected = [this, id](CancelRejectReason reason, std::string_view text) {
    return CancelRejected{.client_order_id = id,
                          .reason = reason,
                          .venue_code = 0,
                          .text = VenueText::Truncated(text),
                          .receive_time_ns = clock_.WallNs()};
  };
  return Send(
      {.point = FaultPoint::kCancel,
       .execute = [this, request](
                      int32_t fill_first_ppm) { return ExecuteCancel(request, fill_first_ppm); },
       .ambiguous = [rejected](AmbiguityCause cause) -> VenueEvent {
         return rejected(CancelRejectReason::kAmbiguous, ToText(cause));
       },
       .refuse = [rejected](const Fault& fault) -> VenueEvent {
         return rejected(CancelRejectReason::kRateLimit, ToText(fault.kind));
       }});
}

SimGateway::Events SimGateway::ExecuteCancel(const CancelRequest& request, int32_t fill_first_ppm) {
  const SimOrderKey key{.order_id = request.venue_order_id,
                        .client_order_id = request.venue_order_id.value() != 0
                                               ? std::string_view()
                                               : request.client_order_id.view()};
  if (fill_first_ppm > 0) {
    const std::optional<SimOrder> order = venue_.QueryOrder(account_, request.instrument, key);
    if (order.has_value() && IsOpen(order->status)) {
      const Decimal open = order->quantity - order->executed_quantity - order->prevented_quantity;
      const Decimal fraction = Decimal::FromUnits(int64_t{fill_first_ppm} * 100);
      venue_.FillResting(account_, request.instrument, key,
                         Multiply(open, fraction, Rounding::kUp));
    }
  }
  const SimCancelResult result = venue_.CancelOrder(
      account_, {.instrument = request.instrument, .key = key, .new_client_order_id = {}});
  if (result.is_accepted()) return {ReportOf(result.order, EvidenceSource::kReply, RequestId())};
  const bool is_unknown = result.refusal == SimRefusal::kUnknownOrder;
  return {CancelRejected{
      .client_order_id = request.client_order_id,
      .reason = is_unknown ? CancelRejectReason::kUnknownOrder : CancelRejectReason::kOther,
      .venue_code = 0,
      .text = VenueText::Truncated(ToText(*result.refusal)),
      .receive_time_ns = clock_.WallNs()}};
}

absl::Status SimGateway::Amend(const AmendRequest& request) {
  const ClientOrderId id = request.client_order_id;
  const auto rejected = [this, id](CancelRejectReason reason, std::string_view text) {
    return CancelRejected{.client_order_id = id,
                          .reason = reason,
                          .venue_code = 0,
                          .text = VenueText::Truncated(text),
                          .receive_time_ns = clock_.WallNs()};
  };
  return Send({.point = FaultPoint::kAmend,
               .execute = [this, request, rejected](int32_t) -> Events {
                 const SimAmendResult result = venue_.AmendKeepPriority(
                     account_,
                     {.instrument = request.instrument,
                      .key = {.order_id = request.venue_order_id,
                              .client_order_id = request.client_order_id.view()},
                      .new_client_order_id = request.client_order_id.view(),
                      .new_quantity =
                          venue_.instrument(request.instrument).ToDecimal(request.new_quantity)});
                 if (result.is_accepted()) {
                   return {ReportOf(result.order, EvidenceSource::kReply, RequestId())};
                 }
                 const bool is_unknown = result.refusal == SimRefusal::kUnknownOrder;
                 return {rejected(
                     is_unknown ? CancelRejectReason::kUnknownOrder : CancelRejectReason::kOther,
                     ToText(*result.refusal))};
               },
               .ambiguous = [rejected](AmbiguityCause cause) -> VenueEvent {
                 return rejected(CancelRejectReason::kAmbiguous, ToText(cause));
               },
               .refuse = [rejected](const Fault& fault) -> VenueEvent {
                 return rejected(CancelRejectReason::kRateLimit, ToText(fault.kind));
               }});
}

// --- queries ------------------------------------------------------------------------------------

// Rows, then QueryDone; without a usable answer only a QueryDone that is not ok.
absl::Status SimGateway::SendQuery(FaultPoint point, RequestId request_id, QueryKind kind,
                                   std::function<void(Events&)> rows) {
  const auto done = [this, request_id, kind](bool is_ok, size_t row_count, std::string_view text) {
    return QueryDone{.request_id = request_id,
                     .kind = kind,
                     .is_ok = is_ok,
                     .row_count = static_cast<int32_t>(row_count),
                     .venue_code = 0,
                     .text = VenueText::Truncated(text),
                     .receive_time_ns = clock_.WallNs()};
  };
  return Send({.point = point,
               .execute =
                   [done, rows](int32_t) {
                     Events events;
                     rows(events);
                     events.push_back(done(true, events.size(), {}));
                     return events;
                   },
               .ambiguous = [done](AmbiguityCause cause) -> VenueEvent {
                 return done(false, 0, ToText(cause));
               },
               .refuse = [done](const Fault& fault) -> VenueEvent {
                 return done(false, 0, ToText(fault.kind));
               }});
}

absl::Status SimGateway::CancelAll(RequestId request_id, InstrumentId instrument) {
  return SendQuery(FaultPoint::kCancelAll, request_id, QueryKind::kCancelAll,
                   [this, instrument, request_id](Events& events) {
                     for (const SimOrder& order : venue_.CancelAll(account_, instrument)) {
                       events.push_back(ReportOf(order, EvidenceSource::kReply, request_id));
                     }
                   });
}

absl::Status SimGateway::QueryOrder(RequestId request_id, InstrumentId instrument,
                                    const ClientOrderId& client_order_id) {
  return SendQuery(FaultPoint::kQueryOrder, request_id, QueryKind::kOrder,
                   [this, request_id, instrument, client_order_id](Events& events) {
                     const std::optional<SimOrder> order = venue_.QueryOrder(
                         account_, instrument,
                         {.order_id = VenueOrderId(), .client_order_id = client_order_id.view()});
                     if (order.has_value()) {
                       events.push_back(ReportOf(*order, EvidenceSource::kOrderQuery, request_id));
                       return;
                     }
                     events.push_back(OrderAbsent{.request_id = request_id,
                                                  .client_order_id = client_order_id,
                                                  .venue_time_ns = VenueClockNs(),
                                                  .receive_time_ns = clock_.WallNs()});
                   });
}

absl::Status SimGateway::QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                             VenueOrderId venue_order_id) {
  return SendQuery(FaultPoint::kQueryOrder, request_id, QueryKind::kOrder,
                   [this, request_id, instrument, venue_order_id](Events& events) {
                     const std::optional<SimOrder> order = venue_.QueryOrder(
                         account_, instrument, {.order_id = venue_order_id, .client_order_id = {}});
                     if (!order.has_value()) return;
                     events.push_back(ReportOf(*order, EvidenceSource::kOrderQuery, request_id));
                   });
}

absl::Status SimGateway::QueryOpenOrders(RequestId request_id, InstrumentId instrument) {
  return SendQuery(
      FaultPoint::kOpenOrders, request_id, QueryKind::kOpenOrders,
      [this, instrument, request_id](Events& events) {
        for (const SimOrder& order : venue_.OpenOrders(account_, instrument)) {
          events.push_back(ReportOf(order, EvidenceSource::kOpenOrdersQuery, request_id));
        }
      });
}

absl::Status SimGateway::QueryFills(RequestId request_id, InstrumentId instrument,
                                    VenueTradeId after, int64_t since_venue_time_ns) {
  return SendQuery(
      FaultPoint::kTrades, request_id, QueryKind::kFills,
      [this, request_id, instrument, after, since_venue_time_ns](Events& events) {
        SimTradesQuery query{.instrument = instrument,
                             .from_trade_id = VenueTradeId(after.value() + 1),
                             .limit = kPageSize};
        if (after.value() == 0) query.start_time_ns = std::max<int64_t>(since_venue_time_ns, 1);
        while (true) {
          const std::vector<SimTrade> page = venue_.MyTrades(account_, query);
          for (const SimTrade& trade : page) {
            events.push_back(FillOf(trade, EvidenceSource::kTradesQuery, request_id, {}));
          }
          if (page.size() < static_cast<size_t>(kPageSize)) return;
          query.from_trade_id = VenueTradeId(page.back().trade_id.value() + 1);
        }
      });
}

absl::Status SimGateway::QueryBalances(RequestId request_id) {
  return SendQuery(FaultPoint::kAccount, request_id, QueryKind::kBalances,
                   [this, request_id](Events& events) {
                     for (const SimBalance& balance : venue_.Balances(account_)) {
                       events.push_back(BalanceReport{.request_id = request_id,
                                                      .asset = balance.asset,
                                                      .free = balance.free,
                                                      .locked = balance.locked,
                                                      .venue_time_ns = VenueClockNs()});
                     }
                   });
}

absl::Status SimGateway::QueryAccount(RequestId request_id) {
  return SendQuery(FaultPoint::kAccount, request_id, QueryKind::kAccount,
                   [this, request_id](Events& events) {
                     const SimAccountConfig& account = venue_.account_config(account_);
                     events.push_back(AccountReport{.request_id = request_id,
                                                    .can_trade = account.can_trade,
                                                    .maker_fee_rate = account.maker_fee_rate,
                                                    .taker_fee_rate = account.taker_fee_rate});
                   });
}

absl::Status SimGateway::QueryInstrument(RequestId request_id, InstrumentId instrument) {
  return SendQuery(FaultPoint::kPublicQuery, request_id, QueryKind::kInstrument,
                   [this, request_id, instrument](Events& events) {
                     if (instrument.value() >= venue_.instruments().size()) return;
                     events.push_back(InstrumentReport{
                         .request_id = request_id, .instrument = venue_.instrument(instrument)});
                   });
}

absl::Status SimGateway::QueryServerTime(RequestId request_id) {
  const int64_t sent_ns = clock_.WallNs();
  return SendQuery(
      FaultPoint::kPublicQuery, request_id, QueryKind::kServerTime,
      [this, request_id, sent_ns](Events& events) {
        const int64_t travel_ns = config_.request_delay_ns + config_.response_delay_ns;
        // Half way there by our own clock, as an honest client would assume.
        const int64_t offset_ns = VenueClockNs() - (sent_ns + travel_ns / 2);
        measured_offset_ns_ = offset_ns;
        events.push_back(ServerTimeReport{
            .request_id = request_id, .offset_ns = offset_ns, .round_trip_ns = travel_ns});
      });
}

// --- private stream -----------------------------------------------------------------------------

OrderReport SimGateway::ReportOf(const SimOrder& order, EvidenceSource source,
                                 RequestId request_id) const {
  const Instrument& instrument = venue_.instrument(order.instrument);
  const auto lots = [&](Decimal value) {
    return Quantity::FromLots(value.units() / instrument.lot_size.units());
  };
  return {.request_id = request_id,
          .source = source,
          .client_order_id = OwnId(order),
          .venue_order_id = order.order_id,
          .instrument = order.instrument,
          .side = order.side,
          .status = StatusOf(order.status),
          .price = Price::FromTicks(order.price.units() / instrument.tick_size.units()),
          .quantity = lots(order.quantity),
          .filled = lots(order.executed_quantity),
          .venue_time_ns = order.update_time_ns,
          .receive_time_ns = clock_.WallNs()};
}

FillReport SimGateway::FillOf(const SimTrade& trade, EvidenceSource source, RequestId request_id,
                              const ClientOrderId& client_order_id) const {
  const Instrument& instrument = venue_.instrument(trade.instrument);
  return {
      .request_id = request_id,
      .source = source,
      .fill = {.instrument = trade.instrument,
               .trade_id = trade.trade_id,
               .venue_order_id = trade.order_id,
               .client_order_id = client_order_id,
               .side = trade.side,
               .liquidity = trade.is_maker ? Liquidity::kMaker : Liquidity::kTaker,
               .price = Price::FromTicks(trade.price.units() / instrument.tick_size.units()),
               .quantity = Quantity::FromLots(trade.quantity.units() / instrument.lot_size.units()),
               .fee = trade.fee,
               .fee_asset = trade.fee_asset,
               .venue_time_ns = trade.time_ns,
               .receive_time_ns = clock_.WallNs()}};
}

void SimGateway::OnExecution(const SimExecution& execution) {
  if (execution.type == SimExecutionType::kRejected) return;  // answered, never by stream
  Events events;
  if (execution.trade.has_value()) {
    events.push_back(FillOf(*execution.trade, EvidenceSource::kStream, RequestId(),
                            execution.trade->client_order_id));
  }
  events.push_back(ReportOf(execution.order, EvidenceSource::kStream, RequestId()));
  SendEvents(FaultPoint::kExecutionEvent, std::move(events));
}

void SimGateway::OnBalances(SimAccountId, std::span<const SimBalance> changed, int64_t time_ns) {
  Events events;
  for (const SimBalance& balance : changed) {
    events.push_back(BalanceReport{.request_id = RequestId(),
                                   .asset = balance.asset,
                                   .free = balance.free,
                                   .locked = balance.locked,
                                   .venue_time_ns = time_ns});
  }
  SendEvents(FaultPoint::kBalanceEvent, std::move(events));
}

void SimGateway::SendEvents(FaultPoint point, Events events) {
  if (!is_up_) return;
  const std::optional<Fault> fault = Decide(point);
  const auto deliver = [this](Events batch) {
    After(config_.event_delay_ns, [this, held = std::move(batch)] {
      queue_.insert(queue_.end(), held.begin(), held.end());
    });
  };
  if (fault.has_value()) {
    if (fault->kind == FaultKind::kDisconnect) return Disconnect();
    if (fault->kind == FaultKind::kSequenceGap) return;
    if (fault->kind == FaultKind::kReorderedEvent) {
      held_back_.push_back(std::move(events));
      return;
    }
    if (fault->kind == FaultKind::kDuplicateEvent) deliver(events);
  }
  deliver(std::move(events));
  while (!held_back_.empty()) {
    deliver(std::move(held_back_.front()));
    held_back_.pop_front();
  }
}

int SimGateway::Poll(VenueEventSink& sink, int max_events) {
  venue_.Advance(clock_.WallNs());
  int count = 0;
  for (; count < max_events && !queue_.empty(); ++count) {
    const VenueEvent event = queue_.front();
    queue_.pop_front();
    sink.OnVenueEvent(event);
  }
  return count;
}

}  // namespace holdfast
