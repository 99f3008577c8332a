#include "projections/books.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "denier/views/v1/rows.pb.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

bool ParseRow(const std::string& bytes, Balances& row) { return row.Parse(bytes); }
bool ParseRow(const std::string& bytes, BodyYear& row) { return row.Parse(bytes); }
bool ParseRow(const std::string& bytes, std::int64_t& reversed_by) {
  views::v1::Reversal row;
  if (!row.ParseFromString(bytes)) return false;
  reversed_by = row.position();
  return true;
}
template <class Resource>
bool ParseRow(const std::string& bytes, Resource& row) {
  return row.ParseFromString(bytes);
}

std::string SerializeRow(const Balances& row) { return row.Serialize(); }
std::string SerializeRow(const BodyYear& row) { return row.Serialize(); }
std::string SerializeRow(const std::int64_t& reversed_by) {
  views::v1::Reversal row;
  row.set_position(reversed_by);
  return row.SerializeAsString();
}
template <class Resource>
std::string SerializeRow(const Resource& row) {
  return row.SerializeAsString();
}

// Pots of credits: they may be empty, never less.
bool MayNotBeOverdrawn(Account account) {
  switch (account) {
    case Account::kAvailable:
    case Account::kFrozen:
    case Account::kCarryoverRequested:
    case Account::kCarryoverGranted:
    case Account::kHeld:
    case Account::kUnavailable:
    case Account::kLapsed:
      return true;
    case Account::kSource:
    case Account::kImported:
    case Account::kCarriedIn:
    case Account::kTransferred:
    case Account::kEarly:
    case Account::kCarriedOut:
    case Account::kEngaged:
    case Account::kPaid:
    case Account::kWithdrawn:
    case Account::kWithdrawnPrior:
    case Account::kReimputed:
    case Account::kCancelled:
    case Account::kOutstanding:
    case Account::kCorrected:
      return false;
  }
  return false;
}

bool SameYear(const Posting& a, const Posting& b) {
  return a.fiscal_year == b.fiscal_year && a.envelope_id == b.envelope_id;
}
bool SamePlace(const Posting& a, const Posting& b) {
  return SameYear(a, b) && a.ledger == b.ledger && a.basis == b.basis;
}

// Adds each posting to the row of its envelope and year, which `row_of` finds; nullptr: to none.
// The postings of one row mostly follow each other.
template <class RowOf>
absl::Status AddToRows(std::span<const Posting> postings, RowOf row_of) {
  decltype(row_of(postings.front())) row = nullptr;
  const Posting* before = nullptr;
  for (const Posting& posting : postings) {
    if (before == nullptr || !SameYear(*before, posting)) row = row_of(posting);
    before = &posting;
    if (row == nullptr) continue;
    if (absl::Status added = row->Add(posting); !added.ok()) return added;
  }
  return absl::OkStatus();
}

// The legs of one place stand together in a list and sum to zero.
absl::Status CheckBalanced(const PostingList& postings) {
  absl::int128 sum = 0;
  for (std::size_t i = 0; i < postings.size(); ++i) {
    sum += postings[i].cents;
    const bool last = i + 1 == postings.size() || !SamePlace(postings[i], postings[i + 1]);
    if (last && sum != 0) {
      return absl::InternalError(absl::StrCat("postings do not balance in ledger ",
                                              std::string(Name(postings[i].ledger)), " of ",
                                              std::string(postings[i].envelope_id)));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Balances::Add(const Posting& posting) {
  std::int64_t& total = totals_[Index(posting.ledger, posting.basis, posting.account)];
  if (__builtin_add_overflow(total, posting.cents, &total)) {
    return absl::OutOfRangeError("a balance would pass 64 bits of cents");
  }
  auto [it, added] =
      details_.try_emplace(Detail{posting.ledger, posting.basis, posting.account,
                                  posting.origin_year, std::string(posting.product_id)},
                           0);
  if (__builtin_add_overflow(it->second, posting.cents, &it->second)) {
    return absl::OutOfRangeError("a balance would pass 64 bits of cents");
  }
  if (it->second == 0) details_.erase(it);
  return absl::OkStatus();
}

std::string Balances::Serialize() const {
  // One, reused, for its cells: rows of balances are written more often than all others.
  static thread_local views::v1::EnvelopeYear row;
  row.Clear();
  for (const auto& [detail, cents] : details_) {
    auto* cell = row.add_cells();
    cell->set_ledger(static_cast<int>(detail.ledger));
    cell->set_basis(static_cast<int>(detail.basis));
    cell->set_account(static_cast<int>(detail.account));
    cell->set_origin_year(detail.origin_year);
    cell->set_product_id(detail.product_id);
    cell->set_cents(cents);
  }
  return row.SerializeAsString();
}

bool Balances::Parse(const std::string& bytes) {
  views::v1::EnvelopeYear row;
  if (!row.ParseFromString(bytes)) return false;
  *this = Balances();
  const auto below = [](int value, std::size_t count) {
    return value >= 0 && static_cast<std::size_t>(value) < count;
  };
  for (const auto& cell : row.cells()) {
    if (!below(cell.ledger(), kLedgers) || !below(cell.basis(), kBases) ||
        !below(cell.account(), kAccounts)) {
      return false;
    }
    Posting posting;
    posting.ledger = static_cast<Ledger>(cell.ledger());
    posting.basis = static_cast<Basis>(cell.basis());
    posting.account = static_cast<Account>(cell.account());
    posting.origin_year = cell.origin_year();
    posting.product_id = cell.product_id();
    posting.cents = cell.cents();
    if (!Add(posting).ok()) return false;
  }
  return true;
}

Books::Books(RowReader reader, History history) : reader_(std::move(reader)), history_(history) {}

template <class Row>
std::optional<Row> Books::Load(const std::string& key) const {
  if (reader_ == nullptr || !status_.ok()) return std::nullopt;
  absl::StatusOr<std::optional<std::string>> bytes = reader_(key);
  if (!bytes.ok()) {
    status_ = bytes.status();
    return std::nullopt;
  }
  if (!bytes->has_value()) return std::nullopt;
  Row row{};
  if (!ParseRow(**bytes, row)) {
    status_ = absl::DataLossError(absl::StrCat("the row ", key, " does not decode"));
    return std::nullopt;
  }
  return row;
}

// fold.cc loads rows too.
template std::optional<v1::Agreement> Books::Load(const std::string& key) const;
template std::optional<v1::Envelope> Books::Load(const std::string& key) const;
template std::optional<BodyYear> Books::Load(const std::string& key) const;
template std::optional<v1::Commitment> Books::Load(const std::string& key) const;
template std::optional<v1::PaymentRequest> Books::Load(const std::string& key) const;
template std::optional<std::int64_t> Books::Load(const std::string& key) const;

const v1::Agreement* Books::FindAgreement(std::string_view agreement_id) const {
  return agreements_.Find(AgreementRow(agreement_id),
                          [this](const std::string& key) { return Load<v1::Agreement>(key); });
}

const v1::Envelope* Books::FindEnvelope(std::string_view agreement_id,
                                        std::string_view envelope_id) const {
  return envelopes_.Find(EnvelopeRow(agreement_id, envelope_id),
                         [this](const std::string& key) { return Load<v1::Envelope>(key); });
}

const v1::Commitment* Books::FindCommitment(std::string_view agreement_id,
                                            std::string_view commitment_id) const {
  return commitments_.Find(CommitmentRow(agreement_id, commitment_id),
                           [this](const std::string& key) { return Load<v1::Commitment>(key); });
}

const v1::PaymentRequest* Books::FindPayment(std::string_view agreement_id,
                                             std::string_view payment_request_id) const {
  return payments_.Find(PaymentRow(agreement_id, payment_request_id),
                        [this](const std::string& key) { return Load<v1::PaymentRequest>(key); });
}

std::optional<std::int64_t> Books::ReversalOf(std::int64_t position) const {
  const std::int64_t* reversed_by =
      reversals_.Find(RowName(ReversalKey(position)),
                      [this](const std::string& key) { return Load<std::int64_t>(key); });
  return reversed_by == nullptr ? std::nullopt : std::optional<std::int64_t>(*reversed_by);
}

const Balances& Books::BalancesOf(std::string_view agreement_id, std::string_view envelope_id,
                                  int fiscal_year) const {
  static const Balances kNothing;
  const Balances* found =
      balances_.Find(BalancesRow(agreement_id, envelope_id, fiscal_year),
                     [this](const std::string& key) { return Load<Balances>(key); });
  return found == nullptr ? kNothing : *found;
}

const BodyYear& Books::BodyYearOf(std::string_view agreement_id, std::string_view body_id,
                                  int fiscal_year) const {
  static const BodyYear kNothing;
  const BodyYear* found =
      body_years_.Find(BodyYearRow(agreement_id, body_id, fiscal_year),
                       [this](const std::string& key) { return Load<BodyYear>(key); });
  return found == nullptr ? kNothing : *found;
}

void Books::ForEachYear(std::string_view agreement_id, RowVisitor visit) const {
  const v1::Agreement* agreement = FindAgreement(agreement_id);
  if (agreement == nullptr) return;
  v1::Agreement without_envelopes = *agreement;
  without_envelopes.clear_envelope_ids();
  visit(AgreementKey(agreement_id), SerializeRow(without_envelopes));
  ForEachBodyYear(*agreement, visit);
}

void Books::ForEachBodyYear(const v1::Agreement& agreement, RowVisitor visit) const {
  for (const std::string& body_id :
       {agreement.delegating_body().body_id(), agreement.managing_body().body_id()}) {
    for (const v1::YearStatus& year : agreement.years()) {
      const RowName name = BodyYearRow(agreement.agreement_id(), body_id, year.fiscal_year());
      const BodyYear* sums =
          body_years_.Find(name, [this](const std::string& key) { return Load<BodyYear>(key); });
      if (sums != nullptr) visit(name.Key(), SerializeRow(*sums));
    }
  }
}

void Books::ForEachTotal(std::string_view agreement_id, RowVisitor visit) const {
  const v1::Agreement* agreement = FindAgreement(agreement_id);
  if (agreement == nullptr) return;
  visit(AgreementKey(agreement_id), SerializeRow(*agreement));
  ForEachBodyYear(*agreement, visit);
  for (const std::string& envelope_id : agreement->envelope_ids()) {
    if (const v1::Envelope* envelope = FindEnvelope(agreement_id, envelope_id)) {
      visit(EnvelopeKey(agreement_id, envelope_id), SerializeRow(*envelope));
    }
    for (const v1::YearStatus& year : agreement->years()) {
      const RowName name = BalancesRow(agreement_id, envelope_id, year.fiscal_year());
      const Balances* balances =
          balances_.Find(name, [this](const std::string& key) { return Load<Balances>(key); });
      if (balances != nullptr) visit(name.Key(), SerializeRow(*balances));
    }
  }
}

std::optional<Shortfall> Books::WouldOverdraw(std::string_view agreement_id,
                                              const PostingList& postings) const {
  // An account may have several legs: only their sum counts.
  absl::InlinedVector<const Posting*, 8> guarded;
  for (const Posting& posting : postings) {
    if (posting.basis == Basis::kActual && MayNotBeOverdrawn(posting.account)) {
      guarded.push_back(&posting);
    }
  }
  const auto key = [](const Posting* posting) {
    return std::tie(posting->envelope_id, posting->fiscal_year, posting->ledger, posting->account);
  };
  std::stable_sort(guarded.begin(), guarded.end(),
                   [&](const Posting* a, const Posting* b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < guarded.size();) {
    const Posting& first = *guarded[i];
    absl::int128 change = 0;
    for (; i < guarded.size() && key(guarded[i]) == key(&first); ++i) change += guarded[i]->cents;
    if (change >= 0) continue;
    const std::int64_t have = BalancesOf(agreement_id, first.envelope_id, first.fiscal_year)
                                  .total(first.ledger, first.account);
    if (have + change < 0) {
      return Shortfall{
          std::string(first.envelope_id),    first.fiscal_year, first.ledger, first.account, have,
          static_cast<std::int64_t>(-change)};
    }
  }
  return std::nullopt;
}

bool Books::WouldOverflow(std::string_view agreement_id, const PostingList& postings) const {
  // Half of what fits: no event moves the other half, since its amounts are bounded
  // (rules/form.cc).
  constexpr std::int64_t kMost = std::int64_t{1} << 62;
  const auto beyond = [](std::int64_t total) { return total > kMost || total < -kMost; };
  const Balances* balances = nullptr;
  const BodyYear* sums = nullptr;
  const Posting* before = nullptr;
  for (const Posting& posting : postings) {
    if (before == nullptr || !SameYear(*before, posting)) {
      const v1::Envelope* envelope = FindEnvelope(agreement_id, posting.envelope_id);
      balances = &BalancesOf(agreement_id, posting.envelope_id, posting.fiscal_year);
      sums = envelope == nullptr
                 ? nullptr
                 : &BodyYearOf(agreement_id, envelope->managing_body_id(), posting.fiscal_year);
    }
    before = &posting;
    if (beyond(balances->total(posting.ledger, posting.account, posting.basis)) ||
        (sums != nullptr && beyond(sums->total(posting.ledger, posting.account, posting.basis)))) {
      return true;
    }
  }
  return false;
}

absl::Status Books::CheckCovered(const events::v1::Event& event,
                                 const PostingList& postings) const {
  const std::optional<Shortfall> short_of = WouldOverdraw(event.agreement_id(), postings);
  if (!short_of.has_value()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(
      "event would overdraw ", std::string(Name(short_of->ledger)), " ",
      std::string(Name(short_of->account)), " of ", short_of->envelope_id, " in ",
      short_of->fiscal_year, ": ", short_of->asked_cents, " of ", short_of->have_cents));
}

absl::Status Books::Post(const events::v1::Event& event, store::Position position) {
  const PostingList postings = Postings(event);
  if (absl::Status balanced = CheckBalanced(postings); !balanced.ok()) return balanced;
  if (history_ == History::kWhole) {
    if (absl::Status covered = CheckCovered(event, postings); !covered.ok()) return covered;
  }
  return PostAll(event.agreement_id(), postings, position);
}

absl::Status Books::PostAll(std::string_view agreement_id, std::span<const Posting> postings,
                            store::Position position) {
  const auto row_of = [&](const Posting& posting) {
    return &balances_.Mutable(BalancesRow(agreement_id, posting.envelope_id, posting.fiscal_year),
                              position,
                              [this](const std::string& key) { return Load<Balances>(key); });
  };
  if (absl::Status added = AddToRows(postings, row_of); !added.ok()) return added;
  return PostToBodies(agreement_id, postings, position);
}

absl::Status Books::PostToBodies(std::string_view agreement_id, std::span<const Posting> postings,
                                 store::Position position) {
  absl::Status status;
  const auto row_of = [&](const Posting& posting) {
    BodyYear* const sums =
        MutableBodyYear(agreement_id, posting.envelope_id, posting.fiscal_year, position);
    if (sums == nullptr && history_ == History::kWhole) {
      status = absl::InternalError(
          absl::StrCat("no envelope ", std::string(posting.envelope_id), " to post to"));
    }
    return sums;
  };
  if (absl::Status added = AddToRows(postings, row_of); !added.ok()) return added;
  return status;
}

// nullptr: there is no such envelope.
BodyYear* Books::MutableBodyYear(std::string_view agreement_id, std::string_view envelope_id,
                                 int fiscal_year, store::Position position) {
  const v1::Envelope* envelope = FindEnvelope(agreement_id, envelope_id);
  if (envelope == nullptr) return nullptr;
  return &body_years_.Mutable(BodyYearRow(agreement_id, envelope->managing_body_id(), fiscal_year),
                              position,
                              [this](const std::string& key) { return Load<BodyYear>(key); });
}

absl::Status Books::Fold(const events::v1::Event& event, store::Position position) {
  if (absl::Status posted = Post(event, position); !posted.ok()) return posted;
  if (absl::Status entered = Register(event, position); !entered.ok()) return entered;
  return status_;
}

void Books::Begin() {
  std::apply([](auto&... table) { (table.Begin(), ...); }, Tables());
}
void Books::Rollback() {
  std::apply([](auto&... table) { (table.Rollback(), ...); }, Tables());
}
void Books::Keep() {
  std::apply([](auto&... table) { (table.Keep(), ...); }, Tables());
}

void Books::TakeChanges(
    absl::FunctionRef<void(const std::string& key, const std::string& row)> put) {
  const auto take = [&](auto& table) {
    table.TakeChanges(
        [&](const std::string& key, const auto& row) { put(key, SerializeRow(row)); });
  };
  std::apply([&](auto&... table) { (take(table), ...); }, Tables());
}

void Books::EvictRows(std::size_t most_rows, store::Position stored) {
  commitments_.Evict(most_rows, stored);
  payments_.Evict(most_rows, stored);
  reversals_.Evict(most_rows, stored);
}

const v1::CommitmentLineState* FindLine(const v1::Commitment& commitment,
                                        std::string_view line_id) {
  const auto it = std::ranges::find(commitment.lines(), line_id, &v1::CommitmentLineState::line_id);
  return it == commitment.lines().end() ? nullptr : &*it;
}

const v1::YearStatus* FindYear(const v1::Agreement& agreement, int fiscal_year) {
  const auto it = std::ranges::find(agreement.years(), fiscal_year, &v1::YearStatus::fiscal_year);
  return it == agreement.years().end() ? nullptr : &*it;
}

const v1::Carryover* FindCarryover(const v1::Agreement& agreement, std::string_view carryover_id) {
  const auto it =
      std::ranges::find(agreement.carryovers(), carryover_id, &v1::Carryover::carryover_id);
  return it == agreement.carryovers().end() ? nullptr : &*it;
}

bool IsClosed(const v1::Agreement& agreement, int fiscal_year) {
  const v1::YearStatus* year = FindYear(agreement, fiscal_year);
  return year != nullptr && year->closed();
}

int HoldYear(const v1::Agreement& agreement, const v1::PaymentRequest& request) {
  const v1::YearStatus* year = FindYear(agreement, request.hold_year());
  const int closings = year == nullptr ? 0 : year->closings();
  return closings == request.hold_closings() ? request.hold_year() : 0;
}

}  // namespace denier::projections
