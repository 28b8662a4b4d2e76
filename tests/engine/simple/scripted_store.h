#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "engine/simple/memory_store.h"

namespace holdfast::testing {

// A memory store that fails on command and remembers every batch it took. The command and the
// counters may be used by another thread than the store's.
class ScriptedStore final : public Store {
 public:
  enum class Mode : uint8_t { kWork, kDiskFull, kRefuseBad, kThrow };
  // An order of this number is refused while the mode is kRefuseBad.
  static constexpr uint64_t kBadNumber = 666;

  explicit ScriptedStore(const StoreOptions& options, const Clock& clock)
      : memory_(options, clock) {}

  absl::StatusOr<RecoveredState> Open() override { return memory_.Open(); }
  absl::Status Append(std::span<const StampedRecord> batch) override {
    ++append_count;
    if (mode == Mode::kDiskFull) return absl::ResourceExhaustedError("store: disk full");
    if (mode == Mode::kThrow) throw std::bad_alloc();
    if (mode == Mode::kRefuseBad) {
      for (const StampedRecord& record : batch) {
        const auto* order = std::get_if<OrderRecord>(&record.record);
        if (order != nullptr && order->order.number.value() == kBadNumber) {
          return absl::InvalidArgumentError("store: bad record");
        }
      }
    }
    const absl::Status status = memory_.Append(batch);
    if (!status.ok()) return status;
    const std::lock_guard<std::mutex> lock(mutex_);
    batch_sizes_.push_back(batch.size());
    records_.insert(records_.end(), batch.begin(), batch.end());
    return status;
  }
  absl::StatusOr<OrderNumberBlock> ReserveOrderNumbers(uint64_t count) override {
    if (mode == Mode::kDiskFull) return absl::ResourceExhaustedError("store: disk full");
    return memory_.ReserveOrderNumbers(count);
  }
  absl::StatusOr<int> Prune(int64_t now_wall_ns) override {
    ++prune_count;
    return memory_.Prune(now_wall_ns);
  }
  absl::Status Close() override { return memory_.Close(); }
  uint64_t record_count() const override { return memory_.record_count(); }

  std::vector<StampedRecord> records() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return records_;
  }
  std::vector<size_t> batch_sizes() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return batch_sizes_;
  }

  std::atomic<Mode> mode{Mode::kWork};
  std::atomic<int> append_count{0};
  std::atomic<int> prune_count{0};

 private:
  MemoryStore memory_;
  mutable std::mutex mutex_;
  std::vector<size_t> batch_sizes_;
  std::vector<StampedRecord> records_;
};

}  // namespace holdfast::testing
