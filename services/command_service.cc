#include "services/command_service.h"

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "services/errors.h"
#include "services/rules/decide.h"

namespace denier::services {
namespace {

using std::chrono::steady_clock;

// The API's limit of one message of the stream.
constexpr int kMostCommands = 5'000;

// Messages of one stream that may wait for their answers; beyond it nothing more is read, and the
// client's own flow control stops it.
constexpr std::size_t kMostMessagesInFlight = 4;

steady_clock::time_point DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return steady_clock::time_point::max();
  }
  return steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                   deadline - std::chrono::system_clock::now());
}

std::int64_t MicrosecondsSince(steady_clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - start).count();
}

rules::Refusal Stopping() {
  return rules::Refuse(v1::ERROR_REASON_STOPPING, "the server is stopping");
}

// What the log says of a command, kept while it is decided. Small: it is copied with its callback.
struct Attempt {
  std::string_view rpc;
  std::string request_id;
  std::string principal;
  std::string body;
  steady_clock::time_point start;
};

Attempt AttemptOf(std::string_view rpc, const v1::Command& command, const Identified& who,
                  steady_clock::time_point start) {
  Attempt attempt{rpc, {}, {}, {}, start};
  if (const v1::CommandHeader* header = rules::HeaderOf(command)) {
    // It has not been checked yet.
    attempt.request_id = header->request_id().substr(0, 64);
  }
  if (const auto* principal = std::get_if<events::v1::Principal>(&who)) {
    attempt.principal = principal->principal_id();
    attempt.body = principal->body_id();
  }
  return attempt;
}

// Who may not act stands out from whose figures do not fit.
ServerLog::Level LevelOf(v1::ErrorReason reason) {
  switch (CodeOf(reason)) {
    case grpc::StatusCode::PERMISSION_DENIED:
    case grpc::StatusCode::RESOURCE_EXHAUSTED:
      return ServerLog::Level::kWarning;
    case grpc::StatusCode::UNAVAILABLE:
    case grpc::StatusCode::DATA_LOSS:
      return ServerLog::Level::kError;
    default:
      return ServerLog::Level::kInfo;
  }
}

void LogRefused(ServerLog& log, const Attempt& attempt, const rules::Refusal& refusal) {
  log.Write(LevelOf(refusal.reason), "command_refused",
            {{"rpc", attempt.rpc},
             {"request_id", attempt.request_id},
             {"principal", attempt.principal},
             {"body", attempt.body},
             {"reason", NameOf(refusal.reason)},
             {"message", refusal.message},
             {"duration_us", MicrosecondsSince(attempt.start)}});
}

}  // namespace

bool CommandService::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

bool CommandService::Parse(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  if (!bytes.Valid()) return false;  // the caller has sent nothing
  grpc::Slice slice;
  if (!bytes.TrySingleSlice(&slice).ok() && !bytes.DumpToSingleSlice(&slice).ok()) return false;
  // The server takes no message that an int cannot count.
  return message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
}

void CommandService::Write(const google::protobuf::MessageLite& message, grpc::ByteBuffer& bytes) {
  grpc::Slice slice(message.ByteSizeLong());
  // Ours alone so far.
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
  bytes = grpc::ByteBuffer(&slice, 1);
}

grpc::ServerUnaryReactor* CommandService::Execute(const Rpc& rpc,
                                                  grpc::CallbackServerContext& context, bool parsed,
                                                  v1::Command command, grpc::ByteBuffer& response) {
  grpc::ServerUnaryReactor* const reactor = context.DefaultReactor();
  Identified who = principals_.Read(context);
  Attempt attempt = AttemptOf(rpc.name, command, who, steady_clock::now());

  // `reactor` and `response` live until Finish, cancelled or not, and when that was the last call,
  // this service no longer than they.
  auto answer = [&log = log_, &metrics = metrics_, reactor, &response, write = rpc.write,
                 attempt = std::move(attempt)](Outcome outcome) {
    if (const auto* refusal = std::get_if<rules::Refusal>(&outcome)) {
      LogRefused(log, attempt, *refusal);
      metrics.CommandsAnswered(attempt.rpc, NameOf(refusal->reason), 1);
      reactor->Finish(StatusOf(*refusal));
      return;
    }
    auto& result = std::get<v1::CommandResult>(outcome);
    const std::int64_t position = result.position();
    metrics.CommandsAnswered(attempt.rpc, "OK", 1);
    write(std::move(result), response);
    reactor->Finish(grpc::Status::OK);
    // Not before: the caller waits.
    log.Write(ServerLog::Level::kInfo, "command_accepted",
              {{"rpc", attempt.rpc},
               {"request_id", attempt.request_id},
               {"position", position},
               {"principal", attempt.principal},
               {"body", attempt.body},
               {"duration_us", MicrosecondsSince(attempt.start)}});
  };

  if (!parsed) {
    answer(rules::Refuse(v1::ERROR_REASON_INVALID_FIELD,
                         "the request is not a well-formed message of its type"));
  } else if (auto* refusal = std::get_if<rules::Refusal>(&who)) {
    answer(std::move(*refusal));
  } else if (auto unknown = rules::RefuseUnknownFields(command)) {
    answer(*std::move(unknown));
  } else if (stopping()) {
    answer(Stopping());
  } else {
    Submission submission;
    submission.content.push_back(ContentHash(command));
    submission.commands.push_back(std::move(command));
    submission.actor = std::get<events::v1::Principal>(std::move(who));
    submission.deadline = DeadlineOf(context);
    submission.done = [answer = std::move(answer)](std::vector<Outcome> outcomes) {
      answer(std::move(outcomes.front()));
    };
    sequencer_.Submit(std::move(submission));
  }
  return reactor;
}

// One ExecuteCommands call. Messages are answered in the order in which they came, though a message
// that needs no decision is ready before its turn.
//
// gRPC may react within a call of StartRead or StartWrite, so no lock is held across one: whoever
// changes the state does it in Update, and one thread at a time acts upon it.
class CommandService::Stream final
    : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
      public std::enable_shared_from_this<Stream> {
 public:
  Stream(CommandService& service, grpc::CallbackServerContext& context)
      : service_(service),
        who_(service.principals_.Read(context)),
        deadline_(DeadlineOf(context)) {}

  // Refuses a caller that nobody knows; reads the first message otherwise.
  void Start() {
    if (const auto* refusal = std::get_if<rules::Refusal>(&who_)) {
      Attempt attempt = AttemptOf(kRpc, v1::Command(), who_, steady_clock::now());
      LogRefused(service_.log_, attempt, *refusal);
      service_.metrics_.CommandsAnswered(kRpc, NameOf(refusal->reason), 1);
      End(*refusal);
    } else {
      Update([] {});
    }
  }

  // Nothing more is read; what was read is answered, then the call ends with `refusal`.
  void End(const rules::Refusal& refusal) {
    Update([&] {
      if (!reads_ended_) last_word_ = StatusOf(refusal);
      reads_ended_ = true;
    });
  }

  void OnReadDone(bool ok) override {
    if (ok) Handle();
    Update([&] {
      reading_ = false;
      if (!ok) reads_ended_ = true;
    });
  }

  void OnWriteDone(bool ok) override {
    Update([&] {
      writing_ = false;
      if (!ok) broken_ = true;
    });
  }

  void OnDone() override {
    std::shared_ptr<Stream> self = shared_from_this();
    const std::lock_guard lock(service_.mutex_);
    service_.streams_.erase(self);
  }

 private:
  static constexpr std::string_view kRpc = "ExecuteCommands";

  struct Answer {
    v1::ExecuteCommandsResponse response;
    bool ready = false;
  };

  // Decodes incoming_ and submits it.
  void Handle() {
    v1::ExecuteCommandsRequest request;
    if (!grpc::SerializationTraits<v1::ExecuteCommandsRequest>::Deserialize(&incoming_, &request)
             .ok()) {
      End(rules::InvalidField("commands", "the message is not well-formed"));
      return;
    }
    if (request.commands_size() > kMostCommands) {
      End(rules::InvalidField("commands",
                              absl::StrCat("at most ", kMostCommands, " commands a message")));
      return;
    }
    Answer* answer = nullptr;
    Update([&] { answer = &answers_.emplace_back(); });  // stays where it is in the deque
    Submit(std::move(request), *answer);
  }

  // Fills `answer`, now or when the sequencer has decided.
  void Submit(v1::ExecuteCommandsRequest request, Answer& answer) {
    const steady_clock::time_point start = steady_clock::now();
    std::vector<Attempt> attempts;
    Submission submission;
    std::vector<int> submitted;  // which commands of the message
    const auto size = static_cast<std::size_t>(request.commands_size());
    attempts.reserve(size);
    submission.commands.reserve(size);
    submission.content.reserve(size);
    submitted.reserve(size);
    bool refused = false;
    for (v1::Command& command : *request.mutable_commands()) {
      const int index = static_cast<int>(attempts.size());
      attempts.push_back(AttemptOf(kRpc, command, who_, start));
      v1::CommandOutcome& outcome = *answer.response.add_outcomes();
      std::optional<rules::Refusal> refusal = rules::RefuseUnknownFields(command);
      if (!refusal.has_value() && service_.stopping()) refusal = Stopping();
      if (refusal.has_value()) {
        refused = true;
        Refuse(attempts.back(), *refusal, outcome);
        continue;
      }
      submitted.push_back(index);
      submission.content.push_back(ContentHash(command));
      submission.commands.push_back(std::move(command));
    }
    if (request.atomic() && refused) {
      const rules::Refusal refusal = rules::Refuse(
          v1::ERROR_REASON_GROUP_REFUSED, "another command of the atomic group was refused");
      for (const int index : submitted) {
        Refuse(attempts[index], refusal, *answer.response.mutable_outcomes(index));
      }
      submission.commands.clear();
    }
    if (submission.commands.empty()) {
      Update([&] { answer.ready = true; });
      return;
    }
    submission.actor = std::get<events::v1::Principal>(who_);
    submission.atomic = request.atomic();
    submission.deadline = deadline_;
    submission.done = [self = shared_from_this(), &answer, attempts = std::move(attempts),
                       submitted = std::move(submitted)](std::vector<Outcome> outcomes) {
      self->Fill(answer, attempts, submitted, std::move(outcomes));
    };
    service_.sequencer_.Submit(std::move(submission));
  }

  void Refuse(const Attempt& attempt, const rules::Refusal& refusal, v1::CommandOutcome& outcome) {
    LogRefused(service_.log_, attempt, refusal);
    service_.metrics_.CommandsAnswered(kRpc, NameOf(refusal.reason), 1);
    *outcome.mutable_error() = RpcStatusOf(refusal);
  }

  // `outcomes` are those of the commands numbered `submitted`.
  void Fill(Answer& answer, const std::vector<Attempt>& attempts, const std::vector<int>& submitted,
            std::vector<Outcome> outcomes) {
    std::size_t accepted = 0;
    std::int64_t first = -1;
    std::int64_t last = -1;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      v1::CommandOutcome& outcome = *answer.response.mutable_outcomes(submitted[i]);
      if (const auto* refusal = std::get_if<rules::Refusal>(&outcomes[i])) {
        Refuse(attempts[submitted[i]], *refusal, outcome);
        continue;
      }
      *outcome.mutable_result() = std::get<v1::CommandResult>(std::move(outcomes[i]));
      last = outcome.result().position();
      if (accepted++ == 0) first = last;
    }
    if (accepted > 0) {
      // A line a message: each accepted command stands in the event log by itself.
      service_.log_.Write(ServerLog::Level::kInfo, "commands_accepted",
                          {{"rpc", kRpc},
                           {"request_id", attempts.front().request_id},
                           {"count", static_cast<std::int64_t>(accepted)},
                           {"first_position", first},
                           {"position", last},
                           {"principal", attempts.front().principal},
                           {"body", attempts.front().body},
                           {"duration_us", MicrosecondsSince(attempts.front().start)}});
      service_.metrics_.CommandsAnswered(kRpc, "OK", accepted);
    }
    Update([&] { answer.ready = true; });
  }

  // Changes the state, then does what it asks for, unless somebody is at it already: then that one
  // looks again.
  void Update(absl::FunctionRef<void()> change) {
    std::unique_lock lock(mutex_);
    change();
    looked_ = false;
    if (acting_) return;
    acting_ = true;
    while (!looked_) {
      looked_ = true;
      if (!writing_ && sent_) {
        answers_.pop_front();
        sent_ = false;
      }
      if (broken_) {
        // Nobody listens. What the sequencer still holds is waited for, because it answers into
        // answers_.
        while (!answers_.empty() && answers_.front().ready) answers_.pop_front();
      } else if (!writing_ && !answers_.empty() && answers_.front().ready) {
        writing_ = sent_ = true;
        Act(lock, [this] { Write(answers_.front().response); });
        continue;
      }
      if (!reading_ && !reads_ended_ && !broken_ && answers_.size() < kMostMessagesInFlight) {
        reading_ = true;
        Act(lock, [this] { StartRead(&incoming_); });
        continue;
      }
      const bool over = reads_ended_ || broken_;
      if (over && answers_.empty() && !writing_) {
        lock.unlock();
        Finish(last_word_);  // acting_ stays: nothing is started after it
        return;
      }
    }
    acting_ = false;
  }

  // Outside the lock, and then looks again.
  template <typename Action>
  void Act(std::unique_lock<std::mutex>& lock, Action action) {
    lock.unlock();
    action();
    lock.lock();
    looked_ = false;
  }

  void Write(const v1::ExecuteCommandsResponse& response) {
    bool own_buffer = false;
    outgoing_.Clear();
    (void)grpc::SerializationTraits<v1::ExecuteCommandsResponse>::Serialize(response, &outgoing_,
                                                                            &own_buffer);
    StartWrite(&outgoing_);
  }

  CommandService& service_;
  const Identified who_;
  const steady_clock::time_point deadline_;

  grpc::ByteBuffer incoming_;
  grpc::ByteBuffer outgoing_;

  std::mutex mutex_;
  // All of these are guarded by mutex_, but for the response of an answer that is not ready.
  std::deque<Answer> answers_;  // to the messages in flight, in their order
  grpc::Status last_word_;
  bool reading_ = false;
  bool reads_ended_ = false;
  bool writing_ = false;
  bool sent_ = false;    // the front of answers_ was handed to gRPC
  bool broken_ = false;  // the client is gone
  bool acting_ = false;
  bool looked_ = false;
};

grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* CommandService::ExecuteCommands(
    grpc::CallbackServerContext* context) {
  auto stream = std::make_shared<Stream>(*this, *context);
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    streams_.insert(stream);
    stopping = stopping_;
  }
  if (stopping) {
    stream->End(Stopping());
  } else {
    stream->Start();
  }
  return stream.get();  // OnDone lets it go
}

void CommandService::Stop() {
  std::set<std::shared_ptr<Stream>> streams;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    streams = streams_;
  }
  for (const std::shared_ptr<Stream>& stream : streams) stream->End(Stopping());
}

}  // namespace denier::services
