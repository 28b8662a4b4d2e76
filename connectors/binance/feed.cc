#include "connectors/binance/feed.h"

#include <algorithm>
#include <cstring>

#include "connectors/binance/connection_options.h"
#include "connectors/binance/feed_core.h"
#include "connectors/net/text.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

WebSocketClient::Options MakeWebSocketOptions(const BinanceOptions& options) {
  WebSocketClient::Options result = WebSocketOptionsOf(options);
  result.max_message_bytes = BinanceMarketDecoder::kMaxFrameBytes;
  return result;
}

}  // namespace

BinanceFeedCore::BinanceFeedCore(BinanceConnection& connection, const BinanceOptions& options,
                                 std::vector<Instrument> instruments, Waker* waker)
    : connection_(connection),
      options_(options),
      waker_(waker),
      http_(connection.loop(), connection.tls(), connection.rest_url(),
            {.max_response_bytes = BinanceMarketDecoder::kMaxFrameBytes}, *this),
      backoff_(BackoffOptionsOf(options), connection.prng()),
      snapshot_backoff_(BackoffOptionsOf(options), connection.prng()),
      connect_timer_(connection.loop(), [this] { Connect(); }),
      renewal_timer_(connection.loop(), [this] { BeginRenewal(); }),
      snapshot_timer_(connection.loop(), [this] { FetchSnapshot(); }),
      snapshot_wanted_(std::make_unique<std::atomic<bool>[]>(instruments.size())) {
  for (const Instrument& instrument : instruments) {
    Stream& stream = streams_.emplace_back();
    stream.instrument = instrument;
    stream.decoder = std::make_unique<BinanceMarketDecoder>(instrument);
    for (char c : instrument.symbol.view()) stream.name += ToLower(c);
  }
  WebSocketClient::Handler& handler = *this;
  for (auto& client : clients_) {
    client = std::make_unique<WebSocketClient>(connection.loop(), connection.tls(),
                                               MakeWebSocketOptions(options), connection.prng(),
                                               handler);
  }
  connection_.loop().AddPoller(this);
}

BinanceFeedCore::~BinanceFeedCore() { connection_.loop().RemovePoller(this); }

Url BinanceFeedCore::StreamUrl() const {
  Url url = connection_.stream_url();
  std::string names;
  for (const Stream& stream : streams_) {
    AppendTo(names, names.empty() ? "" : "/", stream.name, "@depth@100ms/", stream.name, "@trade/",
             stream.name, "@bookTicker");
  }
  url.target = Concat("/stream?streams=", names);
  return url;
}

void BinanceFeedCore::Start() {
  HF_ASSERT(!is_started_);
  is_started_ = true;
  Connect();
}

void BinanceFeedCore::Stop() {
  if (!is_started_) return;
  is_started_ = false;
  is_renewing_ = false;
  for (auto& client : clients_) client->Close();
  http_.Close();
  connect_timer_.Cancel();
  renewal_timer_.Cancel();
  snapshot_timer_.Cancel();
  // Nothing is in flight any more: after the next start everything may be asked for.
  for (size_t i = 0; i < streams_.size(); ++i) snapshot_wanted_[i].store(false);
  has_wanted_.store(false);
  backoff_.Reset();
  snapshot_backoff_.Reset();
  SetUp(false, connection_.clock().WallNs());
  NotifyLoop();
}

// --- connections ---------------------------------------------------------------------------------

void BinanceFeedCore::Connect() {
  if (!is_started_) return;
  const int64_t wall_ns = connection_.clock().WallNs();
  if (connection_.budget().IsBlocked(wall_ns)) {
    connect_timer_.SetAfter(connection_.budget().block().not_before_wall_ns - wall_ns);
    return;
  }
  (is_renewing_ ? standby() : active()).Open(StreamUrl());
}

void BinanceFeedCore::BeginRenewal() {
  if (is_renewing_ || !is_up_) return;
  is_renewing_ = true;
  const int64_t now_ns = connection_.loop().NowNs();
  const int64_t wait_ns = last_renewal_ns_ + kStableNs - now_ns;
  last_renewal_ns_ = now_ns + std::max<int64_t>(wait_ns, 0);
  if (wait_ns > 0) return connect_timer_.SetAfter(wait_ns);
  Connect();
}

void BinanceFeedCore::OnWebSocketOpen(WebSocketClient& client) {
  // The new connection takes over with its first message: what came before it the old one told.
  if (&client != &active()) return;
  up_since_ns_ = connection_.loop().NowNs();
  renewal_timer_.SetAfter(options_.connection_lifetime_ms * kNanosPerMilli +
                          static_cast<int64_t>(connection_.prng().Below(
                              static_cast<uint64_t>(1800 * kNanosPerSecond))));
  SetUp(true, connection_.clock().WallNs());
}

void BinanceFeedCore::OnWebSocketMessage(WebSocketClient& client, std::string_view text) {
  if (&client != &active()) {
    active().Close();
    active_ = 1 - active_;
    is_renewing_ = false;
    OnWebSocketOpen(client);
  }
  const int64_t receive_time_ns = client.read_wall_time_ns();
  const std::string_view name = BinanceMarketDecoder::StreamSymbol(text);
  Stream* stream = &streams_.front();
  for (Stream& candidate : streams_) {
    if (candidate.name == name) stream = &candidate;
  }
  const BinanceFrameKind kind = stream->decoder->Decode(text, receive_time_ns, frame_);
  switch (kind) {
    case BinanceFrameKind::kDepthUpdate:
    case BinanceFrameKind::kTrade:
    case BinanceFrameKind::kBookTop:
      return Deliver(*stream, kind);
    case BinanceFrameKind::kServerShutdown:
      return BeginRenewal();
    case BinanceFrameKind::kDepthSnapshot:
    case BinanceFrameKind::kOther:
      return;
    case BinanceFrameKind::kMalformed:
      malformed_count_.fetch_add(1, std::memory_order_relaxed);
      return Restart(receive_time_ns);
  }
}

void BinanceFeedCore::OnWebSocketClosed(WebSocketClient& client, const absl::Status&) {
  if (client.refusal() != nullptr) connection_.ApplyRefusedUpgrade(*client.refusal());
  if (&client == &active()) {
    if (is_up_ && connection_.loop().NowNs() - up_since_ns_ >= kStableNs) backoff_.Reset();
    renewal_timer_.Cancel();
    SetUp(false, connection_.clock().WallNs());
    if (is_renewing_) {
      // The replacement is on its way already: it becomes the connection.
      is_renewing_ = false;
      active_ = 1 - active_;
      if (active().is_open()) return OnWebSocketOpen(active());
      if (!active().is_closed()) return;
    }
  }
  connect_timer_.SetAfter(backoff_.NextDelayNs());
}

void BinanceFeedCore::SetUp(bool is_up, int64_t time_ns) {
  if (is_up == is_up_) return;
  is_up_ = is_up;
  for (Stream& stream : streams_) {
    if (is_up) stream.seen = Seen();
    PushConnection(stream.instrument.id, is_up, time_ns);
  }
}

// Continuity is lost although the connection stands.
void BinanceFeedCore::Restart(int64_t time_ns) {
  if (!is_up_) return;
  SetUp(false, time_ns);
  SetUp(true, time_ns);
}

// --- the ring ------------------------------------------------------------------------------------

void BinanceFeedCore::Deliver(Stream& stream, BinanceFrameKind kind) {
  Record record;
  record.instrument = stream.instrument.id;
  if (kind == BinanceFrameKind::kDepthUpdate) {
    const DepthUpdate& update = frame_.depth_update;
    if (update.last_update_id <= stream.seen.update_id) return;
    stream.seen.update_id = update.last_update_id;
    record.kind = RecordKind::kDepthUpdate;
    record.depth = {update.first_update_id, update.last_update_id, update.venue_time_ns,
                    update.receive_time_ns};
    Push(record, update.bids, update.asks);
  } else if (kind == BinanceFrameKind::kTrade) {
    const PublicTrade& trade = frame_.trade;
    if (trade.trade_id.value() <= stream.seen.trade_id) return;
    stream.seen.trade_id = trade.trade_id.value();
    record.kind = RecordKind::kTrade;
    record.trade = trade;
    Push(record, {}, {});
  } else {
    const BookTop& top = frame_.book_top;
    if (top.update_id <= stream.seen.top_id) return;
    stream.seen.top_id = top.update_id;
    record.kind = RecordKind::kBookTop;
    record.top = top;
    Push(record, {}, {});
  }
}

bool BinanceFeedCore::Push(const Record& record, std::span<const LevelChange> bids,
                           std::span<const LevelChange> asks) {
  std::byte* out = nullptr;
  if (!is_overflowed_) {
    out = ring_.Reserve(sizeof(Record) + bids.size_bytes() + asks.size_bytes());
  }
  if (out == nullptr) {
    is_overflowed_ = true;
    dropped_count_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  Record header = record;
  header.bid_count = static_cast<uint32_t>(bids.size());
  header.ask_count = static_cast<uint32_t>(asks.size());
  std::memcpy(out, &header, sizeof(header));
  out += sizeof(header);
  if (!bids.empty()) std::memcpy(out, bids.data(), bids.size_bytes());
  if (!asks.empty()) std::memcpy(out + bids.size_bytes(), asks.data(), asks.size_bytes());
  ring_.Commit();
  has_new_ = true;
  return true;
}

void BinanceFeedCore::PushConnection(InstrumentId instrument, bool is_up, int64_t time_ns) {
  Record record;
  record.kind = RecordKind::kConnection;
  record.instrument = instrument;
  record.is_up = is_up ? 1 : 0;
  record.connection_time_ns = time_ns;
  // A snapshot that was asked for before belongs to what is void now.
  if (!is_up) snapshot_wanted_[instrument.value()].store(false, std::memory_order_relaxed);
  Push(record, {}, {});
}

// The loop has caught up: tell it that something is missing, then where things stand.
void BinanceFeedCore::EndOverflow() {
  if (ring_.BytesUsedEstimate() > kRingBytes / 2) return;
  is_overflowed_ = false;
  const int64_t time_ns = connection_.clock().WallNs();
  for (Stream& stream : streams_) {
    stream.seen = Seen();
    PushConnection(stream.instrument.id, false, time_ns);
    if (is_up_) PushConnection(stream.instrument.id, true, time_ns);
  }
}

void BinanceFeedCore::NotifyLoop() {
  if (has_new_ && waker_ != nullptr) waker_->Notify();
  has_new_ = false;
}

int BinanceFeedCore::PollOnce() {
  if (is_overflowed_) EndOverflow();
  int work = 0;
  if (has_wanted_.load(std::memory_order_relaxed) && has_wanted_.exchange(false)) {
    FetchSnapshot();
    ++work;
  }
  NotifyLoop();
  return work;
}

void BinanceFeedCore::RequestSnapshot(InstrumentId instrument) {
  HF_ASSERT(instrument.value() < streams_.size());
  if (snapshot_wanted_[instrument.value()].exchange(true)) return;  // in flight
  has_wanted_.store(true);
  connection_.loop().Wake();
}

int BinanceFeedCore::Poll(MarketSink& sink, int max_messages) {
  int count = 0;
  while (count < max_messages) {
    const auto bytes = ring_.Front();
    if (!bytes) break;
    Record record;
    std::memcpy(static_cast<void*>(&record), bytes->data(), sizeof(record));
    // Records are 8-byte aligned and so are the levels behind the header.
    static_assert(sizeof(Record) % alignof(LevelChange) == 0);
    const auto* levels = reinterpret_cast<const LevelChange*>(bytes->data() + sizeof(record));
    const std::span<const LevelChange> bids(levels, record.bid_count);
    const std::span<const LevelChange> asks(levels + record.bid_count, record.ask_count);
    switch (record.kind) {
      case RecordKind::kConnection:
        sink.OnFeedConnection(record.instrument, record.is_up != 0, record.connection_time_ns);
        break;
      case RecordKind::kDepthUpdate:
        sink.OnDepthUpdate({.instrument = record.instrument,
                            .first_update_id = record.depth.first_update_id,
                            .last_update_id = record.depth.last_update_id,
                            .venue_time_ns = record.depth.venue_time_ns,
                            .receive_time_ns = record.depth.receive_time_ns,
                            .bids = bids,
                            .asks = asks});
        break;
      case RecordKind::kSnapshot:
        sink.OnDepthSnapshot({.instrument = record.instrument,
                              .last_update_id = record.depth.last_update_id,
                              .receive_time_ns = record.depth.receive_time_ns,
                              .bids = bids,
                              .asks = asks});
        break;
      case RecordKind::kBookTop:
        sink.OnBookTop(record.top);
        break;
      case RecordKind::kTrade:
        sink.OnPublicTrade(record.trade);
        break;
    }
    ring_.Pop();
    ++count;
  }
  return count;
}

// --- snapshots -----------------------------------------------------------------------------------

bool BinanceFeedCore::MaySnapshot(const Stream& stream) const {
  const int64_t lead_ns = (kSnapshotBurst - 1) * kSnapshotIntervalNs;
  return stream.snapshots_full_ns - connection_.loop().NowNs() <= lead_ns;
}

void BinanceFeedCore::FetchSnapshot() {
  if (!is_started_ || !http_.is_idle() || snapshot_timer_.is_set()) return;
  const int64_t venue_time_ns = connection_.VenueTimeNs();
  const int64_t limit =
      connection_.budget().UsageOf(BudgetKind::kRequestWeight, venue_time_ns).limit;
  snapshot_share_.Configure(
      {.limit = std::max(limit * kSnapshotSharePpm / 1'000'000, kSnapshotWeight)});
  // Round robin, so that one instrument's failures don't starve the others.
  bool is_any_early = false;
  for (size_t i = 1; i <= streams_.size(); ++i) {
    const size_t index = (snapshot_instrument_ + i) % streams_.size();
    if (!snapshot_wanted_[index].load(std::memory_order_relaxed)) continue;
    if (connection_.IsBlocked() || !connection_.budget().MayQuery(kSnapshotWeight, venue_time_ns) ||
        !snapshot_share_.MayQuery(kSnapshotWeight, venue_time_ns)) {
      snapshot_timer_.SetAfter(kNanosPerSecond);
      return;
    }
    if (!MaySnapshot(streams_[index])) {
      is_any_early = true;
      continue;
    }
    snapshot_instrument_ = index;
    streams_[index].snapshots_full_ns =
        std::max(streams_[index].snapshots_full_ns, connection_.loop().NowNs()) +
        kSnapshotIntervalNs;
    snapshot_share_.Charge(BudgetKind::kRequestWeight, kSnapshotWeight, venue_time_ns);
    connection_.Charge(BudgetKind::kRequestWeight, kSnapshotWeight);
    connection_.Charge(BudgetKind::kRequestCount, 1);
    const std::string target =
        Concat("/api/v3/depth?symbol=", streams_[index].instrument.symbol.view(),
               "&limit=", kSnapshotLevels);
    http_.Send({.target = target}, options_.request_timeout_ms * kNanosPerMilli);
    return;
  }
  if (is_any_early) snapshot_timer_.SetAfter(kNanosPerSecond);
}

void BinanceFeedCore::OnHttpResponse(const HttpResponse& response) {
  const int64_t receive_time_ns = connection_.clock().WallNs();
  BinanceReply reply;
  reply.error.status = response.status;
  connection_.ApplyRateLimits(response, reply);
  Stream& stream = streams_[snapshot_instrument_];
  if (response.status != 200 || stream.decoder->Decode(response.body, receive_time_ns, frame_) !=
                                    BinanceFrameKind::kDepthSnapshot) {
    return SnapshotFailed();
  }
  const DepthSnapshot& snapshot = frame_.depth_snapshot;
  Record record;
  record.kind = RecordKind::kSnapshot;
  record.instrument = stream.instrument.id;
  record.depth = {0, snapshot.last_update_id, 0, receive_time_ns};
  // Cleared first: whoever sees the snapshot may ask for the next one. Not wanted any more when the
  // stream went down meanwhile.
  if (snapshot_wanted_[snapshot_instrument_].exchange(false)) {
    Push(record, snapshot.bids, snapshot.asks);
  }
  snapshot_backoff_.Reset();
  FetchSnapshot();
}

void BinanceFeedCore::OnHttpFailure(HttpFailure, const absl::Status&) { SnapshotFailed(); }

void BinanceFeedCore::SnapshotFailed() {
  snapshot_timer_.SetAfter(snapshot_backoff_.NextDelayNs());
}

// --- BinanceFeed ---------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<BinanceFeed>> BinanceFeed::Create(
    BinanceConnection& connection, const BinanceOptions& options,
    std::vector<Instrument> instruments, Waker* waker) {
  if (instruments.empty()) return absl::InvalidArgumentError("binance: no instrument");
  for (size_t i = 0; i < instruments.size(); ++i) {
    if (instruments[i].id.value() != i) {
      return absl::InvalidArgumentError("binance: instrument ids must be 0, 1, ... in order");
    }
    HF_RETURN_IF_ERROR(Validate(instruments[i]));
  }
  std::unique_ptr<BinanceFeedCore> core;
  connection.thread().Execute([&] {
    core = std::make_unique<BinanceFeedCore>(connection, options, std::move(instruments), waker);
  });
  return std::unique_ptr<BinanceFeed>(new BinanceFeed(std::move(core)));
}

BinanceFeed::BinanceFeed(std::unique_ptr<BinanceFeedCore> core) : core_(std::move(core)) {}

BinanceFeed::~BinanceFeed() {
  Stop();
  core_->connection().thread().Execute([this] { core_ = nullptr; });
}

absl::Status BinanceFeed::Start() {
  absl::Status status;
  core_->connection().thread().Execute([&] {
    if (core_->is_started()) {
      status = absl::FailedPreconditionError("binance: already started");
    } else {
      core_->Start();
    }
  });
  return status;
}

void BinanceFeed::Stop() {
  core_->connection().thread().Execute([this] { core_->Stop(); });
}

void BinanceFeed::RequestSnapshot(InstrumentId instrument) { core_->RequestSnapshot(instrument); }

int BinanceFeed::Poll(MarketSink& sink, int max_messages) {
  return core_->Poll(sink, max_messages);
}

int64_t BinanceFeed::malformed_count() const { return core_->malformed_count(); }
int64_t BinanceFeed::dropped_count() const { return core_->dropped_count(); }

}  // namespace holdfast
