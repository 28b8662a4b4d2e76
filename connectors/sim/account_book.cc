#include "connectors/sim/account_book.h"

#include <algorithm>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

// Fees and rebates are cut to 10^-8 towards zero, never rounded up against either party.
Decimal TowardsZero(Decimal amount, Decimal rate) {
  return Multiply(amount, rate, rate.is_negative() ? Rounding::kUp : Rounding::kDown);
}

}  // namespace

SimAssetIndex AccountBook::AssetIndex(const AssetCode& asset) {
  const auto it = std::find(assets_.begin(), assets_.end(), asset);
  const auto index = static_cast<uint16_t>(it - assets_.begin());
  if (it == assets_.end()) assets_.push_back(asset);
  return SimAssetIndex(index);
}

SimAccountId AccountBook::AddAccount(const SimAccountConfig& config) {
  HF_ASSERT(accounts_.size() < UINT16_MAX - 1);
  const SimAccountId id(static_cast<uint16_t>(accounts_.size()));
  accounts_.push_back({.config = config, .assets = {}, .fee_asset = SimAssetIndex(0)});
  if (config.fee_asset.has_value()) {
    accounts_.back().fee_asset = AssetIndex(config.fee_asset->asset);
  }
  for (const SimBalance& balance : config.balances) {
    Mutable(id, AssetIndex(balance.asset)).free += balance.free;
  }
  touched_.clear();
  return id;
}

void AccountBook::SetFees(SimAccountId account, Decimal maker_rate, Decimal taker_rate) {
  HF_ASSERT(Exists(account));
  accounts_[account.value()].config.maker_fee_rate = maker_rate;
  accounts_[account.value()].config.taker_fee_rate = taker_rate;
}

const AccountBook::Account& AccountBook::at(SimAccountId account) const {
  HF_ASSERT(Exists(account));
  return accounts_[account.value()];
}

AccountBook::Amounts& AccountBook::Mutable(SimAccountId account, SimAssetIndex asset) {
  HF_ASSERT(Exists(account));
  Account& entry = accounts_[account.value()];
  if (entry.assets.size() <= asset.value()) entry.assets.resize(asset.value() + size_t{1});
  Amounts& amounts = entry.assets[asset.value()];
  amounts.is_known = true;
  if (!entry.config.is_background) touched_.emplace_back(account, asset);
  return amounts;
}

Decimal& AccountBook::Grown(std::vector<Decimal>& sums, SimAssetIndex asset) {
  if (sums.size() <= asset.value()) sums.resize(asset.value() + size_t{1});
  return sums[asset.value()];
}

Decimal AccountBook::Free(SimAccountId account, SimAssetIndex asset) const {
  const Account& entry = at(account);
  return asset.value() < entry.assets.size() ? entry.assets[asset.value()].free : Decimal();
}

bool AccountBook::Deposit(SimAccountId account, SimAssetIndex asset, Decimal amount) {
  if ((Free(account, asset) + amount).is_negative()) return false;
  Mutable(account, asset).free += amount;
  return true;
}

bool AccountBook::CanHold(SimAccountId account, SimAssetIndex asset, Decimal amount) const {
  return at(account).config.is_background || Free(account, asset) >= amount;
}

void AccountBook::Hold(SimAccountId account, SimAssetIndex asset, Decimal amount) {
  HF_ASSERT(!amount.is_negative());
  HF_ASSERT(CanHold(account, asset, amount));
  Amounts& amounts = Mutable(account, asset);
  amounts.free -= amount;
  amounts.locked += amount;
}

void AccountBook::Release(SimAccountId account, SimAssetIndex asset, Decimal amount) {
  HF_ASSERT(!amount.is_negative());
  if (amount.is_zero()) return;
  Amounts& amounts = Mutable(account, asset);
  HF_ASSERT(amounts.locked >= amount);
  amounts.locked -= amount;
  amounts.free += amount;
}

void AccountBook::AddFree(SimAccountId account, SimAssetIndex asset, Decimal amount) {
  Amounts& amounts = Mutable(account, asset);
  amounts.free += amount;
  HF_ASSERT(at(account).config.is_background || !amounts.free.is_negative());
}

AccountBook::Fee AccountBook::ComputeFee(const Settlement& settlement) const {
  const Account& entry = at(settlement.account);
  const SimAccountConfig& config = entry.config;
  const Decimal rate = settlement.is_maker ? config.maker_fee_rate : config.taker_fee_rate;
  if (config.fee_asset.has_value() && rate.is_positive()) {
    const Decimal discounted =
        Multiply(rate, Decimal::FromInteger(1) - config.fee_asset->discount, Rounding::kDown);
    const Decimal fee = Divide(TowardsZero(settlement.notional, discounted),
                               config.fee_asset->quote_per_unit, Rounding::kDown);
    // What the trade itself pays or brings does not count: only what is there already.
    const bool is_traded_asset =
        entry.fee_asset == settlement.base || entry.fee_asset == settlement.quote;
    if (!is_traded_asset && Free(settlement.account, entry.fee_asset) >= fee) {
      return {fee, entry.fee_asset};
    }
  }
  const bool is_buy = settlement.side == Side::kBuy;
  return {TowardsZero(is_buy ? settlement.quantity : settlement.notional, rate),
          is_buy ? settlement.base : settlement.quote};
}

AccountBook::Fee AccountBook::Settle(const Settlement& settlement) {
  const bool is_buy = settlement.side == Side::kBuy;
  const SimAssetIndex paid_asset = is_buy ? settlement.quote : settlement.base;
  const SimAssetIndex received_asset = is_buy ? settlement.base : settlement.quote;
  const Decimal paid = is_buy ? settlement.notional : settlement.quantity;
  const Decimal received = is_buy ? settlement.quantity : settlement.notional;
  if (settlement.account == kMarket) {
    Grown(market_, paid_asset) -= paid;
    Grown(market_, received_asset) += received;
    return {};
  }
  Release(settlement.account, paid_asset, settlement.held);
  AddFree(settlement.account, received_asset, received);
  AddFree(settlement.account, paid_asset, -paid);
  const Fee fee = ComputeFee(settlement);
  AddFree(settlement.account, fee.asset, -fee.amount);
  Mutable(settlement.account, fee.asset).fees_paid += fee.amount;
  Grown(fee_income_, fee.asset) += fee.amount;
  return fee;
}

SimBalance AccountBook::Balance(SimAccountId account, SimAssetIndex asset) const {
  const Account& entry = at(account);
  SimBalance balance{.asset = assets_[asset.value()], .free = {}, .locked = {}};
  if (asset.value() < entry.assets.size()) {
    balance.free = entry.assets[asset.value()].free;
    balance.locked = entry.assets[asset.value()].locked;
  }
  return balance;
}

std::vector<SimBalance> AccountBook::Balances(SimAccountId account) const {
  std::vector<SimBalance> balances;
  const Account& entry = at(account);
  for (uint16_t i = 0; i < entry.assets.size(); ++i) {
    if (entry.assets[i].is_known) balances.push_back(Balance(account, SimAssetIndex(i)));
  }
  return balances;
}

std::vector<SimBalance> AccountBook::FeesPaid(SimAccountId account) const {
  std::vector<SimBalance> fees;
  const Account& entry = at(account);
  for (uint16_t i = 0; i < entry.assets.size(); ++i) {
    if (entry.assets[i].fees_paid.is_zero()) continue;
    fees.push_back({.asset = assets_[i], .free = entry.assets[i].fees_paid, .locked = {}});
  }
  return fees;
}

std::vector<SimBalance> AccountBook::TotalBalances() const {
  std::vector<SimBalance> totals;
  for (uint16_t i = 0; i < assets_.size(); ++i) {
    Decimal sum;
    for (const Account& entry : accounts_) {
      if (i < entry.assets.size()) sum += entry.assets[i].free + entry.assets[i].locked;
    }
    if (i < fee_income_.size()) sum += fee_income_[i];
    if (i < market_.size()) sum += market_[i];
    totals.push_back({.asset = assets_[i], .free = sum, .locked = {}});
  }
  return totals;
}

std::vector<std::pair<SimAccountId, SimAssetIndex>> AccountBook::TakeTouched() {
  std::sort(touched_.begin(), touched_.end());
  touched_.erase(std::unique(touched_.begin(), touched_.end()), touched_.end());
  return std::exchange(touched_, {});
}

}  // namespace holdfast
