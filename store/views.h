// The rows that projections compute from the log. All of it can be deleted and computed again, so
// nothing here is synced with a commit: after a crash the rows stand at an earlier cursor, and
// events are folded again from there.
//
//   Views::Write write;
//   write.Put("envelope/7", row);
//   write.PutRequest("body-3", request_id, position);
//   absl::Status status = views->Commit(std::move(write), Cursor{head.next, head.root});
//
// Rows of kGrowingKinds lie in a RocksDB column family of their kind, all others in the default one
// (docs/decisions/0012).
//
// RocksDB keeps a checksum of every block: a flipped bit makes a read fail with DATA_LOSS, never
// give another figure. The caller answers damage by building a new generation from the log, or ends
// and leaves that to the next process (Doubt). What the disk itself reports (no room, an I/O error)
// is UNAVAILABLE, from every call.
#ifndef DENIER_STORE_VIEWS_H_
#define DENIER_STORE_VIEWS_H_

#include <rocksdb/db.h>
#include <rocksdb/file_system.h>

#include <array>
#include <cstddef>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "store/head.h"
#include "store/position.h"

namespace denier::store {

// How far rows have got: the events [0, next) are folded into them, and `root` says of which log.
using Cursor = Head;

// Kinds of rows, what a key begins with before its first '/', of which there are ever more the
// longer a history is. New ones lie in files that need not be merged with those of other rows. On
// disk: a change needs another format of the rows (kRowFormat in projections/books.h).
inline constexpr std::array<std::string_view, 5> kGrowingKinds = {"commitment", "payment",
                                                                  "reversal", "snapshot", "years"};

struct ViewsOptions {
  std::shared_ptr<rocksdb::FileSystem> file_system;  // nullptr is the operating system's own
};

// One generation of rows. Reads from any thread; Commit and Flush from one, the runner.
class Views : public std::enable_shared_from_this<Views> {
 public:
  class Write;
  class Snapshot;

  // Opens the generation in `directory`, or makes an empty one, at the cursor of an empty log
  // (position 0, EmptyRoot()). Memory and time do not grow with the number of rows.
  // DATA_LOSS: damaged; Destroy it and compute its rows again.
  static absl::StatusOr<std::shared_ptr<Views>> Open(const std::string& directory,
                                                     const ViewsOptions& options = {});

  // Opens the generation in `directory`, which must exist, for reading, and changes no file. Commit
  // and Flush are refused. Errors as Open's.
  static absl::StatusOr<std::shared_ptr<Views>> OpenReadOnly(const std::string& directory,
                                                             const ViewsOptions& options = {});

  // Deletes the generation in `directory`, which nobody has open.
  static absl::Status Destroy(const std::string& directory, const ViewsOptions& options = {});

  ~Views();
  Views(const Views&) = delete;
  Views& operator=(const Views&) = delete;

  const std::string& directory() const { return directory_; }

  // As of the last Commit.
  Cursor cursor() const;

  // Puts the rows and the cursor in place in one write: whoever reads sees both or neither. Durable
  // after the next Flush; closing without one loses it.
  // INTERNAL: `cursor` does not advance; nothing was written. DATA_LOSS: damage was met while rows
  // were merged in the background; nothing more can be written.
  absl::Status Commit(Write write, const Cursor& cursor);

  // Makes everything up to cursor() durable. The runner calls it every 200,000 events at the
  // latest, which bounds what a restart has to fold again, and when it stops.
  absl::Status Flush();

  // A row as of now, or nothing. DATA_LOSS: damaged.
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const;

  // The position that a request id of `scope` was given to, or nothing. Behind a Bloom filter: an
  // id that was never seen costs no read of the rows. DATA_LOSS: damaged.
  absl::StatusOr<std::optional<Position>> FindRequest(std::string_view scope,
                                                      std::string_view request_id) const;

  // The same for many at once, in the order in which they are asked for: together they take less
  // than half the time. A request is its scope and its id.
  absl::StatusOr<std::vector<std::optional<std::string>>> GetAll(
      std::span<const std::string> keys) const;
  absl::StatusOr<std::vector<std::optional<Position>>> FindRequests(
      std::span<const std::pair<std::string_view, std::string_view>> requests) const;

  // Reads every block of every file and compares its checksum. DATA_LOSS: the first that differs.
  absl::Status VerifyFiles() const;

  // The rows as they stand now, for a query of more than one.
  Snapshot TakeSnapshot() const;

  // Notes that these rows cannot be trusted: Generations do not open them again.
  absl::Status Doubt() const;

  // The directory is deleted once the last user of this object is gone.
  void DestroyOnClose();

 private:
  friend class Generations;
  enum class Mode { kWrite, kRead };
  Views(std::string directory, const ViewsOptions& options);

  static absl::StatusOr<std::shared_ptr<Views>> Open(const std::string& directory,
                                                     const ViewsOptions& options, Mode mode);
  absl::Status OpenDatabase(Mode mode);
  using Families = std::vector<rocksdb::ColumnFamilyHandle*>;
  rocksdb::ColumnFamilyHandle* FamilyOf(std::string_view key) const;
  Families FamiliesOf(std::string_view prefix) const;
  absl::Status CheckIsThere(const rocksdb::ColumnFamilyHandle* family) const;
  absl::StatusOr<Cursor> ReadCursor(const rocksdb::ReadOptions& options) const;
  absl::StatusOr<std::optional<std::string>> Read(const rocksdb::ReadOptions& options,
                                                  rocksdb::ColumnFamilyHandle* family,
                                                  std::string_view key) const;
  absl::StatusOr<std::vector<std::optional<std::string>>> ReadAll(
      rocksdb::ColumnFamilyHandle* family, std::span<const std::string_view> keys) const;
  absl::StatusOr<Position> ParseRequest(std::string_view row) const;

  const std::string directory_;
  const ViewsOptions options_;
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> db_;
  Families families_;  // all that are there
  rocksdb::ColumnFamilyHandle* rows_ = nullptr;
  // As kGrowingKinds; nullptr: another version made the generation, or it is damaged.
  std::array<rocksdb::ColumnFamilyHandle*, kGrowingKinds.size()> growing_{};
  rocksdb::ColumnFamilyHandle* requests_ = nullptr;
  rocksdb::ColumnFamilyHandle* cursors_ = nullptr;  // one key
  std::promise<void> closed_;                       // kept when the files are let go

  mutable std::mutex mutex_;
  Cursor cursor_;                  // guarded by mutex_
  bool destroy_on_close_ = false;  // guarded by mutex_
};

// What one Commit changes. Of several changes to a row the last one counts.
class Views::Write {
 public:
  void Put(std::string_view key, std::string_view row);
  void PutRequest(std::string_view scope, std::string_view request_id, Position position);

  // Does what `later` would do after this.
  void Append(Write later);

  // The number of changes.
  std::size_t size() const { return rows_.size() + requests_.size(); }

 private:
  friend class Views;
  // Keys and what was put there, in the order of the Puts.
  std::vector<std::pair<std::string, std::string>> rows_;
  std::vector<std::pair<std::string, Position>> requests_;
};

// The rows and the cursor at one moment, unmoved by later commits. Any thread; keeps its Views
// alive. Hold it for a query, not for ever: it keeps superseded rows on disk.
class Views::Snapshot {
 public:
  struct Row {
    std::string key;
    std::string value;

    bool operator==(const Row&) const = default;
  };

  absl::StatusOr<Cursor> cursor() const;
  absl::StatusOr<std::optional<std::string>> Get(std::string_view key) const;

  // Up to `limit` rows whose key begins with `prefix` and comes after `start_after` (empty: from
  // the first on), in the byte order of their keys.
  absl::StatusOr<std::vector<Row>> Scan(std::string_view prefix, std::string_view start_after,
                                        std::size_t limit) const;

  // The last row in that order whose key begins with `prefix` and does not come after `until`,
  // which begins with it, too.
  absl::StatusOr<std::optional<Row>> FindLast(std::string_view prefix,
                                              std::string_view until) const;

  // As Scan, of what PutRequest has put, in an order of its own: keys and values as they are
  // stored, to be compared and not understood.
  absl::StatusOr<std::vector<Row>> ScanRequests(std::string_view start_after,
                                                std::size_t limit) const;

 private:
  absl::StatusOr<std::vector<Row>> ScanFamilies(const Families& families, std::string_view prefix,
                                                std::string_view start_after,
                                                std::size_t limit) const;
  friend class Views;
  explicit Snapshot(std::shared_ptr<const Views> views);

  rocksdb::ReadOptions AtThisMoment() const;

  std::shared_ptr<const Views> views_;
  std::shared_ptr<const rocksdb::Snapshot> snapshot_;
};

// The generations in the folder views/: 000001/, 000002/ ... and CURRENT, which names the one that
// is served. A file DOUBTED is in one that is being opened, or that is not to be opened again. A
// projection is built anew beside the live one and swapped in:
//
//   auto fresh = generations.Start();
//   ... fold the log into **fresh ...
//   generations.Promote(**fresh);
//   generations.DropOthers();
//
// Not thread-safe, the views that it hands out are.
class Generations {
 public:
  explicit Generations(std::string directory, ViewsOptions options = {});

  // The promoted generation; the same object for as long as somebody holds it.
  // NOT_FOUND: no CURRENT, or not one that names a generation. DATA_LOSS: the generation is
  // damaged or doubted, or the process that was to open it died. To both the answer is Start().
  absl::StatusOr<std::shared_ptr<Views>> OpenCurrent();

  // The promoted generation, for reading only: no file is changed, and none is doubted. Errors as
  // OpenCurrent's otherwise.
  absl::StatusOr<std::shared_ptr<Views>> OpenCurrentReadOnly() const;

  // A new, empty generation beside the others, at cursor 0. It counts once it is promoted.
  absl::StatusOr<std::shared_ptr<Views>> Start();

  // Flushes `views`, then makes it the one that OpenCurrent opens. Durable on return.
  // INVALID_ARGUMENT: it is not a generation of this folder.
  absl::Status Promote(Views& views);

  // Deletes every generation but the current one, one that is being built included: a dropped one
  // that is still open here, once its last user is gone.
  // NOT_FOUND: there is no current one; nothing was deleted.
  absl::Status DropOthers();

 private:
  struct Opened {
    std::weak_ptr<Views> views;
    std::shared_future<void> closed;  // its last user may be closing it in another thread
  };

  absl::StatusOr<std::string> CurrentName() const;
  absl::StatusOr<std::vector<std::string>> Names() const;
  absl::StatusOr<std::shared_ptr<Views>> OpenNamed(const std::string& name);
  std::shared_ptr<Views> FindOpen(const std::string& name);
  std::string PathOf(const std::string& name) const { return directory_ + "/" + name; }

  const std::string directory_;
  const ViewsOptions options_;
  const std::shared_ptr<rocksdb::FileSystem> file_system_;
  std::map<std::string, Opened> opened_;  // by name
};

}  // namespace denier::store

#endif  // DENIER_STORE_VIEWS_H_
