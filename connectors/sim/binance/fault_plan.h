#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "connectors/sim/fault_injector.h"
#include "connectors/sim/venue.h"

namespace holdfast::sim {

// Scalar fields of one fault rule as text, from TOML or JSON.
using RuleFields = std::map<std::string, std::string>;

// Keys: kind, point (required); account (a name), skip, count, probability (0..1), fraction (0..1),
// delay_ms, from_ms, until_ms, every_ms. kInvalidArgument names the key, the value and what was
// expected. `venue` resolves account names.
absl::StatusOr<FaultRule> FaultRuleFromFields(const RuleFields& fields, const SimVenue& venue);

// A TOML file: `seed = 7` and [[rule]] tables with the keys above.
absl::StatusOr<FaultPlan> LoadFaultPlan(const std::string& path, const SimVenue& venue);
absl::StatusOr<FaultPlan> ParseFaultPlan(std::string_view text, const std::string& name,
                                         const SimVenue& venue);

}  // namespace holdfast::sim
