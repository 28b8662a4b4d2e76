#include "engine/simple/store_queue.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

// The store will never take this, however often it is asked.
bool IsRefusal(const absl::Status& status) {
  return absl::IsInvalidArgument(status) || absl::IsDataLoss(status) || absl::IsInternal(status);
}

}  // namespace

absl::Status Validate(const StoreQueueOptions& options) {
  const auto bad = [](const char* name, const char* expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("store queue: option=", name, " expected=", expected));
  };
  if (!std::has_single_bit(options.queue_bytes) || options.queue_bytes < 4096) {
    return bad("queue_bytes", "a power of two >= 4096");
  }
  if (options.max_batch_records < 1) return bad("max_batch_records", ">= 1");
  if (options.number_block < 2) return bad("number_block", ">= 2");
  if (options.retry_min_ns < 1) return bad("retry_min_ns", ">= 1");
  if (options.retry_max_ns < options.retry_min_ns) return bad("retry_max_ns", ">= retry_min_ns");
  if (options.prune_interval_ns < 1) return bad("prune_interval_ns", ">= 1");
  if (options.max_record_age_ns < 1) return bad("max_record_age_ns", ">= 1");
  if (options.max_sleep_ns < 1) return bad("max_sleep_ns", ">= 1");
  return absl::OkStatus();
}

StoreQueue::StoreQueue(const StoreQueueOptions& options, Store& store, const Clock& clock)
    : options_(options), store_(store), clock_(clock), records_(options.queue_bytes) {
  HF_ASSERT(Validate(options).ok());
  batch_.reserve(static_cast<size_t>(options.max_batch_records));
}

StoreQueue::~StoreQueue() = default;

absl::Status StoreQueue::Prepare() {
  wanted_blocks_.store(1, std::memory_order_relaxed);
  ServeNumbers();
  if (is_refused_) return absl::InternalError(problem());
  return absl::OkStatus();
}

// --- loop side -----------------------------------------------------------------------------------

void StoreQueue::Flush() {
  if (!has_pushed_) return;
  has_pushed_ = false;
  // A store that fails waits for its back-off, not for us.
  if (is_healthy()) waker_.Notify();
}

bool StoreQueue::IsKeepingUp() {
  if (mark_count_ == 0) return true;
  const uint64_t stored_count = stored_count_.load(std::memory_order_acquire);
  if (stored_count == pushed_count_) {
    mark_count_ = 0;
    return true;
  }
  const int64_t now_ns = clock_.MonotonicNs();
  if (stored_count >= mark_count_) {
    mark_count_ = pushed_count_;
    mark_at_ns_ = now_ns;
  }
  return now_ns - mark_at_ns_ <= options_.max_record_age_ns;
}

std::optional<OrderNumber> StoreQueue::NextOrderNumber() {
  if (!has_handed_out_) {
    if (!first_number_after_.has_value()) first_number_after_ = pushed_count_;
    if (stored_count_.load(std::memory_order_acquire) < *first_number_after_) return std::nullopt;
  }
  if (block_.first == block_.end) {
    if (!blocks_.TryPop(block_)) return std::nullopt;
    HF_ASSERT(block_.first < block_.end);
    block_half_ = block_.first + (block_.end - block_.first) / 2;
  }
  const OrderNumber number(block_.first);
  if (!has_handed_out_) first_handed_out_ = number;
  has_handed_out_ = true;
  if (block_.first++ == block_half_) RequestBlock();
  return number;
}

void StoreQueue::RequestBlock() {
  wanted_blocks_.fetch_add(1, std::memory_order_acq_rel);
  waker_.Notify();
}

// --- store side ----------------------------------------------------------------------------------

int StoreQueue::RunOnce() {
  if (is_refused_) return 0;
  const int64_t now_ns = clock_.MonotonicNs();
  if (now_ns < retry_at_ns_) return 0;
  int work = ServeNumbers();
  // A failed reservation has started a back-off; the records wait with it.
  if (now_ns >= retry_at_ns_) work += StoreBatch();
  if (is_healthy()) PruneWhenDue(now_ns);
  return work;
}

int64_t StoreQueue::IdleTimeoutNs() {
  const int64_t wait_ns = retry_at_ns_ - clock_.MonotonicNs();
  return wait_ns > 0 ? std::min(wait_ns, options_.retry_max_ns) : options_.max_sleep_ns;
}

int StoreQueue::ServeNumbers() {
  if (granted_blocks_ == wanted_blocks_.load(std::memory_order_acquire)) return 0;
  const absl::StatusOr<OrderNumberBlock> block = store_.ReserveOrderNumbers(options_.number_block);
  if (!block.ok()) {
    Fail(block.status());
    return 0;
  }
  // At most two are wanted at a time: one at half of the current block, one when it is used up.
  const bool is_pushed = blocks_.TryPush(*block);
  HF_ASSERT(is_pushed);
  ++granted_blocks_;
  Heal();
  return 1;
}

void StoreQueue::FillBatch() {
  while (batch_.size() < static_cast<size_t>(options_.max_batch_records)) {
    const std::optional<std::span<const std::byte>> bytes = records_.Front();
    if (!bytes.has_value()) return;
    batch_.push_back(UnpackAny(*bytes));
    records_.Pop();
  }
}

int StoreQueue::StoreBatch() {
  FillBatch();
  if (batch_.empty()) return 0;
  const int64_t start_ns = clock_.MonotonicNs();
  const absl::Status status = store_.Append(batch_);
  if (!status.ok()) {
    if (IsRefusal(status)) StoreGoodPrefix();
    Fail(status);
    return 0;
  }
  const int count = static_cast<int>(batch_.size());
  Stored(batch_.size(), start_ns);
  Heal();
  return count;
}

// One record of the batch is refused: those before it are good and must not be lost with it.
void StoreQueue::StoreGoodPrefix() {
  while (!batch_.empty()) {
    const int64_t start_ns = clock_.MonotonicNs();
    if (!store_.Append(std::span(batch_).first(1)).ok()) return;
    Stored(1, start_ns);
  }
}

void StoreQueue::Stored(size_t record_count, int64_t start_ns) {
  batch_.erase(batch_.begin(), batch_.begin() + static_cast<std::ptrdiff_t>(record_count));
  const int64_t duration_ns = clock_.MonotonicNs() - start_ns;
  if (duration_ns > longest_append_ns_.load(std::memory_order_relaxed)) {
    longest_append_ns_.store(duration_ns, std::memory_order_relaxed);
  }
  batch_count_.fetch_add(1, std::memory_order_relaxed);
  stored_count_.fetch_add(record_count, std::memory_order_acq_rel);
}

void StoreQueue::Fail(const absl::Status& status) {
  is_refused_ = IsRefusal(status);
  failure_count_.fetch_add(1, std::memory_order_relaxed);
  retry_wait_ns_ = std::clamp(retry_wait_ns_ * 2, options_.retry_min_ns, options_.retry_max_ns);
  retry_at_ns_ = clock_.MonotonicNs() + retry_wait_ns_;
  {
    const std::lock_guard<std::mutex> lock(problem_mutex_);
    problem_ = is_refused_
                   ? absl::StrCat(status.message(),
                                  " (for good: restart to go on from the last stored state)")
                   : absl::StrCat(status.message(), " (trying again)");
  }
  is_healthy_.store(false, std::memory_order_release);
}

void StoreQueue::Heal() {
  retry_wait_ns_ = 0;
  retry_at_ns_ = 0;
  if (is_healthy()) return;
  {
    const std::lock_guard<std::mutex> lock(problem_mutex_);
    problem_.clear();
  }
  is_healthy_.store(true, std::memory_order_release);
}

// Housekeeping: a failure is not the loop's concern; the next record would meet the same disk.
void StoreQueue::PruneWhenDue(int64_t now_ns) {
  if (now_ns < prune_at_ns_) return;
  const absl::StatusOr<int> pruned = store_.Prune(clock_.WallNs());
  // While there is a backlog it goes on in the next turn, between two batches of records.
  if (!pruned.ok() || *pruned == 0) prune_at_ns_ = now_ns + options_.prune_interval_ns;
}

uint64_t StoreQueue::Drain(int64_t deadline_ns, bool can_wait) {
  Waker timer;  // nobody notifies it: a wait of bounded length
  while (true) {
    retry_at_ns_ = 0;
    while (RunOnce() > 0) {
    }
    const uint64_t unstored_count = pushed_count_ - stored_count_.load(std::memory_order_acquire);
    const int64_t now_ns = clock_.MonotonicNs();
    if (unstored_count == 0 || is_refused_ || !can_wait || now_ns >= deadline_ns) {
      return unstored_count;
    }
    const uint32_t ticket = timer.PrepareWait();
    timer.Wait(ticket, std::min(retry_wait_ns_, deadline_ns - now_ns));
  }
}

// --- any thread ----------------------------------------------------------------------------------

std::string StoreQueue::problem() const {
  const std::lock_guard<std::mutex> lock(problem_mutex_);
  return problem_;
}

StoreQueueStats StoreQueue::stats() const {
  return {.stored_count = stored_count_.load(std::memory_order_acquire),
          .batch_count = batch_count_.load(std::memory_order_relaxed),
          .failure_count = failure_count_.load(std::memory_order_relaxed),
          .longest_append_ns = longest_append_ns_.load(std::memory_order_relaxed),
          .queue_bytes_used = records_.BytesUsedEstimate()};
}

// --- the ring's content --------------------------------------------------------------------------

template <typename Record>
StoreRecord StoreQueue::Unpack(std::span<const std::byte> bytes) {
  HF_ASSERT(bytes.size() == sizeof(Header) + sizeof(Record));
  return *std::launder(reinterpret_cast<const Record*>(bytes.data() + sizeof(Header)));
}

StampedRecord StoreQueue::UnpackAny(std::span<const std::byte> bytes) {
  const Header header = *std::launder(reinterpret_cast<const Header*>(bytes.data()));
  StampedRecord stamped;
  stamped.record_time_ns = header.record_time_ns;
  switch (header.kind) {
    case Kind::kOrder:
      stamped.record = Unpack<OrderRecord>(bytes);
      break;
    case Kind::kFill:
      stamped.record = Unpack<FillRecord>(bytes);
      break;
    case Kind::kSlot:
      stamped.record = Unpack<SlotRecord>(bytes);
      break;
    case Kind::kMemory:
      stamped.record = Unpack<MemoryRecord>(bytes);
      break;
    case Kind::kLedger:
      stamped.record = Unpack<LedgerRecord>(bytes);
      break;
    case Kind::kRisk:
      stamped.record = Unpack<RiskRecord>(bytes);
      break;
    case Kind::kStop:
      stamped.record = Unpack<StopRecord>(bytes);
      break;
  }
  return stamped;
}

}  // namespace holdfast
