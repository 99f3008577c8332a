// A small file outside RocksDB that remembers how far the log has got: if the log ever comes back
// shorter, or different, the anchor knows.
//
// Two slots lie in different 4 KiB blocks. The slot that was synced last is left alone until the
// other one is synced, so a power loss in the middle of a write leaves one that holds. The layout,
// and what a damaged slot means, are in FORMAT.md.
#ifndef DENIER_STORE_ANCHOR_H_
#define DENIER_STORE_ANCHOR_H_

#include <rocksdb/file_system.h>

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/head.h"

namespace denier::store {

// Thread-safe: the commit writes while a background thread syncs.
class Anchor {
 public:
  // The newest head that `path` vouches for. Changes nothing.
  // NOT_FOUND: there is no such file. DATA_LOSS: neither slot is valid, or they name two histories.
  // UNAVAILABLE, here and below: the disk reports an error.
  static absl::StatusOr<Head> Read(rocksdb::FileSystem& file_system, const std::string& path);

  // All that is to be seen in `path`. Errors as Read's, but DATA_LOSS.
  struct Slots {
    std::array<std::optional<Head>, 2> heads;  // nothing: the slot is not valid
    bool zero_elsewhere = true;                // false: it is not the file that we write
  };
  static absl::StatusOr<Slots> ReadSlots(rocksdb::FileSystem& file_system, const std::string& path);

  // Replaces `path`, or makes it, with both slots at `head`; durable on return. `file_system` must
  // outlive the anchor.
  static absl::StatusOr<std::unique_ptr<Anchor>> Create(rocksdb::FileSystem& file_system,
                                                        const std::string& path, const Head& head);

  // Overwrites a slot with `head`. Survives the end of the process; a power loss after Sync only.
  // Waits for a running Sync.
  absl::Status Write(const Head& head);

  // Makes what was written durable. When the two slots differ it then brings the older one up to
  // date as well, so a log at rest has two equal witnesses.
  absl::Status Sync();

 private:
  explicit Anchor(std::unique_ptr<rocksdb::FSRandomRWFile> file, const Head& head);

  absl::Status WriteSlot();
  absl::Status SyncSlot();

  std::mutex mutex_;
  std::unique_ptr<rocksdb::FSRandomRWFile> file_;
  Head head_;           // as last written
  int slot_ = 0;        // the next to overwrite, never the one synced last
  bool dirty_ = false;  // slot_ holds bytes that are not synced
};

}  // namespace denier::store

#endif  // DENIER_STORE_ANCHOR_H_
