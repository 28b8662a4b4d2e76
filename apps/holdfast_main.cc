// The service binary.

#include <unistd.h>

#include <iostream>
#include <optional>

#include "apps/command_line.h"
#include "apps/config.h"
#include "apps/config_keys.h"
#include "apps/serve.h"
#include "apps/text.h"

namespace holdfast {
namespace {

ExitStatus RunServe(const CommandLine& command_line) {
  const absl::StatusOr<Configuration> configuration = LoadConfiguration(command_line.sources);
  if (!configuration.ok()) {
    std::cerr << MessageOf(configuration.status()) << '\n';
    return kExitConfiguration;
  }
  return Serve(*configuration, {.ledger_url = command_line.ledger_url});
}

int CheckConfig(const CommandLine& command_line) {
  if (command_line.print_reference) {
    std::cout << ConfigReference();
    return 0;
  }
  const absl::StatusOr<Configuration> configuration = LoadConfiguration(command_line.sources);
  if (!configuration.ok()) {
    std::cerr << MessageOf(configuration.status()) << '\n';
    return kExitConfiguration;
  }
  for (const std::string& warning : configuration->warnings) {
    std::cerr << "warning: " << warning << '\n';
  }
  if (command_line.print_values) {
    std::cout << PrintConfiguration(*configuration);
  } else {
    std::cout << "configuration is valid\n";
  }
  return 0;
}

int Main(int argc, const char* const* argv) {
  int exit_status = 0;
  const std::optional<CommandLine> command_line =
      ParseCommandLine(argc, argv, environ, exit_status);
  if (!command_line.has_value()) return exit_status;
  switch (command_line->command) {
    case Command::kVersion:
      std::cout << "holdfast " HOLDFAST_VERSION "\n";
      return 0;
    case Command::kCheckConfig:
      return CheckConfig(*command_line);
    case Command::kServe:
      return RunServe(*command_line);
  }
  return kExitConfiguration;
}

}  // namespace
}  // namespace holdfast

int main(int argc, char** argv) { return holdfast::Main(argc, argv); }
