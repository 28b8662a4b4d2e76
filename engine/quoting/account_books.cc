#include "engine/quoting/account_books.h"

#include <algorithm>
#include <vector>

#include "engine/base/assert.h"

namespace holdfast {
namespace {

// A list shorter than what an engine gives back at least has every trade id there is.
constexpr size_t kWholeListLimit = 1000;

}  // namespace

AccountBooks::AccountBooks(const Instrument& instrument, const RecoveredState& recovered)
    : instrument_(instrument),
      ledger_(recovered.ledger),
      position_(recovered.position),
      start_realized_pnl_(recovered.position.realized_pnl()) {
  for (const Slot& slot : recovered.slots) slots_.Restore(slot);
  slots_.RestoreRest(recovered.slot_rest);
  std::vector<VenueTradeId> ids = recovered.recent_trade_ids;
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  if (ids.size() > TradeIdSet::kCapacity) {
    ids.erase(ids.begin(), ids.end() - static_cast<ptrdiff_t>(TradeIdSet::kCapacity));
  }
  if (ids.empty()) {
    trades_.SetFloor(recovered.last_trade_id);
  } else if (ids.size() >= kWholeListLimit) {
    trades_.SetFloor(VenueTradeId(ids.front().value() - 1));
  }
  for (VenueTradeId id : ids) {
    if (!trades_.Contains(id)) trades_.Insert(id);
  }
}

void AccountBooks::BookOwn(const Fill& fill, SlotKey slot_key, Booked& booked) {
  HF_ASSERT(!IsBooked(fill.trade_id));
  booked.record.transaction = MakeFillTransaction(instrument_, fill);
  booked.ledger_status = ledger_.Apply(booked.record.transaction);
  if (!booked.ledger_status.ok()) return;
  trades_.Insert(fill.trade_id);
  position_.Apply(instrument_, fill);
  booked.slot_result = slots_.OnFill(slot_key, instrument_, fill);
  booked.record.fill = fill;
  booked.record.order.reset();
  booked.record.slot = booked.slot_result.slot;
  booked.record.slot_rest = slots_.rest();
  booked.record.instrument = instrument_.id;
  booked.record.position = position_;
  volume_ += instrument_.NotionalOf(fill.price, fill.quantity);
  Remember(fill);
}

void AccountBooks::BookForeign(const Fill& fill, Booked& booked) {
  HF_ASSERT(!IsBooked(fill.trade_id));
  booked.record.transaction = MakeFillTransaction(instrument_, fill);
  booked.record.transaction.reason = InlineString<64>("fill of an order that is not ours");
  booked.ledger_status = ledger_.Apply(booked.record.transaction);
  if (!booked.ledger_status.ok()) return;
  trades_.Insert(fill.trade_id);
  booked.slot_result = {};
  booked.record.fill = fill;
  booked.record.order.reset();
  booked.record.slot.reset();
  booked.record.slot_rest = slots_.rest();
  booked.record.instrument = instrument_.id;
  booked.record.position = position_;
}

absl::Status AccountBooks::BookWallet(const LedgerTransaction& transaction) {
  return ledger_.Apply(transaction);
}

Quantity AccountBooks::inventory() const {
  const Decimal base = instrument_.ToDecimal(position_.quantity()) -
                       ledger_.Balance(LedgerAccount::kFees, instrument_.base_asset);
  const Quantity lots = instrument_.RoundQuantity(base.Absolute(), Rounding::kNearest);
  return base.is_negative() ? -lots : lots;
}

void AccountBooks::OnBalance(const BalanceReport& report) {
  for (size_t i = 0; i < balances_.size(); ++i) {
    if (balances_[i].asset != report.asset) continue;
    balances_[i].free = report.free;
    balances_[i].locked = report.locked;
    seen_in_list_[i] = balance_list_;
    return;
  }
  if (!IsNeeded(report.asset) && AssetCount() >= kMaxOtherBalances) return;
  if (balances_.full()) return;  // the ledger could not book it either
  seen_in_list_[balances_.size()] = balance_list_;
  balances_.push_back({.asset = report.asset, .free = report.free, .locked = report.locked});
}

bool AccountBooks::HasOpening() const {
  if (newest_trade_id().value() != 0) return true;
  const auto assets = ledger_.assets();
  return std::any_of(assets.begin(), assets.end(), [this](AssetCode asset) {
    return !ledger_.Balance(LedgerAccount::kTransfers, asset).is_zero() ||
           !ledger_.Balance(LedgerAccount::kAdjustment, asset).is_zero();
  });
}

void AccountBooks::EndBalanceList() {
  for (size_t i = 0; i < balances_.size(); ++i) {
    if (seen_in_list_[i] == balance_list_) continue;
    balances_[i].free = Decimal();
    balances_[i].locked = Decimal();
  }
  for (const AssetCode asset : ledger_.assets()) {
    const bool is_listed =
        std::any_of(balances_.begin(), balances_.end(),
                    [&asset](const AssetBalance& balance) { return balance.asset == asset; });
    if (is_listed || balances_.full()) continue;
    seen_in_list_[balances_.size()] = balance_list_;
    balances_.push_back({.asset = asset, .free = Decimal(), .locked = Decimal()});
  }
}

bool AccountBooks::IsNeeded(AssetCode asset) const {
  if (asset == instrument_.base_asset || asset == instrument_.quote_asset) return true;
  const auto assets = ledger_.assets();
  return std::find(assets.begin(), assets.end(), asset) != assets.end();
}

size_t AccountBooks::AssetCount() const {
  const auto assets = ledger_.assets();
  return assets.size() +
         static_cast<size_t>(std::count_if(
             balances_.begin(), balances_.end(), [&assets](const AssetBalance& balance) {
               return std::find(assets.begin(), assets.end(), balance.asset) == assets.end();
             }));
}

void AccountBooks::Remember(const Fill& fill) {
  ++fill_count_;
  if (last_fills_.full()) last_fills_.pop();
  last_fills_.push() = {.trade_id = fill.trade_id,
                        .side = fill.side,
                        .liquidity = fill.liquidity,
                        .price = fill.price,
                        .quantity = fill.quantity,
                        .fee = fill.fee,
                        .fee_asset = fill.fee_asset,
                        .venue_time_ns = fill.venue_time_ns};
  for (AssetAmount& total : fees_) {
    if (total.asset != fill.fee_asset) continue;
    total.amount += fill.fee;
    return;
  }
  if (!fees_.full()) fees_.push_back({.asset = fill.fee_asset, .amount = fill.fee});
}

void AccountBooks::CheckInvariants() const {
  HF_ASSERT(ledger_.CheckInvariants());
  slots_.CheckInvariants();
}

}  // namespace holdfast
