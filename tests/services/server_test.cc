// The whole server, called over gRPC: bad input, overload, a full and a failing disk, streams,
// stops.
#include "services/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <limits>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "denier/v1/query_service.grpc.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/faults/held_disk.h"
#include "tests/services/commands.h"
#include "tests/services/running_server.h"

namespace denier::services {
namespace {

using faults::HeldDisk;
using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// The books that most tests begin with: 2021 is closed, DINUM has 183,072.00 of 2022 in the
// envelope "coaching" and has engaged 1,000.00 of it as "ec-1"; DJEPVA's envelope "national" is
// empty.
void Begin(RunningServer& server) {
  v1::Command close;
  auto& request = services::Begin(*close.mutable_close_year(), "close-2021");
  request.mutable_header()->set_effective_date(20220115);
  request.mutable_header()->set_fiscal_year(2021);
  request.set_approved_by("pm-2");

  const struct {
    events::v1::Principal who;
    v1::Command command;
  } history[] = {
      {Manager(), CreateAgreement("a-1", 2021, 2022, 1'000'000'00)},
      {Manager(), CreateEnvelope("e-1", "coaching", "DINUM", {2021, 2022})},
      {Manager(), CreateEnvelope("e-2", "national", "DJEPVA", {2022})},
      {Manager(), Allocate("al-1", "coaching", 183'072'00, 183'072'00)},
      {Officer(), Engage("ec-1", "coaching", {{"l1", 1'000'00}})},
      {Manager(), close},
  };
  std::int64_t position = 0;
  for (const auto& row : history) {
    ASSERT_THAT(server.Execute(row.who, row.command), IsAcceptedAt(position++));
  }
}

v1::Command WithEtag(v1::Command command, const std::string& etag) {
  Header(command).set_etag(etag);
  return command;
}
v1::Command InYear(v1::Command command, int year) {
  Header(command).set_fiscal_year(year);
  return command;
}
v1::Command OfAgreement(v1::Command command, const std::string& agreement) {
  Header(command).set_agreement_id(agreement);
  return command;
}
// A field that no version of the API has.
void AddUnknownField(google::protobuf::Message& message) {
  message.GetReflection()->MutableUnknownFields(&message)->AddVarint(9'999, 1);
}

// ------------------------------------------------------------------------- Bad input

class BadInputTest : public testing::Test {
 protected:
  BadInputTest() { Begin(server_); }

  // `command` is refused for `reason`, because of `field`; the books stay and the server goes on.
  void Refuses(const events::v1::Principal& who, const v1::Command& command, v1::ErrorReason reason,
               const std::string& field = "") {
    const std::int64_t head = server_.head();
    const Answer answer = server_.Execute(who, command);
    EXPECT_THAT(answer, RefusedAs(reason));
    const auto bad_request = DetailOf<google::rpc::BadRequest>(answer.status);
    EXPECT_EQ(bad_request.has_value() ? bad_request->field_violations(0).field() : "", field);
    EXPECT_FALSE(answer.status.error_message().empty());
    EXPECT_EQ(server_.head(), head) << "a refused command was recorded";
    GoesOn();
  }

  void GoesOn() {
    const std::int64_t head = server_.head();
    EXPECT_THAT(
        server_.Execute(Officer(), Engage("good-" + std::to_string(head), "coaching", {{"l1", 1}})),
        IsAcceptedAt(head + 1));
  }

  RunningServer server_;
};

TEST_F(BadInputTest, MalformedMessage) {
  grpc::GenericStub stub(server_.channel());
  for (const std::string bytes : {"\xff\xff\xff", "\x0a\x7f", "\x08"}) {
    const std::int64_t head = server_.head();
    const auto context = RunningServer::ContextOf(Officer());
    grpc::CompletionQueue queue;
    grpc::Slice slice(bytes);
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    auto call =
        stub.PrepareUnaryCall(context.get(), "/denier.v1.CommandService/Engage", request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
    EXPECT_THAT(status, RefusedAs(v1::ERROR_REASON_INVALID_FIELD));
    EXPECT_EQ(server_.head(), head);
    GoesOn();
  }
}

TEST_F(BadInputTest, NoMessageAtAll) {
  grpc::GenericStub stub(server_.channel());
  const auto context = RunningServer::ContextOf(Officer());
  grpc::CompletionQueue queue;
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  const auto call = stub.PrepareCall(context.get(), "/denier.v1.CommandService/Engage", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  call->WritesDone(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_THAT(status, RefusedAs(v1::ERROR_REASON_INVALID_FIELD));
  EXPECT_EQ(status.error_message(), "the request is not a well-formed message of its type");
  GoesOn();
}

// A request in many small pieces, as a sender of large ones may have it, is the same request.
TEST_F(BadInputTest, AMessageInPiecesIsWhole) {
  grpc::GenericStub stub(server_.channel());
  const std::string bytes =
      Engage("in-pieces", "coaching", {{"l1", 1}}).engage().SerializeAsString();
  std::vector<grpc::Slice> slices;
  for (const char byte : bytes) slices.emplace_back(std::string(40, byte).substr(0, 1));
  const grpc::ByteBuffer request(slices.data(), slices.size());
  const auto context = RunningServer::ContextOf(Officer());
  grpc::CompletionQueue queue;
  grpc::ByteBuffer response;
  grpc::Status status;
  auto call =
      stub.PrepareUnaryCall(context.get(), "/denier.v1.CommandService/Engage", request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_TRUE(status.ok()) << status.error_message();
  grpc::Slice answer;
  ASSERT_TRUE(response.DumpToSingleSlice(&answer).ok());
  v1::EngageResponse engaged;
  ASSERT_TRUE(engaged.ParseFromArray(answer.begin(), static_cast<int>(answer.size())));
  EXPECT_EQ(engaged.result().position(), server_.head());
}

TEST_F(BadInputTest, UnknownFieldsWhereverTheyAre) {
  v1::Command engage = Engage("x", "coaching", {{"l1", 1}});
  AddUnknownField(*engage.mutable_engage());
  Refuses(Officer(), engage, v1::ERROR_REASON_UNKNOWN_FIELDS);
  engage = Engage("x", "coaching", {{"l1", 1}});
  AddUnknownField(Header(engage));
  Refuses(Officer(), engage, v1::ERROR_REASON_UNKNOWN_FIELDS, "header");
  engage = Engage("x", "coaching", {{"l1", 1}, {"l2", 1}});
  AddUnknownField(*engage.mutable_engage()->mutable_lines(1)->add_schedule());
  Refuses(Officer(), engage, v1::ERROR_REASON_UNKNOWN_FIELDS, "lines[1].schedule[0]");
}

TEST_F(BadInputTest, MissingAndMalformedFields) {
  Refuses(Officer(), Renamed(Engage("x", "coaching", {{"l1", 1}}), ""),
          v1::ERROR_REASON_INVALID_FIELD, "header.request_id");
  Refuses(Officer(), Renamed(Engage("x", "coaching", {{"l1", 1}}), std::string(65, 'x')),
          v1::ERROR_REASON_INVALID_FIELD, "header.request_id");
  Refuses(Officer(), Engage("x", "not/an/identifier", {{"l1", 1}}), v1::ERROR_REASON_INVALID_FIELD,
          "envelope_id");
  Refuses(Officer(), Engage("x", "coaching", {}), v1::ERROR_REASON_INVALID_FIELD, "lines");
  Refuses(Officer(), Dated(Engage("x", "coaching", {{"l1", 1}}), 20220231),
          v1::ERROR_REASON_INVALID_FIELD, "header.effective_date");
}

TEST_F(BadInputTest, ZeroNegativeAndOverflowingAmounts) {
  const struct {
    std::int64_t cents;
    v1::ErrorReason reason;
    const char* field;
  } rows[] = {
      {0, v1::ERROR_REASON_INVALID_FIELD, "lines[0].amount_cents"},
      {-1, v1::ERROR_REASON_INVALID_FIELD, "lines[0].amount_cents"},
      {-kMost - 1, v1::ERROR_REASON_INVALID_FIELD, "lines[0].amount_cents"},
  };
  for (const auto& row : rows) {
    Refuses(Officer(), Engage("x", "coaching", {{"l1", row.cents}}), row.reason, row.field);
  }
  Refuses(Manager(), Allocate("x", "coaching", 0, 0), v1::ERROR_REASON_INVALID_FIELD, "ae_cents");
  Refuses(Manager(), Allocate("x", "coaching", -1, 1), v1::ERROR_REASON_INVALID_FIELD, "ae_cents");

  // As much as the type holds, and more: a refusal, whichever, and never a sum that wraps around.
  const Answer most = server_.Execute(Officer(), Engage("x", "coaching", {{"l1", kMost}}));
  EXPECT_FALSE(most.status.ok());
  const Answer more =
      server_.Execute(Officer(), Engage("x", "coaching", {{"l1", kMost}, {"l2", kMost}}));
  EXPECT_FALSE(more.status.ok());
  const Answer wrapping = server_.Execute(
      Officer(), Engage("x", "coaching", {{"l1", kMost}, {"l2", kMost}, {"l3", 2}, {"l4", 100}}));
  EXPECT_FALSE(wrapping.status.ok());
  for (const Answer& answer : {most, more, wrapping}) {
    EXPECT_NE(ReasonOf(answer.status), v1::ERROR_REASON_UNSPECIFIED)
        << answer.status.error_message();
  }
  GoesOn();
}

TEST_F(BadInputTest, WhatIsNotThere) {
  Refuses(Officer(), OfAgreement(Engage("x", "coaching", {{"l1", 1}}), "none"),
          v1::ERROR_REASON_UNKNOWN_AGREEMENT);
  Refuses(Officer(), Engage("x", "none", {{"l1", 1}}), v1::ERROR_REASON_UNKNOWN_ENVELOPE);
  Refuses(Officer(), Certify("x", "none", "l1", 1), v1::ERROR_REASON_UNKNOWN_COMMITMENT);
  Refuses(Officer(), Certify("x", "ec-1", "none", 1), v1::ERROR_REASON_UNKNOWN_LINE);
  Refuses(Accountant(), Pay("x", "none"), v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST);
}

TEST_F(BadInputTest, WrongTime) {
  const v1::Command engage = Engage("x", "coaching", {{"l1", 1}});
  Refuses(Officer(), InYear(engage, 2024), v1::ERROR_REASON_WRONG_YEAR);
  Refuses(Officer(), Dated(engage, 20211201), v1::ERROR_REASON_YEAR_CLOSED);
  Refuses(Officer(), Dated(engage, 20230301), v1::ERROR_REASON_MANDATE_EXPIRED);
}

TEST_F(BadInputTest, WrongPerson) {
  const v1::Command engage = Engage("x", "coaching", {{"l1", 1}});
  Refuses(Officer("DJEPVA"), engage, v1::ERROR_REASON_WRONG_BODY);
  Refuses(Manager(), engage, v1::ERROR_REASON_WRONG_ROLE);
  Refuses(events::v1::Principal(), engage, v1::ERROR_REASON_UNKNOWN_PRINCIPAL);

  // Refused attempts stand in the server's log.
  server_.Stop();
  std::set<std::string> tried;
  for (const auto& line : server_.LogLines("command_refused")) {
    if (line.at("level") != "warning") continue;
    EXPECT_EQ(line.at("rpc"), "Engage");
    EXPECT_EQ(line.at("request_id"), "x");
    EXPECT_GE(line.at("duration_us"), 0);
    tried.insert(line.at("principal").get<std::string>() + "@" +
                 line.at("body").get<std::string>() + " " + line.at("reason").get<std::string>());
  }
  EXPECT_THAT(tried, UnorderedElementsAre("ao-1@DJEPVA WRONG_BODY", "pm-1@DJEPVA WRONG_ROLE",
                                          "@ UNKNOWN_PRINCIPAL"));
}

TEST_F(BadInputTest, ReusedRequestIdAndStaleEtag) {
  Refuses(Officer(), Engage("ec-1", "coaching", {{"l1", 1'000'01}}),
          v1::ERROR_REASON_REQUEST_ID_REUSED);
  Refuses(Manager(), WithEtag(Allocate("x", "coaching", 1, 1), "999999"),
          v1::ERROR_REASON_ETAG_MOVED);
  // The same content is the same answer, and no second event.
  const std::int64_t head = server_.head();
  EXPECT_THAT(server_.Execute(Officer(), Engage("ec-1", "coaching", {{"l1", 1'000'00}})),
              IsAcceptedAt(4));
  EXPECT_EQ(server_.head(), head);
}

TEST_F(BadInputTest, MessageOverTheLimit) {
  const std::int64_t head = server_.head();
  v1::Command huge = Engage("x", "coaching", {{"l1", 1}});
  huge.mutable_engage()->set_visa_reference(std::string(9 << 20, 'x'));
  const Answer answer = server_.Execute(Officer(), huge);
  EXPECT_EQ(answer.status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(answer.status.error_message(), HasSubstr("larger than max"));
  EXPECT_EQ(server_.head(), head);
  GoesOn();
}

TEST_F(BadInputTest, MetadataThatIsNoPrincipal) {
  const struct {
    const char* key;
    const char* value;
  } rows[] = {
      {"denier-principal", "Jeanne Martin"},
      {"denier-body", ""},
      {"denier-roles", "boss"},
  };
  for (const auto& row : rows) {
    grpc::ClientContext context;
    for (const auto& [key, value] :
         {std::pair("denier-principal", "ao-1"), std::pair("denier-body", "DINUM"),
          std::pair("denier-roles", "authorising_officer")}) {
      context.AddMetadata(key, std::string(key) == row.key ? row.value : value);
    }
    EXPECT_THAT(Call(server_.commands(), context, Engage("x", "coaching", {{"l1", 1}})),
                RefusedAs(v1::ERROR_REASON_UNKNOWN_PRINCIPAL))
        << row.key;
  }
  grpc::ClientContext twice;
  Identify(twice, Officer());
  twice.AddMetadata("denier-body", "DJEPVA");
  EXPECT_THAT(Call(server_.commands(), twice, Engage("x", "coaching", {{"l1", 1}})),
              RefusedAs(v1::ERROR_REASON_UNKNOWN_PRINCIPAL));
  GoesOn();
}

// -------------------------------------------------------------------- The whole API

TEST(CommandServiceTest, EveryRpcOfTheApiReachesItsCommand) {
  RunningServer server;
  std::set<std::string> served = {"ExecuteCommands"};
#define DENIER_NAME(Name, field)                                                      \
  {                                                                                   \
    v1::Command command;                                                              \
    command.mutable_##field()->mutable_header()->set_request_id("not an identifier"); \
    const Answer answer = server.Execute(Manager(), command);                         \
    EXPECT_THAT(answer, RefusedAs(v1::ERROR_REASON_INVALID_FIELD)) << #Name;          \
    served.insert(#Name);                                                             \
  }
  DENIER_UNARY_COMMANDS(DENIER_NAME)
#undef DENIER_NAME
  const auto* service = v1::Command::descriptor()->file()->FindServiceByName("CommandService");
  ASSERT_NE(service, nullptr);
  for (int i = 0; i < service->method_count(); ++i) {
    EXPECT_TRUE(served.contains(service->method(i)->name())) << service->method(i)->name();
  }
  EXPECT_EQ(served.size(), static_cast<std::size_t>(service->method_count()));
  EXPECT_EQ(v1::Command::descriptor()->oneof_decl(0)->field_count() + 1, service->method_count());
  EXPECT_EQ(server.head(), -1);
}

TEST(CommandServiceTest, AnswersADryRunLikeTheCommandAndRecordsNothing) {
  RunningServer server;
  Begin(server);
  const std::int64_t head = server.head();
  const Answer dry =
      server.Execute(Officer(), DryRun(Engage("dry", "coaching", {{"l1", 182'072'00}})));
  EXPECT_THAT(dry, IsAcceptedAt(-1));
  EXPECT_EQ(dry.result.fiscal_year(), 2022);
  EXPECT_THAT(server.Execute(Officer(), DryRun(Engage("dry", "coaching", {{"l1", 182'072'01}}))),
              RefusedAs(v1::ERROR_REASON_AE_EXCEEDED));
  EXPECT_EQ(server.head(), head);
}

TEST(CommandServiceTest, ARefusalNamesWhatIsAvailable) {
  RunningServer server;
  Begin(server);
  const Answer answer = server.Execute(Officer(), Engage("x", "coaching", {{"l1", 182'072'01}}));
  ASSERT_THAT(answer, RefusedAs(v1::ERROR_REASON_AE_EXCEEDED));
  const auto info = DetailOf<google::rpc::ErrorInfo>(answer.status);
  EXPECT_EQ(info->domain(), "denier");
  EXPECT_EQ(info->metadata().at("asked_cents"), "18207201");
  EXPECT_EQ(info->metadata().at("available_cents"), "18207200");
  EXPECT_THAT(DetailOf<google::rpc::LocalizedMessage>(answer.status)->message(),
              HasSubstr("182\u00a0072,00\u00a0€ disponibles"));
}

// --------------------------------------------------------------------- ExecuteCommands

using CommandStream = std::unique_ptr<
    grpc::ClientReaderWriter<v1::ExecuteCommandsRequest, v1::ExecuteCommandsResponse>>;

v1::ExecuteCommandsRequest MessageOf(const std::vector<v1::Command>& commands,
                                     bool atomic = false) {
  v1::ExecuteCommandsRequest message;
  for (const v1::Command& command : commands) *message.add_commands() = command;
  message.set_atomic(atomic);
  return message;
}

// "OK 6" for an acceptance at position 6, the reason for a refusal.
std::vector<std::string> Outcomes(const v1::ExecuteCommandsResponse& response) {
  std::vector<std::string> outcomes;
  for (const v1::CommandOutcome& outcome : response.outcomes()) {
    const auto info = DetailOf<google::rpc::ErrorInfo>(outcome.error());
    outcomes.push_back(info.has_value() ? info->reason()
                                        : "OK " + std::to_string(outcome.result().position()));
  }
  return outcomes;
}

class StreamTest : public testing::Test {
 protected:
  StreamTest() { Begin(server_); }

  CommandStream Open(const events::v1::Principal& who) {
    context_ = RunningServer::ContextOf(who);
    return server_.commands().ExecuteCommands(context_.get());
  }

  RunningServer server_;
  std::unique_ptr<grpc::ClientContext> context_;
};

TEST_F(StreamTest, AnswersEachCommandInItsOrder) {
  const CommandStream stream = Open(Officer());
  v1::Command unknown = Engage("s-3", "coaching", {{"l1", 1}});
  AddUnknownField(Header(unknown));
  ASSERT_TRUE(stream->Write(
      MessageOf({Engage("s-1", "coaching", {{"l1", 1}}), Engage("s-2", "none", {{"l1", 1}}),
                 unknown, Engage("s-4", "coaching", {{"l1", 1}}), v1::Command()})));
  ASSERT_TRUE(stream->Write(MessageOf({})));
  ASSERT_TRUE(stream->Write(MessageOf({Engage("s-5", "coaching", {{"l1", 1}})})));
  stream->WritesDone();

  v1::ExecuteCommandsResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(Outcomes(response),
              ElementsAre("OK 6", "UNKNOWN_ENVELOPE", "UNKNOWN_FIELDS", "OK 7", "INVALID_FIELD"));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(Outcomes(response), ElementsAre());
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(Outcomes(response), ElementsAre("OK 8"));
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, AnAtomicGroupIsAllOrNothing) {
  const CommandStream stream = Open(Officer());
  const v1::Command good = Engage("s-1", "coaching", {{"l1", 1}});
  const v1::Command also_good = Engage("s-2", "coaching", {{"l1", 1}});
  const v1::Command bad = Engage("s-3", "none", {{"l1", 1}});
  v1::Command unknown = Engage("s-4", "coaching", {{"l1", 1}});
  AddUnknownField(Header(unknown));

  v1::ExecuteCommandsResponse response;
  stream->Write(MessageOf({good, bad, also_good}, /*atomic=*/true));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(Outcomes(response),
              ElementsAre("GROUP_REFUSED", "UNKNOWN_ENVELOPE", "GROUP_REFUSED"));
  stream->Write(MessageOf({good, unknown, also_good}, /*atomic=*/true));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(Outcomes(response), ElementsAre("GROUP_REFUSED", "UNKNOWN_FIELDS", "GROUP_REFUSED"));
  EXPECT_EQ(server_.head(), 5);
  stream->Write(MessageOf({good, also_good}, /*atomic=*/true));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_THAT(Outcomes(response), ElementsAre("OK 6", "OK 7"));
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, AStrangerIsRefusedAtOnce) {
  const CommandStream stream = Open(events::v1::Principal());
  stream->Write(MessageOf({Engage("s-1", "coaching", {{"l1", 1}})}));
  v1::ExecuteCommandsResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_THAT(stream->Finish(), RefusedAs(v1::ERROR_REASON_UNKNOWN_PRINCIPAL));
  EXPECT_EQ(server_.head(), 5);
}

TEST_F(StreamTest, MoreThan5000CommandsEndTheStream) {
  const std::vector<v1::Command> commands(5'001, DryRun(Engage("s-1", "coaching", {{"l1", 1}})));
  const CommandStream stream = Open(Officer());
  ASSERT_TRUE(stream->Write(MessageOf({commands.begin(), commands.end() - 1})));
  v1::ExecuteCommandsResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.outcomes_size(), 5'000);
  stream->Write(MessageOf(commands));
  EXPECT_FALSE(stream->Read(&response));
  const grpc::Status status = stream->Finish();
  EXPECT_THAT(status, RefusedAs(v1::ERROR_REASON_INVALID_FIELD));
  EXPECT_EQ(DetailOf<google::rpc::BadRequest>(status)->field_violations(0).field(), "commands");
}

TEST_F(StreamTest, AMalformedMessageIsNotTakenForTheEnd) {
  grpc::GenericStub stub(server_.channel());
  const auto context = RunningServer::ContextOf(Officer());
  grpc::CompletionQueue queue;
  void* tag = nullptr;
  bool ok = false;
  const auto call =
      stub.PrepareCall(context.get(), "/denier.v1.CommandService/ExecuteCommands", &queue);
  call->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  grpc::Slice garbage(std::string("\x0a\x7f"));
  call->Write(grpc::ByteBuffer(&garbage, 1), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  grpc::Status status;
  call->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_THAT(status, RefusedAs(v1::ERROR_REASON_INVALID_FIELD));
}

TEST_F(StreamTest, MessagesAheadOfTheirAnswersWaitForThem) {
  constexpr int kMessages = 200;
  const CommandStream stream = Open(Officer());
  std::thread writer([&] {
    for (int i = 0; i < kMessages; ++i) {
      const std::string id = "s-" + std::to_string(i);
      // Every third message is answered without the sequencer, and still in its turn.
      stream->Write(i % 3 == 0 ? MessageOf({})
                               : MessageOf({Engage(id, "coaching", {{"l1", 1}}),
                                            Engage(id, "coaching", {{"l1", 2}})}));
    }
    stream->WritesDone();
  });
  std::int64_t position = 5;
  for (int i = 0; i < kMessages; ++i) {
    v1::ExecuteCommandsResponse response;
    ASSERT_TRUE(stream->Read(&response)) << i;
    if (i % 3 == 0) {
      EXPECT_THAT(Outcomes(response), ElementsAre());
    } else {
      EXPECT_THAT(Outcomes(response),
                  ElementsAre("OK " + std::to_string(++position), "REQUEST_ID_REUSED"));
    }
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamTest, AClientThatLeavesDoesNoHarm) {
  for (int i = 0; i < 20; ++i) {
    const CommandStream stream = Open(Officer());
    for (int j = 0; j < 3; ++j) {
      const std::string id = "s-" + std::to_string(i) + "-" + std::to_string(j);
      stream->Write(MessageOf({Engage(id, "coaching", {{"l1", 1}})}));
    }
    context_->TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  EXPECT_THAT(server_.Execute(Officer(), Engage("good", "coaching", {{"l1", 1}})), IsAccepted());
}

// ------------------------------------------------------------------- Disk and overload

class DiskTest : public testing::Test {
 protected:
  DiskTest() : server_(Options()) { Begin(server_); }
  ~DiskTest() override { disk_->Hold(HeldDisk::At::kNothing); }

  ServerOptions Options() {
    ServerOptions options;
    options.file_system = disk_;
    options.most_queued_commands = 2;
    options.most_batch_commands = 1;
    options.grace = std::chrono::seconds(30);
    return options;
  }

  const std::shared_ptr<HeldDisk> disk_ = std::make_shared<HeldDisk>();
  RunningServer server_;
};

TEST_F(DiskTest, AFullDiskRefusesAndRecovers) {
  disk_->SetFreeSpace(1 << 20);
  const Answer answer = server_.Execute(Officer(), Engage("x", "coaching", {{"l1", 1}}));
  EXPECT_THAT(answer, RefusedAs(v1::ERROR_REASON_DISK_FULL));
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(answer.status).has_value());
  EXPECT_EQ(server_.head(), 5);
  disk_->SetFreeSpace(std::nullopt);
  EXPECT_THAT(server_.Execute(Officer(), Engage("x", "coaching", {{"l1", 1}})), IsAcceptedAt(6));
}

TEST_F(DiskTest, OverloadIsAnsweredAtOnceWithWhenToComeBack) {
  disk_->Hold(HeldDisk::At::kLogSync);
  // While the disk is stuck one command is on its way to it, one is decided, and two wait.
  constexpr int kCalls = 40;
  constexpr int kRoom = 4;
  std::atomic<int> overloaded{0};
  std::promise<void> the_rest_is_answered;
  std::vector<std::future<Answer>> calls;
  for (int i = 0; i < kCalls; ++i) {
    calls.push_back(std::async(std::launch::async, [&, i] {
      const Answer answer =
          server_.Execute(Officer(), Engage("o-" + std::to_string(i), "coaching", {{"l1", 1}}));
      if (!answer.status.ok() && ++overloaded == kCalls - kRoom) the_rest_is_answered.set_value();
      return answer;
    }));
  }
  the_rest_is_answered.get_future().wait();
  disk_->Hold(HeldDisk::At::kNothing);

  int accepted = 0;
  for (auto& call : calls) {
    const Answer answer = call.get();
    if (answer.status.ok()) {
      ++accepted;
      continue;
    }
    EXPECT_THAT(answer, RefusedAs(v1::ERROR_REASON_OVERLOADED));
    const auto retry = DetailOf<google::rpc::RetryInfo>(answer.status);
    ASSERT_TRUE(retry.has_value());
    EXPECT_GT(retry->retry_delay().nanos() + retry->retry_delay().seconds(), 0);
  }
  EXPECT_GT(accepted, 0);
  EXPECT_EQ(server_.head(), 5 + accepted);
}

TEST_F(DiskTest, AFailedSyncEndsTheServerAndTheSameRequestIsSafe) {
  disk_->Plan({.operation = faults::Operation::kSync,
               .path_part = ".log",
               .effect = faults::Effect::kError});
  const v1::Command engage = Engage("x", "coaching", {{"l1", 1}});
  const Answer unknown = server_.Execute(Officer(), engage);
  EXPECT_THAT(unknown, RefusedAs(v1::ERROR_REASON_OUTCOME_UNKNOWN));
  EXPECT_TRUE(DetailOf<google::rpc::RetryInfo>(unknown.status).has_value());
  // The server ends by itself; the service manager starts it again.
  EXPECT_EQ(server_.Wait(), Server::Ending::kLogFailed);
  EXPECT_EQ(server_.LogLines("log_failed").size(), 1u);

  server_.options().file_system = nullptr;
  server_.Start();
  EXPECT_THAT(server_.Execute(Officer(), engage), IsAcceptedAt(6));
  EXPECT_THAT(server_.Execute(Officer(), engage), IsAcceptedAt(6));
  EXPECT_EQ(server_.head(), 6);
}

TEST_F(DiskTest, ADeadlineIsHonoured) {
  disk_->Hold(HeldDisk::At::kLogSync);
  std::future<Answer> held = std::async(std::launch::async, [this] {
    return server_.Execute(Officer(), Engage("held", "coaching", {{"l1", 1}}));
  });
  disk_->AwaitHeld();
  {
    grpc::ClientContext context;
    Identify(context, Officer());
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(50));
    const Answer late = Call(server_.commands(), context, Engage("late", "coaching", {{"l1", 1}}));
    EXPECT_EQ(late.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  }
  {
    // One that is cancelled while it waits.
    grpc::ClientContext context;
    Identify(context, Officer());
    std::future<Answer> cancelled = std::async(std::launch::async, [this, &context] {
      return Call(server_.commands(), context, Engage("gone", "coaching", {{"l1", 1}}));
    });
    context.TryCancel();
    EXPECT_EQ(cancelled.get().status.error_code(), grpc::StatusCode::CANCELLED);
  }
  disk_->Hold(HeldDisk::At::kNothing);
  EXPECT_THAT(held.get(), IsAcceptedAt(6));
  EXPECT_THAT(server_.Execute(Officer(), Engage("good", "coaching", {{"l1", 1}})), IsAccepted());
}

// ------------------------------------------------------------------------------ Stops

TEST(StopTest, UnderLoadEverythingIsAnsweredAndNothingAcknowledgedIsLost) {
  RunningServer server;
  Begin(server);
  std::atomic<bool> go_on{true};
  std::atomic<int> accepted{0};
  std::vector<std::thread> callers;
  std::promise<void> under_load;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; go_on; ++i) {
        const std::string id = "l-" + std::to_string(caller) + "-" + std::to_string(i);
        const Answer answer = server.Execute(Officer(), Engage(id, "coaching", {{"l1", 1}}));
        if (answer.status.ok()) {
          if (++accepted == 200) under_load.set_value();
        } else {
          // CANCELLED: it reached gRPC in the very instant in which that closed.
          EXPECT_THAT(answer.status.error_code(),
                      AnyOf(grpc::StatusCode::UNAVAILABLE, grpc::StatusCode::CANCELLED))
              << answer.status.error_message();
          return;
        }
      }
    });
  }
  // An open stream that says nothing must not hold the stop up.
  const auto context = RunningServer::ContextOf(Officer());
  const CommandStream idle = server.commands().ExecuteCommands(context.get());
  idle->Write(MessageOf({Engage("idle", "coaching", {{"l1", 1}})}));
  v1::ExecuteCommandsResponse response;
  ASSERT_TRUE(idle->Read(&response));

  under_load.get_future().wait();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(server.Stop(), Server::Ending::kAsked);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(8))
      << "waited for grace";
  EXPECT_FALSE(idle->Read(&response));
  EXPECT_THAT(idle->Finish(), RefusedAs(v1::ERROR_REASON_STOPPING));
  go_on = false;
  for (std::thread& caller : callers) caller.join();

  server.Start();
  // What was acknowledged is there; a command decided while its caller left may be there too.
  EXPECT_GE(server.head(), 6 + accepted);
  EXPECT_LE(server.head(), 6 + accepted + 4);
  EXPECT_THAT(server.Execute(Officer(), Engage("l-0-0", "coaching", {{"l1", 1}})), IsAccepted());
}

// --------------------------------------------------------------- Health, admin, metrics

TEST(HealthTest, EveryServiceServesUntilTheServerStops) {
  RunningServer server;
  const auto health = grpc::health::v1::Health::NewStub(server.channel());
  for (const char* service : {"", "denier.v1.CommandService", "denier.v1.QueryService",
                              "denier.v1.AuditService", "denier.v1.AdminService"}) {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service(service);
    ASSERT_TRUE(health->Check(&context, request, &response).ok()) << service;
    EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING) << service;
  }
  {
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    grpc::health::v1::HealthCheckResponse response;
    request.set_service("denier.v1.NoService");
    EXPECT_EQ(health->Check(&context, request, &response).error_code(),
              grpc::StatusCode::NOT_FOUND);
  }
  grpc::ClientContext context;
  grpc::health::v1::HealthCheckRequest request;
  grpc::health::v1::HealthCheckResponse response;
  request.set_service("denier.v1.CommandService");
  const auto watch = health->Watch(&context, request);
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::SERVING);
  std::thread stop([&] { server.Stop(); });
  ASSERT_TRUE(watch->Read(&response));
  EXPECT_EQ(response.status(), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  context.TryCancel();
  stop.join();
}

TEST(AdminServiceTest, TellsOperatorsAndNobodyElse) {
  RunningServer server;
  Begin(server);
  const auto admin = v1::AdminService::NewStub(server.channel());
  v1::GetStatusResponse status;
  ASSERT_TRUE(admin->GetStatus(RunningServer::ContextOf(Operator()).get(), {}, &status).ok());
  EXPECT_EQ(status.head_position(), 5);
  EXPECT_LE(status.projected_position(), 5);
  EXPECT_EQ(status.root().size(), 32);
  EXPECT_FALSE(status.version().empty());

  v1::RebuildProjectionsResponse rebuilt;
  ASSERT_TRUE(
      admin->RebuildProjections(RunningServer::ContextOf(Operator()).get(), {}, &rebuilt).ok());
  EXPECT_EQ(rebuilt.position(), 5);
  EXPECT_GT(rebuilt.rows_compared(), 0);
  ASSERT_TRUE(
      admin->RebuildProjections(RunningServer::ContextOf(Operator()).get(), {}, &rebuilt).ok());

  for (const auto& who : {Manager(), Officer(), Accountant()}) {
    EXPECT_THAT(admin->GetStatus(RunningServer::ContextOf(who).get(), {}, &status),
                RefusedAs(v1::ERROR_REASON_WRONG_ROLE));
    EXPECT_THAT(admin->RebuildProjections(RunningServer::ContextOf(who).get(), {}, &rebuilt),
                RefusedAs(v1::ERROR_REASON_WRONG_ROLE));
  }
  EXPECT_THAT(
      admin->GetStatus(RunningServer::ContextOf(events::v1::Principal()).get(), {}, &status),
      RefusedAs(v1::ERROR_REASON_UNKNOWN_PRINCIPAL));
  server.Stop();
  EXPECT_EQ(server.LogLines("call_refused").size(), 7u);
}

// What an HTTP GET of /metrics on loopback answers.
std::string GetMetrics(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string answer;
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
    const std::string request = "GET /metrics HTTP/1.0\r\n\r\n";
    EXPECT_EQ(write(fd, request.data(), request.size()), static_cast<ssize_t>(request.size()));
    char buffer[4096];
    for (ssize_t n = 0; (n = read(fd, buffer, sizeof buffer)) > 0;) {
      answer.append(buffer, static_cast<std::size_t>(n));
    }
  }
  close(fd);
  return answer;
}

TEST(MetricsTest, TellPrometheusWhatHappened) {
  ServerOptions options;
  options.metrics = "127.0.0.1:0";
  RunningServer server(options);
  Begin(server);
  server.Execute(Officer(), Engage("x", "none", {{"l1", 1}}));
  server.Execute(Officer(), Engage("y", "none", {{"l1", 1}}));
  {
    grpc::GenericStub stub(server.channel());
    const auto context = RunningServer::ContextOf(Officer());
    grpc::CompletionQueue queue;
    grpc::Slice slice(std::string("\xff"));
    const grpc::ByteBuffer request(&slice, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    auto call =
        stub.PrepareUnaryCall(context.get(), "/denier.v1.CommandService/Engage", request, &queue);
    call->StartCall();
    call->Finish(&response, &status, nullptr);
    void* tag = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&tag, &ok));
  }
  {
    const auto context = RunningServer::ContextOf(Officer());
    const CommandStream stream = server.commands().ExecuteCommands(context.get());
    stream->Write(MessageOf(
        {Engage("s-1", "coaching", {{"l1", 1}}), Engage("s-2", "coaching", {{"l1", 1}})}));
    stream->WritesDone();
    v1::ExecuteCommandsResponse response;
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_TRUE(stream->Finish().ok());
  }
  const auto queries = v1::QueryService::NewStub(server.channel());
  v1::GetAgreementRequest request;
  request.mutable_header()->set_agreement_id(std::string(kAgreement));
  request.mutable_header()->set_min_position(server.head());
  v1::GetAgreementResponse response;
  ASSERT_TRUE(
      queries->GetAgreement(RunningServer::ContextOf(Manager()).get(), request, &response).ok());

  EXPECT_THAT(
      GetMetrics(server.server().metrics_port()),
      AllOf(HasSubstr("denier_commands_total{result=\"OK\",rpc=\"Engage\"} 1\n"),
            HasSubstr("denier_commands_total{result=\"UNKNOWN_ENVELOPE\",rpc=\"Engage\"} 2\n"),
            HasSubstr("denier_commands_total{result=\"INVALID_FIELD\",rpc=\"Engage\"} 1\n"),
            HasSubstr("denier_commands_total{result=\"OK\",rpc=\"ExecuteCommands\"} 2\n"),
            HasSubstr("denier_calls_total{result=\"OK\",rpc=\"GetAgreement\"} 1\n"),
            HasSubstr("denier_queued_commands 0\n"), HasSubstr("denier_head_position 7\n"),
            HasSubstr("denier_projection_lag_events 0\n"),
            HasSubstr("denier_log_lines_lost_total 0\n"), HasSubstr("denier_batch_events_sum 8\n"),
            HasSubstr("denier_sync_seconds_count "), HasSubstr("denier_started_time_seconds ")));
}

}  // namespace
}  // namespace denier::services
