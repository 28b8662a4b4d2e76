#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "connectors/api/venue_event.h"
#include "engine/base/decimal.h"
#include "engine/base/inline_string.h"
#include "engine/market/book.h"
#include "engine/market/client_order_id.h"
#include "engine/market/fill.h"
#include "engine/market/ids.h"
#include "engine/market/instrument.h"
#include "engine/market/order_state.h"
#include "engine/market/price.h"
#include "engine/market/side.h"
#include "engine/quoting/snapshot_buffer.h"
#include "engine/risk/deny_reason.h"
#include "strategy/slot.h"

namespace holdfast {

// Where the loop stands.
enum class LoopPhase : uint8_t {
  kConnecting,   // waiting for the private stream and order entry
  kReconciling,  // finding out what is true at the venue
  kUnsafe,       // an account safety check failed (X11); checked again from time to time
  kHalted,       // reconciled, but a condition of quoting is not met: see the health flags
  kQuoting,
  kStopping,  // canceling and proving the book empty
  kStopped,   // proven: nothing of ours is open, all fills are booked
  kFailed,    // a venue error that retrying cannot cure
};
std::string_view ToText(LoopPhase phase);

// What must be true to quote (law 6), and what the operator wants to know of at a glance.
enum class HealthFlag : uint8_t {
  kFeed,           // market data connected
  kBook,           // in sequence, fresh, two-sided, not crossed
  kPrivateStream,  // connected and subscribed
  kOrderEntry,
  kReconciled,
  kAccountSafe,
  kStore,
  kRecordQueue,  // room for everything that a turn can record
  kInstrument,   // the venue trades it, and our grid fits its filters
  kOrderSize,    // an ordinary order reaches the venue's minimum at this price
  kRiskMode,     // not in risk mode
  kOperator,     // neither paused nor killed
  kVenueBreaker,
  kNoUnknownOrders,          // informative: quoting goes on beside unknown orders
  kNoUnexplainedDifference,  // informative: no wallet adjustment or foreign fill was booked
};
inline constexpr int kHealthFlagCount = 15;
std::string_view ToText(HealthFlag flag);

struct HealthStatus {
  bool is_ok = false;
  InlineString<64> reason;  // why not
};

// Latencies in process and to the venue (R10).
enum class LatencyStage : uint8_t {
  kReceiveToDecide,  // market message received -> target computed
  kDecide,           // begin of the turn -> intents handed to the engine
  kDecideToAck,      // intent decided -> venue's answer received
  kCancelToAck,      // cancel handed over -> venue's answer received
  kFillToBooked,     // fill received -> booked and handed to the store
  kTurn,             // one RunOnce() that did something
};
inline constexpr int kLatencyStageCount = 6;
std::string_view ToText(LatencyStage stage);

struct LatencySummary {
  uint64_t count = 0;
  int64_t p50_ns = 0;
  int64_t p90_ns = 0;
  int64_t p99_ns = 0;
  int64_t p999_ns = 0;
  int64_t max_ns = 0;
};

// Everything that is counted since the start of this run.
struct LoopCounters {
  uint64_t turns = 0;
  uint64_t market_messages = 0;
  uint64_t venue_events = 0;
  uint64_t decisions = 0;
  uint64_t book_gaps = 0;
  uint64_t book_resyncs = 0;
  uint64_t quotes_pulled = 0;  // times all quotes were pulled for a reason

  uint64_t orders_placed = 0;
  uint64_t orders_accepted = 0;
  uint64_t orders_canceled = 0;
  uint64_t orders_expired = 0;  // by the venue
  uint64_t orders_filled = 0;   // completely
  uint64_t orders_unknown = 0;  // times an order became UNKNOWN
  uint64_t unknown_resolved_present = 0;
  uint64_t unknown_resolved_absent = 0;
  uint64_t orders_adopted = 0;
  uint64_t stray_orders = 0;  // ended for us and found open at the venue
  uint64_t foreign_orders_seen = 0;
  uint64_t cancels_sent = 0;
  uint64_t cancels_rejected = 0;
  uint64_t cleanup_cancels = 0;
  uint64_t orders_not_sent = 0;     // handed over, and our own connector did not send them
  uint64_t placements_delayed = 0;  // decisions that left placements for when the venue allows more
  std::array<uint64_t, 11> rejects_by_reason = {};  // RejectReason; kNotSent is none of the venue's
  std::array<uint64_t, kDenyReasonCount> denies_by_reason = {};

  uint64_t fills = 0;
  uint64_t duplicate_fills = 0;  // the same trade seen again by stream, reply or query
  uint64_t late_fills = 0;       // of an order that had already ended
  uint64_t foreign_fills = 0;
  uint64_t illegal_transitions = 0;

  uint64_t reconciliations = 0;
  uint64_t reconciliations_failed = 0;
  uint64_t wallet_adjustments = 0;
  uint64_t risk_mode_entries = 0;
  uint64_t records_deferred = 0;  // the engine's record queue was full; kept and tried again
  uint64_t instrument_changes = 0;
};
inline constexpr int kRejectReasonCount = 11;

struct AssetAmount {
  AssetCode asset;
  Decimal amount;
};

struct AssetBalance {
  AssetCode asset;
  Decimal free;
  Decimal locked;
};

struct StatusOrder {
  OrderNumber number;
  ClientOrderId client_order_id;
  SlotKey slot_key;
  Side side = Side::kBuy;
  OrderState state = OrderState::kInitialized;
  Price price;
  Quantity quantity;
  Quantity filled;
  int64_t create_time_ns = 0;
};

struct StatusFill {
  VenueTradeId trade_id;
  Side side = Side::kBuy;
  Liquidity liquidity = Liquidity::kMaker;
  Price price;
  Quantity quantity;
  Decimal fee;
  AssetCode fee_asset;
  int64_t venue_time_ns = 0;
};

// What the loop publishes for views, metrics and health checks. Trivially copyable, no pointers.
// Prices and quantities are in ticks and lots; `tick_size` and `lot_size` scale them.
struct StatusSnapshot {
  static constexpr int kLevelCount = 10;
  static constexpr int kOrderCount = 128;  // nearest to the touch first
  static constexpr int kSlotCount = 128;   // not free, nearest to the mid first
  static constexpr int kFillCount = 16;    // newest first
  static constexpr int kAssetCount = 8;

  int64_t wall_time_ns = 0;  // when published
  int64_t start_time_ns = 0;
  LoopPhase phase = LoopPhase::kConnecting;

  SymbolText symbol;
  AssetCode base_asset;
  AssetCode quote_asset;
  Decimal tick_size;
  Decimal lot_size;

  bool is_book_quotable = false;
  int32_t bid_level_count = 0;
  int32_t ask_level_count = 0;
  std::array<BookLevel, kLevelCount> bids = {};
  std::array<BookLevel, kLevelCount> asks = {};
  int64_t book_receive_time_ns = 0;  // of the newest market message

  // Beyond the arrays' size the nearest are shown; the totals count all.
  int32_t order_count = 0;
  int32_t order_total = 0;
  int32_t unknown_order_total = 0;
  std::array<StatusOrder, kOrderCount> orders = {};
  int32_t slot_count = 0;
  int32_t slot_total = 0;  // active_slots
  int32_t filled_slot_total = 0;
  std::array<Slot, kSlotCount> slots = {};
  int32_t fill_count = 0;
  std::array<StatusFill, kFillCount> fills = {};

  Quantity position;
  Quantity max_position;
  Decimal average_entry;
  Notional realized_pnl;  // before fees
  Notional unrealized_pnl;
  Notional volume;              // quote traded in this run
  int32_t fee_asset_count = 0;  // fees of this run
  std::array<AssetAmount, kAssetCount> fees = {};
  int32_t balance_count = 0;  // as the venue reported them last
  std::array<AssetBalance, kAssetCount> balances = {};
  Decimal maker_fee_rate;
  Quantity order_quantity;         // of an ordinary entry; zero: sizes vary
  Quantity order_quantity_needed;  // the venue's minimum at the best bid; zero: not known yet

  Price anchor;
  int64_t interval_ticks = 0;
  double atr_ratio = 1.0;

  std::array<LatencySummary, kLatencyStageCount> latencies = {};
  std::array<HealthStatus, kHealthFlagCount> health = {};
  LoopCounters counters;
};
static_assert(std::is_trivially_copyable_v<StatusSnapshot>);

using StatusBuffer = SnapshotBuffer<StatusSnapshot>;

}  // namespace holdfast
