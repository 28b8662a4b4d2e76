#include "workflows/runtime/cron.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "engine/base/assert.h"
#include "engine/base/status_macros.h"
#include "workflows/runtime/text.h"

namespace holdfast::workflows {
namespace {

constexpr size_t kTimeZoneNameBytesMax = 64;
constexpr std::string_view kInstantFormat = "%E4Y-%m-%dT%H:%M:%E3SZ";

struct Nickname {
  std::string_view name;
  std::string_view expression;
};
constexpr auto kNicknames = std::to_array<Nickname>({
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
});

constexpr auto kMonthNames =
    std::to_array<std::string_view>({"january", "february", "march", "april", "may", "june", "july",
                                     "august", "september", "october", "november", "december"});
constexpr auto kWeekDayNames = std::to_array<std::string_view>(
    {"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"});
constexpr size_t kShortNameSize = 3;

struct Field {
  std::string_view title;
  int min = 0;
  int max = 0;
  int last_input = 0;  // the greatest number that may be written: 7 is a second name of Sunday
};
constexpr Field kSecond{"second", 0, 59, 59};
constexpr Field kMinute{"minute", 0, 59, 59};
constexpr Field kHour{"hour", 0, 23, 23};
constexpr Field kMonthDay{"day of month", 1, 31, 31};
constexpr Field kMonth{"month", 1, 12, 12};
constexpr Field kWeekDay{"day of week", 0, 6, 7};

constexpr int kDaysPerWeek = 7;
constexpr int kWeeksPerMonthMax = 5;

// The longest that each month can be.
constexpr auto kMonthLengths = std::to_array<int>({31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31});

bool HasBit(uint64_t mask, int bit) { return (mask >> bit & 1) != 0; }

// The first set bit at or above `from`; nullopt when there is none.
std::optional<int> NextBit(uint64_t mask, int from) {
  if (from >= 64) return std::nullopt;
  const uint64_t rest = mask >> from << from;
  if (rest == 0) return std::nullopt;
  return __builtin_ctzll(rest);
}

absl::CivilDay LastDayOfMonth(absl::CivilDay day) {
  return absl::CivilDay(absl::CivilMonth(day) + 1) - 1;
}

// Sunday is 0.
int WeekDayOf(absl::CivilDay day) {
  return (static_cast<int>(absl::GetWeekday(day)) + 1) % kDaysPerWeek;
}

// The day from Monday to Friday nearest to the month's day `number`, without leaving the month;
// nullopt when the month has no such day.
std::optional<absl::CivilDay> NearestWeekday(absl::CivilDay month, int number) {
  const absl::CivilDay last = LastDayOfMonth(month);
  if (number > last.day()) return std::nullopt;
  const absl::CivilDay target(month.year(), month.month(), number);
  switch (absl::GetWeekday(target)) {
    case absl::Weekday::saturday:
      return number == 1 ? target + 2 : target - 1;
    case absl::Weekday::sunday:
      return target == last ? target - 2 : target + 1;
    case absl::Weekday::monday:
    case absl::Weekday::tuesday:
    case absl::Weekday::wednesday:
    case absl::Weekday::thursday:
    case absl::Weekday::friday:
      break;
  }
  return target;
}

bool IsDigits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// A whole number; nullopt when the text is none. What is too large for any field becomes kTooLarge.
constexpr int kTooLarge = 1'000'000;
std::optional<int> ParseNumber(std::string_view text) {
  if (!IsDigits(text)) return std::nullopt;
  const size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
  int number = 0;
  if (!absl::SimpleAtoi(AbslView(text.substr(first)), &number) || number > kTooLarge)
    return kTooLarge;
  return number;
}

}  // namespace

// Reads the fields of one expression, lower case, into the masks and rules of a CronExpression.
class CronParser {
 public:
  absl::StatusOr<CronExpression> Parse(const std::vector<std::string>& fields) && {
    HF_ASSERT(fields.size() == 6);
    HF_RETURN_IF_ERROR(ParseField(kSecond, fields[0], cron_.seconds_));
    HF_RETURN_IF_ERROR(ParseField(kMinute, fields[1], cron_.minutes_));
    HF_RETURN_IF_ERROR(ParseField(kHour, fields[2], cron_.hours_));
    HF_RETURN_IF_ERROR(ParseField(kMonthDay, fields[3], cron_.month_days_));
    HF_RETURN_IF_ERROR(ParseField(kMonth, fields[4], cron_.months_));
    HF_RETURN_IF_ERROR(ParseField(kWeekDay, fields[5], cron_.week_days_));
    if (!HasPossibleDay()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "cron: no such day in any such month: day of month=", fields[3], " month=", fields[4]));
    }
    return std::move(cron_);
  }

 private:
  using MonthDayRule = CronExpression::MonthDayRule;
  using WeekDayRule = CronExpression::WeekDayRule;

  absl::Status ParseField(const Field& field, std::string_view text, uint64_t& mask) {
    const bool is_day = &field == &kMonthDay || &field == &kWeekDay;
    if (is_day && text == "?") text = "*";
    for (const absl::string_view part : absl::StrSplit(AbslView(text), ',')) {
      const std::string_view item = StdView(part);
      if (&field == &kMonthDay && ParseMonthDayRule(item)) continue;
      if (&field == &kWeekDay && ParseWeekDayRule(item)) continue;
      if (!ParseItem(field, item, mask)) {
        return absl::InvalidArgumentError(
            absl::StrCat("cron: not a ", AbslView(field.title), ": ", part.substr(0, 64)));
      }
    }
    return absl::OkStatus();
  }

  // A number of the field or a name for one.
  static std::optional<int> ParseValue(const Field& field, std::string_view text) {
    const auto find = [text](const auto& names) -> std::optional<int> {
      for (size_t i = 0; i < names.size(); ++i) {
        if (text == names[i] || text == names[i].substr(0, kShortNameSize)) {
          return static_cast<int>(i);
        }
      }
      return std::nullopt;
    };
    if (&field == &kMonth) {
      if (const auto index = find(kMonthNames); index.has_value()) return *index + 1;
    }
    if (&field == &kWeekDay) {
      if (const auto index = find(kWeekDayNames); index.has_value()) return index;
    }
    const std::optional<int> number = ParseNumber(text);
    if (!number.has_value() || *number < field.min || *number > field.last_input) {
      return std::nullopt;
    }
    return number;
  }

  static bool ParseItem(const Field& field, std::string_view item, uint64_t& mask) {
    int step = 1;
    const size_t slash = item.find('/');
    if (slash != std::string_view::npos) {
      const std::optional<int> parsed = ParseNumber(item.substr(slash + 1));
      if (!parsed.has_value() || *parsed < 1) return false;
      step = *parsed;
      item = item.substr(0, slash);
    }
    if (item == "*") {
      SetRange(field, field.min, field.max, step, mask);
      return true;
    }
    const size_t dash = item.find('-');
    if (dash == std::string_view::npos) {
      const std::optional<int> value = ParseValue(field, item);
      if (!value.has_value() || slash != std::string_view::npos) return false;
      SetRange(field, *value, *value, step, mask);
      return true;
    }
    const std::optional<int> first = ParseValue(field, item.substr(0, dash));
    const std::optional<int> last = ParseValue(field, item.substr(dash + 1));
    if (!first.has_value() || !last.has_value()) return false;
    SetRange(field, *first, *last, step, mask);
    return true;
  }

  // Every `step`-th value from `first` to `last`, over the upper bound when `last` is less.
  static void SetRange(const Field& field, int first, int last, int step, uint64_t& mask) {
    const int size = field.max - field.min + 1;
    const int span = last >= first ? last - first : (last - first + size) % size;
    for (int offset = 0; offset <= span; offset += step) {
      int value = first + offset;
      if (value > field.max) value -= size;
      HF_ASSERT(value >= field.min);
      HF_ASSERT(value <= field.max);
      mask |= uint64_t{1} << value;
    }
  }

  // L, L-n, LW, nW.
  bool ParseMonthDayRule(std::string_view item) {
    if (item == "l" || item == "lw") {
      const auto kind = item == "l" ? MonthDayRule::Kind::kLast : MonthDayRule::Kind::kLastWeekday;
      cron_.month_day_rules_.push_back({kind, 0});
      return true;
    }
    const bool is_offset = item.starts_with("l-");
    if (!is_offset && !item.ends_with("w")) return false;
    item = is_offset ? item.substr(2) : item.substr(0, item.size() - 1);
    const std::optional<int> number = ParseNumber(item);
    const int number_max = is_offset ? kMonthDay.max - 1 : kMonthDay.max;
    if (!number.has_value() || item.size() > 2 || *number < 1 || *number > number_max) return false;
    cron_.month_day_rules_.push_back(
        {is_offset ? MonthDayRule::Kind::kLastMinus : MonthDayRule::Kind::kNearestWeekday,
         *number});
    return true;
  }

  // n#m, nL.
  bool ParseWeekDayRule(std::string_view item) {
    int nth = 0;
    const size_t hash = item.find('#');
    if (hash != std::string_view::npos) {
      const std::optional<int> parsed = ParseNumber(item.substr(hash + 1));
      if (item.size() != hash + 2 || !parsed.has_value() || *parsed < 1 ||
          *parsed > kWeeksPerMonthMax) {
        return false;
      }
      nth = *parsed;
      item = item.substr(0, hash);
    } else if (item.ends_with("l")) {
      item.remove_suffix(1);
    } else {
      return false;
    }
    const std::optional<int> day = ParseValue(kWeekDay, item);
    const bool is_long_number = IsDigits(item) && item.size() != 1;
    if (!day.has_value() || is_long_number) return false;
    cron_.week_day_rules_.push_back({*day % kDaysPerWeek, nth});
    return true;
  }

  bool HasPossibleDay() const {
    if (!cron_.month_day_rules_.empty()) return true;
    for (int month = kMonth.min; month <= kMonth.max; ++month) {
      const std::optional<int> first_day = NextBit(cron_.month_days_, kMonthDay.min);
      if (HasBit(cron_.months_, month) && first_day.has_value() &&
          *first_day <= kMonthLengths[static_cast<size_t>(month - 1)]) {
        return true;
      }
    }
    return false;
  }

  CronExpression cron_;
};

absl::StatusOr<CronExpression> CronExpression::Parse(std::string_view text) {
  if (text.size() > kCronTextBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("cron: too long: size_bytes=", text.size()));
  }
  std::string lower = absl::AsciiStrToLower(absl::StripAsciiWhitespace(AbslView(text)));
  for (const Nickname& nickname : kNicknames) {
    if (lower == nickname.name) lower = nickname.expression;
  }
  for (const char c : lower) {
    if (!absl::ascii_isalnum(c) && !absl::StrContains("-*/,#? ", c)) {
      return absl::InvalidArgumentError("cron: a character has no meaning here");
    }
  }
  std::vector<std::string> fields = absl::StrSplit(lower, ' ', absl::SkipEmpty());
  if (fields.size() == 5) fields.insert(fields.begin(), "0");
  if (fields.size() != 6) {
    return absl::InvalidArgumentError(
        absl::StrCat("cron: expected 5 or 6 fields: count=", fields.size()));
  }
  return CronParser().Parse(fields);
}

bool CronExpression::MatchesMonthDay(absl::CivilDay day) const {
  if (HasBit(month_days_, day.day())) return true;
  const absl::CivilDay last = LastDayOfMonth(day);
  for (const MonthDayRule& rule : month_day_rules_) {
    switch (rule.kind) {
      case MonthDayRule::Kind::kLast:
        if (day == last) return true;
        break;
      case MonthDayRule::Kind::kLastMinus:
        if (day == last - rule.number) return true;
        break;
      case MonthDayRule::Kind::kLastWeekday:
        if (NearestWeekday(day, last.day()) == day) return true;
        break;
      case MonthDayRule::Kind::kNearestWeekday:
        if (NearestWeekday(day, rule.number) == day) return true;
        break;
    }
  }
  return false;
}

bool CronExpression::MatchesWeekDay(absl::CivilDay day) const {
  const int week_day = WeekDayOf(day);
  if (HasBit(week_days_, week_day)) return true;
  for (const WeekDayRule& rule : week_day_rules_) {
    if (rule.day != week_day) continue;
    const bool is_last = day + kDaysPerWeek > LastDayOfMonth(day);
    const int nth = (day.day() - 1) / kDaysPerWeek + 1;
    if (rule.nth == 0 ? is_last : rule.nth == nth) return true;
  }
  return false;
}

bool CronExpression::MatchesDay(absl::CivilDay day) const {
  return HasBit(months_, day.month()) && MatchesMonthDay(day) && MatchesWeekDay(day);
}

bool CronExpression::Matches(absl::CivilSecond local) const {
  return HasBit(seconds_, local.second()) && HasBit(minutes_, local.minute()) &&
         HasBit(hours_, local.hour()) && MatchesDay(absl::CivilDay(local));
}

bool CronExpression::FirstMatch(absl::CivilSecond from, absl::CivilSecond end,
                                absl::CivilSecond* match) const {
  // Each turn leaves `at` on a match or moves it to the start of the next candidate unit.
  absl::CivilSecond at = from;
  while (at < end) {
    const absl::CivilDay day(at);
    if (!HasBit(months_, at.month())) {
      at = absl::CivilSecond(absl::CivilMonth(at) + 1);
      continue;
    }
    const std::optional<int> hour = NextBit(hours_, at.hour());
    if (!hour.has_value() || !MatchesDay(day)) {
      at = absl::CivilSecond(day + 1);
      continue;
    }
    if (*hour != at.hour()) at = absl::CivilSecond(absl::CivilHour(day) + *hour);
    const std::optional<int> minute = NextBit(minutes_, at.minute());
    if (!minute.has_value()) {
      at = absl::CivilSecond(absl::CivilHour(at) + 1);
      continue;
    }
    if (*minute != at.minute()) at = absl::CivilSecond(absl::CivilHour(at)) + *minute * 60;
    const std::optional<int> second = NextBit(seconds_, at.second());
    if (!second.has_value()) {
      at = absl::CivilSecond(absl::CivilMinute(at) + 1);
      continue;
    }
    at += *second - at.second();
    if (at >= end) return false;
    *match = at;
    return true;
  }
  return false;
}

absl::StatusOr<absl::Time> CronExpression::NextFire(absl::TimeZone zone, absl::Time after) const {
  const absl::TimeZone utc = absl::UTCTimeZone();
  if (after < absl::FromCivil(absl::CivilYear(1970), utc) ||
      after >= absl::FromCivil(absl::CivilYear(2200), utc)) {
    return absl::OutOfRangeError("cron: no time zones are known for this time");
  }
  absl::Time at = absl::FromUnixSeconds(absl::ToUnixSeconds(after) + 1);
  const absl::Time horizon = at + absl::Hours(24) * kCronHorizonDays;
  // From one clock change to the next local time runs with the instants.
  while (at < horizon) {
    absl::Time change = horizon;
    absl::TimeZone::CivilTransition transition;
    if (zone.NextTransition(at, &transition)) {
      change = std::min(horizon, zone.At(transition.to).trans);
    }
    const absl::TimeZone::CivilInfo local = zone.At(at);
    absl::CivilSecond match;
    if (FirstMatch(local.cs, local.cs + absl::ToInt64Seconds(change - at), &match)) {
      return at + absl::Seconds(match - local.cs);
    }
    HF_ASSERT(change > at);
    at = change;
  }
  return absl::NotFoundError("cron: never matches");
}

absl::StatusOr<absl::TimeZone> ScheduleTimeZone(std::string_view name) {
  if (name.empty()) return absl::UTCTimeZone();
  // Only names of the shared table: no paths, no files of this machine.
  bool is_name = name.size() <= kTimeZoneNameBytesMax && absl::ascii_isalpha(name.front());
  for (size_t i = 0; i < name.size(); ++i) {
    is_name = is_name && (absl::ascii_isalnum(name[i]) || absl::StrContains("_+-/", name[i]));
    is_name = is_name && (name[i] != '/' || absl::ascii_isalpha(name.back()) ||
                          absl::ascii_isdigit(name.back()));
  }
  const bool is_local = name == "localtime" || name == "posixrules" || name.starts_with("posix/") ||
                        name.starts_with("right/");
  absl::TimeZone zone;
  if (!is_name || is_local || !absl::LoadTimeZone(AbslView(name), &zone)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "time zone is not known: name=", AbslView(name.substr(0, kTimeZoneNameBytesMax))));
  }
  return zone;
}

std::string FormatInstant(absl::Time time) {
  return absl::FormatTime(AbslView(kInstantFormat), time, absl::UTCTimeZone());
}

absl::StatusOr<absl::Time> ParseInstant(std::string_view text) {
  absl::Time time;
  std::string error;
  if (text.size() > kTimeZoneNameBytesMax ||
      !absl::ParseTime(absl::RFC3339_full, AbslView(text), &time, &error) ||
      time == absl::InfiniteFuture() || time == absl::InfinitePast()) {
    return absl::InvalidArgumentError(
        absl::StrCat("not an RFC 3339 time: ", AbslView(text.substr(0, 64))));
  }
  return time;
}

std::string ScheduledWorkflowId(std::string_view schedule_name, absl::Time fire_time) {
  return absl::StrCat("sched-", AbslView(schedule_name), "-", FormatInstant(fire_time));
}

std::string TriggeredWorkflowId(std::string_view schedule_name, absl::Time trigger_time) {
  return absl::StrCat("sched-", AbslView(schedule_name), "-trigger-", FormatInstant(trigger_time));
}

}  // namespace holdfast::workflows
