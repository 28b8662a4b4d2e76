#include "engine/simple/memory_store.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

// A ledger that is full stays full: a refusal, not a disk that may have room again.
absl::Status Book(const LedgerTransaction& transaction, Ledger& ledger) {
  const absl::Status status = ledger.Apply(transaction);
  if (!absl::IsResourceExhausted(status)) return status;
  return absl::InvalidArgumentError(
      absl::StrCat("store: record refused: no room for another asset: ", status.message()));
}

auto SlotOrder(const Slot& slot) { return std::make_tuple(slot.line, slot.entry_side); }

}  // namespace

MemoryStore::MemoryStore(const StoreOptions& options, const Clock& clock)
    : options_(options), clock_(clock) {}

absl::StatusOr<RecoveredState> MemoryStore::Open() {
  HF_RETURN_IF_ERROR(ValidateStoreOptions(options_));
  if (is_open_) return absl::FailedPreconditionError("store: already open: path=(memory)");
  is_open_ = true;
  next_order_number_ = std::max(next_order_number_, OrderNumberSeed(clock_));
  state_.open_orders.reserve(kExpectedOpenOrders);
  state_.slots.reserve(kMaxSlots);
  state_.recent_trade_ids.reserve(static_cast<size_t>(options_.recent_trade_id_limit) + 1);
  return state_;
}

absl::Status MemoryStore::Append(std::span<const StampedRecord> batch) {
  HF_ASSERT(is_open_);
  // Everything is checked before anything is changed: all of the batch or nothing.
  Ledger ledger = state_.ledger;
  for (size_t i = 0; i < batch.size(); ++i) {
    HF_RETURN_IF_ERROR(ValidateRecord(batch[i].record, options_.instrument));
    HF_RETURN_IF_ERROR(CheckBookable(batch, i, ledger));
  }
  for (const StampedRecord& stamped : batch) {
    std::visit([this](const auto& record) { Apply(record); }, stamped.record);
    state_.stored_time_ns = std::max(state_.stored_time_ns, stamped.record_time_ns);
    state_.is_first_run = false;
    state_.is_stop_proven = std::holds_alternative<StopRecord>(stamped.record);
    ++record_count_;
  }
  return absl::OkStatus();
}

absl::Status MemoryStore::CheckBookable(std::span<const StampedRecord> batch, size_t index,
                                        Ledger& ledger) const {
  if (const auto* booking = std::get_if<LedgerRecord>(&batch[index].record)) {
    return Book(booking->transaction, ledger);
  }
  const auto* record = std::get_if<FillRecord>(&batch[index].record);
  if (record == nullptr) return absl::OkStatus();
  const VenueTradeId trade_id = record->fill.trade_id;
  const auto has_same_id = [trade_id](const StampedRecord& other) {
    const auto* fill = std::get_if<FillRecord>(&other.record);
    return fill != nullptr && fill->fill.trade_id == trade_id;
  };
  const auto earlier = batch.first(index);
  if (HasTradeId(trade_id) || std::any_of(earlier.begin(), earlier.end(), has_same_id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("store: record refused: fill already booked: trade_id=", trade_id.value()));
  }
  return Book(record->transaction, ledger);
}

absl::StatusOr<OrderNumberBlock> MemoryStore::ReserveOrderNumbers(uint64_t count) {
  HF_ASSERT(is_open_);
  HF_ASSERT(count > 0);
  const OrderNumberBlock block = {.first = next_order_number_, .end = next_order_number_ + count};
  next_order_number_ = block.end;
  state_.is_stop_proven = false;
  return block;
}

absl::StatusOr<int> MemoryStore::Prune(int64_t) { return 0; }

absl::Status MemoryStore::Close() {
  is_open_ = false;
  return absl::OkStatus();
}

void MemoryStore::Apply(const OrderRecord& record) { PutOrder(record.order); }

void MemoryStore::Apply(const FillRecord& record) {
  PutTradeId(record.fill.trade_id);
  if (record.order.has_value()) PutOrder(*record.order);
  if (record.slot.has_value()) PutSlot(*record.slot);
  const absl::Status booked = state_.ledger.Apply(record.transaction);
  HF_ASSERT(booked.ok());
  state_.position = record.position;
  state_.slot_rest = record.slot_rest;
}

void MemoryStore::Apply(const SlotRecord& record) {
  PutSlot(record.slot);
  state_.slot_rest = record.slot_rest;
}

void MemoryStore::Apply(const MemoryRecord& record) { state_.memory = record.memory; }

void MemoryStore::Apply(const LedgerRecord& record) {
  const absl::Status booked = state_.ledger.Apply(record.transaction);
  HF_ASSERT(booked.ok());
}

void MemoryStore::Apply(const RiskRecord& record) { state_.risk = record; }

void MemoryStore::PutOrder(const Order& order) {
  auto& orders = state_.open_orders;
  const auto at = std::lower_bound(orders.begin(), orders.end(), order.number,
                                   [](const Order& a, OrderNumber b) { return a.number < b; });
  const bool is_known = at != orders.end() && at->number == order.number;
  if (IsFinal(order.state)) {
    if (is_known) orders.erase(at);
  } else if (is_known) {
    *at = order;
  } else {
    orders.insert(at, order);
  }
}

void MemoryStore::PutSlot(const Slot& slot) {
  auto& slots = state_.slots;
  const auto at =
      std::lower_bound(slots.begin(), slots.end(), slot,
                       [](const Slot& a, const Slot& b) { return SlotOrder(a) < SlotOrder(b); });
  const bool is_known = at != slots.end() && SlotOrder(*at) == SlotOrder(slot);
  if (slot.state == SlotState::kFree) {
    if (is_known) slots.erase(at);
  } else if (is_known) {
    *at = slot;
  } else {
    slots.insert(at, slot);
  }
}

void MemoryStore::PutTradeId(VenueTradeId trade_id) {
  auto& ids = state_.recent_trade_ids;
  ids.insert(std::upper_bound(ids.begin(), ids.end(), trade_id), trade_id);
  if (ids.size() > static_cast<size_t>(options_.recent_trade_id_limit)) ids.erase(ids.begin());
  state_.last_trade_id = ids.back();
}

bool MemoryStore::HasTradeId(VenueTradeId trade_id) const {
  const auto& ids = state_.recent_trade_ids;
  return std::binary_search(ids.begin(), ids.end(), trade_id);
}

}  // namespace holdfast
