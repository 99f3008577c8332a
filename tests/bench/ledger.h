// The opponent on Debian's `ledger`: the balances of a journal, which are the yearly figures, since
// the accounts of an export have the budget year in their names (services/cli/export_journal.h).
#ifndef DENIER_TESTS_BENCH_LEDGER_H_
#define DENIER_TESTS_BENCH_LEDGER_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace denier::bench {

struct LedgerReport {
  double seconds = 0;  // of the process, from its start to the last line that it printed
  // Cents by account, such as "AE:engagement-civique:coaching-2022:2022:engaged"; none is zero.
  std::map<std::string, std::int64_t> cents;
};

// Writes the journal `from`, one that `denier export ledger` wrote, to `to` without its comments,
// tags and declarations, which hold no figure and take ledger most of its time.
// INTERNAL: a file cannot be read or written.
absl::Status WriteFiguresOnly(const std::string& from, const std::string& to);

// Runs `ledger balance` on the journal. INTERNAL: ledger is missing, or failed (with its words), or
// printed what is not whole cents. Any thread.
absl::StatusOr<LedgerReport> RunLedger(const std::string& journal);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_LEDGER_H_
