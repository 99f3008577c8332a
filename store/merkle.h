// The Merkle tree of RFC 6962 over the events of the log, one leaf an event.
//
// Its root after a batch stands in the batch, so a batch vouches for all the history before it. A
// node is named by its level (leaves are level 0) and its index within the level; it is complete,
// and never changes again, once it has all of its 2^level leaves.
#ifndef DENIER_STORE_MERKLE_H_
#define DENIER_STORE_MERKLE_H_

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "store/sha256.h"

namespace denier::store {

Hash LeafHash(std::string_view event);               // SHA-256(0x00 || event)
Hash NodeHash(const Hash& left, const Hash& right);  // SHA-256(0x01 || left || right)
Hash EmptyRoot();                                    // SHA-256 of nothing

// The leaf hashes of many events, computed side by side.
std::vector<Hash> LeafHashes(std::span<const std::string_view> events);

struct MerkleNode {
  std::uint8_t level;
  std::uint64_t index;  // covers the leaves [index << level, (index + 1) << level)
  Hash hash;

  bool operator==(const MerkleNode&) const = default;
};

// From this level up the log stores completed nodes; lower ones are recomputed from 256 events.
inline constexpr std::uint8_t kStoredLevel = 8;

// The right edge of the tree: all that is needed to append, at most 64 hashes. Copyable; not
// thread-safe.
class MerkleFrontier {
 public:
  // The empty tree.
  MerkleFrontier() = default;

  // A tree of `size` leaves, where `size` is a multiple of 256, from its peaks: the hashes of the
  // nodes that PeaksOf(size) names, in that order. At most 255 further leaves then give any size.
  MerkleFrontier(std::uint64_t size, std::span<const Hash> peaks);

  // The complete subtrees that a tree of `size` leaves consists of, largest first. The hashes are
  // left zero.
  static std::vector<MerkleNode> PeaksOf(std::uint64_t size);

  // Adds one leaf; adds to `completed` the nodes of level kStoredLevel and above that it completes,
  // lowest first.
  void Append(const Hash& leaf, std::vector<MerkleNode>* completed = nullptr);

  // The same for leaves that follow each other: the nodes of a level are computed side by side, and
  // so they come, lower levels first.
  void AppendAll(std::span<const Hash> leaves, std::vector<MerkleNode>* completed = nullptr);

  std::uint64_t size() const { return size_; }
  Hash Root() const;

 private:
  std::uint64_t size_ = 0;
  std::array<Hash, 64> peaks_;  // peaks_[level] has a meaning where bit `level` of size_ is set
};

}  // namespace denier::store

#endif  // DENIER_STORE_MERKLE_H_
