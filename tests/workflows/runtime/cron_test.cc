// Proves that schedules fire when DBOS's do: expressions that its TypeScript SDK accepts and
// refuses, and the instants that it fires at, are fixtures (fixtures/generate.mjs). Beside that, a
// plain reference model tries every second around clock changes.
#include "workflows/runtime/cron.h"

#include <catch2/catch.hpp>
#include <string>

#include "absl/strings/str_format.h"
#include "engine/base/prng.h"
#include "fixture.h"

namespace holdfast::workflows {
namespace {

absl::Time Instant(const std::string& text) {
  const absl::StatusOr<absl::Time> time = ParseInstant(text);
  REQUIRE(time.ok());
  return *time;
}
CronExpression Cron(const std::string& text) {
  const absl::StatusOr<CronExpression> cron = CronExpression::Parse(text);
  CAPTURE(text);
  REQUIRE(cron.ok());
  return *cron;
}
absl::TimeZone Zone(const std::string& name) {
  const absl::StatusOr<absl::TimeZone> zone = ScheduleTimeZone(name);
  CAPTURE(name);
  REQUIRE(zone.ok());
  return *zone;
}

TEST_CASE("cron: the expressions that the SDK accepts are accepted", "[workflows][cron]") {
  for (const Json& row : ReadFixture("sdk_cron_expressions.json")) {
    const auto text = row["expression"].get<std::string>();
    CAPTURE(text);
    const absl::StatusOr<CronExpression> cron = CronExpression::Parse(text);
    CHECK(cron.ok() == row["accepted"].get<bool>());
    if (!cron.ok()) CHECK(cron.status().code() == absl::StatusCode::kInvalidArgument);
  }
}

TEST_CASE("cron: accidents of text replacement are refused", "[workflows][cron]") {
  for (const char* text : {"0 0 1 janfeb *", "0 0 1 1jan *", "1* * * * *", "55-62/10 * * * *",
                           "70-2/30 * * * *", "0 0 5-0 * *", "0 0 * * monday1", "0 0 * * 1mon"}) {
    CAPTURE(text);
    CHECK(CronExpression::Parse(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
  CHECK(CronExpression::Parse(std::string(kCronTextBytesMax + 1, ' ')).status().code() ==
        absl::StatusCode::kInvalidArgument);
  CHECK(CronExpression::Parse("61 * * * *").status().message() == "cron: not a minute: 61");
  CHECK(CronExpression::Parse("0 0 30 2 *").status().message() ==
        "cron: no such day in any such month: day of month=30 month=2");
}

TEST_CASE("cron: schedules fire at the instants of the SDK", "[workflows][cron]") {
  for (const Json& row : ReadFixture("sdk_cron_fires.json")) {
    const auto expression = row["expression"].get<std::string>();
    const auto zone = row["zone"].get<std::string>();
    const auto after = row["after"].get<std::string>();
    CAPTURE(expression, zone, after);
    const CronExpression cron = Cron(expression);
    absl::Time at = Instant(after);
    for (const Json& fire : row["fires"]) {
      const absl::StatusOr<absl::Time> next = cron.NextFire(Zone(zone), at);
      REQUIRE(next.ok());
      CHECK(FormatInstant(*next) == fire.get<std::string>());
      at = *next;
    }
    if (row["fires"].empty()) {
      CHECK(cron.NextFire(Zone(zone), at).status().code() == absl::StatusCode::kNotFound);
    }
  }
}

// The specification itself, slowly: the first later second whose local time matches.
absl::Time Reference(const CronExpression& cron, absl::TimeZone zone, absl::Time after,
                     absl::Time end) {
  absl::Time at = absl::FromUnixSeconds(absl::ToUnixSeconds(after) + 1);
  while (at < end && !cron.Matches(absl::ToCivilSecond(at, zone))) at += absl::Seconds(1);
  return at;
}

TEST_CASE("cron: around clock changes, as trying every second would", "[workflows][cron]") {
  // Two changes in one night, a change of half an hour, of two hours, over midnight, of a whole
  // day.
  const std::pair<const char*, const char*> nights[] = {
      {"America/New_York", "2026-03-08T04:00:00Z"},
      {"America/New_York", "2026-11-01T03:00:00Z"},
      {"Australia/Lord_Howe", "2026-04-04T12:00:00Z"},
      {"Antarctica/Troll", "2026-10-24T22:00:00Z"},
      {"America/Sao_Paulo", "2018-02-17T23:00:00Z"},
      {"America/St_Johns", "2010-11-07T01:00:00Z"},
      {"Pacific/Apia", "2011-12-30T08:00:00Z"},
      {"Africa/Casablanca", "2026-02-15T00:00:00Z"}};
  const uint64_t seed = 2026;
  CAPTURE(seed);
  Prng prng(seed);
  for (const auto& [name, start] : nights) {
    const absl::TimeZone zone = Zone(name);
    for (int i = 0; i < 25; ++i) {
      const std::string expression =
          absl::StrFormat("%d %d,%d %d-%d * * *", prng.Below(60), prng.Below(60), prng.Below(60),
                          prng.Below(4), prng.Between(20, 23));
      const absl::Time after = Instant(start) + absl::Milliseconds(prng.Below(6 * 3'600'000));
      const absl::Time end = after + absl::Hours(8);
      CAPTURE(name, expression, FormatInstant(after));
      const CronExpression cron = Cron(expression);
      const absl::StatusOr<absl::Time> next = cron.NextFire(zone, after);
      REQUIRE(next.ok());
      CHECK(std::min(*next, end) == std::min(Reference(cron, zone, after, end), end));
    }
  }
}

TEST_CASE("cron: fires ascend, match, and leave none out", "[workflows][cron]") {
  const uint64_t seed = 7;
  CAPTURE(seed);
  Prng prng(seed);
  const Json rows = ReadFixture("sdk_cron_expressions.json");
  const absl::TimeZone zone = Zone("Europe/Berlin");
  for (int i = 0; i < 400; ++i) {
    const Json& row = rows[prng.Below(rows.size())];
    const absl::StatusOr<CronExpression> cron =
        CronExpression::Parse(row["expression"].get<std::string>());
    if (!cron.ok()) continue;
    absl::Time at = absl::FromUnixSeconds(prng.Between(0, 4'000'000'000));
    CAPTURE(row["expression"].get<std::string>(), FormatInstant(at));
    for (int n = 0; n < 5; ++n) {
      const absl::StatusOr<absl::Time> next = cron->NextFire(zone, at);
      if (!next.ok()) break;
      CHECK(*next > at);
      CHECK(cron->Matches(absl::ToCivilSecond(*next, zone)));
      // From anywhere between, the same one comes next.
      const int64_t gap_s = absl::ToInt64Seconds(*next - at);
      const absl::Time between =
          at + absl::Seconds(prng.Below(gap_s)) + absl::Nanoseconds(prng.Below(1'000'000'000));
      CHECK(cron->NextFire(zone, between).value() == *next);
      at = *next;
    }
  }
}

TEST_CASE("cron: an expression that never matches says so within a bounded search",
          "[workflows][cron]") {
  for (const char* text : {"0 0 L-30 2 *", "0 0 1 * 1#2", "0 0 31W 2,4 *", "* * * 30,l-29 2 1#1"}) {
    CAPTURE(text);
    CHECK(Cron(text)
              .NextFire(Zone("America/New_York"), Instant("2026-01-01T00:00:00Z"))
              .status()
              .code() == absl::StatusCode::kNotFound);
  }
}

TEST_CASE("cron: the search has a beginning and an end of time", "[workflows][cron]") {
  const CronExpression cron = Cron("* * * * * *");
  const absl::TimeZone zone = Zone("");
  for (const char* text :
       {"1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-12-31T23:59:59Z"}) {
    CHECK(cron.NextFire(zone, Instant(text)).status().code() == absl::StatusCode::kOutOfRange);
  }
  for (const absl::Time time : {absl::InfiniteFuture(), absl::InfinitePast()}) {
    CHECK(cron.NextFire(zone, time).status().code() == absl::StatusCode::kOutOfRange);
  }
  CHECK(FormatInstant(*cron.NextFire(zone, Instant("2199-12-31T23:59:59.999Z"))) ==
        "2200-01-01T00:00:00.000Z");
  CHECK(FormatInstant(
            *Cron("0 0 1 1 *").NextFire(Zone("Asia/Tokyo"), Instant("2199-12-31T00:00:00Z"))) ==
        "2199-12-31T15:00:00.000Z");
}

TEST_CASE("cron: time zones come from the shared table only", "[workflows][cron]") {
  for (const char* name : {"UTC", "Etc/GMT+12", "America/Argentina/Buenos_Aires", "Europe/Berlin",
                           "America/Port-au-Prince", "GB"}) {
    CHECK(ScheduleTimeZone(name).ok());
  }
  CHECK(*ScheduleTimeZone("") == absl::UTCTimeZone());
  for (const char* name :
       {"Mars/Olympus", "europe/berlin", "/etc/localtime", "../../etc/passwd", "Europe/../UTC", ".",
        "localtime", "posixrules", "right/UTC", "posix/UTC", "libc:localtime", "Fixed/UTC+05:30:00",
        "Europe/", "Europe", "+05:30", "tzdata.zi", " UTC", "UTC\n"}) {
    CAPTURE(name);
    CHECK(ScheduleTimeZone(name).status().code() == absl::StatusCode::kInvalidArgument);
  }
  CHECK_FALSE(ScheduleTimeZone(std::string("UTC\0", 4)).ok());
  CHECK_FALSE(ScheduleTimeZone(std::string(1000, 'A')).ok());
}

TEST_CASE("cron: instants and workflow ids are written as the SDK writes them",
          "[workflows][cron]") {
  const absl::Time time = absl::FromUnixMillis(1'795'250'000'007) + absl::Nanoseconds(999'999);
  CHECK(FormatInstant(time) == "2026-11-21T08:33:20.007Z");
  CHECK(FormatInstant(absl::UnixEpoch()) == "1970-01-01T00:00:00.000Z");
  CHECK(ScheduledWorkflowId("nightly", absl::UnixEpoch()) ==
        "sched-nightly-1970-01-01T00:00:00.000Z");
  CHECK(TriggeredWorkflowId("nightly", absl::UnixEpoch()) ==
        "sched-nightly-trigger-1970-01-01T00:00:00.000Z");
  CHECK(Instant("2026-11-21T09:33:20.007+01:00") == absl::FromUnixMillis(1'795'250'000'007));
  for (const char* text : {"", "now", "2026-11-21", "2026-13-01T00:00:00Z", "2026-11-21T08:33:20",
                           "2026-11-21T08:33:20Zx", "infinite-future"}) {
    CAPTURE(text);
    CHECK(ParseInstant(text).status().code() == absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace holdfast::workflows
