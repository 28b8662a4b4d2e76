// Proves that a log record becomes exactly one line in either format, that secrets never get into
// it, and that a full channel drops and counts information but keeps room for errors. Lines are
// compared with golden texts; the threaded part writes from several threads into one file.

#include "apps/log.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "apps/text.h"

namespace holdfast {
namespace {

constexpr int64_t kTimeNs = 1'700'000'000'123'456'789;

std::string Line(const LogRecord& record, LogFormat format, const Redactor& redactor = {}) {
  return FormatLogRecord(record, format, redactor);
}

class TemporaryFile {
 public:
  TemporaryFile() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hf_log_XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
  }
  ~TemporaryFile() { std::filesystem::remove_all(folder_); }
  std::string path() const { return (folder_ / "log").string(); }
  std::string Read() const {
    std::ifstream file(path());
    return std::string((std::istreambuf_iterator<char>(file)), {});
  }

 private:
  std::filesystem::path folder_;
};

TEST_CASE("log: a record is one line of text or one JSON object", "[apps][log][O6]") {
  const LogRecord record = LogRecord(LogLevel::kWarning, "order.reject", kTimeNs)
                               .Add("id", "hf1")
                               .Add("price", *Decimal::Parse("61837.63"))
                               .Add("lots", int64_t{-3})
                               .Add("ours", true)
                               .Add("text", "Filter failure: \"LOT_SIZE\"\nsecond\x01line")
                               .Add("empty", "");
  CHECK(Line(record, LogFormat::kText) ==
        "2023-11-14T22:13:20.123456Z WARN  order.reject id=hf1 price=61837.63 lots=-3 ours=true "
        "text=\"Filter failure: \\\"LOT_SIZE\\\"\\nsecond\\u0001line\" empty=\"\"");
  CHECK(
      Line(record, LogFormat::kJson) ==
      "{\"time\":\"2023-11-14T22:13:20.123456Z\",\"level\":\"warning\",\"event\":\"order.reject\","
      "\"id\":\"hf1\",\"price\":\"61837.63\",\"lots\":-3,\"ours\":true,"
      "\"text\":\"Filter failure: \\\"LOT_SIZE\\\"\\nsecond\\u0001line\",\"empty\":\"\"}");
}

TEST_CASE("log: text that does not fit is cut, and later fields stay", "[apps][log]") {
  const LogRecord record = LogRecord(LogLevel::kInfo, "event", kTimeNs)
                               .Add("long", std::string(1000, 'x'))
                               .Add("number", int64_t{7})
                               .Add("more", "lost");
  CHECK(Line(record, LogFormat::kText) ==
        "2023-11-14T22:13:20.123456Z INFO  event long=" + std::string(LogRecord::kTextBytes, 'x') +
            " number=7 more=\"\"");
}

TEST_CASE("log: secrets and signatures are redacted wherever they occur", "[apps][log][O6]") {
  Redactor redactor;
  redactor.AddSecret("hmac-\"secret\"");
  redactor.AddSecret("abc");  // too short to search for
  redactor.AddSecret(
      "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----");
  CHECK(redactor.Redact("key=hmac-\"secret\" again hmac-\"secret\".") ==
        "key=[redacted] again [redacted].");
  CHECK(redactor.Redact("abc") == "abc");
  CHECK(redactor.Redact("pem MC4CAQAwBQYDK2VwBCIEIAAA") == "pem [redacted]");
  CHECK(redactor.Redact("POST /api/v3/order?symbol=A&signature=0123abcd&x=1") ==
        "POST /api/v3/order?symbol=A&signature=[redacted]&x=1");
  CHECK(redactor.Redact("signature=0123 signature=") ==
        "signature=[redacted] signature=[redacted]");

  const LogRecord record =
      LogRecord(LogLevel::kInfo, "http", kTimeNs).Add("url", "/a?key=hmac-\"secret\"&signature=ff");
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::string line = Line(record, format, redactor);
    CHECK(line.find("secret") == std::string::npos);
    CHECK(line.find("=ff") == std::string::npos);
  }
}

TEST_CASE("log: a full channel drops information, counts it, and keeps room for errors",
          "[apps][log]") {
  LogChannel channel(LogLevel::kInfo);
  for (size_t i = 0; i < LogChannel::kInfoCapacity; ++i) {
    channel.Write(LogRecord(LogLevel::kInfo, "fill", kTimeNs));
  }
  CHECK(channel.dropped_count() == 0);
  channel.Write(LogRecord(LogLevel::kInfo, "one.too.many", kTimeNs));
  CHECK(channel.dropped_count() == 1);
  for (size_t i = LogChannel::kInfoCapacity; i < LogChannel::kCapacity; ++i) {
    channel.Write(LogRecord(LogLevel::kError, "error", kTimeNs));
  }
  CHECK(channel.dropped_count() == 1);
  channel.Write(LogRecord(LogLevel::kError, "error", kTimeNs));
  CHECK(channel.dropped_count() == 2);
  channel.Write(LogRecord(LogLevel::kDebug, "below.the.level", kTimeNs));
  CHECK(channel.dropped_count() == 2);
}

TEST_CASE("log: what threads write is in the file when it is flushed", "[apps][log]") {
  constexpr int kThreads = 4;
  constexpr int kRecords = 500;
  TemporaryFile file;
  const ManualClock clock;
  Redactor redactor;
  redactor.AddSecret("very-secret");
  auto log = Log::Open(clock, {.format = LogFormat::kText, .file = file.path()}, redactor);
  REQUIRE(log.ok());
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    LogChannel* channel = &(*log)->AddChannel();
    threads.emplace_back([channel, i] {
      for (int j = 0; j < kRecords; ++j) {
        channel->Write(LogRecord(LogLevel::kInfo, "tick", kTimeNs)
                           .Add("thread", int64_t{i})
                           .Add("number", int64_t{j}));
      }
    });
  }
  (*log)->Write((*log)->Record(LogLevel::kInfo, "shared").Add("text", "a very-secret word"));
  for (std::thread& thread : threads) thread.join();
  (*log)->Flush();
  const std::string text = file.Read();
  const std::vector<std::string_view> lines = SplitText(text, '\n');
  CHECK(lines.size() == kThreads * kRecords + 1);
  CHECK(text.find("text=\"a [redacted] word\"") != std::string::npos);
  for (int i = 0; i < kThreads; ++i) {
    CHECK(text.find(Concat("thread=", i, " number=", kRecords - 1)) != std::string::npos);
  }
  (*log)->Write((*log)->Record(LogLevel::kError, "last"));
  log->reset();  // the end of the log writes what is left
  CHECK(file.Read().find("ERROR last") != std::string::npos);
}

TEST_CASE("log: a file that can't be opened is an error", "[apps][log]") {
  const ManualClock clock;
  const auto log = Log::Open(clock, {.file = "/nonexistent-folder/log"}, Redactor());
  CHECK(std::string(log.status().message()) ==
        "log: cannot open: file=/nonexistent-folder/log reason=No such file or directory");
}

}  // namespace
}  // namespace holdfast
