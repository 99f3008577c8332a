#include "projections/rows.h"

#include <cassert>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "projections/event_version.h"

namespace denier::projections {
namespace {

using store::Cursor;
using store::Position;
using store::Views;

// One commit folds at most about this much: bounds memory, and how long anybody waits for the
// thread.
constexpr Position kMostEventsPerCommit = 10'000;
constexpr std::size_t kMostBytesPerCommit = std::size_t{16} << 20;
// What a restart has to fold again at most.
constexpr Position kMostUnflushedEvents = 200'000;
// A row that was just made is mostly not asked for again soon, and more of them do not fit the
// processor's caches. Those of one commit stay until it is made, however many they are.
constexpr std::size_t kMostCachedRows = 5'000;

// The meta row: of which format the others are.
constexpr const char* kFormatKey = "format";
std::string FormatRow() { return std::to_string(kRowFormat); }

}  // namespace

Books::RowReader RowsOf(std::shared_ptr<const Views> views) {
  return [views = std::move(views)](const std::string& key) { return views->Get(key); };
}

absl::Status CheckRowFormat(const Views& views) {
  const absl::StatusOr<std::optional<std::string>> format = views.Get(kFormatKey);
  if (!format.ok()) return format.status();
  if (views.cursor().next == 0 || *format == FormatRow()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("they are of format ", format->value_or("(none)"), ", not ", FormatRow()));
}

Rows::Rows(const store::Log& log, std::shared_ptr<Views> views)
    : log_(log),
      views_(std::move(views)),
      next_(views_->cursor().next),
      handed_over_(next_),
      committed_(next_),
      flushed_(next_) {}

RowFold& Rows::fold() {
  if (!fold_.has_value()) fold_.emplace(RowsOf(views_), next_);
  return *fold_;
}

absl::StatusOr<bool> Rows::FoldSome(Position until) {
  if (!reader_.has_value()) reader_.emplace(log_.ReadFrom(next_));
  const Position begun = next_;
  Cursor cursor;
  while (next_ < until && !IsCommitDue()) {
    absl::StatusOr<const store::StoredBatch*> batch = reader_->Next();
    if (!batch.ok()) return batch.status();
    if (*batch == nullptr) break;
    for (const std::string_view bytes : (*batch)->events) {
      if (absl::Status decoded = DecodeEvent(bytes, next_, event_); !decoded.ok()) return decoded;
      if (absl::Status folded = FoldOne(event_, bytes.size()); !folded.ok()) return folded;
    }
    cursor = (*batch)->head;
  }
  if (absl::Status committed = FinishCommit(); !committed.ok()) return committed;
  if (next_ == begun) return false;
  if (IsCommitDue() && next_ < until) {
    // More is likely to follow. Where the system has no thread left, the next call writes them.
    StartCommit(fold_->TakeWrite(), cursor, std::launch::async | std::launch::deferred);
  } else if (absl::Status committed = Commit(cursor); !committed.ok()) {
    return committed;
  }
  if (absl::Status flushed = FlushWhenDue(); !flushed.ok()) return flushed;
  return true;
}

absl::Status Rows::FoldOne(const events::v1::Event& event, std::size_t bytes) {
  absl::Status folded = fold().Fold(event);
  if (!fold_->status().ok()) return OfRows(fold_->status());
  if (!folded.ok()) {
    return absl::DataLossError(
        absl::StrCat("the event at position ", next_, " does not fold: ", folded.message()));
  }
  uncommitted_bytes_ += bytes;
  ++next_;
  return absl::OkStatus();
}

bool Rows::IsCommitDue() const {
  return next_ - handed_over_ >= kMostEventsPerCommit || uncommitted_bytes_ >= kMostBytesPerCommit;
}

absl::Status Rows::Commit(const Cursor& cursor) {
  if (absl::Status finished = FinishCommit(); !finished.ok()) return finished;
  StartCommit(fold().TakeWrite(), cursor, std::launch::deferred);
  return FinishCommit();
}

absl::Status Rows::CommitFolded(Position first, Views::Write write, const Cursor& cursor) {
  if (absl::Status finished = FinishCommit(); !finished.ok()) return finished;
  if (first != next_ || next_ != committed_) {
    return absl::InternalError(absl::StrCat("rows from ", first, " on came to rows that stand at ",
                                            committed_, " and ", next_));
  }
  // They stand still here from now on.
  fold_.reset();
  reader_.reset();
  next_ = cursor.next;
  StartCommit(std::move(write), cursor, std::launch::deferred);
  if (absl::Status finished = FinishCommit(); !finished.ok()) return finished;
  return FlushWhenDue();
}

// Hands over the rows as they are now. No other commit is under way.
void Rows::StartCommit(Views::Write write, const Cursor& cursor, std::launch how) {
  if (handed_over_ == 0) write.Put(kFormatKey, FormatRow());
  committing_ = std::async(how, [views = views_, write = std::move(write), cursor]() mutable {
    return views->Commit(std::move(write), cursor);
  });
  handed_over_ = next_;
  uncommitted_bytes_ = 0;
}

absl::Status Rows::FinishCommit() {
  if (!committing_.valid()) return absl::OkStatus();
  if (absl::Status committed = committing_.get(); !committed.ok()) return OfRows(committed);
  committed_ = handed_over_;
  assert(views_->cursor().next == committed_);
  // None that the rows under way, or later events, touched: they are read from memory alone.
  if (fold_.has_value()) fold_->EvictRows(kMostCachedRows, committed_);
  return absl::OkStatus();
}

absl::Status Rows::Flush() {
  if (absl::Status finished = FinishCommit(); !finished.ok()) return finished;
  if (flushed_ == committed_) return absl::OkStatus();
  if (absl::Status flushed = views_->Flush(); !flushed.ok()) return OfRows(flushed);
  flushed_ = committed_;
  return absl::OkStatus();
}

absl::Status Rows::FlushWhenDue() {
  return next_ - flushed_ >= kMostUnflushedEvents ? Flush() : absl::OkStatus();
}

// What the disk reports is no damage: other rows would meet it too.
absl::Status Rows::OfRows(absl::Status status) {
  rows_at_fault_ = status.code() != absl::StatusCode::kUnavailable;
  return status;
}

}  // namespace denier::projections
