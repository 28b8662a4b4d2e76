#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "connectors/sim/generated_market.h"
#include "connectors/sim/venue.h"

namespace holdfast::sim {

// One API key; exactly one of the two secrets is set. The secret stays here and in the
// authenticator; nothing prints it.
struct ApiKeyConfig {
  std::string api_key;
  std::string hmac_secret;
  std::string ed25519_public_key;  // PEM
  bool can_trade = true;           // false: reading only
};

struct AccountFileEntry {
  SimAccountConfig account;
  std::vector<ApiKeyConfig> keys;
};

struct InstrumentFileEntry {
  SimInstrumentConfig instrument;
  GeneratedMarketConfig generated;
};

// Budgets of the front end; the defaults are the venue's.
struct LimitConfig {
  int64_t weight_per_minute = 6000;          // per address
  int64_t orders_per_10_seconds = 100;       // per account, unfilled
  int64_t orders_per_day = 200'000;          // per account, unfilled
  int64_t requests_per_5_minutes = 300'000;  // per address
  int64_t ban_after_429_count = 50;  // refused requests in one minute before the address is banned
  int64_t ban_seconds = 120;
  int64_t stream_messages_per_second = 5;
};

struct VenueFile {
  std::vector<AccountFileEntry> accounts;
  std::vector<InstrumentFileEntry> instruments;
  LimitConfig limits;
};

// Reads the accounts file (docs/simulated_venue_wire.md describes it). kInvalidArgument with one
// line: file, line, key, value and what was expected. Secrets are never part of a message.
absl::StatusOr<VenueFile> LoadVenueFile(const std::string& path);
absl::StatusOr<VenueFile> ParseVenueFile(std::string_view text, const std::string& name);

// The instruments that need no file: BTCUSDT and ETHUSDT with the venue's usual filters.
std::optional<InstrumentFileEntry> BuiltInInstrument(std::string_view symbol);

}  // namespace holdfast::sim
