#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace holdfast {

// The exclusive right to one store: an advisory lock (flock) on a file beside the database, with
// the owner's process id inside for the operator. The kernel drops the lock with the process, so
// what a dead process leaves behind is never an obstacle. The file itself stays: deleting it would
// let two processes lock two different files of one name.
class StoreLock {
 public:
  // kFailedPrecondition: held by another process (or by another store of this one); the message
  // names the path and the pid. kInvalidArgument: the file cannot be opened or created.
  static absl::StatusOr<StoreLock> Acquire(const std::string& lock_path);

  StoreLock(StoreLock&& other) noexcept;
  StoreLock& operator=(StoreLock&& other) noexcept;
  ~StoreLock();

 private:
  explicit StoreLock(int file) : file_(file) {}
  int file_ = -1;
};

}  // namespace holdfast
