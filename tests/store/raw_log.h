// The log's database as somebody opens it who knows FORMAT.md and RocksDB, and not this store.
#ifndef DENIER_TESTS_STORE_RAW_LOG_H_
#define DENIER_TESTS_STORE_RAW_LOG_H_

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace denier::store {

// Whether a batch with this value is compressed.
inline bool IsInChunks(const std::string& value) { return (value.at(3) & 0x80) != 0; }

// Nobody else has the folder open. Not thread-safe.
class RawLog {
 public:
  // That of the data folder `folder`, with every family that it has.
  explicit RawLog(const std::string& folder, const rocksdb::Options& options = {}) {
    const std::string path = folder + "/log";
    std::vector<std::string> names;
    EXPECT_TRUE(rocksdb::DB::ListColumnFamilies(options, path, &names).ok());
    std::vector<rocksdb::ColumnFamilyDescriptor> families;
    for (const std::string& name : names) families.emplace_back(name, options);
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, path, families, &handles, &opened);
    EXPECT_TRUE(status.ok()) << status.ToString();
    db_.reset(opened);
    for (rocksdb::ColumnFamilyHandle* handle : handles) families_.emplace_back(handle);
  }

  rocksdb::DB& db() { return *db_; }

  // nullptr: it has none.
  rocksdb::ColumnFamilyHandle* nodes() const {
    for (const auto& family : families_) {
      if (family->GetName() == "nodes") return family.get();
    }
    return nullptr;
  }

  // Makes it a log that a program of format 1 has written: its nodes lie among the batches.
  void PutNodesAmongBatches() {
    for (const auto& [key, value] : RowsOf(nodes())) {
      EXPECT_TRUE(db_->Put({}, key, value).ok());
    }
    EXPECT_TRUE(db_->DropColumnFamily(nodes()).ok());
    EXPECT_TRUE(db_->Flush({}).ok());
  }

  // In the order of the keys: first the batches, then the nodes.
  std::vector<std::pair<std::string, std::string>> Rows() {
    std::vector<std::pair<std::string, std::string>> rows = RowsOf(db_->DefaultColumnFamily());
    if (nodes() == nullptr) return rows;
    for (auto& row : RowsOf(nodes())) rows.push_back(std::move(row));
    return rows;
  }

 private:
  std::vector<std::pair<std::string, std::string>> RowsOf(rocksdb::ColumnFamilyHandle* family) {
    std::vector<std::pair<std::string, std::string>> rows;
    const std::unique_ptr<rocksdb::Iterator> it(db_->NewIterator(rocksdb::ReadOptions(), family));
    for (it->SeekToFirst(); it->Valid(); it->Next()) {
      rows.emplace_back(it->key().ToString(), it->value().ToString());
    }
    EXPECT_TRUE(it->status().ok());
    return rows;
  }

  std::unique_ptr<rocksdb::DB> db_;
  std::vector<std::unique_ptr<rocksdb::ColumnFamilyHandle>> families_;  // go before db_
};

}  // namespace denier::store

#endif  // DENIER_TESTS_STORE_RAW_LOG_H_
