#include "engine/simple/disk_reserve.h"

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace holdfast {

DiskReserve::DiskReserve(std::string path, int64_t size_bytes)
    : path_(std::move(path)), size_bytes_(size_bytes) {
  Release();
}

DiskReserve::~DiskReserve() { Release(); }

void DiskReserve::Take() {
  if (size_bytes_ <= 0) return;
  const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) return;
  const bool is_taken = posix_fallocate(file, 0, size_bytes_) == 0;
  close(file);
  // Part of it would not do, and would keep space from the records.
  if (!is_taken) Release();
}

void DiskReserve::Release() { unlink(path_.c_str()); }

}  // namespace holdfast
