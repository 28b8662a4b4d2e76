#include "tests/engine/simple/faulty_vfs.h"

#include <sqlite3.h>

#include "engine/base/assert.h"

namespace holdfast::testing {
namespace {

struct FaultyFile {
  sqlite3_file base;
  sqlite3_file* real;  // behind this struct in memory
};

sqlite3_vfs* RealVfs() { return sqlite3_vfs_find(nullptr); }
sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<FaultyFile*>(file)->real; }

int Close(sqlite3_file* file) {
  sqlite3_file* real = Real(file);
  return real->pMethods != nullptr ? real->pMethods->xClose(real) : SQLITE_OK;
}
int Read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 offset) {
  return Real(file)->pMethods->xRead(Real(file), bytes, size, offset);
}
int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  const int fault = FaultyVfs::Instance().OnWrite();
  if (fault != SQLITE_OK) return fault;
  return Real(file)->pMethods->xWrite(Real(file), bytes, size, offset);
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return Real(file)->pMethods->xTruncate(Real(file), size);
}
int Sync(sqlite3_file* file, int flags) {
  const int fault = FaultyVfs::Instance().OnSync();
  if (fault != SQLITE_OK) return fault;
  return Real(file)->pMethods->xSync(Real(file), flags);
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file)->pMethods->xFileSize(Real(file), size);
}
int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }
int Unlock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xUnlock(Real(file), level);
}
int CheckReservedLock(sqlite3_file* file, int* result) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), result);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), operation, argument);
}
int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }
int DeviceCharacteristics(sqlite3_file* file) {
  return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
}
int ShmMap(sqlite3_file* file, int page, int page_size, int extend, void volatile** memory) {
  return Real(file)->pMethods->xShmMap(Real(file), page, page_size, extend, memory);
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Real(file)->pMethods->xShmLock(Real(file), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); }
int ShmUnmap(sqlite3_file* file, int is_delete) {
  return Real(file)->pMethods->xShmUnmap(Real(file), is_delete);
}

constexpr sqlite3_io_methods kMethods = {.iVersion = 2,
                                         .xClose = Close,
                                         .xRead = Read,
                                         .xWrite = Write,
                                         .xTruncate = Truncate,
                                         .xSync = Sync,
                                         .xFileSize = FileSize,
                                         .xLock = Lock,
                                         .xUnlock = Unlock,
                                         .xCheckReservedLock = CheckReservedLock,
                                         .xFileControl = FileControl,
                                         .xSectorSize = SectorSize,
                                         .xDeviceCharacteristics = DeviceCharacteristics,
                                         .xShmMap = ShmMap,
                                         .xShmLock = ShmLock,
                                         .xShmBarrier = ShmBarrier,
                                         .xShmUnmap = ShmUnmap,
                                         .xFetch = nullptr,
                                         .xUnfetch = nullptr};

int Open(sqlite3_vfs*, sqlite3_filename name, sqlite3_file* file, int flags, int* out_flags) {
  auto* faulty = reinterpret_cast<FaultyFile*>(file);
  faulty->real = reinterpret_cast<sqlite3_file*>(faulty + 1);
  const int code = RealVfs()->xOpen(RealVfs(), name, faulty->real, flags, out_flags);
  faulty->base.pMethods = code == SQLITE_OK ? &kMethods : nullptr;
  return code;
}

}  // namespace

FaultyVfs& FaultyVfs::Instance() {
  static FaultyVfs instance;
  return instance;
}

FaultyVfs::FaultyVfs() {
  static sqlite3_vfs vfs = *RealVfs();
  vfs.szOsFile = static_cast<int>(sizeof(FaultyFile)) + RealVfs()->szOsFile;
  vfs.zName = kName;
  vfs.pNext = nullptr;
  vfs.xOpen = Open;
  HF_ASSERT(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

void FaultyVfs::Break(Fault fault, int64_t after) {
  remaining_ = after;
  operation_count_ = 0;
  fault_ = fault;
}

bool FaultyVfs::IsDue() {
  ++operation_count_;
  return remaining_.fetch_sub(1) <= 0;
}

int FaultyVfs::OnWrite() {
  const bool is_due = IsDue();
  if (!is_due) return SQLITE_OK;
  switch (fault_.load()) {
    case Fault::kDiskFull:
      return SQLITE_FULL;
    case Fault::kWriteError:
      return SQLITE_IOERR_WRITE;
    case Fault::kNone:
    case Fault::kSyncError:
      return SQLITE_OK;
  }
  return SQLITE_OK;
}

int FaultyVfs::OnSync() {
  const bool is_due = IsDue();
  return is_due && fault_.load() == Fault::kSyncError ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

}  // namespace holdfast::testing
