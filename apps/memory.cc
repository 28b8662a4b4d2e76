#include "apps/memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

namespace holdfast {

void KeepMemoryInHeap() {
  constexpr int kLargestThresholdBytes = 32 << 20;  // the C library takes no more
  mallopt(M_MMAP_THRESHOLD, kLargestThresholdBytes);
  mallopt(M_TRIM_THRESHOLD, 2 * kLargestThresholdBytes);
}

void TouchHeap() {
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE, Linux 5.14
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("[heap]") == std::string::npos) continue;
    uintptr_t begin = 0;
    uintptr_t end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &begin, &end) != 2) return;
    static_cast<void>(madvise(reinterpret_cast<void*>(begin), end - begin, kPopulateWrite));
    return;
  }
}

}  // namespace holdfast
