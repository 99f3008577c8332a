#include "services/admin_service.h"

#include <grpcpp/support/server_callback.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "services/errors.h"

namespace denier::services {
namespace {

// Commands and queries come first, where processors are short: a rebuild may take some times as
// long as alone.
constexpr int kRebuildNice = 7;

std::int64_t LastOf(store::Position next) { return static_cast<std::int64_t>(next) - 1; }

std::optional<rules::Refusal> RefuseOthers(const Identified& who) {
  if (const auto* refusal = std::get_if<rules::Refusal>(&who)) return *refusal;
  const auto& roles = std::get<events::v1::Principal>(who).roles();
  if (std::find(roles.begin(), roles.end(), events::v1::ROLE_OPERATOR) != roles.end()) {
    return std::nullopt;
  }
  return rules::Refuse(v1::ERROR_REASON_WRONG_ROLE, "the role operator is needed")
      .With("role", events::v1::Role_Name(events::v1::ROLE_OPERATOR));
}

grpc::Status StatusOfRebuild(const absl::Status& error) {
  if (error.code() == absl::StatusCode::kFailedPrecondition) {
    return StatusOf(rules::Refuse(v1::ERROR_REASON_OVERLOADED, "a rebuild is running already"));
  }
  const v1::ErrorReason reason = error.code() == absl::StatusCode::kDataLoss
                                     ? v1::ERROR_REASON_DAMAGED
                                     : v1::ERROR_REASON_OUTCOME_UNKNOWN;
  return StatusOf(rules::Refuse(reason, std::string(error.message())));
}

rules::Refusal NoBackupFolder() {
  return rules::Refuse(v1::ERROR_REASON_NO_BACKUP_FOLDER, "the server was given no backup folder");
}

rules::Refusal BackupFailed(const absl::Status& why) {
  return rules::Refuse(v1::ERROR_REASON_BACKUP_FAILED, std::string(why.message()));
}

v1::Backup ToProto(const store::Backup& backup) {
  v1::Backup message;
  message.set_backup_id(static_cast<std::int32_t>(backup.id));
  message.set_created_time_us(backup.created_us);
  message.set_position(LastOf(backup.head.next));
  message.set_root(std::string(store::AsBytes(backup.head.root)));
  message.set_size_bytes(static_cast<std::int64_t>(backup.size_bytes));
  return message;
}

}  // namespace

const char* ServerVersion() { return DENIER_VERSION; }

AdminService::AdminService(const store::Log& log, projections::Runner& runner,
                           const PrincipalReader& principals, BackupPlan backups)
    : log_(log), runner_(runner), principals_(principals), backups_(std::move(backups)) {
  backups_.options.stop = &stopping_;
}

AdminService::~AdminService() {
  if (rebuilder_.joinable()) rebuilder_.join();
  if (backup_.joinable()) backup_.join();
}

grpc::ServerUnaryReactor* AdminService::GetStatus(grpc::CallbackServerContext* context,
                                                  const v1::GetStatusRequest* /*request*/,
                                                  v1::GetStatusResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (const auto refusal = RefuseOthers(principals_.Read(*context))) {
    reactor->Finish(StatusOf(*refusal));
    return reactor;
  }
  const store::Position folded = runner_.folded();  // before the head, which it never passes
  const store::Head head = log_.head();
  response->set_head_position(LastOf(head.next));
  response->set_projected_position(LastOf(folded));
  response->set_root(std::string(store::AsBytes(head.root)));
  response->set_version(ServerVersion());
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::RebuildProjections(
    grpc::CallbackServerContext* context, const v1::RebuildProjectionsRequest* /*request*/,
    v1::RebuildProjectionsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  if (const auto refusal = RefuseOthers(principals_.Read(*context))) {
    reactor->Finish(StatusOf(*refusal));
    return reactor;
  }
  const std::lock_guard lock(mutex_);
  if (rebuilding_) {
    reactor->Finish(StatusOfRebuild(absl::FailedPreconditionError("")));
    return reactor;
  }
  rebuilding_ = true;
  if (rebuilder_.joinable()) rebuilder_.join();  // it has answered
  rebuilder_ = std::thread([this, reactor, response] {
    // This thread's and that of those which it starts.
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kRebuildNice);
    const grpc::Status status = Rebuild(*response);
    {
      const std::lock_guard lock(mutex_);
      rebuilding_ = false;
    }
    reactor->Finish(status);
  });
  return reactor;
}

grpc::Status AdminService::Rebuild(v1::RebuildProjectionsResponse& response) {
  const absl::StatusOr<projections::Runner::Rebuilt> rebuilt = runner_.Rebuild();
  if (!rebuilt.ok()) return StatusOfRebuild(rebuilt.status());
  if (!rebuilt->first_difference.empty()) {
    return StatusOf(rules::Refuse(v1::ERROR_REASON_DAMAGED,
                                  "a live row differed from the rebuilt one, which is live now")
                        .With("first_difference", rebuilt->first_difference));
  }
  response.set_position(LastOf(rebuilt->next));
  response.set_rows_compared(rebuilt->rows_compared);
  return grpc::Status::OK;
}

grpc::ServerUnaryReactor* AdminService::CreateBackup(grpc::CallbackServerContext* context,
                                                     const v1::CreateBackupRequest* /*request*/,
                                                     v1::CreateBackupResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  std::optional<rules::Refusal> refusal = RefuseOthers(principals_.Read(*context));
  if (!refusal && backups_.folder.empty()) refusal = NoBackupFolder();
  if (!refusal && stopping_) refusal = Stopping();
  const std::lock_guard lock(mutex_);
  if (!refusal && backing_up_) {
    refusal = rules::Refuse(v1::ERROR_REASON_OVERLOADED, "a backup is being made already");
  }
  if (refusal) {
    reactor->Finish(StatusOf(*refusal));
    return reactor;
  }
  backing_up_ = true;
  if (backup_.joinable()) backup_.join();  // it has answered
  backup_ = std::thread([this, reactor, response] {
    const absl::StatusOr<store::Backup> backup =
        store::CreateBackup(log_, backups_.data_directory, backups_.folder, backups_.options);
    {
      const std::lock_guard lock(mutex_);
      backing_up_ = false;
    }
    if (backup.ok()) *response->mutable_backup() = ToProto(*backup);
    reactor->Finish(backup.ok() ? grpc::Status::OK : StatusOf(BackupFailed(backup.status())));
  });
  return reactor;
}

grpc::ServerUnaryReactor* AdminService::ListBackups(grpc::CallbackServerContext* context,
                                                    const v1::ListBackupsRequest* /*request*/,
                                                    v1::ListBackupsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  std::optional<rules::Refusal> refusal = RefuseOthers(principals_.Read(*context));
  if (!refusal && backups_.folder.empty()) refusal = NoBackupFolder();
  if (refusal) {
    reactor->Finish(StatusOf(*refusal));
    return reactor;
  }
  const bool posted = listers_.Post([this, reactor, response] {
    const absl::StatusOr<std::vector<store::Backup>> backups =
        store::ListBackups(backups_.folder, backups_.options);
    // Before the first backup there is no backup folder yet.
    if (!backups.ok() && !absl::IsNotFound(backups.status())) {
      reactor->Finish(StatusOf(BackupFailed(backups.status())));
      return;
    }
    if (backups.ok()) {
      for (const store::Backup& backup : *backups) *response->add_backups() = ToProto(backup);
    }
    reactor->Finish(grpc::Status::OK);
  });
  if (!posted) reactor->Finish(StatusOf(Overloaded()));
  return reactor;
}

}  // namespace denier::services
