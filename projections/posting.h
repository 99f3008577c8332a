// How an event moves money: written here, and nowhere else.
//
// An event becomes balanced postings between budget accounts. There are three ledgers, never
// netted: AE, CP, and OUTSTANDING (restes à payer: what is engaged and not yet paid or given up).
// Within one envelope, year, ledger and basis the postings of an event sum to zero; Books asserts
// it each time. Balances, the "available" that the rules read, every report and every export are
// sums of postings.
//
// Sign: what an envelope holds or has used is positive (available, frozen, engaged, paid, lapsed,
// outstanding, ...); where it came from is negative (source, imported, carried_in).
#ifndef DENIER_PROJECTIONS_POSTING_H_
#define DENIER_PROJECTIONS_POSTING_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/container/inlined_vector.h"
#include "denier/events/v1/event.pb.h"

namespace denier::projections {

enum class Ledger : std::uint8_t { kAe, kCp, kOutstanding };
inline constexpr std::size_t kLedgers = 3;

// What is planned is kept apart from what is executed.
enum class Basis : std::uint8_t { kActual, kPlanned };
inline constexpr std::size_t kBases = 2;

// The numbers reach disk in `views/`: a change needs a new kRowFormat (books.h).
enum class Account : std::uint8_t {
  kSource,              // opened by an act (negative)
  kImported,            // executed before the agreement (negative)
  kCarriedIn,           // carried over from the year before (negative)
  kTransferred,         // clearing: redéploiement between envelopes
  kEarly,               // engaged early, credits not yet opened (negative)
  kAvailable,           // disponible
  kFrozen,              // mis en réserve
  kCarryoverRequested,  // report demandé, undecided
  kCarryoverGranted,    // report accordé, not yet made available
  kCarriedOut,          // carried over to the next year
  kEngaged,             // engagé
  kHeld,                // held by payment requests
  kPaid,                // payé
  kWithdrawn,           // retraits on lines of the year (negative in AE)
  kWithdrawnPrior,      // retraits on older lines (negative in AE)
  kUnavailable,         // AE rendered unavailable by withdrawals on older lines
  kReimputed,           // clearing: réimputation of an entry of an earlier year
  kCancelled,           // annulé by decree
  kLapsed,              // tombé
  kOutstanding,         // reste à payer
  kCorrected,           // travaux de fin de gestion
};
inline constexpr std::size_t kAccounts = 21;

// Stable snake_case names, for reports.
std::string_view Name(Ledger ledger);
std::string_view Name(Account account);

// One leg. The string views point into the event that it came from.
struct Posting {
  std::string_view envelope_id;
  int fiscal_year = 0;
  Ledger ledger = Ledger::kAe;
  Basis basis = Basis::kActual;
  Account account = Account::kSource;
  int origin_year = 0;               // year of origin of the commitment line; 0 when it has none
  std::string_view product_id = {};  // empty when it has none
  std::int64_t cents = 0;
};
using PostingList = absl::InlinedVector<Posting, 8>;

// The postings of `event`; none for facts that move no money. `event` must outlive them.
// Any thread. Pure: depends on `event` alone.
PostingList Postings(const events::v1::Event& event);

// An amount of the facts that come by the million, and all that decides where it is posted: for
// whoever reads these fields of an event alone (movement.h). What is posted is proportional to the
// amount, so that of amounts that differ in nothing else the sum may be posted instead.
struct MovedAmount {
  enum class Kind : std::uint8_t { kEngaged, kEngagedEarly, kRequested, kPaid };
  Kind kind = Kind::kEngaged;
  bool late = false;  // has a LateEntry
  int fiscal_year = 0;
  int origin_year = 0;                       // of a payment's line
  int hold_year = 0;                         // of a payment
  std::string_view envelope_id = {};         // of the line; empty of a request
  std::string_view paying_envelope_id = {};  // of a request and a payment
  std::string_view product_id = {};
  std::int64_t cents = 0;
};

// Adds what Postings makes of it to `list`, which the amount's text must outlive.
void Post(const MovedAmount& amount, PostingList& list);

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_POSTING_H_
