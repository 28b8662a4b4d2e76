// The host on real threads: a reactor that waits in epoll, blocking callers, a pool for blocking
// bodies; and the guide's example, which is the text of docs/runtime.md. Runs under TSan too.
#include "workflows/runtime/runtime_host.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <set>
#include <thread>
#include <vector>

#include "guide_example.h"
#include "workflows/runtime/epoll_reactor.h"
#include "workflows/runtime/memory_database.h"
#include "workflows/runtime/memory_journal.h"

namespace holdfast::workflows {
namespace {

constexpr double kPatience = 60;  // a bound for a machine that is busy

std::string ReadText(const std::string& path) {
  std::ifstream file(HOLDFAST_SOURCE_DIR "/" + path);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Task<absl::StatusOr<int>> Double(Workflow& workflow, int x) {
  HF_CO_ASSIGN_OR_RETURN(int y, workflow.Step("double", [x] { return 2 * x; }));
  co_return y;
}

struct Hosted {
  SystemClock clock;
  MemoryDatabase database{clock};
  RuntimeHost host;

  explicit Hosted(RuntimeHostOptions options = {})
      : host(
            std::move(options), [this] { return std::make_unique<EpollReactor>(clock); },
            [this](Reactor& reactor) {
              return std::make_unique<MemoryJournal>(database, reactor);
            }) {
    host.Register("double", &Double);
    host.Register("wait", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
      HF_CO_RETURN_IF_ERROR(workflow.Receive<int>("never", 1e6));
      co_return 1;
    });
    host.Register("block", [](Workflow& workflow, int x) -> Task<absl::StatusOr<std::string>> {
      StepOptions options_of_step;
      options_of_step.is_blocking = true;
      HF_CO_ASSIGN_OR_RETURN(std::string thread, workflow.Step("block", options_of_step, [] {
        std::ostringstream text;
        text << std::this_thread::get_id();
        return text.str();
      }));
      co_return thread + "/" + std::to_string(x);
    });
    QueueConfig queue;
    queue.name = "q";
    host.RegisterQueue(queue);
  }
};

TEST_CASE("guide: the example runs and is the one of the document", "[workflows][host]") {
  const absl::StatusOr<std::string> said = guide::Run();
  INFO(said.status());
  CHECK(said.value() == "lamp sold for 15");
  const std::string document = ReadText("docs/runtime.md");
  const std::string example = ReadText("tests/workflows/runtime/guide_example.cc");
  const std::string open = "```cpp example\n";
  const size_t begin = document.find(open);
  REQUIRE(begin != std::string::npos);
  const size_t end = document.find("```", begin + open.size());
  CHECK(document.substr(begin + open.size(), end - begin - open.size()) == example);
}

TEST_CASE("host: many callers on many threads get their own results", "[workflows][host]") {
  Hosted hosted;
  REQUIRE(hosted.host.Launch(kPatience).ok());
  std::vector<std::thread> callers;
  std::atomic<int> good = 0;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const int x = 100 * t + i;
        auto handle = i % 2 == 0 ? hosted.host.Start<int>("double", {}, x)
                                 : hosted.host.Enqueue<int>("q", "double", {}, x);
        if (!handle.ok()) continue;
        const absl::StatusOr<int> result = handle->Result(kPatience);
        if (result.ok() && *result == 2 * x) ++good;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  CHECK(good == 100);
  CHECK(hosted.host.Stats()->succeeded_count == 100);
}

TEST_CASE("host: blocking bodies run on other threads", "[workflows][host]") {
  Hosted hosted;
  REQUIRE(hosted.host.Launch(kPatience).ok());
  std::vector<WorkflowHandle<std::string>> handles;
  for (int i = 0; i < 20; ++i) {
    auto handle = hosted.host.Start<std::string>("block", {}, i);
    REQUIRE(handle.ok());
    handles.push_back(*handle);
  }
  for (auto& handle : handles) CHECK(handle.Result(kPatience).ok());
}

TEST_CASE("host: a result that is not there in time can be asked for again", "[workflows][host]") {
  Hosted hosted;
  REQUIRE(hosted.host.Launch(kPatience).ok());
  auto handle = hosted.host.Start<int>("wait", {.id = "w"});
  REQUIRE(handle.ok());
  CHECK(absl::IsDeadlineExceeded(handle->Result(0.001).status()));
  CHECK(handle->Status().value() == WorkflowStatus::kPending);
  REQUIRE(handle->Cancel().ok());
  CHECK(absl::IsCancelled(handle->Result(kPatience).status()));
  CHECK(handle->Status().value() == WorkflowStatus::kCancelled);
  CHECK(absl::IsNotFound(hosted.host.Retrieve<int>("nobody").Result(kPatience).status()));
  CHECK(absl::IsNotFound(hosted.host.Retrieve<int>("nobody").Status().status()));
}

TEST_CASE("host: messages go in and events come out", "[workflows][host]") {
  Hosted hosted;
  hosted.host.Register("echo", [](Workflow& workflow) -> Task<absl::StatusOr<int>> {
    HF_CO_ASSIGN_OR_RETURN(auto heard, workflow.Receive<int>("in", kPatience));
    HF_CO_RETURN_IF_ERROR(workflow.SetEvent("out", heard.value_or(-1)));
    co_return heard.value_or(-1);
  });
  REQUIRE(hosted.host.Launch(kPatience).ok());
  auto handle = hosted.host.Start<int>("echo", {.id = "e"});
  REQUIRE(handle.ok());
  CHECK_FALSE(hosted.host.GetEvent<int>("e", "out").value().has_value());
  REQUIRE(hosted.host.Send("e", 5, "in").ok());
  CHECK(handle->Result(kPatience).value() == 5);
  CHECK(hosted.host.GetEvent<int>("e", "out").value() == 5);
  CHECK(absl::IsNotFound(hosted.host.Send("nobody", 5, "in")));
}

TEST_CASE("host: after a shutdown calls fail and workflows are left for the next start",
          "[workflows][host]") {
  Hosted hosted;
  REQUIRE(hosted.host.Launch(kPatience).ok());
  auto handle = hosted.host.Start<int>("wait", {.id = "w"});
  REQUIRE(handle.ok());
  CHECK(hosted.host.Shutdown().ok());
  CHECK(absl::IsUnavailable(hosted.host.Start<int>("wait", {}).status()));
  CHECK(absl::IsUnavailable(handle->Result(1).status()));
  CHECK(hosted.database.GetWorkflow("w", false)->status == WorkflowStatus::kPending);
}

TEST_CASE("host: destroying it with work under way is a shutdown", "[workflows][host]") {
  Hosted hosted;
  REQUIRE(hosted.host.Launch(kPatience).ok());
  for (int i = 0; i < 20; ++i) {
    REQUIRE(hosted.host.Start<std::string>("block", {}, i).ok());
    REQUIRE(hosted.host.Start<int>("wait", {}).ok());
  }
}

}  // namespace
}  // namespace holdfast::workflows
