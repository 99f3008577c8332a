#ifndef DENIER_STORE_HEAD_H_
#define DENIER_STORE_HEAD_H_

#include "store/position.h"
#include "store/sha256.h"

namespace denier::store {

// The events [0, next) and the Merkle root over them: two equal heads are the same history.
struct Head {
  Position next = 0;  // also the number of events
  Hash root{};

  bool operator==(const Head&) const = default;
};

}  // namespace denier::store

#endif  // DENIER_STORE_HEAD_H_
