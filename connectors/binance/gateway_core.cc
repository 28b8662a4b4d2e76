#include "connectors/binance/gateway_core.h"

#include "connectors/net/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr int kMaxCommandsPerTurn = 64;

}  // namespace

BinanceGatewayCore::BinanceGatewayCore(BinanceConnection& connection, const BinanceOptions& options,
                                       std::vector<Instrument> instruments,
                                       std::unique_ptr<RequestSigner> signer, Waker* waker)
    : connection_(connection),
      options_(options),
      instruments_(std::move(instruments)),
      signer_(std::move(signer)),
      authentication_(options.ed25519_private_key_pem.empty() ? BinanceAuthentication::kSigned
                                                              : BinanceAuthentication::kSession),
      outbox_(kEventCapacity, waker, connection.loop()),
      decoder_(instruments_),
      session_(connection, options_, *signer_, authentication_ == BinanceAuthentication::kSession,
               decoder_, *this),
      queries_(connection, options_, *signer_, instruments_, *this),
      rest_orders_(connection, options_, *this),
      housekeeping_timer_(connection.loop(), [this] { OnHousekeeping(); }),
      filter_timer_(connection.loop(),
                    [this] {
                      for (const Instrument& instrument : instruments_.all()) {
                        queries_.Enqueue({.kind = QueryKind::kInstrument,
                                          .instrument = instrument.id,
                                          .is_internal = true});
                      }
                      filter_timer_.SetAfter(options_.filter_poll_period_ms * kNanosPerMilli);
                    }),
      rest_probe_timer_(connection.loop(), [this] {
        if (queries_.is_idle()) {
          queries_.Enqueue({.kind = QueryKind::kServerTime, .is_internal = true});
        }
      }) {
  const BinanceEncoderOptions encoder_options = {
      .api_key = options_.api_key,
      .host = connection.rest_url().HostHeader(),
      .receive_window_ms = options_.recv_window_ms,
      .self_trade_prevention_mode = options_.self_trade_prevention_mode};
  for (const Instrument& instrument : instruments_.all()) {
    encoders_.push_back(
        std::make_unique<BinanceOrderEncoder>(instrument, encoder_options, signer_.get()));
  }
  placements_final_after_ns_.resize(encoders_.size());
  connection_.loop().AddPoller(this);
}

BinanceGatewayCore::~BinanceGatewayCore() { connection_.loop().RemovePoller(this); }

void BinanceGatewayCore::Start() {
  HF_ASSERT(!is_started());
  is_started_.store(true, std::memory_order_relaxed);
  is_fatal_ = false;
  housekeeping_timer_.SetAfter(kHousekeepingNs);
  filter_timer_.SetAfter(options_.filter_poll_period_ms * kNanosPerMilli);
  queries_.Enqueue({.kind = QueryKind::kServerTime, .is_internal = true});
  session_.Start();
}

void BinanceGatewayCore::Stop() {
  if (!is_started()) return;
  is_started_.store(false, std::memory_order_relaxed);
  while (PollOnce() > 0) {
    // Commands taken before the stop are answered too.
  }
  session_.Stop();
  rest_orders_.Stop();
  queries_.Stop("stopped");
  pending_.ForEach([&](Slot& slot) {
    if (slot.state == Slot::State::kWaiting || slot.state == Slot::State::kHeld) {
      AnswerNotSent(slot, "stopped");
      pending_.Finish(slot);
    } else if (slot.state == Slot::State::kSent) {
      AnswerAmbiguous(slot, AmbiguityCause::kDisconnected, "stopped");
    }
    if (slot.state == Slot::State::kAbandoned) pending_.Finish(slot);
  });
  housekeeping_timer_.Cancel();
  filter_timer_.Cancel();
  rest_probe_timer_.Cancel();
  is_rest_healthy_ = false;
  OnPrivateStreamChange(false, "stopped");
  UpdateOrderEntry("stopped");
  outbox_.Flush();
}

absl::Status BinanceGatewayCore::Submit(const GatewayCommand& command) {
  if (!commands_.TryPush(command)) {
    return absl::Status(absl::StatusCode::kResourceExhausted, "");
  }
  connection_.loop().Wake();
  return absl::OkStatus();
}

int BinanceGatewayCore::PollOnce() {
  int work = 0;
  GatewayCommand command;
  while (work < kMaxCommandsPerTurn && commands_.TryPop(command)) {
    Execute(command);
    ++work;
  }
  // Order events are never dropped: nothing more is read while some still wait.
  const bool is_flushed = outbox_.Flush();
  if (is_flushed == is_reading_paused_) {
    is_reading_paused_ = !is_flushed;
    if (is_reading_paused_) {
      session_.PauseReading();
    } else {
      session_.ResumeReading();
    }
  }
  return work;
}

void BinanceGatewayCore::OnHousekeeping() {
  housekeeping_timer_.SetAfter(kHousekeepingNs);
  const int64_t now_ns = connection_.loop().NowNs();
  bool is_session_suspect = false;
  pending_.ForEach([&](Slot& slot) {
    if (slot.deadline_ns > now_ns) return;
    switch (slot.state) {
      case Slot::State::kWaiting:
        AnswerNotSent(slot, "not sent in time");
        pending_.Finish(slot);
        return;
      case Slot::State::kSent:
        // A REST connection has its own deadline and reports it.
        if (slot.is_rest) return;
        // Not a byte since it was sent: the connection itself may be dead.
        is_session_suspect |= session_.last_read_ns() <=
                              slot.deadline_ns - options_.request_timeout_ms * kNanosPerMilli;
        AnswerAmbiguous(slot, AmbiguityCause::kTimeout, "no answer in time");
        return;
      case Slot::State::kHeld:
        return RepeatCancelAll(slot);
      case Slot::State::kFree:
      case Slot::State::kAbandoned:
        return;
    }
  });
  if (is_session_suspect) session_.ConnectAnew("WS API: nothing heard since an order was sent");
  connection_.SetUnansweredPlacements(pending_.sent_placement_count());
  connection_.PublishBudget();
  // Without the WS API only a look at REST tells whether orders can be sent.
  const bool depends_on_rest = !is_fatal_ && HasRestOrders() &&
                               !(options_.uses_websocket_orders && session_.is_order_entry_up());
  if (depends_on_rest && !is_rest_healthy_ && !rest_probe_timer_.is_set()) {
    rest_probe_timer_.SetAfter(kRestProbeNs);
  }
}

// --- commands ------------------------------------------------------------------------------------

void BinanceGatewayCore::Execute(const GatewayCommand& command) {
  switch (command.kind) {
    case GatewayCommand::Kind::kPlace:
      return Place(command.place);
    case GatewayCommand::Kind::kCancel:
      return Cancel(command.cancel);
    case GatewayCommand::Kind::kCancelAll:
      return CancelAll(command.query.request_id, command.query.instrument);
    case GatewayCommand::Kind::kQuery:
      return Query(command.query);
  }
}

bool BinanceGatewayCore::HasRestOrders() const {
  return options_.has_rest_fallback || !options_.uses_websocket_orders;
}

std::string_view BinanceGatewayCore::WhyNoCancel() const {
  if (is_fatal_) return "the venue refused the key";
  if (!is_started()) return "stopped";
  if (connection_.IsBlocked()) return "the venue asked us to be quiet";
  return "";
}

std::string_view BinanceGatewayCore::WhyNoPlacement() const {
  if (const std::string_view why = WhyNoCancel(); !why.empty()) return why;
  if (connection_.clock_offset().has_estimate() == false) return "clock offset is being measured";
  const RateBudgetTracker& budget = connection_.budget();
  if (budget.ArePlacementsBlocked(WallNs()) || !budget.MayPlace(1, connection_.VenueTimeNs())) {
    return "the rate budget is used up";
  }
  return "";
}

// Asked again when a queued request is about to leave: much may have changed while it waited.
std::string_view BinanceGatewayCore::WhyNotNow(Slot::Kind kind) const {
  if (kind == Slot::Kind::kPlace) return WhyNoPlacement();
  if (const std::string_view why = WhyNoCancel(); !why.empty()) return why;
  RateBudgetTracker& budget = const_cast<BinanceConnection&>(connection_).budget();
  return budget.MayCancel(1, connection_.VenueTimeNs()) ? "" : "the rate budget is used up";
}

bool BinanceGatewayCore::IsPlacementUnanswered(const ClientOrderId& client_order_id) {
  bool is_found = false;
  pending_.ForEach([&](const Slot& slot) {
    is_found |= slot.kind == Slot::Kind::kPlace && slot.state == Slot::State::kSent &&
                slot.place.client_order_id == client_order_id;
  });
  return is_found;
}

bool BinanceGatewayCore::IsCancelingAll(InstrumentId instrument) {
  if (pending_.open_cancel_all_count() == 0) return false;
  bool is_found = false;
  pending_.ForEach([&](const Slot& slot) {
    is_found |= slot.kind == Slot::Kind::kCancelAll && slot.state != Slot::State::kAbandoned &&
                slot.instrument == instrument;
  });
  return is_found;
}

bool BinanceGatewayCore::MayPlacementStillArrive(InstrumentId instrument, bool counts_session) {
  if (connection_.VenueTimeNs() <= placements_final_after_ns_[instrument.value()]) return true;
  if (pending_.sent_placement_count() == 0) return false;
  bool is_found = false;
  pending_.ForEach([&](const Slot& slot) {
    is_found |= slot.kind == Slot::Kind::kPlace && slot.state == Slot::State::kSent &&
                slot.place.instrument == instrument && (slot.is_rest || counts_session);
  });
  return is_found;
}

void BinanceGatewayCore::Place(const PlaceRequest& request) {
  if (IsCancelingAll(request.instrument)) {
    return RejectPlace(request, RejectReason::kNotSent, 0, "all orders are being canceled");
  }
  if (const std::string_view why = WhyNoPlacement(); !why.empty()) {
    return RejectPlace(request, RejectReason::kNotSent, 0, why);
  }
  Slot* slot = pending_.Add(Slot::Kind::kPlace);
  if (slot == nullptr) {
    return RejectPlace(request, RejectReason::kNotSent, 0, "too many requests are unanswered");
  }
  slot->place = request;
  if (!SendOverSession(*slot)) QueueForRest(*slot);
}

void BinanceGatewayCore::Cancel(const CancelRequest& request) {
  if (const std::string_view why = WhyNoCancel(); !why.empty()) {
    const auto reason =
        connection_.IsBlocked() ? CancelRejectReason::kRateLimit : CancelRejectReason::kNotSent;
    return RejectCancel(request, reason, 0, why);
  }
  if (!connection_.budget().MayCancel(1, connection_.VenueTimeNs())) {
    return RejectCancel(request, CancelRejectReason::kRateLimit, 0, "the rate budget is used up");
  }
  Slot* slot = pending_.Add(Slot::Kind::kCancel);
  if (slot == nullptr) {
    return RejectCancel(request, CancelRejectReason::kNotSent, 0,
                        "too many requests are unanswered");
  }
  slot->cancel = request;
  // A cancel must not overtake its placement, so it takes the same way.
  if (rest_orders_.Holds(request.client_order_id)) return QueueForRest(*slot);
  if (session_.is_draining() && IsPlacementUnanswered(request.client_order_id)) {
    if (TransmitOverSession(*slot)) return;
    AnswerNotSent(*slot, "the connection that carries the placement takes no more");
    return pending_.Finish(*slot);
  }
  if (!SendOverSession(*slot)) QueueForRest(*slot);
}

// Sent at once, and confirmed only when nothing can come to rest behind it: it can overtake what is
// under way on another connection, and a placement whose answer is missing may be late. Then it is
// held until each of those is answered or has expired, and sent again. Placements are refused
// meanwhile, so the second time is as a rule the last.
void BinanceGatewayCore::CancelAll(RequestId request_id, InstrumentId instrument) {
  Slot refused = {};
  refused.kind = Slot::Kind::kCancelAll;
  refused.request_id = request_id;
  refused.instrument = instrument;
  if (const std::string_view why = WhyNotNow(Slot::Kind::kCancelAll); !why.empty()) {
    return FinishCancelAll(refused, false, 0, 0, why);
  }
  // A placement that is still here would only come to rest after everything else was canceled.
  pending_.ForEach([&](Slot& slot) {
    if (slot.kind != Slot::Kind::kPlace || slot.state != Slot::State::kWaiting ||
        slot.place.instrument != instrument) {
      return;
    }
    AnswerNotSent(slot, "all orders are being canceled");
    pending_.Finish(slot);
  });
  Slot* slot = pending_.Add(Slot::Kind::kCancelAll);
  if (slot == nullptr) {
    return FinishCancelAll(refused, false, 0, 0, "too many requests are unanswered");
  }
  slot->request_id = request_id;
  slot->instrument = instrument;
  SendCancelAll(*slot);
}

void BinanceGatewayCore::SendCancelAll(Slot& slot) {
  slot.is_rest = false;
  if (!SendOverSession(slot)) QueueForRest(slot);
}

void BinanceGatewayCore::RepeatCancelAll(Slot& slot) {
  if (MayPlacementStillArrive(slot.instrument, /*counts_session=*/true)) return;
  if (const std::string_view why = WhyNotNow(Slot::Kind::kCancelAll); !why.empty()) {
    FinishCancelAll(slot, false, slot.row_count, 0, why);
    return pending_.Finish(slot);
  }
  SendCancelAll(slot);
}

void BinanceGatewayCore::Query(const BinanceQuery& query) {
  std::string_view why = WhyNoCancel();
  if (connection_.IsBlocked()) why = "";  // the worker waits for the end of the block
  if (why.empty() && queries_.Enqueue(query)) return;
  QueryDone done = {};
  done.request_id = query.request_id;
  done.kind = query.kind;
  done.text = VenueText::Truncated(why.empty() ? "too many queries wait" : why);
  done.receive_time_ns = WallNs();
  outbox_.Emit(done);
}

void BinanceGatewayCore::ChargeFor(const Slot& slot) {
  connection_.Charge(BudgetKind::kRequestWeight, 1);
  connection_.Charge(BudgetKind::kRequestCount, 1);
  if (slot.kind == Slot::Kind::kPlace) connection_.Charge(BudgetKind::kOrderCount, 1);
  connection_.SetUnansweredPlacements(pending_.sent_placement_count());
  // Before any answer can be seen: a placement that is answered is counted in what others read.
  connection_.PublishBudget();
}

std::string_view BinanceGatewayCore::EncodeForSession(const Slot& slot, int64_t timestamp_ms) {
  const RequestId id(slot.id);
  switch (slot.kind) {
    case Slot::Kind::kPlace:
      return encoders_[slot.place.instrument.value()]->PlaceMessage(slot.place, id, timestamp_ms,
                                                                    authentication_, buffer_);
    case Slot::Kind::kCancel:
      return encoders_[slot.cancel.instrument.value()]->CancelMessage(slot.cancel, id, timestamp_ms,
                                                                      authentication_, buffer_);
    case Slot::Kind::kCancelAll:
      return encoders_[slot.instrument.value()]->CancelAllMessage(id, timestamp_ms, authentication_,
                                                                  buffer_);
  }
  return "";
}

bool BinanceGatewayCore::SendOverSession(Slot& slot) {
  if (!options_.uses_websocket_orders || !session_.is_order_entry_up()) return false;
  return TransmitOverSession(slot);
}

bool BinanceGatewayCore::TransmitOverSession(Slot& slot) {
  const int64_t timestamp_ms = connection_.VenueTimeNs() / kNanosPerMilli;
  if (slot.kind == Slot::Kind::kCancelAll) {
    slot.may_overtake = MayPlacementStillArrive(slot.instrument, /*counts_session=*/false);
  }
  if (!session_.Send(EncodeForSession(slot, timestamp_ms))) return false;
  pending_.MarkSent(slot);
  slot.deadline_ns = connection_.loop().NowNs() + options_.request_timeout_ms * kNanosPerMilli;
  slot.submit_expiry_ns = (timestamp_ms + options_.recv_window_ms) * kNanosPerMilli;
  ChargeFor(slot);
  return true;
}

void BinanceGatewayCore::QueueForRest(Slot& slot) {
  if (!HasRestOrders()) {
    AnswerNotSent(slot, "order entry is not connected");
    return pending_.Finish(slot);
  }
  slot.state = Slot::State::kWaiting;
  slot.is_rest = true;
  slot.deadline_ns = connection_.loop().NowNs() + options_.request_timeout_ms * kNanosPerMilli;
  rest_orders_.Enqueue(
      slot.id, slot.kind == Slot::Kind::kCancelAll ? ClientOrderId() : slot.client_order_id());
}

std::optional<BinanceRestOrders::Request> BinanceGatewayCore::OnRestOrderDue(uint64_t id) {
  Slot* slot = pending_.Find(id);
  if (slot == nullptr || slot->state != Slot::State::kWaiting) return std::nullopt;
  if (const std::string_view why = WhyNotNow(slot->kind); !why.empty()) {
    if (slot->kind == Slot::Kind::kCancel && connection_.IsBlocked()) {
      RejectCancel(slot->cancel, CancelRejectReason::kRateLimit, 0, why);
    } else {
      AnswerNotSent(*slot, why);
    }
    pending_.Finish(*slot);
    return std::nullopt;
  }
  const int64_t timestamp_ms = connection_.VenueTimeNs() / kNanosPerMilli;
  std::string_view method = "DELETE";
  std::string_view path = "/api/v3/order?";
  std::string_view query;
  switch (slot->kind) {
    case Slot::Kind::kPlace:
      method = "POST";
      query =
          encoders_[slot->place.instrument.value()]->PlaceQuery(slot->place, timestamp_ms, buffer_);
      break;
    case Slot::Kind::kCancel:
      query = encoders_[slot->cancel.instrument.value()]->CancelQuery(slot->cancel, timestamp_ms,
                                                                      buffer_);
      break;
    case Slot::Kind::kCancelAll:
      slot->may_overtake = MayPlacementStillArrive(slot->instrument, /*counts_session=*/true);
      path = "/api/v3/openOrders?";
      query = encoders_[slot->instrument.value()]->CancelAllQuery(timestamp_ms, buffer_);
      break;
  }
  target_.clear();
  AppendTo(target_, path, query);
  pending_.MarkSent(*slot);
  slot->submit_expiry_ns = (timestamp_ms + options_.recv_window_ms) * kNanosPerMilli;
  ChargeFor(*slot);
  return BinanceRestOrders::Request{.method = method, .target = target_};
}

// --- connections ---------------------------------------------------------------------------------

void BinanceGatewayCore::OnOrderEntryChange(bool is_up, std::string_view why) {
  if (!is_up && !session_.is_order_entry_up()) GiveUpOnSession(why);
  UpdateOrderEntry(why);
}

// What was sent over a connection that is gone gets no answer any more.
void BinanceGatewayCore::GiveUpOnSession(std::string_view why) {
  if (session_.is_draining()) return;  // it still answers
  pending_.ForEach([&](Slot& slot) {
    if (slot.is_rest) return;
    if (slot.state == Slot::State::kSent) {
      AnswerAmbiguous(slot, AmbiguityCause::kDisconnected, why);
    }
    // Ids mean something within one connection only.
    if (slot.state == Slot::State::kAbandoned) pending_.Finish(slot);
  });
}

void BinanceGatewayCore::UpdateOrderEntry(std::string_view why) {
  const bool has_session = options_.uses_websocket_orders && session_.is_order_entry_up();
  const bool has_rest =
      HasRestOrders() && is_rest_healthy_ && connection_.clock_offset().has_estimate();
  const bool is_up = is_started() && !is_fatal_ && (has_session || has_rest);
  if (is_up == is_order_entry_up()) return;
  is_order_entry_up_.store(is_up, std::memory_order_relaxed);
  EmitChange(Channel::kOrderEntry, is_up, why);
}

void BinanceGatewayCore::EmitChange(Channel channel, bool is_up, std::string_view why) {
  ConnectionChange change = {};
  change.channel = channel;
  change.is_up = is_up;
  change.text = VenueText::Truncated(why);
  change.receive_time_ns = WallNs();
  outbox_.Emit(change);
}

void BinanceGatewayCore::OnPrivateStreamChange(bool is_up, std::string_view why) {
  if (is_up == is_private_stream_up()) return;
  is_private_stream_up_.store(is_up, std::memory_order_relaxed);
  EmitChange(Channel::kPrivateStream, is_up, why);
}

void BinanceGatewayCore::OnSessionEvents(const std::vector<VenueEvent>& events) {
  for (const VenueEvent& event : events) outbox_.Emit(event);
}

void BinanceGatewayCore::OnSessionFatal(const BinanceError& error) { Fail(error); }

void BinanceGatewayCore::OnRestAuthenticationFailure(const BinanceError& error) { Fail(error); }

void BinanceGatewayCore::Fail(const BinanceError& error) {
  if (is_fatal_) return;
  is_fatal_ = true;
  FatalVenueError fatal = {};
  fatal.venue_code = error.code;
  fatal.text = VenueText::Truncated(error.text);
  outbox_.Emit(fatal);
  session_.Stop();
  queries_.Stop(error.text, error.code);
  GiveUpOnSession("the venue refused the key");
  OnPrivateStreamChange(false, "the venue refused the key");
  UpdateOrderEntry("the venue refused the key");
  filter_timer_.Cancel();
  rest_probe_timer_.Cancel();
}

void BinanceGatewayCore::OnRestHealth(bool is_healthy, std::string_view why) {
  is_rest_healthy_ = is_healthy;
  UpdateOrderEntry(is_healthy ? "REST answers" : why);
}

void BinanceGatewayCore::OnFiltersRead(const Instrument& instrument) {
  if (instrument == instruments_.at(instrument.id)) return;
  const Instrument& old = instruments_.at(instrument.id);
  const bool is_same_grid =
      old.tick_size == instrument.tick_size && old.lot_size == instrument.lot_size;
  InstrumentReport report = {};
  report.instrument = instrument;
  outbox_.Emit(report);
  // Ticks and lots in flight mean the old grid: the engine must take the new one on at a restart.
  if (is_same_grid) instruments_.Replace(instrument);
}

}  // namespace holdfast
