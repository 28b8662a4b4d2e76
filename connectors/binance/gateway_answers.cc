// What the answers to order requests mean: the second half of BinanceGatewayCore.

#include <algorithm>

#include "connectors/binance/gateway_core.h"

namespace holdfast {

void BinanceGatewayCore::OnSessionReply(const BinanceReply& reply) {
  Slot* slot = reply.request_id ? pending_.Find(*reply.request_id) : nullptr;
  // The venue has counted the placement that it answers.
  const bool is_counted =
      slot != nullptr && slot->kind == Slot::Kind::kPlace && slot->state == Slot::State::kSent;
  connection_.SetUnansweredPlacements(pending_.sent_placement_count() - (is_counted ? 1 : 0));
  connection_.ApplyRateLimits(reply);
  // The answer to nothing that we asked: a duplicate, or its slot has been used again.
  if (slot == nullptr || slot->is_rest) return CheckAnswerForAll(reply);
  const bool is_readable = reply.error.status != 0;
  if (slot->state == Slot::State::kAbandoned) {
    OnLateAnswer(*slot, reply);
  } else {
    OnAnswer(*slot, reply, is_readable);
  }
  CheckAnswerForAll(reply);
}

void BinanceGatewayCore::OnRestOrderResponse(uint64_t id, const HttpResponse& response) {
  BinanceReply reply;
  const bool is_readable = decoder_.DecodeHttp(response.status, response.body, reply);
  Slot* slot = pending_.Find(id);
  const bool is_counted =
      slot != nullptr && slot->kind == Slot::Kind::kPlace && slot->state == Slot::State::kSent;
  connection_.SetUnansweredPlacements(pending_.sent_placement_count() - (is_counted ? 1 : 0));
  connection_.ApplyRateLimits(response, reply);
  OnRestHealth(response.status < 500, "REST fails");
  if (slot != nullptr && slot->state == Slot::State::kSent) {
    // A refusal is definite by its HTTP status, whatever its body says; a success is not.
    const bool is_definite_refusal = response.status >= 400 && response.status < 500;
    OnAnswer(*slot, reply, is_readable || is_definite_refusal);
  }
  CheckAnswerForAll(reply);
}

void BinanceGatewayCore::OnRestOrderFailure(uint64_t id, HttpFailure failure,
                                            const absl::Status& reason) {
  const std::string_view why(reason.message().data(), reason.message().size());
  OnRestHealth(false, why);
  Slot* slot = pending_.Find(id);
  if (slot == nullptr || slot->state != Slot::State::kSent) return;
  switch (failure) {
    case HttpFailure::kNotSent:
      AnswerNotSent(*slot, why);
      return pending_.Finish(*slot);
    case HttpFailure::kTimeout:
      AnswerAmbiguous(*slot, AmbiguityCause::kTimeout, why);
      break;
    case HttpFailure::kDisconnected:
      AnswerAmbiguous(*slot, AmbiguityCause::kDisconnected, why);
      break;
    case HttpFailure::kUnreadable:
      AnswerAmbiguous(*slot, AmbiguityCause::kUnreadableAnswer, why);
      break;
  }
  pending_.Finish(*slot);  // HTTP has no late answers
}

void BinanceGatewayCore::OnAnswer(Slot& slot, const BinanceReply& reply, bool is_readable) {
  switch (slot.kind) {
    case Slot::Kind::kPlace:
      return OnPlaceAnswer(slot, reply, is_readable);
    case Slot::Kind::kCancel:
      return OnCancelAnswer(slot, reply, is_readable);
    case Slot::Kind::kCancelAll:
      return OnCancelAllAnswer(slot, reply, is_readable);
  }
}

// True: the answer leaves the outcome open, and that is what was told.
bool BinanceGatewayCore::AnswerUnclear(Slot& slot, const BinanceReply& reply, bool is_readable) {
  if (!is_readable || reply.is_success()) {
    AnswerAmbiguous(slot, AmbiguityCause::kUnreadableAnswer, "the answer was not understood");
    return true;
  }
  if (!IsAmbiguous(reply.error)) return false;
  AnswerAmbiguous(slot, AmbiguityCause::kServerError, reply.error.text, reply.error.code);
  return true;
}

void BinanceGatewayCore::OnPlaceAnswer(Slot& slot, const BinanceReply& reply, bool is_readable) {
  const BinanceError& error = reply.error;
  if (reply.is_success() && is_readable && reply.venue_order_id > 0) {
    OrderAccepted accepted = {};
    accepted.client_order_id = slot.place.client_order_id;
    accepted.venue_order_id = VenueOrderId(reply.venue_order_id);
    accepted.venue_time_ns = reply.transact_time_ms * kNanosPerMilli;
    accepted.receive_time_ns = WallNs();
    outbox_.Emit(accepted);
    return pending_.Finish(slot);
  }
  if (AnswerUnclear(slot, reply, is_readable)) return;
  RejectPlace(slot.place, ClassifyPlaceError(error), error.code, error.text);
  pending_.Finish(slot);
}

void BinanceGatewayCore::OnCancelAnswer(Slot& slot, const BinanceReply& reply, bool is_readable) {
  const BinanceError& error = reply.error;
  if (reply.is_success() && is_readable) {
    const int64_t now_ns = WallNs();
    if (std::optional<OrderReport> report = decoder_.OrderInReply(now_ns)) {
      report->source = EvidenceSource::kReply;
      report->client_order_id = slot.cancel.client_order_id;
      outbox_.Emit(*report);
      return pending_.Finish(slot);
    }
  }
  if (AnswerUnclear(slot, reply, is_readable)) return;
  RejectCancel(slot.cancel, ClassifyCancelError(error), error.code, error.text);
  pending_.Finish(slot);
}

void BinanceGatewayCore::OnCancelAllAnswer(Slot& slot, const BinanceReply& reply,
                                           bool is_readable) {
  const BinanceError& error = reply.error;
  if (reply.is_success() && is_readable) {
    rows_.clear();
    if (!decoder_.OrdersInReply(WallNs(), rows_)) {
      FinishCancelAll(slot, false, 0, 0, "the answer was not understood");
      return pending_.Finish(slot);
    }
    for (OrderReport& row : rows_) {
      row.request_id = slot.request_id;
      row.source = EvidenceSource::kReply;
      outbox_.Emit(row);
    }
    slot.row_count += static_cast<int32_t>(rows_.size());
    return ConfirmCancelAll(slot, 0, "");
  }
  // Nothing was open: that is what was asked for.
  const bool is_empty = !reply.is_success() && !IsAmbiguous(error) &&
                        error.code == kBinanceCancelRejected &&
                        ClassifyCancelError(error) == CancelRejectReason::kUnknownOrder;
  if (is_empty) return ConfirmCancelAll(slot, error.code, error.text);
  FinishCancelAll(slot, false, slot.row_count, error.code,
                  is_readable ? error.text : "the answer was not understood");
  pending_.Finish(slot);
}

void BinanceGatewayCore::ConfirmCancelAll(Slot& slot, int32_t code, std::string_view text) {
  if (slot.may_overtake || MayPlacementStillArrive(slot.instrument, /*counts_session=*/true)) {
    return pending_.Hold(slot);
  }
  FinishCancelAll(slot, true, slot.row_count, code, text);
  pending_.Finish(slot);
}

// The request was answered as ambiguous already; what the venue says now is evidence all the same.
void BinanceGatewayCore::OnLateAnswer(Slot& slot, const BinanceReply& reply) {
  const BinanceError& error = reply.error;
  if (slot.kind == Slot::Kind::kPlace) {
    if (reply.is_success() && reply.venue_order_id > 0) {
      outbox_.Emit(MakeReport(slot, VenueOrderStatus::kNew, reply));
    } else if (!reply.is_success() && error.status != 0 && !IsAmbiguous(error) &&
               ClassifyPlaceError(error) != RejectReason::kDuplicateId) {
      outbox_.Emit(MakeReport(slot, VenueOrderStatus::kRejected, reply));
    }
  } else if (slot.kind == Slot::Kind::kCancel && reply.is_success()) {
    if (std::optional<OrderReport> report = decoder_.OrderInReply(WallNs())) {
      report->source = EvidenceSource::kReply;
      report->client_order_id = slot.cancel.client_order_id;
      outbox_.Emit(*report);
    }
  }
  pending_.Finish(slot);
}

OrderReport BinanceGatewayCore::MakeReport(const Slot& slot, VenueOrderStatus status,
                                           const BinanceReply& reply) {
  OrderReport report = {};
  report.source = EvidenceSource::kReply;
  report.client_order_id = slot.place.client_order_id;
  report.venue_order_id = VenueOrderId(reply.venue_order_id);
  report.instrument = slot.place.instrument;
  report.side = slot.place.side;
  report.status = status;
  report.price = slot.place.price;
  report.quantity = slot.place.quantity;
  report.venue_time_ns = reply.transact_time_ms * kNanosPerMilli;
  report.receive_time_ns = WallNs();
  return report;
}

// What an answer means beyond its own request.
void BinanceGatewayCore::CheckAnswerForAll(const BinanceReply& reply) {
  if (reply.is_success()) return;
  if (reply.error.code == kBinanceClockSkew) {
    connection_.clock_offset().Distrust();
    if (!session_.MeasureClock()) {
      queries_.Enqueue({.kind = QueryKind::kServerTime, .is_internal = true});
    }
  }
  if (!IsAmbiguous(reply.error) && IsAuthenticationFailure(reply.error)) Fail(reply.error);
}

void BinanceGatewayCore::AnswerNotSent(const Slot& slot, std::string_view why) {
  switch (slot.kind) {
    case Slot::Kind::kPlace:
      return RejectPlace(slot.place, RejectReason::kNotSent, 0, why);
    case Slot::Kind::kCancel:
      return RejectCancel(slot.cancel, CancelRejectReason::kNotSent, 0, why);
    case Slot::Kind::kCancelAll:
      return FinishCancelAll(slot, false, slot.row_count, 0, why);
  }
}

void BinanceGatewayCore::AnswerAmbiguous(Slot& slot, AmbiguityCause cause, std::string_view why,
                                         int32_t code) {
  switch (slot.kind) {
    case Slot::Kind::kPlace: {
      OrderAmbiguous ambiguous = {};
      ambiguous.client_order_id = slot.place.client_order_id;
      ambiguous.cause = cause;
      ambiguous.submit_expiry_ns = slot.submit_expiry_ns;
      ambiguous.receive_time_ns = WallNs();
      outbox_.Emit(ambiguous);
      int64_t& final_after_ns = placements_final_after_ns_[slot.place.instrument.value()];
      final_after_ns = std::max(
          final_after_ns, slot.submit_expiry_ns + options_.visibility_lag_ms * kNanosPerMilli);
      break;
    }
    case Slot::Kind::kCancel:
      RejectCancel(slot.cancel, CancelRejectReason::kAmbiguous, code, why);
      break;
    case Slot::Kind::kCancelAll:
      FinishCancelAll(slot, false, slot.row_count, code, why);
      break;
  }
  pending_.Abandon(slot);
}

void BinanceGatewayCore::RejectPlace(const PlaceRequest& request, RejectReason reason, int32_t code,
                                     std::string_view text) {
  OrderRejected rejected = {};
  rejected.client_order_id = request.client_order_id;
  rejected.reason = reason;
  rejected.venue_code = code;
  rejected.text = VenueText::Truncated(text);
  rejected.receive_time_ns = WallNs();
  outbox_.Emit(rejected);
}

void BinanceGatewayCore::RejectCancel(const CancelRequest& request, CancelRejectReason reason,
                                      int32_t code, std::string_view text) {
  CancelRejected rejected = {};
  rejected.client_order_id = request.client_order_id;
  rejected.reason = reason;
  rejected.venue_code = code;
  rejected.text = VenueText::Truncated(text);
  rejected.receive_time_ns = WallNs();
  outbox_.Emit(rejected);
}

void BinanceGatewayCore::FinishCancelAll(const Slot& slot, bool is_ok, int32_t row_count,
                                         int32_t code, std::string_view text) {
  QueryDone done = {};
  done.request_id = slot.request_id;
  done.kind = QueryKind::kCancelAll;
  done.is_ok = is_ok;
  done.row_count = row_count;
  done.venue_code = code;
  done.text = VenueText::Truncated(text);
  done.receive_time_ns = WallNs();
  outbox_.Emit(done);
}

}  // namespace holdfast
