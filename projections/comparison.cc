#include "projections/comparison.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "denier/v1/query_service.pb.h"
#include "denier/v1/resources.pb.h"
#include "projections/reports.h"
#include "projections/row_keys.h"

namespace denier::projections {
namespace {

using store::Views;
using Row = Views::Snapshot::Row;
using Scan = std::function<absl::StatusOr<std::vector<Row>>(std::string_view start_after,
                                                            std::size_t limit)>;

constexpr std::size_t kRowsPerScan = 1'000;
// As many as the service lists in the report of an envelope.
constexpr int kMostInEnvelopeReport = 10'000;

// One side of a comparison: rows in the order of their keys, read piece by piece.
class RowStream {
 public:
  explicit RowStream(Scan scan) : scan_(std::move(scan)) {}

  // nullptr: no more. DATA_LOSS: the next one cannot be read.
  absl::StatusOr<const Row*> Peek() {
    if (next_ == rows_.size() && !ended_) {
      absl::StatusOr<std::vector<Row>> more =
          scan_(rows_.empty() ? "" : rows_.back().key, kRowsPerScan);
      if (!more.ok()) return more.status();
      ended_ = more->size() < kRowsPerScan;
      rows_ = *std::move(more);
      next_ = 0;
    }
    return next_ == rows_.size() ? nullptr : &rows_[next_];
  }
  void Skip() { ++next_; }

 private:
  Scan scan_;
  std::vector<Row> rows_;
  std::size_t next_ = 0;
  bool ended_ = false;
};

absl::StatusOr<Comparison> Compare(Scan stored_rows, Scan fresh_rows) {
  RowStream stored(std::move(stored_rows));
  RowStream fresh(std::move(fresh_rows));
  Comparison comparison;
  while (true) {
    absl::StatusOr<const Row*> b = fresh.Peek();
    if (!b.ok()) return b.status();
    const Row* a = nullptr;
    if (comparison.stored_damage.ok()) {
      absl::StatusOr<const Row*> peeked = stored.Peek();
      comparison.stored_damage = peeked.status();
      if (peeked.ok()) a = *peeked;
    }
    if (a == nullptr && *b == nullptr) {
      if (!comparison.stored_damage.ok() && comparison.first_difference.empty()) {
        comparison.first_difference = "(beyond the last row)";
      }
      return comparison;
    }
    const bool only_stored = *b == nullptr || (a != nullptr && a->key < (*b)->key);
    const bool only_fresh = !only_stored && (a == nullptr || (*b)->key < a->key);
    const bool equal = !only_stored && !only_fresh && *a == **b;
    if (!equal && comparison.first_difference.empty()) {
      comparison.first_difference = only_stored ? a->key : (*b)->key;
    }
    if (equal) ++comparison.equal;
    if (!only_stored) ++comparison.compared;
    if (!only_stored) fresh.Skip();
    if (!only_fresh) stored.Skip();
  }
}

// Adds the rows below `prefix` that `keep` keeps, as many as a report lists.
template <class Row>
absl::Status AddAll(const QueryRows& rows, const std::string& prefix,
                    absl::FunctionRef<bool(const Row&)> keep,
                    google::protobuf::RepeatedPtrField<Row>& list) {
  std::string after;
  while (true) {
    const absl::StatusOr<std::vector<QueryRows::Row>> some = rows.Scan(prefix, after, kRowsPerScan);
    if (!some.ok()) return some.status();
    for (const QueryRows::Row& stored : *some) {
      Row row;
      if (!row.ParseFromString(stored.value)) {
        return absl::DataLossError(absl::StrCat("the row ", stored.key, " does not decode"));
      }
      if (!keep(row)) continue;
      if (list.size() == kMostInEnvelopeReport) return absl::OkStatus();
      *list.Add() = std::move(row);
    }
    if (some->size() < kRowsPerScan) return absl::OkStatus();
    after = some->back().key;
  }
}

absl::StatusOr<v1::GetManagedEnvelopeResponse> ManagedEnvelope(const QueryRows& rows,
                                                               const AgreementRows& agreement,
                                                               const EnvelopeRows& envelope) {
  v1::GetManagedEnvelopeResponse report;
  const std::string& agreement_id = agreement.agreement.agreement_id();
  const std::string& envelope_id = envelope.envelope.envelope_id();
  *report.mutable_envelope() = envelope.envelope;
  const auto years = EnvelopeExecution(agreement.agreement, envelope);
  if (!years.ok()) return years.status();
  report.mutable_years()->Add(years->begin(), years->end());
  absl::Status added = AddAll<v1::Commitment>(
      rows, CommitmentPrefix(agreement_id),
      [&](const v1::Commitment& commitment) {
        return std::ranges::any_of(commitment.lines(), [&](const auto& line) {
          return line.envelope_id() == envelope_id;
        });
      },
      *report.mutable_commitments());
  if (added.ok()) {
    added = AddAll<v1::PaymentRequest>(
        rows, PaymentPrefix(agreement_id),
        [&](const v1::PaymentRequest& payment) {
          return payment.paying_envelope_id() == envelope_id;
        },
        *report.mutable_payment_requests());
  }
  if (!added.ok()) return added;
  return report;
}

// The bytes of the reports of an agreement by their names; of one that cannot be made, why.
using Reports = std::map<std::string, std::string>;

Reports ReportsOf(const QueryRows& rows, const std::string& agreement_id) {
  Reports reports;
  const auto add = [&](absl::string_view name, const auto& report) {
    reports[absl::StrCat(agreement_id, " ", name)] =
        report.ok() ? report->SerializeAsString()
                    : absl::StrCat("cannot be made: ", report.status().ToString());
  };
  const absl::StatusOr<AgreementRows> agreement = ReadAgreement(rows, agreement_id);
  if (!agreement.ok()) {
    add("agreement", absl::StatusOr<v1::Agreement>(agreement.status()));
    return reports;
  }
  add("agreement", absl::StatusOr<v1::Agreement>(agreement->agreement));
  const absl::StatusOr<YearRows> years = ReadYears(rows, agreement_id);
  add("yearly-execution", years.ok() ? YearlyExecution(*years) : years.status());
  for (const v1::Agreement& of = agreement->agreement;
       const std::string& body : {of.delegating_body().body_id(), of.managing_body().body_id()}) {
    add(absl::StrCat("yearly-execution --body ", body), YearlyExecution(*agreement, body));
  }
  add("outstanding", Outstanding(*agreement));
  add("products", ProductBudgets(*agreement));
  add("follow-up", PaymentFollowUp(*agreement));
  add("trial-balance", TrialBalance(*agreement));
  for (const EnvelopeRows& envelope : agreement->envelopes) {
    add(absl::StrCat("envelope ", envelope.envelope.envelope_id()),
        ManagedEnvelope(rows, *agreement, envelope));
  }
  return reports;
}

absl::StatusOr<std::set<std::string>> AgreementsIn(const QueryRows& rows) {
  std::set<std::string> agreements;
  const std::string prefix = AgreementPrefix();
  std::string after;
  while (true) {
    const absl::StatusOr<std::vector<QueryRows::Row>> some = rows.Scan(prefix, after, kRowsPerScan);
    if (!some.ok()) return some.status();
    for (const QueryRows::Row& row : *some) agreements.insert(row.key.substr(prefix.size()));
    if (some->size() < kRowsPerScan) return agreements;
    after = some->back().key;
  }
}

}  // namespace

absl::StatusOr<Comparison> CompareRows(Views::Snapshot stored, Views::Snapshot fresh) {
  const auto scan = [](Views::Snapshot rows) -> Scan {
    return [rows = std::move(rows)](std::string_view start_after, std::size_t limit) {
      return rows.Scan("", start_after, limit);
    };
  };
  return Compare(scan(std::move(stored)), scan(std::move(fresh)));
}

absl::StatusOr<Comparison> CompareRequests(Views::Snapshot stored, Views::Snapshot fresh) {
  const auto scan = [](Views::Snapshot rows) -> Scan {
    return [rows = std::move(rows)](std::string_view start_after, std::size_t limit) {
      return rows.ScanRequests(start_after, limit);
    };
  };
  absl::StatusOr<Comparison> compared = Compare(scan(std::move(stored)), scan(std::move(fresh)));
  // Such a key begins with the length of the scope.
  if (compared.ok() && compared->first_difference.size() > sizeof(std::uint64_t) &&
      compared->first_difference[0] != '(') {
    const std::size_t scope = static_cast<unsigned char>(compared->first_difference[0]);
    std::string key = compared->first_difference.substr(sizeof(std::uint64_t));
    if (scope <= key.size()) key.insert(scope, "/");
    compared->first_difference = key;
  }
  return compared;
}

absl::StatusOr<Comparison> CompareReports(const QueryRows& stored, const QueryRows& fresh) {
  absl::StatusOr<std::set<std::string>> agreements = AgreementsIn(fresh);
  if (!agreements.ok()) return agreements.status();
  Comparison comparison;
  absl::StatusOr<std::set<std::string>> others = AgreementsIn(stored);
  comparison.stored_damage = others.status();
  if (others.ok()) agreements->merge(*others);
  for (const std::string& agreement : *agreements) {
    const Reports of_stored = ReportsOf(stored, agreement);
    const Reports of_fresh = ReportsOf(fresh, agreement);
    for (const auto& [name, bytes] : of_fresh) {
      ++comparison.compared;
      const auto it = of_stored.find(name);
      if (it != of_stored.end() && it->second == bytes) {
        ++comparison.equal;
      } else if (comparison.first_difference.empty()) {
        comparison.first_difference = name;
      }
    }
    for (const auto& [name, bytes] : of_stored) {
      if (!of_fresh.contains(name) && comparison.first_difference.empty()) {
        comparison.first_difference = name;
      }
    }
  }
  return comparison;
}

}  // namespace denier::projections
