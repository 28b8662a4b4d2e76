#include "connectors/sim/venue.h"

namespace holdfast {

SimMarketListener::~SimMarketListener() = default;
SimAccountListener::~SimAccountListener() = default;

}  // namespace holdfast
