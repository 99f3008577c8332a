#include "store/zeroed_wal.h"

#include <gtest/gtest.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "tests/faults/fault_file_system.h"
#include "tests/store/temporary_folder.h"
#include "tests/store/wal_file.h"

namespace denier::store {
namespace {

using faults::Effect;
using faults::FaultFileSystem;
using faults::Operation;

class ZeroedWalTest : public testing::Test {
 protected:
  std::unique_ptr<rocksdb::FSWritableFile> Create(const std::string& path) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    const rocksdb::IOStatus status =
        file_system_->NewWritableFile(path, rocksdb::FileOptions(), &file, nullptr);
    EXPECT_TRUE(status.ok()) << status.ToString();
    return file;
  }

  static rocksdb::IOStatus Append(rocksdb::FSWritableFile& file, const std::string& bytes) {
    return file.Append(bytes, rocksdb::IOOptions(), nullptr);
  }
  static std::uint64_t SizeOf(rocksdb::FSWritableFile& file) {
    return file.GetFileSize(rocksdb::IOOptions(), nullptr);
  }

  static std::string ContentOf(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  TemporaryFolder folder_;
  const std::string wal_ = folder_.path() + "/000001.log";
  const std::shared_ptr<FaultFileSystem> disk_ = std::make_shared<FaultFileSystem>();
  const std::shared_ptr<rocksdb::FileSystem> file_system_ = WithZeroedWal(disk_);
};

TEST_F(ZeroedWalTest, SmallWritesFindZerosAndDoNotMakeTheFileGrow) {
  const auto file = Create(wal_);
  ASSERT_TRUE(Append(*file, "first").ok());
  const std::uintmax_t size = std::filesystem::file_size(wal_);
  EXPECT_GE(size, 60'000U);
  std::string written = "first";
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(Append(*file, "second").ok());
    written += "second";
    EXPECT_EQ(std::filesystem::file_size(wal_), size);
  }
  EXPECT_EQ(SizeOf(*file), written.size());
  written.resize(size, '\0');
  EXPECT_EQ(ContentOf(wal_), written);
}

TEST_F(ZeroedWalTest, NothingIsLostWhereZerosEndAndOthersBegin) {
  const auto file = Create(wal_);
  std::string written;
  std::uintmax_t size = 0;
  int growths = 0;
  for (int i = 0; written.size() < 4'000'000; ++i) {
    const std::string bytes(1 + i * 7919 % 30'000, static_cast<char>('a' + i % 26));
    ASSERT_TRUE(Append(*file, bytes).ok());
    written += bytes;
    ASSERT_EQ(SizeOf(*file), written.size());
    if (std::filesystem::file_size(wal_) != size) ++growths;
    size = std::filesystem::file_size(wal_);
    ASSERT_GE(size, written.size());
    ASSERT_LE(size, written.size() + (1 << 20)) << "more zeros than were promised";
  }
  EXPECT_LE(growths, 10);
  EXPECT_EQ(ContentOf(wal_).substr(0, written.size()), written);
  EXPECT_EQ(WrittenBytes(wal_), written.size());
}

TEST_F(ZeroedWalTest, ALargeWriteGetsNoZeros) {
  const auto file = Create(wal_);
  const std::string large(200'000, 'x');
  ASSERT_TRUE(Append(*file, large).ok());
  EXPECT_EQ(ContentOf(wal_), large);
  // Nor does it stop short of those that are there.
  ASSERT_TRUE(Append(*file, "small").ok());
  EXPECT_GT(std::filesystem::file_size(wal_), 260'000U);
  ASSERT_TRUE(Append(*file, large).ok());
  EXPECT_EQ(ContentOf(wal_), large + "small" + large);
}

TEST_F(ZeroedWalTest, ClosingCutsTheFileToWhatWasWritten) {
  const auto file = Create(wal_);
  ASSERT_TRUE(Append(*file, "written").ok());
  ASSERT_TRUE(file->Close(rocksdb::IOOptions(), nullptr).ok());
  EXPECT_EQ(ContentOf(wal_), "written");
}

TEST_F(ZeroedWalTest, OtherFilesAreAsTheyWere) {
  const std::string table = folder_.path() + "/000002.sst";
  const auto file = Create(table);
  ASSERT_TRUE(Append(*file, "written").ok());
  ASSERT_TRUE(file->Flush(rocksdb::IOOptions(), nullptr).ok());
  EXPECT_EQ(ContentOf(table), "written");
}

TEST_F(ZeroedWalTest, WhenTheZerosCannotBeWrittenNothingIs) {
  const auto file = Create(wal_);
  disk_->Plan({.operation = Operation::kWrite, .path_part = ".log", .effect = Effect::kError});
  EXPECT_FALSE(Append(*file, "first").ok());
  EXPECT_EQ(SizeOf(*file), 0U);
}

// What was synced is there after a power loss, and nothing of what was not, whatever it lay over.
TEST_F(ZeroedWalTest, ASyncMakesDurableWhatWasWrittenOverZeros) {
  const auto file = Create(wal_);
  ASSERT_TRUE(Append(*file, "synced ").ok());
  ASSERT_TRUE(Append(*file, "too").ok());
  ASSERT_TRUE(file->Sync(rocksdb::IOOptions(), nullptr).ok());
  std::unique_ptr<rocksdb::FSDirectory> directory;
  ASSERT_TRUE(disk_->NewDirectory(folder_.path(), rocksdb::IOOptions(), &directory, nullptr).ok());
  ASSERT_TRUE(directory->Fsync(rocksdb::IOOptions(), nullptr).ok());
  ASSERT_TRUE(Append(*file, "not synced").ok());
  disk_->LosePower(faults::Unsynced::kDrop);
  EXPECT_EQ(ContentOf(wal_).substr(0, WrittenBytes(wal_)), "synced too");
}

}  // namespace
}  // namespace denier::store
