#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace holdfast::workflows {

// A cron expression as DBOS's schedules have them (TypeScript SDK 5.3.0):
//
//   [second] minute hour day-of-month month day-of-week
//
//   field   = item *("," item)
//   item    = "*" ["/" step] | value | value "-" value ["/" step]
//   month   also jan..dec, january..december; day-of-week also sun..sat, sunday..saturday, 7 = 0
//   day-of-month also L (last day), L-n (n days before it), nW (the day from Monday to Friday
//           nearest to day n within the month), LW (the last one of the month), and ? for *
//   day-of-week also n#m (the m-th such day of the month), nL (the last one), and ? for *
//
// A range whose end lies before its start goes on over the field's upper bound (22-2). Without a
// seconds field the second is 0. @yearly, @annually, @monthly, @weekly, @daily, @midnight and
// @hourly stand for their expressions. Letters of either case. A time matches when all six fields
// do: unlike in Unix cron, day-of-month and day-of-week are not alternatives.
//
// The SDK reads its fields by text replacement and so accepts some accidents; these are refused
// here: names glued to other text (janfeb), a star glued to digits (1*), ends of a range outside of
// the field (55-62/10).
class CronExpression {
 public:
  // kInvalidArgument names the field and the item. A day that no chosen month has (30 in February)
  // is refused here; other expressions that never match are found by NextFire.
  [[nodiscard]] static absl::StatusOr<CronExpression> Parse(std::string_view text);

  // The first instant strictly after `after`, on a whole second, whose local time matches. A local
  // time that a clock change repeats matches twice, one that it skips not at all.
  //
  // Errors: kNotFound when there is none within kCronHorizonDays; kOutOfRange when `after` lies
  // outside of the years 1970 to 2199, for which time zones are known.
  [[nodiscard]] absl::StatusOr<absl::Time> NextFire(absl::TimeZone zone, absl::Time after) const;

  bool Matches(absl::CivilSecond local) const;

 private:
  // Days of the month by rule instead of by number.
  struct MonthDayRule {
    enum class Kind : uint8_t { kLast, kLastMinus, kLastWeekday, kNearestWeekday };
    Kind kind = Kind::kLast;
    int number = 0;  // n of L-n and of nW
  };
  struct WeekDayRule {
    int day = 0;  // Sunday is 0
    int nth = 0;  // 1 to 5; 0: the last
  };
  friend class CronParser;

  bool MatchesDay(absl::CivilDay day) const;
  bool MatchesMonthDay(absl::CivilDay day) const;
  bool MatchesWeekDay(absl::CivilDay day) const;
  // The first match in [from, end), if any.
  bool FirstMatch(absl::CivilSecond from, absl::CivilSecond end, absl::CivilSecond* match) const;

  // One bit for each value of the field.
  uint64_t seconds_ = 0;
  uint64_t minutes_ = 0;
  uint64_t hours_ = 0;
  uint64_t month_days_ = 0;
  uint64_t months_ = 0;
  uint64_t week_days_ = 0;
  std::vector<MonthDayRule> month_day_rules_;
  std::vector<WeekDayRule> week_day_rules_;
};

// A schedule that does not fire within a century never does.
inline constexpr int kCronHorizonDays = 366 * 100;
inline constexpr size_t kCronTextBytesMax = 1024;

// A time zone by its IANA name; an empty name is UTC. (The SDK takes the process's own zone then;
// this runtime reads nothing from its environment.) kInvalidArgument for a name that the system's
// table does not have; names are case-sensitive.
[[nodiscard]] absl::StatusOr<absl::TimeZone> ScheduleTimeZone(std::string_view name);

// "2026-11-21T08:32:05.000Z": how the tables write instants. Finer parts are cut off.
// REQUIRES: a year from 0 to 9999.
std::string FormatInstant(absl::Time time);
// RFC 3339, any offset.
[[nodiscard]] absl::StatusOr<absl::Time> ParseInstant(std::string_view text);

// The workflow id of a schedule's firing: every executor mints the same, so it starts once.
std::string ScheduledWorkflowId(std::string_view schedule_name, absl::Time fire_time);
// The same for a firing that an operator asked for.
std::string TriggeredWorkflowId(std::string_view schedule_name, absl::Time trigger_time);

}  // namespace holdfast::workflows
