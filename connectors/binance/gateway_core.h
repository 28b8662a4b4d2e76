#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "connectors/api/venue_gateway.h"
#include "connectors/binance/connection.h"
#include "connectors/binance/event_outbox.h"
#include "connectors/binance/options.h"
#include "connectors/binance/order_encoder.h"
#include "connectors/binance/pending_requests.h"
#include "connectors/binance/query_worker.h"
#include "connectors/binance/rest_orders.h"
#include "connectors/binance/session.h"
#include "engine/base/spsc_ring.h"
#include "engine/base/waker.h"

namespace holdfast {

// What the engine loop asks of the network thread.
struct GatewayCommand {
  enum class Kind : uint8_t { kPlace, kCancel, kCancelAll, kQuery };
  Kind kind = Kind::kPlace;
  PlaceRequest place;
  CancelRequest cancel;
  BinanceQuery query;  // of a cancel-all: its request id and instrument
};

// The network thread's half of BinanceGateway: carries out commands, matches answers with requests,
// turns everything into events. See gateway.h for the meaning of answers.
//
// Built and destroyed on the network thread (or while no thread runs it). The members marked so are
// touched by the engine loop's thread.
class BinanceGatewayCore final : private EventLoop::Poller,
                                 private BinanceSession::Handler,
                                 private BinanceQueryWorker::Handler,
                                 private BinanceRestOrders::Handler {
 public:
  static constexpr size_t kCommandCapacity = 1024;
  static constexpr size_t kEventCapacity = 16 * 1024;
  static constexpr int64_t kHousekeepingNs = 50 * kNanosPerMilli;
  static constexpr int64_t kRestProbeNs = kNanosPerSecond;
  // A command that is taken must always find a place to wait for its answer.
  static_assert(kCommandCapacity <= PendingRequests::kCapacity);

  BinanceGatewayCore(BinanceConnection& connection, const BinanceOptions& options,
                     std::vector<Instrument> instruments, std::unique_ptr<RequestSigner> signer,
                     Waker* waker);
  ~BinanceGatewayCore() override;

  void Start();
  void Stop();

  // --- engine loop ---
  absl::Status Submit(const GatewayCommand& command);
  EventOutbox& outbox() { return outbox_; }
  BinanceConnection& connection() { return connection_; }
  const BinanceOptions& options() const { return options_; }
  size_t instrument_count() const { return encoders_.size(); }
  bool is_order_entry_up() const { return is_order_entry_up_.load(std::memory_order_relaxed); }
  bool is_private_stream_up() const {
    return is_private_stream_up_.load(std::memory_order_relaxed);
  }
  bool is_started() const { return is_started_.load(std::memory_order_relaxed); }

 private:
  using Slot = PendingRequest;

  int PollOnce() override;
  void OnHousekeeping();

  // Commands.
  void Execute(const GatewayCommand& command);
  void Place(const PlaceRequest& request);
  void Cancel(const CancelRequest& request);
  void CancelAll(RequestId request_id, InstrumentId instrument);
  void Query(const BinanceQuery& query);
  std::string_view WhyNoPlacement() const;
  std::string_view WhyNoCancel() const;
  bool HasRestOrders() const;
  std::string_view WhyNotNow(Slot::Kind kind) const;
  bool IsPlacementUnanswered(const ClientOrderId& client_order_id);
  bool IsCancelingAll(InstrumentId instrument);
  // Whether the venue may still take a placement of the instrument: it was sent and not answered,
  // or its answer was given up and it has not expired. Those of the present session are left out
  // unless asked for: what is sent there now comes behind them.
  bool MayPlacementStillArrive(InstrumentId instrument, bool counts_session);
  void SendCancelAll(Slot& slot);
  void RepeatCancelAll(Slot& slot);
  bool SendOverSession(Slot& slot);
  bool TransmitOverSession(Slot& slot);
  void QueueForRest(Slot& slot);
  std::string_view EncodeForSession(const Slot& slot, int64_t timestamp_ms);
  void ChargeFor(const Slot& slot);

  // Answers.
  void OnAnswer(Slot& slot, const BinanceReply& reply, bool is_readable);
  bool AnswerUnclear(Slot& slot, const BinanceReply& reply, bool is_readable);
  void OnPlaceAnswer(Slot& slot, const BinanceReply& reply, bool is_readable);
  void OnCancelAnswer(Slot& slot, const BinanceReply& reply, bool is_readable);
  void OnCancelAllAnswer(Slot& slot, const BinanceReply& reply, bool is_readable);
  void ConfirmCancelAll(Slot& slot, int32_t code, std::string_view text);
  void OnLateAnswer(Slot& slot, const BinanceReply& reply);
  void CheckAnswerForAll(const BinanceReply& reply);
  void AnswerNotSent(const Slot& slot, std::string_view why);
  void AnswerAmbiguous(Slot& slot, AmbiguityCause cause, std::string_view why, int32_t code = 0);
  void RejectPlace(const PlaceRequest& request, RejectReason reason, int32_t code,
                   std::string_view text);
  void RejectCancel(const CancelRequest& request, CancelRejectReason reason, int32_t code,
                    std::string_view text);
  void FinishCancelAll(const Slot& slot, bool is_ok, int32_t row_count, int32_t code,
                       std::string_view text);
  OrderReport MakeReport(const Slot& slot, VenueOrderStatus status, const BinanceReply& reply);
  void GiveUpOnSession(std::string_view why);

  // BinanceSession::Handler
  void OnOrderEntryChange(bool is_up, std::string_view why) override;
  void OnPrivateStreamChange(bool is_up, std::string_view why) override;
  void OnSessionReply(const BinanceReply& reply) override;
  void OnSessionEvents(const std::vector<VenueEvent>& events) override;
  void OnSessionFatal(const BinanceError& error) override;
  bool HasRequestsInFlight() const override { return pending_.open_count() > 0; }
  // BinanceQueryWorker::Handler
  void OnQueryEvent(const VenueEvent& event) override { outbox_.Emit(event); }
  void OnFiltersRead(const Instrument& instrument) override;
  void OnRestHealth(bool is_healthy, std::string_view why) override;
  bool IsBacklogged() const override { return outbox_.is_backlogged(); }
  void OnRestAuthenticationFailure(const BinanceError& error) override;
  // BinanceRestOrders::Handler
  std::optional<BinanceRestOrders::Request> OnRestOrderDue(uint64_t id) override;
  void OnRestOrderResponse(uint64_t id, const HttpResponse& response) override;
  void OnRestOrderFailure(uint64_t id, HttpFailure failure, const absl::Status& reason) override;

  void UpdateOrderEntry(std::string_view why);
  void EmitChange(Channel channel, bool is_up, std::string_view why);
  void Fail(const BinanceError& error);
  int64_t WallNs() const { return connection_.clock().WallNs(); }

  BinanceConnection& connection_;
  const BinanceOptions options_;
  BinanceInstruments instruments_;
  const std::unique_ptr<RequestSigner> signer_;
  const BinanceAuthentication authentication_;
  std::vector<std::unique_ptr<BinanceOrderEncoder>> encoders_;  // by instrument
  SpscRing<GatewayCommand> commands_{kCommandCapacity};
  EventOutbox outbox_;
  BinancePrivateDecoder decoder_;
  PendingRequests pending_;
  BinanceSession session_;
  BinanceQueryWorker queries_;
  BinanceRestOrders rest_orders_;
  Timer housekeeping_timer_;
  Timer filter_timer_;
  Timer rest_probe_timer_;
  std::array<char, BinanceOrderEncoder::kMaxRequestBytes> buffer_;
  std::string target_;
  std::vector<OrderReport> rows_;
  // By instrument, on the venue's clock: when the last placement with an open outcome is final.
  std::vector<int64_t> placements_final_after_ns_;
  bool is_rest_healthy_ = false;
  bool is_fatal_ = false;
  bool is_reading_paused_ = false;

  std::atomic<bool> is_started_{false};
  std::atomic<bool> is_order_entry_up_{false};
  std::atomic<bool> is_private_stream_up_{false};
};

}  // namespace holdfast
