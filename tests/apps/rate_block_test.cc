// Proves that the venue's order to be quiet, met before the service has so much as connected, is
// written down at once, and that a restart keeps quiet. The connector talks to a scripted server on
// a thread of its own.

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>

#include "apps/rate_block_file.h"
#include "apps/venue_factory.h"
#include "connectors/net/text.h"
#include "engine/base/clock.h"
#include "tests/connectors/net/stub_server.h"

namespace holdfast {
namespace {

// Answers every request with a refusal.
class RefusingVenue {
 public:
  explicit RefusingVenue(int status) {
    server_.on_request = [this, status](const testing::StubRequest&) -> testing::StubReply {
      ++request_count_;
      return {.status = status,
              .body = R"({"code":-1003,"msg":"Too much request weight used."})",
              .headers = {{"Retry-After", "120"}}};
    };
    thread_ = std::thread([this] {
      while (!is_ending_) {
        if (server_.Poll() == 0) std::this_thread::yield();
      }
    });
  }
  ~RefusingVenue() {
    is_ending_ = true;
    thread_.join();
  }
  std::string url() const { return server_.HttpUrl(); }
  int request_count() const { return request_count_; }

 private:
  testing::StubServer server_;
  std::atomic<int> request_count_{0};
  std::atomic<bool> is_ending_{false};
  std::thread thread_;
};

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hf_block_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

absl::Status FetchOnce(const Settings& settings, Clock& clock) {
  const auto connector = MakeVenueConnector(settings, clock);
  REQUIRE(connector.ok());
  return (*connector)->FetchInstrument().status();
}

TEST_CASE("rate block: one met at the first request is kept for the next start", "[apps][limits]") {
  const int status = GENERATE(429, 418);
  RefusingVenue venue(status);
  Folder folder;
  SystemClock clock;
  Settings settings;
  settings.venue_name = "binance";
  settings.quoting_symbol = "BTCUSDT";
  settings.venue_rest_url = venue.url();
  settings.service_state_dir = folder.path();
  CHECK(absl::IsUnavailable(FetchOnce(settings, clock)));
  CHECK(venue.request_count() == 1);
  const RateBlock saved = LoadRateBlock(Concat(folder.path(), "/rate_block"));
  CHECK(saved.not_before_wall_ns > clock.WallNs() + 60 * kNanosPerSecond);
  CHECK(saved.is_ban == (status == 418));

  const absl::Status restarted = FetchOnce(settings, clock);
  CHECK(absl::IsUnavailable(restarted));
  CHECK(restarted.message().find("the venue told us to be quiet for another") !=
        absl::string_view::npos);
  CHECK(venue.request_count() == 1);
}

}  // namespace
}  // namespace holdfast
