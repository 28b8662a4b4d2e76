#include "apps/venue_factory.h"

#include "apps/http_get.h"
#include "apps/text.h"
#include "connectors/binance/connection.h"
#include "connectors/binance/feed.h"
#include "connectors/binance/gateway.h"
#include "connectors/binance/private_decoder.h"
#include "connectors/net/url.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr int64_t kFetchTimeoutNs = 3 * kNanosPerSecond;
constexpr size_t kShownBodyBytes = 120;

class BinanceConnector final : public VenueConnector {
 public:
  BinanceConnector(const Settings& settings, Clock& clock)
      : symbol_(settings.quoting_symbol), clock_(clock) {
    options_.rest_url = settings.venue_rest_url;
    options_.websocket_api_url = settings.venue_ws_api_url;
    options_.stream_url = settings.venue_stream_url;
    options_.ca_file = settings.venue_ca_file;
    options_.api_key = std::string(settings.venue_api_key.Reveal());
    options_.hmac_secret = settings.venue_secret_key;
    options_.ed25519_private_key_pem = settings.venue_ed25519_key;
    options_.recv_window_ms = settings.venue_recv_window_ms;
    // Jitter must differ between instances that restart together.
    options_.prng_seed = static_cast<uint64_t>(clock.WallNs());
  }
  ~BinanceConnector() override { Close(); }

  absl::StatusOr<Instrument> FetchInstrument() override {
    const std::string url =
        JoinUrl(options_.rest_url, Concat("/api/v3/exchangeInfo?symbol=", symbol_));
    HF_ASSIGN_OR_RETURN(const HttpAnswer answer,
                        HttpGet(url, options_.ca_file, kFetchTimeoutNs, clock_));
    constexpr int kBadRequest = 400;
    const bool is_unknown_symbol = answer.status == kBadRequest;
    if (is_unknown_symbol) return absl::NotFoundError(answer.body.substr(0, kShownBodyBytes));
    if (answer.status != 200) {
      return absl::UnavailableError(Concat("GET ", url, ": status=", answer.status,
                                           " body=", answer.body.substr(0, kShownBodyBytes)));
    }
    return ParseExchangeInfo(answer.body, symbol_, InstrumentId(0));
  }

  absl::Status Open(const Instrument& instrument, Waker& waker) override {
    HF_ASSERT(connection_ == nullptr);
    HF_ASSIGN_OR_RETURN(connection_, BinanceConnection::Create(options_, {}, clock_));
    HF_ASSIGN_OR_RETURN(gateway_,
                        BinanceGateway::Create(*connection_, options_, {instrument}, &waker));
    HF_ASSIGN_OR_RETURN(feed_, BinanceFeed::Create(*connection_, options_, {instrument}, &waker));
    connection_->thread().Start();
    return absl::OkStatus();
  }
  MarketFeed& feed() override { return *feed_; }
  VenueGateway& gateway() override { return *gateway_; }

  void Close() override {
    if (feed_ != nullptr) feed_->Stop();
    if (gateway_ != nullptr) gateway_->Stop();
    feed_.reset();
    gateway_.reset();
    if (connection_ != nullptr) connection_->thread().Stop();
    connection_.reset();
  }

 private:
  const std::string symbol_;
  Clock& clock_;
  BinanceOptions options_;
  std::unique_ptr<BinanceConnection> connection_;
  std::unique_ptr<BinanceGateway> gateway_;
  std::unique_ptr<BinanceFeed> feed_;
};

}  // namespace

VenueConnector::~VenueConnector() = default;

absl::StatusOr<std::unique_ptr<VenueConnector>> MakeVenueConnector(const Settings& settings,
                                                                   Clock& clock) {
  if (settings.venue_name == "binance") return std::make_unique<BinanceConnector>(settings, clock);
  return absl::InvalidArgumentError(Concat("no connector: venue.name=", settings.venue_name));
}

}  // namespace holdfast
