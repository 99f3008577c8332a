// The Merkle tree, taken out: what it costs can only be measured against a store without one.
//
// No option of the store leaves the tree out, and none is to: a switch that is there can be thrown.
// So the linker puts functions of this binary in the place of the tree's (CMakeLists.txt: --wrap),
// and these pass on to the real ones unless TakeOutTree was called. denierd knows nothing of it.
#ifndef DENIER_TESTS_BENCH_TREE_SWITCH_H_
#define DENIER_TESTS_BENCH_TREE_SWITCH_H_

#include <string>

namespace denier::bench {

// A denierd in this process, for the rest of its life, on the new data folder `data`; with `tree`
// off nothing is hashed for the tree, no node is stored, and every root is zero. The log that it
// writes can then be opened by nobody. Returns the exit code.
int ServeDenier(const std::string& data, bool tree);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_TREE_SWITCH_H_
