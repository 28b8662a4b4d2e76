#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/fill_totals.h"
#include "engine/market/fill.h"
#include "engine/market/instrument.h"
#include "engine/market/ledger.h"
#include "engine/market/price.h"

namespace holdfast {

// What our books say about one run, from its start (what the store gave back) to its end.
struct OurBooks {
  Instrument instrument;
  FillTotals fills;                    // all booked in this run
  std::span<const Fill> newest_fills;  // those of them that were kept
  VenueTradeId last_trade_before;
  Quantity position_before;
  Quantity position_after;
  const Ledger* ledger_before = nullptr;
  const Ledger* ledger_after = nullptr;
};

// Compares our books with a simulated venue's own ledger (docs/simulated_venue_wire.md, GET
// /ledger), page by page, in memory that does not grow with the number of fills: every fill with
// its fee, the position, the fees per asset, the wallet, and that no order of the account is open
// any more. A fill that differs is named when it is among the kept ones.
class LedgerCheck {
 public:
  // What to ask for next.
  struct Cursor {
    int64_t since_order = 0;
    int64_t since_trade = 0;
    friend bool operator==(const Cursor&, const Cursor&) = default;
  };
  static constexpr int kPageRows = 10'000;

  // `ours` must outlive the check.
  explicit LedgerCheck(const OurBooks& ours);

  const Cursor& cursor() const { return cursor_; }
  // False when the page brought nothing new: it was the last one. kInvalidArgument: the text is not
  // such a ledger.
  absl::StatusOr<bool> AddPage(std::string_view venue_ledger_json);
  // One line per difference; empty = equal to the last unit. After the last page.
  std::vector<std::string> Differences();

 private:
  template <typename... Parts>
  void Differ(const Parts&... parts);
  void CheckTrade(const FillFacts& venue);
  void CompareRest();
  void CompareFees();
  void CompareWallet();

  static constexpr size_t kMaxLines = 50;  // what more would say nothing new

  const OurBooks& ours_;
  Cursor cursor_;
  std::map<int64_t, FillFacts> unseen_;  // kept fills that no page has shown yet
  FillTotals venue_fills_;
  Decimal venue_position_change_;
  std::map<std::string, Decimal> venue_fees_;
  std::map<std::string, Decimal> venue_wallet_;  // of the last page
  std::vector<std::string> differences_;
};

}  // namespace holdfast
