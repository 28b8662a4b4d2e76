// How long it takes from a market frame's bytes to the signed bytes of the order that answers it:
// frame -> decoder -> book -> risk -> GridStrategy -> difference -> gates -> client id -> signed
// WS API message, in one thread, through the same QuotingLoop that trades, on a recorded market.
// The journal is not part of it. The venue's answers are handled in turns that are not timed.
//
// Reports: frames that led to orders or cancels, to the first signed request, to the
// first placement and to the last request of the turn; and whole turns over all frames. When the
// grid moves, the cancels of the lines left behind go first, so the first request mostly is one.
// Nothing is filled: every slot is an entry. Allocations inside timed turns are counted; any makes
// the program fail.
#include <cstdlib>
#include <new>

#include "connectors/binance/market_decoder.h"
#include "connectors/binance/order_encoder.h"
#include "connectors/net/signing.h"
#include "engine/quoting/quoting_loop.h"
#include "strategy/grid.h"
#include "tests/benchmark/hot_streams.h"
#include "tests/benchmark/hot_support.h"

namespace {
bool is_counting = false;
int64_t allocation_count = 0;
}  // namespace

void* operator new(std::size_t size) {
  if (is_counting) ++allocation_count;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace holdfast::bench {
namespace {

constexpr std::string_view kSecret =
    "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

Instrument Traded() {
  Instrument instrument = BtcUsdt();
  instrument.min_price = Price::FromTicks(1);
  instrument.max_price = Price::FromTicks(100'000'000);
  instrument.min_quantity = Quantity::FromLots(1);
  instrument.max_quantity = Quantity::FromLots(900'000'000);
  instrument.min_notional = Decimal::FromInteger(5);
  return instrument;
}

// How requests are made: an HMAC over each WS API message, an HMAC over each REST query, or nothing
// to sign after an Ed25519 logon.
enum class RequestForm { kSignedWsApi, kSignedRest, kSessionWsApi };

// Accepts and cancels everything; the answers wait for the next Poll() with `delivers` set.
class EncodingEngine final : public Engine {
 public:
  EncodingEngine(const Instrument& instrument, const BinanceOrderEncoder& encoder,
                 const ManualClock& clock, RequestForm form)
      : instrument_(instrument), encoder_(encoder), clock_(clock), form_(form) {}

  bool delivers = true;
  uint64_t first_tsc = 0;  // when the first request of this turn was ready
  uint64_t first_place_tsc = 0;
  uint64_t last_tsc = 0;
  uint64_t request_count = 0;
  uint64_t byte_count = 0;

  absl::StatusOr<RecoveredState> Open() override { return RecoveredState(); }
  absl::Status Start() override { return absl::OkStatus(); }
  absl::Status Close() override { return absl::OkStatus(); }
  std::optional<OrderNumber> NextOrderNumber() override { return OrderNumber(next_number_++); }
  absl::Status Place(const PlaceIntent& intent) override {
    const PlaceRequest request = {.instrument = intent.instrument,
                                  .client_order_id = intent.client_order_id,
                                  .side = intent.side,
                                  .price = intent.price,
                                  .quantity = intent.quantity,
                                  .is_post_only = intent.is_post_only,
                                  .decide_time_ns = intent.decide_time_ns};
    const int64_t now_ms = clock_.WallNs() / kNanosPerMilli;
    Sent(form_ == RequestForm::kSignedRest
             ? encoder_.PlaceHttp(request, now_ms, out_)
             : encoder_.PlaceMessage(request, RequestId(++next_request_), now_ms, authentication(),
                                     out_));
    if (first_place_tsc == 0) first_place_tsc = last_tsc;
    answers_[answer_count_++] = OrderAccepted{.client_order_id = intent.client_order_id,
                                              .venue_order_id = VenueOrderId(++next_order_id_)};
    return absl::OkStatus();
  }
  absl::Status Cancel(const CancelIntent& intent) override {
    const CancelRequest request = {.instrument = intent.instrument,
                                   .client_order_id = intent.client_order_id,
                                   .venue_order_id = intent.venue_order_id};
    const int64_t now_ms = clock_.WallNs() / kNanosPerMilli;
    Sent(form_ == RequestForm::kSignedRest
             ? encoder_.CancelHttp(request, now_ms, out_)
             : encoder_.CancelMessage(request, RequestId(++next_request_), now_ms, authentication(),
                                      out_));
    OrderReport report;
    report.source = EvidenceSource::kReply;
    report.client_order_id = intent.client_order_id;
    report.venue_order_id = intent.venue_order_id;
    report.status = VenueOrderStatus::kCanceled;
    answers_[answer_count_++] = report;
    return absl::OkStatus();
  }
  absl::Status CancelAll(RequestId, InstrumentId) override { return absl::OkStatus(); }
  absl::Status QueryOrder(RequestId id, InstrumentId, const ClientOrderId&) override {
    return End(id, QueryKind::kOrder);
  }
  absl::Status QueryOpenOrders(RequestId id, InstrumentId) override {
    return End(id, QueryKind::kOpenOrders);
  }
  absl::Status QueryFills(RequestId id, InstrumentId, VenueTradeId, int64_t) override {
    return End(id, QueryKind::kFills);
  }
  absl::Status QueryBalances(RequestId id) override {
    for (const char* asset : {"BTC", "USDT"}) {
      BalanceReport report;
      report.request_id = id;
      report.asset = AssetCode(asset);
      report.free = Decimal::FromInteger(1'000'000);
      answers_[answer_count_++] = report;
    }
    return End(id, QueryKind::kBalances);
  }
  absl::Status QueryAccount(RequestId id) override {
    answers_[answer_count_++] = AccountReport{.request_id = id,
                                              .can_trade = true,
                                              .maker_fee_rate = Decimal(),
                                              .taker_fee_rate = Decimal()};
    return End(id, QueryKind::kAccount);
  }
  absl::Status QueryInstrument(RequestId id, InstrumentId) override {
    answers_[answer_count_++] = InstrumentReport{.request_id = id, .instrument = instrument_};
    return End(id, QueryKind::kInstrument);
  }
  absl::Status QueryServerTime(RequestId id) override {
    answers_[answer_count_++] = ServerTimeReport{.request_id = id};
    return End(id, QueryKind::kServerTime);
  }
  int Poll(VenueEventSink& sink, int) override {
    if (!delivers) return 0;
    const size_t count = answer_count_;
    answer_count_ = 0;
    for (size_t i = 0; i < count; ++i) delivery_[i] = answers_[i];
    for (size_t i = 0; i < count; ++i) sink.OnVenueEvent(delivery_[i]);
    return static_cast<int>(count);
  }
  GatewayCapabilities capabilities() const override { return {}; }
  RateBudget rate_budget() const override { return {}; }
  bool is_order_entry_up() const override { return true; }
  bool is_private_stream_up() const override { return true; }
  bool Record(const OrderRecord&) override { return true; }
  bool Record(const FillRecord&) override { return true; }
  bool Record(const SlotRecord&) override { return true; }
  bool Record(const MemoryRecord&) override { return true; }
  bool Record(const LedgerRecord&) override { return true; }
  bool Record(const RiskRecord&) override { return true; }
  bool is_store_healthy() const override { return true; }
  std::string store_problem() const override { return std::string(); }

 private:
  absl::Status End(RequestId id, QueryKind kind) {
    QueryDone done;
    done.request_id = id;
    done.kind = kind;
    done.is_ok = true;
    answers_[answer_count_++] = done;
    return absl::OkStatus();
  }
  void Sent(std::string_view bytes) {
    Keep(bytes.data());
    last_tsc = __rdtsc();
    if (first_tsc == 0) first_tsc = last_tsc;
    ++request_count;
    byte_count += bytes.size();
  }

  const Instrument instrument_;
  BinanceAuthentication authentication() const {
    return form_ == RequestForm::kSessionWsApi ? BinanceAuthentication::kSession
                                               : BinanceAuthentication::kSigned;
  }

  const BinanceOrderEncoder& encoder_;
  const ManualClock& clock_;
  const RequestForm form_;
  uint64_t next_number_ = 1;
  uint64_t next_request_ = 0;
  int64_t next_order_id_ = 0;
  std::array<char, BinanceOrderEncoder::kMaxRequestBytes> out_ = {};
  std::array<VenueEvent, 2048> answers_ = {};
  std::array<VenueEvent, 2048> delivery_ = {};
  size_t answer_count_ = 0;
};

// Decodes the frame it was given inside Poll().
class FrameFeed final : public MarketFeed {
 public:
  explicit FrameFeed(const Instrument& instrument) : decoder_(instrument) {}

  // The decoder's general way grows its buffers when it is first used.
  void WarmUp(const testing::CaptureLine& largest) {
    decoder_.DecodeStrict(largest.text, largest.receive_time_ns, frame_);
  }

  const testing::CaptureLine* line = nullptr;
  bool is_started = false;
  uint64_t refused_count = 0;

  absl::Status Start() override { return absl::OkStatus(); }
  void Stop() override {}
  void RequestSnapshot(InstrumentId) override {}
  int Poll(MarketSink& sink, int) override {
    if (!is_started) {
      is_started = true;
      sink.OnFeedConnection(InstrumentId(0), true, 0);
      return 1;
    }
    if (line == nullptr) return 0;
    const testing::CaptureLine& given = *line;
    line = nullptr;
    switch (decoder_.Decode(given.text, given.receive_time_ns, frame_)) {
      case BinanceFrameKind::kDepthUpdate:
        sink.OnDepthUpdate(frame_.depth_update);
        break;
      case BinanceFrameKind::kDepthSnapshot:
        sink.OnDepthSnapshot(frame_.depth_snapshot);
        break;
      case BinanceFrameKind::kBookTop:
        sink.OnBookTop(frame_.book_top);
        break;
      case BinanceFrameKind::kTrade:
        sink.OnPublicTrade(frame_.trade);
        break;
      case BinanceFrameKind::kServerShutdown:
      case BinanceFrameKind::kOther:
        break;
      case BinanceFrameKind::kMalformed:
        ++refused_count;
        break;
    }
    return 1;
  }

 private:
  BinanceMarketDecoder decoder_;
  BinanceFrame frame_;
};

GridParameters Grid(int64_t interval_units) {
  GridParameters grid;
  grid.price_interval = Decimal::FromUnits(interval_units);
  grid.order_quantity = Decimal::FromUnits(100'000);
  grid.buy_window_size = 10;
  grid.sell_window_size = 10;
  grid.mode = GridMode::kNeutral;
  grid.max_position = Decimal::FromInteger(100);
  return grid;
}

struct Percentiles {
  LatencyHistogram first_request;
  LatencyHistogram first_placement;
  LatencyHistogram last_request;
  LatencyHistogram turn;
  uint64_t requests = 0;
  uint64_t quoting_turns = 0;
  uint64_t turns_with_cancel_first = 0;
};

void Replay(const std::vector<testing::CaptureLine>& lines, int64_t interval_units,
            RequestForm form, double tsc_per_ns, Percentiles& result) {
  const Instrument instrument = Traded();
  const HmacSha256Signer signer(kSecret);
  BinanceEncoderOptions encoder_options;
  encoder_options.api_key = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
  encoder_options.host = "127.0.0.1";
  const BinanceOrderEncoder encoder(instrument, encoder_options, &signer);
  ManualClock clock(lines.front().receive_time_ns);
  EncodingEngine engine(instrument, encoder, clock, form);
  FrameFeed feed(instrument);
  const GridStrategy strategy(Grid(interval_units), instrument);
  RiskLimits limits;
  limits.max_position = Decimal::FromInteger(100);
  limits.max_orders_per_second = 100'000;
  limits.max_order_burst = 100'000;
  QuotingOptions options;
  options.snapshot_interval_ns = kNanosPerSecond;
  QuotingLoop loop(clock, instrument, MakeAccountTag("bench"), strategy, feed, engine, limits,
                   options, RecoveredState());
  Require(loop.Start().ok(), "start");
  feed.WarmUp(*std::max_element(lines.begin(), lines.end(), [](const auto& a, const auto& b) {
    return a.text.size() < b.text.size();
  }));

  for (const testing::CaptureLine& line : lines) {
    if (line.receive_time_ns > clock.WallNs()) clock.AdvanceTo(line.receive_time_ns);
    engine.delivers = true;
    loop.RunOnce();  // answers and timers of before
    loop.RunOnce();
    engine.delivers = false;
    engine.first_tsc = 0;
    engine.first_place_tsc = 0;
    feed.line = &line;
    // A snapshot is recovery, not a tick; it also goes the decoder's general, allocating way.
    const bool is_snapshot = line.text.find("lastUpdateId") != std::string::npos;
    const bool was_quoting = loop.phase() == LoopPhase::kQuoting && !is_snapshot;
    const uint64_t requests_before = engine.request_count;
    is_counting = was_quoting;
    const uint64_t begin = __rdtsc();
    loop.RunOnce();
    const uint64_t end = __rdtsc();
    is_counting = false;
    if (!was_quoting) continue;
    const auto ns = [&](uint64_t tsc) {
      return static_cast<int64_t>(static_cast<double>(tsc - begin) / tsc_per_ns);
    };
    result.turn.Record(ns(end));
    if (engine.first_tsc == 0) continue;
    ++result.quoting_turns;
    result.requests += engine.request_count - requests_before;
    result.first_request.Record(ns(engine.first_tsc));
    result.last_request.Record(ns(engine.last_tsc));
    if (engine.first_place_tsc != engine.first_tsc) ++result.turns_with_cancel_first;
    if (engine.first_place_tsc != 0) result.first_placement.Record(ns(engine.first_place_tsc));
  }
  Require(feed.refused_count == 0, "a frame was refused");
  Require(loop.counters().book_gaps == 0, "the capture has a gap");
}

void Print(const char* name, const LatencyHistogram& histogram) {
  std::printf(
      "  %-40s n %-8lu p50 %-6ld p90 %-6ld p99 %-6ld p99.9 %-7ld max %ld ns\n", name,
      static_cast<unsigned long>(histogram.count()), static_cast<long>(histogram.QuantileNs(0.5)),
      static_cast<long>(histogram.QuantileNs(0.9)), static_cast<long>(histogram.QuantileNs(0.99)),
      static_cast<long>(histogram.QuantileNs(0.999)), static_cast<long>(histogram.max_ns()));
}

int Main() {
  constexpr std::string_view kCapture = "binance_spot_btcusdt_20240808.gz";
  if (!testing::HasCapture(kCapture)) {
    std::printf("capture %.*s is not there: nothing measured\n", static_cast<int>(kCapture.size()),
                kCapture.data());
    return 0;
  }
  PinToOneCpu();
  const double tsc_per_ns = TscPerNs();
  std::vector<testing::CaptureLine> lines = testing::ReadCapture(kCapture);
  constexpr size_t kMaxLines = 60'000;
  if (lines.size() > kMaxLines) lines.resize(kMaxLines);
  std::printf("tick to order: %zu frames of %.*s, grid of 10 lines a side\n", lines.size(),
              static_cast<int>(kCapture.size()), kCapture.data());
  constexpr std::pair<RequestForm, const char*> kForms[] = {
      {RequestForm::kSignedWsApi, "HMAC over each WS API message"},
      {RequestForm::kSignedRest, "HMAC over each REST query"},
      {RequestForm::kSessionWsApi, "Ed25519 session, nothing to sign per request"}};
  for (const auto& [form, form_name] : kForms) {
    for (const int64_t interval_units : {int64_t{1'000'000'000}, int64_t{100'000'000}}) {
      Percentiles warm_up;
      Replay(lines, interval_units, form, tsc_per_ns, warm_up);
      Percentiles result;
      Replay(lines, interval_units, form, tsc_per_ns, result);
      std::printf(" %s, interval %s: %lu requests in %lu turns, a cancel first in %lu\n", form_name,
                  Decimal::FromUnits(interval_units).ToText().c_str(),
                  static_cast<unsigned long>(result.requests),
                  static_cast<unsigned long>(result.quoting_turns),
                  static_cast<unsigned long>(result.turns_with_cancel_first));
      Print("frame -> first request's bytes", result.first_request);
      Print("frame -> first placement's bytes", result.first_placement);
      Print("frame -> last request's bytes", result.last_request);
      Print("whole turn, all frames", result.turn);
    }
  }
  std::printf("  allocations in timed turns: %ld\n", static_cast<long>(allocation_count));
  Require(allocation_count == 0, "the loop allocated");
  return 0;
}

}  // namespace
}  // namespace holdfast::bench

int main() { return holdfast::bench::Main(); }
