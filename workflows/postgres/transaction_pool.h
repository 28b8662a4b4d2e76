#pragma once

namespace holdfast::workflows {

class TransactionPool {};

}  // namespace holdfast::workflows
