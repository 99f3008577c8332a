// The events over gRPC, for audits and for systems that follow the books. What may be read is what
// visibility.h lets through; a managing body sees the events that touch its own envelopes, whole,
// and the acts of the agreement that it is a party to.
#ifndef DENIER_SERVICES_AUDIT_SERVICE_H_
#define DENIER_SERVICES_AUDIT_SERVICE_H_

#include <grpcpp/server_context.h>

#include <memory>

#include "denier/v1/audit_service.grpc.pb.h"
#include "projections/runner.h"
#include "services/checkpoints.h"
#include "services/principal.h"
#include "services/readers.h"
#include "store/log.h"

namespace denier::services {

// Any thread. What it is given must outlive it, and it the gRPC server.
//
// It shows events once they are in the rows, so that it can look up what they touch. A stream makes
// its next message when the one before is on its way: a slow reader costs the writer nothing.
class AuditService final : public v1::AuditService::CallbackService {
 public:
  // Without `checkpoints` (nullptr) GetCheckpoint answers NO_CHECKPOINT_KEY.
  AuditService(const store::Log& log, projections::Runner& runner,
               const PrincipalReader& principals, const Checkpoints* checkpoints = nullptr);
  ~AuditService() override;

  // Ends the streams that follow the head, with STOPPING; new ones end at once.
  void Stop();

  grpc::ServerUnaryReactor* GetEvent(grpc::CallbackServerContext* context,
                                     const v1::GetEventRequest* request,
                                     v1::GetEventResponse* response) override;
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::StreamEventsResponse>* StreamEvents(
      grpc::CallbackServerContext* context, const v1::StreamEventsRequest* request) override;

  // In audit_proofs.cc.
  grpc::ServerUnaryReactor* GetCheckpoint(grpc::CallbackServerContext* context,
                                          const v1::GetCheckpointRequest* request,
                                          v1::GetCheckpointResponse* response) override;
  grpc::ServerUnaryReactor* GetInclusionProof(grpc::CallbackServerContext* context,
                                              const v1::GetInclusionProofRequest* request,
                                              v1::GetInclusionProofResponse* response) override;
  grpc::ServerUnaryReactor* GetConsistencyProof(grpc::CallbackServerContext* context,
                                                const v1::GetConsistencyProofRequest* request,
                                                v1::GetConsistencyProofResponse* response) override;

 private:
  class Followers;
  class Stream;

  // For every principal: a root is no figure.
  ReadRoom ProofRoom() { return {runner_, principals_, readers_, /*figures=*/false}; }

  const store::Log& log_;
  projections::Runner& runner_;
  const PrincipalReader& principals_;
  const Checkpoints* const checkpoints_;
  const std::shared_ptr<Followers> followers_;
  Readers readers_{/*threads=*/2};
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_AUDIT_SERVICE_H_
