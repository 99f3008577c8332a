// What replay is held against: the cheapest way to get at the fields that books are made from.
#ifndef DENIER_TESTS_BENCH_SCAN_H_
#define DENIER_TESTS_BENCH_SCAN_H_

#include <rocksdb/db.h>

#include <cstdint>

#include "absl/status/statusor.h"

namespace denier::bench {

// Sums over all events, so that nobody can leave the reading out.
struct Scanned {
  std::uint64_t events = 0;
  std::int64_t engaged = 0;
  std::int64_t requested = 0;
  std::int64_t paid = 0;
};

// Reads every batch of the log in `db` (the folder log/) with a RocksDB iterator, and of each event
// the fields that balances are made from (year, envelopes, product, years of origin and hold,
// amounts), by hand from the protobuf bytes, without a copy. Folds nothing. INTERNAL: it meets a
// fact that the bench's history does not have.
absl::StatusOr<Scanned> ScanLog(rocksdb::DB& db);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_SCAN_H_
