// The one writer. gRPC threads hand it commands; one thread decides them in order against the books
// in memory, another makes what was accepted durable, one sync for all that waits, and answers. While
// the disk works on one batch the next is decided.
//
// No answer of any kind (accepted, refused, dry run, repeated) leaves before every event that it was
// decided on is durable.
#ifndef DENIER_SERVICES_SEQUENCER_H_
#define DENIER_SERVICES_SEQUENCER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "denier/events/v1/types.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/runner.h"
#include "services/rules/refusal.h"
#include "store/log.h"
#include "store/sha256.h"

namespace denier::services {

using Outcome = std::variant<v1::CommandResult, rules::Refusal>;

// Commands that are decided next to each other.
struct Submission {
  std::vector<v1::Command> commands;
  std::vector<store::Hash> content;  // ContentHash of each command
  events::v1::Principal actor;
  bool atomic = false;  // all are accepted in one batch, or none
  std::chrono::steady_clock::time_point deadline;  // passed before its turn: DEADLINE_PASSED
  // Called once, from the sequencer's thread, with one outcome a command, in order. Must not block.
  std::function<void(std::vector<Outcome>)> done;
};

// SHA-256 of the command's fields in the order of their numbers, without validate_only. Any thread.
store::Hash ContentHash(const v1::Command& command);

// What the sequencer tells whoever measures it. Called from its threads; must not block.
struct SequencerObserver {
  std::function<void(std::size_t events, std::chrono::microseconds sync_time)> committed;
  std::function<void(std::size_t queued_commands)> queued;
  // The log has failed and takes no more: the process should end, its clients repeat their requests.
  std::function<void(const absl::Status&)> failed;
};

struct SequencerOptions {
  // Commands waiting at most; beyond it Submit answers OVERLOADED.
  std::size_t most_queued_commands = 20'000;
  // Commands in one batch at most.
  std::size_t most_batch_commands = 5'000;
  // Commitments and payments kept in memory.
  std::size_t most_cached_rows = 100'000;
  // Microseconds since 1970 UTC. The clock of the events' recorded time.
  std::function<std::int64_t()> now_us;
  SequencerObserver observer;
};

class Sequencer {
 public:
  // `log` and `runner` must outlive it; the runner stands at the log's head.
  static absl::StatusOr<std::unique_ptr<Sequencer>> Start(store::Log& log,
                                                          projections::Runner& runner,
                                                          SequencerOptions options);

  // Answers what is queued (STOPPING), waits for what is being committed.
  ~Sequencer();
  Sequencer(const Sequencer&) = delete;
  Sequencer& operator=(const Sequencer&) = delete;

  // Any thread; returns at once. Refusals that need no books may call `done` before it returns.
  void Submit(Submission submission);

 private:
  class Impl;
  explicit Sequencer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_SEQUENCER_H_
