#include "projections/query_rows.h"

#include <utility>

namespace denier::projections {

absl::StatusOr<std::optional<std::string>> QueryRows::Get(std::string_view key) const {
  if (const auto* stored = std::get_if<store::Views::Snapshot>(&rows_)) return stored->Get(key);
  const Computed& computed = *std::get<std::shared_ptr<const Computed>>(rows_);
  const auto found = computed.find(key);
  if (found == computed.end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

absl::StatusOr<std::vector<QueryRows::Row>> QueryRows::Scan(std::string_view prefix,
                                                            std::string_view start_after,
                                                            std::size_t limit) const {
  if (const auto* stored = std::get_if<store::Views::Snapshot>(&rows_)) {
    return stored->Scan(prefix, start_after, limit);
  }
  const Computed& computed = *std::get<std::shared_ptr<const Computed>>(rows_);
  std::vector<Row> found;
  auto it = start_after < prefix ? computed.lower_bound(prefix) : computed.upper_bound(start_after);
  for (; it != computed.end() && found.size() < limit && it->first.starts_with(prefix); ++it) {
    found.push_back({it->first, it->second});
  }
  return found;
}

}  // namespace denier::projections
