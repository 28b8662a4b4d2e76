// Proves that the simulated venue's balances survive a restart of its process, and that a damaged
// file is refused instead of starting with other balances.

#include "apps/venue_state.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/base/clock.h"

namespace holdfast::sim {
namespace {

Decimal D(std::string_view text) { return *Decimal::Parse(text); }

class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hf_state_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string File(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

SimAccountConfig Account(const std::string& name) {
  return {.name = name,
          .balances = {{.asset = AssetCode("BTC"), .free = D("1"), .locked = {}},
                       {.asset = AssetCode("USDT"), .free = D("100"), .locked = {}}}};
}

TEST_CASE("venue state: balances survive a restart", "[apps][sim]") {
  Folder folder;
  const std::string path = folder.File("state.json");
  SimVenue venue({});
  const auto first = venue.AddAccount(Account("a"));
  REQUIRE(first.ok());
  REQUIRE(venue.AddAccount(Account("b")).ok());
  REQUIRE(venue.Deposit(*first, AssetCode("USDT"), D("-0.00000001")).ok());
  VenueStateFile file(path, venue, {"a", "b", "absent"});
  REQUIRE(file.Save().ok());

  const auto state = LoadVenueState(path);
  REQUIRE(state.ok());
  REQUIRE(state->accounts.size() == 2);
  SimAccountConfig account = Account("a");
  ApplyVenueState(*state, account);
  REQUIRE(account.balances.size() == 2);
  CHECK(account.balances[0].free == D("1"));
  CHECK(account.balances[1].free == D("99.99999999"));
  SimAccountConfig other = Account("c");
  ApplyVenueState(*state, other);
  CHECK(other.balances[1].free == D("100"));

  // Unchanged: not written again.
  std::filesystem::remove(path);
  REQUIRE(file.Save().ok());
  CHECK_FALSE(std::filesystem::exists(path));
  REQUIRE(venue.Deposit(*first, AssetCode("BTC"), D("1")).ok());
  REQUIRE(file.Save().ok());
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("venue state: an absent file is empty, a damaged one an error", "[apps][sim]") {
  Folder folder;
  const std::string path = folder.File("state.json");
  const auto absent = LoadVenueState(path);
  REQUIRE(absent.ok());
  CHECK(absent->accounts.empty());
  for (const std::string text :
       {"", "{", "{}", R"({"accounts":[{"name":"a"}]})",
        R"({"accounts":[{"name":"a","balances":[{"asset":"BTC","amount":"x"}]}]})",
        R"({"accounts":[{"name":"a","balances":[{"asset":"","amount":"1"}]}]})"}) {
    INFO(text);
    std::ofstream(path) << text;
    CHECK(absl::IsInvalidArgument(LoadVenueState(path).status()));
  }
}

TEST_CASE("venue state: a file that can't be written is an error", "[apps][sim]") {
  SimVenue venue({});
  REQUIRE(venue.AddAccount(Account("a")).ok());
  VenueStateFile file("/nonexistent-folder/state.json", venue, {"a"});
  CHECK(absl::IsUnavailable(file.Save()));
}

TEST_CASE("venue state: ids of a later start are above those of an earlier one", "[apps][sim]") {
  constexpr int64_t kNow = 1'700'000'000 * kNanosPerSecond;
  CHECK(FirstId(kNow + kNanosPerSecond) - FirstId(kNow) == 1'000'000);
  CHECK(FirstId(kNow) < int64_t{1} << 53);
}

}  // namespace
}  // namespace holdfast::sim
