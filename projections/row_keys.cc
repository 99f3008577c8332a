#include "projections/row_keys.h"

#include <charconv>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace denier::projections {
namespace {

// Debian's Abseil has a string_view of its own.
absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

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

std::string AgreementKey(std::string_view agreement_id) {
  return absl::StrCat("agreement/", View(agreement_id));
}
std::string EnvelopeKey(std::string_view agreement_id, std::string_view envelope_id) {
  return absl::StrCat("envelope/", View(agreement_id), "/", View(envelope_id));
}
std::string BalancesKey(std::string_view agreement_id, std::string_view envelope_id,
                        int fiscal_year) {
  return absl::StrCat("balances/", View(agreement_id), "/", View(envelope_id), "/",
                      absl::Dec(fiscal_year, absl::kZeroPad4));
}
std::string BodyYearKey(std::string_view agreement_id, std::string_view body_id, int fiscal_year) {
  return absl::StrCat("body/", View(agreement_id), "/", View(body_id), "/",
                      absl::Dec(fiscal_year, absl::kZeroPad4));
}
std::string CommitmentKey(std::string_view agreement_id, std::string_view commitment_id) {
  return absl::StrCat("commitment/", View(agreement_id), "/", View(commitment_id));
}
std::string PaymentKey(std::string_view agreement_id, std::string_view payment_request_id) {
  return absl::StrCat("payment/", View(agreement_id), "/", View(payment_request_id));
}
std::string ReversalKey(std::int64_t position) {
  return absl::StrCat("reversal/", absl::Hex(position, absl::kZeroPad16));
}

std::string ProgressKey(std::string_view agreement_id) {
  return absl::StrCat("progress/", View(agreement_id));
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
