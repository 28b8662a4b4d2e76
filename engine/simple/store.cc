#include "engine/simple/store.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/simple/memory_store.h"
#include "engine/simple/sqlite_store.h"

namespace holdfast {
namespace {

absl::Status Invalid(const char* what, const char* field, int64_t value) {
  return absl::InvalidArgumentError(
      absl::StrCat("store: record refused: kind=", what, " field=", field, " value=", value));
}

absl::Status ValidateOrder(const Order& order, const Instrument& instrument) {
  const uint64_t number = order.number.value();
  if (number == 0 || number > INT64_MAX) {
    return Invalid("order", "number", static_cast<int64_t>(number));
  }
  if (order.client_order_id.empty()) return Invalid("order", "client_order_id", 0);
  if (order.instrument != instrument.id) {
    return Invalid("order", "instrument", order.instrument.value());
  }
  if (order.price.ticks() < 0) return Invalid("order", "price", order.price.ticks());
  if (!order.quantity.is_positive()) return Invalid("order", "quantity", order.quantity.lots());
  if (order.filled.is_negative() || order.filled > order.quantity) {
    return Invalid("order", "filled", order.filled.lots());
  }
  return absl::OkStatus();
}

absl::Status ValidateSlot(const Slot& slot) {
  if (slot.held.is_negative()) return Invalid("slot", "held", slot.held.lots());
  if ((slot.state == SlotState::kFilled) != slot.held.is_positive()) {
    return Invalid("slot", "state", static_cast<int64_t>(slot.state));
  }
  if (slot.post_only_reject_count < 0) {
    return Invalid("slot", "post_only_reject_count", slot.post_only_reject_count);
  }
  return absl::OkStatus();
}

absl::Status ValidateTransaction(const LedgerTransaction& transaction) {
  if (!transaction.IsBalanced()) {
    return Invalid("ledger", "entries", static_cast<int64_t>(transaction.entries.size()));
  }
  for (const LedgerEntry& entry : transaction.entries) {
    if (entry.asset.empty()) return Invalid("ledger", "asset", 0);
  }
  return absl::OkStatus();
}

struct RecordValidator {
  const Instrument& instrument;

  absl::Status operator()(const OrderRecord& record) const {
    return ValidateOrder(record.order, instrument);
  }
  absl::Status operator()(const FillRecord& record) const {
    const Fill& fill = record.fill;
    if (record.instrument != instrument.id) {
      return Invalid("fill", "instrument", record.instrument.value());
    }
    if (fill.trade_id.value() <= 0) return Invalid("fill", "trade_id", fill.trade_id.value());
    if (!fill.quantity.is_positive()) return Invalid("fill", "quantity", fill.quantity.lots());
    if (fill.price.ticks() <= 0) return Invalid("fill", "price", fill.price.ticks());
    const LedgerTransaction& transaction = record.transaction;
    if (transaction.cause != LedgerCause::kFill || transaction.trade_id != fill.trade_id ||
        transaction.symbol != instrument.symbol) {
      return Invalid("fill", "transaction", transaction.trade_id.value());
    }
    if (record.order.has_value()) HF_RETURN_IF_ERROR(ValidateOrder(*record.order, instrument));
    if (record.slot.has_value()) HF_RETURN_IF_ERROR(ValidateSlot(*record.slot));
    return ValidateTransaction(transaction);
  }
  absl::Status operator()(const SlotRecord& record) const {
    if (record.instrument != instrument.id) {
      return Invalid("slot", "instrument", record.instrument.value());
    }
    return ValidateSlot(record.slot);
  }
  absl::Status operator()(const MemoryRecord& record) const {
    if (record.instrument != instrument.id) {
      return Invalid("memory", "instrument", record.instrument.value());
    }
    if (record.memory.interval_ticks < 0) {
      return Invalid("memory", "interval_ticks", record.memory.interval_ticks);
    }
    return absl::OkStatus();
  }
  absl::Status operator()(const LedgerRecord& record) const {
    if (record.transaction.cause == LedgerCause::kFill) return Invalid("ledger", "cause", 0);
    return ValidateTransaction(record.transaction);
  }
  absl::Status operator()(const RiskRecord&) const { return absl::OkStatus(); }
  absl::Status operator()(const StopRecord&) const { return absl::OkStatus(); }
};

absl::Status BadOption(const char* name, absl::string_view expected) {
  return absl::InvalidArgumentError(absl::StrCat("store: option=", name, " expected=", expected));
}

}  // namespace

Store::~Store() = default;

std::unique_ptr<Store> MakeStore(const StoreOptions& options, const Clock& clock) {
  if (options.path.empty()) return std::make_unique<MemoryStore>(options, clock);
  return std::make_unique<SqliteStore>(options, clock);
}

absl::Status ValidateRecord(const StoreRecord& record, const Instrument& instrument) {
  return std::visit(RecordValidator{instrument}, record);
}

absl::Status ValidateStoreOptions(const StoreOptions& options) {
  HF_RETURN_IF_ERROR(Validate(options.instrument));
  if (options.venue_name.empty()) return BadOption("venue_name", "a name");
  if (options.account_name.empty()) return BadOption("account_name", "a name");
  if (options.finished_order_retention_ns < 0) {
    return BadOption("finished_order_retention_ns", ">= 0");
  }
  if (options.finished_order_limit < 0) return BadOption("finished_order_limit", ">= 0");
  if (options.prune_batch < 1) return BadOption("prune_batch", ">= 1");
  if (options.recent_trade_id_limit < 1000) {
    return BadOption("recent_trade_id_limit", ">= 1000");
  }
  if (options.reserve_bytes < 0) return BadOption("reserve_bytes", ">= 0");
  if (options.busy_timeout_ms < 0) return BadOption("busy_timeout_ms", ">= 0");
  return absl::OkStatus();
}

uint64_t OrderNumberSeed(const Clock& clock) {
  return static_cast<uint64_t>(std::max<int64_t>(clock.WallNs() / kNanosPerMicro, 1));
}

}  // namespace holdfast
