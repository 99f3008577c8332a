// The two times of the books. What they knew is bounded by the recorded time, or by a position, of
// the log; what counts is bounded by the effective day of an entry.
#ifndef DENIER_PROJECTIONS_MOMENT_H_
#define DENIER_PROJECTIONS_MOMENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "store/log.h"
#include "store/position.h"

namespace denier::projections {

struct Moment {
  store::Position next = 0;  // the events [0, next) are known
  int effective_until = 0;   // entries of a later day, YYYYMMDD, do not count; 0: all do

  auto operator<=>(const Moment&) const = default;
};

// True when `event` counts by its effective day. The agreement and its envelopes are there whatever
// the day, so that every entry has its place.
bool Counts(const events::v1::Event& event, const Moment& moment);

// Decodes the event at `position` into `event`, whose memory is used again, and folds it into
// `books` if it is of `agreement_id` (empty: of any) and counts. DATA_LOSS: it does not decode or
// does not fold. FAILED_PRECONDITION: a newer program wrote it. Both name the position.
absl::Status FoldIfCounts(std::string_view bytes, store::Position position,
                          const std::string& agreement_id, const Moment& moment,
                          events::v1::Event& event, Books& books);

// How many events were recorded at `time_us` or before, microseconds since 1970 UTC: recorded times
// never decrease along the log. Reads some 24 events of ten million. Any thread.
// DATA_LOSS: an event cannot be read.
absl::StatusOr<store::Position> EventsRecordedBy(const store::Log& log, std::int64_t time_us);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_MOMENT_H_
