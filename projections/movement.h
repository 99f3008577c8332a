// What a stored event moves, read from its bytes without decoding the rest of it. Four kinds of
// facts are nearly all of a long log (Engaged, ServiceCertified, PaymentRequested, Paid); reading
// their dozen fields that matter takes a fraction of what the generated parser takes for the whole.
//
// This is the one second way of reading events. It reads what our own programs write and leaves
// everything else to DecodeEvent; that both give the same is checked on the golden events and on a
// million random ones (tests/projections/movement_test.cc).
#ifndef DENIER_PROJECTIONS_MOVEMENT_H_
#define DENIER_PROJECTIONS_MOVEMENT_H_

#include <cstdint>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "projections/posting.h"

namespace denier::projections {

// The views point into the event's bytes.
struct Movement {
  std::string_view agreement_id;
  int fiscal_year = 0;
  int effective_date = 0;  // YYYYMMDD
  absl::InlinedVector<MovedAmount, 2> amounts;
};

// Fills in `movement`, whose memory is used again. Post makes of its amounts what Postings makes of
// the event. False: decode the event instead; it is of another kind, changes more than balances and
// years (an early commitment), or its bytes are not such as we write. The text of identifiers is
// not checked, as the generated parser does. Any thread.
bool ReadMovement(std::string_view bytes, Movement& movement);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_MOVEMENT_H_
