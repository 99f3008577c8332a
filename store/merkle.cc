#include "store/merkle.h"

#include <bit>
#include <cassert>
#include <cstddef>
#include <optional>
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

// Of the nodes of `level` whose leaves all lie from leaf `first` on.
std::uint64_t FirstIndex(std::uint64_t first, std::size_t level) {
  const std::uint64_t index = first >> level;
  return index << level == first ? index : index + 1;
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

void MerkleRun::Append(std::span<const Hash> leaves) {
  if (leaves.empty()) return;
  if (levels_.empty()) levels_.emplace_back();
  levels_[0].insert(levels_[0].end(), leaves.begin(), leaves.end());
  for (std::size_t level = 1;; ++level) {
    const std::vector<Hash>& below = levels_[level - 1];
    // A first node with an odd index has its twin before the run.
    const std::size_t skipped = FirstIndex(first_, level - 1) % 2;
    const std::size_t known = level < levels_.size() ? levels_[level].size() : 0;
    if (below.size() < skipped + 2 * (known + 1)) return;
    if (level == levels_.size()) levels_.emplace_back();
    const std::vector<Hash> nodes =
        NodeHashes(std::span(levels_[level - 1]).subspan(skipped + 2 * known));
    levels_[level].insert(levels_[level].end(), nodes.begin(), nodes.end());
  }
}

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

void MerkleFrontier::Append(const MerkleRun& run, std::vector<MerkleNode>* completed) {
  assert(run.first() == size_);
  // The node of this level that has leaves from before the run and from it; it is the first new
  // one.
  std::optional<Hash> across;
  for (std::uint8_t level = 0; across.has_value() || !run.level(level).empty(); ++level) {
    const std::span<const Hash> inside = run.level(level);
    const std::uint64_t before = size_ >> level;  // nodes of this level
    const std::uint64_t after = before + (across.has_value() ? 1 : 0) + inside.size();
    if (completed != nullptr && level >= kStoredLevel) {
      if (across.has_value()) completed->push_back({level, before, *across});
      for (std::size_t i = 0; i < inside.size(); ++i) {
        completed->push_back({level, after - inside.size() + i, inside[i]});
      }
    }

    std::optional<Hash> above;
    if (before % 2 != 0) {
      above = NodeHash(peaks_[level], across.has_value() ? *across : inside.front());
    } else if (across.has_value() && !inside.empty()) {
      above = NodeHash(*across, inside.front());
    }
    if (after % 2 != 0) peaks_[level] = inside.empty() ? *across : inside.back();
    across = above;
  }
  size_ += run.leaves().size();
}

void MerkleFrontier::Append(std::span<const Hash> leaves, std::vector<MerkleNode>* completed) {
  MerkleRun run(size_);
  run.Append(leaves);
  Append(run, completed);
}

void MerkleFrontier::Append(const Hash& leaf, std::vector<MerkleNode>* completed) {
  Append(std::span(&leaf, 1), completed);
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
