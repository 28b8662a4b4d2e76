#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "apps/log_record.h"
#include "engine/base/clock.h"
#include "engine/base/spsc_ring.h"
#include "engine/base/waker.h"

namespace holdfast {

enum class LogFormat : uint8_t { kText, kJson };

// Replaces every occurrence of a secret by "[redacted]", and the value of `signature=...` in
// whatever was logged of a request. Secrets shorter than kMinSecretBytes are not searched for: they
// would cut holes into ordinary words.
class Redactor {
 public:
  static constexpr size_t kMinSecretBytes = 4;
  void AddSecret(std::string_view secret);
  std::string Redact(std::string_view text) const;

 private:
  std::vector<std::string> secrets_;
};

// One line without its end. Text:  "2026-11-21T06:00:00.123456Z INFO  order.place id=hf1 side=buy"
// JSON:  {"time":"...","level":"info","event":"order.place","id":"hf1","side":"buy"}
// Texts are redacted, then quoted and escaped where they hold blanks, quotes or control characters:
// one record is always one line.
std::string FormatLogRecord(const LogRecord& record, LogFormat format, const Redactor& redactor);

// The way into the log for one thread. Never blocks, never allocates.
//
// Bound: kCapacity records. When it is three quarters full, debug and info records are dropped;
// warnings and errors use the rest. What is dropped is counted and the count is logged.
class LogChannel {
 public:
  static constexpr size_t kCapacity = 4096;
  static constexpr size_t kInfoCapacity = kCapacity / 4 * 3;

  explicit LogChannel(LogLevel least_level) : least_level_(least_level), ring_(kCapacity) {}
  // The producer thread.
  bool IsEnabled(LogLevel level) const { return level >= least_level_; }
  void Write(const LogRecord& record);
  uint64_t dropped_count() const { return dropped_count_.load(std::memory_order_relaxed); }

 private:
  friend class Log;
  const LogLevel least_level_;
  SpscRing<LogRecord> ring_;
  std::atomic<uint64_t> dropped_count_{0};
  uint64_t reported_drops_ = 0;  // the log thread's
};

// Owns the log thread: it takes records out of all channels, formats, redacts and writes them. A
// write that fails is counted; logging never stops the service.
//
// Threads: AddChannel() and Write() from any; each channel from one.
class Log {
 public:
  struct Options {
    LogLevel level = LogLevel::kInfo;
    LogFormat format = LogFormat::kText;
    std::string file;  // empty: standard error
  };
  // kUnavailable: the file can't be opened.
  static absl::StatusOr<std::unique_ptr<Log>> Open(const Clock& clock, const Options& options,
                                                   Redactor redactor);
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Valid for the log's lifetime. At most kMaxChannels.
  LogChannel& AddChannel();
  // For threads that are not hot: start, stop, operator messages.
  void Write(LogRecord record);
  LogRecord Record(LogLevel level, const char* event) const {
    return LogRecord(level, event, clock_.WallNs());
  }
  // Returns when everything written before is in the file.
  void Flush();

 private:
  static constexpr size_t kMaxChannels = 16;
  // The log thread looks into the channels this often; producers never wake it, because a wake-up
  // is a system call.
  static constexpr int64_t kPollIntervalNs = 20 * kNanosPerMilli;

  Log(const Clock& clock, const Options& options, Redactor redactor, int file);
  void Run();
  // Writes out what is there; true if there was something.
  bool Drain();
  void WriteOut();

  const Clock& clock_;
  const Options options_;
  const Redactor redactor_;
  const int file_;

  std::mutex channels_mutex_;  // guards the list; a channel itself needs none
  std::vector<std::unique_ptr<LogChannel>> channels_;
  std::mutex shared_mutex_;  // the producer side of the channel behind Write()
  LogChannel* shared_channel_ = nullptr;

  std::string buffer_;  // the log thread's
  uint64_t failed_write_count_ = 0;

  Waker waker_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<uint64_t> flush_wanted_{0};
  std::mutex flush_mutex_;
  std::condition_variable flushed_;
  uint64_t flush_done_ = 0;  // under flush_mutex_
  std::thread thread_;
};

}  // namespace holdfast
