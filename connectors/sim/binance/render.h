#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "connectors/sim/binance/json_writer.h"
#include "connectors/sim/binance/rate_limits.h"
#include "connectors/sim/sim_types.h"
#include "connectors/sim/venue.h"

namespace holdfast::sim {

// The venue's JSON for the core's values. Times become milliseconds, decimals text with eight
// digits.

enum class ResponseType : uint8_t { kAck, kResult, kFull };

int64_t Milliseconds(int64_t time_ns);

// Enumerations as the venue spells them.
std::string_view WireText(Side side);
std::string_view WireText(SimOrderType type);
std::string_view WireText(TimeInForce time_in_force);
std::string_view WireText(SimOrderStatus status);
std::string_view WireText(SelfTradeMode mode);
std::string_view WireText(SimExecutionType type);

void RenderPlaced(JsonWriter& out, const Instrument& instrument, const SimOrderResult& result,
                  ResponseType type);
void RenderCanceled(JsonWriter& out, const Instrument& instrument, const SimOrder& order);
void RenderOrder(JsonWriter& out, const Instrument& instrument, const SimOrder& order);
void RenderAmended(JsonWriter& out, const Instrument& instrument, const SimAmendResult& result);
void RenderTrade(JsonWriter& out, const Instrument& instrument, const SimTrade& trade);
void RenderAccount(JsonWriter& out, const SimAccountConfig& config, SimAccountId id,
                   std::span<const SimBalance> balances, int64_t update_time_ns, bool omit_zero);
void RenderCommission(JsonWriter& out, const Instrument& instrument,
                      const SimAccountConfig& config);

void RenderSymbol(JsonWriter& out, const Instrument& instrument, SelfTradeMode default_mode);
void RenderRateLimitRules(JsonWriter& out, const LimitConfig& limits);
void RenderDepth(JsonWriter& out, const SimDepth& depth);
void RenderLevels(JsonWriter& out, std::span<const SimLevel> levels);
void RenderPublicTrade(JsonWriter& out, const SimPublicTrade& trade);
void RenderAggregateTrade(JsonWriter& out, const SimPublicTrade& trade);
void RenderTicker(JsonWriter& out, std::string_view symbol, const SimTicker& ticker,
                  const SimBookTop& top);
void RenderTickerBook(JsonWriter& out, std::string_view symbol, const SimBookTop& top);

// Stream payloads.
std::string DepthEvent(std::string_view symbol, const SimDepthDiff& diff);
std::string BookTopEvent(std::string_view symbol, const SimBookTop& top);
std::string TradeEvent(std::string_view symbol, const SimPublicTrade& trade, int64_t event_ns);
std::string AggregateTradeEvent(std::string_view symbol, const SimPublicTrade& trade,
                                int64_t event_ns);

// Private events, without the subscription wrapper.
std::string ExecutionReport(const Instrument& instrument, const SimExecution& execution);
std::string AccountPosition(std::span<const SimBalance> changed, int64_t time_ns);
std::string BalanceUpdate(std::string_view asset, Decimal delta, int64_t time_ns);

}  // namespace holdfast::sim
