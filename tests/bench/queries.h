// The figures of queries, of a start, and of a rebuild: what commands and readers do to each other.
#ifndef DENIER_TESTS_BENCH_QUERIES_H_
#define DENIER_TESTS_BENCH_QUERIES_H_

#include "absl/status/status.h"
#include "tests/bench/session.h"

namespace denier::bench {

// As in commands.h.
absl::Status MeasureQueries(Session& session);  // query_p99
absl::Status MeasureAsOf(Session& session);     // asof_p99
absl::Status MeasureRebuild(Session& session);  // rebuild_interference, rebuild_slowdown

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_QUERIES_H_
