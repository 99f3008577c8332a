// The figures of a start, and of what the length of the history changes.
#ifndef DENIER_TESTS_BENCH_STARTS_H_
#define DENIER_TESTS_BENCH_STARTS_H_

#include "absl/status/status.h"
#include "tests/bench/session.h"

namespace denier::bench {

// As in commands.h.
absl::Status MeasureStart(Session& session);   // start_vs_open, start_rss_mib
absl::Status MeasureGrowth(Session& session);  // growth_unary, growth_query, growth_start

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_STARTS_H_
