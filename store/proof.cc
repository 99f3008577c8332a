#include "store/proof.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <optional>

namespace denier::store {
namespace {

// The leaves [begin, end). Every range that the recursion of RFC 6962 meets begins at a multiple of
// the largest power of two within it.
struct Range {
  std::uint64_t begin;
  std::uint64_t end;

  std::uint64_t size() const { return end - begin; }
  // Where the recursion splits it. size() > 1.
  std::uint64_t middle() const { return begin + std::bit_floor(size() - 1); }
};

absl::StatusOr<Hash> RootOfRange(const Range& range, NodeSource nodes) {
  std::optional<Hash> root;
  // The complete subtrees that it consists of, the last and smallest first.
  for (std::uint64_t end = range.end; end > range.begin;) {
    const auto level = static_cast<std::uint8_t>(std::countr_zero(end - range.begin));
    end -= std::uint64_t{1} << level;
    const absl::StatusOr<Hash> node = nodes({level, end >> level, Hash{}});
    if (!node.ok()) return node.status();
    root = root.has_value() ? NodeHash(*node, *root) : *node;
  }
  return root.value_or(EmptyRoot());
}

// The hashes of the ranges, the last one first: a path goes up, the recursion down.
absl::StatusOr<std::vector<Hash>> PathUp(const std::vector<Range>& ranges, NodeSource nodes) {
  std::vector<Hash> path;
  for (auto range = ranges.rbegin(); range != ranges.rend(); ++range) {
    const absl::StatusOr<Hash> hash = RootOfRange(*range, nodes);
    if (!hash.ok()) return hash.status();
    path.push_back(*hash);
  }
  return path;
}

}  // namespace

absl::StatusOr<Hash> RootOf(std::uint64_t size, NodeSource nodes) {
  return RootOfRange({0, size}, nodes);
}

absl::StatusOr<std::vector<Hash>> InclusionPath(Position position, std::uint64_t size,
                                                NodeSource nodes) {
  assert(position < size);
  std::vector<Range> siblings;
  Range range{0, size};
  while (range.size() > 1) {
    const std::uint64_t middle = range.middle();
    if (position < middle) {
      siblings.push_back({middle, range.end});
      range.end = middle;
    } else {
      siblings.push_back({range.begin, middle});
      range.begin = middle;
    }
  }
  return PathUp(siblings, nodes);
}

absl::StatusOr<std::vector<Hash>> ConsistencyPath(std::uint64_t old_size, std::uint64_t size,
                                                  NodeSource nodes) {
  assert(old_size <= size);
  std::vector<Range> needed;
  if (old_size == 0) return PathUp(needed, nodes);
  Range range{0, size};
  bool is_old_root = true;  // whoever verifies has it already
  while (range.end != old_size) {
    const std::uint64_t middle = range.middle();
    if (old_size <= middle) {
      needed.push_back({middle, range.end});
      range.end = middle;
    } else {
      needed.push_back({range.begin, middle});
      range.begin = middle;
      is_old_root = false;
    }
  }
  if (!is_old_root) needed.push_back(range);
  return PathUp(needed, nodes);
}

// The two that follow walk up along the right edges of the trees; `position` and `last` are what is
// left of the numbers of two nodes of a level (RFC 9162, sections 2.1.3.2 and 2.1.4.2).

bool VerifiesInclusion(const Hash& leaf, Position position, std::uint64_t size,
                       std::span<const Hash> path, const Hash& root) {
  if (position >= size) return false;
  std::uint64_t last = size - 1;
  Hash hash = leaf;
  for (const Hash& sibling : path) {
    if (last == 0) return false;  // at the root already
    if (position % 2 == 1 || position == last) {
      hash = NodeHash(sibling, hash);
      // A node at the edge without a sibling is its own parent.
      while (position % 2 == 0 && position != 0) {
        position /= 2;
        last /= 2;
      }
    } else {
      hash = NodeHash(hash, sibling);
    }
    position /= 2;
    last /= 2;
  }
  return last == 0 && hash == root;
}

bool VerifiesConsistency(const Head& earlier, const Head& later, std::span<const Hash> path) {
  if (earlier.next > later.next) return false;
  if (earlier.next == later.next) return path.empty() && earlier.root == later.root;
  if (earlier.next == 0) return path.empty() && earlier.root == EmptyRoot();

  std::uint64_t position = earlier.next - 1;
  std::uint64_t last = later.next - 1;
  // The largest complete subtree at the edge of the earlier log, which both logs have.
  const int level = std::countr_one(position);
  position >>= level;
  last >>= level;
  Hash common = earlier.root;
  if (!std::has_single_bit(earlier.next)) {
    if (path.empty()) return false;
    common = path.front();
    path = path.subspan(1);
  }
  Hash earlier_root = common;
  Hash later_root = common;
  for (const Hash& sibling : path) {
    if (last == 0) return false;
    if (position % 2 == 1 || position == last) {
      earlier_root = NodeHash(sibling, earlier_root);
      later_root = NodeHash(sibling, later_root);
      while (position % 2 == 0 && position != 0) {
        position /= 2;
        last /= 2;
      }
    } else {
      later_root = NodeHash(later_root, sibling);
    }
    position /= 2;
    last /= 2;
  }
  return last == 0 && earlier_root == earlier.root && later_root == later.root;
}

}  // namespace denier::store
