#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/btree_map.h"
#include "connectors/api/venue_gateway.h"
#include "connectors/sim/fault_injector.h"
#include "connectors/sim/venue.h"
#include "engine/base/clock.h"

namespace holdfast {

struct SimGatewayConfig {
  int64_t connect_delay_ns = 0;
  int64_t request_delay_ns = 0;   // from us to the venue
  int64_t response_delay_ns = 0;  // from the venue to us
  int64_t event_delay_ns = 0;     // private stream
  int64_t reconnect_delay_ns = 100'000'000;
  int64_t timeout_ns = 1'000'000'000;            // unanswered after this: ambiguous
  int64_t submit_window_ns = 500'000'000;        // the venue refuses a submission older than this
  int64_t clock_ahead_limit_ns = 1'000'000'000;  // and one this far in its future
  int64_t visibility_lag_ns = 100'000'000;       // stated in capabilities(); the venue has none
  size_t max_requests_in_flight = 1024;
};

// The private side of a SimVenue for one account, without sockets, for deterministic simulations.
// Behaves as a connector to Binance does: an accepted order is answered and reported by stream;
// trades come by stream as a FillReport followed by the OrderReport with the new total; a cancel is
// answered by a canceled OrderReport (kReply) and reported by stream. A refused amendment is
// answered by CancelRejected, an accepted one by an OrderReport.
//
// Poll() first advances the venue to the clock's wall time. Requests take effect inside a later
// Poll() (of any port of the venue), also with zero delays. Unlike a production gateway it
// allocates.
//
// Faults (may be null, not owned): every request kind, kExecutionEvent, kBalanceEvent. A late
// accept behind the submit window is refused by the venue, as with recvWindow, yet nobody answers.
// Timed faults are the owner's to play: call Disconnect(), SimVenue::ForgetOrders().
class SimGateway final : public VenueGateway, private SimAccountListener {
 public:
  SimGateway(SimVenue& venue, SimAccountId account, const Clock& clock,
             const SimGatewayConfig& config = {}, FaultInjector* faults = nullptr);
  ~SimGateway() override;
  SimGateway(const SimGateway&) = delete;
  SimGateway& operator=(const SimGateway&) = delete;

  absl::Status Start() override;
  void Stop() override;
  GatewayCapabilities capabilities() const override;
  RateBudget rate_budget() const override;
  bool is_order_entry_up() const override { return is_up_; }
  bool is_private_stream_up() const override { return is_up_; }

  absl::Status Place(const PlaceRequest& request) override;
  absl::Status Cancel(const CancelRequest& request) override;
  absl::Status Amend(const AmendRequest& request) override;
  absl::Status CancelAll(RequestId request_id, InstrumentId instrument) override;
  absl::Status QueryOrder(RequestId request_id, InstrumentId instrument,
                          const ClientOrderId& client_order_id) override;
  absl::Status QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                   VenueOrderId venue_order_id) override;
  absl::Status QueryOpenOrders(RequestId request_id, InstrumentId instrument) override;
  absl::Status QueryFills(RequestId request_id, InstrumentId instrument, VenueTradeId after,
                          int64_t since_venue_time_ns) override;
  absl::Status QueryBalances(RequestId request_id) override;
  absl::Status QueryAccount(RequestId request_id) override;
  absl::Status QueryInstrument(RequestId request_id, InstrumentId instrument) override;
  absl::Status QueryServerTime(RequestId request_id) override;
  int Poll(VenueEventSink& sink, int max_events) override;

  // Both channels are cut now: requests in flight become ambiguous, events are missed until the
  // connection is back after the reconnect delay.
  void Disconnect();

 private:
  using Events = std::vector<VenueEvent>;
  // Runs at the venue; returns the answer. Cancels: that part of the order fills first.
  using Execute = std::function<Events(int32_t fill_first_ppm)>;
  // The answer when there is no usable one.
  using Ambiguous = std::function<VenueEvent(AmbiguityCause)>;
  // The answer when the venue refuses before looking at the request.
  using Refuse = std::function<VenueEvent(const Fault&)>;
  struct Request {
    FaultPoint point;
    Execute execute;
    Ambiguous ambiguous;
    Refuse refuse;
  };
  struct InFlight {
    Ambiguous ambiguous;
  };

  void OnExecution(const SimExecution& execution) override;
  void OnBalances(SimAccountId account, std::span<const SimBalance> changed,
                  int64_t time_ns) override;

  absl::Status Send(Request request);
  absl::Status SendQuery(FaultPoint point, RequestId request_id, QueryKind kind,
                         std::function<void(Events&)> rows);
  // Runs `call` after the delay unless the connection (or the gateway) is gone by then.
  void After(int64_t delay_ns, std::function<void()> call, bool survives_disconnect = false);
  void Answer(uint64_t sequence, Events events, int64_t delay_ns);
  void GiveUp(uint64_t sequence, AmbiguityCause cause);
  void Connect(int64_t delay_ns);
  void Drop();
  void SendEvents(FaultPoint point, Events events);

  Events ExecutePlace(const PlaceRequest& request, const ClientOrderId& id, int64_t sent_ns);
  Events ExecuteCancel(const CancelRequest& request, int32_t fill_first_ppm);
  std::optional<Fault> Decide(FaultPoint point);
  OrderReport ReportOf(const SimOrder& order, EvidenceSource source, RequestId request_id) const;
  FillReport FillOf(const SimTrade& trade, EvidenceSource source, RequestId request_id,
                    const ClientOrderId& client_order_id) const;
  int64_t VenueClockNs() const;

  SimVenue& venue_;
  SimAccountId account_;
  const Clock& clock_;
  SimGatewayConfig config_;
  FaultInjector* faults_;
  std::shared_ptr<uint64_t> connection_;  // deferred calls of an earlier connection find another
  bool is_started_ = false;
  bool is_up_ = false;
  uint64_t next_sequence_ = 1;
  int64_t measured_offset_ns_ = 0;
  int64_t order_count_ = 0;
  absl::btree_map<uint64_t, InFlight> in_flight_;
  std::deque<VenueEvent> queue_;
  std::deque<Events> held_back_;  // reordered: go out after the next event
};

}  // namespace holdfast
