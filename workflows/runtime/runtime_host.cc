#include "workflows/runtime/runtime_host.h"

#include <utility>
#include <variant>

#include "engine/base/assert.h"

namespace holdfast::workflows {
namespace {

constexpr int64_t kTurnWaitNsMax = kNanosPerSecond;
constexpr double kForeverSeconds = 1e8;
constexpr double kShutdownGraceSeconds = 30;

}  // namespace

RuntimeHost::RuntimeHost(RuntimeHostOptions options, const MakeReactor& make_reactor,
                         const MakeJournal& make_journal, RuntimeObserver* observer)
    : options_(std::move(options)),
      reactor_(make_reactor()),
      journal_(make_journal(*reactor_)),
      pool_(std::make_unique<ThreadBlockingPool>(*reactor_, options_.blocking_thread_count)),
      runtime_(std::make_unique<Runtime>(options_.runtime, *reactor_, *journal_, *pool_,
                                         Prng(options_.seed), observer)) {}

RuntimeHost::~RuntimeHost() {
  if (thread_.joinable()) static_cast<void>(Shutdown());
  runtime_.reset();
  pool_.reset();
  journal_.reset();
  reactor_.reset();
}

void RuntimeHost::StartThread() {
  HF_ASSERT(!thread_.joinable());
  HF_ASSERT(!is_shut_down_);
  thread_ = std::thread([this] { Run(); });
}

void RuntimeHost::Run() {
  while (!is_stopping_.load(std::memory_order_acquire)) reactor_->RunOnce(kTurnWaitNsMax);
}

void RuntimeHost::Post(Callback callback) {
  HF_ASSERT(std::this_thread::get_id() != thread_.get_id());
  // A callback that is dropped breaks its promise, which Wait reports.
  if (is_stopping_.load(std::memory_order_acquire)) return;
  reactor_->Post(std::move(callback));
}

absl::Status RuntimeHost::Launch(std::optional<double> timeout_s) {
  StartThread();
  return CallForStatus(
      [](Runtime& runtime, StatusReply reply) { runtime.Launch(std::move(reply)); },
      timeout_s.value_or(kForeverSeconds));
}

void RuntimeHost::Open() { StartThread(); }

absl::Status RuntimeHost::Shutdown(double max_wait_s) {
  if (!thread_.joinable()) return absl::OkStatus();
  is_shut_down_ = true;
  const absl::Status status = CallForStatus(
      [max_wait_s](Runtime& runtime, StatusReply reply) {
        runtime.Drain(max_wait_s, std::move(reply));
      },
      max_wait_s + kShutdownGraceSeconds);
  is_stopping_.store(true, std::memory_order_release);
  reactor_->Post([] {});
  thread_.join();
  return status;
}

absl::Status RuntimeHost::CallForStatus(absl::AnyInvocable<void(Runtime&, StatusReply)> call,
                                        std::optional<double> timeout_s) {
  return Call<std::monostate>(
             [call = std::move(call)](Runtime& runtime, Reply<std::monostate> reply) mutable {
               call(runtime, [reply = std::move(reply)](const absl::Status& status) mutable {
                 if (status.ok()) return reply(std::monostate());
                 reply(status);
               });
             },
             timeout_s)
      .status();
}

absl::StatusOr<RuntimeStats> RuntimeHost::Stats() {
  return Call<RuntimeStats>(
      [](Runtime& runtime, Reply<RuntimeStats> reply) { reply(runtime.stats()); });
}

absl::StatusOr<WorkflowResult> RuntimeHost::AwaitResult(const std::string& id,
                                                        std::optional<double> timeout_s) {
  auto key = std::make_shared<uint64_t>(0);  // the host's thread's
  absl::StatusOr<WorkflowResult> result = Call<WorkflowResult>(
      [key, id](Runtime& runtime, Reply<WorkflowResult> reply) {
        *key = runtime.AwaitResult(id, std::move(reply));
      },
      timeout_s.value_or(kForeverSeconds));
  if (absl::IsDeadlineExceeded(result.status())) {
    Post([this, key] { runtime_->StopAwaiting(*key); });
  }
  return result;
}

absl::StatusOr<StartedWorkflow> RuntimeHost::StartText(std::string name, StartOptions options,
                                                       std::string inputs) {
  return Call<StartedWorkflow>([name = std::move(name), options = std::move(options),
                                inputs = std::move(inputs)](Runtime& runtime, auto reply) mutable {
    runtime.Start(std::move(name), std::move(options), std::move(inputs), std::move(reply));
  });
}

absl::StatusOr<StartedWorkflow> RuntimeHost::EnqueueText(std::string queue, std::string name,
                                                         StartOptions options, std::string inputs) {
  return Call<StartedWorkflow>([queue = std::move(queue), name = std::move(name),
                                options = std::move(options),
                                inputs = std::move(inputs)](Runtime& runtime, auto reply) mutable {
    runtime.Enqueue(std::move(queue), std::move(name), std::move(options), std::move(inputs),
                    std::move(reply));
  });
}

absl::Status RuntimeHost::SendText(std::string destination_id, std::string text,
                                   std::optional<std::string> topic) {
  SendEffect message{std::move(destination_id),
                     std::move(topic),
                     std::move(text),
                     std::string(PayloadFormatName(PayloadFormat::kPortableJson)),
                     std::nullopt,
                     ""};
  return CallForStatus([message = std::move(message)](Runtime& runtime, StatusReply reply) mutable {
    runtime.journal().Send(std::move(message), std::move(reply));
  });
}

absl::StatusOr<std::optional<Journal::Value>> RuntimeHost::GetEventText(std::string workflow_id,
                                                                        std::string key) {
  return Call<std::optional<Journal::Value>>(
      [workflow_id = std::move(workflow_id), key = std::move(key)](Runtime& runtime, auto reply) {
        runtime.journal().GetEvent(workflow_id, key, std::move(reply));
      });
}

}  // namespace holdfast::workflows
