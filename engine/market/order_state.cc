#include "engine/market/order_state.h"

namespace holdfast {

std::string_view ToText(OrderState state) {
  switch (state) {
    case OrderState::kInitialized:
      return "initialized";
    case OrderState::kDenied:
      return "denied";
    case OrderState::kJournaled:
      return "journaled";
    case OrderState::kInFlight:
      return "in_flight";
    case OrderState::kUnknown:
      return "unknown";
    case OrderState::kWorking:
      return "working";
    case OrderState::kPartiallyFilled:
      return "partially_filled";
    case OrderState::kPendingCancel:
      return "pending_cancel";
    case OrderState::kCanceled:
      return "canceled";
    case OrderState::kRejected:
      return "rejected";
    case OrderState::kExpired:
      return "expired";
    case OrderState::kFilled:
      return "filled";
  }
  return "invalid";
}

std::string_view ToText(OrderEvent event) {
  switch (event) {
    case OrderEvent::kDeny:
      return "deny";
    case OrderEvent::kJournal:
      return "journal";
    case OrderEvent::kSubmit:
      return "submit";
    case OrderEvent::kAccept:
      return "accept";
    case OrderEvent::kReject:
      return "reject";
    case OrderEvent::kLoseTrack:
      return "lose_track";
    case OrderEvent::kPartialFill:
      return "partial_fill";
    case OrderEvent::kFill:
      return "fill";
    case OrderEvent::kRequestCancel:
      return "request_cancel";
    case OrderEvent::kRejectCancel:
      return "reject_cancel";
    case OrderEvent::kCancel:
      return "cancel";
    case OrderEvent::kExpire:
      return "expire";
    case OrderEvent::kProveAbsent:
      return "prove_absent";
  }
  return "invalid";
}

std::optional<OrderState> OrderStateFromText(std::string_view text) {
  for (int i = 0; i < kOrderStateCount; ++i) {
    const OrderState state = static_cast<OrderState>(i);
    if (ToText(state) == text) return state;
  }
  return std::nullopt;
}

}  // namespace holdfast
