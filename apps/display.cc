#include "apps/display.h"

#include <unistd.h>

#include "apps/live_view.h"
#include "apps/terminal.h"
#include "apps/text.h"
#include "engine/base/clock.h"

namespace holdfast {
namespace {

constexpr int64_t kFrameIntervalNs = 125 * kNanosPerMilli;
constexpr int64_t kLineIntervalNs = kNanosPerSecond;
constexpr TerminalSize kLargest = {.width = 400, .height = 200};

class ScreenDisplay final : public Display {
 public:
  ScreenDisplay() : screen_(STDOUT_FILENO) {}
  void Show(const StatusSnapshot& snapshot, int64_t now_ns) override {
    if (now_ns < next_frame_ns_) return;
    next_frame_ns_ = now_ns + kFrameIntervalNs;
    // Asked each time: a resized window needs no signal.
    const TerminalSize size = SizeOfTerminal(STDOUT_FILENO).value_or(TerminalSize{});
    const int width = std::min(size.width, kLargest.width);
    const int height = std::min(size.height, kLargest.height);
    screen_.Show(DrawScreen(snapshot, width, height).ToAnsi());
  }

 private:
  AlternateScreen screen_;
  int64_t next_frame_ns_ = 0;
};

class LineDisplay final : public Display {
 public:
  void Show(const StatusSnapshot& snapshot, int64_t now_ns) override {
    if (now_ns < next_line_ns_ || !has_reader_) return;
    next_line_ns_ = now_ns + kLineIntervalNs;
    has_reader_ = WriteAll(STDOUT_FILENO, Concat(StatusLine(snapshot), "\n"));
  }

 private:
  int64_t next_line_ns_ = 0;
  bool has_reader_ = true;
};

}  // namespace

Display::~Display() = default;

bool IsFullScreen(std::string_view choice) {
  if (choice == "auto") return SizeOfTerminal(STDOUT_FILENO).has_value();
  return choice == "on";
}

std::unique_ptr<Display> MakeDisplay(bool is_full_screen) {
  if (is_full_screen) return std::make_unique<ScreenDisplay>();
  return std::make_unique<LineDisplay>();
}

}  // namespace holdfast
