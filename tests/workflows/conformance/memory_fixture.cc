#include "engine/base/clock.h"
#include "nlohmann/json.hpp"
#include "tests/workflows/conformance/journal_fixture.h"
#include "workflows/runtime/memory_journal.h"
#include "workflows/runtime/simulated_reactor.h"

namespace holdfast::workflows {
namespace {

class MemoryFixture final : public JournalFixture {
 public:
  MemoryFixture() : reactor_(clock_), database_(clock_) {
    database_.RegisterSink("notes", [this](const std::string& text) -> absl::Status {
      const auto row = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
      if (!row.is_object() || !row.contains("note")) {
        return absl::InvalidArgumentError("a note has no text");
      }
      notes_.push_back(row["note"]);
      return absl::OkStatus();
    });
  }
  ~MemoryFixture() override { database_.CheckInvariants(); }

  Reactor& reactor() override { return reactor_; }
  std::unique_ptr<Journal> NewJournal() override {
    return std::make_unique<MemoryJournal>(database_, reactor_);
  }
  void Turn() override { reactor_.RunOnce(kNanosPerMilli); }
  void Elapse(int64_t duration_ms) override { reactor_.RunFor(duration_ms * kNanosPerMilli); }
  std::vector<std::string> Notes() override { return notes_; }

 private:
  ManualClock clock_;
  SimulatedReactor reactor_;
  MemoryDatabase database_;
  std::vector<std::string> notes_;
};

}  // namespace

std::unique_ptr<JournalFixture> MakeJournalFixture() { return std::make_unique<MemoryFixture>(); }

}  // namespace holdfast::workflows
