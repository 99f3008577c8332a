// RocksDB with nothing of ours around it, set as Denier sets it: the options are read from the
// folder of a Denier. What the store and a start are held against.
#ifndef DENIER_TESTS_BENCH_RAW_STORE_H_
#define DENIER_TESTS_BENCH_RAW_STORE_H_

#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace denier::bench {

// A new database with the options of the log in the data folder `data`. Not thread-safe.
class RawStore {
 public:
  static absl::StatusOr<RawStore> Create(
      const std::string& data, const std::string& path,
      const std::shared_ptr<rocksdb::FileSystem>& file_system = rocksdb::FileSystem::Default());

  // Puts one value under a key of 9 bytes, as a batch has, and syncs. What must be done to make so
  // many bytes durable, and nothing else.
  absl::Status Put(std::uint64_t key, std::string_view value);

 private:
  RawStore() = default;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;  // goes before env_
};

// A new database with the options of the rows in the data folder `data`. Thread-safe.
class RawRows {
 public:
  static absl::StatusOr<RawRows> Create(const std::string& data, const std::string& path);

  // Puts what it takes to find `count` new commitments and their requests again, the first of them
  // number `first`: two rows each, as long as Denier's, without WAL and sync, as Denier does.
  absl::Status Put(std::uint64_t first, std::uint64_t count);

 private:
  RawRows() = default;
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<rocksdb::ColumnFamilyHandle> commitments_;  // go before db_
  std::unique_ptr<rocksdb::ColumnFamilyHandle> requests_;
};

// The events of a batch as the log has it, packed; they may lie in `room`. Nothing: it is damaged.
std::optional<std::string_view> PackedEvents(std::string_view value, std::string* room);

// Merges all files of the data folder of a stopped server, so that its size is that of what it
// holds.
absl::Status Compact(const std::string& data);

// Lets RocksDB merge in the data folder of a stopped server what it merges by itself. It is behind
// after a history that was written in one go, and would go on at each start of a copy.
absl::Status Settle(const std::string& data);

// Opens both databases of the data folder of a killed server and folds the events that the rows
// miss. How long that took, in seconds.
absl::StatusOr<double> OpenBare(const std::string& data);

// The database at `path`, for reading only, as it sets itself.
absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenToRead(const std::string& path);

}  // namespace denier::bench

#endif  // DENIER_TESTS_BENCH_RAW_STORE_H_
