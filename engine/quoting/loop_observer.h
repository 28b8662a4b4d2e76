#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "connectors/api/venue_event.h"
#include "engine/market/client_order_id.h"
#include "engine/market/ids.h"
#include "engine/market/order_state.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

enum class LoopEventKind : uint8_t {
  kOrderPlaced,        // intent handed to the engine
  kOrderDenied,        // our own limits said no (`reason` has the gate's name)
  kOrderTransition,    // any other change of an order's state
  kIllegalTransition,  // evidence that the table does not allow: counted, inventory still applied
  kCancelSent,
  kCancelRejected,
  kFill,
  kForeignFill,   // booked as an adjustment of the position by somebody else's order
  kForeignOrder,  // open at the venue, not ours
  kOrderAdopted,  // open at the venue with our tag, not in the store
  kBookProblem,
  kConnection,
  kReconcile,
  kWalletAdjusted,
  kRiskMode,
  kOperator,  // pause, resume, kill, stop
  kStore,
  kInstrumentChanged,
  kSafety,  // a failed check before start; `text` says what to change
  kFatal,
};
std::string_view ToText(LoopEventKind kind);

enum class Severity : uint8_t { kInfo, kWarning, kAlert };
std::string_view ToText(Severity severity);

// One structured log line. Trivially copyable so that it can cross a ring; fields that do not apply
// are zero.
struct LoopEvent {
  LoopEventKind kind = LoopEventKind::kOrderPlaced;
  Severity severity = Severity::kInfo;
  int64_t wall_time_ns = 0;
  OrderNumber number;
  ClientOrderId client_order_id;
  VenueOrderId venue_order_id;
  VenueTradeId trade_id;
  Side side = Side::kBuy;
  Price price;
  Quantity quantity;
  Quantity filled;
  OrderState from = OrderState::kInitialized;
  OrderState to = OrderState::kInitialized;
  InlineString<32> reason;  // short name: a gate, a reject reason, an order event
  VenueText text;           // free text for the operator
};
static_assert(std::is_trivially_copyable_v<LoopEvent>);

// Receives the loop's log lines on the loop's thread. Must not block, allocate or throw: an
// implementation pushes into a ring and counts what does not fit. Never called per market message.
class LoopObserver {
 public:
  virtual ~LoopObserver();
  virtual void OnLoopEvent(const LoopEvent& event) = 0;
};

}  // namespace holdfast
