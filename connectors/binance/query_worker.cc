#include "connectors/binance/query_worker.h"

#include <algorithm>

#include "connectors/binance/connection_options.h"
#include "connectors/net/text.h"
#include "engine/base/assert.h"
#include "engine/market/client_order_id.h"

namespace holdfast {
namespace {

constexpr size_t kMaxResponseBytes = size_t{32} << 20;
constexpr int64_t kBacklogCheckNs = 50 * kNanosPerMilli;

constexpr int64_t kBudgetCheckNs = kNanosPerSecond;

// What a stop or a resolved order rests on.
bool IsProof(QueryKind kind) {
  return kind == QueryKind::kOrder || kind == QueryKind::kOpenOrders || kind == QueryKind::kFills;
}

bool NeedsSignature(QueryKind kind) {
  return kind != QueryKind::kServerTime && kind != QueryKind::kInstrument;
}

}  // namespace

BinanceQueryWorker::BinanceQueryWorker(BinanceConnection& connection, const BinanceOptions& options,
                                       const RequestSigner& signer,
                                       const BinanceInstruments& instruments, Handler& handler)
    : connection_(connection),
      options_(options),
      signer_(signer),
      instruments_(instruments),
      handler_(handler),
      decoder_(instruments),
      client_(connection.loop(), connection.tls(), connection.rest_url(),
              {.max_response_bytes = kMaxResponseBytes, .user_agent = "holdfast"}, *this),
      backoff_(BackoffOptionsOf(options), connection.prng()),
      timer_(connection.loop(), [this] { StartNext(); }),
      header_lines_(Concat("X-MBX-APIKEY: ", options.api_key, "\r\n")) {}

BinanceQueryWorker::~BinanceQueryWorker() = default;

bool BinanceQueryWorker::Enqueue(const BinanceQuery& query) {
  if (queue_.size() >= kMaxQueued) return false;
  Job job = {.query = query, .deadline_ns = connection_.loop().NowNs() + kQueryTimeoutNs};
  if (query.after.value() > 0) {
    job.next_trade_id = query.after.value() + 1;
  } else if (query.since_venue_time_ns >= kNanosPerMilli) {
    job.paging = TradePaging::kByTime;
  }
  queue_.push_back(job);
  if (queue_.size() == 1) StartNext();
  return true;
}

void BinanceQueryWorker::Stop(std::string_view why, int32_t code) {
  client_.Close();
  timer_.Cancel();
  backoff_.Reset();
  is_measuring_clock_ = false;
  connection_.PublishQueryWait(QueryWait::kNone);
  while (!queue_.empty()) {
    const Job job = queue_.front();
    queue_.pop_front();
    if (job.query.is_internal) continue;
    QueryDone done = {};
    done.request_id = job.query.request_id;
    done.kind = job.query.kind;
    done.row_count = job.row_count;
    done.venue_code = code;
    done.text = VenueText::Truncated(why);
    done.receive_time_ns = connection_.clock().WallNs();
    handler_.OnQueryEvent(done);
  }
}

int64_t BinanceQueryWorker::Weight(const Job& job) const {
  switch (job.query.kind) {
    case QueryKind::kOrder:
      return 4;
    case QueryKind::kOpenOrders:
      return 6;
    case QueryKind::kFills:
    case QueryKind::kBalances:
    case QueryKind::kAccount:
    case QueryKind::kInstrument:
      return 20;
    case QueryKind::kServerTime:
    case QueryKind::kCancelAll:
      return 1;
  }
  return 20;
}

std::optional<BudgetShortage> BinanceQueryWorker::PickAffordable() {
  std::optional<BudgetShortage> first_shortage;
  for (auto job = queue_.begin(); job != queue_.end(); ++job) {
    const QueryPurpose purpose =
        IsProof(job->query.kind) ? QueryPurpose::kProof : QueryPurpose::kOrdinary;
    const auto shortage =
        connection_.budget().QueryShortage(Weight(*job), purpose, connection_.VenueTimeNs());
    if (!shortage) {
      std::rotate(queue_.begin(), job, job + 1);
      return std::nullopt;
    }
    if (!first_shortage) first_shortage = shortage;
  }
  return first_shortage;
}

void BinanceQueryWorker::WaitOrFail(int64_t wait_ns, int64_t look_again_ns, std::string_view why) {
  if (connection_.loop().NowNs() + wait_ns > queue_.front().deadline_ns) {
    connection_.PublishQueryWait(QueryWait::kNone);
    return Finish(false, 0, why);
  }
  timer_.SetAfter(std::min(wait_ns, look_again_ns));
}

void BinanceQueryWorker::StartNext() {
  if (queue_.empty() || !client_.is_idle() || timer_.is_set()) return;
  const int64_t wall_ns = connection_.clock().WallNs();
  if (connection_.budget().IsBlocked(wall_ns)) {
    const int64_t until_ns = connection_.budget().block().not_before_wall_ns;
    connection_.PublishQueryWait(QueryWait::kVenueBlock, 0, 0, until_ns);
    return WaitOrFail(until_ns - wall_ns, until_ns - wall_ns, "the venue asked us to be quiet");
  }
  if (const std::optional<BudgetShortage> shortage = PickAffordable()) {
    const bool is_weight = shortage->kind == BudgetKind::kRequestWeight;
    const int64_t until_ns = shortage->window_end_ns - connection_.clock_offset().offset_ns();
    connection_.PublishQueryWait(is_weight ? QueryWait::kRequestWeight : QueryWait::kRequestCount,
                                 shortage->used, shortage->limit, until_ns);
    // A share of every window is kept for cancels, so look again before the window ends.
    return WaitOrFail(std::min(std::max<int64_t>(1, until_ns - wall_ns), kBudgetCheckNs),
                      kBudgetCheckNs,
                      Concat("the rate budget is used up: ", is_weight ? "weight " : "requests ",
                             shortage->used, " of ", shortage->limit));
  }
  connection_.PublishQueryWait(QueryWait::kNone);
  if (handler_.IsBacklogged()) {
    return WaitOrFail(kBacklogCheckNs, kBacklogCheckNs, "earlier events have not been taken");
  }
  const Job& job = queue_.front();
  if (connection_.loop().NowNs() >= job.deadline_ns) return Finish(false, 0, "no answer in time");
  if (NeedsSignature(job.query.kind) && !connection_.clock_offset().has_estimate()) {
    is_measuring_clock_ = true;
    return SendTime();
  }
  is_measuring_clock_ = false;
  SendRequest(job);
}

void BinanceQueryWorker::SendTime() {
  connection_.Charge(BudgetKind::kRequestWeight, 1);
  connection_.Charge(BudgetKind::kRequestCount, 1);
  sent_wall_ns_ = connection_.clock().WallNs();
  sent_ns_ = connection_.clock().MonotonicNs();
  client_.Send({.target = "/api/v3/time"}, options_.request_timeout_ms * kNanosPerMilli);
}

void BinanceQueryWorker::SendRequest(const Job& job) {
  if (job.query.kind == QueryKind::kServerTime) return SendTime();
  connection_.Charge(BudgetKind::kRequestWeight, Weight(job));
  connection_.Charge(BudgetKind::kRequestCount, 1);
  const std::string target = Target(job);
  sent_wall_ns_ = connection_.clock().WallNs();
  client_.Send({.target = target, .header_lines = header_lines_},
               options_.request_timeout_ms * kNanosPerMilli);
}

ClientOrderId BinanceQueryWorker::NameAsked(const Job& job) {
  const ClientOrderId& own = job.query.client_order_id;
  return job.asks_for_cancel_id ? *MakeCancelId(own.view()) : own;
}

std::string BinanceQueryWorker::Target(const Job& job) {
  const std::string_view symbol = instruments_.at(job.query.instrument).symbol.view();
  switch (job.query.kind) {
    case QueryKind::kOrder:
      if (job.query.venue_order_id.value() != 0) {
        return Signed("/api/v3/order",
                      Concat("symbol=", symbol, "&orderId=", job.query.venue_order_id.value()));
      }
      return Signed("/api/v3/order",
                    Concat("symbol=", symbol, "&origClientOrderId=", NameAsked(job).view()));
    case QueryKind::kOpenOrders:
      return Signed("/api/v3/openOrders", Concat("symbol=", symbol));
    case QueryKind::kFills: {
      std::string parameters = Concat("symbol=", symbol, "&limit=", kTradesPerPage);
      if (job.paging == TradePaging::kById) {
        AppendTo(parameters, "&fromId=", job.next_trade_id);
      } else if (job.paging == TradePaging::kByTime) {
        AppendTo(parameters, "&startTime=", job.query.since_venue_time_ns / kNanosPerMilli);
      }
      return Signed("/api/v3/myTrades", std::move(parameters));
    }
    case QueryKind::kBalances:
    case QueryKind::kAccount:
      return Signed("/api/v3/account", "omitZeroBalances=true");
    case QueryKind::kInstrument:
      return Concat("/api/v3/exchangeInfo?symbol=", symbol);
    case QueryKind::kServerTime:
    case QueryKind::kCancelAll:
      break;
  }
  HF_ASSERT(false);
  return "";
}

std::string BinanceQueryWorker::Signed(std::string_view path, std::string parameters) {
  AppendTo(parameters, "&recvWindow=", options_.recv_window_ms,
           "&timestamp=", connection_.VenueTimeNs() / kNanosPerMilli);
  std::array<char, RequestSigner::kMaxSignatureBytes> signature;
  const std::string_view text(signature.data(), signer_.Sign(parameters, signature.data()));
  AppendTo(parameters, "&signature=");
  if (signer_.needs_percent_encoding()) {
    std::array<char, 3 * RequestSigner::kMaxSignatureBytes> encoded;
    AppendTo(parameters, std::string_view(encoded.data(), PercentEncode(text, encoded.data())));
  } else {
    AppendTo(parameters, text);
  }
  return Concat(path, "?", parameters);
}

void BinanceQueryWorker::OnHttpResponse(const HttpResponse& response) {
  const int64_t receive_time_ns = connection_.clock().WallNs();
  BinanceReply reply;
  const bool is_understood = decoder_.DecodeHttp(response.status, response.body, reply);
  connection_.ApplyRateLimits(response, reply);
  handler_.OnRestHealth(response.status < 500, "");
  if (queue_.empty()) return;
  if (!reply.is_success()) return OnError(reply);
  if (!is_understood) return RetryOrFail("the answer was not understood", 0);
  if (is_measuring_clock_ || queue_.front().query.kind == QueryKind::kServerTime) {
    return OnTimeAnswer(reply);  // says nothing about the query itself
  }
  queue_.front().attempt_count = 0;
  backoff_.Reset();
  OnSuccess(response, receive_time_ns);
}

void BinanceQueryWorker::OnTimeAnswer(const BinanceReply& reply) {
  if (reply.server_time_ms <= 0) return RetryOrFail("the answer was not understood", 0);
  const int64_t round_trip_ns = connection_.clock().MonotonicNs() - sent_ns_;
  connection_.clock_offset().AddSample(sent_wall_ns_, round_trip_ns,
                                       reply.server_time_ms * kNanosPerMilli);
  handler_.OnRestHealth(true, "");  // again: orders can be signed from now on
  if (is_measuring_clock_) return StartNext();
  ServerTimeReport report = {};
  report.offset_ns = reply.server_time_ms * kNanosPerMilli - (sent_wall_ns_ + round_trip_ns / 2);
  report.round_trip_ns = round_trip_ns;
  report.request_id = queue_.front().query.request_id;
  EmitRow(report);
  Finish(true, 0, "");
}

void BinanceQueryWorker::OnSuccess(const HttpResponse& response, int64_t receive_time_ns) {
  switch (queue_.front().query.kind) {
    case QueryKind::kOrder:
      return OnOrderAnswer(receive_time_ns);
    case QueryKind::kOpenOrders:
      return OnOpenOrdersAnswer(receive_time_ns);
    case QueryKind::kFills:
      return OnFillsAnswer(receive_time_ns);
    case QueryKind::kBalances:
      return OnBalancesAnswer();
    case QueryKind::kAccount:
      return OnAccountAnswer();
    case QueryKind::kInstrument:
      return OnInstrumentAnswer(response.body);
    case QueryKind::kServerTime:
    case QueryKind::kCancelAll:
      return;
  }
}

void BinanceQueryWorker::OnOrderAnswer(int64_t receive_time_ns) {
  std::optional<OrderReport> report = decoder_.OrderInReply(receive_time_ns);
  if (!report) return Finish(false, 0, "the answer was not understood");
  const BinanceQuery& query = queue_.front().query;
  report->request_id = query.request_id;
  report->source = EvidenceSource::kOrderQuery;
  // A cancel renames the order at the venue; here it keeps its own name.
  if (query.venue_order_id.value() == 0) report->client_order_id = query.client_order_id;
  EmitRow(*report);
  Finish(true, 0, "");
}

void BinanceQueryWorker::OnOpenOrdersAnswer(int64_t receive_time_ns) {
  std::vector<OrderReport> rows;
  if (!decoder_.OrdersInReply(receive_time_ns, rows)) {
    return Finish(false, 0, "the answer was not understood");
  }
  for (OrderReport& row : rows) {
    row.request_id = queue_.front().query.request_id;
    row.source = EvidenceSource::kOpenOrdersQuery;
    EmitRow(row);
  }
  Finish(true, 0, "");
}

void BinanceQueryWorker::OnFillsAnswer(int64_t receive_time_ns) {
  Job& job = queue_.front();
  std::vector<Fill> rows;
  if (!decoder_.TradesInReply(receive_time_ns, rows)) {
    return Finish(false, 0, "the answer was not understood");
  }
  std::sort(rows.begin(), rows.end(),
            [](const Fill& a, const Fill& b) { return a.trade_id < b.trade_id; });
  const bool is_full = rows.size() >= static_cast<size_t>(kTradesPerPage);
  if (job.paging == TradePaging::kNewest && is_full &&
      rows.front().venue_time_ns >= job.query.since_venue_time_ns) {
    return Finish(false, 0, "trades older than the newest page can't be reached by time");
  }
  int64_t newest_id = job.next_trade_id - 1;
  for (const Fill& fill : rows) {
    if (fill.trade_id.value() < job.next_trade_id) continue;  // not asked for
    newest_id = std::max(newest_id, fill.trade_id.value());
    if (job.query.after.value() == 0 && fill.venue_time_ns < job.query.since_venue_time_ns &&
        job.paging != TradePaging::kById) {
      continue;
    }
    FillReport report = {};
    report.request_id = job.query.request_id;
    report.source = EvidenceSource::kTradesQuery;
    report.fill = fill;
    EmitRow(report);
  }
  if (job.paging == TradePaging::kNewest) return Finish(true, 0, "");
  if (job.paging == TradePaging::kByTime) {
    job.paging = rows.empty() ? TradePaging::kNewest : TradePaging::kById;
  } else if (!is_full) {
    return Finish(true, 0, "");
  } else if (newest_id < job.next_trade_id) {
    return Finish(false, 0, "the pages of trades don't advance");
  }
  job.next_trade_id = newest_id + 1;
  if (++job.page_count >= kMaxPages) return Finish(false, 0, "more trades than can be paged");
  job.deadline_ns = connection_.loop().NowNs() + kQueryTimeoutNs;  // each page has its own
  StartNext();
}

void BinanceQueryWorker::OnBalancesAnswer() {
  std::vector<BalanceReport> rows;
  if (!decoder_.BalancesInReply(rows)) return Finish(false, 0, "the answer was not understood");
  for (BalanceReport& row : rows) {
    row.request_id = queue_.front().query.request_id;
    EmitRow(row);
  }
  Finish(true, 0, "");
}

void BinanceQueryWorker::OnAccountAnswer() {
  const std::optional<BinanceAccount> account = decoder_.AccountInReply();
  if (!account) return Finish(false, 0, "the answer was not understood");
  AccountReport report = {};
  report.request_id = queue_.front().query.request_id;
  report.can_trade = account->can_trade;
  report.maker_fee_rate = account->maker_fee_rate;
  report.taker_fee_rate = account->taker_fee_rate;
  EmitRow(report);
  Finish(true, 0, "");
}

void BinanceQueryWorker::OnInstrumentAnswer(std::string_view body) {
  const BinanceQuery query = queue_.front().query;
  const auto instrument =
      ParseExchangeInfo(body, instruments_.at(query.instrument).symbol.view(), query.instrument);
  if (!instrument.ok()) {
    const absl::string_view text = instrument.status().message();
    return Finish(false, 0, {text.data(), text.size()});
  }
  for (const BudgetWindow& window : ParseRateLimits(body)) connection_.budget().Configure(window);
  if (!query.is_internal) {
    InstrumentReport report = {};
    report.request_id = query.request_id;
    report.instrument = *instrument;
    EmitRow(report);
  }
  Finish(true, 0, "");
  handler_.OnFiltersRead(*instrument);
}

void BinanceQueryWorker::OnError(const BinanceReply& reply) {
  const BinanceError& error = reply.error;
  const BinanceQuery& query = queue_.front().query;
  const bool is_absent = query.kind == QueryKind::kOrder && !is_measuring_clock_ &&
                         error.status == 400 &&
                         (error.code == kBinanceNoSuchOrder || error.code == kBinanceOrderArchived);
  Job& job = queue_.front();
  const bool is_by_client_id = query.venue_order_id.value() == 0;
  if (is_absent && is_by_client_id && !job.asks_for_cancel_id &&
      MakeCancelId(query.client_order_id.view()).has_value()) {
    // It may have been canceled, and then its cancel's id is all that the venue knows it by.
    job.asks_for_cancel_id = true;
    job.first_asked_wall_ns = sent_wall_ns_;
    job.attempt_count = 0;
    return StartNext();
  }
  if (is_absent) {
    const int64_t asked_wall_ns = job.asks_for_cancel_id ? job.first_asked_wall_ns : sent_wall_ns_;
    OrderAbsent absent = {};
    absent.request_id = query.request_id;
    absent.client_order_id = query.client_order_id;
    // When the question left: it was answered after that, and earlier proves less, never more.
    absent.venue_time_ns = asked_wall_ns + connection_.clock_offset().offset_ns();
    absent.receive_time_ns = connection_.clock().WallNs();
    if (is_by_client_id) EmitRow(absent);
    return Finish(true, error.code, error.text);
  }
  if (error.code == kBinanceClockSkew) {
    connection_.clock_offset().Distrust();
    return RetryOrFail(error.text, error.code);
  }
  if (error.status == 429 || error.status == 418 || error.status >= 500) {
    return RetryOrFail(error.text.empty() ? "the venue is busy" : error.text, error.code);
  }
  if (IsAuthenticationFailure(error)) {
    // Told first, so that nothing else is sent with this key.
    const std::string text(error.text);
    handler_.OnRestAuthenticationFailure(error);
    return Stop(text, error.code);
  }
  Finish(false, error.code, error.text.empty() ? "refused" : error.text);
}

void BinanceQueryWorker::OnHttpFailure(HttpFailure, const absl::Status& reason) {
  const absl::string_view text = reason.message();
  handler_.OnRestHealth(false, {text.data(), text.size()});
  if (queue_.empty()) return;
  RetryOrFail({text.data(), text.size()}, 0);
}

void BinanceQueryWorker::RetryOrFail(std::string_view why, int32_t code) {
  Job& job = queue_.front();
  const int64_t now_ns = connection_.loop().NowNs();
  if (++job.attempt_count >= kMaxAttempts || now_ns >= job.deadline_ns) {
    return Finish(false, code, why);
  }
  timer_.SetAfter(backoff_.NextDelayNs());
}

void BinanceQueryWorker::EmitRow(const VenueEvent& event) {
  Job& job = queue_.front();
  if (job.query.is_internal) return;
  ++job.row_count;
  handler_.OnQueryEvent(event);
}

void BinanceQueryWorker::Finish(bool is_ok, int32_t code, std::string_view text) {
  const Job job = queue_.front();
  queue_.pop_front();
  if (!job.query.is_internal) {
    QueryDone done = {};
    done.request_id = job.query.request_id;
    done.kind = job.query.kind;
    done.is_ok = is_ok;
    done.row_count = job.row_count;
    done.venue_code = code;
    done.text = VenueText::Truncated(text);
    done.receive_time_ns = connection_.clock().WallNs();
    handler_.OnQueryEvent(done);
  }
  StartNext();
}

}  // namespace holdfast
