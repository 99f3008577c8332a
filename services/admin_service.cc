#include "services/admin_service.h"

#include <grpcpp/support/server_callback.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "services/errors.h"

namespace denier::services {
namespace {

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

}  // namespace

const char* ServerVersion() { return DENIER_VERSION; }

AdminService::~AdminService() {
  if (rebuilder_.joinable()) rebuilder_.join();
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

}  // namespace denier::services
