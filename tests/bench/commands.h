// The figures of commands: how many a second, how long one takes.
#ifndef DENIER_TESTS_BENCH_COMMANDS_H_
#define DENIER_TESTS_BENCH_COMMANDS_H_

#include "absl/status/status.h"
#include "tests/bench/session.h"

namespace denier::bench {

// Each measures the figures that it is named after, in alternating rounds, checks what the books
// then say, and adds the rounds to `session.measured()`. Not OK: something was wrong, not slow.

absl::Status MeasureUnary(Session& session);   // unary_vs_echo, unary_vs_postgres
absl::Status MeasureSingle(Session& session);  // single_latency
absl::Status MeasureHot(Session& session);     // hot_vs_postgres
absl::Status MeasureStream(Session& session);  // stream_vs_echo, stream_vs_postgres
absl::Status MeasureTree(Session& session);    // merkle_cost

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_COMMANDS_H_
