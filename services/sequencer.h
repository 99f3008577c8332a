// The one writer. gRPC threads hand it commands; one thread decides them in order against the books
// in memory, another makes what was accepted durable, one sync for all that waits; a third answers
// when there is more to be synced already. While the disk works on one batch the next is decided.
//
//   auto sequencer = Sequencer::Start(log, runner, {.now_us = Clock, .observer = {...}});
//   sequencer->Submit({.commands = {command}, .content = {ContentHash(command)}, .actor = actor,
//                      .deadline = deadline, .done = [](std::vector<Outcome> outcomes) { ... }});
//
// No answer of any kind (accepted, refused, dry run, repeated) leaves before every event that it
// was decided on is durable.
#ifndef DENIER_SERVICES_SEQUENCER_H_
#define DENIER_SERVICES_SEQUENCER_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/types.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/runner.h"
#include "services/rules/refusal.h"
#include "store/batch.h"
#include "store/log.h"
#include "store/sha256.h"

namespace denier::services {

using Outcome = std::variant<v1::CommandResult, rules::Refusal>;

// Commands that are decided next to each other.
struct Submission {
  std::vector<v1::Command> commands;
  std::vector<store::Hash> content;  // ContentHash of each command
  events::v1::Principal actor;
  // All are accepted in one batch, or none is: then the refused one has its own refusal, the others
  // GROUP_REFUSED. All or none of them are dry runs.
  bool atomic = false;
  // Passed before its turn: DEADLINE_PASSED, and nothing was decided.
  std::chrono::steady_clock::time_point deadline;
  // Called once with one outcome a command, in order; from a thread of the sequencer, or from
  // Submit when nothing had to be decided. Must not block, nor throw.
  std::function<void(std::vector<Outcome>)> done;
};

// SHA-256 of the command's fields in the order of their numbers, without validate_only. Any thread.
store::Hash ContentHash(const v1::Command& command);

// What the sequencer tells whoever measures it. Called from its threads, `queued` from the caller's
// of Submit too; must not block, nor call the sequencer.
struct SequencerObserver {
  // A batch is durable. `sync_time` is what Log::Append took.
  std::function<void(std::size_t events, std::chrono::microseconds sync_time)> committed;
  std::function<void(std::size_t queued_commands)> queued;
  // The log or the rows have failed, and no more commands are taken: the process should end, its
  // clients repeat their requests. Called once at most.
  std::function<void(const absl::Status&)> failed;
};

struct SequencerOptions {
  // What waits at most, in commands and in bytes; beyond it Submit answers OVERLOADED.
  std::size_t most_queued_commands = 20'000;
  std::size_t most_queued_bytes = std::size_t{256} << 20;
  // Commands in one batch at most; a larger submission is a batch of its own.
  std::size_t most_batch_commands = 5'000;
  // Commitments and payments kept in memory.
  std::size_t most_cached_rows = 100'000;
  // Microseconds since 1970 UTC. The clock of the events' recorded time. Required.
  std::function<std::int64_t()> now_us;
  SequencerObserver observer;
};

class Sequencer {
 public:
  // `log` and `runner` must outlive it; the runner stands at the log's head, and nobody else
  // appends. FAILED_PRECONDITION: the runner stands elsewhere, or a newer program wrote the last
  // event. DATA_LOSS: the last event is damaged.
  static absl::StatusOr<std::unique_ptr<Sequencer>> Start(store::Log& log,
                                                          projections::Runner& runner,
                                                          SequencerOptions options);

  // Answers what is queued (STOPPING), commits what has been decided.
  ~Sequencer();
  Sequencer(const Sequencer&) = delete;
  Sequencer& operator=(const Sequencer&) = delete;

  // Any thread; returns at once. Refusals that need no books may call `done` before it returns.
  void Submit(Submission submission);

 private:
  class Decider;

  // A submission in the queue. The outcomes that needed no books are there already.
  struct Waiting {
    Submission submission;
    std::vector<std::optional<Outcome>> outcomes;
    std::size_t bytes;  // of its commands
  };

  struct Answer {
    std::function<void(std::vector<Outcome>)> done;
    std::vector<Outcome> outcomes;
  };

  // One batch, possibly empty, and the answers that leave once it is durable.
  struct Round {
    store::Position first = 0;  // of the batch's events
    store::Batch batch;
    std::size_t commands = 0;  // decided in it,
    std::size_t bytes = 0;     // and their size
    std::vector<Answer> answers;
  };

  Sequencer(store::Log& log, projections::Runner& runner, SequencerOptions options,
            std::int64_t last_recorded_us);

  // The three threads.
  void DecideInTurn();
  void CommitInTurn();
  void AnswerInTurn();

  // All below with mutex_ held.
  bool HasRoom(const Round& open) const;
  std::vector<Waiting> TakeQueue(Round& open);
  std::vector<Waiting> TakeWholeQueue();
  void Fail(const absl::Status& status, std::unique_lock<std::mutex>& lock);

  absl::Status Commit(const Round& round);
  void Void(Round& round, const rules::Refusal& refusal);
  void Reject(Round& round, const rules::Refusal& refusal);
  void Reject(const std::vector<Waiting>& waiting, const rules::Refusal& refusal);

  store::Log& log_;
  projections::Runner& runner_;
  const SequencerOptions options_;
  const std::unique_ptr<Decider> decider_;  // the deciding thread's

  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable answerable_;  // durable_, answering_ends_
  // Guarded by mutex_:
  std::deque<Waiting> queue_;
  std::size_t queued_commands_ = 0;
  std::size_t queued_bytes_ = 0;
  std::optional<Round> handed_over_;  // from the deciding thread to the committing one
  bool committing_ = false;           // a round has been handed over and is not answered yet
  bool next_waits_ = false;           // the round that is being decided has something to answer
  // Answers that may leave, and do so in a thread of their own while the next round is synced.
  std::vector<Answer> durable_;
  bool answering_ends_ = false;  // nothing more will come
  bool disk_full_ = false;       // the last round was not written: what was decided on it is void
  bool stopping_ = false;
  bool closing_ = false;  // the deciding thread has ended
  absl::Status failure_;  // once it is not OK nothing more is decided

  std::thread deciding_thread_;
  std::thread committing_thread_;
  std::thread answering_thread_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_SEQUENCER_H_
