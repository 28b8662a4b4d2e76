#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/base/decimal.h"
#include "engine/market/price.h"
#include "engine/market/side.h"

namespace holdfast {

// Names the place an order belongs to, stable over restarts: a line of the grid (or a level of the
// ladder), the side its entry has, and whether the order opens or closes the slot's position.
struct SlotKey {
  // Grid: the line's own price in ticks, so that a slot means the same after the interval or the
  // anchor has changed, and two slots never share a name. Layered: level 1..N.
  int32_t line = 0;
  Side entry_side = Side::kBuy;
  bool is_exit = false;

  constexpr int64_t Packed() const {
    return static_cast<int64_t>(line) * 4 + (entry_side == Side::kSell ? 2 : 0) + (is_exit ? 1 : 0);
  }
  static constexpr SlotKey Unpack(int64_t packed) {
    const int64_t low = packed & 3;
    return {.line = static_cast<int32_t>((packed - low) / 4),
            .entry_side = (low & 2) != 0 ? Side::kSell : Side::kBuy,
            .is_exit = (low & 1) != 0};
  }
  friend constexpr bool operator==(const SlotKey&, const SlotKey&) = default;
};

// G9. A slot is one line on one entry side.
enum class SlotState : uint8_t {
  kFree,     // no order, no position
  kPending,  // an entry was decided and is on its way (journaled, in flight, unknown)
  kLocked,   // an entry rests at the venue
  kFilled,   // holds a position; its exit order is wanted
};

enum class SlotEvent : uint8_t {
  kPlaceEntry,  // entry intent emitted
  kEntryAccepted,
  kEntryEnded,      // rejected, canceled, expired, denied with nothing filled
  kEntryFilled,     // the first fill of the entry, whole or part
  kPositionClosed,  // the exit brought the slot's position to zero
};

struct SlotTransition {
  SlotState from;
  SlotEvent event;
  SlotState to;
};

inline constexpr auto kSlotTransitions = std::to_array<SlotTransition>({
    {SlotState::kFree, SlotEvent::kPlaceEntry, SlotState::kPending},
    {SlotState::kFree, SlotEvent::kEntryFilled, SlotState::kFilled},  // late fill of an ended entry
    {SlotState::kPending, SlotEvent::kEntryAccepted, SlotState::kLocked},
    {SlotState::kPending, SlotEvent::kEntryEnded, SlotState::kFree},
    {SlotState::kPending, SlotEvent::kEntryFilled, SlotState::kFilled},
    {SlotState::kLocked, SlotEvent::kEntryEnded, SlotState::kFree},
    {SlotState::kLocked, SlotEvent::kEntryFilled, SlotState::kFilled},
    {SlotState::kFilled, SlotEvent::kEntryAccepted, SlotState::kFilled},  // ack behind the fill
    {SlotState::kFilled, SlotEvent::kPlaceEntry,
     SlotState::kFilled},  // missing part of a partial fill
    {SlotState::kFilled, SlotEvent::kEntryEnded, SlotState::kFilled},
    {SlotState::kFilled, SlotEvent::kEntryFilled, SlotState::kFilled},
    {SlotState::kFilled, SlotEvent::kPositionClosed, SlotState::kFree},
});

constexpr std::optional<SlotState> NextSlotState(SlotState from, SlotEvent event) {
  for (const SlotTransition& row : kSlotTransitions) {
    if (row.from == from && row.event == event) return row.to;
  }
  return std::nullopt;
}

// What the engine knows of one slot. Quantities are magnitudes; `entry_side` gives the direction.
// INVARIANT: state is kFilled exactly when held is positive.
struct Slot {
  int32_t line = 0;
  Side entry_side = Side::kBuy;
  SlotState state = SlotState::kFree;
  Price entry_price;   // where the entry was (or is to be) placed
  Quantity held;       // entry fills less their base commission, minus exit fills: whole lots
  Notional held_cost;  // quote paid (or received) for `held`, entry fees in quote included
  // Post-only rejects in a row; the strategy backs off a tick per reject, bounded (G9).
  int32_t post_only_reject_count = 0;
};

// What belongs to no slot: parts of a lot that a commission in the base asset left over, and
// holdings too small to be sold by themselves. They join the next entry, so that nothing is lost
// and no slot waits for an exit that cannot be placed. Positive: base held; negative: base owed
// (shorts). `cost` has the sign of `base`.
struct SlotRest {
  Decimal base;
  Notional cost;
  friend bool operator==(const SlotRest&, const SlotRest&) = default;
};

std::string_view ToText(SlotState state);
std::string_view ToText(SlotEvent event);

}  // namespace holdfast
