#ifndef DENIER_STORE_POSITION_H_
#define DENIER_STORE_POSITION_H_

#include <cstdint>

namespace denier::store {

// Numbers events over the whole log: the first is 0, and there is never a gap.
using Position = std::uint64_t;

}  // namespace denier::store

#endif  // DENIER_STORE_POSITION_H_
