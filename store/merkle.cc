#include "store/merkle.h"

#include <bit>
#include <cassert>
#include <cstddef>

namespace denier::store {
namespace {

Sha256& ThreadHasher() {
  thread_local Sha256 sha256;
  return sha256;
}

}  // namespace

Hash LeafHash(std::string_view event) {
  return ThreadHasher().Update(std::string_view("\0", 1)).Update(event).Finish();
}

Hash NodeHash(const Hash& left, const Hash& right) {
  return ThreadHasher().Update("\1").Update(AsBytes(left)).Update(AsBytes(right)).Finish();
}

Hash EmptyRoot() { return Sha256Of(""); }

MerkleFrontier::MerkleFrontier(std::uint64_t size, std::span<const Hash> peaks) : size_(size) {
  const std::vector<MerkleNode> nodes = PeaksOf(size);
  assert(peaks.size() == nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) peaks_[nodes[i].level] = peaks[i];
}

std::vector<MerkleNode> MerkleFrontier::PeaksOf(std::uint64_t size) {
  std::vector<MerkleNode> peaks;
  for (int level = 63; level >= 0; --level) {
    if ((size >> level & 1) == 0) continue;
    // Of the nodes of this level it is the last one, with an even index: its twin would make both
    // one node of the next level.
    peaks.push_back({static_cast<std::uint8_t>(level), (size >> level) - 1, Hash{}});
  }
  return peaks;
}

void MerkleFrontier::Append(const Hash& leaf, std::vector<MerkleNode>* completed) {
  Hash node = leaf;
  std::uint8_t level = 0;
  // As a binary counter carries: a peak and its new twin become one node of the next level.
  for (; (size_ >> level & 1) != 0; ++level) {
    if (completed != nullptr && level >= kStoredLevel) {
      completed->push_back({level, size_ >> level, node});
    }
    node = NodeHash(peaks_[level], node);
  }
  if (completed != nullptr && level >= kStoredLevel) {
    completed->push_back({level, size_ >> level, node});
  }
  peaks_[level] = node;
  ++size_;
}

Hash MerkleFrontier::Root() const {
  if (size_ == 0) return EmptyRoot();
  int level = std::countr_zero(size_);
  Hash root = peaks_[level];
  for (++level; level < 64; ++level) {
    if ((size_ >> level & 1) != 0) root = NodeHash(peaks_[level], root);
  }
  return root;
}

}  // namespace denier::store
