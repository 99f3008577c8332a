// Events folded into books, and with the books the rows that they change: what the one writer and
// whoever makes rows from the log (rows.h) have in common.
//
//   RowFold fold(RowsOf(views), views->cursor().next);
//   fold.Fold(event);                      // as often as wanted
//   views->Commit(fold.TakeWrite(), cursor);
#ifndef DENIER_PROJECTIONS_ROW_FOLD_H_
#define DENIER_PROJECTIONS_ROW_FOLD_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "denier/events/v1/event.pb.h"
#include "projections/books.h"
#include "projections/table.h"
#include "store/position.h"
#include "store/views.h"

namespace denier::projections {

// Not thread-safe; the const functions of its books are not either.
class RowFold {
 public:
  // Goes on from the rows that `reader` reads, which hold the events [0, next). Not nullptr.
  RowFold(Books::RowReader reader, store::Position next);

  // As they are after the events [0, next()).
  const Books& books() const { return books_; }
  store::Position next() const { return next_; }

  // Folds the event at next(), in its current form (event_version.h): rows, the request that it
  // binds, and what is snapshot at certain events. After an error next() stays. Errors as Books::
  // Fold's; and where status() is not OK any more, it was a stored row that could not be read.
  absl::Status Fold(const events::v1::Event& event);

  // OK until a stored row could not be read; from then on nothing here can be trusted.
  const absl::Status& status() const { return status_.ok() ? books_.status() : status_; }

  // From Begin on, Rollback puts everything back as it was; Keep forgets how.
  void Begin();
  void Rollback();
  void Keep();

  // What the events since the last call have changed, as it is now. Not between Begin and Keep or
  // Rollback.
  store::Views::Write TakeWrite();

  // As Books::EvictRows.
  void EvictRows(std::size_t most_rows, store::Position stored) {
    books_.EvictRows(most_rows, stored);
  }

 private:
  void Count(const events::v1::Event& event);

  Books::RowReader reader_;
  Books books_;
  Table<std::int64_t> progress_;  // events of each agreement so far
  store::Views::Write write_;
  absl::Status status_;
  store::Position next_;
  // When Begin was called.
  store::Views::Write write_before_;
  store::Position next_before_ = 0;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_ROW_FOLD_H_
