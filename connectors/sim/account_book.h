#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "connectors/sim/sim_types.h"
#include "connectors/sim/venue.h"
#include "engine/base/decimal.h"
#include "engine/market/ids.h"

namespace holdfast {

// Index of an asset within one AccountBook.
using SimAssetIndex = StrongId<struct SimAssetIndexTag, uint16_t>;

// Balances of all accounts of a simulated venue, with holds, fees and the two accounts that make
// the sums come out: the venue's own fee income, and the recorded market as a counterparty.
//
// INVARIANT: per asset, accounts + fees + market only change by AddAccount() and Deposit(). No
// balance of an account that is not background is ever negative (asserted).
class AccountBook {
 public:
  // The recorded market's account number; unlimited, no fees.
  static constexpr SimAccountId kMarket{UINT16_MAX};

  struct Fee {
    Decimal amount;  // negative = rebate
    SimAssetIndex asset;
  };
  // One side of a trade. `held` of the given asset was set aside for this part of the order: the
  // quote asset for a buy, the base asset for a sell; zero for a market order.
  struct Settlement {
    SimAccountId account;
    Side side;
    SimAssetIndex base;
    SimAssetIndex quote;
    Decimal quantity;
    Decimal notional;
    Decimal held;
    bool is_maker;
  };

  SimAssetIndex AssetIndex(const AssetCode& asset);
  const AssetCode& asset(SimAssetIndex index) const { return assets_[index.value()]; }

  SimAccountId AddAccount(const SimAccountConfig& config);
  size_t account_count() const { return accounts_.size(); }
  bool Exists(SimAccountId account) const { return account.value() < accounts_.size(); }
  const SimAccountConfig& config(SimAccountId account) const { return at(account).config; }
  void SetFees(SimAccountId account, Decimal maker_rate, Decimal taker_rate);

  Decimal Free(SimAccountId account, SimAssetIndex asset) const;
  // False when that would make the free balance negative.
  bool Deposit(SimAccountId account, SimAssetIndex asset, Decimal amount);
  // False when there is not that much free (a background account always has).
  bool CanHold(SimAccountId account, SimAssetIndex asset, Decimal amount) const;
  void Hold(SimAccountId account, SimAssetIndex asset, Decimal amount);
  void Release(SimAccountId account, SimAssetIndex asset, Decimal amount);
  // Moves money and goods and charges the fee.
  Fee Settle(const Settlement& settlement);

  std::vector<SimBalance> Balances(SimAccountId account) const;
  SimBalance Balance(SimAccountId account, SimAssetIndex asset) const;
  std::vector<SimBalance> FeesPaid(SimAccountId account) const;
  std::vector<SimBalance> TotalBalances() const;

  // Balances changed since the last call, without background accounts, each once, ascending.
  std::vector<std::pair<SimAccountId, SimAssetIndex>> TakeTouched();

 private:
  struct Amounts {
    Decimal free;
    Decimal locked;
    Decimal fees_paid;
    bool is_known = false;  // the account has had this asset
  };
  struct Account {
    SimAccountConfig config;
    std::vector<Amounts> assets;
    SimAssetIndex fee_asset;
  };
  const Account& at(SimAccountId account) const;
  Amounts& Mutable(SimAccountId account, SimAssetIndex asset);
  void AddFree(SimAccountId account, SimAssetIndex asset, Decimal amount);
  Fee ComputeFee(const Settlement& settlement) const;
  static Decimal& Grown(std::vector<Decimal>& sums, SimAssetIndex asset);

  std::vector<AssetCode> assets_;
  std::vector<Account> accounts_;
  std::vector<Decimal> fee_income_;
  std::vector<Decimal> market_;
  std::vector<std::pair<SimAccountId, SimAssetIndex>> touched_;
};

}  // namespace holdfast
