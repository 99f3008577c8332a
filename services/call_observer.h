// What every call leaves in the metrics and, refused, in the server's log, whatever its service;
// but for commands, of which their service tells more by itself.
#ifndef DENIER_SERVICES_CALL_OBSERVER_H_
#define DENIER_SERVICES_CALL_OBSERVER_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "services/metrics.h"
#include "services/principal.h"
#include "services/server_log.h"

namespace denier::services {

// For ServerBuilder::experimental().SetInterceptorCreators. What it is given must outlive the
// server.
//
// It also gives words to the one error that gRPC leaves without: a request that does not parse is
// answered INVALID_ARGUMENT with INVALID_FIELD (gRPC would say UNIMPLEMENTED, and no more).
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallObserver(
    const PrincipalReader& principals, ServerLog& log, Metrics& metrics);

}  // namespace denier::services

#endif  // DENIER_SERVICES_CALL_OBSERVER_H_
