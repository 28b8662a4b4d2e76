#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "apps/settings.h"
#include "engine/base/decimal.h"

namespace holdfast {

enum class KeyType : uint8_t {
  kText,
  kPath,     // a file or folder; relative to the working directory
  kChoice,   // one of `range`, separated by '|'
  kUrl,      // scheme in `range`, separated by '|'
  kInteger,  // `range` is "minimum..maximum", inclusive
  kNumber,   // a plain TOML number or decimal text; `range` as for integers
  kMoney,    // price, quantity or amount: decimal text in quotes, so that it stays exact
  kBoolean,
  kSecret,  // environment only; never shown
};
std::string_view ToText(KeyType type);

// Who must set a key that has no default.
enum class KeyRequirement : uint8_t { kOptional, kAlways, kGrid, kLayered };

using SettingsMember =
    std::variant<std::string Settings::*, int64_t Settings::*, bool Settings::*,
                 Decimal Settings::*, std::optional<Decimal> Settings::*, SecretText Settings::*>;

// One row of the only table of configuration keys. Parsing, validation, `check-config`, the flags
// of `serve` and docs/configuration.md are all made from it.
struct ConfigKey {
  std::string_view name = {};  // "section.key"; durations end in their unit
  SettingsMember member = {};
  KeyType type = KeyType::kText;
  std::string_view unit = {};
  std::string_view default_text = {};  // empty: unset
  std::string_view range = {};         // see KeyType
  KeyRequirement requirement = KeyRequirement::kOptional;
  // Other spellings of the key in its section of the file, and of the environment variable,
  // separated by blanks. The environment's apply only where no HOLDFAST_ one is given.
  std::string_view file_aliases = {};
  std::string_view environment_aliases = {};
  std::string_view flag_alias = {};
  std::string_view description = {};

  bool is_secret() const { return type == KeyType::kSecret; }
  std::string_view section() const { return name.substr(0, name.find('.')); }
};

std::span<const ConfigKey> ConfigKeys();
const ConfigKey* FindConfigKey(std::string_view name);
// "grid.price_interval" -> "HOLDFAST_GRID_PRICE_INTERVAL" and "--grid-price-interval".
std::string EnvironmentName(const ConfigKey& key);
std::string FlagName(const ConfigKey& key);  // REQUIRES: !key.is_secret(): secrets have no flag
// What a valid value looks like, for messages and the reference: "integer 1..200".
std::string ExpectedText(const ConfigKey& key);

// The whole of docs/configuration.md.
std::string ConfigReference();

}  // namespace holdfast
