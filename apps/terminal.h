#pragma once

#include <optional>
#include <string_view>

namespace holdfast {

struct TerminalSize {
  int width = 80;
  int height = 24;
};

// The size of the terminal behind a file descriptor; nullopt when it is none.
std::optional<TerminalSize> SizeOfTerminal(int file);

// Owns the alternate screen of a terminal: entered on construction, left (cursor shown, colors
// reset) on destruction.
class AlternateScreen {
 public:
  explicit AlternateScreen(int file);
  ~AlternateScreen();
  AlternateScreen(const AlternateScreen&) = delete;
  AlternateScreen& operator=(const AlternateScreen&) = delete;

  void Show(std::string_view ansi_text);
  // What the destructor does; async-signal-safe, for a process that is about to end at once.
  static void Restore(int file);

 private:
  const int file_;
};

// Writes all of it; false when the reader is gone.
bool WriteAll(int file, std::string_view text);

}  // namespace holdfast
