#pragma once

#include <string>

#include "absl/status/status.h"
#include "connectors/net/rate_budget.h"

namespace holdfast {

// The venue's order to be quiet until a time, kept in the state folder: a restart that ignored it
// would turn a pause into a ban. One line: `<not before, ns since the epoch> <0 or 1: a ban>`.

// A file that is absent or damaged is no block: the venue will say it again.
RateBlock LoadRateBlock(const std::string& path);
// CRASH: the file is the old or the new one, never torn.
absl::Status SaveRateBlock(const std::string& path, const RateBlock& block);

}  // namespace holdfast
