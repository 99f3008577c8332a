// How calls that read are answered: by threads of our own, because reading may wait for a disk and
// gRPC's threads may not.
#ifndef DENIER_SERVICES_READERS_H_
#define DENIER_SERVICES_READERS_H_

#include <grpcpp/server_context.h>

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/message.h"
#include "projections/runner.h"
#include "services/principal.h"
#include "services/rules/refusal.h"

namespace denier::services {

// Threads that read, and the queue before them. Any thread may call.
class Readers {
 public:
  explicit Readers(int threads, std::size_t most_queued = 4'000);

  // Runs what is queued.
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  // Runs `task` soon. False: too much waits already; `task` is dropped.
  [[nodiscard]] bool Post(std::function<void()> task);

 private:
  void Run();

  const std::size_t most_queued_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  bool stopping_ = false;                    // guarded by mutex_
  std::vector<std::thread> threads_;
};

// What calls that read have in common.
struct ReadRoom {
  projections::Runner& runner;
  const PrincipalReader& principals;
  Readers& readers;
  // False: what is read is no figure, so that an operator may read it too.
  bool figures = true;
};

// A unary call that reads: says who calls, refuses who reads no figure, waits (without a thread,
// within the call's deadline and never more than a minute) until the events [0, wait_for) are in
// the rows, then has a reader do `work`, which fills in the response or refuses. Cancelled, it ends
// at once, unless it is being worked at. gRPC owns the reactor; `room` outlives it.
grpc::ServerUnaryReactor* StartRead(
    const ReadRoom& room, grpc::CallbackServerContext& context,
    const google::protobuf::Message& request, store::Position wait_for,
    std::function<std::optional<rules::Refusal>(const events::v1::Principal&)> work);

// UNKNOWN_FIELDS: `request` has fields that this program does not know. A filter that is not
// understood must not be taken for none.
std::optional<rules::Refusal> RefuseUnknownFieldsOf(const google::protobuf::Message& request);

rules::Refusal Overloaded();
rules::Refusal Stopping();

// Why [0, next) was not folded in time: POSITION_NOT_REACHED, or what has stopped the runner.
rules::Refusal NotFolded(const projections::Runner& runner, store::Position next);

// A row that could not be read, a report that could not be made: DAMAGED, or AMOUNT_OVERFLOW.
rules::Refusal Unreadable(const absl::Status& status);
rules::Refusal Undecodable(std::string_view row_key);

}  // namespace denier::services

#endif  // DENIER_SERVICES_READERS_H_
