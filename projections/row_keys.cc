#include "projections/row_keys.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace denier::projections {
namespace {

// Debian's Abseil has a string_view of its own.
absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

// "/2022": four digits, or more.
class YearText {
 public:
  explicit YearText(int year) {
    if (year < 0 || year > 9999) {
      other_ = absl::StrCat("/", absl::Dec(year, absl::kZeroPad4));
      return;
    }
    for (std::size_t i = usual_.size() - 1; i > 0; --i, year /= 10) {
      usual_[i] = static_cast<char>('0' + year % 10);
    }
  }
  std::string_view view() const {
    return other_.empty() ? std::string_view(usual_.data(), usual_.size()) : other_;
  }

 private:
  std::array<char, 5> usual_{'/'};
  std::string other_;
};

// Takes `part` off the end of `key`. False: that is not how it ends.
bool TakeEnd(std::string_view& key, std::string_view part) {
  if (!key.ends_with(part)) return false;
  key.remove_suffix(part.size());
  return true;
}

}  // namespace

std::string RowName::Key() const {
  const YearText year(fiscal_year_);
  std::array<std::string_view, 6> pieces = {kind_, "/", agreement_id_, "/", id_, year.view()};
  if (parts_ < 4) pieces[5] = {};
  if (parts_ < 3) pieces[3] = pieces[4] = {};
  if (parts_ < 2) pieces[1] = pieces[2] = {};
  std::size_t size = 0;
  for (const std::string_view piece : pieces) size += piece.size();
  std::string key(size, '\0');
  char* to = key.data();
  for (const std::string_view piece : pieces) to = std::ranges::copy(piece, to).out;
  return key;
}

// From the end, where keys of a kind differ.
bool RowName::Is(std::string_view key) const {
  if (parts_ > 3 && !TakeEnd(key, YearText(fiscal_year_).view())) return false;
  if (parts_ > 2 && !(TakeEnd(key, id_) && TakeEnd(key, "/"))) return false;
  if (parts_ > 1 && !(TakeEnd(key, agreement_id_) && TakeEnd(key, "/"))) return false;
  return key == kind_;
}

std::string AgreementPrefix() { return "agreement/"; }
std::string EnvelopePrefix(std::string_view agreement_id) {
  return absl::StrCat("envelope/", View(agreement_id), "/");
}
std::string BalancesPrefix(std::string_view agreement_id, std::string_view envelope_id) {
  return absl::StrCat("balances/", View(agreement_id), "/", View(envelope_id),
                      envelope_id.empty() ? "" : "/");
}
std::string BodyYearPrefix(std::string_view agreement_id) {
  return absl::StrCat("body/", View(agreement_id), "/");
}
std::string CommitmentPrefix(std::string_view agreement_id) {
  return absl::StrCat("commitment/", View(agreement_id), "/");
}
std::string PaymentPrefix(std::string_view agreement_id) {
  return absl::StrCat("payment/", View(agreement_id), "/");
}

std::string AgreementKey(std::string_view agreement_id) { return AgreementRow(agreement_id).Key(); }
std::string EnvelopeKey(std::string_view agreement_id, std::string_view envelope_id) {
  return EnvelopeRow(agreement_id, envelope_id).Key();
}
std::string BalancesKey(std::string_view agreement_id, std::string_view envelope_id,
                        int fiscal_year) {
  return BalancesRow(agreement_id, envelope_id, fiscal_year).Key();
}
std::string BodyYearKey(std::string_view agreement_id, std::string_view body_id, int fiscal_year) {
  return BodyYearRow(agreement_id, body_id, fiscal_year).Key();
}
std::string CommitmentKey(std::string_view agreement_id, std::string_view commitment_id) {
  return CommitmentRow(agreement_id, commitment_id).Key();
}
std::string PaymentKey(std::string_view agreement_id, std::string_view payment_request_id) {
  return PaymentRow(agreement_id, payment_request_id).Key();
}
std::string ReversalKey(std::int64_t position) {
  return absl::StrCat("reversal/", absl::Hex(position, absl::kZeroPad16));
}

std::string SnapshotPrefix(std::string_view agreement_id) {
  return absl::StrCat("snapshot/", View(agreement_id), "/");
}
std::string SnapshotKey(std::string_view agreement_id, store::Position next) {
  return absl::StrCat(SnapshotPrefix(agreement_id), absl::Hex(next, absl::kZeroPad16));
}
std::string YearsSnapshotPrefix(std::string_view agreement_id) {
  return absl::StrCat("years/", View(agreement_id), "/");
}
std::string YearsSnapshotKey(std::string_view agreement_id, store::Position next) {
  return absl::StrCat(YearsSnapshotPrefix(agreement_id), absl::Hex(next, absl::kZeroPad16));
}

bool IsAgreementKey(std::string_view key) { return key.starts_with("agreement/"); }
bool IsEnvelopeKey(std::string_view key) { return key.starts_with("envelope/"); }
bool IsBodyYearKey(std::string_view key) { return key.starts_with("body/"); }
bool IsCommitmentKey(std::string_view key) { return key.starts_with("commitment/"); }
bool IsPaymentKey(std::string_view key) { return key.starts_with("payment/"); }
bool IsReversalKey(std::string_view key) { return key.starts_with("reversal/"); }

int YearOfKey(std::string_view key) {
  const std::string_view digits = key.substr(key.rfind('/') + 1);
  int year = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), year);
  return year;
}

std::string_view BodyOfKey(std::string_view body_year_key) {
  const std::size_t end = body_year_key.rfind('/');
  const std::size_t begin = body_year_key.rfind('/', end - 1) + 1;
  return body_year_key.substr(begin, end - begin);
}

store::Position NextOfKey(std::string_view snapshot_key) {
  const std::string_view digits = snapshot_key.substr(snapshot_key.rfind('/') + 1);
  store::Position next = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), next, 16);
  return next;
}

}  // namespace denier::projections
