#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "connectors/sim/binance/parameters.h"

namespace holdfast::sim {

// One message of the WebSocket API. Numbers and booleans among the parameters keep the text they
// were sent with, because signatures cover it; arrays keep their JSON.
struct WsRequest {
  std::string id_json = "null";
  std::string method;
  Parameters parameters;
};

struct WsParseResult {
  WsRequest request;  // as far as it could be read, for the answer's id
  std::optional<ApiError> error;
};

WsParseResult ParseWsRequest(std::string_view text);

}  // namespace holdfast::sim
