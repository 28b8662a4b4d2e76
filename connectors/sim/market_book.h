#pragma once

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"
#include "connectors/sim/matching_engine.h"

namespace holdfast {

// Owner and tag of the recorded market in trades with it.
inline constexpr uint16_t kMarketOwner = UINT16_MAX;
inline constexpr uint32_t kMarketTag = 0;

class MatchListener {
 public:
  virtual ~MatchListener() = default;
  virtual void OnTrade(const EngineTrade& trade) = 0;
  virtual void OnPrevented(const EnginePrevention& prevention) = 0;
};

// Where the orders of one instrument rest and match: the matching engine alone, or a recorded book
// with our orders queued in it. Semantics are those of MatchingEngine.
class MarketBook {
 public:
  virtual ~MarketBook() = default;
  virtual EngineResult Place(const EngineOrder& order, MatchListener& listener) = 0;
  virtual int64_t Cancel(uint32_t handle, uint32_t tag) = 0;
  virtual bool Reduce(uint32_t handle, uint32_t tag, int64_t lots) = 0;
  virtual bool WouldTake(Side side, int64_t ticks) const = 0;
  virtual bool is_full() const = 0;
  virtual std::optional<int64_t> best(Side side) const = 0;
  // What the public sees at a price.
  virtual int64_t LotsAt(Side side, int64_t ticks) const = 0;
  using VisitLevel = absl::FunctionRef<bool(int64_t ticks, int64_t lots)>;
  virtual void ForEachLevel(Side side, VisitLevel visit) const = 0;
  // What a taker would meet, in order: `group` is that of a resting order, or kNoGroup.
  static constexpr uint16_t kNoGroup = UINT16_MAX;
  using VisitResting = absl::FunctionRef<bool(int64_t ticks, int64_t lots, uint16_t group)>;
  virtual void ForEachResting(Side side, VisitResting visit) const = 0;
  virtual void CheckInvariants() const = 0;
};

class EngineBook final : public MarketBook {
 public:
  explicit EngineBook(uint32_t max_resting_orders) : engine_(max_resting_orders) {}

  EngineResult Place(const EngineOrder& order, MatchListener& listener) override;
  int64_t Cancel(uint32_t handle, uint32_t tag) override;
  bool Reduce(uint32_t handle, uint32_t tag, int64_t lots) override;
  bool WouldTake(Side side, int64_t ticks) const override;
  bool is_full() const override;
  std::optional<int64_t> best(Side side) const override;
  int64_t LotsAt(Side side, int64_t ticks) const override;
  void ForEachLevel(Side side, VisitLevel visit) const override;
  void ForEachResting(Side side, VisitResting visit) const override;
  void CheckInvariants() const override;
  MatchingEngine& engine() { return engine_; }

 private:
  MatchingEngine engine_;
};

}  // namespace holdfast
