#include "apps/config.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <optional>
#include <string_view>

#include "absl/strings/ascii.h"
#include "apps/config_toml.h"
#include "apps/text.h"
#include "connectors/net/url.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"

namespace holdfast {
namespace {

constexpr size_t kMaxFileBytes = 1 << 20;
constexpr size_t kMaxSecretBytes = 16 << 10;
constexpr size_t kMaxShownBytes = 80;
constexpr size_t kMaxReasonBytes = 240;
// Read by the program or its tests, but no keys.
constexpr std::string_view kOtherVariables[] = {"HOLDFAST_CONFIG", "HOLDFAST_CAPTURES"};
constexpr std::string_view kTestPrefix = "HOLDFAST_TEST_";

// Where one value came from, as the error line names it.
struct Source {
  std::string file;  // path, "environment" or "flags"
  int line = 0;      // 0: none
  std::string name;  // as written there: alias, variable or flag
};

struct Given {
  std::string text;
  Source source;
};

// One word, or a quoted text without line breaks; never very long.
std::string Shown(std::string_view text, size_t max_bytes = kMaxShownBytes) {
  const bool is_plain = !text.empty() && text.size() <= max_bytes &&
                        std::all_of(text.begin(), text.end(), [](unsigned char c) {
                          return absl::ascii_isgraph(c) && c != '"' && c != '\\';
                        });
  if (is_plain) return std::string(text);
  std::string out = "\"";
  for (const unsigned char c : text.substr(0, max_bytes)) {
    if (c == '"' || c == '\\') out += '\\';
    out += absl::ascii_isprint(c) ? static_cast<char>(c) : '?';
  }
  out += text.size() > max_bytes ? "...\"" : "\"";
  return out;
}

absl::Status Problem(const Source& source, std::string_view value, std::string_view expected) {
  return absl::InvalidArgumentError(Concat(
      "config: file=", Shown(source.file), " line=", source.line > 0 ? Concat(source.line) : "-",
      " key=", Shown(source.name), " value=", value, " expected=", expected));
}

// A misspelled secret's key must not give the secret away.
bool MayNameASecret(std::string_view name) {
  const std::string lower = absl::AsciiStrToLower(std::string(name).c_str());
  for (const std::string_view word : {"key", "secret", "pass", "token", "private"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return false;
}

std::string ShownUnless(bool is_hidden, std::string_view text) {
  return is_hidden ? "(hidden)" : Shown(text);
}

// "1..200" -> {1, 200}; the table's own text, so a mistake in it is a broken invariant.
template <typename T, typename Parse>
std::pair<T, T> Bounds(const ConfigKey& key, Parse parse) {
  const size_t separator = key.range.find("..");
  HF_ASSERT(separator != std::string_view::npos);
  return {parse(key.range.substr(0, separator)), parse(key.range.substr(separator + 2))};
}

std::optional<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

int64_t IntegerOrDie(std::string_view text) {
  const std::optional<int64_t> value = ParseInteger(text);
  HF_ASSERT(value.has_value());
  return *value;
}

Decimal DecimalOrDie(std::string_view text) {
  const absl::StatusOr<Decimal> value = Decimal::Parse(text);
  HF_ASSERT(value.ok());
  return *value;
}

bool HasChoice(std::string_view choices, std::string_view text) {
  const std::vector<std::string_view> all = SplitText(choices, '|');
  return std::find(all.begin(), all.end(), text) != all.end();
}

bool IsText(const ConfigKey& key, std::string_view text) {
  const auto [shortest, longest] = Bounds<int64_t>(key, IntegerOrDie);
  const auto size = static_cast<int64_t>(text.size());
  return size >= shortest && size <= longest &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) || c == '_' || c == '-' || c == '.';
         });
}

bool IsUrl(const ConfigKey& key, std::string_view text) {
  return ParseUrl(text).ok() && HasChoice(key.range, text.substr(0, text.find(':')));
}

// Checks `text` against the key and stores it. False: not what the key expects.
bool Assign(const ConfigKey& key, std::string_view text, Settings& settings) {
  switch (key.type) {
    case KeyType::kText:
      if (!IsText(key, text)) return false;
      settings.*std::get<std::string Settings::*>(key.member) = std::string(text);
      return true;
    case KeyType::kPath:
      settings.*std::get<std::string Settings::*>(key.member) = std::string(text);
      return text.find('\0') == std::string_view::npos;
    case KeyType::kChoice:
      if (!HasChoice(key.range, text)) return false;
      settings.*std::get<std::string Settings::*>(key.member) = std::string(text);
      return true;
    case KeyType::kUrl:
      if (!IsUrl(key, text)) return false;
      settings.*std::get<std::string Settings::*>(key.member) = std::string(text);
      return true;
    case KeyType::kInteger: {
      const std::optional<int64_t> value = ParseInteger(text);
      if (!value.has_value()) return false;
      const auto [least, most] = Bounds<int64_t>(key, IntegerOrDie);
      settings.*std::get<int64_t Settings::*>(key.member) = *value;
      return *value >= least && *value <= most;
    }
    case KeyType::kNumber:
    case KeyType::kMoney: {
      const absl::StatusOr<Decimal> value = Decimal::Parse(text);
      if (!value.ok()) return false;
      const auto [least, most] = Bounds<Decimal>(key, DecimalOrDie);
      if (const auto* plain = std::get_if<Decimal Settings::*>(&key.member)) {
        settings.*(*plain) = *value;
      } else {
        settings.*std::get<std::optional<Decimal> Settings::*>(key.member) = *value;
      }
      return *value >= least && *value <= most;
    }
    case KeyType::kBoolean:
      if (text != "true" && text != "false") return false;
      settings.*std::get<bool Settings::*>(key.member) = text == "true";
      return true;
    case KeyType::kSecret:
      settings.*std::get<SecretText Settings::*>(key.member) = SecretText(text);
      return !text.empty();
  }
  return false;
}

bool IsTypeRight(const ConfigKey& key, TomlLeaf::Kind kind) {
  switch (key.type) {
    case KeyType::kInteger:
      return kind == TomlLeaf::Kind::kInteger;
    case KeyType::kNumber:
      return kind == TomlLeaf::Kind::kInteger || kind == TomlLeaf::Kind::kNumber ||
             kind == TomlLeaf::Kind::kText;
    case KeyType::kBoolean:
      return kind == TomlLeaf::Kind::kBoolean;
    case KeyType::kText:
    case KeyType::kPath:
    case KeyType::kChoice:
    case KeyType::kUrl:
    case KeyType::kMoney:
    case KeyType::kSecret:
      return kind == TomlLeaf::Kind::kText;
  }
  return false;
}

const ConfigKey* FindByFileName(std::string_view name) {
  if (const ConfigKey* key = FindConfigKey(name)) return key;
  const size_t dot = name.find('.');
  if (dot == std::string_view::npos) return nullptr;
  for (const ConfigKey& key : ConfigKeys()) {
    if (key.section() != name.substr(0, dot)) continue;
    for (const std::string_view alias : SplitText(key.file_aliases, ' ')) {
      if (!alias.empty() && alias == name.substr(dot + 1)) return &key;
    }
  }
  return nullptr;
}

bool IsSection(std::string_view name) {
  const auto keys = ConfigKeys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](const ConfigKey& key) { return key.section() == name; });
}

// Collects values in rising precedence; a later source replaces an earlier one.
class Loader {
 public:
  explicit Loader(const ConfigSources& sources) : sources_(sources) {}

  absl::StatusOr<Configuration> Load() {
    for (const ConfigKey& key : ConfigKeys()) {
      if (key.default_text.empty()) continue;
      HF_ASSERT(Assign(key, key.default_text, configuration_.settings));
    }
    HF_RETURN_IF_ERROR(ReadFile());
    HF_RETURN_IF_ERROR(ReadEnvironment());
    HF_RETURN_IF_ERROR(ReadFlags());
    HF_RETURN_IF_ERROR(CheckRequired());
    HF_RETURN_IF_ERROR(ReadSecretFiles());
    HF_RETURN_IF_ERROR(CheckSecrets());
    HF_RETURN_IF_ERROR(CheckTogether());
    ListEntries();
    return std::move(configuration_);
  }

 private:
  absl::Status Take(const ConfigKey& key, std::string text, Source source) {
    if (!Assign(key, text, configuration_.settings)) {
      return Problem(source, ShownUnless(key.is_secret(), text), ExpectedText(key));
    }
    given_[&key] = Given{.text = std::move(text), .source = std::move(source)};
    return absl::OkStatus();
  }

  absl::Status ReadFile() {
    file_ = sources_.file.empty() ? sources_.default_file : sources_.file;
    std::string text;
    if (absl::Status status = ReadWhole(file_, kMaxFileBytes, text, nullptr); !status.ok()) {
      if (sources_.file.empty() && absl::IsNotFound(status)) {
        file_ = "-";
        return absl::OkStatus();
      }
      return Problem({.file = file_, .name = "-"}, "-",
                     Concat("a readable configuration file (", MessageOf(status), ")"));
    }
    const TomlDocument document = ParseToml(text);
    if (!document.error.empty()) {
      return Problem({.file = file_, .line = document.error_line, .name = "-"}, "-",
                     Concat("valid TOML (", Shown(document.error, kMaxReasonBytes), ")"));
    }
    for (const TomlLeaf& leaf : document.leaves) HF_RETURN_IF_ERROR(TakeLeaf(leaf));
    return absl::OkStatus();
  }

  absl::Status TakeLeaf(const TomlLeaf& leaf) {
    if (leaf.name.ends_with('.') && IsSection(leaf.name.substr(0, leaf.name.size() - 1))) {
      return absl::OkStatus();
    }
    const Source source{.file = file_, .line = leaf.line, .name = leaf.name};
    const ConfigKey* key = FindByFileName(leaf.name);
    if (key == nullptr) {
      return Problem(source, ShownUnless(MayNameASecret(leaf.name), leaf.text),
                     "a known key (see docs/configuration.md)");
    }
    if (key->is_secret()) return Problem(source, "(hidden)", ExpectedText(*key));
    if (!IsTypeRight(*key, leaf.kind)) {
      return Problem(source, Shown(leaf.text),
                     Concat(ExpectedText(*key), key->type == KeyType::kMoney ? " in quotes" : ""));
    }
    if (const auto earlier = given_.find(key); earlier != given_.end()) {
      return Problem(source, Shown(leaf.text),
                     Concat("the key once (line ", earlier->second.source.line, " has it as ",
                            earlier->second.source.name, ")"));
    }
    return Take(*key, leaf.text, source);
  }

  absl::Status ReadEnvironment() {
    std::map<std::string_view, std::string_view> variables;
    for (const auto& [name, value] : sources_.environment) variables[name] = value;
    for (const ConfigKey& key : ConfigKeys()) {
      std::vector<std::string> names = {EnvironmentName(key)};
      for (const std::string_view alias : SplitText(key.environment_aliases, ' ')) {
        if (!alias.empty()) names.emplace_back(alias);
      }
      for (const std::string& name : names) {
        const auto found = variables.find(name);
        if (found == variables.end()) continue;
        HF_RETURN_IF_ERROR(
            Take(key, std::string(found->second), {.file = "environment", .name = name}));
        break;
      }
    }
    for (const auto& [name, value] : variables) {
      if (!name.starts_with("HOLDFAST_") || IsKnownVariable(name)) continue;
      return Problem({.file = "environment", .name = std::string(name)},
                     ShownUnless(MayNameASecret(name), value),
                     "a known variable (see docs/configuration.md)");
    }
    return absl::OkStatus();
  }

  static bool IsKnownVariable(std::string_view name) {
    const auto keys = ConfigKeys();
    return std::find(std::begin(kOtherVariables), std::end(kOtherVariables), name) !=
               std::end(kOtherVariables) ||
           name.starts_with(kTestPrefix) ||
           std::any_of(keys.begin(), keys.end(),
                       [&](const ConfigKey& key) { return EnvironmentName(key) == name; });
  }

  absl::Status ReadFlags() {
    for (const auto& [name, text] : sources_.flags) {
      const ConfigKey* key = FindConfigKey(name);
      HF_ASSERT(key != nullptr);
      HF_RETURN_IF_ERROR(Take(*key, text, {.file = "flags", .name = FlagName(*key)}));
    }
    return absl::OkStatus();
  }

  absl::Status CheckRequired() const {
    for (const ConfigKey& key : ConfigKeys()) {
      const std::string& strategy = configuration_.settings.quoting_strategy;
      const bool is_required =
          key.requirement == KeyRequirement::kAlways ||
          (key.requirement == KeyRequirement::kGrid && strategy == "grid") ||
          (key.requirement == KeyRequirement::kLayered && strategy == "layered");
      if (is_required && !given_.contains(&key)) return Missing(key.name, ExpectedText(key));
    }
    return absl::OkStatus();
  }

  absl::Status Missing(std::string_view name, std::string_view expected) const {
    return Problem({.file = file_, .name = std::string(name)}, "unset", expected);
  }

  // The whole of a regular file. kNotFound and others carry the system's words; `mode` receives the
  // permission bits when wanted.
  static absl::Status ReadWhole(const std::string& path, size_t max_bytes, std::string& text,
                                mode_t* mode) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) {
      const char* reason = std::strerror(errno);
      return errno == ENOENT ? absl::NotFoundError(reason) : absl::UnavailableError(reason);
    }
    struct stat information = {};
    absl::Status status;
    if (fstat(file, &information) != 0 || !S_ISREG(information.st_mode)) {
      status = absl::UnavailableError("not a regular file");
    } else if (static_cast<size_t>(information.st_size) > max_bytes) {
      status = absl::UnavailableError(Concat("larger than ", max_bytes, " bytes"));
    } else {
      if (mode != nullptr) *mode = information.st_mode;
      text.resize(max_bytes);
      const ssize_t size = read(file, text.data(), text.size());
      if (size < 0) status = absl::UnavailableError(std::strerror(errno));
      text.resize(size < 0 ? 0 : static_cast<size_t>(size));
    }
    close(file);
    return status;
  }

  // Reads the file that `name` points to into `secret`; leaves it alone when the key is not set.
  absl::Status ReadSecretFile(std::string_view name, SecretText& secret) {
    const ConfigKey* key = FindConfigKey(name);
    const auto found = given_.find(key);
    if (found == given_.end() || found->second.text.empty()) return absl::OkStatus();
    const Given& given = found->second;
    std::string text;
    mode_t mode = 0;
    if (absl::Status status = ReadWhole(given.text, kMaxSecretBytes, text, &mode); !status.ok()) {
      return Problem(given.source, Shown(given.text),
                     Concat("a readable file with the secret (", MessageOf(status), ")"));
    }
    if ((mode & S_IRWXO) != 0) {
      return Problem(given.source, Shown(given.text),
                     "a file that only its owner may read (chmod 600)");
    }
    if ((mode & S_IRWXG) != 0) {
      configuration_.warnings.push_back(
          Concat("secret file is open to its group: key=", name, " file=", given.text));
    }
    absl::StripTrailingAsciiWhitespace(&text);
    if (text.empty()) return Problem(given.source, Shown(given.text), "a file that is not empty");
    secret = SecretText(text);
    return absl::OkStatus();
  }

  bool IsGiven(std::string_view name) const {
    const auto found = given_.find(FindConfigKey(name));
    return found != given_.end() && !found->second.text.empty();
  }

  absl::Status ReadSecretFiles() {
    Settings& settings = configuration_.settings;
    if (IsGiven("venue.api_key") && IsGiven("venue.api_key_file")) {
      return TogetherProblem("venue.api_key_file", "not together with venue.api_key");
    }
    int signers = 0;
    for (const std::string_view name :
         {"venue.secret_key", "venue.secret_key_file", "venue.ed25519_key_file"}) {
      if (IsGiven(name) && ++signers > 1) {
        return TogetherProblem(
            name, "one of venue.secret_key, venue.secret_key_file and venue.ed25519_key_file");
      }
    }
    HF_RETURN_IF_ERROR(ReadSecretFile("venue.api_key_file", settings.venue_api_key));
    HF_RETURN_IF_ERROR(ReadSecretFile("venue.secret_key_file", settings.venue_secret_key));
    return ReadSecretFile("venue.ed25519_key_file", settings.venue_ed25519_key);
  }

  absl::Status CheckSecrets() const {
    const Settings& settings = configuration_.settings;
    if (settings.venue_api_key.empty()) {
      return Missing("venue.api_key", ExpectedText(*FindConfigKey("venue.api_key")));
    }
    if (settings.venue_secret_key.empty() && settings.venue_ed25519_key.empty()) {
      return Missing("venue.secret_key", Concat(ExpectedText(*FindConfigKey("venue.secret_key")),
                                                " or venue.ed25519_key_file"));
    }
    for (const auto& [name, secret] : {std::pair("venue.api_key", &settings.venue_api_key),
                                       std::pair("venue.secret_key", &settings.venue_secret_key)}) {
      const std::string_view value = secret->Reveal();
      if (std::all_of(value.begin(), value.end(), absl::ascii_isgraph)) continue;
      return TogetherProblem(IsGiven(name) ? name : Concat(name, "_file"),
                             "one line of printable characters without blanks");
    }
    return absl::OkStatus();
  }

  // A valid value that does not fit the others.
  absl::Status TogetherProblem(std::string_view name, std::string_view expected) const {
    const ConfigKey* key = FindConfigKey(name);
    const auto found = given_.find(key);
    if (found == given_.end()) {
      return Problem({.file = file_, .name = std::string(name)}, key->default_text, expected);
    }
    return Problem(found->second.source, ShownUnless(key->is_secret(), found->second.text),
                   expected);
  }

  absl::Status CheckTogether() const {
    const Settings& settings = configuration_.settings;
    const Decimal max_position = settings.inventory_max_position;
    if (settings.inventory_target_position.Absolute() > max_position) {
      return TogetherProblem("inventory.target_position",
                             Concat("within inventory.max_position ", max_position.ToText()));
    }
    const bool is_grid = settings.quoting_strategy == "grid";
    const Decimal quantity = is_grid ? settings.grid_order_quantity : settings.layered_order_size;
    if (quantity > max_position) {
      return TogetherProblem(is_grid ? "grid.order_quantity" : "layered.order_size",
                             Concat("at most inventory.max_position ", max_position.ToText()));
    }
    if (!settings.risk_atr_trigger_ratio.is_zero() &&
        settings.risk_atr_clear_ratio > settings.risk_atr_trigger_ratio) {
      return TogetherProblem("risk.atr_clear_ratio", "at most risk.atr_trigger_ratio");
    }
    if (!settings.risk_drop_trigger_percent.is_zero() &&
        settings.risk_drop_clear_percent > settings.risk_drop_trigger_percent) {
      return TogetherProblem("risk.drop_clear_percent", "at most risk.drop_trigger_percent");
    }
    if (settings.volatility_baseline_bars < settings.volatility_period) {
      return TogetherProblem("volatility.baseline_bars", "at least volatility.period");
    }
    return absl::OkStatus();
  }

  void ListEntries() {
    for (const ConfigKey& key : ConfigKeys()) {
      ConfigEntry entry{.key = &key, .text = std::string(key.default_text), .origin = "default"};
      if (const auto found = given_.find(&key); found != given_.end()) {
        const Source& source = found->second.source;
        entry.text = found->second.text;
        entry.origin = source.line > 0 ? Concat(source.file, ":", source.line) : source.name;
      }
      if (key.is_secret()) entry.text = IsGiven(key.name) ? "set" : "unset";
      configuration_.entries.push_back(std::move(entry));
    }
  }

  const ConfigSources& sources_;
  std::string file_;
  std::map<const ConfigKey*, Given> given_;
  Configuration configuration_;
};

}  // namespace

absl::StatusOr<Configuration> LoadConfiguration(const ConfigSources& sources) {
  return Loader(sources).Load();
}

std::string PrintConfiguration(const Configuration& configuration) {
  std::string out;
  std::string_view section;
  for (const ConfigEntry& entry : configuration.entries) {
    const ConfigKey& key = *entry.key;
    if (key.section() != section) {
      AppendTo(out, section.empty() ? "" : "\n", "[", key.section(), "]\n");
      section = key.section();
    }
    const bool is_bare = key.type == KeyType::kInteger || key.type == KeyType::kNumber ||
                         key.type == KeyType::kBoolean;
    const std::string_view name = key.name.substr(section.size() + 1);
    // What is not set, and secrets, are comments, so that the whole can be used as a file.
    if (key.is_secret() || entry.text.empty()) {
      AppendTo(out, "# ", name, " is ", key.is_secret() ? entry.text : "unset", "  # ",
               entry.origin, "\n");
      continue;
    }
    std::string text = entry.text;
    if (!is_bare) {
      text = "\"";
      for (const char c : entry.text) {
        if (c == '"' || c == '\\') text += '\\';
        text += c;
      }
      text += "\"";
    }
    AppendTo(out, name, " = ", text, "  # ", entry.origin, "\n");
  }
  return out;
}

}  // namespace holdfast
