#pragma once

#include <deque>
#include <string>
#include <vector>

#include "connectors/api/venue_gateway.h"

namespace holdfast::testing {

// A venue that writes down what it is asked and answers what it is told. One thread.
class FakeGateway final : public VenueGateway {
 public:
  FakeGateway() { placed.reserve(100'000); }

  absl::Status Start() override {
    is_started = true;
    return absl::OkStatus();
  }
  void Stop() override { is_stopped = true; }
  GatewayCapabilities capabilities() const override { return {.submit_window_ns = 77}; }
  RateBudget rate_budget() const override { return {.order_count_limit = 88}; }
  bool is_order_entry_up() const override { return true; }
  bool is_private_stream_up() const override { return false; }

  absl::Status Place(const PlaceRequest& request) override {
    if (answer.ok()) placed.push_back(request);
    return answer;
  }
  absl::Status Cancel(const CancelRequest& request) override {
    canceled.push_back(request);
    return answer;
  }
  absl::Status Amend(const AmendRequest&) override { return absl::UnimplementedError(""); }
  absl::Status CancelAll(RequestId id, InstrumentId) override { return Query("cancel_all", id); }
  absl::Status QueryOrder(RequestId id, InstrumentId, const ClientOrderId&) override {
    return Query("order", id);
  }
  absl::Status QueryOpenOrders(RequestId id, InstrumentId) override {
    return Query("open_orders", id);
  }
  absl::Status QueryFills(RequestId id, InstrumentId, VenueTradeId, int64_t) override {
    return Query("fills", id);
  }
  absl::Status QueryBalances(RequestId id) override { return Query("balances", id); }
  absl::Status QueryAccount(RequestId id) override { return Query("account", id); }
  absl::Status QueryInstrument(RequestId id, InstrumentId) override {
    return Query("instrument", id);
  }
  absl::Status QueryServerTime(RequestId id) override { return Query("server_time", id); }

  int Poll(VenueEventSink& sink, int max_events) override {
    int count = 0;
    for (; count < max_events && !events.empty(); ++count) {
      sink.OnVenueEvent(events.front());
      events.pop_front();
    }
    return count;
  }

  bool is_started = false;
  bool is_stopped = false;
  absl::Status answer;  // of every order request
  std::vector<PlaceRequest> placed;
  std::vector<CancelRequest> canceled;
  std::vector<std::string> queries;  // "kind id"
  std::deque<VenueEvent> events;

 private:
  absl::Status Query(const char* kind, RequestId id) {
    queries.push_back(std::string(kind) + " " + std::to_string(id.value()));
    return absl::OkStatus();
  }
};

}  // namespace holdfast::testing
