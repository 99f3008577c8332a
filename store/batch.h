#ifndef DENIER_STORE_BATCH_H_
#define DENIER_STORE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/sha256.h"

namespace denier::store {

// No batch is packed beyond this; Log::Append refuses it.
inline constexpr std::size_t kMaxBatchBytes = std::size_t{64} << 20;

// The events that become durable together, packed as they will stand on disk. Adding hashes the
// event, in the thread that decides rather than in the commit. Not thread-safe.
class Batch {
 public:
  // Appends one event, any bytes, the empty string included. `event` is copied.
  void Add(std::string_view event);

  // Forgets the events and keeps the memory for the next batch.
  void Clear();

  bool empty() const { return leaves_.empty(); }
  std::size_t size() const { return leaves_.size(); }  // number of events

  // The packed events (FORMAT.md, "Batch"), and the leaf hash of each.
  const std::string& bytes() const { return bytes_; }
  const std::vector<Hash>& leaves() const { return leaves_; }

 private:
  std::string bytes_;
  std::vector<Hash> leaves_;
};

}  // namespace denier::store

#endif  // DENIER_STORE_BATCH_H_
