#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

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
// Single-threaded. Never allocates between snapshots, apart from far levels (see Book).
class SequencedBook {
 public:
  enum class Result : uint8_t {
    kApplied,
    kBuffered,      // no snapshot yet
    kIgnoredOld,    // covers nothing new
    kNeedSnapshot,  // gap, buffer overflow, or the snapshot is older than the buffered diffs
  };

  explicit SequencedBook(int64_t stale_after_ns);

  Result OnSnapshot(const DepthSnapshot& snapshot);
  Result OnUpdate(const DepthUpdate& update);
  // Connection lost: everything learned so far is void.
  void Reset();

  std::optional<BookProblem> Unquotable(int64_t now_ns) const;
  const Book& book() const { return book_; }
  int64_t last_update_id() const { return last_update_id_; }
  int64_t last_receive_time_ns() const { return last_receive_time_ns_; }
  uint64_t gap_count() const { return gap_count_; }
  uint64_t resync_count() const { return resync_count_; }

 private:
  struct Buffer;
  Book book_;
  std::unique_ptr<Buffer> buffer_;
  int64_t stale_after_ns_;
  int64_t last_update_id_ = 0;
  int64_t last_receive_time_ns_ = 0;
  uint64_t gap_count_ = 0;
  uint64_t resync_count_ = 0;
  bool has_snapshot_ = false;

 public:
  ~SequencedBook();
};

}  // namespace holdfast
