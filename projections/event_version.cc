#include "projections/event_version.h"

#include "absl/strings/str_cat.h"

namespace denier::projections {
namespace {

using events::v1::Event;

// Version 0 did not say which product a correction is for, and posted none. Which one it was is not
// in the event, so it stays unsaid.
void FromVersion0(Event& event) {
  if (event.has_opening_corrected()) {
    event.mutable_opening_corrected()->clear_product_id();
    event.mutable_opening_corrected()->set_product_unstated(true);
  }
}

// Every version between an event's own and the current one.
absl::Status Upcast(Event& event, store::Position position) {
  if (event.version() > kEventVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the event at position ", position, " was written by a newer program, version ",
        event.version(), "; this one knows ", kEventVersion));
  }
  if (event.version() < 0) {
    return absl::DataLossError(absl::StrCat("the event at position ", position, " is of version ",
                                            event.version(), ", which there never was"));
  }
  if (event.has_reversed() && event.reversed().has_original()) {
    if (absl::Status status = Upcast(*event.mutable_reversed()->mutable_original(), position);
        !status.ok()) {
      return status;
    }
  }
  if (event.version() == 0) {
    FromVersion0(event);
    event.set_version(1);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status DecodeEvent(std::string_view bytes, store::Position position, Event& event) {
  if (!event.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::DataLossError(
        absl::StrCat("the event at position ", position, " does not decode"));
  }
  // Only an event that a reversal holds was ever written after it was read.
  if (event.version() > 0 && event.opening_corrected().product_unstated()) {
    return absl::DataLossError(absl::StrCat("the event at position ", position, " of version ",
                                            event.version(), " does not state a product"));
  }
  return Upcast(event, position);
}

}  // namespace denier::projections
