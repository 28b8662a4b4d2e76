#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/clock.h"
#include "engine/market/instrument.h"
#include "engine/quoting/engine.h"

namespace holdfast {

// The run has stopped with proof (Engine::RecordProvenStop()). Holds as long as it is the newest
// record and no order number is reserved after it: either takes it back in its own transaction.
// Holds for a new file too, which no run used; never for a new store in memory, whose process may
// have had a predecessor.
struct StopRecord {};

// Every kind of change that a store keeps. Each value is stored whole or not at all.
using StoreRecord = std::variant<OrderRecord, FillRecord, SlotRecord, MemoryRecord, LedgerRecord,
                                 RiskRecord, StopRecord>;

struct StampedRecord {
  int64_t record_time_ns = 0;  // our wall clock when the loop recorded it
  StoreRecord record;
};

// Order numbers [first, end).
struct OrderNumberBlock {
  uint64_t first = 0;
  uint64_t end = 0;

  friend bool operator==(const OrderNumberBlock&, const OrderNumberBlock&) = default;
};

struct StoreOptions {
  std::string path;  // SQLite database file; empty: in memory, nothing outlives the process
  std::string venue_name;
  std::string account_name;
  Instrument instrument;  // the one instrument that is traded on this store
  // Lines of slots are prices in ticks, as the grid's are, and change with the tick size; otherwise
  // they are levels.
  bool are_lines_prices = true;

  // Finished orders are kept this long and at most this many; fills and the ledger for ever.
  int64_t finished_order_retention_ns = 7 * 24 * 3600 * kNanosPerSecond;
  int64_t finished_order_limit = 100'000;
  int prune_batch = 500;  // rows deleted per Prune(), so that records never wait long

  int recent_trade_id_limit = 4096;  // newest trade ids given back by Open(); >= 1000

  // Kept allocated next to the database, and lent to it when the disk is full: its log can then be
  // moved into it. As large as the log gets before SQLite moves it. 0: none.
  int64_t reserve_bytes = 4 << 20;

  int busy_timeout_ms = 2000;  // how long a write waits for an operator's open transaction
  std::string sqlite_vfs;      // empty: SQLite's default file layer
};

// Keeps what must survive the process: the port behind SimpleEngine.
//
// Threads: one at a time; the caller serializes. Calls may block on the disk.
class Store {
 public:
  virtual ~Store();

  // Takes exclusive ownership and loads what is known. A store may be opened again after Close().
  //
  // Errors:
  //   kFailedPrecondition  another process owns it; the message names path and pid
  //   kDataLoss            damaged; the message says what to do
  //   kInvalidArgument     another venue, account or symbol, a newer version, a price or lot grid
  //                        that the stored values do not fit on, or a path that cannot be used
  //   kUnavailable, kResourceExhausted  the disk refused; nothing was changed
  virtual absl::StatusOr<RecoveredState> Open() = 0;

  // Stores all records of the batch in their order, or none. On OK they are durable as the store
  // understands it (docs/store_format.md). A failed batch may be given again, whole: what turns
  // out to be stored already is not stored twice.
  // CRASH: all of the batch or nothing.
  //
  // Errors:
  //   kUnavailable, kResourceExhausted  the disk refused; retry the same batch
  //   kInvalidArgument                  a record breaks an invariant; it will never be taken
  //   kDataLoss                         the store is damaged
  virtual absl::Status Append(std::span<const StampedRecord> batch) = 0;

  // Numbers never handed out before, by this or any earlier run. On OK the reservation is durable,
  // and so is that the last stop is proven no more: whatever is sent is sent under such a number.
  // CRASH: numbers of the block may be lost, never reused. REQUIRES: count > 0.
  virtual absl::StatusOr<OrderNumberBlock> ReserveOrderNumbers(uint64_t count) = 0;

  // Forgets a bounded number of finished orders that retention no longer covers; returns how many.
  virtual absl::StatusOr<int> Prune(int64_t now_wall_ns) = 0;

  // Gives up ownership. REQUIRES: nothing, also after a failed Open().
  virtual absl::Status Close() = 0;

  // Records ever appended, all runs. REQUIRES: open.
  virtual uint64_t record_count() const = 0;
};

// SQLite when `options.path` is set, else in memory. `clock` must outlive the store.
std::unique_ptr<Store> MakeStore(const StoreOptions& options, const Clock& clock);

// What every store relies on, whoever wrote the record. kInvalidArgument names the field.
absl::Status ValidateRecord(const StoreRecord& record, const Instrument& instrument);
absl::Status ValidateStoreOptions(const StoreOptions& options);

// First order number that no earlier run can have used: microseconds of the wall clock. Numbers
// rise by one per order, far below one per microsecond, so a store that was deleted, restored from
// a backup or kept in memory only does not hand out a number again as long as the wall clock does
// not go back. A store on disk does not depend on it: it never goes below what it has committed.
uint64_t OrderNumberSeed(const Clock& clock);

}  // namespace holdfast
