#include "projections/totals_snapshot.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "denier/views/v1/rows.pb.h"
#include "projections/row_keys.h"

namespace denier::projections {

std::string TotalsSnapshot(const Books& books, std::string_view agreement_id) {
  views::v1::TotalsSnapshot snapshot;
  books.ForEachTotal(agreement_id, [&](const std::string& key, const std::string& bytes) {
    auto& row = *snapshot.add_rows();
    row.set_key(key);
    row.set_row(bytes);
  });
  return snapshot.SerializeAsString();
}

absl::StatusOr<TotalsStart> LastSnapshot(const store::Views::Snapshot& stored,
                                         std::string_view agreement_id, store::Position until) {
  const absl::StatusOr<std::optional<store::Views::Snapshot::Row>> found =
      stored.FindLast(SnapshotPrefix(agreement_id), SnapshotKey(agreement_id, until));
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

}  // namespace denier::projections
