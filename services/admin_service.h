// What keeps the server running, over gRPC. For operators; it shows no figure of the books.
#ifndef DENIER_SERVICES_ADMIN_SERVICE_H_
#define DENIER_SERVICES_ADMIN_SERVICE_H_

#include <grpcpp/server_context.h>

#include <mutex>
#include <thread>

#include "denier/v1/admin_service.grpc.pb.h"
#include "projections/runner.h"
#include "services/principal.h"
#include "store/log.h"

namespace denier::services {

// "0.1.0".
const char* ServerVersion();

// Any thread. What it is given must outlive it, and it the gRPC server.
class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(const store::Log& log, projections::Runner& runner,
               const PrincipalReader& principals)
      : log_(log), runner_(runner), principals_(principals) {}

  // Waits for a rebuild that runs.
  ~AdminService() override;

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* RebuildProjections(grpc::CallbackServerContext* context,
                                               const v1::RebuildProjectionsRequest* request,
                                               v1::RebuildProjectionsResponse* response) override;

 private:
  grpc::Status Rebuild(v1::RebuildProjectionsResponse& response);

  const store::Log& log_;
  projections::Runner& runner_;
  const PrincipalReader& principals_;

  std::mutex mutex_;
  bool rebuilding_ = false;  // guarded by mutex_
  std::thread rebuilder_;    // guarded by mutex_; a rebuild is minutes of reading
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_ADMIN_SERVICE_H_
