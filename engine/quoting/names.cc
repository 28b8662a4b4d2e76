// Names of the loop's enumerations, as the logs, the metrics and the live view print them.
#include "engine/quoting/loop_observer.h"
#include "engine/quoting/status_snapshot.h"

namespace holdfast {

LoopObserver::~LoopObserver() = default;

std::string_view ToText(LoopEventKind kind) {
  switch (kind) {
    case LoopEventKind::kOrderPlaced:
      return "order_placed";
    case LoopEventKind::kOrderDenied:
      return "order_denied";
    case LoopEventKind::kOrderTransition:
      return "order_transition";
    case LoopEventKind::kIllegalTransition:
      return "illegal_transition";
    case LoopEventKind::kCancelSent:
      return "cancel_sent";
    case LoopEventKind::kCancelRejected:
      return "cancel_rejected";
    case LoopEventKind::kFill:
      return "fill";
    case LoopEventKind::kForeignFill:
      return "foreign_fill";
    case LoopEventKind::kForeignOrder:
      return "foreign_order";
    case LoopEventKind::kOrderAdopted:
      return "order_adopted";
    case LoopEventKind::kBookProblem:
      return "book_problem";
    case LoopEventKind::kConnection:
      return "connection";
    case LoopEventKind::kReconcile:
      return "reconcile";
    case LoopEventKind::kWalletAdjusted:
      return "wallet_adjusted";
    case LoopEventKind::kRiskMode:
      return "risk_mode";
    case LoopEventKind::kOperator:
      return "operator";
    case LoopEventKind::kStore:
      return "store";
    case LoopEventKind::kInstrumentChanged:
      return "instrument_changed";
    case LoopEventKind::kSafety:
      return "safety";
    case LoopEventKind::kFatal:
      return "fatal";
  }
  return "invalid";
}

std::string_view ToText(Severity severity) {
  switch (severity) {
    case Severity::kInfo:
      return "info";
    case Severity::kWarning:
      return "warning";
    case Severity::kAlert:
      return "alert";
  }
  return "invalid";
}

std::string_view ToText(LoopPhase phase) {
  switch (phase) {
    case LoopPhase::kConnecting:
      return "connecting";
    case LoopPhase::kReconciling:
      return "reconciling";
    case LoopPhase::kUnsafe:
      return "unsafe";
    case LoopPhase::kHalted:
      return "halted";
    case LoopPhase::kQuoting:
      return "quoting";
    case LoopPhase::kStopping:
      return "stopping";
    case LoopPhase::kStopped:
      return "stopped";
    case LoopPhase::kFailed:
      return "failed";
  }
  return "invalid";
}

std::string_view ToText(HealthFlag flag) {
  switch (flag) {
    case HealthFlag::kFeed:
      return "feed";
    case HealthFlag::kBook:
      return "book";
    case HealthFlag::kPrivateStream:
      return "private_stream";
    case HealthFlag::kOrderEntry:
      return "order_entry";
    case HealthFlag::kReconciled:
      return "reconciled";
    case HealthFlag::kAccountSafe:
      return "account_safe";
    case HealthFlag::kStore:
      return "store";
    case HealthFlag::kRecordQueue:
      return "record_queue";
    case HealthFlag::kInstrument:
      return "instrument";
    case HealthFlag::kOrderSize:
      return "order_size";
    case HealthFlag::kRiskMode:
      return "risk_mode";
    case HealthFlag::kOperator:
      return "operator";
    case HealthFlag::kVenueBreaker:
      return "venue_breaker";
    case HealthFlag::kNoUnknownOrders:
      return "no_unknown_orders";
    case HealthFlag::kNoUnexplainedDifference:
      return "no_unexplained_difference";
  }
  return "invalid";
}

std::string_view ToText(LatencyStage stage) {
  switch (stage) {
    case LatencyStage::kReceiveToDecide:
      return "receive_to_decide";
    case LatencyStage::kDecide:
      return "decide";
    case LatencyStage::kDecideToAck:
      return "decide_to_ack";
    case LatencyStage::kCancelToAck:
      return "cancel_to_ack";
    case LatencyStage::kFillToBooked:
      return "fill_to_booked";
    case LatencyStage::kTurn:
      return "turn";
  }
  return "invalid";
}

}  // namespace holdfast
