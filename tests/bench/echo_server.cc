#include "tests/bench/echo_server.h"

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/codegen/server_callback_handlers.h>
#include <grpcpp/impl/service_type.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>

namespace denier::bench {
namespace {

using grpc::ByteBuffer;

ByteBuffer Bytes(std::size_t size) {
  const grpc::Slice slice(std::string(size, 'x'));
  return {&slice, 1};
}

// One ExecuteCommands call. The next message is read while the answer to the last one is written.
class EchoStream final : public grpc::ServerBidiReactor<ByteBuffer, ByteBuffer> {
 public:
  explicit EchoStream(const ByteBuffer& reply) : reply_(reply) { StartRead(&request_); }

  void OnReadDone(bool ok) override {
    {
      const std::lock_guard lock(mutex_);
      if (ok) {
        ++unanswered_;
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
      if (!ok) unanswered_ = 0;
    }
    GoOn();
  }
  void OnDone() override { delete this; }

 private:
  void GoOn() {
    bool write = false;
    bool finish = false;
    {
      const std::lock_guard lock(mutex_);
      if (writing_ || finished_) return;
      write = writing_ = unanswered_ > 0;
      if (write) --unanswered_;
      finish = finished_ = !write && ended_;
    }
    if (write) StartWrite(&reply_);
    if (finish) Finish(grpc::Status::OK);
  }

  const ByteBuffer& reply_;
  ByteBuffer request_;
  std::mutex mutex_;
  // Guarded by mutex_:
  int unanswered_ = 0;
  bool writing_ = false;
  bool ended_ = false;
  bool finished_ = false;
};

// As protoc's plugin would write it for a service of raw bytes with these three methods.
class Echo final : public grpc::Service {
 public:
  explicit Echo(const ReplySizes& sizes) : execute_commands_(Bytes(sizes.execute_commands)) {
    AddUnary("/denier.v1.CommandService/Engage", Bytes(sizes.engage));
    AddUnary("/denier.v1.QueryService/GetYearlyExecution", Bytes(sizes.yearly_execution));
    const int index = Add("/denier.v1.CommandService/ExecuteCommands",
                          grpc::internal::RpcMethod::BIDI_STREAMING);
    MarkMethodRawCallback(index,
                          new grpc::internal::CallbackBidiHandler<ByteBuffer, ByteBuffer>(
                              [this](grpc::CallbackServerContext* /*context*/) {
                                return new EchoStream(execute_commands_);
                              }));
  }

 private:
  int Add(const char* path, grpc::internal::RpcMethod::RpcType type) {
    AddMethod(new grpc::internal::RpcServiceMethod(path, type, nullptr));
    return methods_++;
  }
  void AddUnary(const char* path, const ByteBuffer& reply) {
    const int index = Add(path, grpc::internal::RpcMethod::NORMAL_RPC);
    MarkMethodRawCallback(
        index, new grpc::internal::CallbackUnaryHandler<ByteBuffer, ByteBuffer>(
                   [reply](grpc::CallbackServerContext* context, const ByteBuffer* /*request*/,
                           ByteBuffer* response) {
                     *response = reply;
                     auto* reactor = context->DefaultReactor();
                     reactor->Finish(grpc::Status::OK);
                     return reactor;
                   }));
  }

  const ByteBuffer execute_commands_;
  int methods_ = 0;
};

}  // namespace

std::vector<std::string> ReplySizes::ToArguments() const {
  return {std::to_string(engage), std::to_string(execute_commands),
          std::to_string(yearly_execution)};
}

void ServeEcho(const ReplySizes& sizes) {
  Echo echo(sizes);
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(8 << 20);
  builder.RegisterService(&echo);
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
