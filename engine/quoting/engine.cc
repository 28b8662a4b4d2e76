#include "engine/quoting/engine.h"

#include "engine/quoting/quoting_loop.h"

namespace holdfast {

Engine::~Engine() = default;

absl::Status Engine::QueryOrderByVenueId(RequestId, InstrumentId, VenueOrderId) {
  return absl::UnimplementedError("no query by the venue's order id");
}

bool Engine::RecordProvenStop() { return true; }

}  // namespace holdfast
