#include "projections/totals_snapshot.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "denier/views/v1/rows.pb.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

template <class ForEach>
std::string SnapshotOf(ForEach for_each) {
  views::v1::TotalsSnapshot snapshot;
  for_each([&](const std::string& key, const std::string& bytes) {
    auto& row = *snapshot.add_rows();
    row.set_key(key);
    row.set_row(bytes);
  });
  return snapshot.SerializeAsString();
}

// The last row below `prefix` that comes before or at `until`.
absl::StatusOr<TotalsStart> Last(const store::Views::Snapshot& stored, const std::string& prefix,
                                 const std::string& until) {
  const absl::StatusOr<std::optional<store::Views::Snapshot::Row>> found =
      stored.FindLast(prefix, until);
  if (!found.ok()) return found.status();
  TotalsStart start;
  if (!found->has_value()) return start;
  const auto& [key, bytes] = **found;
  views::v1::TotalsSnapshot snapshot;
  if (!snapshot.ParseFromString(bytes)) {
    return absl::DataLossError(absl::StrCat("the row ", key, " does not decode"));
  }
  start.next = NextOfKey(key);
  for (auto& row : *snapshot.mutable_rows()) {
    start.rows.emplace_hint(start.rows.end(), std::move(*row.mutable_key()),
                            std::move(*row.mutable_row()));
  }
  return start;
}

}  // namespace

std::string TotalsSnapshot(const Books& books, std::string_view agreement_id) {
  return SnapshotOf([&](Books::RowVisitor visit) { books.ForEachTotal(agreement_id, visit); });
}

std::string YearsSnapshot(const Books& books, std::string_view agreement_id) {
  return SnapshotOf([&](Books::RowVisitor visit) { books.ForEachYear(agreement_id, visit); });
}

absl::StatusOr<TotalsStart> LastSnapshot(const store::Views::Snapshot& stored,
                                         std::string_view agreement_id, store::Position until) {
  return Last(stored, SnapshotPrefix(agreement_id), SnapshotKey(agreement_id, until));
}

absl::StatusOr<TotalsStart> LastYearsSnapshot(const store::Views::Snapshot& stored,
                                              std::string_view agreement_id,
                                              store::Position until) {
  return Last(stored, YearsSnapshotPrefix(agreement_id), YearsSnapshotKey(agreement_id, until));
}

}  // namespace denier::projections
