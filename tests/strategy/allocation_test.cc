// Proves that deciding never allocates: operator new is counted in this executable.

#include <catch2/catch.hpp>
#include <vector>

#include "count_allocations.h"
#include "scenario.h"
#include "strategy/layered.h"

namespace holdfast {

using testing::allocation_count;

TEST_CASE("strategy: deciding never allocates", "[strategy][allocation]") {
  Prng prng(77);
  for (int i = 0; i < 500; ++i) {
    testing::Scenario s = testing::RandomScenario(prng);
    s.inventory.max_position =
        s.instrument.RoundQuantity(s.parameters.max_position, Rounding::kDown);
    s.view.instrument = &s.instrument;
    const GridStrategy grid(s.parameters, s.instrument);
    LayeredParameters layers;
    layers.base_spread_percent = Decimal::FromInteger(1);
    layers.order_size = layers.max_position = s.parameters.order_quantity;
    const LayeredStrategy layered(layers, s.instrument);
    const Strategy* const strategies[] = {&grid, &layered};
    for (const Strategy* strategy : strategies) {
      const int64_t before = allocation_count;
      strategy->Decide(s.view, s.inventory, s.slots, s.memory, *s.target);
      const int64_t after = allocation_count;
      REQUIRE(after == before);
      REQUIRE(s.target->is_valid);
    }
  }
  REQUIRE(allocation_count > 0);  // the count works
}

}  // namespace holdfast
