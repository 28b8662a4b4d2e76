#include "apps/ledger_check.h"

#include <nlohmann/json.hpp>
#include <stdexcept>

#include "apps/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

using nlohmann::json;

// Numbers of the ledger are exact text; a missing or malformed one ends the comparison.
Decimal NumberOf(const json& object, const char* name) {
  const json& value = object.at(name);
  const absl::StatusOr<Decimal> number =
      Decimal::Parse(value.is_string() ? value.get<std::string>() : value.dump());
  if (!number.ok()) throw std::invalid_argument(Concat(name, ": ", value.dump()));
  return *number;
}

FillFacts FactsOf(const json& trade) {
  return {.trade_id = trade.at("tradeId").get<int64_t>(),
          .side = trade.at("side").get<std::string>() == "BUY" ? Side::kBuy : Side::kSell,
          .is_maker = trade.at("isMaker").get<bool>(),
          .price = NumberOf(trade, "price"),
          .quantity = NumberOf(trade, "quantity"),
          .fee = NumberOf(trade, "fee"),
          .fee_asset = AssetCode::Truncated(trade.at("feeAsset").get<std::string>())};
}

}  // namespace

LedgerCheck::LedgerCheck(const OurBooks& ours)
    : ours_(ours), cursor_{.since_order = 0, .since_trade = ours.last_trade_before.value()} {
  HF_ASSERT(ours.ledger_before != nullptr);
  HF_ASSERT(ours.ledger_after != nullptr);
  for (const Fill& fill : ours_.newest_fills) {
    if (fill.trade_id <= ours_.last_trade_before) continue;
    const bool is_new =
        unseen_.emplace(fill.trade_id.value(), FactsOf(ours_.instrument, fill)).second;
    if (!is_new) Differ("fill ", fill.trade_id.value(), ": booked twice");
  }
}

template <typename... Parts>
void LedgerCheck::Differ(const Parts&... parts) {
  if (differences_.size() < kMaxLines) differences_.push_back(Concat(parts...));
}

absl::StatusOr<bool> LedgerCheck::AddPage(std::string_view venue_ledger_json) {
  try {
    const json venue = json::parse(venue_ledger_json);
    const Cursor before = cursor_;
    for (const json& order : venue.at("orders")) {
      const std::string status = order.at("status").get<std::string>();
      if (status != "NEW" && status != "PARTIALLY_FILLED") continue;
      Differ("order ", order.at("orderId").get<int64_t>(), " (",
             order.at("clientOrderId").get<std::string>(), "): open at the venue (", status, ")");
    }
    for (const json& trade : venue.at("trades")) {
      if (trade.at("symbol").get<std::string>() != ours_.instrument.symbol.view()) continue;
      const FillFacts facts = FactsOf(trade);
      if (facts.trade_id > before.since_trade) CheckTrade(facts);
    }
    venue_wallet_.clear();
    for (const json& account : venue.at("totals")) {
      for (const json& balance : account.at("balances")) {
        venue_wallet_[balance.at("asset").get<std::string>()] +=
            NumberOf(balance, "free") + NumberOf(balance, "locked");
      }
    }
    cursor_ = {.since_order = venue.at("lastOrder").get<int64_t>(),
               .since_trade = venue.at("lastTrade").get<int64_t>()};
    return cursor_ != before;
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(Concat("venue ledger: ", error.what()));
  }
}

void LedgerCheck::CheckTrade(const FillFacts& venue) {
  venue_fills_.Add(venue);
  venue_position_change_ += venue.side == Side::kBuy ? venue.quantity : -venue.quantity;
  if (!venue.fee.is_zero()) venue_fees_[std::string(venue.fee_asset.view())] += venue.fee;
  const auto found = unseen_.find(venue.trade_id);
  if (found == unseen_.end()) {
    const bool are_all_kept = ours_.fills.count == ours_.newest_fills.size();
    if (are_all_kept) {
      Differ("fill ", venue.trade_id, ": venue ", ToText(venue), "; ours none");
    }
    return;
  }
  const bool is_same_fee_asset = venue.fee.is_zero() || venue.fee_asset == found->second.fee_asset;
  FillFacts ours = found->second;
  if (is_same_fee_asset) ours.fee_asset = venue.fee_asset;
  if (ours != venue) {
    Differ("fill ", venue.trade_id, ": venue ", ToText(venue), "; ours ", ToText(found->second));
  }
  unseen_.erase(found);
}

std::vector<std::string> LedgerCheck::Differences() {
  CompareRest();
  CompareFees();
  CompareWallet();
  return std::move(differences_);
}

void LedgerCheck::CompareRest() {
  for (const auto& [id, facts] : unseen_) {
    Differ("fill ", id, ": venue none; ours ", ToText(facts));
  }
  if (differences_.empty() && venue_fills_ != ours_.fills) {
    Differ("fills: venue ", venue_fills_.count, "; ours ", ours_.fills.count,
           "; they differ before the newest ", ours_.newest_fills.size());
  }
  const Decimal our_change =
      ours_.instrument.ToDecimal(ours_.position_after - ours_.position_before);
  if (our_change != venue_position_change_) {
    Differ("position: venue changed by ", venue_position_change_.ToText(), "; ours by ",
           our_change.ToText());
  }
}

void LedgerCheck::CompareFees() {
  for (const AssetCode asset : ours_.ledger_after->assets()) {
    venue_fees_.try_emplace(std::string(asset.view()));
  }
  for (const auto& [name, venue_fee] : venue_fees_) {
    const AssetCode asset = AssetCode::Truncated(name);
    const Decimal our_fee = ours_.ledger_after->Balance(LedgerAccount::kFees, asset) -
                            ours_.ledger_before->Balance(LedgerAccount::kFees, asset);
    if (our_fee != venue_fee) {
      Differ("fees in ", name, ": venue ", venue_fee.ToText(), "; ours ", our_fee.ToText());
    }
  }
}

void LedgerCheck::CompareWallet() {
  for (const auto& [name, venue_amount] : venue_wallet_) {
    const Decimal our_amount =
        ours_.ledger_after->Balance(LedgerAccount::kWallet, AssetCode::Truncated(name));
    if (our_amount != venue_amount) {
      Differ("wallet in ", name, ": venue ", venue_amount.ToText(), "; ours ", our_amount.ToText());
    }
  }
}

}  // namespace holdfast
