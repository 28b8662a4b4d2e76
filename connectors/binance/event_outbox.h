#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "connectors/api/venue_event.h"
#include "connectors/net/event_loop.h"
#include "engine/base/spsc_ring.h"
#include "engine/base/waker.h"

namespace holdfast {

// Carries venue events from the network thread to the engine loop without losing one. When the ring
// is full, events wait in a list on this side and the network thread must stop reading from the
// venue until the list is empty again; so the list holds at most what one message brought, plus
// the answers to requests in flight.
class EventOutbox {
 public:
  // `waker` may be null (the loop polls anyway).
  EventOutbox(size_t capacity, Waker* waker, EventLoop& loop)
      : ring_(capacity), waker_(waker), loop_(loop) {
    waiting_.reserve(1024);
  }

  // Network thread.
  void Emit(const VenueEvent& event) {
    if (waiting_.empty() && ring_.TryPush(event)) {
      has_new_ = true;
      return;
    }
    waiting_.push_back(event);
  }
  // Network thread, once a turn: moves what waits, wakes the engine loop. True = nothing waits.
  bool Flush() {
    if (!waiting_.empty()) {
      // Read-modify-write on both sides, before the attempt: when Take() makes room after we found
      // none, it sees the flag.
      is_backlogged_.exchange(true, std::memory_order_acq_rel);
      size_t moved = 0;
      while (moved < waiting_.size() && ring_.TryPush(waiting_[moved])) ++moved;
      if (moved > 0) {
        waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<ptrdiff_t>(moved));
        has_new_ = true;
      }
    }
    if (has_new_ && waker_ != nullptr) waker_->Notify();
    has_new_ = false;
    return waiting_.empty();
  }
  bool is_backlogged() const { return !waiting_.empty(); }

  // Engine loop. Hands over at most `max_events`; returns how many.
  template <typename Sink>
  int Take(Sink& sink, int max_events) {
    int count = 0;
    while (count < max_events) {
      const VenueEvent* event = ring_.Front();
      if (event == nullptr) break;
      sink.OnVenueEvent(*event);
      ring_.Pop();
      ++count;
    }
    if (count > 0 && is_backlogged_.exchange(false, std::memory_order_acq_rel)) loop_.Wake();
    return count;
  }

 private:
  SpscRing<VenueEvent> ring_;
  Waker* const waker_;
  EventLoop& loop_;
  std::vector<VenueEvent> waiting_;  // network thread
  bool has_new_ = false;             // network thread
  std::atomic<bool> is_backlogged_{false};
};

}  // namespace holdfast
