#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "apps/settings.h"
#include "engine/market/instrument.h"
#include "engine/quoting/quoting_options.h"
#include "engine/risk/risk_limits.h"
#include "engine/simple/simple_engine.h"
#include "strategy/strategy.h"

namespace holdfast {

// Settings -> arguments of the libraries. Each checks with the library's own Validate(): what the
// table of keys cannot know (the instrument's grid, the fee) is refused here, and the message names
// the key.

// `maker_fee_rate` is signed.
absl::StatusOr<std::unique_ptr<Strategy>> MakeStrategy(const Settings& settings,
                                                       const Instrument& instrument,
                                                       Decimal maker_fee_rate);
absl::StatusOr<RiskLimits> MakeRiskLimits(const Settings& settings);
absl::StatusOr<QuotingOptions> MakeQuotingOptions(const Settings& settings);
SimpleEngineOptions MakeEngineOptions(const Settings& settings, const Instrument& instrument);

}  // namespace holdfast
