#include "tests/bench/echo_server.h"

#include <grpcpp/grpcpp.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>

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

// One ExecuteCommands call. The next message is read while the answer to the last one is written.
class EchoStream final
    : public grpc::ServerBidiReactor<v1::ExecuteCommandsRequest, v1::ExecuteCommandsResponse> {
 public:
  EchoStream() { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      if (ok) {
        unanswered_.push_back(request_.commands_size());
      } else {
        ended_ = true;
      }
    }
    if (ok) StartRead(&request_);
    GoOn();
  }
  void OnWriteDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      writing_ = false;
      if (!ok) unanswered_.clear();
    }
    GoOn();
  }
  void OnDone() override { delete this; }

 private:
  void GoOn() {
    int commands = 0;
    bool finish = false;
    {
      const std::lock_guard lock(mutex_);
      if (writing_ || finished_) return;
      if (!unanswered_.empty()) {
        writing_ = true;
        commands = unanswered_.front();
        unanswered_.pop_front();
      }
      finish = finished_ = !writing_ && ended_;
    }
    if (commands > 0) {
      response_.Clear();
      for (int i = 0; i < commands; ++i) Fill(*response_.add_outcomes()->mutable_result());
      StartWrite(&response_);
    }
    if (finish) Finish(grpc::Status::OK);
  }

  v1::ExecuteCommandsRequest request_;
  v1::ExecuteCommandsResponse response_;
  std::mutex mutex_;
  // Guarded by mutex_:
  std::deque<int> unanswered_;  // commands of each message
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
};

class EchoCommands final : public v1::CommandService::CallbackService {
 public:
  grpc::ServerUnaryReactor* Engage(grpc::CallbackServerContext* context,
                                   const v1::EngageRequest* /*request*/,
                                   v1::EngageResponse* response) override {
    Fill(*response->mutable_result());
    auto* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerBidiReactor<v1::ExecuteCommandsRequest, v1::ExecuteCommandsResponse>* ExecuteCommands(
      grpc::CallbackServerContext* /*context*/) override {
    return new EchoStream();
  }
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

}  // namespace

void ServeEcho(const std::string& yearly_execution_file) {
  v1::GetYearlyExecutionResponse yearly_execution;
  std::ifstream file(yearly_execution_file, std::ios::binary);
  if (!file || !yearly_execution.ParseFromIstream(&file)) std::exit(1);
  EchoCommands commands;
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

}  // namespace denier::bench
