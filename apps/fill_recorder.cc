#include "apps/fill_recorder.h"

namespace holdfast {

bool FillRecorder::Record(const FillRecord& record) {
  if (!engine_.Record(record)) return false;  // not booked: the loop offers it again
  if (fills_.size() < kMaxFills) {
    fills_.push_back(record.fill);
  } else {
    is_complete_ = false;
  }
  return true;
}

}  // namespace holdfast
