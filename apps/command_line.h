#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/config.h"

namespace holdfast {

// What was asked for. The parser library stays behind this header.
enum class Command : uint8_t { kServe, kCheckConfig, kVersion };

struct CommandLine {
  Command command = Command::kServe;
  ConfigSources sources;
  bool print_values = false;     // check-config --print
  bool print_reference = false;  // check-config --reference
  std::string ledger_url;        // serve --verify-ledger
};

// Reads the arguments and the environment. nullopt: the program ends with `exit_status` (0 after
// --help, 2 after one line on standard error).
std::optional<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                            const char* const* environment, int& exit_status);

}  // namespace holdfast
