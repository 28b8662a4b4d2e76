#include "apps/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>

namespace holdfast {
namespace {

constexpr std::string_view kEnter = "\x1b[?1049h\x1b[?25l\x1b[2J";
constexpr std::string_view kLeave = "\x1b[0m\x1b[?25h\x1b[?1049l";

}  // namespace

std::optional<TerminalSize> SizeOfTerminal(int file) {
  if (isatty(file) == 0) return std::nullopt;
  TerminalSize size;
  winsize window = {};
  if (ioctl(file, TIOCGWINSZ, &window) == 0 && window.ws_col > 0 && window.ws_row > 0) {
    size = {.width = window.ws_col, .height = window.ws_row};
  }
  return size;
}

bool WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = write(file, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<size_t>(size));
  }
  return true;
}

AlternateScreen::AlternateScreen(int file) : file_(file) { WriteAll(file_, kEnter); }
AlternateScreen::~AlternateScreen() { Restore(file_); }
void AlternateScreen::Show(std::string_view ansi_text) { WriteAll(file_, ansi_text); }
void AlternateScreen::Restore(int file) { WriteAll(file, kLeave); }

}  // namespace holdfast
