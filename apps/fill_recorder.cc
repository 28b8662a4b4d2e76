#include "apps/fill_recorder.h"

namespace holdfast {

absl::StatusOr<RecoveredState> FillRecorder::Open() {
  absl::StatusOr<RecoveredState> recovered = engine_.Open();
  if (recovered.ok()) last_trade_before_ = recovered->last_trade_id;
  return recovered;
}

bool FillRecorder::Record(const FillRecord& record) {
  if (!engine_.Record(record)) return false;  // not booked: the loop offers it again
  if (record.fill.trade_id <= last_trade_before_) return true;  // of an earlier run
  kept_[totals_.count % kKeptFills] = record.fill;
  totals_.Add(FactsOf(instrument_, record.fill));
  return true;
}

}  // namespace holdfast
