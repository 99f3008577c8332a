#include "store/merkle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace denier::store {
namespace {

using ::testing::ElementsAre;

std::string Bytes(const std::vector<int>& bytes) { return {bytes.begin(), bytes.end()}; }

// The eight leaves that the reference implementations of Certificate Transparency publish roots
// for.
const std::vector<std::string> kReferenceLeaves = {
    "",
    Bytes({0x00}),
    Bytes({0x10}),
    Bytes({0x20, 0x21}),
    Bytes({0x30, 0x31}),
    Bytes({0x40, 0x41, 0x42, 0x43}),
    Bytes({0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57}),
    Bytes({0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e,
           0x6f}),
};
const std::vector<std::string> kReferenceRoots = {
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

std::vector<Hash> LeavesOf(std::uint64_t size) {
  std::vector<Hash> leaves;
  for (std::uint64_t i = 0; i < size; ++i) leaves.push_back(LeafHash("leaf " + std::to_string(i)));
  return leaves;
}

// RFC 6962, section 2.1, word by word: the other implementation.
Hash RootByDefinition(std::span<const Hash> leaves) {
  if (leaves.empty()) return EmptyRoot();
  if (leaves.size() == 1) return leaves[0];
  std::size_t split = 1;
  while (2 * split < leaves.size()) split *= 2;
  return NodeHash(RootByDefinition(leaves.first(split)), RootByDefinition(leaves.subspan(split)));
}

TEST(MerkleTest, GivesThePublishedRoots) {
  MerkleFrontier frontier;
  EXPECT_EQ(ToHex(frontier.Root()), kReferenceRoots[0]);
  for (std::size_t i = 0; i < kReferenceLeaves.size(); ++i) {
    frontier.Append(LeafHash(kReferenceLeaves[i]));
    EXPECT_EQ(frontier.size(), i + 1);
    EXPECT_EQ(ToHex(frontier.Root()), kReferenceRoots[i + 1]) << "after " << i + 1 << " leaves";
  }
}

TEST(MerkleTest, HashesManyLeavesAsItHashesOne) {
  std::vector<std::string> texts;
  for (std::size_t size = 0; size <= 300; ++size) texts.emplace_back(size, 'e');
  const std::vector<std::string_view> events(texts.begin(), texts.end());
  const std::vector<Hash> leaves = LeafHashes(events);
  ASSERT_EQ(leaves.size(), events.size());
  for (std::size_t i = 0; i < events.size(); ++i) ASSERT_EQ(leaves[i], LeafHash(events[i])) << i;
}

// By name, each as the definition has it, and each once.
void ExpectStoredNodes(std::vector<MerkleNode> completed, std::span<const Hash> leaves) {
  std::vector<MerkleNode> expected;
  for (std::uint8_t level = kStoredLevel; (leaves.size() >> level) > 0; ++level) {
    for (std::uint64_t index = 0; index < leaves.size() >> level; ++index) {
      expected.push_back(
          {level, index,
           RootByDefinition(leaves.subspan(index << level, std::size_t{1} << level))});
    }
  }
  std::ranges::sort(completed, {},
                    [](const MerkleNode& node) { return std::pair(node.level, node.index); });
  EXPECT_EQ(completed, expected);
}

TEST(MerkleTest, TakesLeavesTogetherAsTheDefinitionDoes) {
  const std::vector<Hash> leaves = LeavesOf(3000);
  // Steps of every size up to 40, then some that complete nodes of several levels at once.
  for (const std::vector<std::size_t>& steps :
       {std::vector<std::size_t>{}, {255, 1, 256, 1, 255, 511, 513, 1000}, {1, 2999}, {3000}}) {
    MerkleFrontier frontier;
    std::vector<MerkleNode> completed;
    for (std::size_t step = 0; frontier.size() < leaves.size(); ++step) {
      const std::size_t wanted = step < steps.size() ? steps[step] : step % 41;
      const std::span<const Hash> left = std::span(leaves).subspan(frontier.size());
      frontier.Append(left.first(std::min(wanted, left.size())), &completed);
      ASSERT_EQ(ToHex(frontier.Root()),
                ToHex(RootByDefinition(std::span(leaves).first(frontier.size()))))
          << frontier.size();
    }
    ExpectStoredNodes(completed, leaves);
  }
}

TEST(MerkleTest, ARunHashesWhatItsLeavesAloneMake) {
  const std::vector<Hash> leaves = LeavesOf(600);
  for (const std::size_t first : {0, 1, 2, 3, 255, 256, 257, 300}) {
    for (const std::size_t step : {1, 2, 7, 299}) {  // grown by so many at a time
      MerkleRun run(first);
      for (std::size_t at = first; at < leaves.size(); at += step) {
        run.Append(std::span(leaves).subspan(at, std::min(step, leaves.size() - at)));
      }
      for (std::size_t level = 0; level < 12; ++level) {
        const std::size_t width = std::size_t{1} << level;
        std::vector<Hash> expected;
        for (std::size_t at = (first + width - 1) / width * width; at + width <= leaves.size();
             at += width) {
          expected.push_back(RootByDefinition(std::span(leaves).subspan(at, width)));
        }
        const std::span<const Hash> nodes = run.level(level);
        EXPECT_EQ(std::vector<Hash>(nodes.begin(), nodes.end()), expected)
            << "from " << first << " by " << step << ", level " << level;
      }
    }
  }
}

TEST(MerkleTest, AppendsARunThatWasHashedBefore) {
  const std::vector<Hash> leaves = LeavesOf(1100);
  for (const std::size_t first : {0, 1, 3, 256, 511, 700}) {
    MerkleRun run(first);
    run.Append(std::span(leaves).subspan(first));
    MerkleFrontier frontier;
    std::vector<MerkleNode> completed;
    frontier.Append(std::span(leaves).first(first), &completed);
    frontier.Append(run, &completed);
    EXPECT_EQ(frontier.Root(), RootByDefinition(leaves)) << first;
    ExpectStoredNodes(completed, leaves);
  }
}

TEST(MerkleTest, TellsALeafFromANode) {
  const Hash left = LeafHash("a"), right = LeafHash("b");
  EXPECT_NE(NodeHash(left, right),
            LeafHash(std::string(AsBytes(left)) + std::string(AsBytes(right))));
  EXPECT_NE(NodeHash(left, right), NodeHash(right, left));
}

TEST(MerkleTest, GivesTheRootOfTheDefinitionAtEverySize) {
  const std::vector<Hash> leaves = LeavesOf(600);
  MerkleFrontier frontier;
  for (std::size_t size = 0; size <= leaves.size(); ++size) {
    ASSERT_EQ(frontier.Root(), RootByDefinition(std::span(leaves).first(size))) << size;
    if (size < leaves.size()) frontier.Append(leaves[size]);
  }
}

TEST(MerkleTest, NamesThePeaksLargestFirst) {
  const auto names = [](std::uint64_t size) {
    std::vector<std::pair<int, std::uint64_t>> names;
    for (const MerkleNode& node : MerkleFrontier::PeaksOf(size)) {
      names.emplace_back(node.level, node.index);
    }
    return names;
  };
  using Name = std::pair<int, std::uint64_t>;
  EXPECT_THAT(names(0), ElementsAre());
  EXPECT_THAT(names(1), ElementsAre(Name(0, 0)));
  EXPECT_THAT(names(7), ElementsAre(Name(2, 0), Name(1, 2), Name(0, 6)));
  EXPECT_THAT(names(256), ElementsAre(Name(8, 0)));
  EXPECT_THAT(names(1280), ElementsAre(Name(10, 0), Name(8, 4)));
}

TEST(MerkleTest, ReportsEachStoredNodeOnceAsItIsCompleted) {
  const std::vector<Hash> leaves = LeavesOf(2048 + 255);
  MerkleFrontier frontier;
  std::vector<MerkleNode> completed;
  for (const Hash& leaf : leaves) {
    const std::size_t before = completed.size();
    frontier.Append(leaf, &completed);
    for (std::size_t i = before; i < completed.size(); ++i) {
      const MerkleNode& node = completed[i];
      EXPECT_EQ(node.level, kStoredLevel + (i - before)) << "lowest first";
      EXPECT_EQ((node.index + 1) << node.level, frontier.size());
      const std::size_t first = node.index << node.level;
      EXPECT_EQ(node.hash,
                RootByDefinition(std::span(leaves).subspan(first, std::size_t{1} << node.level)));
    }
  }
  EXPECT_EQ(completed.size(), 8u + 4 + 2 + 1);  // levels 8, 9, 10, 11
}

TEST(MerkleTest, GoesOnFromStoredPeaks) {
  const std::vector<Hash> leaves = LeavesOf(3 * 256 + 200);
  MerkleFrontier whole;
  std::vector<MerkleNode> completed;
  for (const Hash& leaf : leaves) whole.Append(leaf, &completed);

  for (const std::uint64_t stored : {0, 256, 512, 768}) {
    std::vector<Hash> peaks;
    for (const MerkleNode& name : MerkleFrontier::PeaksOf(stored)) {
      for (const MerkleNode& node : completed) {
        if (node.level == name.level && node.index == name.index) peaks.push_back(node.hash);
      }
    }
    MerkleFrontier restored(stored, peaks);
    EXPECT_EQ(restored.size(), stored);
    for (std::uint64_t i = stored; i < leaves.size(); ++i) restored.Append(leaves[i]);
    EXPECT_EQ(restored.Root(), whole.Root()) << "restored at " << stored;
  }
}

}  // namespace
}  // namespace denier::store
