#include "strategy/strategy.h"

namespace holdfast {

Strategy::~Strategy() = default;

std::string_view ToText(SlotState state) {
  switch (state) {
    case SlotState::kFree:
      return "free";
    case SlotState::kPending:
      return "pending";
    case SlotState::kLocked:
      return "locked";
    case SlotState::kFilled:
      return "filled";
  }
  return "invalid";
}

std::string_view ToText(SlotEvent event) {
  switch (event) {
    case SlotEvent::kPlaceEntry:
      return "place_entry";
    case SlotEvent::kEntryAccepted:
      return "entry_accepted";
    case SlotEvent::kEntryEnded:
      return "entry_ended";
    case SlotEvent::kEntryFilled:
      return "entry_filled";
    case SlotEvent::kPositionClosed:
      return "position_closed";
  }
  return "invalid";
}

}  // namespace holdfast
