#include "tests/bench/tree_switch.h"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string_view>
#include <vector>

#include "services/server.h"
#include "store/batch.h"
#include "store/merkle.h"

namespace {

using denier::store::EmptyRoot;
using denier::store::Hash;
using denier::store::MerkleFrontier;
using denier::store::MerkleNode;
using denier::store::MerkleRun;

bool tree_is_out = false;  // set before there is a second thread

// Private members of the tree's: an explicit instantiation may name them.
std::uint64_t& SizeOf(MerkleFrontier& frontier);
std::vector<std::vector<Hash>>& LevelsOf(MerkleRun& run);
template <auto kMember>
struct Named;
template <std::uint64_t MerkleFrontier::*kSize>
struct Named<kSize> {
  friend std::uint64_t& SizeOf(MerkleFrontier& frontier) { return frontier.*kSize; }
};
template <std::vector<std::vector<Hash>> MerkleRun::*kLevels>
struct Named<kLevels> {
  friend std::vector<std::vector<Hash>>& LevelsOf(MerkleRun& run) { return run.*kLevels; }
};
template struct Named<&MerkleFrontier::size_>;
template struct Named<&MerkleRun::levels_>;

}  // namespace

// The linker's names: where anybody calls X, --wrap has __wrap_X called, and __real_X is X.
#define DENIER_LEAF_HASHES                                                \
  "_ZN6denier5store10LeafHashesESt4spanIKSt17basic_string_viewIcSt11char" \
  "_traitsIcEELm18446744073709551615EE"
#define DENIER_GROW                                   \
  "_ZN6denier5store9MerkleRun6AppendESt4spanIKSt5arr" \
  "ayIhLm32EELm18446744073709551615EE"
#define DENIER_APPEND                                                   \
  "_ZN6denier5store14MerkleFrontier6AppendERKNS0_9MerkleRunEPSt6vector" \
  "INS0_10MerkleNodeESaIS6_EE"
#define DENIER_ROOT "_ZNK6denier5store14MerkleFrontier4RootEv"

std::vector<Hash> RealLeafHashes(std::span<const std::string_view> events) asm(
    "__real_" DENIER_LEAF_HASHES);
std::vector<Hash> SwitchedLeafHashes(std::span<const std::string_view> events) asm(
    "__wrap_" DENIER_LEAF_HASHES);
void RealGrow(MerkleRun* run, std::span<const Hash> leaves) asm("__real_" DENIER_GROW);
void SwitchedGrow(MerkleRun* run, std::span<const Hash> leaves) asm("__wrap_" DENIER_GROW);
void RealAppend(MerkleFrontier* frontier, const MerkleRun& run,
                std::vector<MerkleNode>* completed) asm("__real_" DENIER_APPEND);
void SwitchedAppend(MerkleFrontier* frontier, const MerkleRun& run,
                    std::vector<MerkleNode>* completed) asm("__wrap_" DENIER_APPEND);
Hash RealRoot(const MerkleFrontier* frontier) asm("__real_" DENIER_ROOT);
Hash SwitchedRoot(const MerkleFrontier* frontier) asm("__wrap_" DENIER_ROOT);

std::vector<Hash> SwitchedLeafHashes(std::span<const std::string_view> events) {
  return tree_is_out ? std::vector<Hash>(events.size()) : RealLeafHashes(events);
}

// The leaves are kept, for somebody counts them.
void SwitchedGrow(MerkleRun* run, std::span<const Hash> leaves) {
  if (!tree_is_out) return RealGrow(run, leaves);
  LevelsOf(*run).resize(1);
  LevelsOf(*run).front().resize(run->leaves().size() + leaves.size());
}

void SwitchedAppend(MerkleFrontier* frontier, const MerkleRun& run,
                    std::vector<MerkleNode>* completed) {
  if (!tree_is_out) return RealAppend(frontier, run, completed);
  SizeOf(*frontier) += run.leaves().size();
}

Hash SwitchedRoot(const MerkleFrontier* frontier) {
  if (!tree_is_out) return RealRoot(frontier);
  return frontier->size() == 0 ? EmptyRoot() : Hash{};
}

namespace denier::bench {

int ServeDenier(const std::string& data, bool tree) {
  tree_is_out = !tree;
  // Whether the linker has done what it was asked.
  store::Batch batch;
  batch.Add("event");
  batch.Add("another");
  const store::MerkleRun& run = batch.TreeFrom(0);
  if ((run.leaves().front() == store::Hash{}) != tree_is_out ||
      run.level(1).empty() != tree_is_out) {
    std::fputs("denier-bench: the store no longer calls what tree_switch.cc takes the place of\n",
               stderr);
    return 1;
  }
  services::ServerOptions options;
  options.data_directory = data;
  options.initialize = true;
  options.listen = "127.0.0.1:0";
  options.metrics = "off";
  options.development = true;
  options.log_file = data + ".jsonl";
  options.now_us = [] {
    return std::int64_t{std::chrono::duration_cast<std::chrono::microseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count()};
  };
  return services::RunServer(options);
}

}  // namespace denier::bench
