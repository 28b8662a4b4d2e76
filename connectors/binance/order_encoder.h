#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "connectors/api/venue_gateway.h"
#include "connectors/net/signing.h"
#include "engine/market/ids.h"
#include "engine/market/instrument.h"

namespace holdfast {

enum class BinanceAuthentication : uint8_t {
  kSigned,   // each request carries the API key and a signature
  kSession,  // WS API after session.logon: neither is needed
};

struct BinanceEncoderOptions {
  std::string api_key;
  // Host header of REST requests, with the port when it is not the scheme's own.
  std::string host;
  // For how long after `timestamp` the venue may still take a request: the expiry of a submission.
  int64_t receive_window_ms = 5000;
  // "EXPIRE_MAKER", ...; empty leaves it to the account's default.
  std::string self_trade_prevention_mode;
};

// Builds the exact bytes of order requests for one instrument and one API key: WS API messages and
// REST requests (HTTP/1.1, all parameters in the query). Everything that does not change between
// two requests is laid out once; a request copies it and writes price, quantity, ids, timestamp and
// signature.
//
// Signed WS API parameters are signed sorted by name and not percent-encoded; a REST query is
// signed as sent. Prices and quantities have the digits of the instrument's tick and lot.
//
// The cancel of an order with an id of ours carries one of its own (MakeCancelId), which becomes
// the canceled order's name at the venue; the cancel of any other order carries none.
//
// Request ids are JSON integers. Timestamps are the venue's clock (ours plus the offset).
//
// No allocation after construction. One thread. The text returned points into `out`.
// REQUIRES for each call: out.size() >= kMaxRequestBytes; client ids are legal on the venue
// (letters, digits, - and _).
class BinanceOrderEncoder {
 public:
  static constexpr size_t kMaxRequestBytes = 2048;
  static constexpr int64_t kMaxReceiveWindowMs = 60'000;

  // kInvalidArgument: an API key, host or mode with characters that would need escaping, or a
  // receive window outside (0, kMaxReceiveWindowMs].
  static absl::Status Validate(const BinanceEncoderOptions& options);

  // `signer` may be null when only kSession requests are made; it outlives the encoder.
  // REQUIRES: Validate(options).ok().
  BinanceOrderEncoder(const Instrument& instrument, const BinanceEncoderOptions& options,
                      const RequestSigner* signer);
  ~BinanceOrderEncoder();
  BinanceOrderEncoder(const BinanceOrderEncoder&) = delete;
  BinanceOrderEncoder& operator=(const BinanceOrderEncoder&) = delete;

  // WS API: order.place, order.cancel, order.status, openOrders.cancelAll.
  std::string_view PlaceMessage(const PlaceRequest& request, RequestId request_id,
                                int64_t timestamp_ms, BinanceAuthentication authentication,
                                std::span<char> out) const;
  std::string_view CancelMessage(const CancelRequest& request, RequestId request_id,
                                 int64_t timestamp_ms, BinanceAuthentication authentication,
                                 std::span<char> out) const;
  std::string_view StatusMessage(const ClientOrderId& client_order_id, RequestId request_id,
                                 int64_t timestamp_ms, BinanceAuthentication authentication,
                                 std::span<char> out) const;
  std::string_view CancelAllMessage(RequestId request_id, int64_t timestamp_ms,
                                    BinanceAuthentication authentication,
                                    std::span<char> out) const;

  // REST: POST/DELETE/GET /api/v3/order and DELETE /api/v3/openOrders, whole HTTP requests.
  std::string_view PlaceHttp(const PlaceRequest& request, int64_t timestamp_ms,
                             std::span<char> out) const;
  std::string_view CancelHttp(const CancelRequest& request, int64_t timestamp_ms,
                              std::span<char> out) const;
  std::string_view StatusHttp(const ClientOrderId& client_order_id, int64_t timestamp_ms,
                              std::span<char> out) const;
  std::string_view CancelAllHttp(int64_t timestamp_ms, std::span<char> out) const;

  // The same, only the signed query ("symbol=..&..&signature=.."), for an HTTP client that writes
  // its own request head.
  std::string_view PlaceQuery(const PlaceRequest& request, int64_t timestamp_ms,
                              std::span<char> out) const;
  std::string_view CancelQuery(const CancelRequest& request, int64_t timestamp_ms,
                               std::span<char> out) const;
  std::string_view StatusQuery(const ClientOrderId& client_order_id, int64_t timestamp_ms,
                               std::span<char> out) const;
  std::string_view CancelAllQuery(int64_t timestamp_ms, std::span<char> out) const;

  int64_t receive_window_ms() const;

 private:
  struct Templates;
  std::unique_ptr<Templates> templates_;
};

}  // namespace holdfast
