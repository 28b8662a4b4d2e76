#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "engine/base/clock.h"
#include "engine/base/spsc_record_ring.h"
#include "engine/base/spsc_ring.h"
#include "engine/base/waker.h"
#include "engine/simple/loop_runner.h"
#include "engine/simple/store.h"

namespace holdfast {

struct StoreQueueOptions {
  size_t queue_bytes = size_t{1} << 20;        // power of two; a fill takes about 800 bytes
  int max_batch_records = 256;                 // most records in one transaction of the store
  uint64_t number_block = 1024;                // order numbers reserved at a time
  int64_t retry_min_ns = 10 * kNanosPerMilli;  // first wait after a failed write; doubles ...
  int64_t retry_max_ns = kNanosPerSecond;      // ... up to this, for ever
  int64_t prune_interval_ns = kNanosPerSecond;
  int64_t max_record_age_ns = kNanosPerSecond;  // a record that waits longer: the disk hangs
  int64_t max_sleep_ns =
      20 * kNanosPerMilli;  // store thread looks at the queue at least this often
};
absl::Status Validate(const StoreQueueOptions& options);

struct StoreQueueStats {
  uint64_t stored_count = 0;  // records of this run that are durable
  uint64_t batch_count = 0;
  uint64_t failure_count = 0;     // failed writes
  int64_t longest_append_ns = 0;  // of one batch that succeeded
  size_t queue_bytes_used = 0;    // a moment's estimate
};

// Carries records and reserved order numbers between the loop's thread and a store that may block,
// so that the loop never waits for a disk. Records reach the store in the order given, each once,
// as many in one transaction as have gathered; a write that fails is tried again for ever with
// back-off, and nothing behind it overtakes.
//
// When the store refuses a record for good (it breaks an invariant, or the store is damaged),
// everything before it is stored, it and everything behind it is not, and the queue stays unhealthy
// until the process is restarted: the restart begins from the last good state.
//
// Threads: "loop side" calls by one thread, "store side" calls by one thread (the same one in a
// simulation), the rest by any.
class StoreQueue final : public Turn {
 public:
  // `store` and `clock` must outlive the queue.
  StoreQueue(const StoreQueueOptions& options, Store& store, const Clock& clock);
  ~StoreQueue() override;
  StoreQueue(const StoreQueue&) = delete;
  StoreQueue& operator=(const StoreQueue&) = delete;

  // Reserves the first block of numbers. A disk that refuses now is tried again by RunOnce().
  // REQUIRES: the store is open; no thread runs yet.
  absl::Status Prepare();

  // --- loop side: no allocation, no lock, no system call but the wake-up in Flush() ---

  // False: full, nothing taken. Kind is one of StoreRecord's.
  template <typename Kind>
  [[nodiscard]] bool Push(const Kind& record);
  // Wakes the store's thread when something was pushed since the last Flush().
  void Flush();
  // The next number of a committed block; nullopt when none is there yet. The first number of a run
  // waits until everything recorded before it was asked for is durable, so that no order can be at
  // the venue while the opening state that explains it is not in the store.
  std::optional<OrderNumber> NextOrderNumber();
  // False while a record has been waiting for longer than max_record_age_ns, even though no write
  // has failed: the disk may hang. Noticed at twice that age at the latest.
  bool IsKeepingUp();
  // Whether NextOrderNumber() gave out this number in this run.
  bool IsHandedOut(OrderNumber number) const {
    return number >= first_handed_out_ && number.value() < block_.first;
  }

  // --- store side ---

  int RunOnce() override;
  int64_t IdleTimeoutNs() override;
  // Stores what is queued, waiting between attempts, until all is stored, a record is refused, or
  // `deadline_ns` (monotonic) has passed. At least one attempt is made; with `can_wait` false at
  // most one. Returns how many records are not stored. REQUIRES: the loop side is at rest.
  uint64_t Drain(int64_t deadline_ns, bool can_wait);

  // --- any thread ---

  bool is_healthy() const { return is_healthy_.load(std::memory_order_acquire); }
  std::string problem() const;  // empty when healthy
  StoreQueueStats stats() const;
  Waker& waker() { return waker_; }

 private:
  enum class Kind : uint64_t { kOrder, kFill, kSlot, kMemory, kLedger, kRisk, kStop };
  struct Header {
    Kind kind;
    int64_t record_time_ns;
  };

  template <typename Record>
  static constexpr Kind KindOf();
  template <typename Record>
  static StoreRecord Unpack(std::span<const std::byte> bytes);
  static StampedRecord UnpackAny(std::span<const std::byte> bytes);

  void RequestBlock();
  int ServeNumbers();
  void FillBatch();
  int StoreBatch();
  void StoreGoodPrefix();
  void Stored(size_t record_count, int64_t start_ns);
  void Fail(const absl::Status& status);
  void Heal();
  void PruneWhenDue(int64_t now_ns);

  const StoreQueueOptions options_;
  Store& store_;
  const Clock& clock_;
  Waker waker_;

  SpscRecordRing records_;                  // loop -> store
  SpscRing<OrderNumberBlock> blocks_{4};    // store -> loop
  std::atomic<uint64_t> wanted_blocks_{0};  // loop -> store

  // Loop side.
  OrderNumberBlock block_;  // the rest of the current block
  uint64_t block_half_ = 0;
  OrderNumber first_handed_out_;
  bool has_handed_out_ = false;
  std::optional<uint64_t>
      first_number_after_;  // records that must be stored before the first number
  bool has_pushed_ = false;
  uint64_t pushed_count_ = 0;
  // All records up to here were pushed by `mark_at_ns_`; 0 = nothing waits.
  uint64_t mark_count_ = 0;
  int64_t mark_at_ns_ = 0;

  // Store side.
  std::vector<StampedRecord> batch_;
  uint64_t granted_blocks_ = 0;
  bool is_refused_ = false;
  int64_t retry_at_ns_ = 0;
  int64_t retry_wait_ns_ = 0;
  int64_t prune_at_ns_ = 0;

  std::atomic<bool> is_healthy_{true};
  std::atomic<uint64_t> stored_count_{0};
  std::atomic<uint64_t> batch_count_{0};
  std::atomic<uint64_t> failure_count_{0};
  std::atomic<int64_t> longest_append_ns_{0};
  mutable std::mutex problem_mutex_;
  std::string problem_;
};

template <typename Record>
constexpr StoreQueue::Kind StoreQueue::KindOf() {
  if constexpr (std::is_same_v<Record, OrderRecord>) return Kind::kOrder;
  if constexpr (std::is_same_v<Record, FillRecord>) return Kind::kFill;
  if constexpr (std::is_same_v<Record, SlotRecord>) return Kind::kSlot;
  if constexpr (std::is_same_v<Record, MemoryRecord>) return Kind::kMemory;
  if constexpr (std::is_same_v<Record, LedgerRecord>) return Kind::kLedger;
  if constexpr (std::is_same_v<Record, RiskRecord>) return Kind::kRisk;
  if constexpr (std::is_same_v<Record, StopRecord>) return Kind::kStop;
}

template <typename Record>
bool StoreQueue::Push(const Record& record) {
  static_assert(alignof(Record) <= 8, "the ring aligns records to 8 bytes");
  static_assert(std::is_trivially_destructible_v<Record>, "nobody destroys what is in the ring");
  std::byte* bytes = records_.Reserve(sizeof(Header) + sizeof(Record));
  if (bytes == nullptr) return false;
  new (bytes) Header{.kind = KindOf<Record>(), .record_time_ns = clock_.WallNs()};
  new (bytes + sizeof(Header)) Record(record);
  records_.Commit();
  ++pushed_count_;
  has_pushed_ = true;
  if (mark_count_ == 0) {
    mark_count_ = pushed_count_;
    mark_at_ns_ = clock_.MonotonicNs();
  }
  return true;
}

}  // namespace holdfast
