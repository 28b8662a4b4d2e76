#include "workflows/runtime/journal.h"

namespace holdfast::workflows {

TransactionBody::~TransactionBody() = default;
JournalListener::~JournalListener() = default;
Journal::~Journal() = default;

}  // namespace holdfast::workflows
