#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "apps/fill_totals.h"
#include "engine/market/instrument.h"
#include "engine/quoting/engine.h"

namespace holdfast {

// An engine that keeps count of every fill that was booked through it, so that the end of a run
// can be compared with the venue's own ledger: the totals of all of this run, and copies of the
// newest. Everything else goes to the engine behind it.
//
// Memory is taken, and touched, at once and stays what it is however long a run is.
class FillRecorder final : public Engine {
 public:
  static constexpr size_t kKeptFills = 4096;

  FillRecorder(Engine& engine, const Instrument& instrument)
      : engine_(engine), instrument_(instrument), kept_(kKeptFills) {}

  const FillTotals& totals() const { return totals_; }
  // The newest, in no order.
  std::span<const Fill> kept() const {
    return std::span(kept_).first(std::min<size_t>(totals_.count, kKeptFills));
  }

  absl::StatusOr<RecoveredState> Open() override;
  absl::Status Start() override { return engine_.Start(); }
  absl::Status Close() override { return engine_.Close(); }
  std::optional<OrderNumber> NextOrderNumber() override { return engine_.NextOrderNumber(); }
  absl::Status Place(const PlaceIntent& intent) override { return engine_.Place(intent); }
  absl::Status Cancel(const CancelIntent& intent) override { return engine_.Cancel(intent); }
  absl::Status CancelAll(RequestId request_id, InstrumentId instrument) override {
    return engine_.CancelAll(request_id, instrument);
  }
  absl::Status QueryOrder(RequestId request_id, InstrumentId instrument,
                          const ClientOrderId& client_order_id) override {
    return engine_.QueryOrder(request_id, instrument, client_order_id);
  }
  absl::Status QueryOrderByVenueId(RequestId request_id, InstrumentId instrument,
                                   VenueOrderId venue_order_id) override {
    return engine_.QueryOrderByVenueId(request_id, instrument, venue_order_id);
  }
  absl::Status QueryOpenOrders(RequestId request_id, InstrumentId instrument) override {
    return engine_.QueryOpenOrders(request_id, instrument);
  }
  absl::Status QueryFills(RequestId request_id, InstrumentId instrument, VenueTradeId after,
                          int64_t since_venue_time_ns) override {
    return engine_.QueryFills(request_id, instrument, after, since_venue_time_ns);
  }
  absl::Status QueryBalances(RequestId request_id) override {
    return engine_.QueryBalances(request_id);
  }
  absl::Status QueryAccount(RequestId request_id) override {
    return engine_.QueryAccount(request_id);
  }
  absl::Status QueryInstrument(RequestId request_id, InstrumentId instrument) override {
    return engine_.QueryInstrument(request_id, instrument);
  }
  absl::Status QueryServerTime(RequestId request_id) override {
    return engine_.QueryServerTime(request_id);
  }
  int Poll(VenueEventSink& sink, int max_events) override { return engine_.Poll(sink, max_events); }
  GatewayCapabilities capabilities() const override { return engine_.capabilities(); }
  RateBudget rate_budget() const override { return engine_.rate_budget(); }
  bool is_order_entry_up() const override { return engine_.is_order_entry_up(); }
  bool is_private_stream_up() const override { return engine_.is_private_stream_up(); }
  bool Record(const OrderRecord& record) override { return engine_.Record(record); }
  bool Record(const FillRecord& record) override;
  bool Record(const SlotRecord& record) override { return engine_.Record(record); }
  bool Record(const MemoryRecord& record) override { return engine_.Record(record); }
  bool Record(const LedgerRecord& record) override { return engine_.Record(record); }
  bool Record(const RiskRecord& record) override { return engine_.Record(record); }
  bool RecordProvenStop() override { return engine_.RecordProvenStop(); }
  bool is_store_healthy() const override { return engine_.is_store_healthy(); }
  std::string store_problem() const override { return engine_.store_problem(); }

 private:
  Engine& engine_;
  const Instrument instrument_;  // of fixed tick and lot size
  VenueTradeId last_trade_before_;
  std::vector<Fill> kept_;
  FillTotals totals_;
};

}  // namespace holdfast
