#include "projections/query_rows.h"

namespace denier::projections {

absl::StatusOr<std::optional<std::string>> QueryRows::Get(std::string_view key) const {
  if (stored_ != nullptr) return stored_->Get(key);
  const auto found = computed_->find(key);
  if (found == computed_->end()) return std::optional<std::string>();
  return std::optional<std::string>(found->second);
}

absl::StatusOr<std::vector<QueryRows::Row>> QueryRows::Scan(std::string_view prefix,
                                                            std::string_view start_after,
                                                            std::size_t limit) const {
  if (stored_ != nullptr) return stored_->Scan(prefix, start_after, limit);
  const Computed& computed = *computed_;
  std::vector<Row> found;
  auto it = start_after < prefix ? computed.lower_bound(prefix) : computed.upper_bound(start_after);
  for (; it != computed.end() && found.size() < limit && it->first.starts_with(prefix); ++it) {
    found.push_back({it->first, it->second});
  }
  return found;
}

}  // namespace denier::projections
