#include "engine/quoting/engine.h"

#include "engine/quoting/quoting_loop.h"

namespace holdfast {

Engine::~Engine() = default;

}  // namespace holdfast
