#include "store/batch_order.h"

#include <cstddef>
#include <string>

namespace denier::store {
namespace {

class Order final : public rocksdb::Comparator {
 public:
  const char* Name() const override { return rocksdb::BytewiseComparator()->Name(); }
  int Compare(const rocksdb::Slice& a, const rocksdb::Slice& b) const override {
    return a.compare(b);
  }
  bool Equal(const rocksdb::Slice& a, const rocksdb::Slice& b) const override { return a == b; }
  bool CanKeysWithDifferentByteContentsBeEqual() const override { return false; }

  // `limit` less one, of keys of one length: nothing of that length is between it and `limit`.
  void FindShortestSeparator(std::string* start, const rocksdb::Slice& limit) const override {
    if (start->size() != limit.size() || limit.compare(*start) <= 0) return;
    start->assign(limit.data(), limit.size());
    for (std::size_t i = start->size(); i > 0; --i) {
      if ((*start)[i - 1]-- != '\0') break;  // nothing is borrowed from the byte before
    }
  }
  void FindShortSuccessor(std::string* key) const override {
    rocksdb::BytewiseComparator()->FindShortSuccessor(key);
  }
};

}  // namespace

const rocksdb::Comparator* BatchOrder() {
  static const Order order;
  return &order;
}

}  // namespace denier::store
