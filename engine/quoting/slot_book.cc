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

// The same for a part given in base units.
Notional ShareOf(Notional cost, Decimal part, Decimal whole) {
  if (part == whole) return cost;
  HF_ASSERT(whole.is_positive());
  return Notional::FromUnits(Decimal::Checked(DivideRounded(
      static_cast<__int128>(cost.units()) * part.units(), whole.units(), Rounding::kNearest)));
}

Decimal BaseFee(const Instrument& instrument, const Fill& fill) {
  return fill.fee_asset == instrument.base_asset ? fill.fee : Decimal();
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
  const Decimal base_fee = BaseFee(instrument, fill);
  if (!key.is_exit) {
    const int64_t sign = Sign(key.entry_side);
    AddToRest(instrument.ToDecimal(fill.quantity) * sign - base_fee,
              EntryCost(instrument, fill) * sign);
    TakeFromRest(*slot, instrument);
    if (slot->entry_price.ticks() == 0) slot->entry_price = fill.price;
    // Not a whole lot after commissions: the slot holds nothing yet.
    if (slot->held.is_positive()) result.is_legal = Apply(*slot, SlotEvent::kEntryFilled);
    result.slot = *slot;
    RemoveIfIdle(*slot);
    return result;
  }
  if (!base_fee.is_zero()) {
    AddToRest(-base_fee, -Multiply(instrument.ToDecimal(fill.price), base_fee, Rounding::kNearest));
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

// Of opposite signs, the smaller one closes a part of the larger, each at its own average cost.
void SlotBook::AddToRest(Decimal base, Notional cost) {
  const bool is_opposite =
      !base.is_zero() && !rest_.base.is_zero() && base.is_positive() != rest_.base.is_positive();
  if (!is_opposite) {
    rest_.base += base;
    rest_.cost += cost;
    return;
  }
  const Decimal added = base.Absolute();
  const Decimal there = rest_.base.Absolute();
  const Decimal closed = std::min(added, there);
  rest_.cost = ShareOf(rest_.cost, there - closed, there) + ShareOf(cost, added - closed, added);
  rest_.base += base;
}

void SlotBook::TakeFromRest(Slot& slot, const Instrument& instrument) {
  const bool is_long = slot.entry_side == Side::kBuy;
  if (rest_.base.is_zero() || rest_.base.is_positive() != is_long) return;
  const Decimal there = rest_.base.Absolute();
  const Quantity lots = instrument.RoundQuantity(there, Rounding::kDown);
  if (!lots.is_positive()) return;
  const Decimal taken = instrument.ToDecimal(lots);
  const Notional cost = ShareOf(rest_.cost, taken, there);
  slot.held += lots;
  slot.held_cost += cost * Sign(slot.entry_side);
  rest_.base -= taken * Sign(slot.entry_side);
  rest_.cost -= cost;
}

void SlotBook::MoveToRest(Slot& slot, Quantity lots, const Instrument& instrument) {
  const Notional cost = ShareOf(slot.held_cost, lots, slot.held);
  slot.held -= lots;
  slot.held_cost -= cost;
  AddToRest(instrument.ToDecimal(lots) * Sign(slot.entry_side), cost * Sign(slot.entry_side));
  if (!slot.held.is_zero()) return;
  const bool is_closed = Apply(slot, SlotEvent::kPositionClosed);
  HF_ASSERT(is_closed);
}

bool SlotBook::CoverRest(SlotKey key, const Instrument& instrument) {
  Slot* slot = FindMutable(key);
  if (slot == nullptr || !slot->held.is_positive() || rest_.base.is_zero()) return false;
  if (rest_.base.is_positive() == (slot->entry_side == Side::kBuy)) return false;
  const Quantity lots = instrument.RoundQuantity(rest_.base.Absolute(), Rounding::kUp);
  // A short covers what is whole only: nothing that is held in excess has to be sold.
  const Quantity whole = instrument.RoundQuantity(rest_.base.Absolute(), Rounding::kDown);
  const Quantity moved = std::min(slot->entry_side == Side::kBuy ? lots : whole, slot->held);
  if (!moved.is_positive()) return false;
  MoveToRest(*slot, moved, instrument);
  RemoveIfIdle(*slot);
  return true;
}

bool SlotBook::ReleaseToRest(SlotKey key, const Instrument& instrument) {
  Slot* slot = FindMutable(key);
  if (slot == nullptr || !slot->held.is_positive()) return false;
  MoveToRest(*slot, slot->held, instrument);
  RemoveIfIdle(*slot);
  return true;
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
