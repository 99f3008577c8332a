// What keeps the server running, over gRPC. For operators; it shows no figure of the books.
#ifndef DENIER_SERVICES_ADMIN_SERVICE_H_
#define DENIER_SERVICES_ADMIN_SERVICE_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <mutex>
#include <string>
#include <thread>

#include "denier/v1/admin_service.grpc.pb.h"
#include "projections/runner.h"
#include "services/principal.h"
#include "services/readers.h"
#include "store/backup.h"
#include "store/log.h"

namespace denier::services {

// "0.1.0".
const char* ServerVersion();

// Where backups go, and of what.
struct BackupPlan {
  std::string data_directory;
  std::string folder;  // empty: there are none
  store::BackupOptions options;
};

// Any thread. What it is given must outlive it, and it the gRPC server.
class AdminService final : public v1::AdminService::CallbackService {
 public:
  AdminService(const store::Log& log, projections::Runner& runner,
               const PrincipalReader& principals, BackupPlan backups = {});

  // Waits for a rebuild and a backup that run.
  ~AdminService() override;

  // Has a backup that runs given up: its call fails, and the server can stop.
  void Stop() { stopping_ = true; }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest* request,
                                      v1::GetStatusResponse* response) override;
  grpc::ServerUnaryReactor* RebuildProjections(grpc::CallbackServerContext* context,
                                               const v1::RebuildProjectionsRequest* request,
                                               v1::RebuildProjectionsResponse* response) override;
  grpc::ServerUnaryReactor* CreateBackup(grpc::CallbackServerContext* context,
                                         const v1::CreateBackupRequest* request,
                                         v1::CreateBackupResponse* response) override;
  grpc::ServerUnaryReactor* ListBackups(grpc::CallbackServerContext* context,
                                        const v1::ListBackupsRequest* request,
                                        v1::ListBackupsResponse* response) override;

 private:
  grpc::Status Rebuild(v1::RebuildProjectionsResponse& response);

  const store::Log& log_;
  projections::Runner& runner_;
  const PrincipalReader& principals_;
  BackupPlan backups_;
  std::atomic<bool> stopping_ = false;

  std::mutex mutex_;
  bool rebuilding_ = false;  // guarded by mutex_
  std::thread rebuilder_;    // guarded by mutex_; a rebuild is minutes of reading
  bool backing_up_ = false;  // guarded by mutex_
  std::thread backup_;       // guarded by mutex_; as long as copying takes
  Readers listers_{/*threads=*/1};
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_ADMIN_SERVICE_H_
