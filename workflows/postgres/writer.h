#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "workflows/postgres/batch.h"
#include "workflows/postgres/writer_session.h"

namespace holdfast::workflows {

struct WriterLimits {
  size_t waiting_count_max = 100'000;  // writes of one shard; beyond: kResourceExhausted
  size_t waiting_bytes_max = 256u << 20;
  int32_t batch_rows_max = 2'000;
  size_t batch_bytes_max = 8u << 20;   // a larger write travels alone
  size_t write_bytes_max = 64u << 20;  // a larger write is refused
};

// How many writes the batches of a writer had, by powers of two: [i] counts batches of 2^i up to
// 2^(i+1) - 1 writes.
struct WriterStats {
  std::vector<int64_t> batches_by_size = std::vector<int64_t>(16);
  int64_t batch_count = 0;
  int64_t write_count = 0;
  int64_t split_count = 0;  // batches that were cut to find the write that the database refuses
  int64_t waiting_count = 0;
};

// One shard of the journal's hot path. Everything that waits when the connection is free becomes
// one batch, one round trip and one transaction; a lone write goes at the end of the reactor's
// turn, without a timer. While a batch is in flight the next one gathers.
//
// A batch is all or nothing. When fences were lost, those writes are told and the rest is sent
// again; a write that the database refuses is found by halving the batch.
class Writer {
 public:
  struct Hooks {
    std::function<std::string()> mint_token;
    std::function<void(const PendingWrite&)> on_durable;  // before its reply
    std::function<void(const absl::Status&)> on_lease_lost;
    std::function<void(const absl::Status&)> on_data_loss;
    std::function<void(bool)> on_availability;
  };

  // `sinks` outlives the writer.
  Writer(EpollReactor& reactor, ConnectionOptions options, int shard, uint64_t seed,
         WriterLimits limits, const SinkTable& sinks, Hooks hooks);
  ~Writer();

  void Open() { session_.Open(); }
  void SetIdentity(std::optional<LeaseIdentity> lease, BatchIdentity identity);
  void Add(std::unique_ptr<PendingWrite> write);
  // Answers every waiting write; a batch in flight answers by itself.
  void FailWaiting(const absl::Status& status);

  WriterStats stats() const;
  bool is_available() const { return session_.is_serving(); }
  WriterSession& session() { return session_; }

 private:
  void SchedulePump();
  void Pump();
  Writes Gather();
  void Send(Writes writes);
  void OnResult(std::shared_ptr<Batch> batch, WriterResult result);
  void OnRefused(Batch& batch, const WriterResult& result);
  void OnFencesLost(Batch& batch, const std::vector<std::string>& lost_ids);
  void Split(Writes writes);
  void Resolve(std::shared_ptr<Batch> batch);
  void CheckRecordedSteps(std::shared_ptr<PendingWrite> write, absl::Status refusal);
  void Deliver(Batch& batch);
  void Reply(std::unique_ptr<PendingWrite> write, const absl::Status& status);
  void FailAll(Writes writes, const absl::Status& status);

  EpollReactor& reactor_;
  const WriterLimits limits_;
  const SinkTable& sinks_;
  const Hooks hooks_;
  BatchIdentity identity_;
  std::deque<std::unique_ptr<PendingWrite>> waiting_;
  size_t waiting_bytes_ = 0;
  std::deque<Writes> parts_;  // of batches that were cut: they go first
  bool is_pump_posted_ = false;
  bool is_held_ = false;  // a write is being looked into that later ones must not overtake
  WriterStats stats_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  WriterSession session_;  // last: its callbacks use what is above
};

}  // namespace holdfast::workflows
