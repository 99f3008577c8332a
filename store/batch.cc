#include "store/batch.h"

#include <cassert>

#include "store/encoding.h"
#include "store/merkle.h"

namespace denier::store {

void Batch::Add(std::string_view event) {
  // An event too long for the 32 bits makes a batch that Log::Append refuses.
  AppendLittleEndian32(static_cast<std::uint32_t>(event.size()), &bytes_);
  bytes_.append(event);
  ++size_;
}

const std::vector<Hash>& Batch::leaves() const {
  if (leaves_.size() == size_) return leaves_;
  std::vector<std::string_view> events;
  events.reserve(size_ - leaves_.size());
  std::string_view left = std::string_view(bytes_).substr(hashed_bytes_);
  while (!left.empty()) {
    const std::size_t size = ReadLittleEndian32(left);
    assert(size <= left.size() - sizeof(std::uint32_t));  // or it was longer than 32 bits say
    events.push_back(left.substr(sizeof(std::uint32_t), size));
    left.remove_prefix(sizeof(std::uint32_t) + size);
  }
  const std::vector<Hash> hashes = LeafHashes(events);
  leaves_.insert(leaves_.end(), hashes.begin(), hashes.end());
  hashed_bytes_ = bytes_.size();
  assert(leaves_.size() == size_);
  return leaves_;
}

void Batch::Clear() {
  bytes_.clear();
  size_ = 0;
  leaves_.clear();
  hashed_bytes_ = 0;
}

}  // namespace denier::store
