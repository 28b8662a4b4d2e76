#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "absl/status/statusor.h"
#include "connectors/binance/options.h"
#include "engine/base/clock.h"
#include "engine/market/instrument.h"

namespace holdfast {

// Reads an instrument's filters from the venue. Blocks for at most `timeout_ns`: for start-up and
// tools. kNotFound: no such symbol; kInvalidArgument: bad URL, CA file or answer; kUnavailable,
// kDeadlineExceeded: the venue was not reached or is busy, try again.
//
// When the venue refuses for its rate limits, `block` (unless null) says until when it must not be
// asked again; that must be kept across restarts.
absl::StatusOr<Instrument> FetchInstrument(const BinanceOptions& options, std::string_view symbol,
                                           InstrumentId id, Clock& clock, int64_t timeout_ns,
                                           RateBlock* block = nullptr);

// The same, again and again with back-off while the venue can't be reached, and not before the time
// that the venue names. `on_failure` is told each time. Returns kCancelled soon after `is_stopping`
// becomes true.
absl::StatusOr<Instrument> FetchInstrumentPatiently(
    const BinanceOptions& options, std::string_view symbol, InstrumentId id, Clock& clock,
    const std::atomic<bool>& is_stopping,
    const std::function<void(const absl::Status&)>& on_failure);

}  // namespace holdfast
