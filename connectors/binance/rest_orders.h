#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "connectors/binance/connection.h"
#include "connectors/binance/options.h"
#include "connectors/net/http_client.h"

namespace holdfast {

// Sends order requests over REST while the WS API is down: a few keep-alive connections, first in
// first out, never two requests of one order at the same time (a cancel must not overtake its
// placement). Nothing is sent twice.
//
// Network thread only.
class BinanceRestOrders {
 public:
  static constexpr size_t kLaneCount = 4;

  struct Request {
    std::string_view method;
    std::string_view target;
  };
  class Handler {
   public:
    virtual ~Handler() = default;
    // Writes the request with the timestamp of now; nullopt = not wanted any more. The text is used
    // before the next call.
    virtual std::optional<Request> OnRestOrderDue(uint64_t id) = 0;
    virtual void OnRestOrderResponse(uint64_t id, const HttpResponse& response) = 0;
    virtual void OnRestOrderFailure(uint64_t id, HttpFailure failure,
                                    const absl::Status& reason) = 0;
  };

  BinanceRestOrders(BinanceConnection& connection, const BinanceOptions& options, Handler& handler);
  ~BinanceRestOrders();

  void Enqueue(uint64_t id, const ClientOrderId& client_order_id);
  // A request of this order is queued or in flight: what follows must come the same way.
  bool Holds(const ClientOrderId& client_order_id) const;
  // Closes the connections without callbacks and forgets what is queued.
  void Stop();

 private:
  struct Waiting {
    uint64_t id;
    ClientOrderId client_order_id;
  };
  class Lane;

  void StartDue();
  // Index in waiting_ of the first request whose order has none in flight; its size when none.
  size_t NextDue() const;
  bool IsInFlight(const ClientOrderId& client_order_id) const;

  Handler& handler_;
  const std::string header_lines_;
  const int64_t timeout_ns_;
  std::array<std::unique_ptr<Lane>, kLaneCount> lanes_;
  std::deque<Waiting> waiting_;  // bounded by the table of pending requests
};

}  // namespace holdfast
