#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "connectors/api/venue_event.h"

namespace holdfast {

// The venue's answer to an order request that is not a success: HTTP status (the WS API uses the
// same numbers), code and text. Code 0 = the answer carried none.
struct BinanceError {
  int32_t status = 0;
  int32_t code = 0;
  std::string_view text = {};
};

// Whether the request may have been executed all the same: any 5xx, the codes that say so (-1000,
// -1001, -1006, -1007), a proxy's time-out, and statuses that an API answer never has.
bool IsAmbiguous(const BinanceError& error);
// Wrong key, signature or permission: trying again can't help.
bool IsAuthenticationFailure(const BinanceError& error);
// Why a placement was refused; the text decides where the venue uses one code for many reasons.
// REQUIRES: !IsAmbiguous(error).
RejectReason ClassifyPlaceError(const BinanceError& error);
// REQUIRES: !IsAmbiguous(error).
CancelRejectReason ClassifyCancelError(const BinanceError& error);

inline constexpr int32_t kBinanceTooManyRequests = -1003;
inline constexpr int32_t kBinanceTooManyOrders = -1015;
inline constexpr int32_t kBinanceClockSkew = -1021;
inline constexpr int32_t kBinanceCancelRejected = -2011;
inline constexpr int32_t kBinanceNoSuchOrder = -2013;
inline constexpr int32_t kBinanceOrderArchived = -2026;

}  // namespace holdfast
