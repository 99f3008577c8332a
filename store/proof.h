// Proofs over the Merkle tree (RFC 6962, sections 2.1.1 and 2.1.2): that an event is in a log, and
// that a later log begins with an earlier one. Making one needs the log's nodes; verifying it needs
// the roots and nothing else.
//
//   InclusionProof proof = *log.ProveInclusion(position, size);
//   VerifiesInclusion(LeafHash(event), position, size, proof.path, root);
#ifndef DENIER_STORE_PROOF_H_
#define DENIER_STORE_PROOF_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "store/head.h"
#include "store/merkle.h"
#include "store/position.h"
#include "store/sha256.h"

namespace denier::store {

struct InclusionProof {
  Position position = 0;
  Hash leaf{};
  std::vector<Hash> path;  // from the leaf's sibling up
  Head head;               // the log that it is in
};

struct ConsistencyProof {
  Head earlier;
  Head later;
  std::vector<Hash> path;
};

// The hash of a complete node of the tree, named by its level and index.
using NodeSource = absl::FunctionRef<absl::StatusOr<Hash>(const MerkleNode& name)>;

// These three ask `nodes` for at most two hashes a level of the tree, all of them within the first
// `size` leaves. Errors are those of `nodes`.
absl::StatusOr<Hash> RootOf(std::uint64_t size, NodeSource nodes);
// position < size.
absl::StatusOr<std::vector<Hash>> InclusionPath(Position position, std::uint64_t size,
                                                NodeSource nodes);
// old_size <= size. Empty where one of the two says nothing: an old_size of 0, or equal sizes.
absl::StatusOr<std::vector<Hash>> ConsistencyPath(std::uint64_t old_size, std::uint64_t size,
                                                  NodeSource nodes);

// True: in the log of `size` events with this root, the one at `position` has the hash `leaf`.
bool VerifiesInclusion(const Hash& leaf, Position position, std::uint64_t size,
                       std::span<const Hash> path, const Hash& root);

// True: the first `earlier.next` events of the log `later` are those of the log `earlier`.
bool VerifiesConsistency(const Head& earlier, const Head& later, std::span<const Hash> path);

}  // namespace denier::store

#endif  // DENIER_STORE_PROOF_H_
