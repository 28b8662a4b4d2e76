#include "workflows/postgres/libpq_session.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "engine/base/assert.h"
#include "engine/base/clock.h"
#include "engine/base/status_macros.h"

namespace holdfast::workflows {
namespace {

constexpr char kSqlStateUrl[] = "holdfast/sqlstate";
constexpr char kSqlDetailUrl[] = "holdfast/sqldetail";
constexpr int kMillisPerSecond = 1'000;

struct OptionsFree {
  void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};
struct ResultClear {
  void operator()(PGresult* result) const { PQclear(result); }
};

std::string FirstLine(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(" \n"), text.size());
  text.remove_prefix(begin);
  return std::string(text.substr(0, text.find('\n')));
}

absl::StatusCode CodeOf(std::string_view state) {
  if (state.empty()) return absl::StatusCode::kUnavailable;
  const std::string_view group = state.substr(0, 2);
  if (group == "08" || group == "53") return absl::StatusCode::kUnavailable;
  if (state.starts_with("57P0")) return absl::StatusCode::kUnavailable;
  if (group == "28") return absl::StatusCode::kUnauthenticated;
  if (state == "3D000") return absl::StatusCode::kNotFound;
  if (state == "42501") return absl::StatusCode::kPermissionDenied;
  if (state == "25006") return absl::StatusCode::kFailedPrecondition;
  if (state == "55P03" || state == "57014") return absl::StatusCode::kDeadlineExceeded;
  return absl::StatusCode::kInternal;
}

absl::Status MakeError(absl::StatusCode code, std::string_view message, std::string_view state,
                       std::string_view detail) {
  absl::Status status(code, absl::string_view(message.data(), message.size()));
  if (!state.empty()) status.SetPayload(kSqlStateUrl, absl::Cord(std::string(state)));
  if (!detail.empty()) status.SetPayload(kSqlDetailUrl, absl::Cord(std::string(detail)));
  return status;
}

// libpq keeps the code of a refused connection only inside its verbose text:
// `... FATAL:  3D000: database "x" does not exist`. The code does not depend on the language.
absl::Status ConnectError(PGconn* connection) {
  std::string message = FirstLine(PQerrorMessage(connection));
  std::string state;
  for (size_t at = message.find(":  "); at != std::string::npos; at = message.find(":  ", at + 1)) {
    const std::string code = message.substr(at + 3, 5);
    const bool is_code = code.size() == 5 && message.compare(at + 8, 2, ": ") == 0 &&
                         std::all_of(code.begin(), code.end(), [](unsigned char c) {
                           return std::isdigit(c) != 0 || (c >= 'A' && c <= 'Z');
                         });
    if (!is_code) continue;
    state = code;
    message.erase(at + 3, 7);
    break;
  }
  absl::StatusCode code = CodeOf(state);
  if (state.empty() && PQconnectionNeedsPassword(connection) != 0) {
    code = absl::StatusCode::kUnauthenticated;
  }
  return MakeError(code, message, state, "");
}

absl::Status ResultError(PGconn* connection, const PGresult* result) {
  const char* state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const char* detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
  if (state == nullptr || message == nullptr) {
    const std::string lost = FirstLine(PQerrorMessage(connection));
    return absl::UnavailableError(absl::StrCat("connection lost: ", lost));
  }
  return MakeError(CodeOf(state), FirstLine(message), state, detail == nullptr ? "" : detail);
}

// How long the whole of connecting may take: each host has its own time.
int ConnectTimeoutMs(const PQconninfoOption* options) {
  int timeout_s = LibpqSession::kDefaultConnectTimeoutS;
  int host_count = 1;
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    const std::string_view keyword = option->keyword;
    if (option->val == nullptr) continue;
    if (keyword == "connect_timeout") {
      int wanted = 0;
      if (absl::SimpleAtoi(option->val, &wanted) && wanted > 0) timeout_s = wanted;
    } else if (keyword == "host") {
      const std::string_view hosts = option->val;
      host_count = 1 + static_cast<int>(std::count(hosts.begin(), hosts.end(), ','));
    }
  }
  return timeout_s * kMillisPerSecond * host_count;
}

absl::Status FinishConnecting(PGconn* connection, int timeout_ms) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + timeout_ms * kNanosPerMilli;
  PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
  while (true) {
    const int64_t left_ms = (deadline_ns - clock.MonotonicNs()) / kNanosPerMilli;
    if (left_ms <= 0) {
      return absl::DeadlineExceededError(absl::StrCat("no connection within ", timeout_ms,
                                                      " ms: host=", FirstLine(PQhost(connection))));
    }
    pollfd descriptor = {.fd = PQsocket(connection), .events = 0, .revents = 0};
    descriptor.events = wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    const int ready = poll(&descriptor, 1, static_cast<int>(left_ms));
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) continue;
    wanted = PQconnectPoll(connection);
    if (wanted == PGRES_POLLING_OK) return absl::OkStatus();
    if (wanted == PGRES_POLLING_FAILED) return ConnectError(connection);
  }
}

absl::StatusOr<SessionResult> Take(PGconn* connection, PGresult* raw) {
  const std::unique_ptr<PGresult, ResultClear> result(raw);
  const ExecStatusType status = PQresultStatus(raw);
  if (status == PGRES_EMPTY_QUERY) return SessionResult{};
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) return ResultError(connection, raw);
  SessionResult out;
  static_cast<void>(absl::SimpleAtoi(PQcmdTuples(raw), &out.affected_count));
  const int column_count = PQnfields(raw);
  out.rows.resize(static_cast<size_t>(PQntuples(raw)));
  for (size_t row = 0; row < out.rows.size(); ++row) {
    for (int column = 0; column < column_count; ++column) {
      const int index = static_cast<int>(row);
      std::optional<std::string> value;
      if (PQgetisnull(raw, index, column) == 0) {
        value.emplace(PQgetvalue(raw, index, column),
                      static_cast<size_t>(PQgetlength(raw, index, column)));
      }
      out.rows[row].push_back(std::move(value));
    }
  }
  return out;
}

}  // namespace

void LibpqSession::Closer::operator()(pg_conn* connection) const { PQfinish(connection); }

LibpqSession::LibpqSession(std::unique_ptr<pg_conn, Closer> connection)
    : connection_(std::move(connection)) {}
LibpqSession::LibpqSession(LibpqSession&&) noexcept = default;
LibpqSession& LibpqSession::operator=(LibpqSession&&) noexcept = default;
LibpqSession::~LibpqSession() = default;

absl::StatusOr<LibpqSession> LibpqSession::Connect(const std::string& uri) {
  char* parse_error = nullptr;
  const std::unique_ptr<PQconninfoOption, OptionsFree> options(
      PQconninfoParse(uri.c_str(), &parse_error));
  if (options == nullptr) {
    // libpq's text repeats parts of the string, and the password may be among them.
    PQfreemem(parse_error);
    return absl::InvalidArgumentError(
        "not a connection string: expected postgresql://user@host:port/database or key=value");
  }
  std::unique_ptr<pg_conn, Closer> connection(PQconnectStart(uri.c_str()));
  HF_ASSERT(connection != nullptr);
  if (PQstatus(connection.get()) == CONNECTION_BAD) return ConnectError(connection.get());
  PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE);
  PQsetNoticeProcessor(
      connection.get(), [](void*, const char*) {}, nullptr);
  HF_RETURN_IF_ERROR(FinishConnecting(connection.get(), ConnectTimeoutMs(options.get())));
  PQsetErrorVerbosity(connection.get(), PQERRORS_DEFAULT);
  return LibpqSession(std::move(connection));
}

absl::StatusOr<SessionResult> LibpqSession::Execute(const std::string& sql) {
  return Take(connection_.get(), PQexec(connection_.get(), sql.c_str()));
}

absl::StatusOr<SessionResult> LibpqSession::Execute(
    const std::string& sql, std::span<const std::optional<std::string>> parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const std::optional<std::string>& parameter : parameters) {
    values.push_back(parameter.has_value() ? parameter->c_str() : nullptr);
  }
  return Take(connection_.get(),
              PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                           values.data(), nullptr, nullptr, 0));
}

absl::StatusOr<std::optional<std::string>> LibpqSession::QueryValue(const std::string& sql) {
  HF_ASSIGN_OR_RETURN(SessionResult result, Execute(sql));
  if (result.rows.size() != 1 || result.rows[0].size() != 1) {
    return absl::InternalError("statement does not answer one value");
  }
  return std::move(result.rows[0][0]);
}

int LibpqSession::server_version() const { return PQserverVersion(connection_.get()); }
int LibpqSession::backend_pid() const { return PQbackendPID(connection_.get()); }

std::string SqlStateOf(const absl::Status& status) {
  return std::string(status.GetPayload(kSqlStateUrl).value_or(absl::Cord()));
}

std::string SqlDetailOf(const absl::Status& status) {
  return std::string(status.GetPayload(kSqlDetailUrl).value_or(absl::Cord()));
}

}  // namespace holdfast::workflows
