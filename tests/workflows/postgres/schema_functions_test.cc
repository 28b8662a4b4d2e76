// Proves what the SQL functions of schema dbos do for those who enqueue and send from SQL: rows,
// defaults, idempotency and errors. Calls them on a private PostgreSQL server; tests/interop/dbos
// compares them with the originals.
#include <catch2/catch.hpp>
#include <string>

#include "tests/support/postgres_cluster.h"
#include "workflows/postgres/libpq_session.h"

namespace holdfast::workflows {
namespace {

using testing::PostgresCluster;

struct Database {
  Database() {
    static PostgresCluster cluster({.is_durable = false, .settings = {}});
    absl::StatusOr<LibpqSession> opened =
        LibpqSession::Connect(cluster.CreateDatabase("functions"));
    INFO(opened.status());
    REQUIRE(opened.ok());
    session.emplace(*std::move(opened));
  }
  std::string Ask(const std::string& sql) {
    const absl::StatusOr<std::optional<std::string>> value = session->QueryValue(sql);
    INFO(sql << ": " << value.status());
    REQUIRE(value.ok());
    return value->value_or("NULL");
  }
  absl::Status Try(const std::string& sql) { return session->Execute(sql).status(); }
  std::string Error(const std::string& sql) {
    const absl::Status status = Try(sql);
    return SqlStateOf(status) + " " + std::string(status.message());
  }

  std::optional<LibpqSession> session;
};

}  // namespace

TEST_CASE("enqueue_workflow: a workflow waits on its queue with portable inputs", "[pg]") {
  Database database;
  const std::string id = database.Ask(
      "SELECT dbos.enqueue_workflow('greet', 'mail', ARRAY['1', '{\"a\":2}']::json[])");
  CHECK(id.size() == 36);
  CHECK(database.Ask("SELECT concat_ws('|', status, name, queue_name, priority, serialization, "
                     "recovery_attempts, (created_at = updated_at)::text) "
                     "FROM dbos.workflow_status") == "ENQUEUED|greet|mail|0|portable_json|0|true");
  CHECK(database.Ask("SELECT concat_ws('|', class_name, config_name, application_name, "
                     "application_version, delay_until_epoch_ms, deduplication_id, inputs) "
                     "FROM dbos.workflow_status") == "");
  CHECK(database.Ask("SELECT inputs::jsonb FROM dbos.workflow_input WHERE workflow_uuid = '" + id +
                     "'") == R"({"namedArgs": {}, "positionalArgs": [1, {"a": 2}]})");
}

TEST_CASE("enqueue_workflow: every option has its column", "[pg]") {
  Database database;
  CHECK(database.Ask("SELECT dbos.enqueue_workflow('greet', 'mail', named_args => '{\"n\":1}', "
                     "class_name => 'C', config_name => 'F', workflow_id => 'id-1', "
                     "app_version => 'v2', timeout_ms => 5000, deadline_epoch_ms => 7000, "
                     "deduplication_id => 'd', priority => 3, queue_partition_key => 'p', "
                     "authenticated_user => 'u', authenticated_roles => '[\"r\"]', "
                     "delay_until_epoch_ms => 9000, application_name => 'shop')") == "id-1");
  CHECK(database.Ask("SELECT concat_ws('|', status, class_name, config_name, application_version, "
                     "workflow_timeout_ms, workflow_deadline_epoch_ms, deduplication_id, priority, "
                     "queue_partition_key, authenticated_user, authenticated_roles, "
                     "delay_until_epoch_ms, application_name) FROM dbos.workflow_status") ==
        "DELAYED|C|F|v2|5000|7000|d|3|p|u|[\"r\"]|9000|shop");
}

TEST_CASE("enqueue_workflow: the same id again keeps row and inputs", "[pg]") {
  Database database;
  database.Ask(
      "SELECT dbos.enqueue_workflow('greet', 'mail', ARRAY['1']::json[], "
      "workflow_id => 'id')");
  database.Ask(
      "SELECT dbos.enqueue_workflow('other', 'else', ARRAY['2']::json[], "
      "workflow_id => 'id')");
  CHECK(database.Ask("SELECT name || queue_name FROM dbos.workflow_status") == "greetmail");
  CHECK(database.Ask("SELECT inputs::jsonb->'positionalArgs' FROM dbos.workflow_input") == "[1]");
}

TEST_CASE("enqueue_workflow: what is not allowed is refused by name", "[pg]") {
  Database database;
  const auto error = [&](const std::string& arguments) {
    return database.Error("SELECT dbos.enqueue_workflow(" + arguments + ")");
  };
  CHECK(error("'', 'q'") == "P0001 Workflow name cannot be null or empty");
  CHECK(error("NULL, 'q'") == "P0001 Workflow name cannot be null or empty");
  CHECK(error("'w', ''") == "P0001 Queue name cannot be null or empty");
  CHECK(error("'w', NULL") == "P0001 Queue name cannot be null or empty");
  CHECK(error("'w', 'q', named_args => '[]'") == "P0001 Named args must be a JSON object");
  CHECK(error("'w', 'q', workflow_id => ''") ==
        "P0001 Workflow ID cannot be an empty string if provided.");
  CHECK(error("'w', 'q', delay_until_epoch_ms => -1") == "P0001 delay_until_epoch_ms must be >= 0");
  CHECK(database.Ask("SELECT count(*) FROM dbos.workflow_status") == "0");

  const std::string twice =
      "SELECT dbos.enqueue_workflow('w', 'q', workflow_id => 'i' || random(),"
      " deduplication_id => 'd')";
  CHECK(database.Try(twice).ok());
  CHECK(database.Error(twice) == "23505 DBOS queue duplicated");
}

TEST_CASE("send_message: reaches an existing workflow once, and wakes its listener", "[pg]") {
  Database database;
  database.Ask("SELECT dbos.enqueue_workflow('w', 'q', workflow_id => 'w1')");
  CHECK(database.Try("SELECT dbos.send_message('w1', '\"hi\"')").ok());
  CHECK(database.Try("SELECT dbos.send_message('w1', '1', 'news', 'm1')").ok());
  CHECK(database.Try("SELECT dbos.send_message('w1', '2', 'news', 'm1')").ok());
  CHECK(
      database.Ask("SELECT string_agg(concat_ws('|', topic, message, serialization, "
                   "consumed::text), ' ' ORDER BY topic COLLATE \"C\") FROM dbos.notifications") ==
      "__null__topic__|\"hi\"|portable_json|false news|1|portable_json|false");
  CHECK(database.Error("SELECT dbos.send_message('nobody', '1')") ==
        "23503 DBOS non-existent workflow");
  CHECK(SqlDetailOf(database.Try("SELECT dbos.send_message('nobody', '1')")) ==
        "Destination workflow nobody does not exist");
}

}  // namespace holdfast::workflows
