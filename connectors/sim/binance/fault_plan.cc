#include "connectors/sim/binance/fault_plan.h"

#include <toml++/toml.h>

#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "engine/base/clock.h"
#include "engine/base/decimal.h"
#include "engine/base/status_macros.h"

namespace holdfast::sim {
namespace {

absl::Status Bad(const std::string& key, const std::string& value, const std::string& expected) {
  return absl::InvalidArgumentError("key=" + key + " value=" + value + " expected=" + expected);
}

// Milliseconds with fractions to nanoseconds.
absl::Status ReadTime(const RuleFields& fields, const std::string& key, bool may_be_negative,
                      int64_t& out_ns) {
  const auto it = fields.find(key);
  if (it == fields.end()) return absl::OkStatus();
  const auto value = Decimal::Parse(it->second);
  const Decimal limit = Decimal::FromInteger(9'000'000'000);
  if (!value.ok() || value->Absolute() > limit || (value->is_negative() && !may_be_negative)) {
    return Bad(key, it->second, "milliseconds");
  }
  out_ns = static_cast<int64_t>(static_cast<__int128>(value->units()) * kNanosPerMilli /
                                Decimal::kUnitsPerOne);
  return absl::OkStatus();
}

absl::Status ReadCount(const RuleFields& fields, const std::string& key, int64_t& out) {
  const auto it = fields.find(key);
  if (it == fields.end()) return absl::OkStatus();
  const auto value = Decimal::Parse(it->second);
  if (!value.ok() || value->is_negative() || value->units() % Decimal::kUnitsPerOne != 0) {
    return Bad(key, it->second, "a whole number, not negative");
  }
  out = value->units() / Decimal::kUnitsPerOne;
  return absl::OkStatus();
}

absl::Status ReadFraction(const RuleFields& fields, const std::string& key, int32_t& out_ppm) {
  const auto it = fields.find(key);
  if (it == fields.end()) return absl::OkStatus();
  const auto value = Decimal::Parse(it->second);
  if (!value.ok() || value->is_negative() || *value > Decimal::FromInteger(1)) {
    return Bad(key, it->second, "a number in [0, 1]");
  }
  out_ppm = static_cast<int32_t>(value->units() / 100);
  return absl::OkStatus();
}

std::string TextOf(const toml::node& node) {
  std::ostringstream text;
  node.visit([&](const auto& value) {
    if constexpr (toml::is_value<decltype(value)>) text << value.get();
  });
  return text.str();
}

}  // namespace

absl::StatusOr<FaultRule> FaultRuleFromFields(const RuleFields& fields, const SimVenue& venue) {
  static const std::set<std::string> kKeys = {"kind",     "point",    "account", "skip",
                                              "count",    "fraction", "from_ms", "probability",
                                              "until_ms", "every_ms", "delay_ms"};
  for (const auto& [key, value] : fields) {
    if (!kKeys.contains(key)) {
      return Bad(key, value,
                 "one of kind, point, account, skip, count, probability, fraction, delay_ms, "
                 "from_ms, until_ms, every_ms");
    }
  }
  FaultRule rule;
  const auto field = [&](const char* key) {
    const auto it = fields.find(key);
    return it == fields.end() ? std::string() : it->second;
  };
  const auto kind = FaultKindFromText(field("kind"));
  if (!kind.has_value()) return Bad("kind", field("kind"), "a fault kind");
  const auto point = FaultPointFromText(field("point"));
  if (!point.has_value()) return Bad("point", field("point"), "a fault point");
  rule.kind = *kind;
  rule.point = *point;
  if (const std::string name = field("account"); !name.empty()) {
    rule.account = venue.FindAccount(name);
    if (!rule.account.has_value()) return Bad("account", name, "the name of an account");
  }
  HF_RETURN_IF_ERROR(ReadCount(fields, "skip", rule.skip_count));
  HF_RETURN_IF_ERROR(ReadCount(fields, "count", rule.count));
  HF_RETURN_IF_ERROR(ReadFraction(fields, "probability", rule.probability_ppm));
  HF_RETURN_IF_ERROR(ReadFraction(fields, "fraction", rule.fraction_ppm));
  HF_RETURN_IF_ERROR(ReadTime(fields, "delay_ms", true, rule.delay_ns));
  HF_RETURN_IF_ERROR(ReadTime(fields, "from_ms", false, rule.from_ns));
  HF_RETURN_IF_ERROR(ReadTime(fields, "until_ms", false, rule.until_ns));
  HF_RETURN_IF_ERROR(ReadTime(fields, "every_ms", false, rule.every_ns));
  FaultPlan plan;
  plan.rules.push_back(rule);
  HF_RETURN_IF_ERROR(Validate(plan));
  return rule;
}

absl::StatusOr<FaultPlan> ParseFaultPlan(std::string_view text, const std::string& name,
                                         const SimVenue& venue) {
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(name + ":" + std::to_string(error.source().begin.line) +
                                      ": not valid TOML: " + std::string(error.description()));
  }
  const auto located = [&](const toml::node& node, std::string_view message) {
    return absl::InvalidArgumentError(name + ":" + std::to_string(node.source().begin.line) + ": " +
                                      std::string(message));
  };
  FaultPlan plan;
  for (const auto& [key, node] : table) {
    if (key.str() == "seed" && node.is_integer()) {
      plan.seed = static_cast<uint64_t>(**node.as_integer());
    } else if (key.str() != "rule" || !node.is_array_of_tables()) {
      return located(node, "key=" + std::string(key.str()) +
                               " value=? expected=an integer seed or [[rule]] tables");
    }
  }
  if (const toml::array* rules = table["rule"].as_array(); rules != nullptr) {
    for (const toml::node& item : *rules) {
      RuleFields fields;
      for (const auto& [key, value] : *item.as_table()) {
        fields[std::string(key.str())] = TextOf(value);
      }
      auto rule = FaultRuleFromFields(fields, venue);
      if (!rule.ok()) {
        const auto message = rule.status().message();
        return located(item, {message.data(), message.size()});
      }
      plan.rules.push_back(*rule);
    }
  }
  return plan;
}

absl::StatusOr<FaultPlan> LoadFaultPlan(const std::string& path, const SimVenue& venue) {
  std::ifstream stream(path);
  if (!stream) return absl::InvalidArgumentError(path + ": cannot be read");
  std::ostringstream text;
  text << stream.rdbuf();
  return ParseFaultPlan(text.str(), path, venue);
}

}  // namespace holdfast::sim
