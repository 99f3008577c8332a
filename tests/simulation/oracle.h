// What an accountant with paper and pencil would say: a second, naive reading of the rules,
// straight from the words of the domain. Plain maps and sums; no posting, no balance account, no
// event. It says which rules a command breaks, and what is left where after an accepted one.
//
// Written without a look at projections/posting.cc, and to be kept so: where the two differ, one of
// them is wrong.
#ifndef DENIER_TESTS_SIMULATION_ORACLE_H_
#define DENIER_TESTS_SIMULATION_ORACLE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "denier/events/v1/types.pb.h"
#include "denier/v1/command_service.pb.h"
#include "denier/v1/error_reason.pb.h"
#include "denier/v1/resources.pb.h"

namespace denier::simulation {

enum class Kind { kAe, kCp };

// One envelope, one year, one kind. In cents.
struct Pot {
  std::int64_t allocated = 0;  // mises à disposition, less what was taken back
  std::int64_t opened = 0;     // that, with transfers, carry-overs received and cancellations
  std::int64_t consumed = 0;   // AE engaged, or CP paid, less what came back
  std::int64_t early = 0;      // of the consumed: engaged early, and not covered by credits yet
  std::int64_t frozen = 0;
  std::int64_t held = 0;
  std::int64_t lapsed = 0;
  std::int64_t carryover_requested = 0;
  std::int64_t carryover_granted = 0;
  std::int64_t carried_out = 0;
  std::int64_t lapsed_at_closing = 0;  // what reopening may give back
  std::int64_t early_so_far = 0;       // engaged early, whatever became of it
  std::int64_t planned = 0;

  std::int64_t available() const {
    return opened - (consumed - early) - frozen - held - lapsed - carryover_requested -
           carryover_granted - carried_out;
  }
};

struct Line {
  std::string envelope;
  std::string product;
  int origin_year = 0;
  std::int64_t engaged = 0;
  std::int64_t corrected = 0;
  std::int64_t withdrawn = 0;
  std::int64_t certified = 0;
  std::int64_t requested = 0;
  std::int64_t paid = 0;
  std::int64_t billed = 0;
  std::int64_t advance_open = 0;
  std::int64_t retained_open = 0;
  bool imported = false;
  bool reversed = false;

  std::int64_t owed() const { return engaged + corrected - withdrawn; }
  std::int64_t outstanding() const { return owed() - paid; }
  std::int64_t rest() const { return outstanding() - requested; }
  // What is neither delivered nor being paid.
  std::int64_t withdrawable() const { return std::min(rest(), owed() - certified); }
};

struct Payment {
  v1::PaymentState state = v1::PAYMENT_STATE_UNSPECIFIED;
  events::v1::PaymentType type = events::v1::PAYMENT_TYPE_UNSPECIFIED;
  std::string commitment, line, product, envelope;
  int origin_year = 0;
  int paid_year = 0;
  int hold_year = 0;  // 0: holds nothing
  std::int64_t gross = 0, recovered = 0, retained = 0, net = 0, reinstated = 0;
};

struct Carryover {
  v1::CarryoverState state = v1::CARRYOVER_STATE_UNSPECIFIED;
  std::string envelope;
  Kind kind = Kind::kAe;
  int from_year = 0;
  bool assigned_receipts = false;
  std::int64_t requested = 0, granted = 0, available = 0;
};

struct Year {
  bool closed = false;
  std::int64_t programme_credits = 0;
  std::int64_t carried_under_cap = 0;
  std::int64_t recycling_basis = 0;
  std::int64_t recycling_used = 0;
};

struct Envelope {
  std::string body;
  std::set<int> payable_years;
};

class Oracle {
 public:
  using Reasons = std::set<v1::ErrorReason>;

  // Enters the command of a principal of `body` as the event at `position`. The rules that it
  // breaks; with any, nothing that this oracle says afterwards has a meaning: try on a copy.
  Reasons Enter(const v1::Command& command, const std::string& body, std::int64_t position);

  // The body that decides on an envelope on a day.
  const std::string& ManagerOf(const std::string& envelope, int day) const;

  std::map<std::tuple<std::string, int, Kind>, Pot> pots;
  std::map<std::pair<std::string, std::string>, Line> lines;  // by commitment and line
  std::map<std::string, Payment> payments;
  std::map<std::string, Carryover> carryovers;
  std::map<int, Year> years;
  std::map<std::string, Envelope> envelopes;
  std::map<std::pair<int, Kind>, std::int64_t> ceilings;
  std::set<std::string> products;
  std::set<std::string> acts;
  int mandate_until = 0;
  int taken_over_day = 0;
  bool delegate_settles = true;

  // Over the agreement, for the identities.
  std::int64_t opening_outstanding = 0;  // imported, with corrections
  std::int64_t opening_withdrawn = 0;

  // An accepted command, and what was decided with it.
  struct Entry {
    v1::Command command;
    int year = 0;
    std::int64_t freed = 0, early = 0, recycled = 0, unavailable = 0;
    std::int64_t ae_from_frozen = 0, cp_from_frozen = 0;
    std::int64_t consumed = 0, outstanding = 0;
    bool moves_available = false;
    Line line;        // as the entry left it
    Payment payment;  // likewise
  };
  std::map<std::int64_t, std::shared_ptr<const Entry>> entries;
  std::set<std::int64_t> reversed;

 private:
  enum class Span { kYearOfDay, kOpenYear, kOrNext, kOrBefore, kRegularisation, kBegun };

  // For as long as Enter lasts.
  struct Now {
    Reasons broken;
    int day = 0;
    int year = 0;
    bool late = false;
    std::shared_ptr<Entry> entry;
  };

  bool Require(bool holds, v1::ErrorReason reason) {
    if (!holds) now_.broken.insert(reason);
    return holds;
  }
  void CheckSpan(Span span);
  void CheckMandate(const v1::Command& command, const std::string& body);
  void CheckPots();

  Pot& PotOf(const std::string& envelope, int year, Kind kind) {
    return pots[{envelope, year, kind}];
  }
  // Takes from what is free in the year, or (a late entry) from what had lapsed there.
  void Use(const std::string& envelope, int year, Kind kind, std::int64_t cents);
  Line* FindLine(const std::string& commitment, const std::string& line);
  Payment* FindPayment(const std::string& payment);
  void Bill(Line& line, const Payment& payment, int sign);
  void ReleaseHold(Payment& payment);
  void ConsumeCp(Payment& payment);

  void MoveCredits(const std::string& envelope, Kind kind, std::int64_t cents, bool allocated);
  void EnterImport(const v1::ImportOpeningRequest& request);
  void EnterEngage(const v1::EngageRequest& request);
  void EnterWithdraw(const v1::WithdrawRequest& request);
  void EnterRequest(const v1::RequestPaymentRequest& request);
  void EnterPay(const std::string& payment_request_id, bool without_commitment);
  void EnterReinstate(const v1::ReinstateRequest& request);
  void EnterReimpute(const v1::ReimputeRequest& request);
  void EnterGrant(const v1::GrantCarryoverRequest& request);
  void EnterClose();
  void EnterReopen();
  void EnterReverse(const v1::ReverseRequest& request);
  void Dispatch(const v1::Command& command);

  Now now_;
};

}  // namespace denier::simulation

#endif  // DENIER_TESTS_SIMULATION_ORACLE_H_
