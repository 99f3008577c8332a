#include "tests/bench/load_client.h"

#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "denier/v1/admin_service.grpc.pb.h"
#include "denier/v1/command_service.grpc.pb.h"
#include "denier/v1/query_service.grpc.pb.h"

namespace denier::bench {
namespace {

using Clock = std::chrono::steady_clock;

void ActAs(grpc::ClientContext& context, const char* id, const char* body, const char* role) {
  context.AddMetadata("denier-principal", id);
  context.AddMetadata("denier-body", body);
  context.AddMetadata("denier-roles", role);
}
void ActAsOfficer(grpc::ClientContext& context) {
  ActAs(context, "ao-1", "DINUM", "authorising_officer");
}
void ActAsOperator(grpc::ClientContext& context) { ActAs(context, "op-1", "DJEPVA", "operator"); }

// "/denier.v1.CommandService/Engage".
std::string PathOf(std::string_view method) {
  const bool query = method.starts_with("Get");
  return absl::StrCat("/denier.v1.", query ? "QueryService" : "CommandService", "/",
                      std::string(method));
}

absl::Status ToStatus(const grpc::Status& status, const std::string& doing) {
  if (status.ok()) return absl::OkStatus();
  return {static_cast<absl::StatusCode>(status.error_code()),
          absl::StrCat(doing, ": ", status.error_message())};
}

double SecondsSince(Clock::time_point begun) {
  return std::chrono::duration<double>(Clock::now() - begun).count();
}

bool IsOver(const Until& until, Clock::time_point begun, std::uint64_t sent) {
  return (until.stop != nullptr && *until.stop) ||
         (Clock::now() - begun >= until.elapsed && sent >= until.at_least);
}

}  // namespace

LoadClient::LoadClient(const std::string& address)
    : channel_([&] {
        grpc::ChannelArguments arguments;
        arguments.SetMaxReceiveMessageSize(64 << 20);
        // A channel of its own: gRPC would share the connection of another one.
        arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
        return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
      }()),
      stub_(channel_) {}

absl::StatusOr<Load> LoadClient::Unary(const std::string& method, const Requests& requests,
                                       int in_flight, const Until& until, bool keep_latencies) {
  struct Call {
    std::optional<grpc::ClientContext> context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer answer;
    grpc::Status status;
    Clock::time_point sent;
  };
  const std::string path = PathOf(method);
  grpc::CompletionQueue queue;
  std::vector<Call> calls(static_cast<std::size_t>(in_flight));
  std::uint64_t next = 0;
  const auto send = [&](Call& call) {
    call.context.emplace();
    ActAsOfficer(*call.context);
    call.sent = Clock::now();
    call.reader = stub_.PrepareUnaryCall(&*call.context, path, requests(next++), &queue);
    call.reader->StartCall();
    call.reader->Finish(&call.answer, &call.status, &call);
  };

  Load load;
  absl::Status failure;
  const Clock::time_point begun = Clock::now();
  for (Call& call : calls) send(call);
  void* tag = nullptr;
  bool ok = false;
  for (std::size_t flying = calls.size(); flying > 0 && queue.Next(&tag, &ok);) {
    auto& call = *static_cast<Call*>(tag);
    if (!call.status.ok()) {
      if (failure.ok()) failure = ToStatus(call.status, method);
    } else {
      ++load.commands;
      if (keep_latencies) load.latencies_us.push_back(SecondsSince(call.sent) * 1e6);
    }
    if (failure.ok() && !IsOver(until, begun, next)) {
      send(call);
    } else {
      --flying;
    }
  }
  load.seconds = SecondsSince(begun);
  calls.clear();
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  if (!failure.ok()) return failure;
  return load;
}

absl::StatusOr<Load> LoadClient::Stream(const EngageCommands& commands, std::uint64_t first,
                                        int in_flight, const Until& until) {
  enum Tag : std::intptr_t { kStarted = 1, kWritten, kRead, kWritesDone, kFinished };
  // gRPC's tags are pointers that nobody follows.
  const auto tag_of = [](Tag tag) {
    return reinterpret_cast<void*>(tag);  // NOLINT(performance-no-int-to-ptr)
  };
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  ActAsOfficer(context);
  const auto stream = stub_.PrepareCall(&context, PathOf("ExecuteCommands"), &queue);

  Load load;
  const Clock::time_point begun = Clock::now();
  std::uint64_t sent = 0;
  std::uint64_t answered = 0;
  bool writing = false;
  bool ended = false;
  grpc::ByteBuffer answer;
  grpc::Status status;
  const auto send = [&] {
    if (writing || ended) return;
    if (IsOver(until, begun, sent)) {
      ended = true;
      stream->WritesDone(tag_of(kWritesDone));
    } else if (sent - answered < static_cast<std::uint64_t>(in_flight)) {
      writing = true;
      stream->Write(commands.Message(first + sent * EngageCommands::kMessageCommands),
                    tag_of(kWritten));
      ++sent;
    }
  };
  stream->StartCall(tag_of(kStarted));
  void* tag = nullptr;
  bool ok = false;
  for (bool finished = false; !finished && queue.Next(&tag, &ok);) {
    switch (static_cast<Tag>(reinterpret_cast<std::intptr_t>(tag))) {
      case kStarted:
        if (ok) {
          send();
          stream->Read(&answer, tag_of(kRead));
        } else {
          stream->Finish(&status, tag_of(kFinished));
        }
        break;
      case kWritten:
        writing = false;
        if (ok) send();
        break;
      case kRead:
        if (!ok) {
          load.seconds = SecondsSince(begun);
          stream->Finish(&status, tag_of(kFinished));
          break;
        }
        ++answered;
        if (until.answers != nullptr) {
          ++*until.answers;
          until.answers->notify_all();
        }
        load.answer_bytes = answer.Length();
        stream->Read(&answer, tag_of(kRead));
        send();
        break;
      case kWritesDone:
        break;
      case kFinished:
        finished = true;
        break;
    }
  }
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  if (absl::Status failed = ToStatus(status, "ExecuteCommands"); !failed.ok()) return failed;
  if (sent != answered) {
    return absl::InternalError(absl::StrCat(sent, " messages, ", answered, " answers"));
  }
  load.commands = answered * EngageCommands::kMessageCommands;
  return load;
}

absl::StatusOr<grpc::ByteBuffer> LoadClient::CallOnce(const std::string& method,
                                                      const grpc::ByteBuffer& request) {
  grpc::CompletionQueue queue;
  grpc::ClientContext context;
  ActAsOfficer(context);
  grpc::ByteBuffer answer;
  grpc::Status status;
  const auto reader = stub_.PrepareUnaryCall(&context, PathOf(method), request, &queue);
  reader->StartCall();
  reader->Finish(&answer, &status, &status);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  if (absl::Status failed = ToStatus(status, method); !failed.ok()) return failed;
  return answer;
}

absl::Status LoadClient::SetUp(const std::vector<v1::Command>& commands) {
  grpc::ClientContext context;
  ActAs(context, "pm-1", "DJEPVA", "programme_manager");
  v1::ExecuteCommandsRequest request;
  request.mutable_commands()->Add(commands.begin(), commands.end());
  v1::ExecuteCommandsResponse response;
  const auto stream = v1::CommandService::NewStub(channel_)->ExecuteCommands(&context);
  stream->Write(request);
  stream->WritesDone();
  stream->Read(&response);
  if (absl::Status failed = ToStatus(stream->Finish(), "ExecuteCommands"); !failed.ok()) {
    return failed;
  }
  for (const v1::CommandOutcome& outcome : response.outcomes()) {
    if (!outcome.has_result()) {
      return absl::InternalError(absl::StrCat("refused: ", outcome.error().message()));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::int64_t> LoadClient::HeadPosition() {
  grpc::ClientContext context;
  ActAsOperator(context);
  v1::GetStatusResponse response;
  const grpc::Status status =
      v1::AdminService::NewStub(channel_)->GetStatus(&context, {}, &response);
  if (absl::Status failed = ToStatus(status, "GetStatus"); !failed.ok()) return failed;
  return response.head_position();
}

absl::StatusOr<v1::GetYearlyExecutionResponse> LoadClient::YearlyExecution(
    std::int64_t min_position) {
  grpc::ClientContext context;
  ActAsOfficer(context);
  v1::GetYearlyExecutionRequest request;
  request.mutable_header()->set_agreement_id(std::string(kAgreement));
  request.mutable_header()->set_min_position(min_position);
  v1::GetYearlyExecutionResponse response;
  const grpc::Status status =
      v1::QueryService::NewStub(channel_)->GetYearlyExecution(&context, request, &response);
  if (absl::Status failed = ToStatus(status, "GetYearlyExecution"); !failed.ok()) return failed;
  return response;
}

absl::Status LoadClient::Rebuild() {
  grpc::ClientContext context;
  ActAsOperator(context);
  v1::RebuildProjectionsResponse response;
  const grpc::Status status =
      v1::AdminService::NewStub(channel_)->RebuildProjections(&context, {}, &response);
  return ToStatus(status, "RebuildProjections");
}

grpc::ByteBuffer YearlyExecutionRequest(std::int64_t position) {
  v1::GetYearlyExecutionRequest request;
  request.mutable_header()->set_agreement_id(std::string(kAgreement));
  if (position >= 0) request.mutable_header()->set_as_of_position(position);
  const grpc::Slice slice(request.SerializeAsString());
  return {&slice, 1};
}

absl::StatusOr<v1::GetYearlyExecutionResponse> ParseYearlyExecution(
    const grpc::ByteBuffer& answer) {
  grpc::ByteBuffer bytes = answer;
  v1::GetYearlyExecutionResponse report;
  const grpc::Status parsed =
      grpc::SerializationTraits<v1::GetYearlyExecutionResponse>::Deserialize(&bytes, &report);
  if (absl::Status failed = ToStatus(parsed, "GetYearlyExecution"); !failed.ok()) return failed;
  return report;
}

absl::Status Compare(const v1::GetYearlyExecutionResponse& found, const Totals& expected) {
  for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
    Cell cell;
    for (const v1::ExecutionRow& row : found.rows()) {
      if (row.fiscal_year() == year) {
        cell += {row.ae_engaged(), row.cp_held(), row.cp_paid(), row.outstanding()};
      }
    }
    Cell wanted = expected.OfYear(year);
    for (int before = kFirstYear; before < year; ++before) {
      wanted.outstanding += expected.OfYear(before).outstanding;
    }
    const auto say = [](const Cell& of) {
      return absl::StrCat(of.engaged, " engaged, ", of.held, " held, ", of.paid, " paid, ",
                          of.outstanding, " outstanding");
    };
    if (cell != wanted) {
      return absl::InternalError(
          absl::StrCat("wrong books of ", year, ": ", say(cell), "; sent were ", say(wanted)));
    }
  }
  return absl::OkStatus();
}

}  // namespace denier::bench
