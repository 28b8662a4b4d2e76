#pragma once

#include <cstdint>
#include <memory>

#include "connectors/api/venue_gateway.h"
#include "engine/base/assert.h"

namespace holdfast {

// One request about orders that was taken and not answered yet.
struct PendingRequest {
  enum class Kind : uint8_t { kPlace, kCancel, kCancelAll };
  enum class State : uint8_t {
    kFree,
    kWaiting,  // not sent: queued for a REST connection
    kSent,     // may be at the venue
    kHeld,     // a cancel-all that was answered and is repeated: see BinanceGatewayCore::CancelAll
    kAbandoned,  // answered as ambiguous; a late answer is still evidence
  };

  State state = State::kFree;
  Kind kind = Kind::kPlace;
  bool is_rest = false;
  uint64_t id = 0;
  PlaceRequest place;
  CancelRequest cancel;
  // Of a cancel-all:
  RequestId request_id;
  InstrumentId instrument;
  bool may_overtake = false;  // when it left, placements were under way on another connection
  int32_t row_count = 0;      // orders that it canceled so far
  int64_t deadline_ns = 0;    // monotonic
  int64_t submit_expiry_ns = 0;

  const ClientOrderId& client_order_id() const {
    return kind == Kind::kPlace ? place.client_order_id : cancel.client_order_id;
  }
};

// A fixed table of pending requests. The id of a request, as the venue returns it, holds the slot
// and how often the slot has been used: an answer to an earlier user of the slot finds nothing.
class PendingRequests {
 public:
  static constexpr int kSlotBits = 10;
  static constexpr size_t kCapacity = size_t{1} << kSlotBits;

  PendingRequests() : slots_(std::make_unique<PendingRequest[]>(kCapacity)) {}

  // A fresh request, or nullptr when the table is full of unanswered ones.
  PendingRequest* Add(PendingRequest::Kind kind) {
    for (size_t i = 0; i < kCapacity; ++i) {
      const size_t index = (next_ + i) & (kCapacity - 1);
      PendingRequest& slot = slots_[index];
      // What was given up long ago yields to what is new; a full turn of the table has passed.
      if (slot.state != PendingRequest::State::kFree &&
          slot.state != PendingRequest::State::kAbandoned) {
        continue;
      }
      next_ = index + 1;
      ++use_count_;
      slot = PendingRequest();
      slot.kind = kind;
      slot.id = (use_count_ << kSlotBits) | index;
      ++open_count_;
      if (kind == PendingRequest::Kind::kCancelAll) ++open_cancel_all_count_;
      return &slot;
    }
    return nullptr;
  }
  // nullptr: never given out, or finished and used again.
  PendingRequest* Find(uint64_t id) {
    PendingRequest& slot = slots_[id & (kCapacity - 1)];
    return slot.id == id && slot.state != PendingRequest::State::kFree ? &slot : nullptr;
  }
  // About to leave.
  void MarkSent(PendingRequest& slot) {
    HF_ASSERT(slot.state != PendingRequest::State::kSent);
    slot.state = PendingRequest::State::kSent;
    if (slot.kind == PendingRequest::Kind::kPlace) ++sent_placement_count_;
  }
  // Answered for good.
  void Finish(PendingRequest& slot) {
    ForgetSent(slot);
    if (slot.state != PendingRequest::State::kAbandoned) Close(slot);
    slot.state = PendingRequest::State::kFree;
  }
  // A cancel-all that has to be repeated later.
  void Hold(PendingRequest& slot) {
    HF_ASSERT(slot.kind == PendingRequest::Kind::kCancelAll);
    slot.state = PendingRequest::State::kHeld;
    slot.deadline_ns = 0;
  }
  // Answered as ambiguous; may still be found.
  void Abandon(PendingRequest& slot) {
    HF_ASSERT(slot.state == PendingRequest::State::kSent);
    ForgetSent(slot);
    Close(slot);
    slot.state = PendingRequest::State::kAbandoned;
  }
  // Unanswered ones.
  size_t open_count() const { return open_count_; }
  size_t open_cancel_all_count() const { return open_cancel_all_count_; }
  // Placements that were sent and not answered.
  int64_t sent_placement_count() const { return sent_placement_count_; }

  template <typename Visit>
  void ForEach(Visit visit) {
    for (size_t i = 0; i < kCapacity; ++i) {
      if (slots_[i].state != PendingRequest::State::kFree) visit(slots_[i]);
    }
  }

 private:
  void Close(const PendingRequest& slot) {
    --open_count_;
    if (slot.kind == PendingRequest::Kind::kCancelAll) --open_cancel_all_count_;
  }
  void ForgetSent(const PendingRequest& slot) {
    if (slot.state == PendingRequest::State::kSent && slot.kind == PendingRequest::Kind::kPlace) {
      --sent_placement_count_;
    }
  }

  const std::unique_ptr<PendingRequest[]> slots_;
  size_t next_ = 0;
  uint64_t use_count_ = 0;
  size_t open_count_ = 0;
  size_t open_cancel_all_count_ = 0;
  int64_t sent_placement_count_ = 0;
};

}  // namespace holdfast
