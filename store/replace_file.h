#ifndef DENIER_STORE_REPLACE_FILE_H_
#define DENIER_STORE_REPLACE_FILE_H_

#include <rocksdb/file_system.h>

#include <string>

namespace denier::store {

// Makes `bytes` the content of the file `path`, new or not, durably: after a crash it is there as
// it was or as it is to be. Written aside as `path`.new, synced, renamed, the folder synced.
rocksdb::IOStatus ReplaceFile(rocksdb::FileSystem& file_system, const std::string& path,
                              const std::string& bytes);

}  // namespace denier::store

#endif  // DENIER_STORE_REPLACE_FILE_H_
