#pragma once

#include <cstdint>
#include <string_view>

#include "engine/base/inline_string.h"
#include "engine/base/strong_id.h"

namespace holdfast {

// Index of an instrument in the process's registry (0, 1, ...); not stable across restarts.
using InstrumentId = StrongId<struct InstrumentIdTag, uint16_t>;
// Correlates a query to a venue with its rows and its end. Unique within one run.
using RequestId = StrongId<struct RequestIdTag, uint64_t>;
// The venue's numeric order id; 0 = not known yet.
using VenueOrderId = StrongId<struct VenueOrderIdTag, int64_t>;
// The venue's trade id: unique per (venue, symbol); what fills are deduplicated by.
using VenueTradeId = StrongId<struct VenueTradeIdTag, int64_t>;

using SymbolText = InlineString<24>;
using AssetCode = InlineString<12>;

// Our id of an order, 1..36 characters of [A-Za-z0-9_-]: the strictest alphabet and length of the
// venues with textual ids. Minted once, never reused. How ours are built: client_order_id.h.
using ClientOrderId = InlineString<36>;

}  // namespace holdfast
