#include "store/replace_file.h"

#include <memory>

namespace denier::store {
namespace {

std::string FolderOf(const std::string& path) { return path.substr(0, path.rfind('/')); }

rocksdb::IOStatus WriteNewFile(rocksdb::FileSystem& file_system, const std::string& path,
                               const std::string& bytes) {
  std::unique_ptr<rocksdb::FSWritableFile> file;
  rocksdb::IOStatus status =
      file_system.NewWritableFile(path, rocksdb::FileOptions(), &file, nullptr);
  if (status.ok()) status = file->Append(bytes, rocksdb::IOOptions(), nullptr);
  if (status.ok()) status = file->Sync(rocksdb::IOOptions(), nullptr);
  if (status.ok()) status = file->Close(rocksdb::IOOptions(), nullptr);
  return status;
}

rocksdb::IOStatus SyncFolder(rocksdb::FileSystem& file_system, const std::string& path) {
  std::unique_ptr<rocksdb::FSDirectory> folder;
  rocksdb::IOStatus status = file_system.NewDirectory(path, rocksdb::IOOptions(), &folder, nullptr);
  if (status.ok()) status = folder->Fsync(rocksdb::IOOptions(), nullptr);
  return status;
}

}  // namespace

rocksdb::IOStatus ReplaceFile(rocksdb::FileSystem& file_system, const std::string& path,
                              const std::string& bytes) {
  const std::string fresh = path + ".new";
  rocksdb::IOStatus status = WriteNewFile(file_system, fresh, bytes);
  if (status.ok()) status = file_system.RenameFile(fresh, path, rocksdb::IOOptions(), nullptr);
  if (status.ok()) status = SyncFolder(file_system, FolderOf(path));
  return status;
}

}  // namespace denier::store
