// Sending a file, against a server that answers what the test tells it to.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <mutex>
#include <sstream>

#include "denier/v1/audit_service.grpc.pb.h"
#include "denier/v1/command_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "services/cli/apply.h"

namespace denier::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

v1::CommandOutcome Accepted(std::int64_t position) {
  v1::CommandOutcome outcome;
  outcome.mutable_result()->set_position(position);
  return outcome;
}

v1::CommandOutcome Refused(grpc::StatusCode code, const std::string& reason) {
  v1::CommandOutcome outcome;
  outcome.mutable_error()->set_code(code);
  outcome.mutable_error()->set_message("no");
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  outcome.mutable_error()->add_details()->PackFrom(info);
  return outcome;
}

v1::CommandOutcome Overloaded() {
  v1::CommandOutcome outcome = Refused(grpc::StatusCode::RESOURCE_EXHAUSTED, "OVERLOADED");
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_nanos(1'000'000);
  outcome.mutable_error()->add_details()->PackFrom(retry);
  return outcome;
}

class Server final : public v1::CommandService::Service, public v1::AuditService::Service {
 public:
  // Decides a command; the default accepts it at the next position.
  using Decide = std::function<v1::CommandOutcome(const v1::Command&)>;

  Server() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(static_cast<v1::CommandService::Service*>(this));
    builder.RegisterService(static_cast<v1::AuditService::Service*>(this));
    server_ = builder.BuildAndStart();
  }
  ~Server() override { server_->Shutdown(); }

  grpc::Status ListEvents(grpc::ServerContext*, const v1::ListEventsRequest*,
                          v1::ListEventsResponse* response) override {
    response->set_head_position(head);
    return grpc::Status::OK;
  }

  grpc::Status ExecuteCommands(
      grpc::ServerContext* context,
      grpc::ServerReaderWriter<v1::ExecuteCommandsResponse, v1::ExecuteCommandsRequest>* stream)
      override {
    const auto metadata = context->client_metadata().find("denier-principal");
    principals.emplace_back(metadata->second.data(), metadata->second.size());
    v1::ExecuteCommandsRequest request;
    while (stream->Read(&request)) {
      if (messages.size() == break_after) return grpc::Status(grpc::UNAVAILABLE, "gone");
      messages.push_back(request.commands_size());
      atomic = request.atomic();
      v1::ExecuteCommandsResponse response;
      for (const auto& command : request.commands()) {
        *response.add_outcomes() = decide(command);
      }
      stream->Write(response);
    }
    return grpc::Status::OK;
  }

  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  std::int64_t head = -1;
  Decide decide = [this](const v1::Command&) { return Accepted(++head_given); };
  std::int64_t head_given = -1;
  std::size_t break_after = SIZE_MAX;
  std::vector<int> messages;
  std::vector<std::string> principals;
  bool atomic = false;

 private:
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
};

Step Pay(int line, const std::string& request_id, const std::string& expect = "",
         const std::string& who = "acc-1") {
  Step step{.line = line, .as = {who, "CBCM", {"accountant"}}, .command = {}, .expect = expect};
  step.command.mutable_pay()->mutable_header()->set_request_id(request_id);
  return step;
}

Applied Send(Server& server, const std::vector<Step>& steps, bool atomic = false) {
  Connection connection({.server = server.address()});
  return Apply(&connection, steps, "f.jsonl", atomic, Lang::kEnglish, [](std::size_t) {});
}

TEST(ApplyTest, SendsFiveHundredInAMessageAndAStreamForEachRunOfOnePrincipal) {
  Server server;
  std::vector<Step> steps;
  for (int i = 0; i < 1100; ++i) steps.push_back(Pay(i + 1, "r" + std::to_string(i)));
  steps.push_back(Pay(1101, "x", "", "acc-2"));
  const Applied applied = Send(server, steps);
  EXPECT_EQ(applied.code, kDone) << applied.problem;
  EXPECT_EQ(applied.accepted, 1101);
  EXPECT_EQ(applied.last_position, 1100);
  EXPECT_THAT(server.messages, ElementsAre(500, 500, 100, 1));
  EXPECT_THAT(server.principals, ElementsAre("acc-1", "acc-2"));
}

TEST(ApplyTest, CountsWhatAnEarlierRunHadRecorded) {
  Server server;
  server.head = 4;
  std::deque<std::int64_t> positions = {3, 4, 5, 5, 6};
  server.decide = [&](const v1::Command&) {
    const std::int64_t position = positions.front();
    positions.pop_front();
    return Accepted(position);
  };
  const Applied applied =
      Send(server, {Pay(1, "a"), Pay(2, "b"), Pay(3, "c"), Pay(4, "c"), Pay(5, "d")});
  EXPECT_EQ(applied.repeated, 3);
  EXPECT_EQ(applied.accepted, 2);
}

TEST(ApplyTest, TakesTheRefusalThatIsExpectedAndNoOther) {
  Server server;
  server.decide = [](const v1::Command&) {
    return Refused(grpc::StatusCode::FAILED_PRECONDITION, "CP_EXCEEDED");
  };
  EXPECT_EQ(Send(server, {Pay(1, "a", "CP_EXCEEDED")}).refused_as_expected, 1);

  const Applied other = Send(server, {Pay(7, "a", "AE_EXCEEDED")});
  EXPECT_EQ(other.code, kRefused);
  EXPECT_THAT(other.problem, HasSubstr("f.jsonl:7: pay (a)"));
  EXPECT_THAT(other.problem, HasSubstr("want a refusal with AE_EXCEEDED"));
  EXPECT_THAT(other.problem, HasSubstr("CP_EXCEEDED"));
}

TEST(ApplyTest, StopsWhereARefusalWasExpectedAndDidNotCome) {
  Server server;
  const Applied applied = Send(server, {Pay(2, "a", "CP_EXCEEDED")});
  EXPECT_EQ(applied.code, kRefused);
  EXPECT_EQ(applied.accepted, 0);
  EXPECT_THAT(applied.problem, HasSubstr("f.jsonl:2: pay (a)"));
  EXPECT_THAT(applied.problem, HasSubstr("accepted, at position 0"));
}

TEST(ApplyTest, StopsAtTheFirstRefusalAndSaysWhatStoodBehindItInTheMessage) {
  Server server;
  server.decide = [](const v1::Command& command) {
    return command.pay().header().request_id() == "b"
               ? Refused(grpc::StatusCode::FAILED_PRECONDITION, "CP_EXCEEDED")
               : Accepted(1);
  };
  const Applied applied =
      Send(server, {Pay(1, "a"), Pay(2, "b"), Pay(3, "c"), Pay(4, "d", "", "acc-2")});
  EXPECT_EQ(applied.code, kRefused);
  EXPECT_EQ(applied.accepted, 1);
  EXPECT_THAT(applied.problem, HasSubstr("f.jsonl:2: pay (b)"));
  EXPECT_THAT(applied.problem, HasSubstr("up to line 3"));
  EXPECT_THAT(server.principals, ElementsAre("acc-1")) << "the next principal's turn never came";
}

TEST(ApplyTest, AnAtomicGroupIsExplainedByTheCommandThatWasRefused) {
  Server server;
  server.decide = [](const v1::Command& command) {
    return command.pay().header().request_id() == "b"
               ? Refused(grpc::StatusCode::FAILED_PRECONDITION, "CP_EXCEEDED")
               : Refused(grpc::StatusCode::ABORTED, "GROUP_REFUSED");
  };
  const Applied applied = Send(server, {Pay(1, "a"), Pay(2, "b"), Pay(3, "c")}, /*atomic=*/true);
  EXPECT_TRUE(server.atomic);
  EXPECT_THAT(applied.problem, HasSubstr("f.jsonl:2: pay (b)"));
  EXPECT_THAT(applied.problem, Not(HasSubstr("GROUP_REFUSED")));
}

TEST(ApplyTest, AnExpectedRefusalStandsOutsideTheAtomicGroups) {
  Server server;
  server.decide = [](const v1::Command& command) {
    return command.pay().header().request_id() == "b"
               ? Refused(grpc::StatusCode::FAILED_PRECONDITION, "CP_EXCEEDED")
               : Accepted(1);
  };
  const Applied applied = Send(
      server, {Pay(1, "a"), Pay(2, "b", "CP_EXCEEDED"), Pay(3, "c"), Pay(4, "d")}, /*atomic=*/true);
  EXPECT_EQ(applied.code, kDone) << applied.problem;
  EXPECT_THAT(server.messages, ElementsAre(1, 1, 2));
}

TEST(ApplyTest, ComesBackWhenTheServerIsOverloaded) {
  Server server;
  int calls = 0;
  server.decide = [&](const v1::Command&) { return ++calls <= 4 ? Overloaded() : Accepted(calls); };
  const Applied applied = Send(server, {Pay(1, "a"), Pay(2, "b")});
  EXPECT_EQ(applied.code, kDone) << applied.problem;
  EXPECT_EQ(applied.accepted, 2);
  EXPECT_THAT(server.messages, ElementsAre(2, 2, 2));
}

TEST(ApplyTest, SaysThatRunningItAgainIsHarmlessWhenTheStreamBreaks) {
  Server server;
  server.break_after = 1;
  std::vector<Step> steps;
  for (int i = 0; i < 600; ++i) steps.push_back(Pay(i + 1, "r" + std::to_string(i)));
  const Applied applied = Send(server, steps);
  EXPECT_EQ(applied.code, kTrouble);
  EXPECT_EQ(applied.accepted, 500);
  EXPECT_THAT(applied.problem, HasSubstr("f.jsonl:501: "));
  EXPECT_THAT(applied.problem, HasSubstr("Run the same command again"));
}

}  // namespace
}  // namespace denier::cli
