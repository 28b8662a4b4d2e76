#pragma once

#include <atomic>
#include <cstdint>

namespace holdfast::testing {

// A file layer for SQLite that passes everything on to the default one until it is told to fail:
// a disk that is full, or that breaks, at an exact operation.
class FaultyVfs {
 public:
  enum class Fault : uint8_t {
    kNone,
    kDiskFull,    // every write fails with SQLITE_FULL
    kWriteError,  // every write fails with an I/O error
    kSyncError,   // every sync fails; what was written stays written
  };

  static constexpr const char* kName = "holdfast_faulty";
  // Registers the layer at its first use. One per process.
  static FaultyVfs& Instance();

  // From the `after`-th write or sync from now on (0 = the next), until Heal().
  void Break(Fault fault, int64_t after = 0);
  void Heal() { Break(Fault::kNone); }
  int64_t operation_count() const { return operation_count_.load(); }

  // SQLITE_OK or what the operation returns. For the file layer.
  int OnWrite();
  int OnSync();

 private:
  FaultyVfs();
  bool IsDue();

  std::atomic<Fault> fault_{Fault::kNone};
  std::atomic<int64_t> remaining_{0};
  std::atomic<int64_t> operation_count_{0};
};

}  // namespace holdfast::testing
