#include "store/batch.h"

#include <cassert>
#include <vector>

#include "store/chunks.h"
#include "store/encoding.h"

namespace denier::store {
namespace {

// Fewer than these are left to RocksDB, which compresses several batches together.
constexpr std::size_t kLeastChunkBytes = std::size_t{32} << 10;

}  // namespace

void Batch::Add(std::string_view event) {
  // An event too long for the 32 bits makes a batch that Log::Append refuses.
  AppendLittleEndian32(static_cast<std::uint32_t>(event.size()), &bytes_);
  bytes_.append(event);
  ++size_;
}

const MerkleRun& Batch::TreeFrom(Position first) const {
  if (!tree_.has_value() || tree_->first() != first) {
    tree_.emplace(first);
    hashed_bytes_ = 0;
  }
  if (hashed_bytes_ == bytes_.size()) return *tree_;
  std::vector<std::string_view> events;
  events.reserve(size_ - tree_->leaves().size());
  std::string_view left = std::string_view(bytes_).substr(hashed_bytes_);
  while (!left.empty()) {
    const std::size_t size = ReadLittleEndian32(left);
    assert(size <= left.size() - sizeof(std::uint32_t));  // or it was longer than 32 bits say
    events.push_back(left.substr(sizeof(std::uint32_t), size));
    left.remove_prefix(sizeof(std::uint32_t) + size);
  }
  tree_->Append(LeafHashes(events));
  hashed_bytes_ = bytes_.size();
  assert(tree_->leaves().size() == size_);
  return *tree_;
}

const std::string& Batch::Chunks() const {
  const std::string_view fresh = std::string_view(bytes_).substr(chunked_bytes_);
  const std::size_t least = chunks_.empty() ? kLeastChunkBytes : 1;
  if (fresh.size() < least) return chunks_;
  if (bytes_.size() > kMaxBatchBytes) {
    chunks_.clear();
    chunked_bytes_ = 0;
    return chunks_;
  }
  AppendChunk(fresh, &chunks_);
  chunked_bytes_ = bytes_.size();
  return chunks_;
}

void Batch::Clear() {
  bytes_.clear();
  size_ = 0;
  tree_.reset();
  hashed_bytes_ = 0;
  chunks_.clear();
  chunked_bytes_ = 0;
}

}  // namespace denier::store
