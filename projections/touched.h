// What an event is about: the envelopes whose figures it moves or names, the commitment, the
// payment request. Filters and visibility go by it.
#ifndef DENIER_PROJECTIONS_TOUCHED_H_
#define DENIER_PROJECTIONS_TOUCHED_H_

#include <string_view>

#include "absl/container/inlined_vector.h"
#include "denier/events/v1/event.pb.h"

namespace denier::projections {

// The views point into the event.
struct Touched {
  // True for an act of the agreement itself, which concerns both its parties.
  bool agreement = false;
  absl::InlinedVector<std::string_view, 4> envelopes;
  std::string_view commitment_id;
  std::string_view line_id;
  std::string_view payment_request_id;
};

// From the event alone: some facts name only a line or a payment request, whose envelope then has
// to be looked up. A reversal touches what its entry touched. Any thread. `event` must outlive it.
Touched TouchedBy(const events::v1::Event& event);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_TOUCHED_H_
