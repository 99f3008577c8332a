// The Merkle tree of RFC 6962 over the events of the log, one leaf an event.
//
// Its root after a batch stands in the batch, so a batch vouches for all the history before it. A
// node is named by its level (leaves are level 0) and its index within the level; it is complete,
// and never changes again, once it has all of its 2^level leaves.
#ifndef DENIER_STORE_MERKLE_H_
#define DENIER_STORE_MERKLE_H_

#include <array>
#include <cstddef>
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

// The nodes over leaves that follow each other, as far as these leaves alone make them. That is
// nearly all the hashing that appending them takes, and it can be done before their turn has come:
// what they are appended to need not be known. Copyable; not thread-safe.
class MerkleRun {
 public:
  // No leaves yet; the first one will be leaf `first` of the tree.
  explicit MerkleRun(std::uint64_t first) : first_(first) {}

  // Adds leaves behind those that are there. The nodes of a level are hashed side by side.
  void Append(std::span<const Hash> leaves);

  std::uint64_t first() const { return first_; }
  std::span<const Hash> leaves() const { return level(0); }

  // The nodes of a level from left to right: those of which every leaf is among these. The index of
  // the first is `first` / 2^level, rounded up.
  std::span<const Hash> level(std::size_t level) const {
    return level < levels_.size() ? std::span<const Hash>(levels_[level]) : std::span<const Hash>();
  }

 private:
  std::uint64_t first_;
  std::vector<std::vector<Hash>> levels_;  // by level
};

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

  // Adds the leaves of a run that begins at size(), and to `completed` the nodes of level
  // kStoredLevel and above that they complete, lower levels first. Of each level it hashes one node
  // at most: the one that reaches across the run's beginning.
  void Append(const MerkleRun& run, std::vector<MerkleNode>* completed = nullptr);
  void Append(std::span<const Hash> leaves, std::vector<MerkleNode>* completed = nullptr);
  void Append(const Hash& leaf, std::vector<MerkleNode>* completed = nullptr);

  std::uint64_t size() const { return size_; }
  Hash Root() const;

 private:
  std::uint64_t size_ = 0;
  std::array<Hash, 64> peaks_;  // peaks_[level] has a meaning where bit `level` of size_ is set
};

}  // namespace denier::store

#endif  // DENIER_STORE_MERKLE_H_
