// Holds stored rows against those that the events give: every row, every request id, and every
// report that either of them makes.
#ifndef DENIER_PROJECTIONS_COMPARISON_H_
#define DENIER_PROJECTIONS_COMPARISON_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "projections/query_rows.h"
#include "store/views.h"

namespace denier::projections {

struct Comparison {
  std::int64_t compared = 0;  // that the events give
  std::int64_t equal = 0;
  // The first that differs, that only one side has, or that cannot be read where it is stored;
  // empty: all are equal.
  std::string first_difference;
  // OK, or why the stored ones could not be read to their end.
  absl::Status stored_damage;
};

// Compares two states of the same events, in the order of their keys. What cannot be read among the
// fresh rows is an error, among the stored ones a difference. Any thread; reads piece by piece.
absl::StatusOr<Comparison> CompareRows(store::Views::Snapshot stored, store::Views::Snapshot fresh);

// Likewise the positions that request ids were given to.
absl::StatusOr<Comparison> CompareRequests(store::Views::Snapshot stored,
                                           store::Views::Snapshot fresh);

// The bytes of every report of every agreement: the yearly execution (of all bodies and of each),
// each managed envelope, the outstanding, the products, the follow-up of payments and the trial
// balance, made from the one and from the other. A report that cannot be made from the stored rows
// differs; one that cannot be made from the fresh ones must fail alike.
absl::StatusOr<Comparison> CompareReports(const QueryRows& stored, const QueryRows& fresh);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_COMPARISON_H_
