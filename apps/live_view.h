#pragma once

#include <string>

#include "apps/canvas.h"
#include "engine/quoting/quoting_loop.h"
#include "engine/quoting/status_snapshot.h"

namespace holdfast {

// Pure functions from what the loop published to text; who shows them is in terminal.h. All times
// are UTC.

// The full screen: title, health, ladder with our orders marked, position and PnL, latencies, last
// fills, slots and working orders. Made for 80x24 and more; what has no room is left out, least
// important first. REQUIRES: width and height positive.
Canvas DrawScreen(const StatusSnapshot& snapshot, int width, int height);

// One compact line, without its end, for logs and pipes.
std::string StatusLine(const StatusSnapshot& snapshot);

// What is printed when the service has stopped: orders, fills, fees, PnL, percentiles.
std::string RunSummary(const StatusSnapshot& snapshot, const RunReport& report);

// "412ns", "1.25us", "35.1ms", "2.5s": three significant digits.
std::string DurationText(int64_t duration_ns);
// Rounded to nearest; exactly `fraction_digits` digits behind the point.
std::string FixedText(Decimal value, int fraction_digits);

}  // namespace holdfast
