// The commands over gRPC. A handler decodes, says who calls, submits to the sequencer and answers
// when that does: no rule stands here, and no thread of gRPC ever waits for a disk.
#ifndef DENIER_SERVICES_COMMAND_SERVICE_H_
#define DENIER_SERVICES_COMMAND_SERVICE_H_

#include <grpcpp/server_context.h>

#include <memory>
#include <mutex>
#include <set>
#include <string_view>

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

// gRPC's generated classes nest: one a method, each around the next. The stream is raw because gRPC
// shows a message that does not parse as the end of the stream; here the two must differ.
#define DENIER_OPEN(Name, field) v1::CommandService::WithCallbackMethod_##Name <
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

#define DENIER_RPC(Name, field)                                                                  \
  grpc::ServerUnaryReactor* Name(grpc::CallbackServerContext* context,                           \
                                 const v1::Name##Request* request, v1::Name##Response* response) \
      override {                                                                                 \
    v1::Command command;                                                                         \
    *command.mutable_##field() = *request;                                                       \
    return Execute(#Name, *context, std::move(command), *response->mutable_result());            \
  }
  DENIER_UNARY_COMMANDS(DENIER_RPC)
#undef DENIER_RPC

 private:
  class Stream;

  grpc::ServerUnaryReactor* Execute(std::string_view rpc, grpc::CallbackServerContext& context,
                                    v1::Command command, v1::CommandResult& result);
  bool stopping() const;

  Sequencer& sequencer_;
  const PrincipalReader& principals_;
  ServerLog& log_;
  Metrics& metrics_;

  mutable std::mutex mutex_;
  bool stopping_ = false;                      // guarded by mutex_
  std::set<std::shared_ptr<Stream>> streams_;  // guarded by mutex_; those that are open
};

// Where `message`, or what it holds, has a field that this program does not know: UNKNOWN_FIELDS
// with the path of the message that has it. Any thread.
std::optional<rules::Refusal> RefuseUnknownFields(const v1::Command& command);

}  // namespace denier::services

#endif  // DENIER_SERVICES_COMMAND_SERVICE_H_
