#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "apps/config_keys.h"
#include "apps/settings.h"

namespace holdfast {

// Where configuration comes from. Everything is handed in, so that tests need neither a process
// environment nor a command line.
struct ConfigSources {
  // Path given by --config or HOLDFAST_CONFIG: must be readable. Empty: `default_file` is read if
  // it exists.
  std::string file;
  std::string default_file = "holdfast.toml";
  std::vector<std::pair<std::string, std::string>> environment;  // the whole environment
  std::vector<std::pair<std::string, std::string>> flags;        // key name -> text
};

struct ConfigEntry {
  const ConfigKey* key = nullptr;
  std::string text;    // effective value; "set" or "unset" for a secret
  std::string origin;  // "default", "holdfast.toml:12", "HOLDFAST_LOG_LEVEL", "--log-level"
};

struct Configuration {
  Settings settings;
  std::vector<ConfigEntry> entries;   // every key, in the table's order
  std::vector<std::string> warnings;  // for the operator; no secrets
};

// Reads, merges and checks all of it, secrets' files included. kInvalidArgument carries exactly one
// line for the operator, without any secret's value:
//   config: file=F line=N key=K value=V expected=E
// Of several mistakes the first is told: in the file's order, then environment, flags, what is
// missing, and what does not fit together.
absl::StatusOr<Configuration> LoadConfiguration(const ConfigSources& sources);

// The effective values as TOML with their origins, one key a line.
std::string PrintConfiguration(const Configuration& configuration);

}  // namespace holdfast
