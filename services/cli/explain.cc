// From a figure to its events: `denier explain`, and what changed between two moments.
#include "projections/explain.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "denier/v1/execution_report.pb.h"
#include "services/cli/client.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

using google::protobuf::MethodDescriptor;
using projections::Figure;

const MethodDescriptor& ExplainMethod() {
  return *v1::QueryHeader::descriptor()
              ->file()
              ->FindServiceByName("QueryService")
              ->FindMethodByName("ExplainFigure");
}

void SetAsOf(const AsOf& as_of, v1::QueryHeader* header) {
  if (as_of.position) {
    header->set_as_of_position(*as_of.position);
  } else {
    header->set_as_of_time_us(as_of.time_us);
  }
}

// "2022, DINUM": what tells a row from the others.
std::string RowText(const v1::FigureName& name, Lang lang) {
  std::string text;
  const auto* r = name.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  r->ListFields(name, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->name() == "report" || field->name() == "figure") continue;
    text += text.empty() ? "" : ", ";
    switch (KindOf(*field)) {
      case Kind::kFlag:
        text += FieldWord(*field, lang);
        break;
      case Kind::kDay:
      case Kind::kChoice:
        text += HumanText(name, *field, -1, lang);
        break;
      default:
        text +=
            field->name() == "section" ? Word(name.section(), lang) : PlainText(name, *field, -1);
    }
  }
  return text.empty() ? In(lang, "total", "total") : text;
}

// The events behind a figure, one a row.
Grid SharesGrid(const v1::ExplainFigureResponse& explained, const Style& style) {
  const bool plain = style.format == Format::kCsv;
  const Lang lang = style.lang;
  const auto heading = [&](const char* name) { return plain ? name : Word(name, lang); };
  Grid grid{.columns = {{heading("position"), true},
                        {heading("recorded_time_us")},
                        {heading("effective_date")},
                        {heading("fact")},
                        {heading("principal_id")},
                        {heading("cents"), true}}};
  for (const v1::FigureShare& share : explained.shares()) {
    const FieldDescriptor* fact = events::v1::Event::descriptor()->FindFieldByName(share.fact());
    grid.rows.push_back(
        {std::to_string(share.position()),
         plain ? PlainInstant(share.recorded_time_us()) : Instant(share.recorded_time_us(), lang),
         plain ? PlainDay(share.effective_date()) : Day(share.effective_date(), lang),
         plain || fact == nullptr ? share.fact() : FieldWord(*fact, lang),
         share.principal_id() + "@" + share.body_id(),
         plain ? PlainEuros(share.cents()) : Euros(share.cents(), lang)});
  }
  return grid;
}

// The tables of the compte rendu whose figures can be asked for.
std::vector<std::string> ReportSections() {
  std::vector<std::string> names;
  const Descriptor& report = *v1::ExecutionReport::descriptor();
  for (int i = report.FindFieldByName("envelopes")->index(); i < report.field_count(); ++i) {
    names.push_back(report.field(i)->name());
  }
  return names;
}

// A figure at two moments.
struct Change {
  v1::FigureName name;
  std::int64_t before = 0;
  std::int64_t after = 0;
};

std::vector<Change> ChangesBetween(v1::Report kind, const Message& before, const Message& after) {
  std::map<std::string, Change> figures;  // by the bytes of their names
  std::vector<std::string> order;
  const auto collect = [&](const Message& report, std::int64_t Change::*side) {
    projections::ForEachFigure(report, kind, [&](const Figure& figure) {
      std::string key = figure.name.SerializeAsString();
      const auto [it, added] = figures.try_emplace(key, Change{.name = figure.name});
      it->second.*side = figure.cents;
      if (added) order.push_back(std::move(key));
    });
  };
  collect(after, &Change::after);
  collect(before, &Change::before);
  std::vector<Change> changes;
  for (const std::string& key : order) {
    const Change& change = figures.at(key);
    if (change.before != change.after) changes.push_back(change);
  }
  return changes;
}

}  // namespace

CLI::ValidationError Client::NotAMoment(const std::string& option, const std::string& text) const {
  return CLI::ValidationError(option,
                              Say("ni position, ni jour, ni instant (2022-03-31T10:00:00Z)\u00a0: ",
                                  "no position, day or instant (2022-03-31T10:00:00Z): ") +
                                  text);
}

void Client::AddAsOf(CLI::App* sub, const std::string& name, std::optional<AsOf>* as_of,
                     const std::string& help) {
  sub->add_option_function<std::string>(
         name,
         [this, name, as_of](const std::string& text) {
           *as_of = ParseAsOf(text);
           if (!*as_of) throw NotAMoment(name, text);
         },
         help)
      ->option_text(Say("POSITION|JOUR|INSTANT", "POSITION|DAY|INSTANT"));
}

void Client::AddMoment(CLI::App* sub) {
  AddAsOf(sub, "--as-of", &as_of_,
          Say("Ce que les comptes savaient à ce moment ; un jour compte jusqu'à sa fin, à Paris",
              "What the books knew at that moment; a day counts to its end, in Paris"));
  sub->add_option_function<std::string>(
         "--effective-until",
         [this](const std::string& text) {
           const auto day = ParseDay(text);
           if (!day) throw NotAMoment("--effective-until", text);
           effective_until_ = *day;
         },
         Say("Seulement les écritures qui prennent effet jusqu'à ce jour",
             "Only entries that take effect on this day or before"))
      ->option_text(Say("AAAA-MM-JJ", "YYYY-MM-DD"));
}

void Client::SetMoment(v1::QueryHeader* header) const {
  if (min_position_) header->set_min_position(*min_position_);
  if (as_of_) SetAsOf(*as_of_, header);
  header->set_effective_until(effective_until_);
}

void Client::AddExplain() {
  CLI::App* sub = AddSubcommand(&app_, "explain", Word("ExplainFigure", style_.lang));
  sub->group(Say("Consultation", "Reading"));
  auto* request = static_cast<v1::ExplainFigureRequest*>(NewRequest(ExplainMethod()));
  v1::FigureName* name = request->mutable_name();
  const auto field = [](const char* of) {
    return v1::FigureName::descriptor()->FindFieldByName(of);
  };
  const std::map<std::string, v1::Report> reports = {
      {"yearly-execution", v1::REPORT_YEARLY_EXECUTION},
      {"envelope", v1::REPORT_MANAGED_ENVELOPE},
      {"outstanding", v1::REPORT_OUTSTANDING},
      {"products", v1::REPORT_PRODUCT_BUDGETS},
      {"follow-up", v1::REPORT_PAYMENT_FOLLOW_UP},
      {"trial-balance", v1::REPORT_TRIAL_BALANCE},
      {"commitment", v1::REPORT_COMMITMENT},
      {"payment", v1::REPORT_PAYMENT},
      {"execution-report", v1::REPORT_EXECUTION_REPORT}};
  std::string names;
  for (const auto& [report, number] : reports) names += (names.empty() ? "" : "|") + report;
  sub->add_option_function<std::string>(
         "REPORT",
         [reports, name](const std::string& report) { name->set_report(reports.at(report)); },
         Say("L'état", "The report"))
      ->required()
      ->check(CLI::IsMember(reports))
      ->option_text(names);
  AddField(sub, name, *field("figure"), "FIGURE")
      ->required()
      ->option_text(Say("(obligatoire) nom d'une colonne de --format json",
                        "(required) name of a column of --format json"));
  AddField(sub, name, *field("fiscal_year"), "--year")
      ->description(Say("Exercice ; sinon la ligne du total", "Budget year; else the totals"));
  AddField(sub, name, *field("managing_body"), "--body");
  for (const char* of : {"envelope_id", "origin_year", "product_id", "ledger", "account", "planned",
                         "commitment_id", "line_id", "payment_request_id"}) {
    AddField(sub, name, *field(of), "--" + ShortName(*field(of)));
  }
  AddField(sub, name, *field("from_date"), "--from");
  AddField(sub, name, *field("until_date"), "--until");
  AddField(sub, name, *field("section"), "--section")
      ->check(CLI::IsMember(ReportSections()))
      ->option_text(Say("TABLE", "TABLE"))
      ->description(Say("Table du compte rendu ; sinon enveloppes, services et total\u00a0: ",
                        "Table of the execution report; else envelopes, bodies and total: ") +
                    absl::StrJoin(ReportSections(), ", "));
  for (const char* of : {"month", "position", "paying_envelope_id", "carryover_id"}) {
    AddField(sub, name, *field(of), "--" + ShortName(*field(of)));
  }
  AddField(sub, name, *field("kind"), "--check");
  AddField(sub, request, *v1::ExplainFigureRequest::descriptor()->FindFieldByName("after_position"),
           "--after")
      ->description(
          Say("Seulement les écritures après cette position", "Only events after this position"));
  AddMoment(sub);
  sub->final_callback(
      [this, request] { action_ = [this, request] { return RunExplain(request); }; });
}

int Client::RunExplain(v1::ExplainFigureRequest* request) {
  v1::ExplainFigureResponse explained;
  if (!Connect(kReader) || !Ask(ExplainMethod(), request, &explained)) return exit_code_;
  if (style_.format == Format::kJson) {
    terminal_.out << ToJson(explained).dump(2) << "\n";
    return kDone;
  }
  const Grid grid = SharesGrid(explained, style_);
  if (style_.format == Format::kCsv) {
    terminal_.out << ToCsv(grid);
    return kDone;
  }
  terminal_.out << ToTable(grid, style_.width, Say("Aucune écriture", "No event"));
  std::vector<std::pair<std::string, std::string>> sums;
  if (request->has_after_position()) {
    sums.emplace_back(Word("before_cents", style_.lang),
                      Euros(explained.before_cents(), style_.lang));
  }
  const std::string& figure = request->name().figure();
  sums.emplace_back(Word(HasWord(figure) ? figure : figure + "_cents", style_.lang) + " (" +
                        RowText(request->name(), style_.lang) + ")",
                    Euros(explained.figure_cents(), style_.lang));
  sums.emplace_back(Word("position", style_.lang), std::to_string(explained.position()));
  terminal_.out << "\n" << ToList(sums);
  return kDone;
}

// From --as-of to --compare, whichever comes first in the log.
int Client::RunCompare(v1::Report kind, const MethodDescriptor& method, Message* request) {
  if (!Connect(kReader)) return exit_code_;
  const std::unique_ptr<Message> again(request->New());
  again->CopyFrom(*request);
  const auto report = [&](const std::optional<AsOf>& as_of, Message* of) {
    std::unique_ptr<Message> response(google::protobuf::MessageFactory::generated_factory()
                                          ->GetPrototype(method.output_type())
                                          ->New());
    as_of_ = as_of;
    return Ask(method, of, response.get()) ? std::move(response) : nullptr;
  };
  const std::optional<AsOf> from = as_of_;
  const std::unique_ptr<Message> before = report(from, request);
  if (before == nullptr) return exit_code_;
  const std::unique_ptr<Message> after = report(compare_, again.get());
  if (after == nullptr) return exit_code_;
  const auto position_of = [](const Message& response) {
    return response.GetReflection()->GetInt64(
        response, response.GetDescriptor()->FindFieldByName("position"));
  };
  const std::int64_t begin = position_of(*before), end = position_of(*after);
  if (begin > end) {
    terminal_.err << Say("denier\u00a0: --compare doit être après --as-of\n",
                         "denier: --compare must come after --as-of\n");
    return kUsage;
  }

  const bool plain = style_.format != Format::kTable;
  const auto euros = [&](std::int64_t cents) {
    return plain ? PlainEuros(cents) : Euros(cents, style_.lang);
  };
  const auto heading = [&](const char* name) { return plain ? name : Word(name, style_.lang); };
  Grid changes{.title = Say("Chiffres qui ont changé", "Figures that changed"),
               .columns = {{heading("row")},
                           {heading("figure")},
                           {heading("before_cents"), true},
                           {heading("figure_cents"), true},
                           {heading("difference"), true}},
               .keys = 2};
  Grid events{.title = Say("Écritures qui les ont changés", "Events that changed them"),
              .columns = {{heading("row")}, {heading("figure")}},
              .keys = 2};
  auto json = nlohmann::ordered_json::array();
  for (const Change& change : ChangesBetween(kind, *before, *after)) {
    v1::ExplainFigureRequest why;
    *why.mutable_name() = change.name;
    if (kind == v1::REPORT_MANAGED_ENVELOPE) {
      const auto* of = request->GetDescriptor()->FindFieldByName("envelope_id");
      why.mutable_name()->set_envelope_id(request->GetReflection()->GetString(*request, of));
    }
    why.set_after_position(begin);
    v1::ExplainFigureResponse explained;
    if (!Ask(ExplainMethod(), &why, &explained)) return exit_code_;
    const std::string row = RowText(change.name, style_.lang);
    const std::string column = heading(change.name.figure().c_str());
    changes.rows.push_back({row, column, euros(change.before), euros(change.after),
                            euros(change.after - change.before)});
    const Grid shares = SharesGrid(explained, style_);
    if (events.columns.size() == 2) {
      events.columns.insert(events.columns.end(), shares.columns.begin(), shares.columns.end());
    }
    for (const std::vector<std::string>& share : shares.rows) {
      events.rows.push_back({row, column});
      events.rows.back().insert(events.rows.back().end(), share.begin(), share.end());
    }
    auto entry = ToJson(change.name);
    entry["before"] = PlainEuros(change.before);
    entry["after"] = PlainEuros(change.after);
    entry["shares"] = ToJson(explained)["shares"];
    json.push_back(std::move(entry));
  }
  if (style_.format == Format::kJson) {
    terminal_.out << nlohmann::ordered_json{{"from_position", begin},
                                            {"until_position", end},
                                            {"changes", std::move(json)}}
                         .dump(2)
                  << "\n";
  } else if (style_.format == Format::kCsv) {
    terminal_.out << ToCsv(events.rows.empty() ? changes : events);
  } else {
    terminal_.out << ToTable(changes, style_.width, Say("Rien n'a changé", "Nothing changed"))
                  << "\n";
    if (!events.rows.empty()) terminal_.out << ToTable(events, style_.width, "") << "\n";
    terminal_.out << ToList({{Say("De la position", "From position"), std::to_string(begin)},
                             {Say("À la position", "To position"), std::to_string(end)}});
  }
  return kDone;
}

}  // namespace denier::cli
