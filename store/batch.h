#ifndef DENIER_STORE_BATCH_H_
#define DENIER_STORE_BATCH_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "store/merkle.h"
#include "store/position.h"

namespace denier::store {

// No batch is packed beyond this; Log::Append refuses it.
inline constexpr std::size_t kMaxBatchBytes = std::size_t{64} << 20;

// The events that become durable together, as they will stand on disk. Not thread-safe,
// const calls included. One that was moved from may only be given a new value.
class Batch {
 public:
  // Appends one event, any bytes, the empty string included. `event` is copied.
  void Add(std::string_view event);

  // Forgets the events and keeps the memory for the next batch.
  void Clear();

  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }  // number of events

  // The packed events (FORMAT.md, "Batch").
  const std::string& bytes() const { return bytes_; }

  // The packed events in chunks (chunks.h), as they stand on disk where they are many; empty where
  // they are few, or too many for a batch. Compresses those that are new since the last call: as
  // with TreeFrom, who has many events calls it when they are added.
  const std::string& Chunks() const;

  // The part of the tree that the events make if the first one stands at `first`. Hashes those that
  // are new since the last call: who has many events calls it when they are added, so that the
  // commit finds nearly all of it done.
  const MerkleRun& TreeFrom(Position first) const;

 private:
  std::string bytes_;
  std::size_t size_ = 0;
  mutable std::optional<MerkleRun> tree_;  // of the events so far hashed
  mutable std::size_t hashed_bytes_ = 0;   // where the others begin
  mutable std::string chunks_;
  mutable std::size_t chunked_bytes_ = 0;
};

}  // namespace denier::store

#endif  // DENIER_STORE_BATCH_H_
