#pragma once

namespace holdfast {

// Memory of a service that is flat from the start: what is allocated is backed by pages at once,
// not when a buffer is used for the first time, hours later perhaps.
//
// Before anything large is allocated: large blocks come from the heap like small ones.
void KeepMemoryInHeap();
// Backs the heap as it is now. When the kernel can't, pages come when they are used.
void TouchHeap();

}  // namespace holdfast
