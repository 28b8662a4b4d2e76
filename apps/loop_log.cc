#include "apps/loop_log.h"

namespace holdfast {
namespace {

// Literals: a log record keeps pointers.
const char* EventName(LoopEventKind kind) {
  switch (kind) {
    case LoopEventKind::kOrderPlaced:
      return "order.placed";
    case LoopEventKind::kOrderDenied:
      return "order.denied";
    case LoopEventKind::kOrderTransition:
      return "order.transition";
    case LoopEventKind::kIllegalTransition:
      return "order.illegal_transition";
    case LoopEventKind::kCancelSent:
      return "order.cancel_sent";
    case LoopEventKind::kCancelRejected:
      return "order.cancel_rejected";
    case LoopEventKind::kFill:
      return "fill";
    case LoopEventKind::kForeignFill:
      return "fill.foreign";
    case LoopEventKind::kForeignOrder:
      return "order.foreign";
    case LoopEventKind::kOrderAdopted:
      return "order.adopted";
    case LoopEventKind::kBookProblem:
      return "book.problem";
    case LoopEventKind::kConnection:
      return "venue.connection";
    case LoopEventKind::kReconcile:
      return "reconcile";
    case LoopEventKind::kWalletAdjusted:
      return "wallet.adjusted";
    case LoopEventKind::kRiskMode:
      return "risk.mode";
    case LoopEventKind::kOperator:
      return "operator";
    case LoopEventKind::kStore:
      return "store";
    case LoopEventKind::kInstrumentChanged:
      return "instrument.changed";
    case LoopEventKind::kSafety:
      return "account.safety";
    case LoopEventKind::kFatal:
      return "venue.fatal";
  }
  return "";
}

LogLevel LevelOf(const LoopEvent& event) {
  switch (event.severity) {
    case Severity::kAlert:
      return LogLevel::kError;
    case Severity::kWarning:
      return LogLevel::kWarning;
    case Severity::kInfo:
      break;
  }
  switch (event.kind) {
    case LoopEventKind::kOrderPlaced:
    case LoopEventKind::kOrderDenied:
    case LoopEventKind::kOrderTransition:
    case LoopEventKind::kCancelSent:
    case LoopEventKind::kCancelRejected:
      return LogLevel::kDebug;
    case LoopEventKind::kIllegalTransition:
    case LoopEventKind::kFill:
    case LoopEventKind::kForeignFill:
    case LoopEventKind::kForeignOrder:
    case LoopEventKind::kOrderAdopted:
    case LoopEventKind::kBookProblem:
    case LoopEventKind::kConnection:
    case LoopEventKind::kReconcile:
    case LoopEventKind::kWalletAdjusted:
    case LoopEventKind::kRiskMode:
    case LoopEventKind::kOperator:
    case LoopEventKind::kStore:
    case LoopEventKind::kInstrumentChanged:
    case LoopEventKind::kSafety:
    case LoopEventKind::kFatal:
      break;
  }
  return LogLevel::kInfo;
}

}  // namespace

LogRecord MakeLoopRecord(const LoopEvent& event, const Instrument& instrument) {
  LogRecord record(LevelOf(event), EventName(event.kind), event.wall_time_ns);
  if (!event.client_order_id.empty()) {
    record.Add("id", event.client_order_id.view()).Add("side", ToText(event.side));
  }
  if (event.venue_order_id.value() != 0) record.Add("venue_id", event.venue_order_id.value());
  if (event.trade_id.value() != 0) record.Add("trade", event.trade_id.value());
  if (event.price.ticks() != 0) record.Add("price", instrument.ToDecimal(event.price));
  if (!event.quantity.is_zero()) record.Add("quantity", instrument.ToDecimal(event.quantity));
  if (!event.filled.is_zero()) record.Add("filled", instrument.ToDecimal(event.filled));
  const bool is_transition = event.kind == LoopEventKind::kOrderTransition ||
                             event.kind == LoopEventKind::kIllegalTransition;
  if (is_transition && event.from != event.to) {
    record.Add("from", ToText(event.from)).Add("to", ToText(event.to));
  }
  if (!event.reason.empty()) record.Add("reason", event.reason.view());
  if (!event.text.empty()) record.Add("text", event.text.view());
  return record;
}

void LoopLog::OnLoopEvent(const LoopEvent& event) {
  if (!channel_.IsEnabled(LevelOf(event))) return;
  channel_.Write(MakeLoopRecord(event, instrument_));
}

}  // namespace holdfast
