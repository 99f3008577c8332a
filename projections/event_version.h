// The form of the stored events, and how older ones are read: written here, and nowhere else.
//
// What is in the log stays as it was written, for ever. An event says in which version of the form
// it was written; DecodeEvent brings it to the current one, a step a version, so that everything
// above the bytes (fold, reports, audits, exports, the rules when they decide again) knows one form
// alone. A step says what the older event did: it never gives it a new meaning, so the same log
// gives the same books.
//
//   version  written since  what it changed
//   0        0.1.0          the first form
//   1        0.2.0          OpeningCorrected has its line's product_id, and posts with it; an older
//                           one has `product_unstated`, and posts without
//
// A new version: kEventVersion, a step in event_version.cc, a row above, and the bytes of each kind
// of fact in tests/golden/events. Adding a field that older events rightly have empty needs none.
#ifndef DENIER_PROJECTIONS_EVENT_VERSION_H_
#define DENIER_PROJECTIONS_EVENT_VERSION_H_

#include <string_view>

#include "absl/status/status.h"
#include "denier/events/v1/event.pb.h"
#include "store/position.h"

namespace denier::projections {

// What this program writes, and the newest that it reads.
inline constexpr int kEventVersion = 1;

// Decodes the stored bytes of the event at `position` into `event`, in the current form; so is the
// event that a reversal holds. What was in `event` is gone; its memory is used again.
// DATA_LOSS: the bytes are no event, or none that a program wrote: of a version that never was, or
// with what only an older version leaves unsaid. FAILED_PRECONDITION: a newer program wrote it.
// Both name the position; `event` is undefined then. Any thread.
absl::Status DecodeEvent(std::string_view bytes, store::Position position,
                         events::v1::Event& event);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EVENT_VERSION_H_
