#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "engine/base/static_vector.h"
#include "engine/market/fill.h"
#include "engine/market/instrument.h"
#include "engine/quoting/fixed_index.h"
#include "strategy/slot.h"
#include "strategy/target_state.h"

namespace holdfast {

// The engine's side of the slots (G9): their states by kSlotTransitions, the position each holds
// and what it cost. Fills reach their slot by the key in the client order id.
//
// A commission in the base asset makes an entry bring less than it filled (or a short owe more).
// What is there is counted in exact base units and given to slots in whole lots; what is left over
// is the rest, which the next entry takes up with its share of the cost. INVARIANT, exact: held of
// long slots - held of short slots + rest == sum of own fills - base commissions, while no exit
// filled more than its slot held.
//
// A free slot is kept only while it counts post-only rejects in a row, so that the strategy can see
// them; everything else that is free leaves memory. Bounded by kMaxSlots. One thread.
class SlotBook {
 public:
  SlotBook();

  // Those that are not free, and free ones with rejects in a row.
  std::span<const Slot> slots() const { return slots_.span(); }
  const Slot* Find(SlotKey key) const;
  bool HasRoomFor(SlotKey key) const { return Find(key) != nullptr || !slots_.full(); }

  // Back from the store; only what it holds counts, orders bring their own events.
  void Restore(const Slot& slot);
  void RestoreRest(const SlotRest& rest) { rest_ = rest; }

  const SlotRest& rest() const { return rest_; }

  // False when the transition table does not allow it (nothing changed).
  [[nodiscard]] bool OnEntryPlaced(SlotKey key, Price price);
  [[nodiscard]] bool OnEntryAccepted(SlotKey key);
  [[nodiscard]] bool OnEntryEnded(SlotKey key);

  // Books a fill of the slot's entry or exit order. An exit that fills more than the slot holds
  // closes it; the excess is returned (and belongs to no slot).
  struct FillResult {
    bool is_legal = true;
    bool is_closed = false;  // the slot's position came to zero
    Quantity unallocated;
    Slot slot;  // after the fill
  };
  FillResult OnFill(SlotKey key, const Instrument& instrument, const Fill& fill);

  // Takes whole lots off a slot where the rest is of the other sign: that part of the slot is not
  // there. True when the slot changed. REQUIRES: the slot has no live order.
  bool CoverRest(SlotKey key, const Instrument& instrument);
  // What the slot holds is too little to be sold: it joins the rest and the slot is free. False
  // when it holds nothing. REQUIRES: the slot has no live order.
  bool ReleaseToRest(SlotKey key, const Instrument& instrument);

  void CountPostOnlyReject(SlotKey key);
  void ClearPostOnlyRejects(SlotKey key);

  int filled_count() const { return filled_count_; }
  void CheckInvariants() const;

 private:
  static uint64_t IndexKey(SlotKey key) { return static_cast<uint64_t>(key.Packed() >> 1); }
  static uint64_t IndexKey(const Slot& slot) {
    return IndexKey(SlotKey{.line = slot.line, .entry_side = slot.entry_side});
  }
  Slot* FindMutable(SlotKey key);
  Slot* FindOrAdd(SlotKey key);
  bool Apply(Slot& slot, SlotEvent event);
  void RemoveIfIdle(Slot& slot);
  void AddToRest(Decimal base, Notional cost);
  void TakeFromRest(Slot& slot, const Instrument& instrument);
  void MoveToRest(Slot& slot, Quantity lots, const Instrument& instrument);

  StaticVector<Slot, kMaxSlots> slots_;
  FixedIndex index_;
  int filled_count_ = 0;
  SlotRest rest_;
};

}  // namespace holdfast
