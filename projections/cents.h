#ifndef DENIER_PROJECTIONS_CENTS_H_
#define DENIER_PROJECTIONS_CENTS_H_

#include <cstdint>
#include <limits>

#include "absl/numeric/int128.h"
#include "absl/status/status.h"

namespace denier::projections {

// Turns exact sums into the cents of an answer, and remembers whether one did not fit. Not
// thread-safe.
class Cents {
 public:
  std::int64_t operator()(absl::int128 sum) {
    if (sum < std::numeric_limits<std::int64_t>::min() ||
        sum > std::numeric_limits<std::int64_t>::max()) {
      fits_ = false;
      return 0;
    }
    return static_cast<std::int64_t>(sum);
  }

  // OUT_OF_RANGE: one did not fit.
  absl::Status status() const {
    return fits_ ? absl::OkStatus() : absl::OutOfRangeError("a total would pass 64 bits of cents");
  }

 private:
  bool fits_ = true;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_CENTS_H_
