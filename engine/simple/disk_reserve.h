#pragma once

#include <cstdint>
#include <string>

namespace holdfast {

// A file of fixed size that nothing is written to: its space can be given back to a full disk.
// Best effort: whether the space could be taken changes nothing for the caller.
//
// One thread. The file goes with the object; CRASH: it stays until the next object of its path.
class DiskReserve {
 public:
  // Removes what is left of an earlier one. Takes nothing yet.
  DiskReserve(std::string path, int64_t size_bytes);
  ~DiskReserve();
  DiskReserve(const DiskReserve&) = delete;
  DiskReserve& operator=(const DiskReserve&) = delete;

  void Take();
  void Release();

 private:
  const std::string path_;
  const int64_t size_bytes_;
};

}  // namespace holdfast
