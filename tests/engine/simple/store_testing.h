#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/prng.h"
#include "engine/market/ledger.h"
#include "engine/simple/store.h"

namespace holdfast::testing {

// A folder of its own that disappears with the object.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

Instrument TestInstrument();
StoreOptions TestStoreOptions(const std::string& path);

// Everything a recovered state says, one fact per line: two states are equal when their texts are.
std::string Describe(const RecoveredState& state);

// An endless sequence of valid records as a trading account produces them, a pure function of the
// seed: orders that are placed, worked, filled in parts and ended, slots, positions and bookings
// that follow from the fills, and everything else that is recorded now and then.
class RecordMaker {
 public:
  explicit RecordMaker(uint64_t seed);
  StampedRecord Next();

 private:
  StoreRecord MakeNewOrder();
  StoreRecord MakeOrderChange(Order& order);
  StoreRecord MakeFill(Order* order);
  StoreRecord MakeSlot();
  StoreRecord MakeRare();

  const Instrument instrument_;
  Prng prng_;
  int64_t now_ns_ = 1'700'000'000 * kNanosPerSecond;
  uint64_t last_number_ = 0;
  int64_t last_trade_id_ = 1000;
  std::vector<Order> open_orders_;
  Position position_;
};

// Records through the engine what the loop would record.
[[nodiscard]] bool RecordAny(Engine& engine, const StoreRecord& record);

// What a store holds after the first `count` records of RecordMaker(seed), as text.
std::string DescribePrefix(uint64_t seed, uint64_t count);

Order MakeOrder(uint64_t number, OrderState state = OrderState::kWorking);
// A buy of `quantity_lots` with everything that follows from it, on an otherwise empty account.
FillRecord MakeFillRecord(int64_t trade_id, int64_t quantity_lots);

}  // namespace holdfast::testing
