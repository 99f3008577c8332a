// The way to the server.
#ifndef DENIER_SERVICES_CLI_CONNECTION_H_
#define DENIER_SERVICES_CLI_CONNECTION_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>

#include "google/rpc/status.pb.h"
#include "services/cli/values.h"

namespace denier::cli {

// Where to, and as whom. With a certificate the server takes the principal from it.
struct Endpoint {
  std::string server;
  // All empty: no TLS.
  std::string ca_file = "";
  std::string certificate_file = "";
  std::string key_file = "";
  std::chrono::milliseconds timeout{30'000};
};

// Blocking calls. Not thread-safe.
class Connection {
 public:
  // Connects at the first call. Throws std::runtime_error when a certificate file cannot be read.
  explicit Connection(const Endpoint& endpoint);

  // Calls a unary method. `response` is of the method's output type. OK is code 0; else the status
  // has the server's details, if it gave any.
  google::rpc::Status Call(const google::protobuf::MethodDescriptor& method,
                           const google::protobuf::Message& request, const Principal& principal,
                           google::protobuf::Message* response);

  // For streams: the principal's metadata, and a deadline of `timeouts` timeouts (0: none).
  void Prepare(grpc::ClientContext* context, const Principal& principal, int timeouts) const;

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const std::string& server() const { return endpoint_.server; }

 private:
  Endpoint endpoint_;
  std::shared_ptr<grpc::Channel> channel_;
};

// A call's status with the details of its trailers.
google::rpc::Status RpcStatusOf(const grpc::Status& status);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_CONNECTION_H_
