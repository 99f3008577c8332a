// A file system in which RocksDB's write-ahead log lies over zeros that are there already.
//
// A sync of a file that has grown writes its data, and then its new size: two writes, one after the
// other, and the second one takes a third of the time of the two. Over zeros the size stays as it
// is. RocksDB passes over zeros, and finds the end of the log behind them: that nothing is missing
// between two records is known because no more than one of them is ever written and not yet synced.
#ifndef DENIER_STORE_ZEROED_WAL_H_
#define DENIER_STORE_ZEROED_WAL_H_

#include <rocksdb/file_system.h>

#include <memory>

namespace denier::store {

// `file_system`, but for what is written to new files named "*.log": zeros go before a write that
// would make the file grow, up to 1 MiB of them, unless it is a large one. Closing such a file cuts
// off the zeros; a process that ends without leaves them. Thread-safe as `file_system` is.
std::shared_ptr<rocksdb::FileSystem> WithZeroedWal(
    const std::shared_ptr<rocksdb::FileSystem>& file_system);

}  // namespace denier::store

#endif  // DENIER_STORE_ZEROED_WAL_H_
