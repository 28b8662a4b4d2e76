#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "connectors/sim/generated_market.h"
#include "connectors/sim/matching_engine.h"
#include "engine/base/prng.h"

namespace holdfast {

// Decides what the background traders of a generated market do, and when. Owns no book: it places
// and cancels through a port and is told about fills of its resting orders. Integers only; one seed
// gives one sequence on every machine.
class GeneratedTrader {
 public:
  // What it needs of the venue. Prices in ticks, quantities in lots of the instrument's grid.
  class Port {
   public:
    virtual ~Port() = default;
    virtual EngineResult Place(const EngineOrder& order) = 0;
    virtual int64_t Cancel(Side side, int64_t price_ticks, uint32_t handle, uint32_t tag) = 0;
  };
  struct Units {
    Decimal price_grid;
    Decimal quantity_grid;
    int64_t tick_step = 1;  // the instrument's tick in grid ticks
    int64_t lot_step = 1;
    uint32_t tag_bit = 0;  // set in every tag it uses
    uint16_t owner = 0;
  };

  GeneratedTrader(const GeneratedMarketConfig& config, const Units& units, int64_t now_ns);

  // Fills the book for the first time.
  void Start(Port& port);
  int64_t next_time_ns() const;
  // Does what is due at next_time_ns().
  void Step(Port& port);
  // A resting order of ours traded; `lots_left` 0 = gone.
  void OnMakerFill(uint32_t tag, int64_t lots_left);
  int64_t fair_price_ticks() const { return fair_micro_ticks_ / kMicro; }

 private:
  static constexpr int64_t kMicro = 1'000'000;  // the fair price moves in millionths of a tick

  enum class Regime : uint8_t { kCalm, kTrendUp, kTrendDown, kVolatile };
  struct Resting {
    uint32_t handle = 0;  // 0 = free slot
    uint32_t tag = 0;
    Side side = Side::kBuy;
    int64_t ticks = 0;
  };

  // Exponentially distributed with this mean, at least 1 ns, by integers.
  int64_t Interval(int64_t mean_ns);
  // A size with a long tail round the mean.
  int64_t Size(int64_t mean_lots);
  // Sum of uniform draws: near normal, standard deviation `deviation`.
  int64_t Bell(int64_t deviation);
  void StepFairPrice();
  void ChangeRegime();
  void Make(Port& port);
  void Take(Port& port);
  void PlaceMaker(Port& port, size_t slot);
  void CancelMaker(Port& port, size_t slot);
  int64_t LevelPrice(Side side, int64_t level);
  uint32_t NextTag();

  GeneratedMarketConfig config_;
  Units units_;
  Prng prng_;
  Regime regime_ = Regime::kCalm;
  int64_t fair_micro_ticks_;
  int64_t level_lots_;
  int64_t taker_lots_;
  int64_t step_deviation_ppb_;  // of the price per step when calm, in 10^-9
  int64_t next_step_ns_;
  int64_t next_maker_ns_;
  int64_t next_taker_ns_;
  int64_t next_regime_ns_;
  int64_t next_gap_ns_;
  uint32_t next_tag_ = 1;
  std::vector<Resting> resting_;  // level_count per side: bids, then asks
};

}  // namespace holdfast
