#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/base/assert.h"
#include "engine/market/book.h"
#include "engine/market/market_data.h"

namespace holdfast {

// Why a book must not be quoted on, most fundamental first; nullopt from Unquotable() = quotable.
enum class BookProblem : uint8_t {
  kNoSnapshot,  // waiting for (another) snapshot; diffs are buffered
  kStale,       // nothing heard for longer than the limit
  kCrossed,
  kOneSided,
};
std::string_view ToText(BookProblem problem);

// A Book kept by the venue's sequence rules (Binance diff depth, venues.md section 1): diffs that
// come before the snapshot are buffered (bounded), old ones are dropped, the first one applied must
// satisfy U <= lastUpdateId + 1 <= u, each following one U <= local + 1; U > local + 1 is a gap:
// the book is unusable at once, the gap is counted, and a snapshot must be requested again.
//
// The buffer never has a hole: a diff that leaves one, or that does not fit, restarts the buffer
// with itself, and a snapshot older than what is then buffered asks for another.
//
// Single-threaded. Never allocates after construction, apart from far levels (see Book).
class SequencedBook {
 public:
  // What one second of a busy instrument cannot fill; a snapshot takes less to arrive.
  static constexpr size_t kMaxBufferedUpdates = 1024;
  static constexpr size_t kMaxBufferedChanges = 64 * 1024;

  enum class Result : uint8_t {
    kApplied,
    kBuffered,      // no snapshot yet
    kIgnoredOld,    // covers nothing new
    kNeedSnapshot,  // gap, buffer overflow, or the snapshot is older than the buffered diffs
  };

  // REQUIRES: stale_after_ns > 0.
  explicit SequencedBook(int64_t stale_after_ns);
  ~SequencedBook();
  SequencedBook(SequencedBook&&) noexcept;
  SequencedBook& operator=(SequencedBook&&) noexcept;

  // A snapshot older than a book in sequence is ignored; a newer one replaces the book.
  Result OnSnapshot(const DepthSnapshot& snapshot);
  // REQUIRES: update.first_update_id <= update.last_update_id (decoders refuse others).
  Result OnUpdate(const DepthUpdate& update) {
    HF_ASSERT(update.first_update_id <= update.last_update_id);
    const bool is_next = has_snapshot_ && update.first_update_id <= last_update_id_ + 1 &&
                         update.last_update_id > last_update_id_;
    if (!is_next) [[unlikely]]
      return OnOtherUpdate(update);
    ApplyUpdate(update);
    return Result::kApplied;
  }
  // Connection lost: everything learned so far is void.
  void Reset();

  std::optional<BookProblem> Unquotable(int64_t now_ns) const;
  const Book& book() const { return book_; }
  int64_t last_update_id() const { return last_update_id_; }
  // Of the newest snapshot or diff that is in the book; 0 = none yet.
  int64_t last_receive_time_ns() const { return last_receive_time_ns_; }
  uint64_t gap_count() const { return gap_count_; }
  // Snapshots that put the book in sequence, after the first.
  uint64_t resync_count() const { return resync_count_; }

 private:
  struct Buffer;

  Result OnOtherUpdate(const DepthUpdate& update);
  Result BufferUpdate(const DepthUpdate& update);
  void ApplyUpdate(const DepthUpdate& update) {
    book_.Apply(update.bids, update.asks);
    last_update_id_ = update.last_update_id;
    last_receive_time_ns_ = std::max(last_receive_time_ns_, update.receive_time_ns);
  }

  Book book_;
  std::unique_ptr<Buffer> buffer_;
  int64_t stale_after_ns_;
  int64_t last_update_id_ = 0;
  int64_t last_receive_time_ns_ = 0;
  uint64_t gap_count_ = 0;
  uint64_t resync_count_ = 0;
  bool has_snapshot_ = false;
  bool was_in_sequence_ = false;
};

}  // namespace holdfast
