#include "connectors/sim/sim_feed.h"

#include <utility>

#include "engine/base/assert.h"

namespace holdfast {

SimFeed::SimFeed(SimVenue& venue, const Clock& clock, SimFeedConfig config, FaultInjector* faults)
    : venue_(venue),
      clock_(clock),
      config_(std::move(config)),
      faults_(faults),
      connection_(std::make_shared<uint64_t>(0)) {
  HF_ASSERT(config_.max_queued_messages > 0);
  for (const InstrumentId instrument : config_.instruments) {
    venue_.AddMarketListener(instrument, this);
    if (is_snapshot_in_flight_.size() <= instrument.value()) {
      is_snapshot_in_flight_.resize(instrument.value() + size_t{1});
    }
  }
}

SimFeed::~SimFeed() {
  for (const InstrumentId instrument : config_.instruments) {
    venue_.RemoveMarketListener(instrument, this);
  }
}

absl::Status SimFeed::Start() {
  if (is_started_) return absl::FailedPreconditionError("sim feed: already started");
  is_started_ = true;
  Connect(config_.connect_delay_ns);
  return absl::OkStatus();
}

void SimFeed::Stop() {
  if (!is_started_) return;
  is_started_ = false;
  ++*connection_;
  if (is_up_) queue_.push_back(Connection{.is_up = false});
  is_up_ = false;
  held_back_.clear();
  is_snapshot_in_flight_.assign(is_snapshot_in_flight_.size(), false);
}

void SimFeed::Connect(int64_t delay_ns) {
  const std::weak_ptr<uint64_t> alive = connection_;
  const uint64_t connection = ++*connection_;
  venue_.At(venue_.now_ns() + delay_ns, [this, alive, connection] {
    const std::shared_ptr<uint64_t> current = alive.lock();
    if (current == nullptr || *current != connection) return;
    is_up_ = true;
    queue_.push_back(Connection{.is_up = true});
  });
}

void SimFeed::Disconnect() {
  if (!is_started_) return;
  if (is_up_) queue_.push_back(Connection{.is_up = false});
  is_up_ = false;
  held_back_.clear();
  is_snapshot_in_flight_.assign(is_snapshot_in_flight_.size(), false);
  Connect(config_.reconnect_delay_ns);
}

void SimFeed::RequestSnapshot(InstrumentId instrument) {
  HF_ASSERT(instrument.value() < is_snapshot_in_flight_.size());
  if (!is_up_ || is_snapshot_in_flight_[instrument.value()]) return;
  is_snapshot_in_flight_[instrument.value()] = true;
  const std::optional<Fault> fault =
      faults_ == nullptr
          ? std::nullopt
          : faults_->Decide(FaultPoint::kDepthSnapshot, std::nullopt, venue_.now_ns());
  int64_t delay_ns = config_.snapshot_delay_ns;
  if (fault.has_value()) {
    if (fault->kind == FaultKind::kDisconnect) return Disconnect();
    if (fault->kind != FaultKind::kLateAccept) return;  // lost or refused
    delay_ns += fault->delay_ns;
  }
  const std::weak_ptr<uint64_t> alive = connection_;
  const uint64_t connection = *connection_;
  venue_.At(venue_.now_ns() + delay_ns, [this, alive, connection, instrument] {
    const std::shared_ptr<uint64_t> current = alive.lock();
    if (current == nullptr || *current != connection) return;
    TakeSnapshot(instrument);
  });
}

LevelChange SimFeed::Level(const Instrument& instrument, const SimLevel& level) const {
  return {.price = Price::FromTicks(level.price.units() / instrument.tick_size.units()),
          .quantity = Quantity::FromLots(level.quantity.units() / instrument.lot_size.units())};
}

void SimFeed::TakeSnapshot(InstrumentId id) {
  is_snapshot_in_flight_[id.value()] = false;
  const Instrument& instrument = venue_.instrument(id);
  const SimDepth depth = venue_.Depth(id, config_.snapshot_level_limit);
  Depth message{.instrument = id,
                .is_snapshot = true,
                .first_update_id = 0,
                .last_update_id = depth.last_update_id,
                .venue_time_ns = venue_.now_ns(),
                .bids = {},
                .asks = {}};
  for (const SimLevel& level : depth.bids) message.bids.push_back(Level(instrument, level));
  for (const SimLevel& level : depth.asks) message.asks.push_back(Level(instrument, level));
  Enqueue(std::move(message));
}

void SimFeed::OnDepth(const SimDepthDiff& diff) {
  const Instrument& instrument = venue_.instrument(diff.instrument);
  Depth message{.instrument = diff.instrument,
                .is_snapshot = false,
                .first_update_id = diff.first_update_id,
                .last_update_id = diff.last_update_id,
                .venue_time_ns = diff.time_ns,
                .bids = {},
                .asks = {}};
  for (const SimLevel& level : diff.bids) message.bids.push_back(Level(instrument, level));
  for (const SimLevel& level : diff.asks) message.asks.push_back(Level(instrument, level));
  Send(FaultPoint::kDepthEvent, std::move(message));
}

void SimFeed::OnBookTop(const SimBookTop& top) {
  const Instrument& instrument = venue_.instrument(top.instrument);
  const LevelChange bid = Level(instrument, top.bid);
  const LevelChange ask = Level(instrument, top.ask);
  Send(FaultPoint::kBookTopEvent, BookTop{.instrument = top.instrument,
                                          .update_id = top.update_id,
                                          .bid_price = bid.price,
                                          .bid_quantity = bid.quantity,
                                          .ask_price = ask.price,
                                          .ask_quantity = ask.quantity,
                                          .receive_time_ns = 0});
}

void SimFeed::OnPublicTrade(const SimPublicTrade& trade) {
  const Instrument& instrument = venue_.instrument(trade.instrument);
  const LevelChange level =
      Level(instrument, SimLevel{.price = trade.price, .quantity = trade.quantity});
  Send(FaultPoint::kTradeEvent, PublicTrade{.instrument = trade.instrument,
                                            .trade_id = trade.trade_id,
                                            .price = level.price,
                                            .quantity = level.quantity,
                                            .aggressor = trade.aggressor,
                                            .venue_time_ns = trade.time_ns,
                                            .receive_time_ns = 0});
}

void SimFeed::OnInstrument(const Instrument&) {}

void SimFeed::Send(FaultPoint point, Message message) {
  if (!is_up_) return;
  const std::optional<Fault> fault =
      faults_ == nullptr ? std::nullopt : faults_->Decide(point, std::nullopt, venue_.now_ns());
  const int64_t delay_ns = config_.event_delay_ns;
  if (fault.has_value()) {
    if (fault->kind == FaultKind::kDisconnect) return Disconnect();
    if (fault->kind == FaultKind::kSequenceGap) return;
    if (fault->kind == FaultKind::kReorderedEvent) {
      held_back_.push_back(std::move(message));
      return;
    }
    if (fault->kind == FaultKind::kDuplicateEvent) Deliver(message, delay_ns);
  }
  Deliver(std::move(message), delay_ns);
  while (!held_back_.empty()) {
    Deliver(std::move(held_back_.front()), delay_ns);
    held_back_.pop_front();
  }
}

void SimFeed::Deliver(Message message, int64_t delay_ns) {
  if (delay_ns == 0) return Enqueue(std::move(message));
  const std::weak_ptr<uint64_t> alive = connection_;
  const uint64_t connection = *connection_;
  venue_.At(venue_.now_ns() + delay_ns,
            [this, alive, connection, held = std::move(message)]() mutable {
              const std::shared_ptr<uint64_t> current = alive.lock();
              if (current == nullptr || *current != connection) return;
              Enqueue(std::move(held));
            });
}

void SimFeed::Enqueue(Message message) {
  if (!is_up_) return;
  if (queue_.size() >= config_.max_queued_messages) {
    queue_.clear();
    queue_.push_back(Connection{.is_up = false});
    queue_.push_back(Connection{.is_up = true});
    return;
  }
  queue_.push_back(std::move(message));
}

void SimFeed::Hand(const Message& message, MarketSink& sink) const {
  const int64_t receive_time_ns = clock_.WallNs();
  if (const Depth* depth = std::get_if<Depth>(&message)) {
    if (depth->is_snapshot) {
      sink.OnDepthSnapshot({.instrument = depth->instrument,
                            .last_update_id = depth->last_update_id,
                            .receive_time_ns = receive_time_ns,
                            .bids = depth->bids,
                            .asks = depth->asks});
      return;
    }
    sink.OnDepthUpdate({.instrument = depth->instrument,
                        .first_update_id = depth->first_update_id,
                        .last_update_id = depth->last_update_id,
                        .venue_time_ns = depth->venue_time_ns,
                        .receive_time_ns = receive_time_ns,
                        .bids = depth->bids,
                        .asks = depth->asks});
  } else if (const BookTop* top = std::get_if<BookTop>(&message)) {
    BookTop received = *top;
    received.receive_time_ns = receive_time_ns;
    sink.OnBookTop(received);
  } else if (const PublicTrade* trade = std::get_if<PublicTrade>(&message)) {
    PublicTrade received = *trade;
    received.receive_time_ns = receive_time_ns;
    sink.OnPublicTrade(received);
  } else {
    for (const InstrumentId instrument : config_.instruments) {
      sink.OnFeedConnection(instrument, std::get<Connection>(message).is_up, receive_time_ns);
    }
  }
}

int SimFeed::Poll(MarketSink& sink, int max_messages) {
  venue_.Advance(clock_.WallNs());
  int count = 0;
  for (; count < max_messages && !queue_.empty(); ++count) {
    const Message message = std::move(queue_.front());
    queue_.pop_front();
    Hand(message, sink);
  }
  return count;
}

}  // namespace holdfast
