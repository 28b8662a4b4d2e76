#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/api/venue_event.h"
#include "connectors/binance/venue_error.h"
#include "connectors/net/rate_budget.h"
#include "engine/base/static_vector.h"
#include "engine/market/instrument.h"

namespace holdfast {

// The instruments we trade, by the venue's symbol.
class BinanceInstruments {
 public:
  // REQUIRES: ids are 0, 1, ... in this order.
  explicit BinanceInstruments(std::vector<Instrument> instruments);
  const Instrument* Find(std::string_view symbol) const;
  const Instrument& at(InstrumentId id) const;
  bool Contains(InstrumentId id) const { return id.value() < instruments_.size(); }
  // Whether an asset is bought, sold or paid with in one of them.
  bool IsOurAsset(std::string_view asset) const;
  std::span<const Instrument> all() const { return instruments_; }
  void Replace(const Instrument& instrument);

 private:
  std::vector<Instrument> instruments_;
};

struct RateLimitCount {
  BudgetWindow window;
  int64_t used = 0;
};

// An answer of the WS API or of REST, as far as every caller needs it. Text points into the decoded
// message.
struct BinanceReply {
  std::optional<uint64_t> request_id;  // WS API only; absent when the venue could not read ours
  BinanceError error;                  // error.status is always set; 200 = success
  int64_t retry_after_ms = 0;          // venue's clock, since the epoch; 0 = not stated
  StaticVector<RateLimitCount, 8> rate_limits;
  // Of a successful answer, where present:
  int64_t venue_order_id = 0;
  int64_t transact_time_ms = 0;
  int64_t server_time_ms = 0;
  bool is_success() const { return error.status == 200; }
};

enum class PrivateMessageKind : uint8_t {
  kReply,
  kEvents,            // rows were appended: fills, orders, balances
  kStreamTerminated,  // the user stream has ended; the connection is alive
  kServerShutdown,    // the venue is about to close: reconnect at once
  kOther,             // valid and of no interest
  kMalformed,         // not understood: what it said is lost
};

struct BinanceAccount {
  bool can_trade = false;
  Decimal maker_fee_rate;
  Decimal taker_fee_rate;
};

// Decodes what the private side of Binance Spot says: answers of the WS API, user stream events and
// the rows of REST queries. Numbers are exact: a value that is off the instrument's grid makes the
// message malformed. Rows of symbols that we don't trade are skipped.
//
// Every text handed over must be followed by kPaddingBytes readable bytes. Keeps its buffers. One
// thread.
class BinancePrivateDecoder {
 public:
  static constexpr size_t kPaddingBytes = 64;

  explicit BinancePrivateDecoder(const BinanceInstruments& instruments);
  ~BinancePrivateDecoder();
  BinancePrivateDecoder(const BinancePrivateDecoder&) = delete;
  BinancePrivateDecoder& operator=(const BinancePrivateDecoder&) = delete;

  // One message of the WS API. kReply fills `reply`; kEvents appends to `events` in the order in
  // which they count (a fill before the order's new state).
  PrivateMessageKind DecodeMessage(std::string_view text, int64_t receive_time_ns,
                                   BinanceReply& reply, std::vector<VenueEvent>& events);
  // The order in the last decoded reply (a cancel's, a query's), when it holds one.
  std::optional<OrderReport> OrderInReply(int64_t receive_time_ns) const;
  // The orders of the last decoded reply whose result is a list; false = not such a list.
  bool OrdersInReply(int64_t receive_time_ns, std::vector<OrderReport>& rows) const;

  // A REST answer. False = the body is not the JSON expected (reply.error.status is set all the
  // same).
  bool DecodeHttp(int status, std::string_view body, BinanceReply& reply);
  // Rows of the last DecodeHttp(); false = not understood, rows may be partly appended.
  bool TradesInReply(int64_t receive_time_ns, std::vector<Fill>& rows) const;
  bool BalancesInReply(std::vector<BalanceReport>& rows) const;
  std::optional<BinanceAccount> AccountInReply() const;

 private:
  struct Implementation;
  const BinanceInstruments& instruments_;
  std::unique_ptr<Implementation> implementation_;
};

// --- exchange information --------------------------------------------------------------------

// Reads the filters of `symbol` from the body of GET /api/v3/exchangeInfo. kNotFound: the venue
// does not list it; kInvalidArgument names the field that is missing or makes no sense.
absl::StatusOr<Instrument> ParseExchangeInfo(std::string_view body, std::string_view symbol,
                                             InstrumentId id);
// The rate limits stated there; empty when there are none or the text is not understood.
std::vector<BudgetWindow> ParseRateLimits(std::string_view body);

}  // namespace holdfast
