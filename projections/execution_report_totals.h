// What the events of a compte rendu have moved: sums, each linear in the events. A part of
// execution_report.h.
#ifndef DENIER_PROJECTIONS_EXECUTION_REPORT_TOTALS_H_
#define DENIER_PROJECTIONS_EXECUTION_REPORT_TOTALS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/numeric/int128.h"
#include "absl/status/status.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/execution_report.pb.h"
#include "projections/execution_report.h"
#include "projections/execution_report_registers.h"
#include "projections/posting.h"
#include "store/position.h"

namespace denier::projections {

// Not thread-safe. `scope` must outlive it.
class ReportTotals {
 public:
  // What moved restes à payer, or what is left of them.
  struct Debt {
    absl::int128 start = 0, engaged = 0, corrected = 0, withdrawn = 0, withdrawn_prior = 0,
                 paid = 0, reimputed = 0, end = 0;

    void Add(const Posting& posting, bool in_period);
    void Add(const Debt& part);
    bool Moved() const {
      return start != 0 || engaged != 0 || corrected != 0 || withdrawn != 0 || paid != 0 ||
             reimputed != 0 || end != 0;
    }
    // What the flows make of the start.
    absl::int128 Computed() const {
      return start + engaged + corrected - withdrawn - paid + reimputed;
    }
  };

  // Sums by account, AE and CP.
  class Accounts {
   public:
    void Add(const Posting& posting) {
      at_[Index(posting.ledger, posting.account)] += posting.cents;
    }
    void Add(const Accounts& part) {
      for (std::size_t i = 0; i < at_.size(); ++i) at_[i] += part.at_[i];
    }
    absl::int128 operator()(Ledger ledger, Account account) const {
      return at_[Index(ledger, account)];
    }
    absl::int128 opened(Ledger ledger) const {
      return -(*this)(ledger, Account::kSource) - (*this)(ledger, Account::kCarriedIn) -
             (*this)(ledger, Account::kTransferred) - (*this)(ledger, Account::kCancelled);
    }

   private:
    static std::size_t Index(Ledger ledger, Account account) {
      return static_cast<std::size_t>(ledger) * kAccounts + static_cast<std::size_t>(account);
    }
    std::array<absl::int128, kLedgers * kAccounts> at_{};
  };

  // Opened, imported and consumed, AE and CP.
  struct Use {
    absl::int128 ae_opened = 0, ae_imported = 0, ae_consumed = 0, cp_opened = 0, cp_imported = 0,
                 cp_paid = 0;

    void Add(const Posting& posting);
  };

  // AE consumed, CP paid and restes à payer in a budget year, until the end of the period.
  struct Year {
    absl::int128 ae_consumed = 0, cp_paid = 0, outstanding = 0, planned_ae = 0, planned_cp = 0;
  };
  struct Envelope {
    Accounts flows;     // of the period
    Accounts balances;  // of the last day's budget year, at the end
    Debt debt;
    std::map<int, Debt> origins;
    std::map<int, Year> years;
  };
  struct Line {
    absl::int128 outstanding = 0, paid = 0, certified = 0, settled = 0;
  };
  struct Month {
    Use period;  // as far as the month lies in the period
    Use all;
  };
  struct Product {
    absl::int128 engaged = 0, withdrawn = 0, paid = 0, outstanding = 0;
  };

  // `until`: where the period really ends.
  ReportTotals(const ExecutionReportScope& scope, int until) : scope_(scope), until_(until) {}

  // `registers` have learnt the event. DATA_LOSS: it names something that they do not know.
  absl::Status Count(store::Position position, const events::v1::Event& event,
                     const ReportRegisters& registers);

  std::map<std::size_t, Envelope> envelopes;
  absl::node_hash_map<std::uint64_t, Debt> commitments;  // by commitment and envelope: KeyOf
  absl::node_hash_map<std::uint64_t, Line> lines;        // by commitment and line: KeyOf
  std::map<int, Month> months;                           // YYYYMM
  std::map<std::pair<int, std::string>, Product> products;
  std::vector<v1::ExecutionReportPayment> payments;
  std::vector<v1::ExecutionReportEntry> entries;

  static std::uint64_t KeyOf(std::size_t commitment, std::size_t within) {
    return (static_cast<std::uint64_t>(commitment) << 32) | within;
  }

 private:
  // What of an event is about one line.
  struct LineMove {
    std::string_view line_id;
    std::int64_t outstanding = 0, paid = 0, certified = 0, settled = 0;
  };

  absl::Status CountMoves(store::Position position, const events::v1::Event& event, int day,
                          const ReportRegisters& registers, v1::ExecutionReportEntry& entry,
                          bool& entry_seen);
  absl::Status CountImport(store::Position position, const events::v1::Event& event,
                           const ReportRegisters& registers);
  absl::Status CountLines(const events::v1::Event& event, int day,
                          const ReportRegisters& registers);
  static std::vector<LineMove> MovesOf(const events::v1::Event& event,
                                       const ReportRegisters& registers);
  void CountPayment(store::Position position, const events::v1::Event& event, int day,
                    std::size_t envelope, absl::int128 cents, const ReportRegisters& registers);
  void CountEntry(store::Position position, const events::v1::Event& event,
                  const ReportRegisters& registers, v1::ExecutionReportEntry entry, bool seen);
  bool InPeriod(int day) const { return scope_.from_date <= day && day <= until_; }

  const ExecutionReportScope& scope_;
  const int until_;
};

}  // namespace denier::projections

#endif  // DENIER_PROJECTIONS_EXECUTION_REPORT_TOTALS_H_
