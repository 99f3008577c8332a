#include "projections/row_fold.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "denier/views/v1/rows.pb.h"
#include "projections/row_keys.h"
#include "projections/totals_snapshot.h"

namespace denier::projections {

using events::v1::Event;
using store::Position;
using store::Views;

RowFold::RowFold(Books::RowReader reader, Position next)
    : reader_(std::move(reader)), books_(reader_), next_(next) {}

absl::Status RowFold::Fold(const Event& event) {
  if (absl::Status folded = books_.Fold(event, next_); !folded.ok()) return folded;
  if (!event.request_id().empty()) {
    write_.PutRequest(event.actor().body_id(), event.request_id(), next_);
  }
  Count(event);
  if (status().ok()) ++next_;
  return status();
}

// The event at next(), which is in the books.
void RowFold::Count(const Event& event) {
  const std::string& agreement_id = event.agreement_id();
  const auto load = [&](const std::string& key) -> std::optional<std::int64_t> {
    const auto stored = reader_(key);
    views::v1::AgreementProgress row;
    if (!stored.ok()) {
      status_ = stored.status();
    } else if (stored->has_value() && !row.ParseFromString(**stored)) {
      status_ = absl::DataLossError(absl::StrCat("the row ", key, " does not decode"));
    }
    return row.events();
  };
  std::int64_t& events = progress_.Mutable(ProgressRow(agreement_id), next_, load);
  ++events;
  const Position after = next_ + 1;
  if (events % kEventsASnapshot == 0) {
    write_.Put(SnapshotKey(agreement_id, after), TotalsSnapshot(books_, agreement_id));
  }
  if (events % kEventsAYearsSnapshot == 0 || event.has_plan_imported()) {
    write_.Put(YearsSnapshotKey(agreement_id, after), YearsSnapshot(books_, agreement_id));
  }
}

void RowFold::Begin() {
  books_.Begin();
  progress_.Begin();
  write_before_ = std::exchange(write_, Views::Write());
  next_before_ = next_;
}

void RowFold::Rollback() {
  books_.Rollback();
  progress_.Rollback();
  write_ = std::exchange(write_before_, Views::Write());
  next_ = next_before_;
}

void RowFold::Keep() {
  books_.Keep();
  progress_.Keep();
  write_before_.Append(std::exchange(write_, Views::Write()));
  write_ = std::exchange(write_before_, Views::Write());
}

Views::Write RowFold::TakeWrite() {
  books_.TakeChanges(
      [this](const std::string& key, const std::string& row) { write_.Put(key, row); });
  progress_.TakeChanges([this](const std::string& key, const std::int64_t& events) {
    views::v1::AgreementProgress row;
    row.set_events(events);
    write_.Put(key, row.SerializeAsString());
  });
  return std::exchange(write_, Views::Write());
}

}  // namespace denier::projections
