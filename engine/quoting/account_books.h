#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "engine/base/static_vector.h"
#include "engine/market/ledger.h"
#include "engine/market/position.h"
#include "engine/quoting/engine.h"
#include "engine/quoting/fixed_index.h"
#include "engine/quoting/slot_book.h"
#include "engine/quoting/status_snapshot.h"
#include "engine/quoting/trade_id_set.h"

namespace holdfast {

// The books of one account (X4): every fill exactly once into ledger, position and slot, whichever
// way and however often it arrives; balances as the venue states them. One thread, no allocation
// after construction.
class AccountBooks {
 public:
  AccountBooks(const Instrument& instrument, const RecoveredState& recovered);

  bool IsBooked(VenueTradeId id) const { return trades_.Contains(id); }

  // Books a fill of an order of ours. `slot_key` is nullopt when the order has none. The record is
  // complete except for `order`. Errors: kResourceExhausted = the ledger has no room for another
  // asset: nothing of the fill is booked and there is no record; quoting must stop.
  // REQUIRES: !IsBooked(fill.trade_id).
  struct Booked {
    FillRecord record;
    SlotBook::FillResult slot_result;
    absl::Status ledger_status;
  };
  void BookOwn(const Fill& fill, SlotKey slot_key, Booked& booked);
  // Books a fill of somebody else's order on the same account: the wallet moved, our position did
  // not. The record has neither order nor slot, and its transaction says why.
  void BookForeign(const Fill& fill, Booked& booked);
  // Opening balance or adjustment.
  absl::Status BookWallet(const LedgerTransaction& transaction);

  // A filter change that keeps tick and lot.
  void SetInstrument(const Instrument& instrument) { instrument_ = instrument; }

  void OnBalance(const BalanceReport& report);
  // A list of all balances was asked for. At its good end what it did not name is zero, the
  // ledger's assets included.
  void BeginBalanceList() { ++balance_list_; }
  void EndBalanceList();
  std::span<const AssetBalance> balances() const { return balances_.span(); }

  SlotBook& slots() { return slots_; }
  const SlotBook& slots() const { return slots_; }
  const Ledger& ledger() const { return ledger_; }
  // The signed sum of our fills: what the venue's list of trades adds up to.
  const Position& position() const { return position_; }
  // The position less all commissions taken in the base asset, to the nearest lot: what is really
  // held. Limits and the strategy steer by it; without such commissions it is the position.
  Quantity inventory() const;
  Decimal Wallet(AssetCode asset) const { return ledger_.Balance(LedgerAccount::kWallet, asset); }

  Notional volume() const { return volume_; }  // of this run
  Notional run_realized_pnl() const { return position_.realized_pnl() - start_realized_pnl_; }
  std::span<const AssetAmount> fees() const { return fees_.span(); }
  VenueTradeId newest_trade_id() const { return trades_.newest(); }
  // Whether the wallet was explained once: later differences are adjustments. From the books
  // themselves, because a run may end after its first record and before its opening balances.
  bool HasOpening() const;
  uint64_t fill_count() const { return fill_count_; }
  // Newest last.
  const FixedQueue<StatusFill>& last_fills() const { return last_fills_; }

  void CheckInvariants() const;

 private:
  void Remember(const Fill& fill);
  bool IsNeeded(AssetCode asset) const;
  size_t AssetCount() const;  // known to the ledger or listed

  Instrument instrument_;
  Ledger ledger_;
  Position position_;
  SlotBook slots_;
  TradeIdSet trades_;
  Notional volume_;
  Notional start_realized_pnl_;
  StaticVector<AssetAmount, StatusSnapshot::kAssetCount> fees_;
  // Assets that we have nothing to do with are shown and compared while there are no more than so
  // many in all: fees in an asset that was never seen before still find room in the ledger.
  static constexpr size_t kMaxOtherBalances = Ledger::kMaxAssets - 8;
  StaticVector<AssetBalance, Ledger::kMaxAssets> balances_;
  std::array<uint64_t, Ledger::kMaxAssets> seen_in_list_ = {};  // of each balance
  uint64_t balance_list_ = 1;
  FixedQueue<StatusFill> last_fills_{StatusSnapshot::kFillCount};
  uint64_t fill_count_ = 0;
};

}  // namespace holdfast
