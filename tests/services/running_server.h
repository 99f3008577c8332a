// A whole server in this process, on a free port and a folder of its own, and a caller of it.
//
//   RunningServer server;
//   server.Execute(Manager(), CreateAgreement("a-1", 2022, 2022, 1'000'00));   // one unary RPC
//   EXPECT_THAT(server.Execute(Officer(), Engage(...)), RefusedAs(v1::ERROR_REASON_AE_EXCEEDED));
#ifndef DENIER_TESTS_SERVICES_RUNNING_SERVER_H_
#define DENIER_TESTS_SERVICES_RUNNING_SERVER_H_

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "denier/v1/admin_service.grpc.pb.h"
#include "denier/v1/command_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/command_service.h"
#include "services/errors.h"
#include "services/server.h"
#include "services/server_log.h"
#include "tests/store/temporary_folder.h"

namespace denier::services {

// What one command came to.
struct Answer {
  grpc::Status status;
  v1::CommandResult result;
};

// Says who calls, as development mode reads it.
inline void Identify(grpc::ClientContext& context, const events::v1::Principal& who) {
  std::string roles;
  for (const int number : who.roles()) {
    std::string role = events::v1::Role_Name(static_cast<events::v1::Role>(number)).substr(5);
    for (char& c : role) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    roles += (roles.empty() ? "" : ",") + role;
  }
  context.AddMetadata("denier-principal", who.principal_id());
  context.AddMetadata("denier-body", who.body_id());
  context.AddMetadata("denier-roles", roles);
}

inline events::v1::Principal Operator() {
  events::v1::Principal principal;
  principal.set_principal_id("operator-1");
  principal.set_body_id("DINUM");
  principal.add_roles(events::v1::ROLE_OPERATOR);
  return principal;
}

// Calls the unary RPC of whichever command it is.
inline Answer Call(v1::CommandService::Stub& stub, grpc::ClientContext& context,
                   const v1::Command& command) {
  Answer answer;
  switch (command.command_case()) {
#define DENIER_CALL(Name, field)                                     \
  case v1::Command::k##Name: {                                       \
    v1::Name##Response response;                                     \
    answer.status = stub.Name(&context, command.field(), &response); \
    answer.result = response.result();                               \
    break;                                                           \
  }
    DENIER_UNARY_COMMANDS(DENIER_CALL)
#undef DENIER_CALL
    case v1::Command::COMMAND_NOT_SET:
      ADD_FAILURE() << "no command";
  }
  return answer;
}

template <typename Detail>
std::optional<Detail> DetailOf(const google::rpc::Status& status) {
  for (const auto& any : status.details()) {
    Detail detail;
    if (any.UnpackTo(&detail)) return detail;
  }
  return std::nullopt;
}
template <typename Detail>
std::optional<Detail> DetailOf(const grpc::Status& status) {
  google::rpc::Status details;
  details.ParseFromString(status.error_details());
  return DetailOf<Detail>(details);
}

// An answer, or the status of a call: refused for `reason`, with its code and a French sentence.
MATCHER_P(RefusedAs, reason, std::string(NameOf(reason))) {
  const grpc::Status* status = nullptr;
  if constexpr (std::is_same_v<std::decay_t<decltype(arg)>, Answer>) {
    status = &arg.status;
  } else {
    status = &arg;
  }
  *result_listener << "code " << status->error_code() << ", " << NameOf(ReasonOf(*status)) << ": "
                   << status->error_message();
  const auto words = DetailOf<google::rpc::LocalizedMessage>(*status);
  return ReasonOf(*status) == reason && status->error_code() == CodeOf(reason) &&
         words.has_value() && words->locale() == "fr" && !words->message().empty();
}

MATCHER(IsAccepted, "") {
  *result_listener << "code " << arg.status.error_code() << ": " << arg.status.error_message();
  return arg.status.ok();
}

MATCHER_P(IsAcceptedAt, position, "") {
  *result_listener << "code " << arg.status.error_code() << ": " << arg.status.error_message()
                   << ", position " << arg.result.position();
  return arg.status.ok() && arg.result.position() == position;
}

// Thread-safe once it has started, but for Stop and Start.
class RunningServer {
 public:
  // `options` are taken over, but for what makes the server one of its own. Metrics are off unless
  // their address is given: the HTTP server behind them takes two seconds to stop.
  explicit RunningServer(ServerOptions options = {}) : options_(std::move(options)) {
    options_.data_directory = folder_.path() + "/data";
    options_.initialize = true;
    options_.listen = "127.0.0.1:0";
    if (options_.metrics == ServerOptions().metrics) options_.metrics = "off";
    options_.development = options_.tls_ca.empty();
    options_.now_us = [this] { return clock_us_.fetch_add(1); };
    Start();
  }
  ~RunningServer() { Stop(); }

  void Start() {
    absl::StatusOr<std::unique_ptr<ServerLog>> log = ServerLog::Open(log_file());
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
    absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(options_, *log_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    if (options_.development) Connect(grpc::InsecureChannelCredentials());
  }

  void Connect(const std::shared_ptr<grpc::ChannelCredentials>& credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(server_->address(), credentials, arguments);
    commands_ = v1::CommandService::NewStub(channel_);
  }

  // Stops in order; the channel stays, its calls fail.
  Server::Ending Stop() {
    if (server_ == nullptr) return Server::Ending::kAsked;
    server_->RequestStop();
    return Wait();
  }

  // Until it stops by itself.
  Server::Ending Wait() {
    const Server::Ending ending = server_->Wait();
    server_ = nullptr;
    log_ = nullptr;
    return ending;
  }

  Server& server() { return *server_; }
  ServerOptions& options() { return options_; }
  const std::string& folder() const { return folder_.path(); }
  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  v1::CommandService::Stub& commands() { return *commands_; }
  std::int64_t head() const { return server_->head_position(); }

  // A call of `who`, which gives up after a minute.
  static std::unique_ptr<grpc::ClientContext> ContextOf(const events::v1::Principal& who) {
    auto context = std::make_unique<grpc::ClientContext>();
    Identify(*context, who);
    context->set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
    return context;
  }

  Answer Execute(const events::v1::Principal& who, const v1::Command& command) {
    return Call(*commands_, *ContextOf(who), command);
  }

  // The lines of the server's log so far that are about `event`. Complete once the server stopped.
  std::vector<nlohmann::json> LogLines(const std::string& event) const {
    std::vector<nlohmann::json> lines;
    std::ifstream file(log_file());
    for (std::string line; std::getline(file, line);) {
      nlohmann::json object = nlohmann::json::parse(line);
      if (object.at("event") == event) lines.push_back(std::move(object));
    }
    return lines;
  }

 private:
  std::string log_file() const { return folder_.path() + "/denierd.log"; }

  store::TemporaryFolder folder_;
  ServerOptions options_;
  std::atomic<std::int64_t> clock_us_{1'640'995'200'000'000};
  std::unique_ptr<ServerLog> log_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::CommandService::Stub> commands_;
};

}  // namespace denier::services

#endif  // DENIER_TESTS_SERVICES_RUNNING_SERVER_H_
