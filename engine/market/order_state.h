#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace holdfast {

// Life of one order (DESIGN section 6). kUnknown is a state of its own, not a placeholder: the
// request was sent, the answer is missing, and the order counts as working at full size until
// evidence decides.
enum class OrderState : uint8_t {
  kInitialized,      // decided, nothing done yet
  kDenied,           // our own limits said no; never left the process
  kJournaled,        // the intent is durable, not sent
  kInFlight,         // sent, unanswered
  kUnknown,          // sent, the answer is ambiguous or missing
  kWorking,          // resting at the venue, nothing filled
  kPartiallyFilled,  // resting at the venue, part filled
  kPendingCancel,    // a cancel is on its way
  kCanceled,         // ended on our request
  kRejected,         // the venue said no
  kExpired,  // ended by the venue: time in force, self-trade prevention, or proven never accepted
  kFilled,   // completely filled
};
inline constexpr int kOrderStateCount = 12;

enum class OrderEvent : uint8_t {
  kDeny,
  kJournal,
  kSubmit,
  kAccept,  // the venue accepted it; nothing filled
  kReject,
  kLoseTrack,    // time-out, cut connection, 5xx
  kPartialFill,  // quantity is left
  kFill,         // no quantity is left
  kRequestCancel,
  kRejectCancel,  // definite: the venue refused the cancel and the order still rests
  kCancel,        // the venue reports it canceled
  kExpire,
  kProveAbsent,  // evidence that the venue never accepted it and no longer can
};
inline constexpr int kOrderEventCount = 13;

struct OrderTransition {
  OrderState from;
  OrderEvent event;
  OrderState to;
};

// Every legal transition; anything else is illegal and ends up in the journal as such. A fill wins
// every race: it may arrive before the ack, and after the cancel report was read from a query.
inline constexpr auto kOrderTransitions = std::to_array<OrderTransition>({
    {OrderState::kInitialized, OrderEvent::kDeny, OrderState::kDenied},
    {OrderState::kInitialized, OrderEvent::kJournal, OrderState::kJournaled},
    {OrderState::kJournaled, OrderEvent::kSubmit, OrderState::kInFlight},
    {OrderState::kJournaled, OrderEvent::kDeny,
     OrderState::kDenied},  // gate closed before the wire
    // A restart finds it journaled and cannot know whether it was sent.
    {OrderState::kJournaled, OrderEvent::kLoseTrack, OrderState::kUnknown},

    {OrderState::kInFlight, OrderEvent::kAccept, OrderState::kWorking},
    {OrderState::kInFlight, OrderEvent::kReject, OrderState::kRejected},
    {OrderState::kInFlight, OrderEvent::kLoseTrack, OrderState::kUnknown},
    {OrderState::kInFlight, OrderEvent::kPartialFill, OrderState::kPartiallyFilled},
    {OrderState::kInFlight, OrderEvent::kFill, OrderState::kFilled},
    {OrderState::kInFlight, OrderEvent::kRequestCancel, OrderState::kPendingCancel},
    {OrderState::kInFlight, OrderEvent::kCancel, OrderState::kCanceled},
    {OrderState::kInFlight, OrderEvent::kExpire, OrderState::kExpired},
    {OrderState::kInFlight, OrderEvent::kProveAbsent, OrderState::kExpired},

    {OrderState::kUnknown, OrderEvent::kAccept, OrderState::kWorking},
    {OrderState::kUnknown, OrderEvent::kReject, OrderState::kRejected},
    {OrderState::kUnknown, OrderEvent::kPartialFill, OrderState::kPartiallyFilled},
    {OrderState::kUnknown, OrderEvent::kFill, OrderState::kFilled},
    {OrderState::kUnknown, OrderEvent::kCancel, OrderState::kCanceled},
    {OrderState::kUnknown, OrderEvent::kExpire, OrderState::kExpired},
    {OrderState::kUnknown, OrderEvent::kProveAbsent, OrderState::kExpired},
    // A cancel by client id is part of resolving; the order stays unknown until it is answered.
    {OrderState::kUnknown, OrderEvent::kRequestCancel, OrderState::kUnknown},
    {OrderState::kUnknown, OrderEvent::kRejectCancel, OrderState::kUnknown},
    {OrderState::kUnknown, OrderEvent::kLoseTrack, OrderState::kUnknown},

    // The reply to the submission and the private stream have no order between them: what the one
    // told first the other repeats or fails to tell (kAccept, kLoseTrack). A second cancel in
    // flight may be refused after the first one was (kRejectCancel).
    {OrderState::kWorking, OrderEvent::kAccept, OrderState::kWorking},
    {OrderState::kWorking, OrderEvent::kLoseTrack, OrderState::kWorking},
    {OrderState::kWorking, OrderEvent::kRejectCancel, OrderState::kWorking},
    {OrderState::kWorking, OrderEvent::kPartialFill, OrderState::kPartiallyFilled},
    {OrderState::kWorking, OrderEvent::kFill, OrderState::kFilled},
    {OrderState::kWorking, OrderEvent::kRequestCancel, OrderState::kPendingCancel},
    {OrderState::kWorking, OrderEvent::kCancel, OrderState::kCanceled},
    {OrderState::kWorking, OrderEvent::kExpire, OrderState::kExpired},

    {OrderState::kPartiallyFilled, OrderEvent::kAccept, OrderState::kPartiallyFilled},
    {OrderState::kPartiallyFilled, OrderEvent::kLoseTrack, OrderState::kPartiallyFilled},
    {OrderState::kPartiallyFilled, OrderEvent::kRejectCancel, OrderState::kPartiallyFilled},
    {OrderState::kPartiallyFilled, OrderEvent::kPartialFill, OrderState::kPartiallyFilled},
    {OrderState::kPartiallyFilled, OrderEvent::kFill, OrderState::kFilled},
    {OrderState::kPartiallyFilled, OrderEvent::kRequestCancel, OrderState::kPendingCancel},
    {OrderState::kPartiallyFilled, OrderEvent::kCancel, OrderState::kCanceled},
    {OrderState::kPartiallyFilled, OrderEvent::kExpire, OrderState::kExpired},

    {OrderState::kPendingCancel, OrderEvent::kAccept, OrderState::kPendingCancel},
    {OrderState::kPendingCancel, OrderEvent::kReject, OrderState::kRejected},
    {OrderState::kPendingCancel, OrderEvent::kPartialFill, OrderState::kPendingCancel},
    {OrderState::kPendingCancel, OrderEvent::kFill, OrderState::kFilled},
    {OrderState::kPendingCancel, OrderEvent::kRequestCancel, OrderState::kPendingCancel},
    {OrderState::kPendingCancel, OrderEvent::kRejectCancel, OrderState::kWorking},
    {OrderState::kPendingCancel, OrderEvent::kCancel, OrderState::kCanceled},
    {OrderState::kPendingCancel, OrderEvent::kExpire, OrderState::kExpired},
    {OrderState::kPendingCancel, OrderEvent::kLoseTrack, OrderState::kUnknown},
    {OrderState::kPendingCancel, OrderEvent::kProveAbsent, OrderState::kExpired},

    // The report that ended the order overtook its last fills: the ending stands, the fills are
    // booked.
    {OrderState::kCanceled, OrderEvent::kPartialFill, OrderState::kCanceled},
    {OrderState::kCanceled, OrderEvent::kFill, OrderState::kFilled},
    {OrderState::kExpired, OrderEvent::kPartialFill, OrderState::kExpired},
    {OrderState::kExpired, OrderEvent::kFill, OrderState::kFilled},
    // The same ending told by reply and by stream, or the answer to the submission behind it. An
    // acceptance behind kExpired stays illegal: a proof of absence that was wrong must be seen.
    {OrderState::kCanceled, OrderEvent::kCancel, OrderState::kCanceled},
    {OrderState::kCanceled, OrderEvent::kAccept, OrderState::kCanceled},
    {OrderState::kCanceled, OrderEvent::kLoseTrack, OrderState::kCanceled},
    {OrderState::kExpired, OrderEvent::kExpire, OrderState::kExpired},
    {OrderState::kExpired, OrderEvent::kLoseTrack, OrderState::kExpired},
    {OrderState::kFilled, OrderEvent::kAccept, OrderState::kFilled},
    {OrderState::kFilled, OrderEvent::kLoseTrack, OrderState::kFilled},
});

constexpr std::optional<OrderState> NextState(OrderState from, OrderEvent event) {
  for (const OrderTransition& row : kOrderTransitions) {
    if (row.from == from && row.event == event) return row.to;
  }
  return std::nullopt;
}

// The order has ended; only a late fill can still arrive.
constexpr bool IsFinal(OrderState state) {
  switch (state) {
    case OrderState::kDenied:
    case OrderState::kCanceled:
    case OrderState::kRejected:
    case OrderState::kExpired:
    case OrderState::kFilled:
      return true;
    case OrderState::kInitialized:
    case OrderState::kJournaled:
    case OrderState::kInFlight:
    case OrderState::kUnknown:
    case OrderState::kWorking:
    case OrderState::kPartiallyFilled:
    case OrderState::kPendingCancel:
      return false;
  }
  return false;
}

// The order may exist at the venue, so its exposure stays reserved.
constexpr bool MayBeLive(OrderState state) {
  return !IsFinal(state) && state != OrderState::kInitialized;
}

std::string_view ToText(OrderState state);  // snake case: "pending_cancel"
std::string_view ToText(OrderEvent event);
std::optional<OrderState> OrderStateFromText(std::string_view text);

}  // namespace holdfast
