#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/fault/durable_workload.h"

namespace holdfast::testing {

// The outside party of a test with several worker processes: a server on a unix socket with a
// thread of its own. Keeps every effect in the order of arrival, and hands out the workflows that
// have to be started, each until some worker says that it is accepted.
//
// Lines of the protocol, one answer a line:
//   effect WORKFLOW FUNCTION ATTEMPT PROCESS RUN STARTED_NS   -> ok
//   next                                                      -> start INDEX | none
//   accepted INDEX                                            -> ok
//   refused INDEX TEXT...                                     -> ok
class LedgerServer {
 public:
  struct Arrival {
    OutsideEffect effect;
    int64_t arrived_ns = 0;  // wall clock
  };

  explicit LedgerServer(const std::string& socket_path);
  ~LedgerServer();
  LedgerServer(const LedgerServer&) = delete;
  LedgerServer& operator=(const LedgerServer&) = delete;

  // Thread-safe, all of them.
  void SetWanted(int count);  // indexes below it are handed out
  int accepted_count() const;
  std::vector<Arrival> arrivals() const;
  size_t arrival_count() const;
  std::vector<std::string> refusals() const;

 private:
  struct Client {
    int fd = -1;
    std::string unread;
  };

  void Run();
  bool Read(Client& client);
  std::string Answer(const std::string& line);

  int listener_ = -1;
  int wake_ = -1;
  mutable std::mutex mutex_;
  bool is_stopping_ = false;
  int wanted_count_ = 0;
  int accepted_count_ = 0;
  int next_index_ = 0;
  std::map<int, int64_t> handed_out_;  // not accepted yet, and when it may be handed out again
  std::vector<Arrival> arrivals_;
  std::vector<std::string> refusals_;
  std::thread thread_;
};

// A worker's end. Blocks for the answer. Thread-safe.
class LedgerClient final : public Outside {
 public:
  explicit LedgerClient(const std::string& socket_path);
  ~LedgerClient() override;

  absl::Status Append(const OutsideEffect& effect) override;
  // What to start next; nothing to do at the moment.
  std::optional<int> Next();
  void Accepted(int index);
  void Refused(int index, const std::string& why);

 private:
  std::optional<std::string> Ask(const std::string& line);

  std::mutex mutex_;
  int fd_ = -1;
  std::string unread_;
};

}  // namespace holdfast::testing
