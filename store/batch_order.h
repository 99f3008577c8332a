// The order of the log's batches: that of their keys' bytes, RocksDB's own, under its own name.
//
// Only where the index of a file tells two blocks apart is it another: RocksDB looks for a short
// key between the last of one and the first of the next, and here it is the last possible one. A
// reader looks for the batch that a position lies in, the last key that is not beyond it. With a
// large batch a block, a short key in between would have it read the next block first, for nothing,
// and then the right one.
#ifndef DENIER_STORE_BATCH_ORDER_H_
#define DENIER_STORE_BATCH_ORDER_H_

#include <rocksdb/comparator.h>

namespace denier::store {

// Any thread; lives for ever. Files written with it are read with RocksDB's own, and the other way
// round.
const rocksdb::Comparator* BatchOrder();

}  // namespace denier::store

#endif  // DENIER_STORE_BATCH_ORDER_H_
