#include "apps/command_line.h"

#include <CLI/CLI.hpp>
#include <cstring>
#include <deque>
#include <iostream>
#include <string_view>

#include "apps/text.h"

namespace holdfast {
namespace {

// One flag per key. The texts live as long as the parser.
struct KeyFlag {
  const ConfigKey* key = nullptr;
  std::string text;
  CLI::Option* option = nullptr;
};

void AddKeyFlags(CLI::App& command, std::deque<KeyFlag>& flags) {
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.is_secret()) continue;
    KeyFlag& flag = flags.emplace_back(KeyFlag{.key = &key, .text = {}});
    std::string names = FlagName(key);
    if (!key.flag_alias.empty()) AppendTo(names, ",", key.flag_alias);
    flag.option = command.add_option(names, flag.text, std::string(key.description))
                      ->type_name(std::string(ToText(key.type)))
                      ->group(Concat("[", key.section(), "]"));
  }
}

std::vector<std::pair<std::string, std::string>> ReadEnvironment(const char* const* environment) {
  std::vector<std::pair<std::string, std::string>> variables;
  for (; *environment != nullptr; ++environment) {
    const std::string_view line = *environment;
    const size_t separator = line.find('=');
    if (separator == std::string_view::npos) continue;
    variables.emplace_back(line.substr(0, separator), line.substr(separator + 1));
  }
  return variables;
}

// The parser's messages may have several lines.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace

std::optional<CommandLine> ParseCommandLine(int argc, const char* const* argv,
                                            const char* const* environment, int& exit_status) {
  CommandLine result;
  result.sources.environment = ReadEnvironment(environment);
  for (const auto& [name, value] : result.sources.environment) {
    if (name == "HOLDFAST_CONFIG") result.sources.file = value;
  }

  CLI::App app("Market-making service. Each key of the configuration is a flag as well.",
               "holdfast");
  app.require_subcommand(1);
  std::deque<KeyFlag> flags;

  CLI::App* serve = app.add_subcommand("serve", "Quote until stopped");
  serve->add_option("--config", result.sources.file, "TOML file")->type_name("FILE");
  serve
      ->add_option("--verify-ledger", result.ledger_url,
                   "At the end compare our ledger with a simulated venue's; its control address")
      ->type_name("URL");
  AddKeyFlags(*serve, flags);

  CLI::App* check = app.add_subcommand("check-config", "Check the configuration and end");
  check->add_option("--config", result.sources.file, "TOML file")->type_name("FILE");
  check->add_flag("--print", result.print_values, "Show every effective value and its origin");
  check->add_flag("--reference", result.print_reference, "Show the reference of all keys");
  AddKeyFlags(*check, flags);

  const CLI::App* version = app.add_subcommand("version", "Show the version");

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp& help) {
    exit_status = app.exit(help);
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    std::cerr << "holdfast: " << OneLine(error.what()) << " (see holdfast --help)\n";
    exit_status = 2;
    return std::nullopt;
  }
  if (version->parsed()) result.command = Command::kVersion;
  if (check->parsed()) result.command = Command::kCheckConfig;
  for (const KeyFlag& flag : flags) {
    if (flag.option->count() > 0) result.sources.flags.emplace_back(flag.key->name, flag.text);
  }
  return result;
}

}  // namespace holdfast
