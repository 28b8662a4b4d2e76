#include "engine/quoting/record_queue.h"

namespace holdfast {

bool RecordQueue::Flush(Engine& engine, OrderTable& orders) {
  if (FlushAll(engine, orders)) return true;
  ++deferred_count_;
  return false;
}

bool RecordQueue::FlushAll(Engine& engine, OrderTable& orders) {
  while (!queue_.empty()) {
    const bool is_taken =
        std::visit([&engine](const auto& record) { return engine.Record(record); }, queue_[0]);
    if (!is_taken) return false;
    queue_.pop();
  }
  while (const TrackedOrder* tracked = orders.FirstDirty()) {
    if (!engine.Record(OrderRecord{.order = tracked->order})) return false;
    orders.PopDirty();
  }
  if (has_memory_) {
    if (!engine.Record(memory_)) return false;
    has_memory_ = false;
  }
  if (has_risk_) {
    if (!engine.Record(risk_)) return false;
    has_risk_ = false;
  }
  return true;
}

}  // namespace holdfast
