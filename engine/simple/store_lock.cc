#include "engine/simple/store_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace holdfast {
namespace {

std::string ReadOwner(int file) {
  char text[32] = {};
  const ssize_t size = pread(file, text, sizeof(text) - 1, 0);
  const absl::string_view owner =
      absl::StripAsciiWhitespace(absl::string_view(text, size > 0 ? static_cast<size_t>(size) : 0));
  return owner.empty() ? std::string("unknown") : std::string(owner);
}

// Only for the operator's eyes: ownership is the lock, so a full disk does not matter here.
void WriteOwner(int file) {
  const std::string text = absl::StrCat(getpid(), "\n");
  if (ftruncate(file, 0) != 0) return;
  [[maybe_unused]] const ssize_t written = pwrite(file, text.data(), text.size(), 0);
}

}  // namespace

absl::StatusOr<StoreLock> StoreLock::Acquire(const std::string& lock_path) {
  const int file = open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        "store: cannot open the lock file: path=", lock_path, " reason=", std::strerror(errno)));
  }
  StoreLock lock(file);
  while (flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (errno == EINTR) continue;
    if (errno == EWOULDBLOCK) {
      return absl::FailedPreconditionError(absl::StrCat(
          "store: in use by another process: lock=", lock_path, " pid=", ReadOwner(file)));
    }
    return absl::InvalidArgumentError(
        absl::StrCat("store: cannot lock: path=", lock_path, " reason=", std::strerror(errno)));
  }
  WriteOwner(file);
  return lock;
}

StoreLock::StoreLock(StoreLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

StoreLock& StoreLock::operator=(StoreLock&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

StoreLock::~StoreLock() {
  if (file_ >= 0) close(file_);
}

}  // namespace holdfast
