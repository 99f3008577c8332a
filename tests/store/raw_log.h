// The log's database as somebody opens it who knows FORMAT.md and RocksDB, and not this store.
#ifndef DENIER_TESTS_STORE_RAW_LOG_H_
#define DENIER_TESTS_STORE_RAW_LOG_H_

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/store/raw_database.h"

namespace denier::store {

// Whether a batch with this value is compressed.
inline bool IsInChunks(const std::string& value) { return (value.at(3) & 0x80) != 0; }

class RawLog : public RawDatabase {
 public:
  // That of the data folder `folder`.
  explicit RawLog(const std::string& folder, const rocksdb::Options& options = {})
      : RawDatabase(folder + "/log", options) {}

  // nullptr: it has none.
  rocksdb::ColumnFamilyHandle* nodes() const { return Family("nodes"); }

  // Makes it a log that a program of format 1 has written: its nodes lie among the batches.
  void PutNodesAmongBatches() {
    for (const auto& [key, value] : RowsOf(nodes())) {
      EXPECT_TRUE(db().Put({}, key, value).ok());
    }
    EXPECT_TRUE(db().DropColumnFamily(nodes()).ok());
    EXPECT_TRUE(db().Flush({}).ok());
  }

  // In the order of the keys: first the batches, then the nodes.
  std::vector<std::pair<std::string, std::string>> Rows() {
    std::vector<std::pair<std::string, std::string>> rows = RowsOf(db().DefaultColumnFamily());
    if (nodes() == nullptr) return rows;
    for (auto& row : RowsOf(nodes())) rows.push_back(std::move(row));
    return rows;
  }

 private:
  std::vector<std::pair<std::string, std::string>> RowsOf(rocksdb::ColumnFamilyHandle* family) {
    std::vector<std::pair<std::string, std::string>> rows;
    const std::unique_ptr<rocksdb::Iterator> it(db().NewIterator(rocksdb::ReadOptions(), family));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      rows.emplace_back(it->key().ToString(), it->value().ToString());
    }
    EXPECT_TRUE(it->status().ok());
    return rows;
  }
};

}  // namespace denier::store

#endif  // DENIER_TESTS_STORE_RAW_LOG_H_
