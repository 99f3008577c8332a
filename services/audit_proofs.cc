// The RPCs of AuditService by which the log can be checked without trusting it.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "services/audit_service.h"
#include "services/checkpoints.h"
#include "store/proof.h"

namespace denier::services {
namespace {

using events::v1::Principal;
using rules::Refusal;
using store::Hash;
using store::Position;

std::string BytesOf(const Hash& hash) { return std::string(store::AsBytes(hash)); }

void Copy(std::span<const Hash> path, google::protobuf::RepeatedPtrField<std::string>& hashes) {
  for (const Hash& hash : path) hashes.Add(BytesOf(hash));
}

Refusal NotInTheLog(std::int64_t position) {
  return rules::Refuse(v1::ERROR_REASON_UNKNOWN_POSITION, "the log does not reach to this position")
      .With("position", position);
}

// The number of events that a request names; 0: all that are durable.
Position SizeOr(std::int64_t size, Position head) {
  return size == 0 ? head : static_cast<Position>(size);
}

}  // namespace

grpc::ServerUnaryReactor* AuditService::GetCheckpoint(grpc::CallbackServerContext* context,
                                                      const v1::GetCheckpointRequest* request,
                                                      v1::GetCheckpointResponse* response) {
  const auto work = [this, request, response](const Principal&) -> std::optional<Refusal> {
    if (checkpoints_ == nullptr) {
      return rules::Refuse(v1::ERROR_REASON_NO_CHECKPOINT_KEY, "no key to sign with");
    }
    Checkpoints::Signed checkpoint;
    if (request->has_size()) {
      if (request->size() < 1) return rules::InvalidField("size", "want 1 or more");
      const auto size = static_cast<Position>(request->size());
      if (size > log_.head().next) return NotInTheLog(request->size() - 1);
      absl::StatusOr<Checkpoints::Signed> at = checkpoints_->At(size);
      if (!at.ok()) return Unreadable(at.status());
      checkpoint = *std::move(at);
    } else {
      checkpoint = request->fresh() ? checkpoints_->Fresh() : checkpoints_->Newest();
    }
    response->set_note(checkpoint.note);
    response->set_size(static_cast<std::int64_t>(checkpoint.head.next));
    response->set_root(BytesOf(checkpoint.head.root));
    response->set_verifier_key(checkpoints_->verifier().ToString());
    return std::nullopt;
  };
  return StartRead(ProofRoom(), *context, *request, 0, work);
}

grpc::ServerUnaryReactor* AuditService::GetInclusionProof(
    grpc::CallbackServerContext* context, const v1::GetInclusionProofRequest* request,
    v1::GetInclusionProofResponse* response) {
  const auto work = [this, request, response](const Principal&) -> std::optional<Refusal> {
    if (request->position() < 0) return rules::InvalidField("position", "want 0 or more");
    if (request->size() < 0) return rules::InvalidField("size", "want 0 or more");
    const Position head = log_.head().next;
    const auto position = static_cast<Position>(request->position());
    const Position size = SizeOr(request->size(), head);
    if (size > head) return NotInTheLog(request->size() - 1);
    if (position >= size) return NotInTheLog(request->position());
    const absl::StatusOr<store::InclusionProof> proof = log_.ProveInclusion(position, size);
    if (!proof.ok()) return Unreadable(proof.status());
    response->set_position(request->position());
    response->set_size(static_cast<std::int64_t>(size));
    response->set_leaf_hash(BytesOf(proof->leaf));
    Copy(proof->path, *response->mutable_hashes());
    response->set_root(BytesOf(proof->head.root));
    return std::nullopt;
  };
  return StartRead(ProofRoom(), *context, *request, 0, work);
}

grpc::ServerUnaryReactor* AuditService::GetConsistencyProof(
    grpc::CallbackServerContext* context, const v1::GetConsistencyProofRequest* request,
    v1::GetConsistencyProofResponse* response) {
  const auto work = [this, request, response](const Principal&) -> std::optional<Refusal> {
    if (request->old_size() < 1) return rules::InvalidField("old_size", "want 1 or more");
    if (request->new_size() < 0) return rules::InvalidField("new_size", "want 0 or more");
    const Position head = log_.head().next;
    const auto old_size = static_cast<Position>(request->old_size());
    const Position new_size = SizeOr(request->new_size(), head);
    if (std::max(old_size, new_size) > head) {
      return NotInTheLog(std::max(request->old_size(), request->new_size()) - 1);
    }
    if (old_size > new_size) return rules::InvalidField("old_size", "want new_size or less");
    const absl::StatusOr<store::ConsistencyProof> proof = log_.ProveConsistency(old_size, new_size);
    if (!proof.ok()) return Unreadable(proof.status());
    response->set_old_size(static_cast<std::int64_t>(old_size));
    response->set_new_size(static_cast<std::int64_t>(new_size));
    Copy(proof->path, *response->mutable_hashes());
    response->set_old_root(BytesOf(proof->earlier.root));
    response->set_new_root(BytesOf(proof->later.root));
    return std::nullopt;
  };
  return StartRead(ProofRoom(), *context, *request, 0, work);
}

}  // namespace denier::services
