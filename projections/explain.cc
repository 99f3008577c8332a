#include "projections/explain.h"

#include <algorithm>
#include <map>
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

bool IsText(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
}

// The fields of FigureName that identify a row, and the row's own of the same name and type.
template <class Visit>
void ForEachIdentifier(const Message& row, Visit visit) {
  const auto& fields = *v1::FigureName::descriptor();
  for (int i = 0; i < fields.field_count(); ++i) {
    const FieldDescriptor& wanted = *fields.field(i);
    const FieldDescriptor* has = row.GetDescriptor()->FindFieldByName(wanted.name());
    if (has == nullptr || has->is_repeated() || has->cpp_type() != wanted.cpp_type()) continue;
    visit(wanted, *has);
  }
}

Fit FitOf(const Message& row, const v1::FigureName& name) {
  Fit fit = Fit::kExactly;
  const auto& have = *row.GetReflection();
  const auto& want = *name.GetReflection();
  ForEachIdentifier(row, [&](const FieldDescriptor& wanted, const FieldDescriptor& has) {
    bool equal = false, open = false;
    if (IsText(wanted)) {
      const std::string text = want.GetString(name, &wanted);
      equal = have.GetString(row, &has) == text;
      open = text.empty();
    } else if (wanted.cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
      const int number = want.GetInt32(name, &wanted);
      equal = have.GetInt32(row, &has) == number;
      // Totals are the rows without a budget year.
      open = number == 0 && wanted.number() != v1::FigureName::kFiscalYearFieldNumber;
    } else {
      equal = have.GetBool(row, &has) == want.GetBool(name, &wanted);
    }
    if (!equal) fit = open && fit != Fit::kNot ? Fit::kLoosely : Fit::kNot;
  });
  return fit;
}

const FieldDescriptor* ColumnOf(const Message& row, const v1::FigureName& name) {
  const FieldDescriptor* column = row.GetDescriptor()->FindFieldByName(name.figure());
  const bool is_figure = column != nullptr && !column->is_repeated() &&
                         column->cpp_type() == FieldDescriptor::CPPTYPE_INT64;
  return is_figure ? column : nullptr;
}

Figure FigureIn(const Message& row, const FieldDescriptor& column, const v1::FigureName& name) {
  Figure figure{.name = name, .cents = row.GetReflection()->GetInt64(row, &column)};
  ForEachIdentifier(row, [&](const FieldDescriptor& wanted, const FieldDescriptor& has) {
    const auto& have = *row.GetReflection();
    const auto& reflection = *figure.name.GetReflection();
    if (IsText(wanted)) {
      reflection.SetString(&figure.name, &wanted, have.GetString(row, &has));
    } else if (wanted.cpp_type() == FieldDescriptor::CPPTYPE_INT32) {
      reflection.SetInt32(&figure.name, &wanted, have.GetInt32(row, &has));
    } else {
      reflection.SetBool(&figure.name, &wanted, have.GetBool(row, &has));
    }
  });
  return figure;
}

// Calls `visit` for each row of each list.
void ForEachRow(const Message& report, absl::FunctionRef<void(const Message& row)> visit) {
  const auto& reflection = *report.GetReflection();
  for (int i = 0; i < report.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor* list = report.GetDescriptor()->field(i);
    if (!list->is_repeated() || list->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    for (int row = 0; row < reflection.FieldSize(report, list); ++row) {
      visit(reflection.GetRepeatedMessage(report, list, row));
    }
  }
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

}  // namespace

void ForEachFigure(const Message& report, v1::Report kind,
                   absl::FunctionRef<void(const Figure& figure)> visit) {
  v1::FigureName name;
  name.set_report(kind);
  ForEachRow(report, [&](const Message& row) {
    for (int i = 0; i < row.GetDescriptor()->field_count(); ++i) {
      name.set_figure(row.GetDescriptor()->field(i)->name());
      const FieldDescriptor* column = ColumnOf(row, name);
      if (column != nullptr) visit(FigureIn(row, *column, name));
    }
  });
}

absl::StatusOr<Figure> FindFigure(const Message& report, const v1::FigureName& name, Empty empty) {
  const auto several = [] {
    return absl::InvalidArgumentError("several rows have this figure: say which one is meant");
  };
  std::vector<Figure> exact, loose;
  const auto look_at = [&](const Message& row) {
    const FieldDescriptor* column = ColumnOf(row, name);
    if (column == nullptr) return;
    const Fit fit = FitOf(row, name);
    if (fit == Fit::kNot || (fit == Fit::kLoosely && empty == Empty::kNothing)) return;
    (fit == Fit::kExactly ? exact : loose).push_back(FigureIn(row, *column, name));
  };
  ForEachRow(report, look_at);
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
  // The rows whose figures are additive, all of them: the total is the row without names.
  const auto additive = [](const v1::ExecutionReport& report) {
    v1::ExecutionReport rows;
    *rows.mutable_envelopes() = report.envelopes();
    *rows.mutable_bodies() = report.bodies();
    *rows.add_bodies() = report.total();
    return rows;
  };
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
  absl::StatusOr<Figure> found = FindFigure(additive(*report), figure.name);
  if (!found.ok()) return found.status();
  figure = *std::move(found);

  ExecutionReportMaker maker(scope);
  Tally tally(figure, from, take);
  read = ForEachEvent(log, scope.agreement_id, known, cancelled,
                      [&](const Event& event, Position position) -> absl::StatusOr<bool> {
                        absl::Status added = maker.Add(position, event);
                        if (!added.ok()) return added;
                        const auto shares = maker.SharesOf(position, event);
                        if (!shares.ok()) return shares.status();
                        const absl::StatusOr<Figure> share =
                            FindFigure(additive(*shares), figure.name, Empty::kNothing);
                        if (!share.ok() && !absl::IsNotFound(share.status())) {
                          return share.status();
                        }
                        return tally.Add(event, position, share.ok() ? share->cents : 0);
                      });
  return read.ok() ? tally.Check() : read;
}

}  // namespace denier::projections
