#include "guide_example.h"

#include <memory>
#include <string>

#include "engine/base/clock.h"
#include "workflows/runtime/epoll_reactor.h"
#include "workflows/runtime/memory_database.h"
#include "workflows/runtime/memory_journal.h"
#include "workflows/runtime/runtime_host.h"

namespace guide {

using namespace holdfast::workflows;

// What workflows take and give is any type that nlohmann's adapters know.
struct Order {
  std::string item;
  int count = 0;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Order, item, count)

// Somebody else's system. The key makes a repeated request harmless.
absl::StatusOr<int> Charge(const std::string& idempotency_key, int amount) {
  if (idempotency_key.empty()) return absl::InvalidArgumentError("no key");
  return amount;
}

// A child: asks a person and waits for the answer as a message, for up to a day.
Task<absl::StatusOr<bool>> Approve(Workflow& workflow, int amount) {
  HF_CO_RETURN_IF_ERROR(workflow.SetEvent("question", "approve " + std::to_string(amount) + "?"));
  HF_CO_ASSIGN_OR_RETURN(std::optional<bool> answer, workflow.Receive<bool>("answer", 86'400));
  co_return answer.value_or(false);
}

Task<absl::StatusOr<std::string>> Sell(Workflow& workflow, Order order) {
  // A step runs once: its outcome is recorded before anything after it begins.
  HF_CO_ASSIGN_OR_RETURN(int price, workflow.Step("price", [order] { return 5 * order.count; }));

  HF_CO_ASSIGN_OR_RETURN(ChildHandle<bool> approval,
                         workflow.StartChild<bool>("approve", {}, price));
  HF_CO_ASSIGN_OR_RETURN(bool is_approved, approval.Result());
  if (!is_approved) co_return MakeWorkflowError("Refused", order.item + " was not approved");

  // Tried again after pauses of 0.1 s, 0.2 s, 0.4 s.
  const StepOptions patient{.max_attempts = 4, .interval_s = 0.1};
  HF_CO_ASSIGN_OR_RETURN(int paid,
                         workflow.Step<int>("charge", patient, [price](StepContext& context) {
                           return Charge(context.workflow_id() + "/charge", price);
                         }));

  HF_CO_RETURN_IF_ERROR(workflow.Sleep(0.01));  // or a month: nothing is lost by a restart
  co_return order.item + " sold for " + std::to_string(paid);
}

absl::StatusOr<std::string> Run() {
  const holdfast::SystemClock clock;
  MemoryDatabase database(clock);
  RuntimeHostOptions options;
  options.runtime.executor_id = "shop-1";
  options.seed = 20'261'121;  // in production: from a source of true randomness
  RuntimeHost host(
      options, [&] { return std::make_unique<EpollReactor>(clock); },
      [&](Reactor& reactor) { return std::make_unique<MemoryJournal>(database, reactor); });
  host.Register("sell", &Sell);
  host.Register("approve", &Approve);
  HF_RETURN_IF_ERROR(host.Launch());

  // The id is the idempotency key: starting it again is the same sale.
  HF_ASSIGN_OR_RETURN(WorkflowHandle<std::string> sale,
                      host.Start<std::string>("sell", {.id = "sale-17"}, Order{"lamp", 3}));

  // The child's id is its parent's and the function id of its start. It exists from then on.
  absl::Status told;
  do {
    told = host.Send("sale-17-1", true, "answer");
  } while (absl::IsNotFound(told));
  HF_RETURN_IF_ERROR(told);

  return sale.Result(/*timeout_s=*/30);
}

}  // namespace guide
