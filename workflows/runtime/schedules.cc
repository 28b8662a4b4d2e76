#include "workflows/runtime/schedules.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "workflows/runtime/cron.h"
#include "workflows/runtime/payload.h"
#include "workflows/runtime/run_services.h"
#include "workflows/runtime/runtime.h"

namespace holdfast::workflows::internal {
namespace {

// Firings of one instant by many executors are spread by this part of the interval, bounded.
constexpr double kJitterFraction = 0.1;
constexpr double kJitterSecondsMax = 10;
// Timers are set in legs, so that a jump of the wall clock is noticed.
constexpr absl::Duration kLegMax = absl::Minutes(1);

absl::StatusOr<absl::Time> NextFire(const ScheduleRecord& record, absl::Time after) {
  HF_ASSIGN_OR_RETURN(CronExpression cron, CronExpression::Parse(record.cron));
  HF_ASSIGN_OR_RETURN(absl::TimeZone zone, ScheduleTimeZone(record.cron_time_zone.value_or("")));
  return cron.NextFire(zone, after);
}

// The context as whoever made the schedule wrote it.
Json ContextOf(const ScheduleRecord& record) {
  for (const PayloadFormat format : {PayloadFormat::kSuperjson, PayloadFormat::kPortableJson}) {
    absl::StatusOr<Json> value = DecodeValue(format, record.context);
    if (value.ok()) return *std::move(value);
  }
  return nullptr;
}

bool IsSameTiming(const ScheduleRecord& a, const ScheduleRecord& b) {
  return a.cron == b.cron && a.cron_time_zone == b.cron_time_zone;
}

}  // namespace

ScheduleRunner::ScheduleRunner(Runtime& runtime, Reactor& reactor, Journal& journal, Prng& prng)
    : runtime_(runtime), reactor_(reactor), journal_(journal), prng_(prng) {}

ScheduleRunner::~ScheduleRunner() { Stop(); }

absl::Time ScheduleRunner::Now() const { return absl::FromUnixNanos(reactor_.clock().WallNs()); }

void ScheduleRunner::Stop() {
  ++session_;
  for (const auto& schedule : schedules_) {
    if (schedule->timer.has_value()) reactor_.CancelTimer(*schedule->timer);
  }
  schedules_.clear();
}

void ScheduleRunner::Refresh() {
  journal_.ListSchedules(IfAlive(is_alive_, [this, session = session_](auto records) {
    OnListed(session, std::move(records));
  }));
}

void ScheduleRunner::OnListed(uint64_t session,
                              absl::StatusOr<std::vector<ScheduleRecord>> records) {
  if (session != session_) return;
  if (!records.ok()) return runtime_.observer_.OnTrouble("list schedules", records.status());
  std::erase_if(*records, [this](const ScheduleRecord& record) {
    const std::string& application = runtime_.options_.application_name;
    const bool is_of_another = record.application_name.has_value() && !application.empty() &&
                               *record.application_name != application;
    return record.status != ScheduleStatus::kActive || is_of_another ||
           !runtime_.IsRegistered(record.workflow_name);
  });
  // What is not in the list any more, or paused, fires no more.
  std::erase_if(schedules_, [&](const std::unique_ptr<Schedule>& schedule) {
    const bool stays = std::any_of(records->begin(), records->end(), [&](const auto& record) {
      return record.name == schedule->record.name && IsSameTiming(record, schedule->record);
    });
    if (!stays && schedule->timer.has_value()) reactor_.CancelTimer(*schedule->timer);
    return !stays;
  });
  for (ScheduleRecord& record : *records) Take(std::move(record));
}

void ScheduleRunner::Take(ScheduleRecord record) {
  if (record.is_backfilled) Backfill(record);
  for (const auto& schedule : schedules_) {
    if (schedule->record.name != record.name) continue;
    schedule->record = std::move(record);
    return;
  }
  auto schedule = std::make_unique<Schedule>();
  schedule->record = std::move(record);
  Plan(*schedule, Now());
  schedules_.push_back(std::move(schedule));
}

// Sets the timer for the first instant after `after`.
void ScheduleRunner::Plan(Schedule& schedule, absl::Time after) {
  const absl::StatusOr<absl::Time> next = NextFire(schedule.record, after);
  if (!next.ok()) {
    return runtime_.observer_.OnTrouble(absl::StrCat("schedule ", schedule.record.name),
                                        next.status());
  }
  schedule.next_fire = *next;
  double jitter_s = 0;
  if (const absl::StatusOr<absl::Time> following = NextFire(schedule.record, *next);
      following.ok()) {
    const double interval_s = absl::ToDoubleSeconds(*following - *next);
    jitter_s = prng_.Unit() * std::min(interval_s * kJitterFraction, kJitterSecondsMax);
  }
  Arm(schedule, *next + absl::Seconds(jitter_s));
}

void ScheduleRunner::Arm(Schedule& schedule, absl::Time due) {
  const absl::Duration wait = std::clamp(due - Now(), absl::ZeroDuration(), kLegMax);
  // Rounded up: at a timer that is early by less than a nanosecond it would not be due yet.
  const int64_t wait_ns = absl::ToInt64Nanoseconds(wait) + 1;
  schedule.timer = reactor_.CallAfter(wait_ns, [this, &schedule, due] {
    schedule.timer.reset();
    if (Now() < due) return Arm(schedule, due);
    const absl::Time time = schedule.next_fire;
    Fire(schedule.record, time, ScheduledWorkflowId(schedule.record.name, time), nullptr);
    // After a long standstill the instants in between are backfill's business.
    Plan(schedule, std::max(time, Now() - kLegMax));
  });
}

// Enqueues what should have been fired since the last recorded firing.
void ScheduleRunner::Backfill(const ScheduleRecord& record) {
  if (!record.last_fired_at.has_value()) return;
  absl::StatusOr<absl::Time> time = ParseInstant(*record.last_fired_at);
  for (int32_t count = 0; count < runtime_.options_.backfill_count_max; ++count) {
    if (time.ok()) time = NextFire(record, *time);
    if (!time.ok() || *time > Now()) return;
    Fire(record, *time, ScheduledWorkflowId(record.name, *time), nullptr);
  }
}

void ScheduleRunner::Fire(const ScheduleRecord& record, absl::Time time, std::string id,
                          Reply<StartedWorkflow> reply) {
  Arguments arguments;
  arguments.positional = {Json(FormatInstant(time)), ContextOf(record)};
  absl::StatusOr<std::string> inputs = EncodeArguments(PayloadFormat::kPortableJson, arguments);
  HF_ASSERT(inputs.ok());  // both parts were read from text
  const bool is_regular = !reply;
  StartOptions options;
  options.id = std::move(id);
  StartRequest request;
  request.workflow = runtime_.MakeWorkflow(record.workflow_name, options, *std::move(inputs));
  if (record.workflow_class_name.has_value()) {
    request.workflow.class_name = record.workflow_class_name;
  }
  request.workflow.schedule_name = record.name;
  request.workflow.queue_name = record.queue_name.value_or(std::string(kInternalQueueName));
  if (!is_regular) return runtime_.EnqueueWorkflow(std::move(request), std::move(reply));
  runtime_.EnqueueWorkflow(
      std::move(request),
      IfAlive(is_alive_, [this, name = record.name, time](absl::StatusOr<StartedWorkflow> started) {
        if (!started.ok()) {
          return runtime_.observer_.OnTrouble(absl::StrCat("schedule ", name), started.status());
        }
        // Durable is the firing; the note of it may be late, the id keeps it from happening twice.
        journal_.RecordScheduleFired(name, FormatInstant(time),
                                     IfAlive(is_alive_, [](const absl::Status&) {}));
      }));
}

void ScheduleRunner::Trigger(std::string name, Reply<StartedWorkflow> reply) {
  journal_.ListSchedules(
      IfAlive(is_alive_, [this, name = std::move(name), reply = std::move(reply)](
                             absl::StatusOr<std::vector<ScheduleRecord>> records) mutable {
        if (!records.ok()) return reply(records.status());
        for (const ScheduleRecord& record : *records) {
          if (record.name != name) continue;
          return Fire(record, Now(), TriggeredWorkflowId(name, Now()), std::move(reply));
        }
        reply(absl::NotFoundError(absl::StrCat("no such schedule: name=", name)));
      }));
}

}  // namespace holdfast::workflows::internal
