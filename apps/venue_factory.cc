#include "apps/venue_factory.h"

#include "apps/rate_block_file.h"
#include "apps/text.h"
#include "connectors/binance/connection.h"
#include "connectors/binance/feed.h"
#include "connectors/binance/gateway.h"
#include "connectors/binance/instrument_fetch.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr int64_t kFetchTimeoutNs = 3 * kNanosPerSecond;

class BinanceConnector final : public VenueConnector {
 public:
  BinanceConnector(const Settings& settings, Clock& clock)
      : symbol_(settings.quoting_symbol),
        rate_block_file_(Concat(settings.service_state_dir, "/rate_block")),
        clock_(clock) {
    options_.rest_url = settings.venue_rest_url;
    options_.websocket_api_url = settings.venue_ws_api_url;
    options_.stream_url = settings.venue_stream_url;
    options_.ca_file = settings.venue_ca_file;
    options_.api_key = std::string(settings.venue_api_key.Reveal());
    options_.hmac_secret = settings.venue_secret_key;
    options_.ed25519_private_key_pem = settings.venue_ed25519_key;
    options_.recv_window_ms = settings.venue_recv_window_ms;
    options_.initial_rate_block = saved_block_ = LoadRateBlock(rate_block_file_);
    // Jitter must differ between instances that restart together.
    options_.prng_seed = static_cast<uint64_t>(clock.WallNs());
  }
  ~BinanceConnector() override { Close(); }

  absl::StatusOr<Instrument> FetchInstrument() override {
    const RateBlock& block = options_.initial_rate_block;
    const int64_t wait_ns = block.not_before_wall_ns - clock_.WallNs();
    if (wait_ns > 0) {
      return absl::UnavailableError(Concat("the venue told us to be quiet for another ",
                                           wait_ns / kNanosPerSecond + 1, " s"));
    }
    RateBlock told;
    absl::StatusOr<Instrument> instrument = holdfast::FetchInstrument(
        options_, symbol_, InstrumentId(0), clock_, kFetchTimeoutNs, &told);
    if (told != RateBlock()) {
      options_.initial_rate_block = told;
      HF_RETURN_IF_ERROR(SaveRateBlock(rate_block_file_, told));
      saved_block_ = told;
    }
    if (absl::IsDeadlineExceeded(instrument.status())) {
      return absl::UnavailableError(std::string(MessageOf(instrument.status())));
    }
    return instrument;
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

  absl::Status SaveState() override {
    if (connection_ == nullptr) return absl::OkStatus();
    const RateBlock block = connection_->rate_block();
    if (block == saved_block_) return absl::OkStatus();
    HF_RETURN_IF_ERROR(SaveRateBlock(rate_block_file_, block));
    saved_block_ = block;
    return absl::OkStatus();
  }

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
  const std::string rate_block_file_;
  Clock& clock_;
  BinanceOptions options_;
  RateBlock saved_block_;
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
