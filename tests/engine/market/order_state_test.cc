// Proves that the order life cycle is exactly its table: every pair of state and event is a row or
// a named illegal pair, the stories an order can live end where they should, and
// docs/order_states.md shows the same table.

#include "engine/market/order_state.h"

#include <array>
#include <catch2/catch.hpp>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "generated_document.h"

namespace holdfast {
namespace {

OrderState StateAt(int index) { return static_cast<OrderState>(index); }
OrderEvent EventAt(int index) { return static_cast<OrderEvent>(index); }

struct IllegalPairs {
  OrderState state;
  std::vector<OrderEvent> events;
  std::string_view reason;
};

using enum OrderEvent;

const std::vector<OrderEvent> kOurOwn = {kDeny, kJournal, kSubmit};
const std::vector<OrderEvent> kFromTheVenue = {kAccept, kReject,       kPartialFill, kFill,
                                               kCancel, kRejectCancel, kExpire,      kProveAbsent};

const std::vector<IllegalPairs>& AllIllegalPairs() {
  static const std::vector<IllegalPairs> pairs = {
      {OrderState::kInitialized, {kSubmit}, "the journal comes before the wire"},
      {OrderState::kInitialized, kFromTheVenue, "nothing was sent: the venue cannot know it"},
      {OrderState::kInitialized, {kLoseTrack}, "nothing was sent: there is no answer to lose"},
      {OrderState::kInitialized, {kRequestCancel}, "what was not sent is denied, not canceled"},

      {OrderState::kDenied, kOurOwn, "denied is final"},
      {OrderState::kDenied, kFromTheVenue, "it never left the process"},
      {OrderState::kDenied, {kLoseTrack, kRequestCancel}, "it never left the process"},

      {OrderState::kJournaled, {kJournal}, "one id, one order: an intent is journaled once"},
      {OrderState::kJournaled, kFromTheVenue, "not sent; after a restart it is unknown first"},
      {OrderState::kJournaled, {kRequestCancel}, "what was not sent is denied, not canceled"},

      {OrderState::kInFlight, kOurOwn, "already sent, and never sent twice"},
      {OrderState::kInFlight, {kRejectCancel}, "no cancel was requested"},

      {OrderState::kUnknown, kOurOwn, "already sent, and never sent twice"},

      {OrderState::kWorking, kOurOwn, "already sent, and never sent twice"},
      {OrderState::kWorking, {kReject, kProveAbsent}, "the venue has shown that it accepted it"},

      {OrderState::kPartiallyFilled, kOurOwn, "already sent, and never sent twice"},
      {OrderState::kPartiallyFilled, {kReject, kProveAbsent}, "it has traded, so it was accepted"},

      {OrderState::kPendingCancel, kOurOwn, "already sent, and never sent twice"},

      {OrderState::kCanceled, kOurOwn, "it has ended"},
      {OrderState::kCanceled, {kReject, kProveAbsent}, "it was canceled, so it was accepted"},
      {OrderState::kCanceled, {kRequestCancel, kRejectCancel}, "nothing is left to cancel"},
      {OrderState::kCanceled, {kExpire}, "two different endings"},

      {OrderState::kRejected, kOurOwn, "it has ended; a new try is a new order"},
      {OrderState::kRejected, kFromTheVenue, "the venue said that it does not exist"},
      {OrderState::kRejected, {kLoseTrack}, "the answer has been given"},
      {OrderState::kRejected, {kRequestCancel}, "nothing is left to cancel"},

      {OrderState::kExpired, kOurOwn, "it has ended"},
      {OrderState::kExpired, {kAccept}, "absence was proven: a wrong proof must be seen"},
      {OrderState::kExpired, {kReject, kProveAbsent}, "the ending is decided once"},
      {OrderState::kExpired, {kCancel}, "two different endings"},
      {OrderState::kExpired, {kRequestCancel, kRejectCancel}, "nothing is left to cancel"},

      {OrderState::kFilled, kOurOwn, "it has ended"},
      {OrderState::kFilled, {kPartialFill, kFill}, "more filled than ordered"},
      {OrderState::kFilled, {kReject, kProveAbsent}, "it has traded, so it was accepted"},
      {OrderState::kFilled, {kCancel, kExpire}, "nothing was left that could end so"},
      {OrderState::kFilled, {kRequestCancel, kRejectCancel}, "nothing is left to cancel"},
  };
  return pairs;
}

std::string ReasonAgainst(OrderState state, OrderEvent event) {
  for (const IllegalPairs& pairs : AllIllegalPairs()) {
    if (pairs.state != state) continue;
    for (const OrderEvent illegal : pairs.events) {
      if (illegal == event) return std::string(pairs.reason);
    }
  }
  return "";
}

std::optional<OrderEvent> EventFromText(std::string_view text) {
  for (int i = 0; i < kOrderEventCount; ++i) {
    if (ToText(EventAt(i)) == text) return EventAt(i);
  }
  return std::nullopt;
}

// Lines of "event state"; the order starts as kInitialized. "illegal" leaves the state as it is.
void CheckOrder(const std::string& story) {
  OrderState state = OrderState::kInitialized;
  std::istringstream lines(story);
  std::string event_text;
  std::string state_text;
  while (lines >> event_text >> state_text) {
    INFO("in state " << ToText(state) << " event " << event_text);
    const std::optional<OrderEvent> event = EventFromText(event_text);
    REQUIRE(event.has_value());
    const std::optional<OrderState> next = NextState(state, *event);
    REQUIRE((next.has_value() ? ToText(*next) : "illegal") == state_text);
    if (next.has_value()) state = *next;
  }
}

std::string ExpectedDocument() {
  std::string text =
      "# Life of an order\n\n"
      "Generated from `engine/market/order_state.h`; a test compares. `unknown` is a state: the\n"
      "request was sent and its answer is missing; the order counts as working at full size until\n"
      "evidence decides. A fill wins every race. Pairs that are not listed are illegal: they are\n"
      "recorded, and what they say about fills is booked all the same.\n\n";
  text += testing::DiagramOf(kOrderTransitions);
  text += "\nFinal states: ";
  std::string separator;
  for (int i = 0; i < kOrderStateCount; ++i) {
    if (!IsFinal(StateAt(i))) continue;
    text += separator + std::string(ToText(StateAt(i)));
    separator = ", ";
  }
  return text + ".\n";
}

}  // namespace

TEST_CASE("order state: every pair is a row or is illegal for a reason", "[market][order]") {
  for (int s = 0; s < kOrderStateCount; ++s) {
    for (int e = 0; e < kOrderEventCount; ++e) {
      const bool is_legal = NextState(StateAt(s), EventAt(e)).has_value();
      const std::string reason = ReasonAgainst(StateAt(s), EventAt(e));
      INFO("state " << ToText(StateAt(s)) << " event " << ToText(EventAt(e)));
      CHECK(is_legal == reason.empty());
    }
  }
}

TEST_CASE("order state: no pair has two rows, and no illegal pair two reasons", "[market][order]") {
  std::set<std::pair<OrderState, OrderEvent>> seen;
  for (const OrderTransition& row : kOrderTransitions) {
    INFO("state " << ToText(row.from) << " event " << ToText(row.event));
    CHECK(seen.emplace(row.from, row.event).second);
  }
  for (const IllegalPairs& pairs : AllIllegalPairs()) {
    for (const OrderEvent event : pairs.events) {
      INFO("state " << ToText(pairs.state) << " event " << ToText(event));
      CHECK(seen.emplace(pairs.state, event).second);
    }
  }
  CHECK(seen.size() == kOrderStateCount * kOrderEventCount);
}

TEST_CASE("order: a fill that races a cancel wins", "[market][order]") {
  CheckOrder(R"(
    journal         journaled
    submit          in_flight
    accept          working
    request_cancel  pending_cancel
    fill            filled
    cancel          illegal
  )");
}

TEST_CASE("order: a fill that arrives before the acknowledgement wins", "[market][order]") {
  CheckOrder(R"(
    journal       journaled
    submit        in_flight
    partial_fill  partially_filled
    accept        partially_filled
    fill          filled
    accept        filled
  )");
}

TEST_CASE("order: a lost answer is unknown until evidence decides", "[market][order]") {
  CheckOrder(R"(
    journal         journaled
    submit          in_flight
    lose_track      unknown
    submit          illegal
    request_cancel  unknown
    reject_cancel   unknown
    accept          working
  )");
  CheckOrder(R"(
    journal         journaled
    submit          in_flight
    lose_track      unknown
    prove_absent    expired
    accept          illegal
    fill            filled
  )");
}

TEST_CASE("order: found journaled after a restart it is unknown, never sent again",
          "[market][order]") {
  CheckOrder(R"(
    journal       journaled
    lose_track    unknown
    submit        illegal
    partial_fill  partially_filled
  )");
}

TEST_CASE("order: what the stream told first, a lost reply does not undo", "[market][order]") {
  CheckOrder(R"(
    journal     journaled
    submit      in_flight
    accept      working
    lose_track  working
    cancel      canceled
    lose_track  canceled
    accept      canceled
    cancel      canceled
  )");
}

TEST_CASE("order: fills that trail the end of an order are still booked", "[market][order]") {
  CheckOrder(R"(
    journal         journaled
    submit          in_flight
    accept          working
    partial_fill    partially_filled
    request_cancel  pending_cancel
    cancel          canceled
    partial_fill    canceled
    fill            filled
    fill            illegal
  )");
}

TEST_CASE("order: a denied order never meets the venue", "[market][order]") {
  CheckOrder(R"(
    submit   illegal
    deny     denied
    journal  illegal
    accept   illegal
  )");
  CheckOrder(R"(
    journal  journaled
    deny     denied
    submit   illegal
  )");
}

TEST_CASE("order: a refused cancel leaves it resting, a lost one makes it unknown",
          "[market][order]") {
  CheckOrder(R"(
    journal         journaled
    submit          in_flight
    accept          working
    request_cancel  pending_cancel
    reject_cancel   working
    reject_cancel   working
    request_cancel  pending_cancel
    lose_track      unknown
    cancel          canceled
  )");
}

TEST_CASE("order state: final states are left only by fills, and exposure ends with them",
          "[market][order]") {
  for (int s = 0; s < kOrderStateCount; ++s) {
    const OrderState state = StateAt(s);
    INFO("state " << ToText(state));
    CHECK(MayBeLive(state) == (!IsFinal(state) && state != OrderState::kInitialized));
    if (!IsFinal(state)) continue;
    for (int e = 0; e < kOrderEventCount; ++e) {
      const std::optional<OrderState> next = NextState(state, EventAt(e));
      if (!next.has_value() || *next == state) continue;
      INFO("event " << ToText(EventAt(e)));
      CHECK(EventAt(e) == OrderEvent::kFill);
      CHECK(*next == OrderState::kFilled);
    }
  }
}

TEST_CASE("order state: every state is reached and every state that is not final can end",
          "[market][order]") {
  std::array<bool, kOrderStateCount> is_reached = {};
  is_reached[static_cast<int>(OrderState::kInitialized)] = true;
  std::array<bool, kOrderStateCount> can_end = {};
  for (int s = 0; s < kOrderStateCount; ++s) can_end[s] = IsFinal(StateAt(s));
  for (int round = 0; round < kOrderStateCount; ++round) {
    for (const OrderTransition& row : kOrderTransitions) {
      if (is_reached[static_cast<int>(row.from)]) is_reached[static_cast<int>(row.to)] = true;
      if (can_end[static_cast<int>(row.to)]) can_end[static_cast<int>(row.from)] = true;
    }
  }
  for (int s = 0; s < kOrderStateCount; ++s) {
    INFO("state " << ToText(StateAt(s)));
    CHECK(is_reached[s]);
    CHECK(can_end[s]);
  }
}

TEST_CASE("order state: texts are unique, and parse back", "[market][order]") {
  std::set<std::string_view> texts;
  for (int s = 0; s < kOrderStateCount; ++s) {
    CHECK(texts.insert(ToText(StateAt(s))).second);
    CHECK(OrderStateFromText(ToText(StateAt(s))) == StateAt(s));
  }
  texts.clear();
  for (int e = 0; e < kOrderEventCount; ++e) CHECK(texts.insert(ToText(EventAt(e))).second);
  for (const std::string_view text : {"", "Working", "working ", "invalid", "WORKING"}) {
    CHECK_FALSE(OrderStateFromText(text).has_value());
  }
}

TEST_CASE("order state: docs/order_states.md shows the table", "[market][order][docs]") {
  const std::string expected = ExpectedDocument();
  INFO(testing::HowToRegenerate("order_states.md", "engine_market_test"));
  CHECK(testing::DocumentToCompare("order_states.md", expected) == expected);
}

}  // namespace holdfast
