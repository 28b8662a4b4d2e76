#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "engine/base/decimal.h"
#include "engine/base/static_vector.h"
#include "engine/market/fill.h"
#include "engine/market/ids.h"
#include "engine/market/instrument.h"

namespace holdfast {

// Double-entry bookkeeping per asset. Every transaction's entries sum to zero in each asset: what
// leaves one account enters another. `kWallet` is what the venue says we own; the others are the
// counterparties that explain why it moved.
enum class LedgerAccount : uint8_t {
  kWallet,      // our balance at the venue
  kTrading,     // the market: receives what we sell, gives what we buy
  kFees,        // paid to (or, negative, received from) the venue
  kTransfers,   // deposits, withdrawals, opening balances
  kAdjustment,  // unexplained differences, booked with a reason so that the books stay true
};

struct LedgerEntry {
  LedgerAccount account = LedgerAccount::kWallet;
  AssetCode asset;
  Decimal amount;  // positive: the account receives
};

enum class LedgerCause : uint8_t { kFill, kOpening, kTransfer, kAdjustment };

// INVARIANT: for each asset the amounts sum to zero (IsBalanced()).
struct LedgerTransaction {
  LedgerCause cause = LedgerCause::kFill;
  VenueTradeId trade_id;  // of the fill, when cause is kFill
  SymbolText symbol;      // of the fill, when cause is kFill
  int64_t venue_time_ns = 0;
  InlineString<64> reason;  // of an adjustment
  StaticVector<LedgerEntry, 6> entries;

  bool IsBalanced() const;
};

// Base and quote legs and the fee (in whatever asset), balanced.
LedgerTransaction MakeFillTransaction(const Instrument& instrument, const Fill& fill);
// Moves `amount` of `asset` into the wallet out of `source` (kTransfers or kAdjustment).
LedgerTransaction MakeWalletTransaction(LedgerCause cause, AssetCode asset, Decimal amount,
                                        std::string_view reason, int64_t venue_time_ns);

// Running balances of all (account, asset) pairs. Bounded: at most kMaxAssets assets; a new one
// beyond that is refused with kResourceExhausted and must stop quoting (nothing is booked
// silently).
class Ledger {
 public:
  static constexpr int kMaxAssets = 64;

  // Errors, after which nothing is applied, not even in part: kFailedPrecondition (unbalanced),
  // kInvalidArgument (an entry without an asset), kResourceExhausted (too many assets).
  absl::Status Apply(const LedgerTransaction& transaction);
  Decimal Balance(LedgerAccount account, AssetCode asset) const;  // zero when never seen
  // INVARIANT: each asset's balances over all accounts sum to zero.
  bool CheckInvariants() const;
  std::span<const AssetCode> assets() const { return assets_.span(); }

 private:
  static constexpr int kAccountCount = 5;
  std::optional<size_t> Find(AssetCode asset) const;
  StaticVector<AssetCode, kMaxAssets> assets_;
  std::array<std::array<Decimal, kAccountCount>, kMaxAssets> balances_ = {};
};

std::string_view ToText(LedgerAccount account);
std::string_view ToText(LedgerCause cause);

}  // namespace holdfast
