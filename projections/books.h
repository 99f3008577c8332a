// The books: what all events up to some position add up to. One fold (Fold) makes them, for the
// sequencer that decides on them and for the rows that queries read.
//
//   Books books(RowsOf(views));            // rows are read on demand
//   books.Fold(event, position);
//   const v1::Envelope* envelope = books.FindEnvelope("engagement-civique", "coaching-2022");
//   const Balances& year = books.BalancesOf("engagement-civique", "coaching-2022", 2022);
//   year.total(Ledger::kAe, Account::kAvailable);
//
// A row is a resource of denier/v1/resources.proto, or one of denier/views/v1/rows.proto, under a
// key of row_keys.h. Rows that nobody has touched stay where they are stored, so neither start-up
// nor memory grows with history.
//
// Not thread-safe, const calls included: a lookup may load a row. Pointers and references that
// Find* and BalancesOf return hold until the next call of Fold, Rollback or EvictRows.
#ifndef DENIER_PROJECTIONS_BOOKS_H_
#define DENIER_PROJECTIONS_BOOKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/resources.pb.h"
#include "projections/body_year.h"
#include "projections/posting.h"
#include "projections/table.h"
#include "store/position.h"

namespace denier::projections {

// Stored rows of another format are dropped and computed again from the log.
inline constexpr int kRowFormat = 6;

// The balances of one envelope in one budget year, in cents. A balance is a sum of postings.
class Balances {
 public:
  // What a cell of the details is about.
  struct Detail {
    Ledger ledger;
    Basis basis;
    Account account;
    int origin_year;         // 0 when it has none
    std::string product_id;  // empty when it has none

    auto operator<=>(const Detail&) const = default;
  };

  // Sum over all years of origin and products.
  std::int64_t total(Ledger ledger, Account account, Basis basis = Basis::kActual) const {
    return totals_[Index(ledger, basis, account)];
  }
  // Every balance that is not 0, in a fixed order.
  const std::map<Detail, std::int64_t>& details() const { return details_; }

  // Adds one posting. OUT_OF_RANGE: the balance would pass 64 bits; nothing changed.
  absl::Status Add(const Posting& posting);

  std::string Serialize() const;
  bool Parse(const std::string& row);

 private:
  static std::size_t Index(Ledger ledger, Basis basis, Account account) {
    return (static_cast<std::size_t>(ledger) * kBases + static_cast<std::size_t>(basis)) *
               kAccounts +
           static_cast<std::size_t>(account);
  }

  std::array<std::int64_t, kLedgers * kBases * kAccounts> totals_{};
  std::map<Detail, std::int64_t> details_;
};

// An account that would hold less than nothing.
struct Shortfall {
  std::string envelope_id;
  int fiscal_year = 0;
  Ledger ledger = Ledger::kAe;
  Account account = Account::kAvailable;
  std::int64_t have_cents = 0;   // its balance before
  std::int64_t asked_cents = 0;  // what would be taken from it
};

class Books {
 public:
  // Reads a stored row, or nothing when there is none. DATA_LOSS: it is damaged.
  using RowReader =
      std::function<absl::StatusOr<std::optional<std::string>>(const std::string& key)>;

  // Whether every event is folded, in the order of the log.
  enum class History : std::uint8_t {
    kWhole,
    // Some are left out, by their effective day. So a pot may be overdrawn, a line may owe less
    // than nothing, and what an event says of an envelope, a line or a request that is not there is
    // passed over.
    kPartial,
  };

  // Books whose stored rows `reader` reads; without one they begin empty.
  explicit Books(RowReader reader = nullptr, History history = History::kWhole);

  // Folds the event at `position`. Its postings must balance; of a whole history they overdraw
  // nothing, and no line owes less than nothing: what breaks that is a defect of the rules or a
  // damaged log.
  // INTERNAL: such a defect, named. OUT_OF_RANGE: a balance would pass 64 bits. After an error the
  // books are undefined unless Begin was called: Rollback restores them.
  absl::Status Fold(const events::v1::Event& event, store::Position position);

  // For a partial history whose movements somebody has summed up (totals_fold.h) or wants by body
  // alone (years_fold.h): postings, postings to the sums of the bodies alone, and a budget year
  // that entries were made in, as of the event at `position`. OUT_OF_RANGE: a balance would pass 64
  // bits.
  absl::Status PostAll(std::string_view agreement_id, std::span<const Posting> postings,
                       store::Position position);
  absl::Status PostToBodies(std::string_view agreement_id, std::span<const Posting> postings,
                            store::Position position);
  void MarkYear(std::string_view agreement_id, int fiscal_year, store::Position position);

  // From Begin on, Rollback puts everything back as it was; Keep forgets how.
  void Begin();
  void Rollback();
  void Keep();

  // nullptr: unknown.
  const v1::Agreement* FindAgreement(std::string_view agreement_id) const;
  const v1::Envelope* FindEnvelope(std::string_view agreement_id,
                                   std::string_view envelope_id) const;
  const v1::Commitment* FindCommitment(std::string_view agreement_id,
                                       std::string_view commitment_id) const;
  const v1::PaymentRequest* FindPayment(std::string_view agreement_id,
                                        std::string_view payment_request_id) const;
  // Position of the event that reversed the one at `position`; nothing: not reversed.
  std::optional<std::int64_t> ReversalOf(std::int64_t position) const;
  // All zero when nothing has moved there.
  const Balances& BalancesOf(std::string_view agreement_id, std::string_view envelope_id,
                             int fiscal_year) const;

  // The sums of what a body manages; all zero when nothing has moved there.
  const BodyYear& BodyYearOf(std::string_view agreement_id, std::string_view body_id,
                             int fiscal_year) const;

  // The first account that `postings` would overdraw: no pot of credits (available, frozen, held,
  // lapsed, in carry-over) may hold less than nothing. The rules refuse by it, Fold asserts it.
  std::optional<Shortfall> WouldOverdraw(std::string_view agreement_id,
                                         const PostingList& postings) const;

  // True when a balance would pass 64 bits of cents.
  bool WouldOverflow(std::string_view agreement_id, const PostingList& postings) const;

  // Calls `visit` for the rows of an agreement, of its envelopes, of their balances and of their
  // sums by body, with their bytes; ForEachYear for those of the sums and of the agreement alone,
  // without the list of its envelopes.
  using RowVisitor = absl::FunctionRef<void(const std::string& key, const std::string& row)>;
  void ForEachTotal(std::string_view agreement_id, RowVisitor visit) const;
  void ForEachYear(std::string_view agreement_id, RowVisitor visit) const;

  // OK until a stored row could not be read; from then on no lookup can be trusted.
  const absl::Status& status() const { return status_; }

  // Whether the row of a commitment or a payment request is in memory: no reader is needed for it.
  bool Holds(const std::string& key) const { return commitments_.Has(key) || payments_.Has(key); }

  // Calls `put` for each row that changed since the last call, with its bytes.
  void TakeChanges(absl::FunctionRef<void(const std::string& key, const std::string& row)> put);

  // Drops commitments and payments from memory while there are more than `most_rows` of them;
  // the stored rows must hold the events [0, stored), and only rows untouched since are dropped.
  void EvictRows(std::size_t most_rows, store::Position stored);

 private:
  class Registers;  // fold.cc

  template <class Row>
  std::optional<Row> Load(const std::string& key) const;
  void ForEachBodyYear(const v1::Agreement& agreement, RowVisitor visit) const;
  absl::Status CheckCovered(const events::v1::Event& event, const PostingList& postings) const;
  absl::Status Post(const events::v1::Event& event, store::Position position);
  BodyYear* MutableBodyYear(std::string_view agreement_id, std::string_view envelope_id,
                            int fiscal_year, store::Position position);
  absl::Status Register(const events::v1::Event& event, store::Position position);
  auto Tables() {
    return std::tie(agreements_, envelopes_, balances_, body_years_, commitments_, payments_,
                    reversals_);
  }

  RowReader reader_;
  History history_;
  mutable absl::Status status_;
  mutable Table<v1::Agreement> agreements_;
  mutable Table<v1::Envelope> envelopes_;
  mutable Table<Balances> balances_;
  mutable Table<BodyYear> body_years_;
  mutable Table<v1::Commitment> commitments_;
  mutable Table<v1::PaymentRequest> payments_;
  mutable Table<std::int64_t> reversals_;
};

// Lookups within a row; nullptr: none. The rules, the fold and the reports share them.
const v1::CommitmentLineState* FindLine(const v1::Commitment& commitment, std::string_view line_id);
const v1::YearStatus* FindYear(const v1::Agreement& agreement, int fiscal_year);
const v1::Carryover* FindCarryover(const v1::Agreement& agreement, std::string_view carryover_id);
bool IsClosed(const v1::Agreement& agreement, int fiscal_year);

// Year whose CP the request still holds; 0: its year has been closed since, and the hold released.
int HoldYear(const v1::Agreement& agreement, const v1::PaymentRequest& request);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_BOOKS_H_
