#include "projections/explain.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/numeric/int128.h"
#include "absl/strings/str_cat.h"
#include "projections/books.h"
#include "projections/event_version.h"
#include "projections/posting.h"
#include "projections/touched.h"

namespace denier::projections {
namespace {

using absl::int128;
using events::v1::Event;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using store::Position;

constexpr Position kEventsATurn = 4'096;

// How well a row fits a name.
enum class Fit { kNot, kLoosely, kExactly };

// Amounts are in cents; the other whole numbers are positions and instants.
bool IsAmount(const FieldDescriptor& field) {
  return !field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 &&
         !field.name().ends_with("position") && !field.name().ends_with("_us");
}

bool IsMessage(const FieldDescriptor& field) {
  return !field.is_repeated() && field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
}

// A field of a row, or of a message in it (a carry-over's row holds the carry-over).
struct Cell {
  const Message* in = nullptr;
  const FieldDescriptor* field = nullptr;

  std::int64_t cents() const { return in->GetReflection()->GetInt64(*in, field); }
};

Cell FindCell(const Message& row, const std::string& name) {
  const auto& type = *row.GetDescriptor();
  if (const FieldDescriptor* field = type.FindFieldByName(name)) return {&row, field};
  for (int i = 0; i < type.field_count(); ++i) {
    if (!IsMessage(*type.field(i))) continue;
    const Message& inner = row.GetReflection()->GetMessage(row, type.field(i));
    if (const FieldDescriptor* field = inner.GetDescriptor()->FindFieldByName(name)) {
      return {&inner, field};
    }
  }
  return {};
}

// Nothing: no such amount.
std::optional<Cell> FindAmount(const Message& row, const v1::FigureName& name) {
  Cell cell = FindCell(row, name.figure());
  // The client leaves the unit out of its columns' names.
  if (cell.field == nullptr) cell = FindCell(row, name.figure() + "_cents");
  if (cell.field == nullptr || !IsAmount(*cell.field)) return std::nullopt;
  return cell;
}

// What says which report, of which period, and not which row of it.
bool IsOfReport(const FieldDescriptor& field) {
  const int number = field.number();
  return number == v1::FigureName::kReportFieldNumber ||
         number == v1::FigureName::kFigureFieldNumber ||
         number == v1::FigureName::kSectionFieldNumber ||
         number == v1::FigureName::kFromDateFieldNumber ||
         number == v1::FigureName::kUntilDateFieldNumber;
}

// The fields of FigureName that identify a row, and the row's own of the same name and type, if it
// has one.
template <class Visit>
void ForEachIdentifier(const Message& row, Visit visit) {
  const auto& fields = *v1::FigureName::descriptor();
  for (int i = 0; i < fields.field_count(); ++i) {
    const FieldDescriptor& wanted = *fields.field(i);
    if (IsOfReport(wanted)) continue;
    Cell has = FindCell(row, wanted.name());
    if (has.field != nullptr &&
        (has.field->is_repeated() || has.field->cpp_type() != wanted.cpp_type() ||
         has.field->enum_type() != wanted.enum_type())) {
      has = {};
    }
    visit(wanted, has);
  }
}

Fit FitOf(const Message& row, const v1::FigureName& name) {
  Fit fit = Fit::kExactly;
  const auto& want = *name.GetReflection();
  const bool of_sections = name.report() == v1::REPORT_EXECUTION_REPORT;
  ForEachIdentifier(row, [&](const FieldDescriptor& wanted, const Cell& has) {
    if (has.field == nullptr) {
      // Where rows of many kinds stand side by side, another identifier means another row.
      if (of_sections && want.HasField(name, &wanted)) fit = Fit::kNot;
      return;
    }
    const auto& have = *has.in->GetReflection();
    bool equal = false, open = !want.HasField(name, &wanted);
    switch (wanted.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        equal = have.GetString(*has.in, has.field) == want.GetString(name, &wanted);
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        equal = have.GetInt32(*has.in, has.field) == want.GetInt32(name, &wanted);
        // Elsewhere totals are the rows without a budget year.
        open = open && (of_sections || wanted.number() != v1::FigureName::kFiscalYearFieldNumber);
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        equal = have.GetInt64(*has.in, has.field) == want.GetInt64(name, &wanted);
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        equal = have.GetEnumValue(*has.in, has.field) == want.GetEnumValue(name, &wanted);
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        equal = have.GetBool(*has.in, has.field) == want.GetBool(name, &wanted);
        open = false;
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;  // no identifier has these
    }
    if (!equal) fit = open && fit != Fit::kNot ? Fit::kLoosely : Fit::kNot;
  });
  return fit;
}

Figure FigureIn(const Message& row, const Cell& amount, const v1::FigureName& name) {
  Figure figure{.name = name, .cents = amount.cents()};
  ForEachIdentifier(row, [&](const FieldDescriptor& wanted, const Cell& has) {
    if (has.field == nullptr) return;
    const auto& have = *has.in->GetReflection();
    const auto& set = *figure.name.GetReflection();
    switch (wanted.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        set.SetString(&figure.name, &wanted, have.GetString(*has.in, has.field));
        break;
      case FieldDescriptor::CPPTYPE_INT32:
        set.SetInt32(&figure.name, &wanted, have.GetInt32(*has.in, has.field));
        break;
      case FieldDescriptor::CPPTYPE_INT64:
        set.SetInt64(&figure.name, &wanted, have.GetInt64(*has.in, has.field));
        break;
      case FieldDescriptor::CPPTYPE_ENUM:
        set.SetEnumValue(&figure.name, &wanted, have.GetEnumValue(*has.in, has.field));
        break;
      case FieldDescriptor::CPPTYPE_BOOL:
        set.SetBool(&figure.name, &wanted, have.GetBool(*has.in, has.field));
        break;
      case FieldDescriptor::CPPTYPE_UINT32:
      case FieldDescriptor::CPPTYPE_UINT64:
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;  // no identifier has these
    }
  });
  return figure;
}

// Calls `visit` for each row of each list; of the compte rendu the total is one too.
void ForEachRow(const Message& report, v1::Report kind,
                absl::FunctionRef<void(const FieldDescriptor& section, const Message& row)> visit) {
  const auto& reflection = *report.GetReflection();
  for (int i = 0; i < report.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& list = *report.GetDescriptor()->field(i);
    if (kind == v1::REPORT_EXECUTION_REPORT && list.name() == "total") {
      visit(list, reflection.GetMessage(report, &list));
    }
    if (!list.is_repeated() || list.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    for (int row = 0; row < reflection.FieldSize(report, &list); ++row) {
      visit(list, reflection.GetRepeatedMessage(report, &list, row));
    }
  }
}

// Whether the rows of `section` are meant; other reports have no sections.
bool IsMeant(const FieldDescriptor& section, const v1::FigureName& name) {
  if (name.report() != v1::REPORT_EXECUTION_REPORT) return true;
  if (!name.section().empty()) return section.name() == name.section();
  return section.name() == "envelopes" || section.name() == "bodies" || section.name() == "total";
}

// Calls `fold` for each event of the agreement that counts, and looks after the reading.
absl::Status ForEachEvent(const store::Log& log, const std::string& agreement_id,
                          const Moment& moment, absl::FunctionRef<bool()> cancelled,
                          absl::FunctionRef<absl::StatusOr<bool>(const Event&, Position)> fold) {
  store::Log::Reader reader = log.ReadFrom(0);
  Event event;  // one, reused
  Position position = 0, turn = 0;
  while (position < moment.next) {
    const absl::StatusOr<const store::StoredBatch*> batch = reader.Next();
    if (!batch.ok()) return batch.status();
    if (*batch == nullptr) return absl::OutOfRangeError("the log ends before the moment");
    for (const std::string_view bytes : (*batch)->events) {
      if (position == moment.next) return absl::OkStatus();
      if (absl::Status decoded = DecodeEvent(bytes, position, event); !decoded.ok()) return decoded;
      if (event.agreement_id() == agreement_id && Counts(event, moment)) {
        const absl::StatusOr<bool> go_on = fold(event, position);
        if (!go_on.ok()) return go_on.status();
        if (!*go_on) return absl::OkStatus();
      }
      ++position;
    }
    if (position - turn >= kEventsATurn) {
      turn = position;
      if (cancelled()) return absl::CancelledError("nobody waits for the answer any more");
    }
  }
  return absl::OkStatus();
}

// Hands the shares on from `from` on, and checks that all of them together are the figure.
class Tally {
 public:
  Tally(const Figure& figure, Position from, TakeShare take)
      : figure_(figure), from_(from), take_(take) {}

  // False: enough.
  bool Add(const Event& event, Position position, std::int64_t cents) {
    sum_ += cents;
    if (cents == 0 || position < from_) return true;
    whole_ = take_(Share{position, event, cents});
    return whole_;
  }
  absl::Status Check() const {
    if (!whole_ || sum_ == figure_.cents) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("the events give ", static_cast<std::int64_t>(sum_),
                                            " cents where the report has ", figure_.cents, " in ",
                                            figure_.name.figure()));
  }

 private:
  const Figure& figure_;
  const Position from_;
  const TakeShare take_;
  int128 sum_ = 0;
  bool whole_ = true;
};

// What single events add to a figure of the reports that are made from totals.
class Shares {
 public:
  Shares(const AgreementRows& rows, const v1::FigureName& name)
      : name_(name), definitions_(nullptr, Books::History::kPartial) {
    for (const EnvelopeRows& envelope : rows.envelopes) {
      const std::string& id = envelope.envelope.envelope_id();
      const std::string& body = envelope.envelope.managing_body_id();
      bodies_[id] = body;
      // The plans of one envelope, or of all of its body: a report of a body adds them up.
      const std::string& planner = name.report() == v1::REPORT_MANAGED_ENVELOPE ? id : body;
      for (const auto& plan : envelope.envelope.plan()) {
        planned_years_[planner].insert(plan.fiscal_year());
      }
      if (!envelope.years.empty()) {
        int& last = last_years_[body];
        last = std::max(last, envelope.years.rbegin()->first);
      }
      for (const auto& plan : envelope.envelope.plan()) {
        int& last = last_years_[body];
        last = std::max(last, plan.fiscal_year());
      }
    }
  }

  absl::StatusOr<std::int64_t> Of(const Event& event, Position position) {
    if (event.has_agreement_created() || event.has_agreement_amended()) {
      if (absl::Status folded = definitions_.Fold(event, position); !folded.ok()) return folded;
      rows_.agreement = *definitions_.FindAgreement(event.agreement_id());
      rows_.envelopes.clear();
      const absl::StatusOr<std::int64_t> said = Evaluate();
      if (!said.ok()) return said.status();
      return *said - std::exchange(said_, *said);
    }
    if (absl::Status alone = MakeRowsOf(event); !alone.ok()) return alone;
    if (rows_.envelopes.empty()) return 0;
    const absl::StatusOr<std::int64_t> cents = Evaluate();
    if (!cents.ok()) return cents.status();
    return *cents - said_;
  }

 private:
  // The figure in rows_; a row that is not there has nothing.
  absl::StatusOr<std::int64_t> Evaluate() const {
    const absl::StatusOr<Figure> figure = FigureOf(rows_, name_, Empty::kNothing);
    if (absl::IsNotFound(figure.status())) return 0;
    if (!figure.ok()) return figure.status();
    return figure->cents;
  }

  // Rows with this event and nothing else in them.
  absl::Status MakeRowsOf(const Event& event) {
    rows_.envelopes.clear();
    for (const Posting& posting : Postings(event)) {
      const auto body = bodies_.find(std::string(posting.envelope_id));
      if (body == bodies_.end()) continue;  // not for the caller to see
      EnvelopeRows& envelope = EnvelopeOf(body->first, body->second);
      if (absl::Status added = envelope.years[posting.fiscal_year].Add(posting); !added.ok()) {
        return added;
      }
    }
    if (event.has_plan_imported()) AddPlans(event.plan_imported());
    return absl::OkStatus();
  }

  EnvelopeRows& EnvelopeOf(const std::string& envelope_id, const std::string& body_id) {
    for (EnvelopeRows& envelope : rows_.envelopes) {
      if (envelope.envelope.envelope_id() == envelope_id) return envelope;
    }
    EnvelopeRows& envelope = rows_.envelopes.emplace_back();
    envelope.envelope.set_envelope_id(envelope_id);
    envelope.envelope.set_managing_body_id(body_id);
    // What is owed at the end of a year stands in the rows of later years too.
    if (name_.fiscal_year() != 0) envelope.years[name_.fiscal_year()];
    if (const auto last = last_years_.find(body_id); last != last_years_.end()) {
      envelope.years[last->second];
    }
    // A year with a plan goes on from what was planned, and not from what was executed.
    const auto years =
        planned_years_.find(name_.report() == v1::REPORT_MANAGED_ENVELOPE ? envelope_id : body_id);
    if (years != planned_years_.end()) {
      for (const int year : years->second) {
        envelope.envelope.add_plan()->set_fiscal_year(year);
      }
    }
    return envelope;
  }

  // What the plan states for an envelope and year, as a change of what it stated before.
  void AddPlans(const events::v1::PlanImported& fact) {
    for (int i = 0; i < fact.lines_size(); ++i) {
      const events::v1::PlanLine& line = fact.lines(i);
      const auto body = bodies_.find(line.envelope_id());
      if (body == bodies_.end()) continue;
      std::int64_t& stated = stated_outstanding_[{line.envelope_id(), line.fiscal_year()}];
      events::v1::PlanLine& change = *EnvelopeOf(body->first, body->second).envelope.add_plan();
      change.set_fiscal_year(line.fiscal_year());
      change.set_ae_cents(fact.ae_change_cents(i));
      change.set_cp_cents(fact.cp_change_cents(i));
      change.set_outstanding_cents(line.outstanding_cents() -
                                   std::exchange(stated, line.outstanding_cents()));
    }
  }

  const v1::FigureName& name_;
  Books definitions_;                                   // the agreement alone
  std::int64_t said_ = 0;                               // what the figure is by the agreement alone
  AgreementRows rows_;                                  // of one event
  std::map<std::string, std::string> bodies_;           // by envelope
  std::map<std::string, int> last_years_;               // by body
  std::map<std::string, std::set<int>> planned_years_;  // by body, or by envelope
  std::map<std::pair<std::string, int>, std::int64_t> stated_outstanding_;
};

// What single events add to a figure of the compte rendu that `whole` has made.
class PeriodShares {
 public:
  PeriodShares(const ExecutionReportMaker& whole, const v1::FigureName& name)
      : parts_(whole), name_(name) {}

  absl::StatusOr<std::int64_t> Of(const Event& event, Position position) {
    const absl::StatusOr<std::int64_t> said =
        Difference(parts_.Said(position, event), said_before_);
    if (!said.ok()) return said.status();
    absl::StatusOr<std::int64_t> moved;
    if (name_.section() == "instalments") {
      moved = Difference(parts_.MovedOf(name_.commitment_id(), position, event), moved_before_);
    } else {
      const absl::StatusOr<v1::ExecutionReport> part = parts_.Moved(position, event);
      if (!part.ok()) return part.status();
      moved = In(*part);
    }
    if (!moved.ok()) return moved.status();
    return *said + *moved;
  }

 private:
  // The figure in a part; a row that is not there has nothing.
  absl::StatusOr<std::int64_t> In(const v1::ExecutionReport& part) const {
    const absl::StatusOr<Figure> figure = FindFigure(part, name_, Empty::kNothing);
    if (absl::IsNotFound(figure.status())) return 0;
    if (!figure.ok()) return figure.status();
    return figure->cents;
  }
  // What it has become, if it may have moved, less what it was `before`.
  absl::StatusOr<std::int64_t> Difference(
      const absl::StatusOr<std::optional<v1::ExecutionReport>>& part, std::int64_t& before) const {
    if (!part.ok()) return part.status();
    if (!*part) return 0;
    const absl::StatusOr<std::int64_t> after = In(**part);
    if (!after.ok()) return after.status();
    return *after - std::exchange(before, *after);
  }

  ExecutionReportParts parts_;
  const v1::FigureName& name_;
  std::int64_t said_before_ = 0, moved_before_ = 0;
};

}  // namespace

void ForEachFigure(const Message& report, v1::Report kind,
                   absl::FunctionRef<void(const Figure& figure)> visit) {
  v1::FigureName name;
  name.set_report(kind);
  const auto figures_in = [&](const Message& row, const Message& fields_of) {
    for (int i = 0; i < fields_of.GetDescriptor()->field_count(); ++i) {
      name.set_figure(fields_of.GetDescriptor()->field(i)->name());
      const std::optional<Cell> amount = FindAmount(row, name);
      if (amount && amount->in == &fields_of) visit(FigureIn(row, *amount, name));
    }
  };
  ForEachRow(report, kind, [&](const FieldDescriptor& section, const Message& row) {
    if (kind == v1::REPORT_EXECUTION_REPORT) name.set_section(section.name());
    figures_in(row, row);
    for (int i = 0; i < row.GetDescriptor()->field_count(); ++i) {
      const FieldDescriptor& field = *row.GetDescriptor()->field(i);
      if (IsMessage(field)) figures_in(row, row.GetReflection()->GetMessage(row, &field));
    }
  });
}

absl::StatusOr<Figure> FindFigure(const Message& report, const v1::FigureName& name, Empty empty) {
  const auto several = [] {
    return absl::InvalidArgumentError("several rows have this figure: say which one is meant");
  };
  std::vector<Figure> exact, loose;
  const auto look_at = [&](const Message& row) {
    const std::optional<Cell> amount = FindAmount(row, name);
    if (!amount) return;
    const Fit fit = FitOf(row, name);
    if (fit == Fit::kNot || (fit == Fit::kLoosely && empty == Empty::kNothing)) return;
    (fit == Fit::kExactly ? exact : loose).push_back(FigureIn(row, *amount, name));
  };
  ForEachRow(report, name.report(), [&](const FieldDescriptor& section, const Message& row) {
    if (IsMeant(section, name)) look_at(row);
  });
  if (exact.empty() && loose.empty()) look_at(report);
  if (exact.size() == 1) return exact.front();
  if (exact.size() > 1 || loose.size() > 1) return several();
  if (loose.size() == 1) return loose.front();
  return absl::NotFoundError("the report has no such row or figure");
}

absl::StatusOr<Figure> FigureOf(const AgreementRows& rows, const v1::FigureName& name,
                                Empty empty) {
  const auto in = [&](const auto& report) -> absl::StatusOr<Figure> {
    if (!report.ok()) return report.status();
    return FindFigure(*report, name, empty);
  };
  switch (name.report()) {
    case v1::REPORT_YEARLY_EXECUTION:
      return in(YearlyExecution(rows));
    case v1::REPORT_MANAGED_ENVELOPE: {
      v1::GetManagedEnvelopeResponse report;
      for (const EnvelopeRows& envelope : rows.envelopes) {
        if (envelope.envelope.envelope_id() != name.envelope_id()) continue;
        const auto years = EnvelopeExecution(rows.agreement, envelope);
        if (!years.ok()) return years.status();
        report.mutable_years()->Add(years->begin(), years->end());
      }
      return FindFigure(report, name, empty);
    }
    case v1::REPORT_OUTSTANDING:
      return in(Outstanding(rows));
    case v1::REPORT_PRODUCT_BUDGETS:
      return in(ProductBudgets(rows));
    case v1::REPORT_PAYMENT_FOLLOW_UP:
      return in(PaymentFollowUp(rows));
    case v1::REPORT_TRIAL_BALANCE:
      return in(TrialBalance(rows));
    case v1::REPORT_COMMITMENT:
    case v1::REPORT_PAYMENT:
    case v1::REPORT_EXECUTION_REPORT:
    case v1::REPORT_UNSPECIFIED:
    case v1::Report_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::Report_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return absl::InvalidArgumentError("this report is not made from totals");
}

absl::Status Explain(const store::Log& log, const AgreementRows& rows, const Moment& moment,
                     const Figure& figure, Position from, TakeShare take,
                     absl::FunctionRef<bool()> cancelled) {
  Shares shares(rows, figure.name);
  Tally tally(figure, from, take);
  const absl::Status read =
      ForEachEvent(log, rows.agreement.agreement_id(), moment, cancelled,
                   [&](const Event& event, Position position) -> absl::StatusOr<bool> {
                     const absl::StatusOr<std::int64_t> cents = shares.Of(event, position);
                     if (!cents.ok()) return cents.status();
                     return tally.Add(event, position, *cents);
                   });
  return read.ok() ? tally.Check() : read;
}

absl::Status ExplainRegister(const store::Log& log, const std::string& agreement_id,
                             const Moment& moment, const Figure& figure, Position from,
                             TakeShare take, absl::FunctionRef<bool()> cancelled) {
  const bool of_commitment = figure.name.report() == v1::REPORT_COMMITMENT;
  const std::string& commitment_id = figure.name.commitment_id();
  // By identifiers alone: a line's envelope and product may have changed on the way.
  v1::FigureName name;
  name.set_figure(figure.name.figure());
  name.set_commitment_id(of_commitment ? commitment_id : "");
  name.set_line_id(of_commitment ? figure.name.line_id() : "");
  name.set_payment_request_id(figure.name.payment_request_id());

  Books books(nullptr, Books::History::kPartial);
  std::int64_t before = 0;
  const auto now = [&]() -> absl::StatusOr<std::int64_t> {
    const Message* row =
        of_commitment
            ? static_cast<const Message*>(books.FindCommitment(agreement_id, commitment_id))
            : books.FindPayment(agreement_id, figure.name.payment_request_id());
    if (row == nullptr) return 0;
    const absl::StatusOr<Figure> found = FindFigure(*row, name);
    if (absl::IsNotFound(found.status())) return 0;
    if (!found.ok()) return found.status();
    return found->cents;
  };

  std::set<std::string, std::less<>> payments;  // of the commitment
  const auto concerns = [&](const Event& event) {
    const Touched touched = TouchedBy(event);
    if (!of_commitment) return touched.payment_request_id == figure.name.payment_request_id();
    if (touched.commitment_id != commitment_id)
      return payments.contains(touched.payment_request_id);
    if (!touched.payment_request_id.empty()) payments.emplace(touched.payment_request_id);
    return true;
  };
  // An opening brings payments that only its commitment names.
  const auto imports = [&](const Event& event) {
    return event.has_opening_imported() &&
           std::ranges::any_of(event.opening_imported().lines(), [&](const auto& line) {
             return std::ranges::any_of(line.payments(), [&](const auto& paid) {
               return paid.payment_id() == figure.name.payment_request_id();
             });
           });
  };

  Tally tally(figure, from, take);
  const absl::Status read =
      ForEachEvent(log, agreement_id, moment, cancelled,
                   [&](const Event& event, Position position) -> absl::StatusOr<bool> {
                     if (!concerns(event) && (of_commitment || !imports(event))) return true;
                     if (absl::Status folded = books.Fold(event, position); !folded.ok())
                       return folded;
                     const absl::StatusOr<std::int64_t> after = now();
                     if (!after.ok()) return after.status();
                     return tally.Add(event, position, *after - std::exchange(before, *after));
                   });
  return read.ok() ? tally.Check() : read;
}

absl::Status ExplainExecutionReport(const store::Log& log, const ExecutionReportScope& scope,
                                    const Moment& moment, Position from, Figure& figure,
                                    TakeShare take, absl::FunctionRef<bool()> cancelled) {
  // The maker leaves out by itself what takes effect too late.
  const Moment known{.next = moment.next};
  ExecutionReportMaker whole(scope);
  absl::Status read =
      ForEachEvent(log, scope.agreement_id, known, cancelled,
                   [&](const Event& event, Position position) -> absl::StatusOr<bool> {
                     if (absl::Status added = whole.Add(position, event); !added.ok()) return added;
                     return true;
                   });
  if (!read.ok()) return read;
  const absl::StatusOr<v1::ExecutionReport> report = whole.Finish();
  if (!report.ok()) return report.status();
  absl::StatusOr<Figure> found = FindFigure(*report, figure.name);
  if (!found.ok()) return found.status();
  figure = *std::move(found);

  PeriodShares shares(whole, figure.name);
  Tally tally(figure, from, take);
  read = ForEachEvent(log, scope.agreement_id, known, cancelled,
                      [&](const Event& event, Position position) -> absl::StatusOr<bool> {
                        const absl::StatusOr<std::int64_t> cents = shares.Of(event, position);
                        if (!cents.ok()) return cents.status();
                        return tally.Add(event, position, *cents);
                      });
  return read.ok() ? tally.Check() : read;
}

}  // namespace denier::projections
