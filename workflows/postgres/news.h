#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "workflows/postgres/writer_session.h"
#include "workflows/runtime/journal.h"

namespace holdfast::workflows {

// Channels that DBOS's runtimes know; the payload is 'workflow id::topic or key'.
inline constexpr std::string_view kMessageChannel = "dbos_notifications_channel";
inline constexpr std::string_view kEventChannel = "dbos_workflow_events_channel";
inline constexpr std::string_view kStreamChannel = "dbos_streams_channel";
// Channels of our own; the payload is one name or id a line, or '*' for "look at everything".
inline constexpr std::string_view kQueueChannel = "holdfast_queues";
inline constexpr std::string_view kEndedChannel = "holdfast_ended";
inline constexpr std::string_view kChangedChannel = "holdfast_changed";

// Spreads what changed: to the listener in this process at once, to other processes by NOTIFY. A
// notifying commit takes a lock of the whole server, so it is never that of a batch: one statement
// of its own tells everything that came up meanwhile, at most once in kNotifyPeriodNs, and without
// a delay when the last one is long ago. Nothing of it is durable.
//
// Threads: the reactor's.
class News {
 public:
  // `session` listens on Channels() and outlives this.
  News(EpollReactor& reactor, WriterSession& session);
  ~News();

  static std::vector<std::string> Channels();
  void SetListener(JournalListener* listener) { listener_ = listener; }
  JournalListener* listener() const { return listener_; }

  // After the commit. For messages the table's trigger notifies other processes.
  void Message(std::string_view workflow_id, std::string_view topic);
  void Event(std::string_view workflow_id, std::string_view key);
  void Stream(std::string_view workflow_id, std::string_view key);
  void Queue(std::string_view queue_name);
  // `is_remote_interested` false: only this process is told.
  void Ended(std::string_view workflow_id, bool is_remote_interested);
  void Changed(std::string_view workflow_id);

  void OnNotification(std::string_view channel, std::string_view payload, int backend_pid);

 private:
  void Tell(std::string_view channel, std::string payload);
  void ScheduleFlush();
  void Flush();

  EpollReactor& reactor_;
  WriterSession& session_;
  JournalListener* listener_ = nullptr;
  // Waiting to be told, (channel, payload), each once.
  absl::btree_set<std::pair<std::string_view, std::string>> waiting_;
  absl::btree_set<std::string> local_queues_;
  bool is_local_posted_ = false;
  bool is_flush_planned_ = false;
  int64_t last_flush_ns_ = 0;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace holdfast::workflows
