#include "connectors/sim/market_book.h"

namespace holdfast {

EngineResult EngineBook::Place(const EngineOrder& order, MatchListener& listener) {
  return engine_.Place(order, listener);
}
int64_t EngineBook::Cancel(uint32_t handle, uint32_t tag) { return engine_.Cancel(handle, tag); }
bool EngineBook::Reduce(uint32_t handle, uint32_t tag, int64_t lots) {
  return engine_.Reduce(handle, tag, lots);
}
bool EngineBook::WouldTake(Side side, int64_t ticks) const {
  return engine_.WouldTake(side, ticks);
}
bool EngineBook::is_full() const { return engine_.is_full(); }
std::optional<int64_t> EngineBook::best(Side side) const {
  return side == Side::kBuy ? engine_.best_bid() : engine_.best_ask();
}
int64_t EngineBook::LotsAt(Side side, int64_t ticks) const { return engine_.LotsAt(side, ticks); }
void EngineBook::ForEachLevel(Side side, VisitLevel visit) const {
  engine_.ForEachLevel(side, visit);
}
void EngineBook::ForEachResting(Side side, VisitResting visit) const {
  engine_.ForEachResting(side, visit);
}
void EngineBook::CheckInvariants() const { engine_.CheckInvariants(); }

}  // namespace holdfast
