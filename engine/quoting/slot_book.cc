#include "engine/quoting/slot_book.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

// The part of `cost` that belongs to `part` of `whole`; all of it for the whole, so that nothing is
// left over when a slot closes.
Notional ShareOf(Notional cost, Quantity part, Quantity whole) {
  HF_ASSERT(whole.is_positive());
  const __int128 units = DivideRounded(static_cast<__int128>(cost.units()) * part.lots(),
                                       whole.lots(), Rounding::kNearest);
  return Notional::FromUnits(Decimal::Checked(units));
}

// Quote that an entry moved: paid including the fee for a buy, received less the fee for a sell.
Notional EntryCost(const Instrument& instrument, const Fill& fill) {
  const Notional value = instrument.NotionalOf(fill.price, fill.quantity);
  const Decimal fee = fill.fee_asset == instrument.quote_asset ? fill.fee : Decimal();
  return fill.side == Side::kBuy ? value + fee : value - fee;
}

Slot EmptySlot(SlotKey key) {
  Slot slot;
  slot.line = key.line;
  slot.entry_side = key.entry_side;
  return slot;
}

}  // namespace

SlotBook::SlotBook() : index_(kMaxSlots) {}

const Slot* SlotBook::Find(SlotKey key) const {
  const std::optional<uint32_t> position = index_.Find(IndexKey(key));
  return position ? &slots_[*position] : nullptr;
}

Slot* SlotBook::FindMutable(SlotKey key) {
  const std::optional<uint32_t> position = index_.Find(IndexKey(key));
  return position ? &slots_[*position] : nullptr;
}

Slot* SlotBook::FindOrAdd(SlotKey key) {
  if (Slot* slot = FindMutable(key)) return slot;
  if (slots_.full()) return nullptr;
  index_.Insert(IndexKey(key), static_cast<uint32_t>(slots_.size()));
  slots_.push_back(EmptySlot(key));
  return &slots_.back();
}

void SlotBook::RemoveIfIdle(Slot& slot) {
  if (slot.state != SlotState::kFree || slot.post_only_reject_count > 0) return;
  index_.Erase(IndexKey(slot));
  const size_t position = static_cast<size_t>(&slot - slots_.begin());
  if (position + 1 != slots_.size()) {
    slot = slots_.back();
    index_.Set(IndexKey(slot), static_cast<uint32_t>(position));
  }
  slots_.pop_back();
}

bool SlotBook::Apply(Slot& slot, SlotEvent event) {
  const std::optional<SlotState> next = NextSlotState(slot.state, event);
  if (!next) return false;
  filled_count_ +=
      (*next == SlotState::kFilled ? 1 : 0) - (slot.state == SlotState::kFilled ? 1 : 0);
  slot.state = *next;
  return true;
}

void SlotBook::Restore(const Slot& stored) {
  if (!stored.held.is_positive()) return;
  const SlotKey key{.line = stored.line, .entry_side = stored.entry_side};
  Slot* slot = FindOrAdd(key);
  if (slot == nullptr || slot->state == SlotState::kFilled) return;
  *slot = stored;
  slot->state = SlotState::kFilled;
  ++filled_count_;
}

bool SlotBook::OnEntryPlaced(SlotKey key, Price price) {
  Slot* slot = FindOrAdd(key);
  if (slot == nullptr) return false;
  // The entry price of a position stays what it was entered at.
  if (slot->state != SlotState::kFilled) slot->entry_price = price;
  return Apply(*slot, SlotEvent::kPlaceEntry);
}

bool SlotBook::OnEntryAccepted(SlotKey key) {
  Slot* slot = FindMutable(key);
  if (slot == nullptr) return false;
  slot->post_only_reject_count = 0;
  return slot->state == SlotState::kLocked || Apply(*slot, SlotEvent::kEntryAccepted);
}

bool SlotBook::OnEntryEnded(SlotKey key) {
  Slot* slot = FindMutable(key);
  if (slot == nullptr) return false;
  if (!Apply(*slot, SlotEvent::kEntryEnded)) return false;
  RemoveIfIdle(*slot);
  return true;
}

SlotBook::FillResult SlotBook::OnFill(SlotKey key, const Instrument& instrument, const Fill& fill) {
  FillResult result;
  Slot* slot = key.is_exit ? FindMutable(key) : FindOrAdd(key);
  if (slot == nullptr) {
    result.slot = EmptySlot(key);
    result.is_legal = false;
    result.unallocated = fill.quantity;
    return result;
  }
  if (!key.is_exit) {
    slot->held += fill.quantity;
    slot->held_cost += EntryCost(instrument, fill);
    if (slot->entry_price.ticks() == 0) slot->entry_price = fill.price;
    result.is_legal = Apply(*slot, SlotEvent::kEntryFilled);
    result.slot = *slot;
    return result;
  }
  const Quantity closed = std::min(fill.quantity, slot->held);
  result.unallocated = fill.quantity - closed;
  result.is_legal = result.unallocated.is_zero();
  if (closed.is_positive()) {
    slot->held_cost -= ShareOf(slot->held_cost, closed, slot->held);
    slot->held -= closed;
    if (slot->held.is_zero()) {
      result.is_closed = Apply(*slot, SlotEvent::kPositionClosed);
      HF_ASSERT(result.is_closed);
    }
  }
  result.slot = *slot;
  RemoveIfIdle(*slot);
  return result;
}

void SlotBook::CountPostOnlyReject(SlotKey key) {
  if (Slot* slot = FindOrAdd(key)) ++slot->post_only_reject_count;
}

void SlotBook::ClearPostOnlyRejects(SlotKey key) {
  Slot* slot = FindMutable(key);
  if (slot == nullptr) return;
  slot->post_only_reject_count = 0;
  RemoveIfIdle(*slot);
}

void SlotBook::CheckInvariants() const {
  HF_ASSERT(index_.size() == slots_.size());
  int filled = 0;
  for (const Slot& slot : slots_) {
    HF_ASSERT(!slot.held.is_negative());
    HF_ASSERT((slot.state == SlotState::kFilled) == slot.held.is_positive());
    HF_ASSERT(Find({.line = slot.line, .entry_side = slot.entry_side}) == &slot);
    const bool is_kept_for_a_reason =
        slot.state != SlotState::kFree || slot.post_only_reject_count > 0;
    HF_ASSERT(is_kept_for_a_reason);
    filled += slot.state == SlotState::kFilled ? 1 : 0;
  }
  HF_ASSERT(filled == filled_count_);
}

}  // namespace holdfast
