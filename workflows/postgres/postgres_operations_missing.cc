// Operator calls that this journal does not have yet: each answers kUnimplemented.

#include <utility>

#include "workflows/postgres/postgres_journal.h"

namespace holdfast::workflows {
namespace {

template <class ReplyType>
void Refuse(EpollReactor& reactor, ReplyType reply) {
  reactor.Post([reply = std::move(reply)]() mutable {
    reply(absl::UnimplementedError("not available on PostgreSQL yet"));
  });
}

}  // namespace

void PostgresJournal::Resume(std::vector<std::string>, std::optional<std::string>,
                             Reply<int64_t> reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::Fork(ForkRequest, StatusReply reply) { Refuse(reactor_, std::move(reply)); }
void PostgresJournal::Rewind(std::string, int32_t, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::Delete(std::vector<std::string>, bool, Reply<int64_t> reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::SetPriority(std::string, int32_t, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::SetDelay(std::string, int64_t, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::DeleteQueue(std::string, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::UpsertSchedule(ScheduleRecord, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::ListSchedules(Reply<std::vector<ScheduleRecord>> reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::DeleteSchedule(std::string, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::SetScheduleStatus(std::string, ScheduleStatus, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::RecordScheduleFired(std::string, std::string, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::ListVersions(Reply<std::vector<ApplicationVersion>> reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::SetLatestVersion(std::string, StatusReply reply) {
  Refuse(reactor_, std::move(reply));
}
void PostgresJournal::Retain(RetentionRequest, Reply<int64_t> reply) {
  Refuse(reactor_, std::move(reply));
}

}  // namespace holdfast::workflows
