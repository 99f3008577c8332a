// The events over gRPC, for audits and for systems that follow the books. What may be read is what
// visibility.h lets through; a managing body sees the events that touch its own envelopes, whole,
// and the acts of the agreement that it is a party to.
#ifndef DENIER_SERVICES_AUDIT_SERVICE_H_
#define DENIER_SERVICES_AUDIT_SERVICE_H_

#include <grpcpp/server_context.h>

#include <memory>

#include "denier/v1/audit_service.grpc.pb.h"
#include "projections/runner.h"
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
  AuditService(const store::Log& log, projections::Runner& runner,
               const PrincipalReader& principals);
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

 private:
  class Followers;
  class Stream;

  const store::Log& log_;
  projections::Runner& runner_;
  const PrincipalReader& principals_;
  const std::shared_ptr<Followers> followers_;
  Readers readers_{/*threads=*/2};
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_AUDIT_SERVICE_H_
