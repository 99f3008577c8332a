#include "services/cli/connection.h"

#include <grpcpp/generic/generic_stub.h>

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace denier::cli {
namespace {

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  if (!file || content.str().empty()) throw std::runtime_error(path);
  return content.str();
}

std::shared_ptr<grpc::ChannelCredentials> CredentialsOf(const Endpoint& endpoint) {
  if (endpoint.ca_file.empty() && endpoint.certificate_file.empty()) {
    return grpc::InsecureChannelCredentials();
  }
  grpc::SslCredentialsOptions options;
  if (!endpoint.ca_file.empty()) options.pem_root_certs = ReadFile(endpoint.ca_file);
  if (!endpoint.certificate_file.empty()) {
    options.pem_cert_chain = ReadFile(endpoint.certificate_file);
    options.pem_private_key = ReadFile(endpoint.key_file);
  }
  return grpc::SslCredentials(options);
}

}  // namespace

Connection::Connection(const Endpoint& endpoint) : endpoint_(endpoint) {
  grpc::ChannelArguments arguments;
  // A big report or a page of a thousand agreements is no attack.
  arguments.SetMaxReceiveMessageSize(256 << 20);
  channel_ = grpc::CreateCustomChannel(endpoint.server, CredentialsOf(endpoint), arguments);
}

google::rpc::Status Connection::Call(const google::protobuf::MethodDescriptor& method,
                                     const google::protobuf::Message& request,
                                     const Principal& principal,
                                     google::protobuf::Message* response) {
  grpc::ClientContext context;
  Prepare(&context, principal, 1);
  const grpc::Slice sent(request.SerializeAsString());
  const grpc::ByteBuffer body(&sent, 1);

  // The generic stub calls by name: one way for every method, present and future.
  grpc::GenericStub stub(channel_);
  grpc::CompletionQueue queue;
  const std::string name = "/" + method.service()->full_name() + "/" + method.name();
  const auto call = stub.PrepareUnaryCall(&context, name, body, &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  void* tag;
  bool ok;
  queue.Next(&tag, &ok);

  if (status.ok()) {
    std::vector<grpc::Slice> slices;
    std::string bytes;
    if (answer.Dump(&slices).ok()) {
      for (const grpc::Slice& slice : slices) {
        bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
      }
    }
    if (!response->ParseFromString(bytes)) {
      status = grpc::Status(grpc::StatusCode::INTERNAL,
                            "the answer is not a " + response->GetTypeName());
    }
  }
  return RpcStatusOf(status);
}

void Connection::Prepare(grpc::ClientContext* context, const Principal& principal,
                         int timeouts) const {
  if (timeouts > 0) {
    context->set_deadline(std::chrono::system_clock::now() + endpoint_.timeout * timeouts);
  }
  if (!endpoint_.certificate_file.empty()) return;
  std::string roles;
  for (const std::string& role : principal.roles) roles += (roles.empty() ? "" : ",") + role;
  context->AddMetadata("denier-principal", principal.id);
  context->AddMetadata("denier-body", principal.body);
  context->AddMetadata("denier-roles", roles);
}

google::rpc::Status RpcStatusOf(const grpc::Status& status) {
  google::rpc::Status rpc;
  if (!status.error_details().empty() && rpc.ParseFromString(status.error_details()) &&
      rpc.code() != 0) {
    return rpc;
  }
  rpc.Clear();
  rpc.set_code(status.error_code());
  rpc.set_message(status.error_message());
  return rpc;
}

}  // namespace denier::cli
