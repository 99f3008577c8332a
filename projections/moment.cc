#include "projections/moment.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "projections/event_version.h"

namespace denier::projections {

using events::v1::Event;
using store::Position;

bool Counts(const Event& event, const Moment& moment) {
  return moment.effective_until == 0 || event.effective_date() <= moment.effective_until ||
         event.has_agreement_created() || event.has_envelope_created();
}

absl::Status FoldIfCounts(std::string_view bytes, Position position,
                          const std::string& agreement_id, const Moment& moment, Event& event,
                          Books& books) {
  if (absl::Status decoded = DecodeEvent(bytes, position, event); !decoded.ok()) return decoded;
  if (!agreement_id.empty() && event.agreement_id() != agreement_id) return absl::OkStatus();
  if (!Counts(event, moment)) return absl::OkStatus();
  if (absl::Status folded = books.Fold(event, position); !folded.ok()) {
    return absl::DataLossError(
        absl::StrCat("the event at position ", position, " does not fold: ", folded.message()));
  }
  return absl::OkStatus();
}

absl::StatusOr<Position> EventsRecordedBy(const store::Log& log, std::int64_t time_us) {
  Position known = 0;                // every event before it was recorded by then
  Position later = log.head().next;  // and none from here on
  Event event;
  while (known < later) {
    const Position middle = known + (later - known) / 2;
    const absl::StatusOr<std::string> bytes = log.Read(middle);
    if (!bytes.ok()) return bytes.status();
    if (absl::Status decoded = DecodeEvent(*bytes, middle, event); !decoded.ok()) return decoded;
    if (event.recorded_time_us() <= time_us) {
      known = middle + 1;
    } else {
      later = middle;
    }
  }
  return known;
}

}  // namespace denier::projections
