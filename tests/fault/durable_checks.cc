#include "tests/fault/durable_checks.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"
#include "workflows/postgres/libpq_session.h"

namespace holdfast::testing {
namespace {

using workflows::LibpqSession;
using workflows::SessionResult;

constexpr size_t kShownMax = 5;  // failures of one kind that are told in full

// Steps whose body has an effect outside and an application row.
constexpr char kBookSteps[] =
    "('book', 'own', 'before', 'after', 'think', 'left', 'right', 'flaky')";

class Check {
 public:
  Check(LibpqSession session, const WorkloadFacts& facts)
      : session_(std::move(session)), facts_(facts) {}

  WorkloadReport Run() {
    CheckEnds();
    CheckPlan();
    CheckApplicationTables();
    CheckMessages();
    CheckOwners();
    CheckEffects();
    CheckFrozen();
    return std::move(report_);
  }

 private:
  SessionResult Ask(const std::string& sql) {
    absl::StatusOr<SessionResult> result = session_.Execute(sql);
    if (!result.ok()) {
      report_.failures.push_back(absl::StrCat(sql, ": ", result.status().ToString()));
      return {};
    }
    return *std::move(result);
  }
  static std::string Text(const std::vector<std::optional<std::string>>& row) {
    std::string text;
    for (const std::optional<std::string>& value : row) {
      absl::StrAppend(&text, text.empty() ? "" : " ", value.value_or("NULL"));
    }
    return text;
  }
  // Rows that must not be there. The first column is a workflow's id.
  void ExpectNone(const std::string& what, const std::string& sql) {
    const SessionResult found = Ask(sql);
    for (size_t i = 0; i < std::min(found.rows.size(), kShownMax); ++i) {
      report_.failures.push_back(
          absl::StrCat(what, ": ", Text(found.rows[i]), "\n", History(found.rows[i][0])));
    }
    if (found.rows.size() > kShownMax) {
      report_.failures.push_back(absl::StrCat(what, ": ", found.rows.size(), " in all"));
    }
  }
  int64_t Count(const std::string& sql) {
    const SessionResult found = Ask(sql);
    return found.rows.empty() ? -1 : std::stoll(found.rows[0][0].value_or("-1"));
  }
  // Everything that is known about one workflow.
  std::string History(const std::optional<std::string>& id) {
    if (!id.has_value()) return "";
    const std::string quoted = absl::StrCat("'", *id, "'");
    std::string text;
    const auto append = [&](const char* title, const std::string& sql) {
      for (const auto& row : Ask(sql).rows) absl::StrAppend(&text, "    ", title, Text(row), "\n");
    };
    append("row: ",
           "SELECT name, status, output, error, owner_xid, executor_id, queue_name, "
           "recovery_attempts, created_at, started_at_epoch_ms, completed_at "
           "FROM dbos.workflow_status WHERE workflow_uuid = " +
               quoted);
    append("step: ",
           "SELECT function_id, function_name, output, error, child_workflow_id, "
           "started_at_epoch_ms, completed_at_epoch_ms FROM dbos.operation_outputs "
           "WHERE workflow_uuid = " +
               quoted + " ORDER BY function_id");
    append("recorded: ",
           "SELECT n, function_id, owner, at FROM public.recorded_steps "
           "WHERE workflow_id = " +
               quoted + " ORDER BY n");
    append("ended: ",
           "SELECT n, status, owner, at FROM public.ended_workflows "
           "WHERE workflow_id = " +
               quoted + " ORDER BY n");
    append("booking: ",
           "SELECT function_id, process_id, run FROM public.bookings "
           "WHERE workflow_id = " +
               quoted);
    for (const LedgerServer::Arrival& arrival : facts_.arrivals) {
      if (arrival.effect.workflow_id != *id) continue;
      absl::StrAppend(&text, "    effect: function=", arrival.effect.function_id,
                      " attempt=", arrival.effect.attempt, " process=", arrival.effect.process_id,
                      " run=", arrival.effect.run,
                      " started_ms=", arrival.effect.started_ns / kNanosPerMilli,
                      " arrived_ms=", arrival.arrived_ns / kNanosPerMilli, "\n");
    }
    return text;
  }

  // Every workflow, children included, ended once, and its row is that of an ended one.
  void CheckEnds() {
    report_.workflow_count = Count("SELECT count(*) FROM dbos.workflow_status");
    report_.step_count = Count("SELECT count(*) FROM dbos.operation_outputs");
    ExpectNone("did not end in success",
               "SELECT workflow_uuid, name, status, error FROM dbos.workflow_status "
               "WHERE status <> 'SUCCESS'");
    ExpectNone("ended more than once",
               "SELECT workflow_id, count(*) FROM public.ended_workflows GROUP BY workflow_id "
               "HAVING count(*) > 1");
    ExpectNone("ended without a write that ends it",
               "SELECT workflow_uuid FROM dbos.workflow_status AS s WHERE status = 'SUCCESS' AND "
               "NOT EXISTS (SELECT FROM public.ended_workflows WHERE workflow_id = workflow_uuid)");
    ExpectNone("an ended row with an owner, a deduplication id or no time",
               "SELECT workflow_uuid, owner_xid, deduplication_id, completed_at "
               "FROM dbos.workflow_status WHERE status = 'SUCCESS' AND (owner_xid IS NOT NULL "
               "OR deduplication_id IS NOT NULL OR completed_at IS NULL)");
  }

  void CheckPlan() {
    std::map<std::string, std::pair<std::string, std::string>> found;
    for (const auto& row :
         Ask("SELECT workflow_uuid, name, coalesce(output, '') FROM dbos.workflow_status "
             "WHERE parent_workflow_id IS NULL")
             .rows) {
      found[*row[0]] = {*row[1], *row[2]};
    }
    for (const PlannedWorkflow& planned : facts_.planned) {
      const auto row = found.find(planned.id);
      if (row == found.end()) {
        report_.failures.push_back("accepted and lost: " + planned.id);
      } else if (row->second != std::pair(planned.name, std::to_string(planned.output))) {
        report_.failures.push_back(absl::StrCat("wrong result: ", planned.name, " ", planned.id,
                                                " answered ", row->second.second, ", expected ",
                                                planned.output, "\n", History(planned.id)));
      }
    }
    if (found.size() != facts_.planned.size()) {
      report_.failures.push_back(absl::StrCat("workflows in the table that nobody asked for: ",
                                              found.size(), " of ", facts_.planned.size()));
    }
  }

  void CheckApplicationTables() {
    ExpectNone("a row of the application written twice",
               "SELECT workflow_id, function_id, count(*) FROM public.bookings "
               "GROUP BY workflow_id, function_id HAVING count(*) > 1");
    ExpectNone(
        "step and application row do not go together",
        absl::StrCat("SELECT coalesce(o.workflow_uuid, b.workflow_id), o.function_id, "
                     "b.function_id, o.output, b.run FROM (SELECT * FROM dbos.operation_outputs "
                     "WHERE function_name IN ",
                     kBookSteps,
                     ") AS o FULL JOIN public.bookings AS b ON b.workflow_id = o.workflow_uuid AND "
                     "b.function_id = o.function_id AND b.run = (o.output::json->>1)::bigint "
                     "AND b.process_id = (o.output::json->>0)::bigint "
                     "WHERE o.workflow_uuid IS NULL OR b.workflow_id IS NULL"));
    ExpectNone("a transaction done twice",
               "SELECT split_part(key, '/', 1), key, count(*) FROM public.transfers GROUP BY key "
               "HAVING count(*) > 1");
    int64_t transfer_count = 0;
    int64_t message_count = 0;
    for (const PlannedWorkflow& planned : facts_.planned) {
      transfer_count += planned.transfer_count;
      if (planned.name == "listener") message_count += planned.size;
    }
    ExpectCount("transactions", "SELECT count(*) FROM public.transfers", transfer_count);
    ExpectCount("messages", "SELECT count(*) FROM dbos.notifications WHERE topic = 'numbers'",
                message_count);
  }

  void ExpectCount(const std::string& what, const std::string& sql, int64_t expected) {
    const int64_t count = Count(sql);
    if (count == expected) return;
    report_.failures.push_back(absl::StrCat(what, ": ", count, ", expected ", expected));
  }

  void CheckMessages() {
    ExpectNone("a message left over",
               "SELECT destination_uuid, message_uuid, message FROM dbos.notifications "
               "WHERE NOT consumed");
    ExpectNone("a stream with a gap",
               "SELECT workflow_uuid, count(*), max(\"offset\") FROM dbos.streams "
               "GROUP BY workflow_uuid, key HAVING count(*) <> max(\"offset\") + 1");
    ExpectNone("a history with a gap",
               "SELECT workflow_uuid, count(*), min(function_id), max(function_id) "
               "FROM dbos.operation_outputs GROUP BY workflow_uuid "
               "HAVING count(*) <> max(function_id) - min(function_id) + 1");
  }

  // One owner after the other: no token comes back after another one has written.
  void CheckOwners() {
    ExpectNone("two owners wrote by turns",
               "SELECT workflow_id, count(DISTINCT owner) FROM (SELECT workflow_id, owner, "
               "owner IS DISTINCT FROM lag(owner) OVER (PARTITION BY workflow_id ORDER BY n) "
               "AS is_next FROM public.recorded_steps) AS r GROUP BY workflow_id "
               "HAVING count(*) FILTER (WHERE is_next) <> count(DISTINCT owner)");
    ExpectNone("a step recorded without an owner",
               "SELECT workflow_id, function_id FROM public.recorded_steps WHERE owner IS NULL");
    report_.takeover_count = Count(
        "SELECT coalesce(sum(recovery_attempts - 1), 0) FROM dbos.workflow_status "
        "WHERE recovery_attempts > 1");
    ExpectNone("writers of a life that is over",
               "SELECT w.executor_id, w.incarnation FROM holdfast.journal_writers AS w "
               "JOIN holdfast.executors AS e USING (executor_id) "
               "WHERE w.incarnation <> e.incarnation");
  }

  // No step with a recorded outcome ran again.
  void CheckEffects() {
    struct Recorded {
      int64_t run = 0;
      int64_t completed_at_ms = 0;
    };
    std::map<std::pair<std::string, int32_t>, Recorded> recorded;
    for (const auto& row :
         Ask(absl::StrCat("SELECT workflow_uuid, function_id, output::json->>1, "
                          "completed_at_epoch_ms FROM dbos.operation_outputs WHERE error IS NULL "
                          "AND function_name IN ",
                          kBookSteps))
             .rows) {
      recorded[{*row[0], std::stoi(*row[1])}] = {std::stoll(*row[2]), std::stoll(*row[3])};
    }
    std::set<std::pair<std::string, int32_t>> effects;
    std::set<std::string> told;
    report_.effect_count = static_cast<int64_t>(facts_.arrivals.size());
    for (const LedgerServer::Arrival& arrival : facts_.arrivals) {
      const OutsideEffect& effect = arrival.effect;
      const std::pair key(effect.workflow_id, effect.function_id);
      effects.insert(key);
      const auto outcome = recorded.find(key);
      if (outcome == recorded.end() || outcome->second.run == effect.run) continue;
      ++report_.repeated_count;
      if (effect.started_ns / kNanosPerMilli <= outcome->second.completed_at_ms) continue;
      if (!told.insert(effect.workflow_id).second || told.size() > kShownMax) continue;
      report_.failures.push_back(absl::StrCat("a recorded step ran again: ", effect.workflow_id,
                                              " ", effect.function_id, " run=", effect.run, "\n",
                                              History(effect.workflow_id)));
    }
    for (const auto& [key, _] : recorded) {
      if (effects.contains(key)) continue;
      report_.failures.push_back(absl::StrCat("recorded, but it had no effect: ", key.first, " ",
                                              key.second, "\n", History(key.first)));
    }
  }

  void CheckFrozen() {
    for (const FrozenLife& life : facts_.frozen) {
      for (const char* table : {"public.recorded_steps", "public.ended_workflows"}) {
        ExpectNone(
            absl::StrCat("a write of ", life.executor_id, ", which was stopped past its lease"),
            absl::StrCat("SELECT workflow_id, owner, at FROM ", table, " WHERE owner LIKE '",
                         life.incarnation, "-%' AND at > '", life.ended_at, "'"));
      }
    }
  }

  LibpqSession session_;
  const WorkloadFacts& facts_;
  WorkloadReport report_;
};

}  // namespace

std::string WorkloadReport::ToText() const {
  std::string text =
      absl::StrCat("workflows=", workflow_count, " steps=", step_count, " effects=", effect_count,
                   " repeated=", repeated_count, " takeovers=", takeover_count);
  for (const std::string& failure : failures) absl::StrAppend(&text, "\n", failure);
  return text;
}

WorkloadReport CheckWorkload(const std::string& database_url, const WorkloadFacts& facts) {
  absl::StatusOr<LibpqSession> session = LibpqSession::Connect(database_url);
  HF_ASSERT(session.ok());
  return Check(*std::move(session), facts).Run();
}

}  // namespace holdfast::testing
