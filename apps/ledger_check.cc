#include "apps/ledger_check.h"

#include <map>
#include <nlohmann/json.hpp>

#include "apps/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

using nlohmann::json;

// One fill as both sides describe it.
struct FillRow {
  std::string side;
  Decimal price;
  Decimal quantity;
  Decimal fee;
  std::string fee_asset;
  bool is_maker = false;
  friend bool operator==(const FillRow&, const FillRow&) = default;
};

std::string RowText(const FillRow& row) {
  return Concat(row.side, " ", row.quantity.ToText(), " @ ", row.price.ToText(), " fee ",
                row.fee.ToText(), " ", row.fee_asset, row.is_maker ? " maker" : " taker");
}

// Numbers of the ledger are exact text; a missing or malformed one ends the comparison.
Decimal NumberOf(const json& object, const char* name) {
  const json& value = object.at(name);
  const absl::StatusOr<Decimal> number =
      Decimal::Parse(value.is_string() ? value.get<std::string>() : value.dump());
  if (!number.ok()) throw std::invalid_argument(Concat(name, ": ", value.dump()));
  return *number;
}

FillRow VenueRow(const json& trade) {
  return {.side = trade.at("side").get<std::string>() == "BUY" ? "buy" : "sell",
          .price = NumberOf(trade, "price"),
          .quantity = NumberOf(trade, "quantity"),
          .fee = NumberOf(trade, "fee"),
          .fee_asset = trade.at("feeAsset").get<std::string>(),
          .is_maker = trade.at("isMaker").get<bool>()};
}

FillRow OurRow(const Instrument& instrument, const Fill& fill) {
  return {.side = std::string(ToText(fill.side)),
          .price = instrument.ToDecimal(fill.price),
          .quantity = instrument.ToDecimal(fill.quantity),
          .fee = fill.fee,
          .fee_asset = std::string(fill.fee_asset.view()),
          .is_maker = fill.liquidity == Liquidity::kMaker};
}

class Comparison {
 public:
  Comparison(const OurBooks& ours, const json& venue) : ours_(ours), venue_(venue) {}

  std::vector<std::string> Run() {
    CompareFills();
    ComparePosition();
    CompareFees();
    CompareWallet();
    CheckOpenOrders();
    return std::move(differences_);
  }

 private:
  template <typename... Parts>
  void Differ(const Parts&... parts) {
    differences_.push_back(Concat(parts...));
  }

  void CompareFills() {
    for (const Fill& fill : ours_.fills) {
      if (fill.trade_id <= ours_.last_trade_before) continue;
      const auto [at, is_new] =
          ours_by_id_.emplace(fill.trade_id.value(), OurRow(ours_.instrument, fill));
      if (!is_new) Differ("fill ", fill.trade_id.value(), ": booked twice");
    }
    for (const json& trade : venue_.at("trades")) {
      if (trade.at("symbol").get<std::string>() != ours_.instrument.symbol.view()) continue;
      const int64_t id = trade.at("tradeId").get<int64_t>();
      if (id > ours_.last_trade_before.value()) venue_by_id_.emplace(id, VenueRow(trade));
    }
    for (const auto& [id, row] : venue_by_id_) {
      const auto found = ours_by_id_.find(id);
      if (found == ours_by_id_.end()) {
        Differ("fill ", id, ": venue ", RowText(row), "; ours none");
      } else if (found->second != row) {
        Differ("fill ", id, ": venue ", RowText(row), "; ours ", RowText(found->second));
      }
    }
    for (const auto& [id, row] : ours_by_id_) {
      if (!venue_by_id_.contains(id)) {
        Differ("fill ", id, ": venue none; ours ", RowText(row));
      }
    }
  }

  void ComparePosition() {
    Decimal venue_change;
    for (const auto& [id, row] : venue_by_id_) {
      venue_change += row.side == "buy" ? row.quantity : -row.quantity;
    }
    const Decimal our_change =
        ours_.instrument.ToDecimal(ours_.position_after - ours_.position_before);
    if (our_change != venue_change) {
      Differ("position: venue changed by ", venue_change.ToText(), "; ours by ",
             our_change.ToText());
    }
  }

  void CompareFees() {
    std::map<std::string, Decimal> venue_fees;
    for (const auto& [id, row] : venue_by_id_) {
      if (!row.fee.is_zero()) venue_fees[row.fee_asset] += row.fee;
    }
    for (const AssetCode asset : ours_.ledger_after->assets()) {
      venue_fees.try_emplace(std::string(asset.view()));
    }
    for (const auto& [name, venue_fee] : venue_fees) {
      const AssetCode asset = AssetCode::Truncated(name);
      const Decimal our_fee = ours_.ledger_after->Balance(LedgerAccount::kFees, asset) -
                              ours_.ledger_before->Balance(LedgerAccount::kFees, asset);
      if (our_fee != venue_fee) {
        Differ("fees in ", name, ": venue ", venue_fee.ToText(), "; ours ", our_fee.ToText());
      }
    }
  }

  void CompareWallet() {
    for (const json& account : venue_.at("totals")) {
      for (const json& balance : account.at("balances")) {
        const std::string name = balance.at("asset").get<std::string>();
        const Decimal venue_amount = NumberOf(balance, "free") + NumberOf(balance, "locked");
        const Decimal our_amount =
            ours_.ledger_after->Balance(LedgerAccount::kWallet, AssetCode::Truncated(name));
        if (our_amount != venue_amount) {
          Differ("wallet in ", name, ": venue ", venue_amount.ToText(), "; ours ",
                 our_amount.ToText());
        }
      }
    }
  }

  void CheckOpenOrders() {
    for (const json& order : venue_.at("orders")) {
      const std::string status = order.at("status").get<std::string>();
      if (status != "NEW" && status != "PARTIALLY_FILLED") continue;
      Differ("order ", order.at("orderId").get<int64_t>(), " (",
             order.at("clientOrderId").get<std::string>(), "): open at the venue (", status, ")");
    }
  }

  const OurBooks& ours_;
  const json& venue_;
  std::map<int64_t, FillRow> ours_by_id_;
  std::map<int64_t, FillRow> venue_by_id_;
  std::vector<std::string> differences_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> CompareWithVenue(const OurBooks& ours,
                                                          std::string_view venue_ledger_json) {
  HF_ASSERT(ours.ledger_before != nullptr);
  HF_ASSERT(ours.ledger_after != nullptr);
  try {
    return Comparison(ours, json::parse(venue_ledger_json)).Run();
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(Concat("venue ledger: ", error.what()));
  }
}

}  // namespace holdfast
