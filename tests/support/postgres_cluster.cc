#include "tests/support/postgres_cluster.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "engine/base/assert.h"
#include "engine/base/clock.h"
#include "workflows/postgres/libpq_session.h"
#include "workflows/postgres/migrations.h"

namespace holdfast::testing {
namespace {

namespace fs = std::filesystem;
using workflows::LibpqSession;

constexpr char kTemplateDatabase[] = "holdfast_template";
constexpr int64_t kDeadlineMs = 60'000;  // of anything that the server is waited for
constexpr int kPollMs = 5;
constexpr int kPortAttempts = 5;

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error("PostgreSQL: " + what); }

std::string Binary(const std::string& name) {
  const char* chosen = getenv("HOLDFAST_POSTGRES_BIN");
  const std::string folder = chosen == nullptr ? "/usr/lib/postgresql/15/bin" : chosen;
  const std::string path = folder + "/" + name;
  if (access(path.c_str(), X_OK) != 0) {
    Fail(path +
         " is not there; deploy/bootstrap.sh installs postgresql-15, "
         "HOLDFAST_POSTGRES_BIN names another folder");
  }
  return path;
}

// The user that the server runs as; nothing to change unless we are root.
struct ServerUser {
  uid_t uid = 0;
  gid_t gid = 0;
};
std::optional<ServerUser> OtherUser() {
  if (geteuid() != 0) return std::nullopt;
  const passwd* user = getpwnam("postgres");
  if (user == nullptr) {
    Fail(
        "the server does not run as root and there is no user postgres; "
        "deploy/bootstrap.sh installs postgresql-15, which makes it");
  }
  return ServerUser{.uid = user->pw_uid, .gid = user->pw_gid};
}

// fork and exec as the server's user in a session of its own, output appended to `log`. Between
// fork and exec only what is safe there.
pid_t Spawn(const std::vector<std::string>& argv, const std::string& log) {
  const std::optional<ServerUser> user = OtherUser();
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid < 0) Fail(std::string("fork: ") + strerror(errno));
  if (pid > 0) return pid;
  setsid();
  const int null = open("/dev/null", O_RDONLY);
  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (null < 0 || output < 0) _exit(126);
  dup2(null, 0);
  dup2(output, 1);
  dup2(output, 2);
  if (user.has_value() && (setgid(user->gid) != 0 || setuid(user->uid) != 0)) _exit(126);
  if (chdir("/") != 0) _exit(126);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

// True once `condition` is; false at the deadline.
bool WaitFor(const std::function<bool()>& condition, int64_t timeout_ms = kDeadlineMs) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + timeout_ms * kNanosPerMilli;
  while (!condition()) {
    if (clock.MonotonicNs() > deadline_ns) return false;
    poll(nullptr, 0, kPollMs);
  }
  return true;
}

bool IsRunning(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(file, text)) return false;
  const size_t state = text.rfind(") ");
  return state != std::string::npos && text.compare(state + 2, 1, "Z") != 0;
}

std::string ReadTail(const std::string& path, size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.size() <= max_bytes ? all : all.substr(all.size() - max_bytes);
}

void RunTool(const std::vector<std::string>& argv, const std::string& log) {
  const pid_t pid = Spawn(argv, log);
  int ending = 0;
  while (waitpid(pid, &ending, 0) < 0) {
    if (errno != EINTR) Fail(std::string("waitpid: ") + strerror(errno));
  }
  if (WIFEXITED(ending) && WEXITSTATUS(ending) == 0) return;
  Fail(argv[0] + " failed:\n" + ReadTail(log, 4000));
}

void GiveToServerUser(const fs::path& path) {
  const std::optional<ServerUser> user = OtherUser();
  if (!user.has_value()) return;
  if (lchown(path.c_str(), user->uid, user->gid) != 0) {
    Fail("chown " + path.string() + ": " + strerror(errno));
  }
}

std::string MakeTemporaryFolder() {
  std::string path = (fs::temp_directory_path() / "holdfast_pg_XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) Fail("mkdtemp " + path + ": " + strerror(errno));
  GiveToServerUser(path);
  return path;
}

// A data folder as initdb leaves it, made once for each build folder.
fs::path DataTemplate() {
  const fs::path cache = HOLDFAST_TEST_CACHE_FOLDER;
  const fs::path data = cache / "postgres15_data";
  fs::create_directories(cache);
  const int lock = open((cache / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (lock < 0 || flock(lock, LOCK_EX) != 0) Fail("no lock in " + cache.string());
  if (!fs::exists(data)) {
    // initdb as the server's user needs a folder that user can reach; the build folder may not be.
    const std::string scratch = MakeTemporaryFolder();
    RunTool({Binary("initdb"), "-D", scratch + "/data", "-U", "holdfast", "-A", "trust", "-E",
             "UTF8", "--locale=C.UTF-8", "--no-instructions", "--no-sync"},
            scratch + "/log");
    fs::remove_all(cache / "new");
    fs::copy(scratch + "/data", cache / "new", fs::copy_options::recursive);
    fs::rename(cache / "new", data);
    fs::remove_all(scratch);
  }
  close(lock);
  return data;
}

uint16_t FreePort() {
  const int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  HF_ASSERT(descriptor >= 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  HF_ASSERT(bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) == 0);
  HF_ASSERT(getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(descriptor);
  return ntohs(address.sin_port);
}

LibpqSession Open(const std::string& uri) {
  absl::StatusOr<LibpqSession> session = LibpqSession::Connect(uri);
  if (!session.ok()) Fail(std::string(session.status().message()));
  return *std::move(session);
}

std::string Value(LibpqSession& session, const std::string& sql) {
  const absl::StatusOr<std::optional<std::string>> value = session.QueryValue(sql);
  if (!value.ok()) Fail(sql + ": " + std::string(value.status().message()));
  return value->value_or("");
}

void Run(LibpqSession& session, const std::string& sql) {
  const absl::StatusOr<workflows::SessionResult> result = session.Execute(sql);
  if (!result.ok()) Fail(sql + ": " + std::string(result.status().message()));
}

}  // namespace

PostgresCluster::PostgresCluster(const PostgresOptions& options) : options_(options) {
  MakeFolder();
  const fs::path data = fs::path(folder_) / "data";
  fs::copy(DataTemplate(), data, fs::copy_options::recursive);
  fs::permissions(data, fs::perms::owner_all);
  GiveToServerUser(data);
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(data)) {
    GiveToServerUser(entry.path());
  }
  Start();
}

PostgresCluster::PostgresCluster(StandbyOf source)
    : options_(source.primary.options_), is_standby_(true) {
  MakeFolder();
  RunTool({Binary("pg_basebackup"), "-D", folder_ + "/data", "-R", "-X", "stream", "-c", "fast",
           "-d", source.primary.Uri("postgres") + "?application_name=standby", "--no-sync"},
          folder_ + "/log");
  Start();
}

PostgresCluster::~PostgresCluster() {
  if (pid_ > 0) {
    Thaw();
    kill(pid_, SIGQUIT);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  // The watcher sees the end of its pipe and removes the folder.
  close(watcher_pipe_);
  while (waitpid(watcher_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void PostgresCluster::MakeFolder() {
  Binary("postgres");
  folder_ = MakeTemporaryFolder();
  StartWatcher();
}

// A shell that waits for the end of a pipe which only this process holds open.
void PostgresCluster::StartWatcher() {
  static constexpr char kScript[] = R"(
read -r _
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -CONT "$pid" $(cat "/proc/$pid/task/$pid/children") 2>/dev/null
  kill -QUIT "$pid" 2>/dev/null
  for _ in 1 2 3 4 5 6 7 8 9 10; do [ -d "/proc/$pid" ] && sleep 0.2; done
fi
rm -rf "$1"
)";
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Fail(std::string("pipe: ") + strerror(errno));
  watcher_pipe_ = ends[1];
  watcher_ = fork();
  if (watcher_ < 0) Fail(std::string("fork: ") + strerror(errno));
  if (watcher_ > 0) {
    close(ends[0]);
    return;
  }
  setsid();
  dup2(ends[0], 0);
  const int null = open("/dev/null", O_WRONLY);
  dup2(null, 1);
  dup2(null, 2);
  execl("/bin/sh", "sh", "-c", kScript, "holdfast_pg_watcher", folder_.c_str(), nullptr);
  _exit(127);
}

void PostgresCluster::WriteSettings() {
  std::ofstream file(folder_ + "/data/postgresql.conf", std::ios::app);
  file << "listen_addresses = '127.0.0.1'\nport = " << port_ << "\nunix_socket_directories = '"
       << folder_ << "'\nmax_connections = 200\ncluster_name = 'holdfast_test'\n"
       << "log_line_prefix = '%m [%p] %q%a '\n";
  if (!options_.is_durable) {
    file << "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n";
  }
  for (const auto& [name, value] : options_.settings) file << name << " = " << value << "\n";
}

void PostgresCluster::Launch() {
  pid_ = Spawn({Binary("postgres"), "-D", folder_ + "/data"}, folder_ + "/log");
}

void PostgresCluster::Start() {
  HF_ASSERT(pid_ == -1);
  if (port_ != 0) {
    Launch();
    WaitUntilReady();
    return;
  }
  // A port that was free a moment ago may not be any more.
  for (int attempt = 1;; ++attempt) {
    port_ = FreePort();
    WriteSettings();
    Launch();
    try {
      return WaitUntilReady();
    } catch (const std::runtime_error&) {
      const bool is_taken = LogTail().find("Address already in use") != std::string::npos;
      if (!is_taken || attempt == kPortAttempts) throw;
    }
  }
}

void PostgresCluster::WaitUntilReady() {
  std::string last_words;
  const bool is_ready = WaitFor([&] {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return true;
    }
    const absl::StatusOr<LibpqSession> session = LibpqSession::Connect(Uri("postgres"));
    last_words = std::string(session.status().message());
    return session.ok();
  });
  if (pid_ == -1) Fail("the server ended at its start:\n" + LogTail());
  if (!is_ready) Fail("the server does not answer: " + last_words + "\n" + LogTail());
}

void PostgresCluster::WaitUntilGone(std::string_view what) {
  const pid_t pid = pid_;
  if (!WaitFor([&] { return waitpid(pid, nullptr, WNOHANG) == pid; })) {
    Fail("the server does not end after " + std::string(what) + "\n" + LogTail());
  }
  pid_ = -1;
}

void PostgresCluster::StopFast() {
  HF_ASSERT(pid_ > 0);
  kill(pid_, SIGINT);
  WaitUntilGone("a fast shutdown");
}

void PostgresCluster::StopImmediate() {
  HF_ASSERT(pid_ > 0);
  kill(pid_, SIGQUIT);
  WaitUntilGone("an immediate shutdown");
}

void PostgresCluster::Kill() {
  const std::vector<pid_t> processes = Processes();
  for (const pid_t process : processes) kill(process, SIGKILL);
  WaitUntilGone("SIGKILL");
  // Backends are not our children: whoever adopted them may never ask for their ending.
  WaitFor([&] { return std::none_of(processes.begin(), processes.end(), IsRunning); });
}

std::vector<pid_t> PostgresCluster::Processes() const {
  HF_ASSERT(pid_ > 0);
  std::vector<pid_t> processes = {pid_};
  const std::string pid = std::to_string(pid_);
  std::ifstream children("/proc/" + pid + "/task/" + pid + "/children");
  for (pid_t child = 0; children >> child;) processes.push_back(child);
  return processes;
}

void PostgresCluster::Freeze() {
  // The server first, so that it starts no more of them.
  kill(pid_, SIGSTOP);
  for (const pid_t process : Processes()) kill(process, SIGSTOP);
}

void PostgresCluster::Thaw() {
  for (const pid_t process : Processes()) kill(process, SIGCONT);
}

std::string PostgresCluster::Uri(std::string_view database, std::string_view user) const {
  return "postgresql://" + std::string(user) + "@127.0.0.1:" + std::to_string(port_) + "/" +
         std::string(database);
}

std::string PostgresCluster::SocketUri(std::string_view database) const {
  return "postgresql:///" + std::string(database) + "?user=holdfast&host=" + folder_ +
         "&port=" + std::to_string(port_);
}

std::string PostgresCluster::LogTail(size_t max_bytes) const {
  return ReadTail(folder_ + "/log", max_bytes);
}

std::string PostgresCluster::CreateEmptyDatabase(std::string_view hint) {
  const std::string name = std::string(hint) + "_" + std::to_string(next_database_++);
  LibpqSession session = Open(Uri("postgres"));
  Run(session, "CREATE DATABASE \"" + name + "\"");
  return Uri(name);
}

std::string PostgresCluster::CreateDatabase(std::string_view hint) {
  LibpqSession session = Open(Uri("postgres"));
  if (!has_template_) {
    Run(session, std::string("CREATE DATABASE ") + kTemplateDatabase);
    const auto report = workflows::ApplyMigrations(Uri(kTemplateDatabase));
    if (!report.ok()) Fail("migrations: " + std::string(report.status().message()));
    has_template_ = true;
  }
  const std::string name = std::string(hint) + "_" + std::to_string(next_database_++);
  Run(session, "CREATE DATABASE \"" + name + "\" TEMPLATE " + kTemplateDatabase);
  return Uri(name);
}

std::unique_ptr<PostgresCluster> PostgresCluster::StartStandby() {
  return std::unique_ptr<PostgresCluster>(new PostgresCluster(StandbyOf{*this}));
}

void PostgresCluster::WaitUntilCaughtUp(const PostgresCluster& primary) {
  HF_ASSERT(is_standby_);
  LibpqSession source = Open(primary.Uri("postgres"));
  const std::string written = Value(source, "SELECT pg_current_wal_lsn()");
  LibpqSession session = Open(Uri("postgres"));
  const std::string question =
      "SELECT coalesce(pg_last_wal_replay_lsn() >= '" + written + "'::pg_lsn, false)";
  if (!WaitFor([&] { return Value(session, question) == "t"; })) {
    Fail("the standby does not catch up\n" + LogTail());
  }
}

void PostgresCluster::Promote() {
  HF_ASSERT(is_standby_);
  LibpqSession session = Open(Uri("postgres"));
  if (Value(session, "SELECT pg_promote(true, 60)") != "t") Fail("not promoted\n" + LogTail());
  is_standby_ = false;
}

}  // namespace holdfast::testing
