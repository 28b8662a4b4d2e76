#include "workflows/postgres/news.h"

#include <algorithm>

#include "workflows/postgres/batch_columns.h"

namespace holdfast::workflows {
namespace {

constexpr int64_t kNotifyPeriodNs = 5 * kNanosPerMilli;
constexpr size_t kPayloadBytesMax = 7'500;  // the server's limit is 7,999
constexpr size_t kWaitingCountMax = 20'000;
constexpr std::string_view kEverything = "*";

// News need not survive a crash of the server: nobody waits for the disk.
constexpr Statement kNoWait = {"notify_no_wait",
                               "SELECT set_config('synchronous_commit', 'off', true)"};
constexpr Statement kNotify = {
    "notify",
    "SELECT pg_notify(u.channel, u.payload) FROM unnest($1::text[], $2::text[]) "
    "AS u (channel, payload)"};

bool IsOwnChannel(std::string_view channel) {
  return channel == kQueueChannel || channel == kEndedChannel || channel == kChangedChannel;
}

std::string JoinKey(std::string_view id, std::string_view key) {
  std::string joined(id);
  joined += "::";
  joined += key;
  return joined;
}

// 'id::key'. An id may hold '::' itself; a key rather not.
std::pair<std::string_view, std::string_view> SplitKey(std::string_view payload) {
  const size_t at = payload.rfind("::");
  if (at == std::string_view::npos) return {payload, {}};
  return {payload.substr(0, at), payload.substr(at + 2)};
}

}  // namespace

News::News(EpollReactor& reactor, WriterSession& session) : reactor_(reactor), session_(session) {}

News::~News() = default;

std::vector<std::string> News::Channels() {
  std::vector<std::string> channels;
  for (const std::string_view channel : {kMessageChannel, kEventChannel, kStreamChannel,
                                         kQueueChannel, kEndedChannel, kChangedChannel}) {
    channels.emplace_back(channel);
  }
  return channels;
}

void News::Message(std::string_view workflow_id, std::string_view topic) {
  if (listener_ != nullptr) listener_->OnMessage(workflow_id, topic);
}

void News::Event(std::string_view workflow_id, std::string_view key) {
  Tell(kEventChannel, JoinKey(workflow_id, key));
  if (listener_ != nullptr) listener_->OnEvent(workflow_id, key);
}

void News::Stream(std::string_view workflow_id, std::string_view key) {
  Tell(kStreamChannel, JoinKey(workflow_id, key));
  if (listener_ != nullptr) listener_->OnStream(workflow_id, key);
}

void News::Queue(std::string_view queue_name) {
  Tell(kQueueChannel, std::string(queue_name));
  // A batch may enqueue thousands on one queue: once a turn will do.
  local_queues_.insert(std::string(queue_name));
  if (is_local_posted_) return;
  is_local_posted_ = true;
  reactor_.Post([this, alive = std::weak_ptr<int>(alive_)] {
    if (alive.expired()) return;
    is_local_posted_ = false;
    for (const std::string& name : std::exchange(local_queues_, {})) {
      if (listener_ != nullptr) listener_->OnQueueChanged(name);
      if (alive.expired()) return;
    }
  });
}

void News::Ended(std::string_view workflow_id, bool is_remote_interested) {
  if (is_remote_interested) Tell(kEndedChannel, std::string(workflow_id));
  if (listener_ != nullptr) listener_->OnWorkflowEnded(workflow_id);
}

void News::Changed(std::string_view workflow_id) {
  Tell(kChangedChannel, std::string(workflow_id));
  if (listener_ != nullptr) listener_->OnWorkflowChanged(workflow_id);
}

void News::Tell(std::string_view channel, std::string payload) {
  if (payload.size() > kPayloadBytesMax) return;
  if (waiting_.size() >= kWaitingCountMax) {
    waiting_.clear();
    waiting_.emplace(kQueueChannel, std::string(kEverything));
  }
  waiting_.emplace(channel, std::move(payload));
  ScheduleFlush();
}

void News::ScheduleFlush() {
  if (is_flush_planned_) return;
  is_flush_planned_ = true;
  const int64_t due_ns = last_flush_ns_ + kNotifyPeriodNs;
  const auto flush = [this, alive = std::weak_ptr<int>(alive_)] {
    if (!alive.expired()) Flush();
  };
  if (due_ns <= reactor_.clock().MonotonicNs()) {
    reactor_.Post(flush);
  } else {
    reactor_.CallAt(due_ns, flush);
  }
}

void News::Flush() {
  is_flush_planned_ = false;
  last_flush_ns_ = reactor_.clock().MonotonicNs();
  if (!session_.connection().is_ready()) {
    waiting_.clear();  // who listens looks by itself now and then
    return;
  }
  TextArray channels;
  TextArray payloads;
  std::string lines;
  std::string_view lines_channel;
  const auto finish_lines = [&] {
    if (lines.empty()) return;
    channels.Add(lines_channel);
    payloads.Add(lines);
    lines.clear();
  };
  for (const auto& [channel, payload] : waiting_) {
    if (!IsOwnChannel(channel)) {
      channels.Add(channel);
      payloads.Add(payload);
      continue;
    }
    if (channel != lines_channel || lines.size() + payload.size() + 1 > kPayloadBytesMax) {
      finish_lines();
    }
    lines_channel = channel;
    if (!lines.empty()) lines += '\n';
    lines += payload;
  }
  finish_lines();
  waiting_.clear();
  std::vector<StatementCall> calls(2);
  calls[0].statement = kNoWait;
  calls[1].statement = kNotify;
  calls[1].parameters.Array(std::move(channels)).Array(std::move(payloads));
  session_.connection().Execute(calls, [](const TransactionResult&) {});
}

void News::OnNotification(std::string_view channel, std::string_view payload, int backend_pid) {
  if (listener_ == nullptr || backend_pid == session_.connection().backend_pid()) return;
  if (!IsOwnChannel(channel)) {
    const auto [id, key] = SplitKey(payload);
    if (channel == kMessageChannel) return listener_->OnMessage(id, key);
    if (channel == kEventChannel) return listener_->OnEvent(id, key);
    return listener_->OnStream(id, key);
  }
  const std::weak_ptr<int> alive = alive_;
  for (std::string_view rest = payload; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (alive.expired() || listener_ == nullptr) return;
    if (line == kEverything) {
      listener_->OnNewsLost();
    } else if (channel == kQueueChannel) {
      listener_->OnQueueChanged(line);
    } else if (channel == kEndedChannel) {
      listener_->OnWorkflowEnded(line);
    } else {
      listener_->OnWorkflowChanged(line);
    }
  }
}

}  // namespace holdfast::workflows
