#include "connectors/binance/rest_orders.h"

#include "connectors/net/text.h"

namespace holdfast {

class BinanceRestOrders::Lane : private HttpClient::Handler {
 public:
  Lane(BinanceConnection& connection, BinanceRestOrders& owner)
      : owner_(owner),
        client_(connection.loop(), connection.tls(), connection.rest_url(),
                {.max_response_bytes = 1 << 20, .user_agent = "holdfast"}, *this) {}

  void Send(const Waiting& waiting, const Request& request) {
    current_ = waiting;
    client_.Send(
        {.method = request.method, .target = request.target, .header_lines = owner_.header_lines_},
        owner_.timeout_ns_);
  }
  bool is_idle() const { return client_.is_idle(); }
  const ClientOrderId& client_order_id() const { return current_.client_order_id; }
  void Close() { client_.Close(); }

 private:
  void OnHttpResponse(const HttpResponse& response) override {
    owner_.handler_.OnRestOrderResponse(current_.id, response);
    owner_.StartDue();
  }
  void OnHttpFailure(HttpFailure failure, const absl::Status& reason) override {
    owner_.handler_.OnRestOrderFailure(current_.id, failure, reason);
    owner_.StartDue();
  }

  BinanceRestOrders& owner_;
  HttpClient client_;
  Waiting current_ = {};
};

BinanceRestOrders::BinanceRestOrders(BinanceConnection& connection, const BinanceOptions& options,
                                     Handler& handler)
    : handler_(handler),
      header_lines_(Concat("X-MBX-APIKEY: ", options.api_key, "\r\n")),
      timeout_ns_(options.request_timeout_ms * kNanosPerMilli) {
  for (auto& lane : lanes_) lane = std::make_unique<Lane>(connection, *this);
}

BinanceRestOrders::~BinanceRestOrders() = default;

void BinanceRestOrders::Enqueue(uint64_t id, const ClientOrderId& client_order_id) {
  waiting_.push_back({.id = id, .client_order_id = client_order_id});
  StartDue();
}

void BinanceRestOrders::Stop() {
  waiting_.clear();
  for (auto& lane : lanes_) lane->Close();
}

bool BinanceRestOrders::IsInFlight(const ClientOrderId& client_order_id) const {
  if (client_order_id.empty()) return false;  // concerns no single order
  for (const auto& lane : lanes_) {
    if (!lane->is_idle() && lane->client_order_id() == client_order_id) return true;
  }
  return false;
}

bool BinanceRestOrders::Holds(const ClientOrderId& client_order_id) const {
  if (IsInFlight(client_order_id)) return true;
  for (const Waiting& waiting : waiting_) {
    if (waiting.client_order_id == client_order_id) return true;
  }
  return false;
}

size_t BinanceRestOrders::NextDue() const {
  size_t index = 0;
  while (index < waiting_.size() && IsInFlight(waiting_[index].client_order_id)) ++index;
  return index;
}

void BinanceRestOrders::StartDue() {
  for (const auto& lane : lanes_) {
    if (!lane->is_idle()) continue;
    // Anew after each one that is not wanted any more: what follows it may have to wait.
    for (size_t index = NextDue(); index < waiting_.size(); index = NextDue()) {
      const Waiting next = waiting_[index];
      waiting_.erase(waiting_.begin() + static_cast<ptrdiff_t>(index));
      const std::optional<Request> request = handler_.OnRestOrderDue(next.id);
      if (!request) continue;
      lane->Send(next, *request);
      break;
    }
  }
}

}  // namespace holdfast
