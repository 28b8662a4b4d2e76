// Proves that the slot life cycle is exactly its table, that slot keys survive packing, and that
// docs/slot_states.md shows the table.

#include "strategy/slot.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <string_view>

#include "engine/base/prng.h"
#include "generated_document.h"

namespace holdfast {
namespace {

constexpr int kStateCount = 4;
constexpr int kEventCount = 5;

struct IllegalPair {
  SlotState state;
  SlotEvent event;
  std::string_view reason;
};

constexpr IllegalPair kIllegalPairs[] = {
    {SlotState::kFree, SlotEvent::kEntryAccepted, "no entry is on its way"},
    {SlotState::kFree, SlotEvent::kEntryEnded, "no entry is on its way"},
    {SlotState::kFree, SlotEvent::kPositionClosed, "nothing is held"},
    {SlotState::kPending, SlotEvent::kPlaceEntry, "one entry at a time"},
    {SlotState::kPending, SlotEvent::kPositionClosed, "nothing is held"},
    {SlotState::kLocked, SlotEvent::kPlaceEntry, "one entry at a time"},
    {SlotState::kLocked, SlotEvent::kEntryAccepted, "an entry is accepted once"},
    {SlotState::kLocked, SlotEvent::kPositionClosed, "nothing is held"},
};

std::string ExpectedDocument() {
  std::string text =
      "# Life of a slot\n\n"
      "Generated from `strategy/slot.h`; a test compares. A slot is one line on one entry side:\n"
      "`free` has neither order nor position, `pending` an entry on its way, `locked` an entry "
      "that\n"
      "rests at the venue, `filled` a position whose exit is wanted.\n\n";
  text += testing::DiagramOf(kSlotTransitions);
  text += "\nIllegal, each for a reason:\n\n| state | event | reason |\n|---|---|---|\n";
  for (const IllegalPair& pair : kIllegalPairs) {
    text += "| " + std::string(ToText(pair.state)) + " | " + std::string(ToText(pair.event)) +
            " | " + std::string(pair.reason) + " |\n";
  }
  return text;
}

}  // namespace

TEST_CASE("slot: every pair is a row or is illegal for a reason", "[strategy][slot]") {
  std::set<std::pair<SlotState, SlotEvent>> seen;
  for (const SlotTransition& row : kSlotTransitions) {
    CHECK(seen.emplace(row.from, row.event).second);
    CHECK(NextSlotState(row.from, row.event) == row.to);
  }
  for (const IllegalPair& pair : kIllegalPairs) {
    INFO("state " << ToText(pair.state) << " event " << ToText(pair.event));
    CHECK(seen.emplace(pair.state, pair.event).second);
    CHECK_FALSE(NextSlotState(pair.state, pair.event).has_value());
  }
  CHECK(seen.size() == kStateCount * kEventCount);
}

TEST_CASE("slot: an entry that fills late still makes a position", "[strategy][slot]") {
  SlotState state = SlotState::kFree;
  for (const SlotEvent event :
       {SlotEvent::kPlaceEntry, SlotEvent::kEntryAccepted, SlotEvent::kEntryEnded}) {
    state = NextSlotState(state, event).value();
  }
  CHECK(state == SlotState::kFree);
  state = NextSlotState(state, SlotEvent::kEntryFilled).value();
  CHECK(state == SlotState::kFilled);
  state = NextSlotState(state, SlotEvent::kPlaceEntry).value();  // the missing part
  CHECK(state == SlotState::kFilled);
  state = NextSlotState(state, SlotEvent::kPositionClosed).value();
  CHECK(state == SlotState::kFree);
}

TEST_CASE("slot: a key survives packing into 34 bits", "[strategy][slot]") {
  const uint64_t seed = 34;
  INFO("seed " << seed);
  Prng prng(seed);
  std::set<int64_t> packed;
  const auto check = [&](int32_t line) {
    for (const Side side : {Side::kBuy, Side::kSell}) {
      for (const bool is_exit : {false, true}) {
        const SlotKey key = {.line = line, .entry_side = side, .is_exit = is_exit};
        REQUIRE(SlotKey::Unpack(key.Packed()) == key);
        REQUIRE(key.Packed() >= -(int64_t{1} << 33));
        REQUIRE(key.Packed() < (int64_t{1} << 33));
        packed.insert(key.Packed());
      }
    }
  };
  for (const int32_t line : {INT32_MIN, -1, 0, 1, INT32_MAX}) check(line);
  CHECK(packed.size() == 20);
  for (int i = 0; i < 1000; ++i) {
    check(static_cast<int32_t>(prng.Between(INT32_MIN, INT32_MAX)));
  }
}

TEST_CASE("slot: docs/slot_states.md shows the table", "[strategy][slot][docs]") {
  const std::string expected = ExpectedDocument();
  INFO(testing::HowToRegenerate("slot_states.md", "strategy_test"));
  CHECK(testing::DocumentToCompare("slot_states.md", expected) == expected);
}

}  // namespace holdfast
