// A database of the store's as RocksDB itself opens it: to see, or to put there, what the store
// would not.
#ifndef DENIER_TESTS_STORE_RAW_DATABASE_H_
#define DENIER_TESTS_STORE_RAW_DATABASE_H_

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace denier::store {

// Nobody else has the folder open. Not thread-safe.
class RawDatabase {
 public:
  // In the folder `path`, with every family that it has.
  explicit RawDatabase(const std::string& path, const rocksdb::Options& options = {}) {
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
  rocksdb::ColumnFamilyHandle* Family(std::string_view name) const {
    for (const auto& family : families_) {
      if (family->GetName() == name) return family.get();
    }
    return nullptr;
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<std::unique_ptr<rocksdb::ColumnFamilyHandle>> families_;  // go before db_
};

}  // namespace denier::store

#endif  // DENIER_TESTS_STORE_RAW_DATABASE_H_
