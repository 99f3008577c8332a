// What an export is made of: the events of a log up to a size, and what vouches for them.
//
// The events are hashed as they arrive and kept aside on disk, so nothing is written before the
// tree over all of them is known, and memory does not grow with the log.
#ifndef DENIER_SERVICES_CLI_EXPORTED_LOG_H_
#define DENIER_SERVICES_CLI_EXPORTED_LOG_H_

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/event.pb.h"
#include "store/merkle.h"
#include "store/sha256.h"

namespace denier::cli {

// What an export says of itself.
struct Provenance {
  std::uint64_t size = 0;  // events of the log that it was made at
  std::optional<store::Hash> root =
      {};                         // over them; absent: not all are here, and nobody stated it
  bool root_computed = false;     // from every one of them; else it is only the checkpoint's word
  std::string checkpoint = {};    // signed note; empty: the server has no key
  std::string verifier_key = {};  // of the checkpoint; empty without one
  std::string agreement_id = {};  // only its events are in the export; empty: those of all
  bool partial = false;           // some of the `size` events are not in the export
};

// 64 digits; empty without a root.
std::string RootText(const Provenance& provenance);

// An event as the log has it.
struct ExportedEvent {
  std::uint64_t position = 0;
  store::Hash leaf_hash;
  std::string stored;       // the bytes that were hashed
  events::v1::Event event;  // decoded, in the current form
};

// Events, written once from the lowest position to the highest, then read as often as one likes.
// Not thread-safe.
class ExportedLog {
 public:
  // Keeps them in a nameless file in `folder`. UNAVAILABLE: none can be made there.
  static absl::StatusOr<ExportedLog> In(const std::string& folder);

  // Adds the event at `position`, later than the last one. An event of another agreement than
  // `agreement_id` (if that is not empty) is hashed and not kept.
  // DATA_LOSS: its bytes are no event, or one that this program does not know; or the order is not
  // the log's. FAILED_PRECONDITION: a newer program wrote it. UNAVAILABLE: the disk.
  absl::Status Add(std::uint64_t position, std::string_view stored,
                   std::string_view agreement_id = {});

  // Events added, and events kept.
  std::uint64_t added() const { return tree_.size(); }
  std::uint64_t kept() const { return kept_; }

  // True if the events added are exactly [0, added()): then Root() is the log's.
  bool gapless() const { return next_ == tree_.size(); }
  store::Hash Root() const { return tree_.Root(); }

  // Reading begins again at the first event kept. No Add after it.
  absl::Status Rewind();

  // The next event kept, until Rewind or Next; null: there are no more. UNAVAILABLE: the disk.
  absl::StatusOr<const ExportedEvent*> Next();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };

  std::unique_ptr<std::FILE, Close> file_;
  store::MerkleFrontier tree_;
  std::uint64_t next_ = 0;  // after the last position added
  std::uint64_t kept_ = 0;
  std::uint64_t unread_ = 0;
  ExportedEvent event_;
};

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXPORTED_LOG_H_
