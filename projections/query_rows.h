// The rows that a query is answered from: those of now, as `views/` has them, or those of another
// moment, computed from the events (past.h). The keys are those of row_keys.h in both.
#ifndef DENIER_PROJECTIONS_QUERY_ROWS_H_
#define DENIER_PROJECTIONS_QUERY_ROWS_H_

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "store/views.h"

namespace denier::projections {

// Immutable; cheap to copy; any thread.
class QueryRows {
 public:
  using Row = store::Views::Snapshot::Row;
  using Computed = std::map<std::string, std::string, std::less<>>;

  // NOLINTNEXTLINE(google-explicit-constructor): a snapshot is the rows of now.
  QueryRows(store::Views::Snapshot stored)
      : stored_(std::make_shared<const store::Views::Snapshot>(std::move(stored))) {}
  explicit QueryRows(std::shared_ptr<const Computed> computed) : computed_(std::move(computed)) {}

  // The row, or nothing. DATA_LOSS: damaged.
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const;

  // Up to `limit` rows whose key begins with `prefix` and comes after `start_after` (empty: from
  // the first on), in the byte order of their keys. DATA_LOSS: damaged.
  absl::StatusOr<std::vector<Row>> Scan(std::string_view prefix, std::string_view start_after,
                                        std::size_t limit) const;

 private:
  // One of the two.
  std::shared_ptr<const store::Views::Snapshot> stored_;
  std::shared_ptr<const Computed> computed_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_QUERY_ROWS_H_
