#include "engine/market/sequenced_book.h"

#include <vector>

#include "engine/base/assert.h"

namespace holdfast {

std::string_view ToText(BookProblem problem) {
  switch (problem) {
    case BookProblem::kNoSnapshot:
      return "no_snapshot";
    case BookProblem::kStale:
      return "stale";
    case BookProblem::kCrossed:
      return "crossed";
    case BookProblem::kOneSided:
      return "one_sided";
  }
  return "invalid";
}

// Copies of the diffs that wait for a snapshot, oldest first and without a hole.
struct SequencedBook::Buffer {
  struct Entry {
    DepthUpdate update;  // the spans are not used: the levels are in `changes`
    size_t bids_begin;
    size_t asks_begin;
    size_t end;
  };
  std::vector<Entry> entries;
  std::vector<LevelChange> changes;

  Buffer() {
    entries.reserve(kMaxBufferedUpdates);
    changes.reserve(kMaxBufferedChanges);
  }
  void Clear() {
    entries.clear();
    changes.clear();
  }
  bool Fits(const DepthUpdate& update) const {
    return entries.size() < kMaxBufferedUpdates &&
           changes.size() + update.bids.size() + update.asks.size() <= kMaxBufferedChanges;
  }
  void Append(const DepthUpdate& update) {
    Entry entry = {update, changes.size(), changes.size() + update.bids.size(), 0};
    changes.insert(changes.end(), update.bids.begin(), update.bids.end());
    changes.insert(changes.end(), update.asks.begin(), update.asks.end());
    entry.end = changes.size();
    entries.push_back(entry);
  }
  DepthUpdate UpdateAt(size_t index) const {
    const Entry& entry = entries[index];
    const std::span<const LevelChange> all = changes;
    DepthUpdate update = entry.update;
    update.bids = all.subspan(entry.bids_begin, entry.asks_begin - entry.bids_begin);
    update.asks = all.subspan(entry.asks_begin, entry.end - entry.asks_begin);
    return update;
  }
};

SequencedBook::SequencedBook(int64_t stale_after_ns)
    : buffer_(std::make_unique<Buffer>()), stale_after_ns_(stale_after_ns) {
  HF_ASSERT(stale_after_ns > 0);
}
SequencedBook::~SequencedBook() = default;
SequencedBook::SequencedBook(SequencedBook&&) noexcept = default;
SequencedBook& SequencedBook::operator=(SequencedBook&&) noexcept = default;

// All but the next diff of a book in sequence.
SequencedBook::Result SequencedBook::OnOtherUpdate(const DepthUpdate& update) {
  if (!has_snapshot_) return BufferUpdate(update);
  if (update.last_update_id <= last_update_id_) return Result::kIgnoredOld;
  HF_ASSERT(update.first_update_id > last_update_id_ + 1);
  ++gap_count_;
  has_snapshot_ = false;
  BufferUpdate(update);
  return Result::kNeedSnapshot;
}

SequencedBook::Result SequencedBook::BufferUpdate(const DepthUpdate& update) {
  bool is_restarted = false;
  if (!buffer_->entries.empty()) {
    const int64_t newest = buffer_->entries.back().update.last_update_id;
    if (update.last_update_id <= newest) return Result::kIgnoredOld;
    if (update.first_update_id > newest + 1) {
      ++gap_count_;
      is_restarted = true;
    }
  }
  if (is_restarted || !buffer_->Fits(update)) {
    is_restarted = true;
    buffer_->Clear();
  }
  // One diff larger than the whole buffer is not kept; the snapshot must then be newer than it.
  if (buffer_->Fits(update)) buffer_->Append(update);
  return is_restarted ? Result::kNeedSnapshot : Result::kBuffered;
}

SequencedBook::Result SequencedBook::OnSnapshot(const DepthSnapshot& snapshot) {
  if (has_snapshot_ && snapshot.last_update_id < last_update_id_) return Result::kIgnoredOld;
  if (!buffer_->entries.empty() &&
      snapshot.last_update_id + 1 < buffer_->entries.front().update.first_update_id) {
    return Result::kNeedSnapshot;
  }
  book_.Assign(snapshot.bids, snapshot.asks);
  last_update_id_ = snapshot.last_update_id;
  last_receive_time_ns_ = std::max(last_receive_time_ns_, snapshot.receive_time_ns);
  has_snapshot_ = true;
  if (was_in_sequence_) ++resync_count_;
  was_in_sequence_ = true;
  for (size_t i = 0; i < buffer_->entries.size(); ++i) {
    const DepthUpdate update = buffer_->UpdateAt(i);
    if (update.last_update_id <= last_update_id_) continue;
    HF_ASSERT(update.first_update_id <= last_update_id_ + 1);
    ApplyUpdate(update);
  }
  buffer_->Clear();
  return Result::kApplied;
}

void SequencedBook::Reset() {
  book_.Clear();
  buffer_->Clear();
  last_update_id_ = 0;
  last_receive_time_ns_ = 0;
  has_snapshot_ = false;
}

std::optional<BookProblem> SequencedBook::Unquotable(int64_t now_ns) const {
  if (!has_snapshot_) return BookProblem::kNoSnapshot;
  if (now_ns - last_receive_time_ns_ > stale_after_ns_) return BookProblem::kStale;
  if (book_.is_crossed()) return BookProblem::kCrossed;
  if (!book_.best_bid().has_value() || !book_.best_ask().has_value()) {
    return BookProblem::kOneSided;
  }
  return std::nullopt;
}

}  // namespace holdfast
