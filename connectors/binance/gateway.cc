#include "connectors/binance/gateway.h"

#include "connectors/binance/gateway_core.h"
#include "connectors/net/text.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

absl::Status CheckOptions(const BinanceOptions& options, const std::vector<Instrument>& all) {
  if (options.api_key.empty()) return absl::InvalidArgumentError("binance: no API key");
  if (options.hmac_secret.empty() == options.ed25519_private_key_pem.empty()) {
    return absl::InvalidArgumentError(
        "binance: exactly one of HMAC secret and Ed25519 private key is needed");
  }
  struct Row {
    const char* name;
    int64_t value;
    int64_t low;
    int64_t high;
  };
  const Row rows[] = {
      {"recv_window_ms", options.recv_window_ms, 1, BinanceOrderEncoder::kMaxReceiveWindowMs},
      {"request_timeout_ms", options.request_timeout_ms, 1, 60'000},
      {"visibility_lag_ms", options.visibility_lag_ms, 0, 60'000},
      {"reconnect_initial_ms", options.reconnect_initial_ms, 1, options.reconnect_max_ms},
      {"reconnect_max_ms", options.reconnect_max_ms, 1, 3'600'000},
      {"ping_interval_ms", options.ping_interval_ms, 1, options.silence_timeout_ms},
      {"silence_timeout_ms", options.silence_timeout_ms, 1, 3'600'000},
      {"connection_lifetime_ms", options.connection_lifetime_ms, 1000, 86'400'000},
      {"clock_sync_period_ms", options.clock_sync_period_ms, 100, 86'400'000},
      {"filter_poll_period_ms", options.filter_poll_period_ms, 100, 86'400'000},
      {"cancel_reserve_ppm", options.cancel_reserve_ppm, 0, 900'000},
  };
  for (const Row& row : rows) {
    if (row.value < row.low || row.value > row.high) {
      return absl::InvalidArgumentError(Concat("binance: value out of range: key=", row.name,
                                               " value=", row.value, " expected=", row.low, "..",
                                               row.high));
    }
  }
  if (all.empty()) return absl::InvalidArgumentError("binance: no instrument");
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i].id.value() != i) {
      return absl::InvalidArgumentError("binance: instrument ids must be 0, 1, ... in order");
    }
    HF_RETURN_IF_ERROR(Validate(all[i]));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RequestSigner>> MakeSigner(const BinanceOptions& options) {
  if (!options.hmac_secret.empty()) {
    return std::unique_ptr<RequestSigner>(
        std::make_unique<HmacSha256Signer>(options.hmac_secret.Reveal()));
  }
  HF_ASSIGN_OR_RETURN(std::unique_ptr<Ed25519Signer> signer,
                      Ed25519Signer::FromPem(options.ed25519_private_key_pem.Reveal()));
  return std::unique_ptr<RequestSigner>(std::move(signer));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BinanceGateway>> BinanceGateway::Create(
    BinanceConnection& connection, const BinanceOptions& options,
    std::vector<Instrument> instruments, Waker* waker) {
  HF_RETURN_IF_ERROR(CheckOptions(options, instruments));
  HF_RETURN_IF_ERROR(BinanceOrderEncoder::Validate(
      {.api_key = options.api_key,
       .host = connection.rest_url().HostHeader(),
       .receive_window_ms = options.recv_window_ms,
       .self_trade_prevention_mode = options.self_trade_prevention_mode}));
  HF_ASSIGN_OR_RETURN(std::unique_ptr<RequestSigner> signer, MakeSigner(options));
  std::unique_ptr<BinanceGatewayCore> core;
  connection.thread().Execute([&] {
    core = std::make_unique<BinanceGatewayCore>(connection, options, std::move(instruments),
                                                std::move(signer), waker);
  });
  return std::unique_ptr<BinanceGateway>(new BinanceGateway(std::move(core)));
}

BinanceGateway::BinanceGateway(std::unique_ptr<BinanceGatewayCore> core) : core_(std::move(core)) {}

BinanceGateway::~BinanceGateway() {
  Stop();
  core_->connection().thread().Execute([this] { core_ = nullptr; });
}

absl::Status BinanceGateway::Start() {
  if (core_->is_started()) return absl::FailedPreconditionError("binance: already started");
  core_->connection().thread().Execute([this] { core_->Start(); });
  return absl::OkStatus();
}

void BinanceGateway::Stop() {
  core_->connection().thread().Execute([this] { core_->Stop(); });
}

GatewayCapabilities BinanceGateway::capabilities() const {
  return {.has_amend_keep_priority = false,
          .has_dead_man_switch = false,
          .visibility_lag_ns = core_->options().visibility_lag_ms * kNanosPerMilli,
          .submit_window_ns = core_->options().recv_window_ms * kNanosPerMilli};
}

RateBudget BinanceGateway::rate_budget() const { return core_->connection().budget_snapshot(); }

bool BinanceGateway::is_order_entry_up() const { return core_->is_order_entry_up(); }
bool BinanceGateway::is_private_stream_up() const { return core_->is_private_stream_up(); }

namespace {

// Without a text: it may come every turn, and a text would be allocated.
absl::Status Unavailable() { return absl::Status(absl::StatusCode::kUnavailable, ""); }

}  // namespace

absl::Status BinanceGateway::Place(const PlaceRequest& request) {
  HF_ASSERT(request.instrument.value() < core_->instrument_count());
  HF_ASSERT(!request.client_order_id.empty());
  if (!core_->is_order_entry_up()) return Unavailable();
  if (!core_->connection().is_placement_allowed()) {
    return absl::Status(absl::StatusCode::kResourceExhausted, "");
  }
  GatewayCommand command;
  command.kind = GatewayCommand::Kind::kPlace;
  command.place = request;
  return core_->Submit(command);
}

absl::Status BinanceGateway::Cancel(const CancelRequest& request) {
  HF_ASSERT(request.instrument.value() < core_->instrument_count());
  if (!core_->is_order_entry_up()) return Unavailable();
  GatewayCommand command;
  command.kind = GatewayCommand::Kind::kCancel;
  command.cancel = request;
  return core_->Submit(command);
}

absl::Status BinanceGateway::Amend(const AmendRequest&) {
  return absl::UnimplementedError("binance: amend is not offered");
}

namespace {

absl::Status SubmitQuery(BinanceGatewayCore& core, const BinanceQuery& query,
                         GatewayCommand::Kind kind = GatewayCommand::Kind::kQuery) {
  HF_ASSERT(query.instrument.value() < core.instrument_count());
  if (!core.is_started()) return Unavailable();
  GatewayCommand command;
  command.kind = kind;
  command.query = query;
  return core.Submit(command);
}

}  // namespace

absl::Status BinanceGateway::CancelAll(RequestId request_id, InstrumentId instrument) {
  if (!core_->is_order_entry_up()) return Unavailable();
  return SubmitQuery(
      *core_, {.kind = QueryKind::kCancelAll, .request_id = request_id, .instrument = instrument},
      GatewayCommand::Kind::kCancelAll);
}

absl::Status BinanceGateway::QueryOrder(RequestId request_id, InstrumentId instrument,
                                        const ClientOrderId& client_order_id) {
  return SubmitQuery(*core_, {.kind = QueryKind::kOrder,
                              .request_id = request_id,
                              .instrument = instrument,
                              .client_order_id = client_order_id});
}

absl::Status BinanceGateway::QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                                 VenueOrderId venue_order_id) {
  return SubmitQuery(*core_, {.kind = QueryKind::kOrder,
                              .request_id = request_id,
                              .instrument = instrument,
                              .venue_order_id = venue_order_id});
}

absl::Status BinanceGateway::QueryOpenOrders(RequestId request_id, InstrumentId instrument) {
  return SubmitQuery(
      *core_, {.kind = QueryKind::kOpenOrders, .request_id = request_id, .instrument = instrument});
}

absl::Status BinanceGateway::QueryFills(RequestId request_id, InstrumentId instrument,
                                        VenueTradeId after, int64_t since_venue_time_ns) {
  return SubmitQuery(*core_, {.kind = QueryKind::kFills,
                              .request_id = request_id,
                              .instrument = instrument,
                              .after = after,
                              .since_venue_time_ns = since_venue_time_ns});
}

absl::Status BinanceGateway::QueryBalances(RequestId request_id) {
  return SubmitQuery(*core_, {.kind = QueryKind::kBalances, .request_id = request_id});
}

absl::Status BinanceGateway::QueryAccount(RequestId request_id) {
  return SubmitQuery(*core_, {.kind = QueryKind::kAccount, .request_id = request_id});
}

absl::Status BinanceGateway::QueryInstrument(RequestId request_id, InstrumentId instrument) {
  return SubmitQuery(
      *core_, {.kind = QueryKind::kInstrument, .request_id = request_id, .instrument = instrument});
}

absl::Status BinanceGateway::QueryServerTime(RequestId request_id) {
  return SubmitQuery(*core_, {.kind = QueryKind::kServerTime, .request_id = request_id});
}

int BinanceGateway::Poll(VenueEventSink& sink, int max_events) {
  return core_->outbox().Take(sink, max_events);
}

}  // namespace holdfast
