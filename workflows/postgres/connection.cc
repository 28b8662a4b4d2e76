#include "workflows/postgres/connection.h"

#include <libpq-fe.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "engine/base/assert.h"

namespace holdfast::workflows {
namespace {

using Keywords = std::vector<std::pair<std::string, std::string>>;

constexpr int64_t kWatchdogPeriodNs = kNanosPerSecond;
constexpr int kNullResultsMax = 4;

absl::StatusOr<Keywords> ParseUrl(const std::string& url) {
  char* message = nullptr;
  const std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)> parsed(
      PQconninfoParse(url.c_str(), &message), PQconninfoFree);
  const std::unique_ptr<char, decltype(&PQfreemem)> owned(message, PQfreemem);
  if (parsed == nullptr) {
    // libpq's message quotes the text, which may hold a password.
    return absl::InvalidArgumentError("database URL: not understood");
  }
  Keywords keywords;
  for (const PQconninfoOption* option = parsed.get(); option->keyword != nullptr; ++option) {
    if (option->val != nullptr) keywords.emplace_back(option->keyword, option->val);
  }
  return keywords;
}

std::string* Find(Keywords& keywords, std::string_view name) {
  for (auto& [keyword, value] : keywords) {
    if (keyword == name) return &value;
  }
  return nullptr;
}

void SetDefault(Keywords& keywords, std::string_view name, std::string_view value) {
  if (Find(keywords, name) == nullptr) keywords.emplace_back(name, value);
}

size_t ElementCount(const std::string* list) {
  if (list == nullptr) return 1;
  return static_cast<size_t>(std::count(list->begin(), list->end(), ',')) + 1;
}

void SetDefaults(Keywords& keywords, const ConnectionOptions& options) {
  SetDefault(keywords, "application_name", options.application_name);
  SetDefault(keywords, "target_session_attrs", "read-write");
  SetDefault(keywords, "keepalives_idle", "10");
  SetDefault(keywords, "keepalives_interval", "5");
  SetDefault(keywords, "keepalives_count", "3");
  SetDefault(keywords, "tcp_user_timeout", "15000");
  SetDefault(keywords, "client_encoding", "UTF8");
}

// libpq would try every host in one attempt, but knows no time limit for one that does not answer
// when it is driven by a reactor: here each attempt is for one host.
size_t SelectHost(Keywords& keywords, size_t turn) {
  const size_t count =
      std::max(ElementCount(Find(keywords, "host")), ElementCount(Find(keywords, "hostaddr")));
  for (const std::string_view name : {"host", "hostaddr", "port"}) {
    std::string* list = Find(keywords, name);
    if (list == nullptr) continue;
    const std::vector<std::string> elements = absl::StrSplit(*list, ',');
    if (elements.size() > 1) *list = elements[turn % count % elements.size()];
  }
  return count;
}

DatabaseError ConnectionLost(const absl::Status& why) {
  return {
      .sqlstate = "08006", .message = std::string(why.message()), .detail = {}, .constraint = {}};
}

DatabaseError ErrorOf(const PGresult* result) {
  const auto field = [result](int code) {
    const char* text = PQresultErrorField(result, code);
    return std::string(text == nullptr ? "" : text);
  };
  DatabaseError error = {.sqlstate = field(PG_DIAG_SQLSTATE),
                         .message = field(PG_DIAG_MESSAGE_PRIMARY),
                         .detail = field(PG_DIAG_MESSAGE_DETAIL),
                         .constraint = field(PG_DIAG_CONSTRAINT_NAME)};
  if (error.sqlstate.empty()) error.sqlstate = "08006";
  if (error.message.empty()) error.message = PQresultErrorMessage(result);
  return error;
}

}  // namespace

absl::StatusOr<std::string> BlockingConnectionString(const ConnectionOptions& options) {
  absl::StatusOr<Keywords> keywords = ParseUrl(options.database_url);
  if (!keywords.ok()) return keywords.status();
  SetDefaults(*keywords, options);
  // libpq counts in seconds, and takes one for none.
  SetDefault(*keywords, "connect_timeout",
             absl::StrCat(std::max<int64_t>(2, options.connect_timeout_ms / 1'000)));
  std::string text;
  for (const auto& [name, value] : *keywords) {
    absl::StrAppend(&text, name, "='", absl::StrReplaceAll(value, {{"\\", "\\\\"}, {"'", "\\'"}}),
                    "' ");
  }
  return text;
}

absl::Status CheckDatabaseUrl(const std::string& database_url) {
  return ParseUrl(database_url).status();
}

Connection::Connection(EpollReactor& reactor, ConnectionOptions options, uint64_t seed,
                       Callbacks callbacks)
    : reactor_(reactor),
      options_(std::move(options)),
      callbacks_(std::move(callbacks)),
      prng_(seed),
      retry_ms_(options_.retry_ms_min) {}

Connection::~Connection() {
  for (const std::optional<TimerId>& timer : {retry_timer_, attempt_timer_, watchdog_}) {
    if (timer) reactor_.CancelTimer(*timer);
  }
  if (socket_ >= 0) reactor_.UnwatchFd(socket_);
  if (connection_ != nullptr) PQfinish(connection_);
}

void Connection::Open() {
  HF_ASSERT(state_ == State::kClosed);
  state_ = State::kWaiting;
  retry_timer_ = reactor_.CallAfter(0, [this] {
    retry_timer_.reset();
    Connect();
  });
}

void Connection::Connect() {
  absl::StatusOr<Keywords> keywords = ParseUrl(options_.database_url);
  if (!keywords.ok()) return Fail(keywords.status());
  host_count_ = SelectHost(*keywords, next_host_);
  SetDefaults(*keywords, options_);
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : *keywords) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  state_ = State::kConnecting;
  ++generation_;
  connection_ = PQconnectStartParams(names.data(), values.data(), 0);
  HF_ASSERT(connection_ != nullptr);
  if (PQstatus(connection_) == CONNECTION_BAD) return Fail(ConnectError("connect"));
  PQsetNoticeProcessor(
      connection_, [](void*, const char*) {}, nullptr);
  attempt_timer_ = reactor_.CallAfter(options_.connect_timeout_ms * kNanosPerMilli, [this] {
    attempt_timer_.reset();
    Fail(absl::UnavailableError("connect: no answer in time"));
  });
  WatchSocket(FdInterest::kWrite);
}

void Connection::WatchSocket(FdInterest interest) {
  const int socket = PQsocket(connection_);
  if (socket < 0) return;
  // Always anew: libpq may have closed the old socket and got the same number again.
  if (socket_ >= 0) reactor_.UnwatchFd(socket_);
  socket_ = socket;
  reactor_.WatchFd(socket_, interest, [this](FdReady ready) { OnSocket(ready); });
}

void Connection::OnSocket(FdReady ready) {
  if (state_ == State::kConnecting) return PollConnect();
  if (ready.is_writable && !Flush()) return;
  if (ready.is_readable) ReadResults();
}

void Connection::PollConnect() {
  switch (PQconnectPoll(connection_)) {
    case PGRES_POLLING_READING:
      return WatchSocket(FdInterest::kRead);
    case PGRES_POLLING_WRITING:
      return WatchSocket(FdInterest::kWrite);
    case PGRES_POLLING_OK:
      return SetUp();
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
      return Fail(ConnectError("connect"));
  }
}

void Connection::SetUp() {
  state_ = State::kSettingUp;
  WatchSocket(FdInterest::kRead);
  if (PQsetnonblocking(connection_, 1) != 0) return Fail(ConnectError("set up"));
  if (PQenterPipelineMode(connection_) != 1) return Fail(ConnectError("set up"));
  std::vector<StatementCall> calls;
  const Statement set = {.name = "",
                         .sql = "SELECT pg_catalog.set_config($1::text, $2::text, false)"};
  const auto add_setting = [&](std::string_view name, std::string_view value) {
    calls.push_back({.statement = set, .parameters = {}});
    calls.back().parameters.Text(name).Text(value);
  };
  add_setting("statement_timeout", absl::StrCat(options_.statement_timeout_ms));
  for (const auto& [name, value] : options_.settings) add_setting(name, value);
  std::vector<std::string> listens;
  listens.reserve(options_.channels.size());
  for (const std::string& channel : options_.channels) {
    listens.push_back(absl::StrCat("LISTEN \"", channel, "\""));
    calls.push_back({.statement = {.name = "", .sql = listens.back()}, .parameters = {}});
  }
  TransactionReply reply = [this](TransactionResult result) {
    if (!result.is_committed()) {
      // A lost connection has already been dealt with.
      if (result.error && state_ == State::kSettingUp) Fail(result.error->ToStatus("set up"));
      return;
    }
    if (attempt_timer_) reactor_.CancelTimer(*attempt_timer_);
    attempt_timer_.reset();
    state_ = State::kReady;
    retry_ms_ = options_.retry_ms_min;
    if (callbacks_.on_ready) callbacks_.on_ready();
  };
  if (!Send(calls, reply)) Fail(ConnectError("set up"));
}

int Connection::backend_pid() const {
  return connection_ == nullptr ? 0 : PQbackendPID(connection_);
}

void Connection::Execute(const std::vector<StatementCall>& calls, TransactionReply reply) {
  HF_ASSERT(!calls.empty());
  if (state_ == State::kReady && Send(calls, reply)) return;
  if (state_ == State::kReady) {
    // What did not go out whole leaves the connection unusable; a callback must not come from here.
    reactor_.Post([this, alive = std::weak_ptr<int>(alive_), generation = generation_] {
      if (!alive.expired() && generation == generation_) Fail(ConnectError("send"));
    });
    return;
  }
  if (!reply) return;
  reactor_.Post([reply = std::move(reply), error = last_error_]() mutable {
    TransactionResult result;
    result.error = ConnectionLost(error);
    reply(std::move(result));
  });
}

bool Connection::Send(const std::vector<StatementCall>& calls, TransactionReply& reply) {
  InFlight& transaction = in_flight_.emplace_back();
  transaction.call_count = calls.size();
  transaction.failed_statement = calls.size();
  transaction.rows.reserve(calls.size());
  transaction.reply = std::move(reply);
  transaction.deadline_ns =
      reactor_.clock().MonotonicNs() +
      (options_.statement_timeout_ms + options_.answer_grace_ms) * kNanosPerMilli;
  bool is_sent = true;
  for (size_t i = 0; i < calls.size() && is_sent; ++i) is_sent = SendCall(calls[i], transaction, i);
  is_sent = is_sent && PQpipelineSync(connection_) == 1;
  ArmWatchdog();
  if (!is_sent) return false;
  const int pending = PQflush(connection_);
  if (pending == 1) reactor_.SetInterest(socket_, FdInterest::kReadWrite);
  return pending >= 0;
}

bool Connection::SendCall(const StatementCall& call, InFlight& transaction, size_t index) {
  call.parameters.Point(value_pointers_, lengths_);
  const int count = call.parameters.count();
  formats_.assign(static_cast<size_t>(count), 1);
  if (call.statement.name.empty()) {
    transaction.items.push_back({.prepared_name = {}, .call_index = index});
    return PQsendQueryParams(connection_, std::string(call.statement.sql).c_str(), count, nullptr,
                             value_pointers_.data(), lengths_.data(), formats_.data(), 0) == 1;
  }
  const std::string name(call.statement.name);
  if (!prepared_.contains(name)) {
    // Not repeated within this transaction; if the transaction fails before, the mark goes again.
    prepared_.insert(name);
    transaction.items.push_back({.prepared_name = call.statement.name, .call_index = index});
    if (PQsendPrepare(connection_, name.c_str(), std::string(call.statement.sql).c_str(), 0,
                      nullptr) != 1) {
      return false;
    }
  }
  transaction.items.push_back({.prepared_name = {}, .call_index = index});
  return PQsendQueryPrepared(connection_, name.c_str(), count, value_pointers_.data(),
                             lengths_.data(), formats_.data(), 0) == 1;
}

bool Connection::Flush() {
  const int pending = PQflush(connection_);
  if (pending < 0) {
    Fail(ConnectError("send"));
    return false;
  }
  if (pending == 0) reactor_.SetInterest(socket_, FdInterest::kRead);
  return true;
}

void Connection::ReadResults() {
  const bool has_read = PQconsumeInput(connection_) == 1;
  const std::weak_ptr<int> alive = alive_;
  const uint64_t generation = generation_;
  while (!in_flight_.empty() && PQisBusy(connection_) == 0) {
    PGresult* result = PQgetResult(connection_);
    if (!HandleResult(result)) return;
    if (null_results_ > kNullResultsMax) break;
  }
  null_results_ = 0;
  if (alive.expired() || generation != generation_) return;
  if (!DeliverNotifications()) return;
  if (!has_read || PQstatus(connection_) == CONNECTION_BAD) Fail(ConnectError("connection lost"));
}

bool Connection::HandleResult(PGresult* result) {
  InFlight& front = in_flight_.front();
  if (result == nullptr) {
    ++null_results_;
    if (null_results_ == 1 && !front.items.empty()) front.items.pop_front();
    return true;
  }
  null_results_ = 0;
  Rows rows(result);
  const Item item = front.items.empty() ? Item{.prepared_name = {}, .call_index = front.call_count}
                                        : front.items.front();
  switch (PQresultStatus(result)) {
    case PGRES_PIPELINE_SYNC:
      return FinishFront();
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
      if (item.prepared_name.empty()) front.rows.push_back(std::move(rows));
      return true;
    case PGRES_PIPELINE_ABORTED:
      if (!item.prepared_name.empty()) prepared_.erase(std::string(item.prepared_name));
      return true;
    default:
      if (!item.prepared_name.empty()) prepared_.erase(std::string(item.prepared_name));
      if (!front.error) {
        front.error = ErrorOf(result);
        front.failed_statement = item.call_index;
      }
      return true;
  }
}

bool Connection::FinishFront() {
  InFlight front = std::move(in_flight_.front());
  in_flight_.pop_front();
  TransactionResult result;
  result.outcome =
      front.error ? TransactionResult::Outcome::kRefused : TransactionResult::Outcome::kCommitted;
  HF_ASSERT(front.error || front.rows.size() == front.call_count);
  result.rows = std::move(front.rows);
  result.failed_statement = front.failed_statement;
  const bool is_useless =
      front.error && (front.error->sqlstate == "25006" || front.error->sqlstate == "26000");
  result.error = std::move(front.error);
  const std::weak_ptr<int> alive = alive_;
  const uint64_t generation = generation_;
  if (front.reply) front.reply(std::move(result));
  if (alive.expired() || generation != generation_) return false;
  // The server became a standby, or was made read-only: another host may be the one to write to. Or
  // somebody between us and the server forgot our prepared statements.
  if (is_useless) {
    Fail(absl::UnavailableError("the session is of no use any more"));
    return false;
  }
  return true;
}

bool Connection::DeliverNotifications() {
  const std::weak_ptr<int> alive = alive_;
  const uint64_t generation = generation_;
  while (PGnotify* raw = PQnotifies(connection_)) {
    const std::unique_ptr<PGnotify, decltype(&PQfreemem)> notification(raw, PQfreemem);
    if (callbacks_.on_notification) {
      callbacks_.on_notification(notification->relname, notification->extra, notification->be_pid);
    }
    if (alive.expired() || generation != generation_) return false;
  }
  return true;
}

void Connection::Reconnect(std::string_view why) {
  if (connection_ != nullptr) Fail(absl::UnavailableError(std::string(why)));
}

void Connection::Fail(absl::Status why) {
  const bool was_ready = state_ == State::kReady;
  if (attempt_timer_) reactor_.CancelTimer(*attempt_timer_);
  attempt_timer_.reset();
  if (socket_ >= 0) reactor_.UnwatchFd(socket_);
  socket_ = -1;
  if (connection_ != nullptr) PQfinish(connection_);
  connection_ = nullptr;
  ++generation_;
  prepared_.clear();
  last_error_ = why;
  std::deque<InFlight> lost = std::move(in_flight_);
  in_flight_.clear();
  ScheduleRetry();
  // After this nothing of the object is touched without a look at whether it is still there.
  reactor_.Post(
      [this, alive = std::weak_ptr<int>(alive_), lost = std::move(lost), why, was_ready]() mutable {
        if (alive.expired()) return;
        if (was_ready && callbacks_.on_lost) callbacks_.on_lost(why);
        if (alive.expired()) return;
        if (!was_ready && callbacks_.on_attempt_failed) callbacks_.on_attempt_failed(why);
        for (InFlight& transaction : lost) {
          if (alive.expired()) return;
          if (!transaction.reply) continue;
          TransactionResult result;
          result.outcome = TransactionResult::Outcome::kInDoubt;
          result.error = ConnectionLost(why);
          transaction.reply(std::move(result));
        }
      });
}

void Connection::ScheduleRetry() {
  // The hosts of a list follow one another without a pause; a pause follows the last one.
  next_host_ = (next_host_ + 1) % host_count_;
  const bool is_round_over = next_host_ == 0;
  int64_t delay_ms = 0;
  if (is_round_over) {
    delay_ms = prng_.Between(retry_ms_ / 2, retry_ms_ + retry_ms_ / 2);
    retry_ms_ = std::min(retry_ms_ * 2, options_.retry_ms_max);
  }
  state_ = State::kWaiting;
  if (retry_timer_) reactor_.CancelTimer(*retry_timer_);
  retry_timer_ = reactor_.CallAfter(delay_ms * kNanosPerMilli, [this] {
    retry_timer_.reset();
    Connect();
  });
}

void Connection::ArmWatchdog() {
  if (watchdog_) return;
  watchdog_ = reactor_.CallAfter(kWatchdogPeriodNs, [this] {
    watchdog_.reset();
    CheckWatchdog();
  });
}

void Connection::CheckWatchdog() {
  if (in_flight_.empty()) return;
  if (in_flight_.front().deadline_ns <= reactor_.clock().MonotonicNs()) {
    return Fail(absl::UnavailableError("no answer in time"));
  }
  ArmWatchdog();
}

absl::Status Connection::ConnectError(std::string_view what) const {
  std::string message = connection_ == nullptr ? "" : PQerrorMessage(connection_);
  for (char& letter : message) {
    if (letter == '\n') letter = ' ';
  }
  absl::StripAsciiWhitespace(&message);
  return absl::UnavailableError(absl::StrCat(std::string(what), ": ", message));
}

}  // namespace holdfast::workflows
