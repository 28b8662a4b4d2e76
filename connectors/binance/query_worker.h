#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/binance/connection.h"
#include "connectors/binance/options.h"
#include "connectors/binance/private_decoder.h"
#include "connectors/net/backoff.h"
#include "connectors/net/http_client.h"
#include "connectors/net/signing.h"

namespace holdfast {

struct BinanceQuery {
  QueryKind kind = QueryKind::kServerTime;
  RequestId request_id = {};
  InstrumentId instrument = {};
  ClientOrderId client_order_id = {};
  VenueOrderId venue_order_id = {};  // kOrder: 0 = by client id
  VenueTradeId after = {};
  int64_t since_venue_time_ns = 0;
  bool is_internal = false;  // ours (clock, filters): nobody waits for rows or an end
};

// Answers queries over REST, one after the other, each within kQueryTimeoutNs: pages through
// trades, waits while the budget is used up (and says so: PublishQueryWait(); what may use the
// cancels' reserve goes ahead of what may not), repeats what failed before an answer came (reading
// twice is harmless), and measures the clock offset when a signature needs it.
//
// Rows are handed over when their page has been understood as a whole, then the end. An answer that
// is not understood fails the query.
//
// Network thread only.
class BinanceQueryWorker : private HttpClient::Handler {
 public:
  static constexpr size_t kMaxQueued = 256;
  static constexpr int64_t kQueryTimeoutNs = 30 * kNanosPerSecond;
  static constexpr int kMaxAttempts = 3;       // per page
  static constexpr int kTradesPerPage = 1000;  // the venue's maximum
  static constexpr int kMaxPages = 1000;

  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnQueryEvent(const VenueEvent& event) = 0;
    virtual void OnFiltersRead(const Instrument& instrument) = 0;
    virtual void OnRestHealth(bool is_healthy, std::string_view why) = 0;
    // May call Stop(). Everything that is queued fails in any case.
    virtual void OnRestAuthenticationFailure(const BinanceError& error) = 0;
    // Events wait to be taken: no further page is asked for.
    virtual bool IsBacklogged() const = 0;
  };

  BinanceQueryWorker(BinanceConnection& connection, const BinanceOptions& options,
                     const RequestSigner& signer, const BinanceInstruments& instruments,
                     Handler& handler);
  ~BinanceQueryWorker() override;

  // False = the queue is full.
  bool Enqueue(const BinanceQuery& query);
  // Fails everything that is queued or under way.
  void Stop(std::string_view why, int32_t code = 0);
  bool is_idle() const { return queue_.empty(); }

 private:
  // How the next page of trades is asked for. By time first when a time is all we know; the venue
  // may look at no more than a day from there, so the rest goes by id, and when there was nothing,
  // the newest page tells whether there was anything later.
  enum class TradePaging : uint8_t { kByTime, kById, kNewest };
  struct Job {
    BinanceQuery query;
    int64_t deadline_ns = 0;
    int attempt_count = 0;
    int page_count = 0;
    int32_t row_count = 0;
    bool asks_for_cancel_id = false;  // kOrder: its own id is unknown, so now by its cancel's
    int64_t first_asked_wall_ns = 0;  // kOrder: when the question by its own id left
    TradePaging paging = TradePaging::kById;
    int64_t next_trade_id = 0;  // kById
  };

  void OnHttpResponse(const HttpResponse& response) override;
  void OnHttpFailure(HttpFailure failure, const absl::Status& reason) override;

  void StartNext();
  // Brings the first query that the budget has room for to the front; the shortage when none has.
  std::optional<BudgetShortage> PickAffordable();
  // Waits for that long, or fails the query when its time is up before.
  void WaitOrFail(int64_t wait_ns, int64_t look_again_ns, std::string_view why);
  void SendTime();
  void SendRequest(const Job& job);
  // The client id that an order is asked for by.
  static ClientOrderId NameAsked(const Job& job);
  std::string Target(const Job& job);
  std::string Signed(std::string_view path, std::string parameters);
  int64_t Weight(const Job& job) const;
  void OnTimeAnswer(const BinanceReply& reply);
  void OnSuccess(const HttpResponse& response, int64_t receive_time_ns);
  void OnOrderAnswer(int64_t receive_time_ns);
  void OnOpenOrdersAnswer(int64_t receive_time_ns);
  void OnFillsAnswer(int64_t receive_time_ns);
  void OnBalancesAnswer();
  void OnAccountAnswer();
  void OnInstrumentAnswer(std::string_view body);
  void OnError(const BinanceReply& reply);
  void RetryOrFail(std::string_view why, int32_t code);
  void EmitRow(const VenueEvent& event);
  void Finish(bool is_ok, int32_t code, std::string_view text);

  BinanceConnection& connection_;
  const BinanceOptions& options_;
  const RequestSigner& signer_;
  const BinanceInstruments& instruments_;
  Handler& handler_;
  BinancePrivateDecoder decoder_;
  HttpClient client_;
  Backoff backoff_;
  Timer timer_;  // the next attempt
  std::string header_lines_;
  std::deque<Job> queue_;
  bool is_measuring_clock_ = false;
  int64_t sent_wall_ns_ = 0;
  int64_t sent_ns_ = 0;
};

}  // namespace holdfast
