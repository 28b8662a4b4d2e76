#include "engine/market/ledger.h"

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

// `amount` leaves `from` and enters `to`.
void Move(LedgerTransaction& transaction, LedgerAccount from, LedgerAccount to, AssetCode asset,
          Decimal amount) {
  if (amount.is_zero()) return;
  transaction.entries.push_back({.account = from, .asset = asset, .amount = -amount});
  transaction.entries.push_back({.account = to, .asset = asset, .amount = amount});
}

}  // namespace

bool LedgerTransaction::IsBalanced() const {
  for (size_t i = 0; i < entries.size(); ++i) {
    __int128 sum = 0;
    for (size_t j = 0; j < entries.size(); ++j) {
      if (entries[j].asset == entries[i].asset) sum += entries[j].amount.units();
    }
    if (sum != 0) return false;
  }
  return true;
}

LedgerTransaction MakeFillTransaction(const Instrument& instrument, const Fill& fill) {
  HF_ASSERT(fill.quantity.is_positive());
  HF_ASSERT(fill.fee.is_zero() || !fill.fee_asset.empty());
  LedgerTransaction transaction;
  transaction.cause = LedgerCause::kFill;
  transaction.trade_id = fill.trade_id;
  transaction.symbol = instrument.symbol;
  transaction.venue_time_ns = fill.venue_time_ns;
  const int64_t sign = Sign(fill.side);
  const Decimal base = instrument.ToDecimal(fill.quantity);
  const Decimal quote = instrument.NotionalOf(fill.price, fill.quantity);
  Move(transaction, LedgerAccount::kTrading, LedgerAccount::kWallet, instrument.base_asset,
       base * sign);
  Move(transaction, LedgerAccount::kWallet, LedgerAccount::kTrading, instrument.quote_asset,
       quote * sign);
  Move(transaction, LedgerAccount::kWallet, LedgerAccount::kFees, fill.fee_asset, fill.fee);
  HF_ASSERT(transaction.IsBalanced());
  return transaction;
}

LedgerTransaction MakeWalletTransaction(LedgerCause cause, AssetCode asset, Decimal amount,
                                        std::string_view reason, int64_t venue_time_ns) {
  HF_ASSERT(cause != LedgerCause::kFill);
  LedgerTransaction transaction;
  transaction.cause = cause;
  transaction.venue_time_ns = venue_time_ns;
  transaction.reason = InlineString<64>::Truncated(reason);
  const LedgerAccount source =
      cause == LedgerCause::kAdjustment ? LedgerAccount::kAdjustment : LedgerAccount::kTransfers;
  Move(transaction, source, LedgerAccount::kWallet, asset, amount);
  return transaction;
}

absl::Status Ledger::Apply(const LedgerTransaction& transaction) {
  if (!transaction.IsBalanced()) {
    return absl::FailedPreconditionError(
        absl::StrCat("ledger: unbalanced transaction: trade_id=", transaction.trade_id.value(),
                     " entry_count=", transaction.entries.size()));
  }
  // Count first: a refused transaction must leave no trace.
  size_t new_asset_count = 0;
  for (size_t i = 0; i < transaction.entries.size(); ++i) {
    const AssetCode& asset = transaction.entries[i].asset;
    if (asset.empty()) return absl::InvalidArgumentError("ledger: entry without an asset");
    bool is_new = !Find(asset).has_value();
    for (size_t j = 0; j < i; ++j) is_new = is_new && transaction.entries[j].asset != asset;
    if (is_new) ++new_asset_count;
  }
  if (assets_.size() + new_asset_count > assets_.capacity()) {
    return absl::ResourceExhaustedError(absl::StrCat("ledger: too many assets: limit=", kMaxAssets,
                                                     " asset_count=", assets_.size()));
  }
  for (const LedgerEntry& entry : transaction.entries) {
    if (!Find(entry.asset).has_value()) assets_.push_back(entry.asset);
  }
  for (const LedgerEntry& entry : transaction.entries) {
    const std::optional<size_t> asset = Find(entry.asset);
    HF_ASSERT(asset.has_value());
    balances_[*asset][static_cast<size_t>(entry.account)] += entry.amount;
  }
  return absl::OkStatus();
}

Decimal Ledger::Balance(LedgerAccount account, AssetCode asset) const {
  const std::optional<size_t> index = Find(asset);
  return index.has_value() ? balances_[*index][static_cast<size_t>(account)] : Decimal();
}

bool Ledger::CheckInvariants() const {
  for (size_t i = 0; i < assets_.size(); ++i) {
    __int128 sum = 0;
    for (const Decimal balance : balances_[i]) sum += balance.units();
    if (sum != 0) return false;
  }
  return true;
}

std::optional<size_t> Ledger::Find(AssetCode asset) const {
  for (size_t i = 0; i < assets_.size(); ++i) {
    if (assets_[i] == asset) return i;
  }
  return std::nullopt;
}

std::string_view ToText(LedgerAccount account) {
  switch (account) {
    case LedgerAccount::kWallet:
      return "wallet";
    case LedgerAccount::kTrading:
      return "trading";
    case LedgerAccount::kFees:
      return "fees";
    case LedgerAccount::kTransfers:
      return "transfers";
    case LedgerAccount::kAdjustment:
      return "adjustment";
  }
  return "invalid";
}

std::string_view ToText(LedgerCause cause) {
  switch (cause) {
    case LedgerCause::kFill:
      return "fill";
    case LedgerCause::kOpening:
      return "opening";
    case LedgerCause::kTransfer:
      return "transfer";
    case LedgerCause::kAdjustment:
      return "adjustment";
  }
  return "invalid";
}

}  // namespace holdfast
