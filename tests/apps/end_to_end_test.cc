// Proves what an operator relies on at the edges of a run: what ends the program, with which
// status and words, and that stopping proves the empty book. The real binaries run on loopback on
// ephemeral ports; every wait is for a condition and has a deadline.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "connectors/net/signing.h"
#include "engine/base/clock.h"
#include "engine/market/client_order_id.h"
#include "tests/fault/child_process.h"
#include "tests/fault/service_books.h"
#include "tests/fault/venue_ledger.h"

namespace holdfast::testing {
namespace {

constexpr int kLimitMs = 30'000;  // of any single wait
constexpr int kPaceMs = 20;
constexpr char kSecret[] = "endToEndSecret";

// Port that nobody listens on; `holder` keeps it taken while it lives.
class PortHolder {
 public:
  PortHolder() {
    socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    REQUIRE(socket_ >= 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(socket_, 1) == 0);
    socklen_t size = sizeof(address);
    REQUIRE(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  ~PortHolder() { Release(); }
  void Release() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
  }
  int port() const { return port_; }

 private:
  int socket_ = -1;
  int port_ = 0;
};

// One folder with a venue and a service.
class Stage {
 public:
  Stage() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hf_e2e_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    Write("accounts.toml", std::string("[[account]]\nname = \"main\"\napi_key = \"endToEndKey\"\n"
                                       "hmac_secret = \"") +
                               kSecret +
                               "\"\nmaker_fee_rate = \"0.00001\"\n"
                               "balances = { BTC = \"10\", USDT = \"1000000\" }\n");
    Write("service.toml",
          "[inventory]\nmax_position = \"0.05\"\n[grid]\nprice_interval = \"1.5\"\n"
          "order_quantity = \"0.001\"\nmode = \"neutral\"\n");
  }
  ~Stage() { std::filesystem::remove_all(folder_); }

  void StartVenue(int port = 0) {
    venue_ = std::make_unique<ChildProcess>(VenueCommand(port), File("venue.log"));
    const std::optional<std::string> line = venue_->ReadLine(kLimitMs);
    INFO("venue log:\n" << Tail(File("venue.log")));
    REQUIRE(line.has_value());
    REQUIRE(std::sscanf(line->c_str(),
                        "holdfast-venue listening address=127.0.0.1 port=%d control_port=%d",
                        &port_, &control_port_) == 2);
  }
  std::vector<std::string> VenueCommand(int port) const {
    return {HOLDFAST_VENUE_BINARY, "--port", std::to_string(port), "--accounts",
            File("accounts.toml")};
  }

  // `flags` come behind the ones every service here needs.
  std::unique_ptr<ChildProcess> StartService(const std::vector<std::string>& flags = {},
                                             const std::string& secret = kSecret,
                                             const std::string& key = "endToEndKey") {
    const std::string host = "127.0.0.1:" + std::to_string(port_);
    std::vector<std::string> command = {HOLDFAST_BINARY,
                                        "serve",
                                        "--config",
                                        File("service.toml"),
                                        "--service-state-dir",
                                        File("var"),
                                        "--venue-rest-url",
                                        "http://" + host,
                                        "--venue-ws-api-url",
                                        "ws://" + host + "/ws-api/v3",
                                        "--venue-stream-url",
                                        "ws://" + host};
    command.insert(command.end(), flags.begin(), flags.end());
    return std::make_unique<ChildProcess>(
        command, File("service.log"),
        std::vector<std::pair<std::string, std::string>>{{"HOLDFAST_VENUE_API_KEY", key},
                                                         {"HOLDFAST_VENUE_SECRET_KEY", secret}});
  }

  std::string LedgerUrl() const { return "http://127.0.0.1:" + std::to_string(control_port_); }
  std::string ServiceLog() const { return Read(File("service.log")); }
  std::string VenueLog() const { return Read(File("venue.log")); }
  ChildProcess& venue() { return *venue_; }
  int control_port() const { return control_port_; }
  // What the account's owner could send by hand.
  void CancelAtVenue(const std::string& client_order_id, const std::string& cancel_id) const {
    const std::string query =
        "symbol=BTCUSDT&origClientOrderId=" + client_order_id + "&newClientOrderId=" + cancel_id +
        "&timestamp=" + std::to_string(SystemClock().WallNs() / kNanosPerMilli);
    std::string signature(HmacSha256Signer::kHexBytes, '\0');
    HmacSha256Signer(kSecret).SignHex(query, signature.data());
    AskVenue(port_, "DELETE", "/api/v3/order?" + query + "&signature=" + signature,
             "X-MBX-APIKEY: endToEndKey\r\n");
  }
  int OpenOrders() const { return OpenOrderCount(control_port_, "main"); }
  void set_port(int port) { port_ = port; }
  std::string File(const std::string& name) const { return (folder_ / name).string(); }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(File(name)) << text;
  }

 private:
  static std::string Read(const std::string& path) {
    std::ifstream file(path);
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }

  std::filesystem::path folder_;
  std::unique_ptr<ChildProcess> venue_;
  int port_ = 1;  // nobody listens there
  int control_port_ = 0;
};

// Reads the service's output until `is_true`; false at the deadline or when the service ended.
template <typename Condition>
bool WaitUntil(ChildProcess& service, Condition is_true) {
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + kLimitMs * kNanosPerMilli;
  while (!is_true()) {
    if (clock.MonotonicNs() > deadline_ns || service.HasEnded()) return is_true();
    (void)service.ReadLine(kPaceMs);
  }
  return true;
}

bool WaitUntilQuoting(Stage& stage, ChildProcess& service) {
  return WaitUntil(service, [&] {
    return stage.ServiceLog().find("to=quoting") != std::string::npos && stage.OpenOrders() > 0;
  });
}

// Everything that the program still writes to standard output, and how it ended.
struct Ending {
  std::string output;
  std::optional<int> status;
};

Ending ReadToTheEnd(ChildProcess& service) {
  Ending ending;
  const SystemClock clock;
  const int64_t deadline_ns = clock.MonotonicNs() + kLimitMs * kNanosPerMilli;
  while (clock.MonotonicNs() < deadline_ns) {
    const bool has_ended = service.HasEnded();
    const std::optional<std::string> line = service.ReadLine(kPaceMs);
    if (line.has_value()) {
      ending.output += *line + "\n";
    } else if (has_ended) {
      break;
    }
  }
  ending.status = service.Wait(0);
  return ending;
}

bool Has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

int CountLines(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST_CASE("end to end: a signal cancels everything, proves the empty book and prints the summary",
          "[apps][e2e]") {
  const int signal = GENERATE(SIGTERM, SIGINT);
  Stage stage;
  stage.StartVenue();
  const auto service = stage.StartService({"--verify-ledger", stage.LedgerUrl()});
  REQUIRE(WaitUntilQuoting(stage, *service));
  service->Signal(signal);
  const Ending ending = ReadToTheEnd(*service);
  INFO(ending.output << stage.ServiceLog());
  CHECK(ending.status == 0);
  CHECK(stage.OpenOrders() == 0);
  CHECK(Has(ending.output, "open orders     none, proven"));
  CHECK(Has(ending.output, "PnL             realized"));
  CHECK(Has(ending.output, "latency               count"));
  CHECK(Has(ending.output, "ledger          equal to the venue's"));
  CHECK_FALSE(Has(stage.ServiceLog(), kSecret));
}

TEST_CASE("end to end: a run with a duration ends by itself", "[apps][e2e]") {
  Stage stage;
  stage.StartVenue();
  const auto service =
      stage.StartService({"--duration", "2", "--strategy", "layered", "--layered-order-size",
                          "0.001", "--store-kind", "memory", "--log-format", "json"});
  const Ending ending = ReadToTheEnd(*service);
  INFO(ending.output << stage.ServiceLog());
  CHECK(ending.status == 0);
  CHECK(Has(ending.output, "open orders     none, proven"));
  CHECK(Has(stage.ServiceLog(), "\"event\":\"service.stopping\",\"cause\":\"duration\""));
}

TEST_CASE("end to end: a wrong key or secret ends with status 3 and no second try", "[apps][e2e]") {
  const bool is_key_wrong = GENERATE(true, false);
  Stage stage;
  stage.StartVenue();
  const auto service = is_key_wrong ? stage.StartService({}, kSecret, "notTheKey")
                                    : stage.StartService({}, "notTheSecret");
  const Ending ending = ReadToTheEnd(*service);
  INFO(ending.output << stage.ServiceLog());
  CHECK(ending.status == 3);
  CHECK(Has(stage.ServiceLog(), "holdfast: the venue refused us: code=-"));
  CHECK(Has(stage.ServiceLog(), "check the API key, its permissions and the secret"));
  CHECK_FALSE(Has(stage.ServiceLog(), "notTheSecret"));
  CHECK(CountLines(stage.ServiceLog(), "venue.fatal") <= 1);
}

TEST_CASE("end to end: the key and the secret never reach the log", "[apps][e2e][O6]") {
  const std::string secret = GENERATE("endToEndKey", kSecret);
  const std::string format = GENERATE("text", "json");
  Stage stage;
  // Every start logs the account's name; here somebody pasted the wrong line there.
  const auto service =
      stage.StartService({"--service-account", secret + "-1", "--log-format", format});
  REQUIRE(WaitUntil(*service,
                    [&] { return CountLines(stage.ServiceLog(), "venue.unreachable") >= 1; }));
  service->Signal(SIGTERM);
  const Ending ending = ReadToTheEnd(*service);
  INFO(ending.output << stage.ServiceLog());
  CHECK(Has(stage.ServiceLog(), "service.start"));
  CHECK(Has(stage.ServiceLog(), "[redacted]-1"));
  CHECK_FALSE(Has(stage.ServiceLog(), secret));
  CHECK_FALSE(Has(ending.output, secret));
}

TEST_CASE("end to end: an unreachable venue is tried again until it is there", "[apps][e2e]") {
  PortHolder port;
  Stage stage;
  stage.set_port(port.port());
  port.Release();
  const auto service = stage.StartService();
  REQUIRE(WaitUntil(*service,
                    [&] { return CountLines(stage.ServiceLog(), "venue.unreachable") >= 2; }));
  CHECK(Has(stage.ServiceLog(), "ready=false"));
  CHECK_FALSE(Has(stage.ServiceLog(), "ready=true"));
  stage.StartVenue(port.port());
  REQUIRE(WaitUntilQuoting(stage, *service));
  CHECK(Has(stage.ServiceLog(), "ready=true"));
  service->Signal(SIGTERM);
  CHECK(ReadToTheEnd(*service).status == 0);
  CHECK(stage.OpenOrders() == 0);
}

TEST_CASE(
    "end to end: an order below the minimum notional is refused as soon as the price is known",
    "[apps][e2e]") {
  Stage stage;
  stage.StartVenue();
  const auto service = stage.StartService({"--grid-order-quantity", "0.00005"});
  const Ending ending = ReadToTheEnd(*service);
  INFO(ending.output << stage.ServiceLog());
  CHECK(ending.status == 2);
  CHECK(Has(stage.ServiceLog(),
            "holdfast: config: key=grid.order_quantity value=0.00005 expected=0.000"));
  CHECK(Has(stage.ServiceLog(), " or more (minimum notional 5"));
  CHECK_FALSE(Has(stage.ServiceLog(), "ready=true"));
  CHECK(stage.OpenOrders() == 0);
}

// deploy/run.sh in a folder of its own, as `make run` starts it.
class Run {
 public:
  explicit Run(const Stage& stage, const std::string& capture = "")
      : folder_(stage.File("run")),
        script_({HOLDFAST_SOURCE_DIR "/deploy/run.sh",
                 std::filesystem::path(HOLDFAST_BINARY).parent_path().string()},
                stage.File("service.log"),
                {{"STATE", folder_}, {"DURATION", "4"}, {"CAPTURE", capture}}) {}
  ChildProcess& script() { return script_; }
  int ControlPort() const {
    std::ifstream file(folder_ + "/venue.out");
    std::string line;
    std::getline(file, line);
    const size_t at = line.find("control_port=");
    REQUIRE(at != std::string::npos);
    return std::stoi(line.substr(at + 13));
  }

 private:
  std::string folder_;
  ChildProcess script_;
};

TEST_CASE("end to end: a run whose books are the venue's ends with status 0", "[apps][e2e][run]") {
  Stage stage;
  Run run(stage);
  const Ending ending = ReadToTheEnd(run.script());
  INFO(ending.output << stage.ServiceLog());
  CHECK(ending.status == 0);
  CHECK(Has(ending.output, "open orders     none, proven"));
  CHECK(Has(ending.output, "ledger          equal to the venue's: "));
  CHECK_FALSE(Has(ending.output, "DIFFERENCE"));
}

TEST_CASE("end to end: a run fails when the venue's ledger is not what was booked",
          "[apps][e2e][run]") {
  Stage stage;
  Run run(stage);
  REQUIRE(WaitUntil(run.script(), [&] { return Has(stage.ServiceLog(), "to=quoting"); }));
  // Money that nothing in our books explains.
  AskVenue(run.ControlPort(), "POST", "/transfer", "",
           R"({"account":"demo","asset":"USDT","amount":"-1.5"})");
  const Ending ending = ReadToTheEnd(run.script());
  INFO(ending.output << stage.ServiceLog());
  CHECK(ending.status == 1);
  CHECK(Has(ending.output, "  DIFFERENCE      wallet in USDT: venue "));
  CHECK(Has(stage.ServiceLog(), "differences from the venue's"));
}

TEST_CASE("end to end: a run says where its recorded market is damaged", "[apps][e2e][run]") {
  Stage stage;
  stage.Write(
      "damaged.capture",
      R"(1000000000 {"lastUpdateId":100,"bids":[["60000.00","1"]],"asks":[["60001.00","1"]]})"
      "\n1100000000 {garbage\n");
  Run run(stage, stage.File("damaged.capture"));
  const Ending ending = ReadToTheEnd(run.script());
  INFO(ending.output << stage.ServiceLog());
  CHECK(Has(ending.output, "  capture         corrupt_line: " + stage.File("damaged.capture") +
                               ":2: capture line: not a JSON object"));
  CHECK(Has(ending.output, "the market ended there and was not started again"));
}

TEST_CASE("end to end: a signal before the venue was reached ends at once", "[apps][e2e]") {
  PortHolder port;
  Stage stage;
  stage.set_port(port.port());
  port.Release();
  const auto service = stage.StartService();
  REQUIRE(WaitUntil(*service, [&] { return Has(stage.ServiceLog(), "venue.unreachable"); }));
  service->Signal(SIGTERM);
  CHECK(ReadToTheEnd(*service).status == 0);
  CHECK(Has(stage.ServiceLog(), "before the venue was reached; nothing was sent"));
}

TEST_CASE("end to end: the venue names the port when it is in use", "[apps][e2e]") {
  PortHolder port;
  Stage stage;
  ChildProcess venue(stage.VenueCommand(port.port()), stage.File("venue.log"));
  CHECK(venue.Wait(kLimitMs) == 1);
  CHECK(Has(stage.VenueLog(), std::to_string(port.port())));
}

TEST_CASE("end to end: a second instance on the same state folder is refused", "[apps][e2e]") {
  Stage stage;
  stage.StartVenue();
  const auto first = stage.StartService();
  REQUIRE(WaitUntilQuoting(stage, *first));
  const auto second = stage.StartService();
  CHECK(ReadToTheEnd(*second).status == 4);
  CHECK(Has(stage.ServiceLog(), "holdfast: another instance runs on this state folder"));
  CHECK(Has(stage.ServiceLog(), std::to_string(first->pid())));
  CHECK_FALSE(first->HasEnded());
  first->Signal(SIGTERM);
  CHECK(ReadToTheEnd(*first).status == 0);
}

TEST_CASE("end to end: a second signal ends at once and says what may be open", "[apps][e2e]") {
  Stage stage;
  stage.StartVenue();
  const auto service = stage.StartService();
  REQUIRE(WaitUntilQuoting(stage, *service));
  stage.venue().Signal(SIGSTOP);  // nothing can be proven now
  service->Signal(SIGINT);
  REQUIRE(WaitUntil(*service, [&] { return Has(stage.ServiceLog(), "service.stopping"); }));
  CHECK_FALSE(service->HasEnded());
  service->Signal(SIGINT);
  const Ending ending = ReadToTheEnd(*service);
  stage.venue().Signal(SIGCONT);
  CHECK(ending.status == 1);
  CHECK(Has(stage.ServiceLog(), "ended at once on the second signal"));
  CHECK(Has(stage.ServiceLog(), "orders may still be open at the venue"));
}

TEST_CASE("end to end: a stop that can't be proven ends with status 1", "[apps][e2e]") {
  Stage stage;
  stage.StartVenue();
  const auto service = stage.StartService({"--service-stop-timeout-s", "1"});
  REQUIRE(WaitUntilQuoting(stage, *service));
  stage.venue().Signal(SIGSTOP);
  service->Signal(SIGTERM);
  const Ending ending = ReadToTheEnd(*service);
  stage.venue().Signal(SIGCONT);
  CHECK(ending.status == 1);
  CHECK(Has(ending.output, "open orders     NOT proven empty"));
  CHECK(Has(stage.ServiceLog(), "the empty book could not be proven"));
}

TEST_CASE("end to end: killed and started again it goes on where it was", "[apps][e2e][G1]") {
  Stage stage;
  stage.StartVenue();
  const auto first = stage.StartService();
  REQUIRE(WaitUntilQuoting(stage, *first));
  first->Signal(SIGKILL);
  CHECK(first->Wait(kLimitMs) == 128 + SIGKILL);
  CHECK(stage.OpenOrders() > 0);

  const auto second = stage.StartService({"--verify-ledger", stage.LedgerUrl()});
  REQUIRE(WaitUntil(*second, [&] { return CountLines(stage.ServiceLog(), "to=quoting") == 2; }));
  second->Signal(SIGTERM);
  const Ending ending = ReadToTheEnd(*second);
  INFO(ending.output << stage.ServiceLog());
  CHECK(ending.status == 0);
  CHECK(stage.OpenOrders() == 0);
  CHECK(Has(stage.ServiceLog(), "store.opened first_run=true"));
  CHECK(Has(stage.ServiceLog(), "store.opened first_run=false"));

  // The anchor that the second run found is the one that the third finds as well.
  const auto third = stage.StartService({"--duration", "1"});
  CHECK(ReadToTheEnd(*third).status == 0);
  const std::string log = stage.ServiceLog();
  const size_t at = log.find(" anchor=");
  REQUIRE(at != std::string::npos);
  const std::string anchor = log.substr(at, log.find('\n', at) - at);
  CHECK(CountLines(log, anchor) == 2);
}

// What is in the store of a service that does not run.
std::vector<std::string> StoredWorkingOrders(const std::string& path) {
  std::vector<std::string> ids;
  EachStoredRow(path, "SELECT client_order_id FROM orders WHERE state = 'working'",
                [&](const std::string& id) { ids.push_back(id); });
  return ids;
}

TEST_CASE("end to end: a fill of an order whose record was lost is ours, although it was canceled",
          "[apps][e2e][cancel_id]") {
  Stage stage;
  stage.StartVenue();
  const auto first = stage.StartService();
  REQUIRE(WaitUntilQuoting(stage, *first));
  first->Signal(SIGKILL);
  CHECK(first->Wait(kLimitMs) == 128 + SIGKILL);

  // In the dark: filled in part, then the cancel arrives that was under way; the venue knows the
  // order by the cancel's name from then on. And the store has lost what it knew of the order.
  std::string lost;
  for (const std::string& id : StoredWorkingOrders(stage.File("var/holdfast.db"))) {
    if (FillAtVenue(stage.control_port(), "main", id, "0.0004").is_zero()) continue;
    lost = id;
    break;
  }
  REQUIRE_FALSE(lost.empty());
  stage.CancelAtVenue(lost, std::string(MakeCancelId(lost)->view()));
  EachStoredRow(stage.File("var/holdfast.db"),
                "DELETE FROM orders WHERE client_order_id = '" + lost + "'", nullptr);

  const auto second = stage.StartService({"--verify-ledger", stage.LedgerUrl()});
  REQUIRE(WaitUntil(*second, [&] { return CountLines(stage.ServiceLog(), "to=quoting") == 2; }));
  second->Signal(SIGTERM);
  const Ending ending = ReadToTheEnd(*second);
  INFO("lost order " << lost << '\n' << ending.output << stage.ServiceLog());
  CHECK(ending.status == 0);
  CHECK(Has(stage.ServiceLog(), " fill id=" + lost));
  CHECK_FALSE(Has(stage.ServiceLog(), "fill.foreign"));
  CHECK(Has(ending.output, "ledger          equal to the venue's"));
}

TEST_CASE("end to end: a bad configuration is status 2 and one line", "[apps][e2e]") {
  Stage stage;
  const auto service = stage.StartService({"--grid-buy-window", "500"});
  CHECK(ReadToTheEnd(*service).status == 2);
  CHECK(stage.ServiceLog() ==
        "config: file=flags line=- key=--grid-buy-window value=500 expected=integer 1..200\n");
}

TEST_CASE("end to end: what only the venue knows to be wrong is status 2", "[apps][e2e]") {
  Stage stage;
  stage.StartVenue();
  SECTION("an unknown symbol") {
    const auto service = stage.StartService({"--symbol", "NOSUCHPAIR"});
    CHECK(ReadToTheEnd(*service).status == 2);
    CHECK(
        Has(stage.ServiceLog(),
            "config: key=quoting.symbol value=NOSUCHPAIR expected=a symbol that the venue lists"));
  }
  SECTION("a quantity off the venue's grid") {
    const auto service = stage.StartService({"--grid-order-quantity", "0.000001"});
    CHECK(ReadToTheEnd(*service).status == 2);
    CHECK(Has(stage.ServiceLog(), "order_quantity"));
  }
}

TEST_CASE("end to end: the full-screen view gives the terminal back", "[apps][e2e]") {
  Stage stage;
  stage.StartVenue();
  const auto service = stage.StartService({"--service-live-view", "on", "--duration", "2"});
  const Ending ending = ReadToTheEnd(*service);
  CHECK(ending.status == 0);
  const size_t enter = ending.output.find("\x1b[?1049h");
  const size_t leave = ending.output.find("\x1b[?1049l");
  REQUIRE(enter != std::string::npos);
  REQUIRE(leave != std::string::npos);
  CHECK(enter < leave);
  CHECK(Has(ending.output, "BTCUSDT  quoting"));
  CHECK(ending.output.find("summary of") > leave);
  CHECK(std::filesystem::exists(stage.File("var/holdfast.log")));
}

}  // namespace
}  // namespace holdfast::testing
