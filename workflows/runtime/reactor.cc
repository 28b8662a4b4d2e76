#include "workflows/runtime/reactor.h"

namespace holdfast::workflows {

Reactor::~Reactor() = default;

}  // namespace holdfast::workflows
