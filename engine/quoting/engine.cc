#include "engine/quoting/engine.h"

namespace holdfast {

Engine::~Engine() = default;

}  // namespace holdfast
