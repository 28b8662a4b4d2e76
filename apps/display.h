#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/quoting/status_snapshot.h"

namespace holdfast {

// Shows what the loop publishes while the service runs: full screen on a terminal, one line a
// second otherwise. The main thread's.
class Display {
 public:
  virtual ~Display();
  virtual void Show(const StatusSnapshot& snapshot, int64_t now_ns) = 0;
};

// `choice`: "auto", "on" or "off" (service.live_view).
bool IsFullScreen(std::string_view choice);
std::unique_ptr<Display> MakeDisplay(bool is_full_screen);

}  // namespace holdfast
