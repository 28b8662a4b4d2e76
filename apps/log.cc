#include "apps/log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>

#include "apps/text.h"
#include "engine/base/assert.h"

namespace holdfast {
namespace {

constexpr std::string_view kRedacted = "[redacted]";
constexpr std::string_view kSignatureMark = "signature=";
constexpr size_t kWriteBytes = 64 << 10;

bool IsPlain(unsigned char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '='; }

void AppendQuoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

// RFC 3339 with microseconds, UTC.
std::string TimeText(int64_t wall_time_ns) {
  const time_t seconds = static_cast<time_t>(wall_time_ns / kNanosPerSecond);
  const int micros = static_cast<int>(wall_time_ns % kNanosPerSecond / kNanosPerMicro);
  tm parts = {};
  gmtime_r(&seconds, &parts);
  std::array<char, 48> buffer;
  const size_t size = std::strftime(buffer.data(), buffer.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const int end = std::snprintf(buffer.data() + size, buffer.size() - size, ".%06dZ", micros);
  return std::string(buffer.data(), size + static_cast<size_t>(end));
}

std::string_view UpperText(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "DEBUG";
    case LogLevel::kInfo:
      return "INFO ";
    case LogLevel::kWarning:
      return "WARN ";
    case LogLevel::kError:
      return "ERROR";
  }
  return "";
}

void AppendValue(std::string& out, const LogRecord& record, const LogRecord::Field& field,
                 LogFormat format, const Redactor& redactor) {
  switch (field.kind) {
    case LogRecord::Kind::kInteger:
      AppendTo(out, field.number);
      return;
    case LogRecord::Kind::kDecimal: {
      const std::string text = Decimal::FromUnits(field.number).ToText();
      // Text also in JSON: a reader's floating point must not touch money.
      if (format == LogFormat::kJson) return AppendQuoted(out, text);
      out += text;
      return;
    }
    case LogRecord::Kind::kBoolean:
      out += field.number != 0 ? "true" : "false";
      return;
    case LogRecord::Kind::kText: {
      const std::string text = redactor.Redact(record.TextOf(field));
      const bool is_plain = !text.empty() && std::all_of(text.begin(), text.end(), IsPlain);
      if (format == LogFormat::kText && is_plain) {
        out += text;
      } else {
        AppendQuoted(out, text);
      }
      return;
    }
  }
}

}  // namespace

std::string_view ToText(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "";
}

void Redactor::AddSecret(std::string_view secret) {
  // Of a PEM file each line of key material is a secret by itself; its frame is none.
  for (const std::string_view line : SplitText(secret, '\n')) {
    if (line.size() >= kMinSecretBytes && !line.starts_with("-----")) secrets_.emplace_back(line);
  }
}

std::string Redactor::Redact(std::string_view text) const {
  std::string out(text);
  for (const std::string& secret : secrets_) {
    if (out.find(secret) != std::string::npos) out = ReplaceText(out, secret, kRedacted);
  }
  for (size_t at = out.find(kSignatureMark); at != std::string::npos;
       at = out.find(kSignatureMark, at)) {
    at += kSignatureMark.size();
    const size_t end = std::min(out.find_first_of("& \"',;\n", at), out.size());
    out.replace(at, end - at, kRedacted);
  }
  return out;
}

std::string FormatLogRecord(const LogRecord& record, LogFormat format, const Redactor& redactor) {
  std::string out;
  if (format == LogFormat::kJson) {
    AppendTo(out, "{\"time\":\"", TimeText(record.wall_time_ns()), "\",\"level\":\"",
             ToText(record.level()), "\",\"event\":\"", record.event(), "\"");
  } else {
    AppendTo(out, TimeText(record.wall_time_ns()), " ", UpperText(record.level()), " ",
             record.event());
  }
  for (int i = 0; i < record.field_count(); ++i) {
    const LogRecord::Field& field = record.field(i);
    if (format == LogFormat::kJson) {
      AppendTo(out, ",\"", field.key, "\":");
    } else {
      AppendTo(out, " ", field.key, "=");
    }
    AppendValue(out, record, field, format, redactor);
  }
  if (format == LogFormat::kJson) out += '}';
  return out;
}

void LogChannel::Write(const LogRecord& record) {
  if (!IsEnabled(record.level())) return;
  const bool is_important = record.level() >= LogLevel::kWarning;
  const bool has_room = is_important || ring_.SizeEstimate() < kInfoCapacity;
  if (has_room && ring_.TryPush(record)) return;
  dropped_count_.fetch_add(1, std::memory_order_relaxed);
}

absl::StatusOr<std::unique_ptr<Log>> Log::Open(const Clock& clock, const Options& options,
                                               Redactor redactor) {
  int file = STDERR_FILENO;
  if (!options.file.empty()) {
    file = open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (file < 0) {
      return absl::UnavailableError(
          Concat("log: cannot open: file=", options.file, " reason=", std::strerror(errno)));
    }
  }
  return std::unique_ptr<Log>(new Log(clock, options, std::move(redactor), file));
}

Log::Log(const Clock& clock, const Options& options, Redactor redactor, int file)
    : clock_(clock), options_(options), redactor_(std::move(redactor)), file_(file) {
  buffer_.reserve(kWriteBytes);
  channels_.reserve(kMaxChannels);
  shared_channel_ = &AddChannel();
  thread_ = std::thread([this] { Run(); });
}

Log::~Log() {
  is_stopping_.store(true, std::memory_order_release);
  waker_.Notify();
  thread_.join();
  if (file_ != STDERR_FILENO) close(file_);
}

LogChannel& Log::AddChannel() {
  const std::lock_guard lock(channels_mutex_);
  HF_ASSERT(channels_.size() < kMaxChannels);
  channels_.push_back(std::make_unique<LogChannel>(options_.level));
  return *channels_.back();
}

void Log::Write(LogRecord record) {
  const std::lock_guard lock(shared_mutex_);
  shared_channel_->Write(record);
}

void Log::Flush() {
  const uint64_t wanted = flush_wanted_.fetch_add(1, std::memory_order_acq_rel) + 1;
  waker_.Notify();
  std::unique_lock lock(flush_mutex_);
  flushed_.wait(lock, [&] { return flush_done_ >= wanted; });
}

void Log::Run() {
  while (true) {
    // Read before draining: what was written before these were set is drained below.
    const bool is_last = is_stopping_.load(std::memory_order_acquire);
    const uint64_t wanted = flush_wanted_.load(std::memory_order_acquire);
    while (Drain()) {
    }
    {
      const std::lock_guard lock(flush_mutex_);
      flush_done_ = wanted;
    }
    flushed_.notify_all();
    if (is_last) return;
    const uint32_t ticket = waker_.PrepareWait();
    if (is_stopping_.load(std::memory_order_acquire) ||
        flush_wanted_.load(std::memory_order_acquire) != wanted) {
      waker_.CancelWait();
    } else {
      waker_.Wait(ticket, kPollIntervalNs);
    }
  }
}

bool Log::Drain() {
  const std::lock_guard lock(channels_mutex_);
  bool has_work = false;
  for (const auto& channel : channels_) {
    // At most one full ring a round, so that one busy channel does not starve the others.
    for (size_t i = 0; i < LogChannel::kCapacity; ++i) {
      const LogRecord* record = channel->ring_.Front();
      if (record == nullptr) break;
      AppendTo(buffer_, FormatLogRecord(*record, options_.format, redactor_), "\n");
      channel->ring_.Pop();
      has_work = true;
      if (buffer_.size() >= kWriteBytes / 2) WriteOut();
    }
    const uint64_t drops = channel->dropped_count();
    if (drops == channel->reported_drops_) continue;
    const LogRecord report =
        Record(LogLevel::kWarning, "log.dropped")
            .Add("count", static_cast<int64_t>(drops - channel->reported_drops_))
            .Add("total", static_cast<int64_t>(drops));
    channel->reported_drops_ = drops;
    AppendTo(buffer_, FormatLogRecord(report, options_.format, redactor_), "\n");
  }
  WriteOut();
  return has_work;
}

void Log::WriteOut() {
  std::string_view rest = buffer_;
  while (!rest.empty()) {
    const ssize_t size = write(file_, rest.data(), rest.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) {
      ++failed_write_count_;
      break;
    }
    rest.remove_prefix(static_cast<size_t>(size));
  }
  buffer_.clear();
}

}  // namespace holdfast
