// The commands over gRPC. A handler decodes, says who calls, submits to the sequencer and answers
// when that does: no rule stands here, and no thread of gRPC ever waits for a disk.
#ifndef DENIER_SERVICES_COMMAND_SERVICE_H_
#define DENIER_SERVICES_COMMAND_SERVICE_H_

#include <google/protobuf/message_lite.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "denier/v1/command_service.grpc.pb.h"
#include "services/metrics.h"
#include "services/principal.h"
#include "services/sequencer.h"
#include "services/server_log.h"

namespace denier::services {

// Every unary RPC of the service, with the command's field that it fills.
#define DENIER_UNARY_COMMANDS(RPC)                      \
  RPC(CreateAgreement, create_agreement)                \
  RPC(AmendAgreement, amend_agreement)                  \
  RPC(RecordPublication, record_publication)            \
  RPC(TakeOver, take_over)                              \
  RPC(CreateEnvelope, create_envelope)                  \
  RPC(UpdateEnvelope, update_envelope)                  \
  RPC(RecordProgrammeCredits, record_programme_credits) \
  RPC(RecordRecyclingBasis, record_recycling_basis)     \
  RPC(Allocate, allocate)                               \
  RPC(Deallocate, deallocate)                           \
  RPC(Freeze, freeze)                                   \
  RPC(Release, release)                                 \
  RPC(Cancel, cancel)                                   \
  RPC(Transfer, transfer)                               \
  RPC(ImportOpening, import_opening)                    \
  RPC(CorrectOpening, correct_opening)                  \
  RPC(ImportPlan, import_plan)                          \
  RPC(RequestCarryover, request_carryover)              \
  RPC(GrantCarryover, grant_carryover)                  \
  RPC(RefuseCarryover, refuse_carryover)                \
  RPC(MakeCarryoverAvailable, make_carryover_available) \
  RPC(CloseYear, close_year)                            \
  RPC(ReopenYear, reopen_year)                          \
  RPC(Engage, engage)                                   \
  RPC(Withdraw, withdraw)                               \
  RPC(CertifyService, certify_service)                  \
  RPC(RequestPayment, request_payment)                  \
  RPC(Pay, pay)                                         \
  RPC(PayWithoutCommitment, pay_without_commitment)     \
  RPC(SuspendPayment, suspend_payment)                  \
  RPC(ResumePayment, resume_payment)                    \
  RPC(RejectPayment, reject_payment)                    \
  RPC(RequisitionPayment, requisition_payment)          \
  RPC(Reinstate, reinstate)                             \
  RPC(Reimpute, reimpute)                               \
  RPC(Reverse, reverse)

// gRPC's generated classes nest: one a method, each around the next. All are raw. gRPC shows a
// message of a stream that does not parse as the end of the stream, and answers such a request by
// itself; here the bytes become a command without a copy, and what does not parse is refused in our
// words.
#define DENIER_OPEN(Name, field) v1::CommandService::WithRawCallbackMethod_##Name <
#define DENIER_CLOSE(Name, field) >
using CommandServiceBase =
    DENIER_UNARY_COMMANDS(DENIER_OPEN) v1::CommandService::WithRawCallbackMethod_ExecuteCommands<
        v1::CommandService::Service> DENIER_UNARY_COMMANDS(DENIER_CLOSE);
#undef DENIER_OPEN
#undef DENIER_CLOSE

// Any thread. What it is given must outlive it, and it the gRPC server.
class CommandService final : public CommandServiceBase {
 public:
  CommandService(Sequencer& sequencer, const PrincipalReader& principals, ServerLog& log,
                 Metrics& metrics)
      : sequencer_(sequencer), principals_(principals), log_(log), metrics_(metrics) {}

  // From now on new commands are answered STOPPING, and streams end once what they have sent is
  // answered.
  void Stop();

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* ExecuteCommands(
      grpc::CallbackServerContext* context) override;

#define DENIER_RPC(Name, field)                                                                    \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context,                             \
                                 const grpc::ByteBuffer* request, grpc::ByteBuffer* response)      \
      override {                                                                                   \
    v1::Command command;                                                                           \
    const bool parsed = Parse(*request, *command.mutable_##field());                               \
    return Execute({#Name, WriteResult<v1::Name##Response>}, *context, parsed, std::move(command), \
                   *response);                                                                     \
  }
  DENIER_UNARY_COMMANDS(DENIER_RPC)
#undef DENIER_RPC

 private:
  class Stream;

  struct Rpc {
    std::string_view name;
    void (*write)(v1::CommandResult&& result, grpc::ByteBuffer& response);
  };

  // False: it is no well-formed message of its type.
  static bool Parse(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);
  static void Write(const google::protobuf::MessageLite& message, grpc::ByteBuffer& bytes);
  template <typename Response>
  static void WriteResult(v1::CommandResult&& result, grpc::ByteBuffer& bytes) {
    Response response;
    *response.mutable_result() = std::move(result);
    Write(response, bytes);
  }

  grpc::ServerUnaryReactor* Execute(const Rpc& rpc, grpc::CallbackServerContext& context,
                                    bool parsed, v1::Command command, grpc::ByteBuffer& response);
  bool stopping() const;

  Sequencer& sequencer_;
  const PrincipalReader& principals_;
  ServerLog& log_;
  Metrics& metrics_;

  mutable std::mutex mutex_;
  bool stopping_ = false;                      // guarded by mutex_
  std::set<std::shared_ptr<Stream>> streams_;  // guarded by mutex_; those that are open
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_COMMAND_SERVICE_H_
