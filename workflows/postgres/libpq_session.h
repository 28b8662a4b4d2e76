#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct pg_conn;

namespace holdfast::workflows {

// Rows of one statement, in the server's text form.
struct SessionResult {
  std::vector<std::vector<std::optional<std::string>>> rows;
  int64_t affected_count = 0;
};

// A blocking connection for what is rare and simple: migrations, the command line, tests. The
// journal has its own, non-blocking one. One thread at a time.
//
// Every error is one line without the password and carries the server's SQLSTATE, if it gave one
// (SqlStateOf). Codes: kUnavailable connection lost or refused, kUnauthenticated, kNotFound no such
// database, kPermissionDenied, kFailedPrecondition read-only server, kDeadlineExceeded lock or
// connect timeout, kInvalidArgument the connection string, kInternal anything else.
class LibpqSession {
 public:
  // `uri` is libpq's URI or key=value form; several hosts are tried in order. connect_timeout of
  // the string holds for each host; without it kDefaultConnectTimeoutS.
  static constexpr int kDefaultConnectTimeoutS = 10;
  [[nodiscard]] static absl::StatusOr<LibpqSession> Connect(const std::string& uri);

  LibpqSession(LibpqSession&&) noexcept;
  LibpqSession& operator=(LibpqSession&&) noexcept;
  ~LibpqSession();

  // One or several statements without parameters; the rows are those of the last one.
  [[nodiscard]] absl::StatusOr<SessionResult> Execute(const std::string& sql);
  [[nodiscard]] absl::StatusOr<SessionResult> Execute(
      const std::string& sql, std::span<const std::optional<std::string>> parameters);
  // The single value of a statement that answers one; nullopt is NULL.
  [[nodiscard]] absl::StatusOr<std::optional<std::string>> QueryValue(const std::string& sql);

  int server_version() const;  // server_version_num
  int backend_pid() const;

 private:
  struct Closer {
    void operator()(pg_conn* connection) const;
  };
  explicit LibpqSession(std::unique_ptr<pg_conn, Closer> connection);

  std::unique_ptr<pg_conn, Closer> connection_;
};

// Five characters, or empty when the server did not say.
std::string SqlStateOf(const absl::Status& status);
// The DETAIL of the server's error, or empty.
std::string SqlDetailOf(const absl::Status& status);

}  // namespace holdfast::workflows
