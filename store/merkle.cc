#include "store/merkle.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <string>

namespace denier::store {
namespace {

constexpr std::string_view kLeafPrefix("\0", 1);
constexpr std::string_view kNodePrefix("\1", 1);

Sha256& ThreadHasher() {
  thread_local Sha256 sha256;
  return sha256;
}

// hashes[i] of pairs[2 i] and pairs[2 i + 1]; a last one without its twin is left.
std::vector<Hash> NodeHashes(std::span<const Hash> pairs) {
  constexpr std::size_t kNodeBytes = 1 + 2 * sizeof(Hash);
  const std::size_t count = pairs.size() / 2;
  std::string bytes;
  bytes.reserve(count * kNodeBytes);
  std::vector<std::string_view> messages;
  messages.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    bytes.append(kNodePrefix);
    bytes.append(AsBytes(pairs[2 * i])).append(AsBytes(pairs[2 * i + 1]));
    messages.emplace_back(bytes.data() + i * kNodeBytes, kNodeBytes);
  }
  std::vector<Hash> nodes(count);
  Sha256OfAll(messages, nodes);
  return nodes;
}

}  // namespace

std::vector<Hash> LeafHashes(std::span<const std::string_view> events) {
  std::size_t size = 0;
  for (const std::string_view event : events) size += 1 + event.size();
  std::string bytes;
  bytes.reserve(size);
  std::vector<std::string_view> messages;
  messages.reserve(events.size());
  for (const std::string_view event : events) {
    messages.emplace_back(bytes.data() + bytes.size(), 1 + event.size());
    bytes.append(kLeafPrefix);
    bytes.append(event);
  }
  std::vector<Hash> leaves(events.size());
  Sha256OfAll(messages, leaves);
  return leaves;
}

Hash LeafHash(std::string_view event) {
  return ThreadHasher().Update(kLeafPrefix).Update(event).Finish();
}

Hash NodeHash(const Hash& left, const Hash& right) {
  return ThreadHasher().Update(kNodePrefix).Update(AsBytes(left)).Update(AsBytes(right)).Finish();
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

void MerkleFrontier::AppendAll(std::span<const Hash> leaves, std::vector<MerkleNode>* completed) {
  std::vector<Hash> nodes(leaves.begin(), leaves.end());
  for (std::uint8_t level = 0; !nodes.empty(); ++level) {
    const std::uint64_t before = size_ >> level;  // nodes of this level
    if (completed != nullptr && level >= kStoredLevel) {
      for (std::size_t i = 0; i < nodes.size(); ++i) {
        completed->push_back({level, before + i, nodes[i]});
      }
    }
    if ((before & 1) != 0) nodes.insert(nodes.begin(), peaks_[level]);
    if (nodes.size() % 2 != 0) peaks_[level] = nodes.back();
    nodes = NodeHashes(nodes);
  }
  size_ += leaves.size();
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
