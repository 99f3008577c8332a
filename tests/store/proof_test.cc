// Proofs, beside the published ones of Certificate Transparency (merkle_tree_test of its reference
// implementation, and its successor transparency-dev/merkle) and the definitions of RFC 6962.
#include "store/proof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "store/batch.h"
#include "store/log.h"
#include "store/merkle.h"
#include "tests/sanitized.h"
#include "tests/store/raw_log.h"
#include "tests/store/temporary_folder.h"

namespace denier::store {
namespace {

using ::testing::IsEmpty;

Hash FromHex(const std::string& digits) {
  const std::string bytes = absl::HexStringToBytes(digits);
  Hash hash{};
  EXPECT_EQ(bytes.size(), hash.size());
  std::ranges::copy(bytes, hash.begin());
  return hash;
}

std::vector<Hash> FromHex(const std::vector<std::string>& digits) {
  std::vector<Hash> hashes;
  for (const std::string& one : digits) hashes.push_back(FromHex(one));
  return hashes;
}

std::vector<Hash> ReferenceLeaves() {
  std::vector<Hash> leaves;
  for (const char* input : {"", "00", "10", "2021", "3031", "40414243", "5051525354555657",
                            "606162636465666768696a6b6c6d6e6f"}) {
    leaves.push_back(LeafHash(absl::HexStringToBytes(input)));
  }
  return leaves;
}

// RFC 6962, sections 2.1 to 2.1.2, word by word.

std::size_t Split(std::size_t size) {
  std::size_t split = 1;
  while (2 * split < size) split *= 2;
  return split;
}

Hash Root(std::span<const Hash> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return leaves[0];
  const std::size_t split = Split(leaves.size());
  return NodeHash(Root(leaves.first(split)), Root(leaves.subspan(split)));
}

std::vector<Hash> Path(std::size_t position, std::span<const Hash> leaves) {
  if (leaves.size() == 1) return {};
  const std::size_t split = Split(leaves.size());
  const bool left = position < split;
  std::vector<Hash> path =
      left ? Path(position, leaves.first(split)) : Path(position - split, leaves.subspan(split));
  path.push_back(Root(left ? leaves.subspan(split) : leaves.first(split)));
  return path;
}

std::vector<Hash> SubProof(std::size_t old_size, std::span<const Hash> leaves, bool is_old_root) {
  if (old_size == leaves.size()) {
    return is_old_root ? std::vector<Hash>{} : std::vector<Hash>{Root(leaves)};
  }
  const std::size_t split = Split(leaves.size());
  const bool left = old_size <= split;
  std::vector<Hash> proof = left ? SubProof(old_size, leaves.first(split), is_old_root)
                                 : SubProof(old_size - split, leaves.subspan(split), false);
  proof.push_back(Root(left ? leaves.subspan(split) : leaves.first(split)));
  return proof;
}

// A tree in memory.
class Leaves {
 public:
  explicit Leaves(std::vector<Hash> leaves) : leaves_(std::move(leaves)) {}

  static Leaves Of(std::size_t size) {
    std::vector<Hash> leaves;
    for (std::size_t i = 0; i < size; ++i) leaves.push_back(LeafHash(std::to_string(i)));
    return Leaves(std::move(leaves));
  }

  const Hash& operator[](std::size_t position) const { return leaves_[position]; }
  std::span<const Hash> First(std::size_t size) const { return std::span(leaves_).first(size); }
  Head At(std::size_t size) const { return {size, Root(First(size))}; }

  std::vector<Hash> Inclusion(Position position, std::uint64_t size) const {
    int asked = 0;
    auto path = *InclusionPath(position, size, Source(size, asked));
    EXPECT_LE(asked, 2 * std::bit_width(size));
    return path;
  }
  std::vector<Hash> Consistency(std::uint64_t old_size, std::uint64_t size) const {
    int asked = 0;
    auto path = *ConsistencyPath(old_size, size, Source(size, asked));
    EXPECT_LE(asked, 2 * std::bit_width(size));
    return path;
  }
  Hash RootAt(std::uint64_t size) const {
    int asked = 0;
    return *RootOf(size, Source(size, asked));
  }

 private:
  // Knows nothing beyond `size`.
  std::function<absl::StatusOr<Hash>(const MerkleNode&)> Source(std::uint64_t size,
                                                                int& asked) const {
    return [this, size, &asked](const MerkleNode& name) -> absl::StatusOr<Hash> {
      ++asked;
      const std::uint64_t begin = name.index << name.level;
      const std::uint64_t count = std::uint64_t{1} << name.level;
      EXPECT_LE(begin + count, size);
      return Root(std::span(leaves_).subspan(begin, count));
    };
  }

  std::vector<Hash> leaves_;
};

struct Published {
  std::uint64_t first;  // a position counted from 1, or the earlier size
  std::uint64_t size;
  std::vector<std::string> path;
};

const std::vector<Published> kInclusion = {
    {1, 1, {}},
    {1,
     8,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {6,
     8,
     {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {3, 3, {"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"}},
    {2,
     5,
     {"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
};

const std::vector<Published> kConsistency = {
    {1, 1, {}},
    {1,
     8,
     {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
      "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
    {6,
     8,
     {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
    {2,
     5,
     {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
      "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
    {6,
     7,
     {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
      "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
};

const std::vector<std::string> kRoots = {
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

TEST(ProofTest, GivesThePublishedRootsAndProofs) {
  const Leaves leaves(ReferenceLeaves());
  for (std::size_t size = 1; size <= kRoots.size(); ++size) {
    EXPECT_EQ(leaves.RootAt(size), FromHex(kRoots[size - 1])) << size;
  }
  for (const Published& one : kInclusion) {
    EXPECT_EQ(leaves.Inclusion(one.first - 1, one.size), FromHex(one.path)) << one.first;
    EXPECT_TRUE(VerifiesInclusion(leaves[one.first - 1], one.first - 1, one.size, FromHex(one.path),
                                  FromHex(kRoots[one.size - 1])));
  }
  for (const Published& one : kConsistency) {
    EXPECT_EQ(leaves.Consistency(one.first, one.size), FromHex(one.path)) << one.first;
    EXPECT_TRUE(VerifiesConsistency({one.first, FromHex(kRoots[one.first - 1])},
                                    {one.size, FromHex(kRoots[one.size - 1])}, FromHex(one.path)));
  }
}

// RFC 6962, section 2.1.3: the tree of seven leaves, by the names of its nodes.
TEST(ProofTest, GivesTheExampleOfTheStandard) {
  const Leaves d = Leaves::Of(7);
  const Hash a = d[0], b = d[1], c = d[2], dd = d[3], e = d[4], f = d[5], j = d[6];
  const Hash g = NodeHash(a, b), h = NodeHash(c, dd), i = NodeHash(e, f);
  const Hash k = NodeHash(g, h), l = NodeHash(i, j);
  EXPECT_EQ(d.Inclusion(0, 7), (std::vector<Hash>{b, h, l}));
  EXPECT_EQ(d.Inclusion(3, 7), (std::vector<Hash>{c, g, l}));
  EXPECT_EQ(d.Inclusion(4, 7), (std::vector<Hash>{f, j, k}));
  EXPECT_EQ(d.Inclusion(6, 7), (std::vector<Hash>{i, k}));
  EXPECT_EQ(d.Consistency(3, 7), (std::vector<Hash>{c, dd, g, l}));
  EXPECT_EQ(d.Consistency(4, 7), (std::vector<Hash>{l}));
  EXPECT_EQ(d.Consistency(6, 7), (std::vector<Hash>{i, j, k}));
}

TEST(ProofTest, AgreesWithTheDefinitionForEverySize) {
  constexpr std::size_t kMost = kSanitized ? 100 : 200;
  const Leaves leaves = Leaves::Of(kMost);
  for (std::size_t size = 1; size <= kMost; ++size) {
    const Head head = leaves.At(size);
    EXPECT_EQ(leaves.RootAt(size), head.root);
    for (std::size_t position = 0; position < size; ++position) {
      const std::vector<Hash> path = leaves.Inclusion(position, size);
      ASSERT_EQ(path, Path(position, leaves.First(size))) << position << " of " << size;
      ASSERT_TRUE(VerifiesInclusion(leaves[position], position, size, path, head.root));
    }
    for (std::size_t old_size = 1; old_size <= size; ++old_size) {
      const std::vector<Hash> path = leaves.Consistency(old_size, size);
      ASSERT_EQ(path, SubProof(old_size, leaves.First(size), true)) << old_size << " of " << size;
      ASSERT_TRUE(VerifiesConsistency(leaves.At(old_size), head, path));
    }
  }
}

TEST(ProofTest, AgreesWithTheDefinitionForLargeSizes) {
  std::mt19937_64 random(7);
  const Leaves leaves = Leaves::Of(5'000);
  for (int i = 0; i < 40; ++i) {
    const std::size_t size = 1 + random() % 5'000;
    const std::size_t other = random() % size;
    SCOPED_TRACE(std::to_string(other) + " of " + std::to_string(size));
    const Head head = leaves.At(size);
    const std::vector<Hash> path = leaves.Inclusion(other, size);
    EXPECT_EQ(path, Path(other, leaves.First(size)));
    EXPECT_TRUE(VerifiesInclusion(leaves[other], other, size, path, head.root));
    const std::vector<Hash> proof = leaves.Consistency(other + 1, size);
    EXPECT_EQ(proof, SubProof(other + 1, leaves.First(size), true));
    EXPECT_TRUE(VerifiesConsistency(leaves.At(other + 1), head, proof));
  }
}

// What a liar could try with a path.
std::vector<std::vector<Hash>> Spoiled(const std::vector<Hash>& path, const Hash& root) {
  std::vector<std::vector<Hash>> all;
  for (std::size_t i = 0; i < path.size(); ++i) {
    for (const std::size_t bit : {0U, 100U, 255U}) {
      all.push_back(path);
      all.back()[i][bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
    }
    all.push_back(path);  // one left out
    all.back().erase(all.back().begin() + static_cast<std::ptrdiff_t>(i));
    if (i + 1 < path.size() && path[i] != path[i + 1]) {
      all.push_back(path);  // two exchanged
      std::swap(all.back()[i], all.back()[i + 1]);
    }
  }
  for (const Hash& more : {root, Hash{}}) {
    all.push_back(path);
    all.back().push_back(more);
    all.push_back(path);
    all.back().insert(all.back().begin(), more);
  }
  return all;
}

TEST(ProofTest, InclusionOfNothingElseIsVerified) {
  constexpr std::size_t kMost = kSanitized ? 24 : 40;
  const Leaves leaves = Leaves::Of(2 * kMost);
  for (std::size_t size = 1; size <= kMost; ++size) {
    const Hash root = leaves.At(size).root;
    for (std::size_t position = 0; position < size; ++position) {
      SCOPED_TRACE(std::to_string(position) + " of " + std::to_string(size));
      const Hash leaf = leaves[position];
      const std::vector<Hash> path = leaves.Inclusion(position, size);
      ASSERT_TRUE(VerifiesInclusion(leaf, position, size, path, root));
      for (const std::vector<Hash>& spoiled : Spoiled(path, root)) {
        EXPECT_FALSE(VerifiesInclusion(leaf, position, size, spoiled, root));
      }
      for (std::size_t other = 0; other <= size + 1; ++other) {
        if (other == position) continue;
        EXPECT_FALSE(VerifiesInclusion(leaf, other, size, path, root)) << "as " << other;
        EXPECT_FALSE(VerifiesInclusion(leaves[other], position, size, path, root));
      }
      EXPECT_FALSE(VerifiesInclusion(leaf, position, 0, path, root));
      EXPECT_FALSE(VerifiesInclusion(leaf, position, size, path, leaves.At(size + 1).root));
      EXPECT_FALSE(VerifiesInclusion(leaf, position, size, path, EmptyRoot()));
      // A size is wrong where the position's path has another length or another order there.
      for (std::size_t wrong = 1; wrong <= 2 * kMost; ++wrong) {
        if (wrong <= position || leaves.Inclusion(position, wrong).size() != path.size()) {
          EXPECT_FALSE(VerifiesInclusion(leaf, position, wrong, path, root)) << "of " << wrong;
        }
        if (wrong != size) {
          EXPECT_FALSE(VerifiesInclusion(leaf, position, wrong, path, leaves.At(wrong).root));
        }
      }
    }
  }
}

TEST(ProofTest, ConsistencyOfNothingElseIsVerified) {
  constexpr std::size_t kMost = kSanitized ? 24 : 40;
  const Leaves leaves = Leaves::Of(kMost + 1);
  for (std::size_t size = 1; size <= kMost; ++size) {
    const Head later = leaves.At(size);
    for (std::size_t old_size = 1; old_size <= size; ++old_size) {
      SCOPED_TRACE(std::to_string(old_size) + " of " + std::to_string(size));
      const Head earlier = leaves.At(old_size);
      const std::vector<Hash> path = leaves.Consistency(old_size, size);
      ASSERT_TRUE(VerifiesConsistency(earlier, later, path));
      for (const std::vector<Hash>& spoiled : Spoiled(path, later.root)) {
        EXPECT_FALSE(VerifiesConsistency(earlier, later, spoiled));
      }
      for (std::size_t other = 1; other <= kMost; ++other) {
        if (other == old_size) continue;
        EXPECT_FALSE(VerifiesConsistency(leaves.At(other), later, path)) << "from " << other;
        EXPECT_FALSE(VerifiesConsistency({other, earlier.root}, later, path)) << "from " << other;
        EXPECT_FALSE(VerifiesConsistency({old_size, leaves.At(other).root}, later, path));
      }
      for (std::size_t other = 1; other <= kMost; ++other) {
        if (other == size) continue;
        EXPECT_FALSE(VerifiesConsistency(earlier, leaves.At(other), path)) << "to " << other;
        EXPECT_FALSE(VerifiesConsistency(earlier, {size, leaves.At(other).root}, path));
      }
      if (old_size != size) {
        EXPECT_FALSE(VerifiesConsistency(later, earlier, path));
        EXPECT_FALSE(VerifiesConsistency(earlier, later, {}));
      }
    }
  }
}

// A path that goes on above the root that the size allows, with a root made to fit.
TEST(ProofTest, NothingIsVerifiedAboveTheRoot) {
  const Leaves leaves = Leaves::Of(4);
  EXPECT_FALSE(VerifiesInclusion(leaves[1], 0, 1, std::vector<Hash>{leaves[0]}, leaves.At(2).root));

  std::vector<Hash> path = leaves.Consistency(3, 4);
  const Hash more = LeafHash("more");
  path.push_back(more);
  EXPECT_FALSE(VerifiesConsistency({3, NodeHash(more, leaves.At(3).root)},
                                   {4, NodeHash(more, leaves.At(4).root)}, path));
}

TEST(ProofTest, EveryLogBeginsWithTheEmptyOne) {
  const Leaves leaves = Leaves::Of(3);
  EXPECT_THAT(leaves.Consistency(0, 3), IsEmpty());
  EXPECT_TRUE(VerifiesConsistency({0, EmptyRoot()}, leaves.At(3), {}));
  EXPECT_TRUE(VerifiesConsistency({0, EmptyRoot()}, {0, EmptyRoot()}, {}));
  EXPECT_FALSE(VerifiesConsistency({0, Hash{}}, leaves.At(3), {}));
  EXPECT_FALSE(VerifiesConsistency({0, EmptyRoot()}, leaves.At(3), std::vector<Hash>{Hash{}}));
  EXPECT_FALSE(VerifiesInclusion(EmptyRoot(), 0, 0, {}, EmptyRoot()));
}

// ---------------------------------------------------------------------- Of a log on disk

class LogProofTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(folder_.path(), {.initialize = true});
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  // Batches of sizes that end anywhere.
  void AppendUntil(std::size_t size) {
    while (log_->head().next < size) {
      Batch batch;
      const std::size_t left = size - log_->head().next;
      const std::size_t count = std::min<std::size_t>(left, 1 + random_() % 700);
      for (std::size_t i = 0; i < count; ++i) {
        batch.Add(std::to_string(log_->head().next + i));
      }
      ASSERT_TRUE(log_->Append(batch, log_->head().next).ok());
    }
  }

  const TemporaryFolder folder_;
  std::mt19937_64 random_{11};
  std::unique_ptr<Log> log_;
};

TEST_F(LogProofTest, GivesWhatTheEventsGive) {
  AppendUntil(3'000);
  const Leaves leaves = Leaves::Of(3'000);
  std::vector<std::size_t> sizes = {1, 2, 255, 256, 257, 511, 512, 513, 768, 2'999, 3'000};
  for (int i = 0; i < 20; ++i) sizes.push_back(1 + random_() % 3'000);
  for (const std::size_t size : sizes) {
    const Head head = leaves.At(size);
    const absl::StatusOr<Hash> root = log_->RootAt(size);
    ASSERT_TRUE(root.ok()) << root.status();
    EXPECT_EQ(*root, head.root) << size;
    for (const std::size_t position : {std::size_t{0}, size / 2, size - 1, random_() % size}) {
      const absl::StatusOr<InclusionProof> proof = log_->ProveInclusion(position, size);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_EQ(proof->position, position);
      EXPECT_EQ(proof->leaf, leaves[position]);
      EXPECT_EQ(proof->head, head);
      EXPECT_EQ(proof->path, Path(position, leaves.First(size))) << position << " of " << size;
    }
    for (const std::size_t old_size : {std::size_t{1}, 1 + random_() % size, size}) {
      const absl::StatusOr<ConsistencyProof> proof = log_->ProveConsistency(old_size, size);
      ASSERT_TRUE(proof.ok()) << proof.status();
      EXPECT_EQ(proof->earlier, leaves.At(old_size));
      EXPECT_EQ(proof->later, head);
      EXPECT_EQ(proof->path, SubProof(old_size, leaves.First(size), true)) << old_size;
    }
  }
}

TEST_F(LogProofTest, AnEmptyLogHasItsRoot) {
  EXPECT_EQ(*log_->RootAt(0), EmptyRoot());
  EXPECT_TRUE(absl::IsOutOfRange(log_->ProveInclusion(0, 0).status()));
  EXPECT_TRUE(log_->ProveConsistency(0, 0).ok());
}

TEST_F(LogProofTest, RefusesWhatIsNotInTheLog) {
  AppendUntil(10);
  EXPECT_TRUE(absl::IsOutOfRange(log_->RootAt(11).status()));
  EXPECT_TRUE(absl::IsOutOfRange(log_->ProveInclusion(5, 5).status()));
  EXPECT_TRUE(absl::IsOutOfRange(log_->ProveInclusion(10, 11).status()));
  EXPECT_TRUE(absl::IsOutOfRange(log_->ProveConsistency(6, 5).status()));
  EXPECT_TRUE(absl::IsOutOfRange(log_->ProveConsistency(5, 11).status()));
  EXPECT_TRUE(log_->ProveInclusion(9, 10).ok());
  EXPECT_TRUE(log_->ProveConsistency(10, 10).ok());
}

// A node that was exchanged, with every checksum right: no proof is made of it.
TEST_F(LogProofTest, ADamagedNodeMakesNoProof) {
  AppendUntil(1'500);
  ASSERT_TRUE(log_->ProveInclusion(300, 1'500).ok());
  log_.reset();
  {
    RawLog raw(folder_.path());
    const std::string level8_index0 = absl::HexStringToBytes("6e080000000000000000");
    std::string value;
    ASSERT_TRUE(raw.db().Get({}, raw.nodes(), level8_index0, &value).ok());
    ASSERT_TRUE(raw.db().Put({}, raw.nodes(), level8_index0, std::string(32, 'x')).ok());
  }
  absl::StatusOr<std::unique_ptr<Log>> log = Log::Open(folder_.path());
  ASSERT_TRUE(log.ok()) << log.status();  // a start needs other nodes
  EXPECT_TRUE(absl::IsDataLoss((*log)->ProveInclusion(300, 1'500).status()));
  EXPECT_TRUE(absl::IsDataLoss((*log)->ProveConsistency(256, 1'500).status()));
  EXPECT_TRUE((*log)->ProveInclusion(1'300, 1'500).ok());  // of nodes that are whole
}

}  // namespace
}  // namespace denier::store
