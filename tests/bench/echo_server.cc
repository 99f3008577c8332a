#include "tests/bench/echo_server.h"

#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "denier/v1/command_service.grpc.pb.h"
#include "denier/v1/query_service.grpc.pb.h"

namespace denier::bench {
namespace {

// An accepted command's answer, as long as Denier's.
void Fill(v1::CommandResult& result) {
  result.set_position(12'345);
  result.set_recorded_time_us(1'764'000'000'000'000);
  result.set_fiscal_year(2021);
  result.set_etag("12345");
}

// Makes commands durable and has them answered. Two threads take turns, so that one answers while
// the other one writes. Lives until the process ends.
class Writer {
 public:
  Writer(RawStore store, RawRows rows, std::size_t event_bytes)
      : store_(std::move(store)), rows_(std::move(rows)), event_bytes_(event_bytes) {
    for (int i = 0; i < 2; ++i) std::thread([this] { Work(); }).detach();
  }

  // Any thread; `answer` is called from one of the two. `with_rows`: they can be found again by
  // then.
  void Write(int commands, bool with_rows, std::function<void()> answer) {
    {
      const std::lock_guard lock(mutex_);
      waiting_.commands += static_cast<std::size_t>(commands);
      if (with_rows) waiting_.rows += static_cast<std::size_t>(commands);
      waiting_.answers.push_back(std::move(answer));
      waits_for_work_ = false;
    }
    waits_.notify_one();
  }

 private:
  void Work() {
    while (true) {
      Round round;
      std::uint64_t first = 0;
      {
        const std::lock_guard turn(turn_);
        Linger();
        {
          std::unique_lock lock(mutex_);
          waits_.wait(lock, [this] { return !waiting_.answers.empty(); });
          round = std::exchange(waiting_, {});
          waits_for_work_ = true;
        }
        first = std::exchange(next_, next_ + round.commands);
        // As a batch: its header, and each event behind its size; LZ4 leaves two fifths of many.
        const std::size_t bytes = round.commands * (4 + event_bytes_);
        value_.resize(36 + (bytes < kLarge ? bytes : bytes / 5 * 2), 'x');
        if (!store_.Put(first, value_).ok()) std::exit(1);
      }
      if (round.rows > 0 && !rows_.Put(first, round.rows).ok()) std::exit(1);
      for (const auto& answer : round.answers) answer();
    }
  }

  // As Denier's sequencer does, before it sleeps.
  void Linger() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(200);
    while (waits_for_work_ && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }

  // What one sync makes durable.
  struct Round {
    std::size_t commands = 0;
    std::size_t rows = 0;  // of so many of them
    std::vector<std::function<void()>> answers;
  };

  static constexpr std::size_t kLarge = std::size_t{32} << 10;

  std::mutex turn_;  // who holds it writes
  RawStore store_;
  RawRows rows_;
  const std::size_t event_bytes_;
  std::string value_;
  std::uint64_t next_ = 0;

  std::mutex mutex_;
  std::condition_variable waits_;
  Round waiting_;  // guarded by mutex_
  std::atomic<bool> waits_for_work_ = true;
};

// One ExecuteCommands call. The next message is read while the answer to the last one is written.
class EchoStream final
    : public grpc::ServerBidiReactor<v1::ExecuteCommandsRequest, v1::ExecuteCommandsResponse> {
 public:
  explicit EchoStream(Writer* writer) : writer_(writer) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    if (!ok) {
      After([this] { ended_ = true; });
      return;
    }
    const int commands = request_.commands_size();
    {
      const std::lock_guard lock(mutex_);
      if (writer_ == nullptr) {
        unanswered_.push_back(commands);
      } else {
        ++unwritten_;
      }
    }
    StartRead(&request_);
    if (writer_ == nullptr) {
      After([] {});
    } else {
      writer_->Write(commands, /*with_rows=*/true, [this, commands] {
        After([&] {
          --unwritten_;
          unanswered_.push_back(commands);
        });
      });
    }
  }
  void OnWriteDone(bool ok) override {
    After([&] {
      writing_ = false;
      if (!ok) unanswered_.clear();
    });
  }
  void OnDone() override { delete this; }

 private:
  // Makes a change, and what follows from it. Once the lock is gone another thread may end the
  // call, but for what this one has begun.
  template <typename Change>
  void After(Change change) {
    int commands = 0;
    bool finish = false;
    {
      const std::lock_guard lock(mutex_);
      change();
      if (writing_ || finished_) return;
      if (!unanswered_.empty()) {
        writing_ = true;
        commands = unanswered_.front();
        unanswered_.pop_front();
      }
      finish = finished_ = !writing_ && ended_ && unwritten_ == 0;
    }
    if (commands > 0) {
      response_.Clear();
      for (int i = 0; i < commands; ++i) Fill(*response_.add_outcomes()->mutable_result());
      StartWrite(&response_);
    }
    if (finish) Finish(grpc::Status::OK);
  }

  Writer* const writer_;  // nullptr: answered at once
  v1::ExecuteCommandsRequest request_;
  v1::ExecuteCommandsResponse response_;
  std::mutex mutex_;
  // Guarded by mutex_:
  int unwritten_ = 0;           // messages that the writer has
  std::deque<int> unanswered_;  // commands of each message
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
};

class EchoCommands final : public v1::CommandService::CallbackService {
 public:
  explicit EchoCommands(Writer* writer) : writer_(writer) {}

  grpc::ServerUnaryReactor* Engage(grpc::CallbackServerContext* context,
                                   const v1::EngageRequest* /*request*/,
                                   v1::EngageResponse* response) override {
    Fill(*response->mutable_result());
    auto* reactor = context->DefaultReactor();
    if (writer_ == nullptr) {
      reactor->Finish(grpc::Status::OK);
    } else {
      writer_->Write(1, /*with_rows=*/false, [reactor] { reactor->Finish(grpc::Status::OK); });
    }
    return reactor;
  }
  grpc::ServerBidiReactor<v1::ExecuteCommandsRequest, v1::ExecuteCommandsResponse>* ExecuteCommands(
      grpc::CallbackServerContext* /*context*/) override {
    return new EchoStream(writer_);
  }

 private:
  Writer* const writer_;  // nullptr: answered at once
};

class EchoQueries final : public v1::QueryService::CallbackService {
 public:
  explicit EchoQueries(const v1::GetYearlyExecutionResponse& reply) : reply_(reply) {}

  grpc::ServerUnaryReactor* GetYearlyExecution(grpc::CallbackServerContext* context,
                                               const v1::GetYearlyExecutionRequest* /*request*/,
                                               v1::GetYearlyExecutionResponse* response) override {
    *response = reply_;
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

 private:
  const v1::GetYearlyExecutionResponse& reply_;
};

[[noreturn]] void Serve(const std::string& yearly_execution_file, Writer* writer) {
  v1::GetYearlyExecutionResponse yearly_execution;
  std::ifstream file(yearly_execution_file, std::ios::binary);
  if (!file || !yearly_execution.ParseFromIstream(&file)) std::exit(1);
  EchoCommands commands(writer);
  EchoQueries queries(yearly_execution);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(8 << 20);
  builder.RegisterService(&commands);
  builder.RegisterService(&queries);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (server == nullptr) std::exit(1);
  std::printf("echo ready on 127.0.0.1:%d\n", port);
  std::fflush(stdout);
  server->Wait();
  std::exit(0);
}

}  // namespace

void ServeEcho(const std::string& yearly_execution_file) {
  Serve(yearly_execution_file, /*writer=*/nullptr);
}

void ServeDurableEcho(const std::string& yearly_execution_file, RawStore store, RawRows rows,
                      std::size_t event_bytes) {
  Writer writer(std::move(store), std::move(rows), event_bytes);
  Serve(yearly_execution_file, &writer);
}

}  // namespace denier::bench
