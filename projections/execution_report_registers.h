// What the events of a compte rendu have named: everything but money. A part of execution_report.h.
#ifndef DENIER_PROJECTIONS_EXECUTION_REPORT_REGISTERS_H_
#define DENIER_PROJECTIONS_EXECUTION_REPORT_REGISTERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/resources.pb.h"
#include "projections/books.h"
#include "projections/execution_report.h"
#include "store/position.h"

namespace denier::projections {

// Not thread-safe. `scope` must outlive it.
class ReportRegisters {
 public:
  struct Envelope {
    std::string id, body, label;
    bool seen = true;
  };
  struct Line {
    std::string id;
    std::size_t envelope = 0;
    int origin_year = 0;
    std::map<int, std::int64_t> schedule;  // by budget year
  };
  struct Commitment {
    std::string id;
    events::v1::CommitmentReferences references;
    bool imported = false;
    std::vector<Line> lines;
  };
  struct Request {
    events::v1::PaymentReferences references;
    events::v1::PaymentType type = events::v1::PAYMENT_TYPE_UNSPECIFIED;
    events::v1::ExpenseNature nature = events::v1::EXPENSE_NATURE_UNSPECIFIED;
    std::string commitment_id;
  };
  struct Carryover {
    v1::Carryover carryover;
    std::int64_t lapsed_cents = 0;
    int requested_date = 0, decided_date = 0, available_date = 0;
    std::string derogation_reference;
  };

  // `until`: where the period really ends.
  ReportRegisters(const ExecutionReportScope& scope, int until);

  // DATA_LOSS: the event names something that no event before it has made.
  absl::Status Learn(const events::v1::Event& event, store::Position position);

  // Indices into the vectors below; nothing: unknown.
  std::optional<std::size_t> FindEnvelope(std::string_view id) const;
  // 0: there is no commitment.
  std::optional<std::size_t> FindCommitment(std::string_view id) const;
  static std::optional<std::size_t> FindLine(const Commitment& commitment, std::string_view id);
  // nullptr: unknown.
  const Request* FindRequest(std::string_view id) const;
  // Commitment that the restes à payer of `event` are about; empty: none.
  std::string_view CommitmentOf(const events::v1::Event& event) const;
  const v1::Agreement* agreement() const { return books_.FindAgreement(scope_.agreement_id); }

  std::vector<Envelope> envelopes;
  std::vector<Commitment> commitments;          // the first: expenses without commitment
  std::map<std::string, Carryover> carryovers;  // by identifier
  std::set<int> closed_years;
  std::map<std::pair<std::size_t, int>, events::v1::PlanLine> plans;  // by envelope and year

 private:
  Commitment& Make(const std::string& commitment_id,
                   const events::v1::CommitmentReferences& references);
  absl::Status MoveLine(const events::v1::Reimputed& fact, const std::string& envelope_id);
  absl::Status Undo(const events::v1::Event& original);

  const ExecutionReportScope& scope_;
  const int until_;
  Books books_;  // of the register facts alone
  absl::node_hash_map<std::string, std::size_t> envelope_index_;
  absl::node_hash_map<std::string, std::size_t> commitment_index_;
  absl::node_hash_map<std::string, Request> requests_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EXECUTION_REPORT_REGISTERS_H_
