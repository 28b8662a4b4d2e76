#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "connectors/net/signing.h"
#include "connectors/sim/binance/api_error.h"
#include "connectors/sim/binance/parameters.h"
#include "connectors/sim/binance/venue_file.h"

namespace holdfast::sim {

// One registered API key. Owned by the Authenticator; the address is stable.
class ApiKey {
 public:
  ApiKey(const ApiKeyConfig& config, SimAccountId account);

  const std::string& text() const { return text_; }
  SimAccountId account() const { return account_; }
  bool can_trade() const { return can_trade_; }
  // Only these may open a session.
  bool is_ed25519() const { return ed25519_ != nullptr; }
  bool Verify(std::string_view payload, std::string_view signature) const;

 private:
  std::string text_;
  SimAccountId account_;
  bool can_trade_;
  std::unique_ptr<HmacSha256Signer> hmac_;
  std::unique_ptr<Ed25519Verifier> ed25519_;
};

// The times a signed request is good for.
struct RequestTiming {
  int64_t timestamp_us = 0;
  int64_t recv_window_us = 5'000'000;
};

// The venue's rule: not more than a second ahead, not older than recvWindow.
std::optional<ApiError> CheckTiming(const RequestTiming& timing, int64_t server_time_ns);
// From `timestamp` (milli- or microseconds) and `recvWindow` (milliseconds, up to three decimals).
ApiResult<RequestTiming> ReadTiming(const Parameters& parameters);

class Authenticator {
 public:
  // REQUIRES: the key's secret was checked by LoadVenueFile().
  void AddKey(const ApiKeyConfig& config, SimAccountId account);
  const ApiKey* Find(std::string_view api_key) const;

  // A request with its own key and signature, in the venue's order of checks: key present, timing,
  // key known, signature.
  ApiResult<const ApiKey*> CheckSigned(std::string_view api_key, std::string_view payload,
                                       const Parameters& parameters, int64_t server_time_ns) const;

 private:
  std::unordered_map<std::string, std::unique_ptr<ApiKey>> keys_;
};

}  // namespace holdfast::sim
