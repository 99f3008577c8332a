// The figures of the log itself, without a server: appending to it, and making books from it.
#ifndef DENIER_TESTS_BENCH_LOGS_H_
#define DENIER_TESTS_BENCH_LOGS_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/log.h"
#include "tests/bench/session.h"

namespace denier::bench {

// As in commands.h.
absl::Status MeasureAppend(Session& session);  // append_vs_raw
absl::Status MeasureReplay(
    Session& session);  // replay_vs_scan, replay_vs_postgres, bytes_per_event
absl::Status MeasureReport(Session& session);  // report_vs_ledger

// The books of the bench's agreement from nothing, as Denier makes them: each envelope's balances
// of each year, from every event of `log`.
absl::StatusOr<Totals> ReplayBooks(const store::Log& log);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_LOGS_H_
