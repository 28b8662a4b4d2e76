#pragma once

#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/api/venue_gateway.h"
#include "connectors/binance/connection.h"
#include "connectors/binance/options.h"
#include "engine/base/waker.h"
#include "engine/market/instrument.h"

namespace holdfast {

class BinanceGatewayCore;

// Orders, fills and balances of one Binance Spot account.
//
// Orders go over the WS API (one session that also carries the user stream) and over REST while it
// is down; queries go over REST. Requests cross to the network thread through a ring, events come
// back through another; order events are never dropped: when the engine loop does not keep up, the
// network thread stops reading from the venue.
//
// What an answer means (quirks.md has the sources): a success or a 4xx with a definite code
// decides; no answer in time, a cut connection, any 5xx, -1006 and -1007 or an unreadable answer is
// ambiguous. An answer that comes after its request was given up is passed on as evidence (an
// OrderReport with source kReply), never as a second answer.
class BinanceGateway final : public VenueGateway {
 public:
  // `instruments` have the ids 0, 1, ... in order. `waker` (may be null) is notified when events
  // wait. `connection`, `options` are used as long as the gateway lives. kInvalidArgument: no key,
  // not exactly one secret, a value out of range.
  static absl::StatusOr<std::unique_ptr<BinanceGateway>> Create(BinanceConnection& connection,
                                                                const BinanceOptions& options,
                                                                std::vector<Instrument> instruments,
                                                                Waker* waker);
  ~BinanceGateway() override;

  absl::Status Start() override;
  void Stop() override;

  GatewayCapabilities capabilities() const override;
  RateBudget rate_budget() const override;
  bool is_order_entry_up() const override;
  bool is_private_stream_up() const override;

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

 private:
  explicit BinanceGateway(std::unique_ptr<BinanceGatewayCore> core);
  std::unique_ptr<BinanceGatewayCore> core_;  // what happens on the network thread
};

}  // namespace holdfast
