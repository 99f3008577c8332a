#include "services/readers.h"

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "services/errors.h"
#include "services/visibility.h"

namespace denier::services {
namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

constexpr auto kLongestWait = std::chrono::seconds(60);
constexpr auto kAnswerTime = std::chrono::milliseconds(100);

// A little before the call's own deadline, or nobody would read why it was not answered.
steady_clock::time_point WaitDeadline(const grpc::CallbackServerContext& context) {
  // Compared before it is converted: "no deadline" is beyond what a duration can hold.
  const system_clock::time_point now = system_clock::now();
  if (context.deadline() > now + kLongestWait) return steady_clock::now() + kLongestWait;
  const system_clock::duration left = context.deadline() - now;
  return steady_clock::now() + left - std::min<system_clock::duration>(left / 5, kAnswerTime);
}

// Whoever has it ends it: the handler, then the runner's callback or OnCancel (whichever comes
// first takes it), then a reader.
class ReadCall final : public grpc::ServerUnaryReactor {
 public:
  using Work = std::function<std::optional<rules::Refusal>(const events::v1::Principal&)>;

  ReadCall(const ReadRoom& room, grpc::CallbackServerContext& context, Work work)
      : room_(room), context_(context), work_(std::move(work)) {}

  void Begin(const google::protobuf::Message& request, store::Position wait_for) {
    Identified who = room_.principals.Read(context_);
    if (auto* refusal = std::get_if<rules::Refusal>(&who)) return End(*refusal);
    principal_ = std::get<events::v1::Principal>(std::move(who));
    if (auto refusal = RefuseUnknownFieldsOf(request)) return End(*refusal);
    if (room_.figures) {
      if (auto refusal = RefuseFigures(principal_)) return End(*refusal);
    }
    if (wait_for == 0) return Queue();
    free_->store(true);
    room_.runner.CallWhenFolded(
        wait_for, WaitDeadline(context_),
        [this, wait_for, &runner = room_.runner, free = free_](bool folded) {
          if (!free->exchange(false)) return;  // it was cancelled, and may be gone
          folded ? Queue() : End(NotFolded(runner, wait_for));
        });
  }

  void OnCancel() override {
    if (free_->exchange(false)) Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  void Queue() {
    if (!room_.readers.Post([this] { DoWork(); })) End(Overloaded());
  }
  void DoWork() {
    if (context_.IsCancelled()) return Finish(grpc::Status::CANCELLED);
    const std::optional<rules::Refusal> refusal = work_(principal_);
    Finish(refusal.has_value() ? StatusOf(*refusal) : grpc::Status::OK);
  }
  void End(const rules::Refusal& refusal) { Finish(StatusOf(refusal)); }

  const ReadRoom room_;
  grpc::CallbackServerContext& context_;
  const Work work_;
  events::v1::Principal principal_;
  // True while it waits, to be taken by one of two. It outlives the call, for the one that comes
  // second.
  const std::shared_ptr<std::atomic<bool>> free_ = std::make_shared<std::atomic<bool>>(false);
};

}  // namespace

Readers::Readers(int threads, std::size_t most_queued) : most_queued_(most_queued) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back(&Readers::Run, this);
}

Readers::~Readers() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

bool Readers::Post(std::function<void()> task) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (queue_.size() >= most_queued_) return false;
    queue_.push_back(std::move(task));
  }
  wake_.notify_one();
  return true;
}

void Readers::Run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::function<void()> task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    task();
    lock.lock();
  }
}

grpc::ServerUnaryReactor* StartRead(const ReadRoom& room, grpc::CallbackServerContext& context,
                                    const google::protobuf::Message& request,
                                    store::Position wait_for, ReadCall::Work work) {
  auto* call = new ReadCall(room, context, std::move(work));
  call->Begin(request, wait_for);
  return call;
}

std::optional<rules::Refusal> RefuseUnknownFieldsOf(const google::protobuf::Message& request) {
  const std::unique_ptr<google::protobuf::Message> known(request.New());
  known->CopyFrom(request);
  known->DiscardUnknownFields();
  if (known->ByteSizeLong() == request.ByteSizeLong()) return std::nullopt;
  return rules::Refuse(v1::ERROR_REASON_UNKNOWN_FIELDS, "a field that this server does not know");
}

rules::Refusal Overloaded() {
  return rules::Refuse(v1::ERROR_REASON_OVERLOADED, "too many reads wait");
}

rules::Refusal Stopping() {
  return rules::Refuse(v1::ERROR_REASON_STOPPING, "the server is stopping");
}

rules::Refusal NotFolded(const projections::Runner& runner, store::Position next) {
  const absl::Status status = runner.status();
  if (absl::IsDataLoss(status)) return Unreadable(status);
  return rules::Refuse(v1::ERROR_REASON_POSITION_NOT_REACHED,
                       absl::StrCat("position not folded in time",
                                    status.ok() ? "" : ": the rows are not folded any further"))
      .With("position", static_cast<std::int64_t>(next) - 1);
}

rules::Refusal Unreadable(const absl::Status& status) {
  const std::string message(status.message());
  if (absl::IsOutOfRange(status)) {
    return rules::Refuse(v1::ERROR_REASON_AMOUNT_OVERFLOW, message);
  }
  return rules::Refuse(v1::ERROR_REASON_DAMAGED, message);
}

rules::Refusal Undecodable(std::string_view row_key) {
  return rules::Refuse(v1::ERROR_REASON_DAMAGED,
                       "the row " + std::string(row_key) + " does not decode");
}

}  // namespace denier::services
