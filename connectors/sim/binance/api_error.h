#pragma once

#include <string>
#include <string_view>

#include "connectors/sim/sim_types.h"

namespace holdfast::sim {

// A refusal in the venue's words.
struct ApiError {
  int http_status = 400;
  int code = 0;
  std::string text;
  std::string data_json = {};  // extra "data" member, already JSON; empty = none
};

namespace errors {

ApiError IllegalCharacters(std::string_view parameter, std::string_view legal_range);  // -1100
ApiError Duplicate(std::string_view parameter);                                        // -1101
ApiError Mandatory(std::string_view parameter);                                        // -1102
ApiError EitherOf(std::string_view first, std::string_view second);                    // -1102
ApiError Empty(std::string_view parameter);                                            // -1105
ApiError NotRequired(std::string_view parameter);                                      // -1106
ApiError TooPrecise(std::string_view parameter);                                       // -1111
ApiError InvalidData(std::string_view parameter);                                      // -1130
ApiError InvalidSymbol();                                                              // -1121
ApiError OutsideRecvWindow();                                                          // -1021
ApiError AheadOfServer();                                                              // -1021
ApiError RecvWindowTooLarge();                                                         // -1131
ApiError InvalidSignature();                                                           // -1022
ApiError BadKeyFormat();                                                               // -2014
ApiError RejectedKey();                                                                // -2015
ApiError UnknownOrderOnCancel();                                                       // -2011
ApiError NoSuchOrder();                                                                // -2013
ApiError Archived();                                                                   // -2026
ApiError ExecutionUnknown();                                                           // -1007, 504
ApiError InvalidJson();                                                                // -1135

}  // namespace errors

// What the venue's core refused, as the venue says it for each kind of request.
ApiError PlaceError(SimRefusal refusal);
ApiError CancelError(SimRefusal refusal);
ApiError AmendError(SimRefusal refusal);

// {"code":...,"msg":...[,"data":...]}
std::string ToJson(const ApiError& error);

}  // namespace holdfast::sim
