// The rows of one generation while events are folded into them: rows and cursor move in one write.
// The runner has it done beside a living log, `denier replay` and `denier verify` from nothing.
//
//   Rows rows(log, views);
//   while (true) {
//     absl::StatusOr<bool> folded = rows.FoldSome();
//     if (!folded.ok() || !*folded) break;
//   }
//
// or, for whoever looks at each event himself and has a reader of his own, FoldOne and Commit.
#ifndef DENIER_PROJECTIONS_ROWS_H_
#define DENIER_PROJECTIONS_ROWS_H_

#include <cstddef>
#include <cstdint>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/row_fold.h"
#include "store/log.h"
#include "store/position.h"
#include "store/views.h"

namespace denier::projections {

// Reads rows of `views` for Books. Keeps it alive.
Books::RowReader RowsOf(std::shared_ptr<const store::Views> views);

// OK: the rows in `views` are of the format that this program writes (none at all are, too).
// FAILED_PRECONDITION: of another one, both are named. DATA_LOSS: it cannot be read.
absl::Status CheckRowFormat(const store::Views& views);

// Not thread-safe.
class Rows {
 public:
  static constexpr store::Position kHead = std::numeric_limits<store::Position>::max();

  // Goes on where `views` stands. `log` must outlive it.
  Rows(const store::Log& log, std::shared_ptr<store::Views> views);

  const std::shared_ptr<store::Views>& views() const { return views_; }

  // The events [0, next()) are folded; in views() are [0, committed()).
  store::Position next() const { return next_; }
  store::Position committed() const { return committed_; }

  // As they are after next() events, committed or not.
  const Books& books() { return fold().books(); }

  // True when the last error was about the stored rows, which can be computed again; otherwise it
  // was about the events, which cannot.
  bool rows_at_fault() const { return rows_at_fault_; }

  // Folds the next batches of the log, `until` at most, and commits them. False: there was none,
  // and all is committed. True: call it again; while there is more to fold and next() is not
  // `until`, the rows of this call are written beside the next one by a thread that it starts.
  // DATA_LOSS: an event does not decode or fold, or the rows are damaged. FAILED_PRECONDITION: a
  // newer program wrote an event. `until` is where a batch ends.
  absl::StatusOr<bool> FoldSome(store::Position until = kHead);

  // Folds the event at next(), in its current form (event_version.h), `bytes` long in the log. It
  // counts once it is committed. Errors as FoldSome's; after one the rows can only be thrown away.
  absl::Status FoldOne(const events::v1::Event& event, std::size_t bytes);

  // True when so much has been folded since the last commit that it is time for the next.
  bool IsCommitDue() const;

  // Commits what was folded since the last time. `cursor` stands at next().
  absl::Status Commit(const store::Cursor& cursor);

  // Commits what somebody else has folded from the events [first, cursor.next). INTERNAL: `first`
  // is not next(), or something that was folded here is not committed.
  absl::Status CommitFolded(store::Position first, store::Views::Write write,
                            const store::Cursor& cursor);

  // Makes what was committed durable.
  absl::Status Flush();

 private:
  RowFold& fold();
  void StartCommit(store::Views::Write write, const store::Cursor& cursor, std::launch how);
  absl::Status FinishCommit();
  absl::Status FlushWhenDue();
  absl::Status OfRows(absl::Status status);

  const store::Log& log_;
  const std::shared_ptr<store::Views> views_;
  // Both made when they are first needed: rows that somebody else folds need neither.
  std::optional<RowFold> fold_;
  std::optional<store::Log::Reader> reader_;
  events::v1::Event event_;  // one, reused: a fresh one each time costs half the speed
  store::Position next_;
  store::Position handed_over_;  // up to here to a commit, the last of which may be under way
  store::Position committed_;
  store::Position flushed_;
  std::size_t uncommitted_bytes_ = 0;
  bool rows_at_fault_ = false;
  std::future<absl::Status> committing_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_ROWS_H_
