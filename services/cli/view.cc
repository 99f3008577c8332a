#include "services/cli/view.h"

#include <algorithm>
#include <map>
#include <utility>

#include "denier/v1/query_service.pb.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

// The columns that people see of a message, in blocks of what fits side by side. Types that are not
// here show all their leaves.
struct Block {
  std::string_view type;
  std::string_view french, english;  // title
  std::size_t keys;
  std::vector<std::string> paths;
};

const std::vector<Block>& Blocks() {
  static const auto* blocks = new std::vector<Block>{
      {"ExecutionRow",
       "Autorisations d'engagement",
       "Commitment authorisations (AE)",
       2,
       {"fiscal_year", "managing_body", "ae_opened", "ae_imported", "ae_frozen", "ae_consumed",
        "ae_withdrawn_current", "ae_withdrawn_prior", "ae_available"}},
      {"ExecutionRow",
       "Crédits de paiement et restes à payer",
       "Payment credits (CP) and outstanding commitments",
       2,
       {"fiscal_year", "managing_body", "cp_opened", "cp_carried_in", "cp_imported", "cp_paid",
        "cp_available", "cp_carryover_requested", "cp_carryover_granted", "cp_lapsed",
        "outstanding"}},
      {"ExecutionRow",
       "Prévision et exécution",
       "Plan and actual",
       2,
       {"fiscal_year", "managing_body", "planned_ae", "ae_consumed", "planned_cp", "cp_paid",
        "planned_outstanding", "outstanding", "planned_difference"}},
      {"Agreement",
       "",
       "",
       1,
       {"agreement_id", "delegating_body.body_id", "managing_body.body_id", "programme",
        "operating_unit", "envelope_ids"}},
      {"Envelope",
       "",
       "",
       1,
       {"envelope_id", "label", "managing_body_id", "accountant_ids", "payable_origin_years"}},
      {"Commitment",
       "",
       "",
       2,
       {"commitment_id", "line_id", "envelope_id", "product_id", "origin_year", "engaged_cents",
        "withdrawn_cents", "paid_cents", "outstanding_cents"}},
      {"PaymentRequest",
       "",
       "",
       1,
       {"payment_request_id", "commitment_id", "line_id", "origin_year", "paying_envelope_id",
        "type", "state", "net_cents", "paid_date"}},
      {"CommitmentLineState",
       "",
       "",
       1,
       {"line_id", "envelope_id", "product_id", "origin_year", "engaged_cents", "withdrawn_cents",
        "corrected_cents", "certified_cents", "requested_cents", "paid_cents", "outstanding_cents",
        "advance_open_cents", "retained_open_cents", "imported", "early", "reversed"}},
      {"Product", "", "", 1, {"product_id", "label", "fiscal_year", "budget_cents"}},
      {"OutstandingRow",
       "",
       "",
       3,
       {"managing_body", "origin_year", "fiscal_year", "opening", "corrections", "reimputed",
        "engaged", "paid", "withdrawn", "outstanding"}},
      {"PaymentFollowUpRow",
       "",
       "",
       2,
       {"fiscal_year", "managing_body", "ae_opened", "ae_engaged", "cp_opened", "cp_paid",
        "cp_paid_on_prior", "cp_paid_on_current", "uncovered_before", "corrections",
        "uncovered_after"}},
      {"ProductRow",
       "",
       "",
       2,
       {"fiscal_year", "label", "budget", "common_share", "engaged", "paid"}},
  };
  return *blocks;
}

// Columns that stand only where some row has something to say in them.
bool ShownOnlyWhenUsed(std::string_view path) {
  for (const std::string_view rare :
       {"ae_imported", "cp_imported", "planned_difference", "corrected_cents", "requested_cents",
        "advance_open_cents", "retained_open_cents", "reimputed", "imported", "early",
        "reversed"}) {
    if (path == rare) return true;
  }
  return false;
}

bool IsUsed(const std::vector<Row>& rows, const FieldDescriptor& field) {
  return std::any_of(rows.begin(), rows.end(), [&](const Row& row) {
    const std::string text = PlainText(*row.parts[0], field, -1);
    return text != "0.00" && text != "false";
  });
}

bool IsExecution(const Row& row) {
  return row.parts[0]->GetDescriptor() == v1::ExecutionRow::descriptor();
}

const v1::ExecutionRow& Execution(const Row& row) {
  return static_cast<const v1::ExecutionRow&>(*row.parts[0]);
}

// Rows of several bodies read body by body, each closed by its total.
std::vector<Row> WithTotals(const v1::GetYearlyExecutionResponse& response) {
  std::vector<Row> rows;
  std::vector<std::string> bodies;
  for (const auto& row : response.rows()) {
    if (std::find(bodies.begin(), bodies.end(), row.managing_body()) == bodies.end()) {
      bodies.push_back(row.managing_body());
    }
  }
  for (const std::string& body : bodies) {
    for (const auto& row : response.rows()) {
      if (row.managing_body() == body) rows.push_back({.parts = {&row}});
    }
    for (const auto& row : response.totals()) {
      if (row.managing_body() == body) rows.push_back({.parts = {&row}, .total = true});
    }
  }
  return rows;
}

// The messages of `field`, joined with what belongs to each.
std::vector<Row> RowsOf(const Message& response, const FieldDescriptor& field,
                        std::vector<const Descriptor*>* types) {
  *types = {field.message_type()};
  const auto* r = response.GetReflection();
  std::vector<const Message*> messages;
  if (field.is_repeated()) {
    for (int i = 0; i < r->FieldSize(response, &field); ++i) {
      messages.push_back(&r->GetRepeatedMessage(response, &field, i));
    }
  } else if (r->HasField(response, &field)) {
    messages.push_back(&r->GetMessage(response, &field));
  }

  std::vector<Row> rows;
  if (field.message_type() == v1::Commitment::descriptor()) {
    types->push_back(v1::CommitmentLineState::descriptor());
    for (const Message* message : messages) {
      for (const auto& line : static_cast<const v1::Commitment&>(*message).lines()) {
        rows.push_back({.parts = {message, &line}});
      }
    }
    return rows;
  }
  for (const Message* message : messages) rows.push_back({.parts = {message}});
  return rows;
}

// The first cell of a row that is a year's.
std::string YearCell(const Row& row, std::string cell, Lang lang) {
  if (row.total) return "Total";
  if (!IsExecution(row)) return cell;
  const v1::ExecutionRow& year = Execution(row);
  const bool planned_only =
      year.has_plan() && !year.closed() && year.ae_engaged() == 0 && year.cp_paid() == 0;
  return planned_only ? cell + In(lang, " (prévision)", " (planned)") : cell;
}

std::string Table(const std::vector<const Descriptor*>& types, const std::vector<Row>& rows,
                  const std::string& title, const Style& style) {
  const std::string none = In(style.lang, "(aucun)", "(none)");
  std::string out;
  bool known = false;
  for (const Block& block : Blocks()) {
    if (types[0]->name() != block.type) continue;
    known = true;
    std::vector<Row> shown = rows;
    // The plan stands beside what was executed, for the years that have one: a total over all
    // years would compare it with more.
    if (block.paths[2] == "planned_ae") {
      std::erase_if(shown, [](const Row& row) { return row.total || !Execution(row).has_plan(); });
      if (shown.empty()) continue;
    }
    std::vector<std::string> paths;
    for (const std::string& path : block.paths) {
      const FieldDescriptor* field = types[0]->FindFieldByName(path);
      if (!ShownOnlyWhenUsed(path) || IsUsed(shown, *field)) paths.push_back(path);
    }
    Grid grid = HumanGrid(types, shown, paths, style.lang);
    for (std::size_t r = 0; r < shown.size(); ++r) {
      if (paths[0] == "fiscal_year") {
        grid.rows[r][0] = YearCell(shown[r], std::move(grid.rows[r][0]), style.lang);
      }
      if (block.type == "ProductRow" && grid.rows[r][1].empty()) {
        grid.rows[r][1] = In(style.lang, "(sans produit)", "(no product)");
      }
    }
    grid.title = block.french.empty() ? title : In(style.lang, block.french, block.english);
    grid.keys = block.keys;
    if (!out.empty()) out += "\n";
    out += ToTable(grid, style.width, none);
  }
  if (known) return out;
  Grid grid = HumanGrid(types, rows, Leaves(*types[0]), style.lang);
  grid.title = title;
  return ToTable(grid, style.width, none);
}

// A resource alone: its leaves below each other, then its lists.
std::string Sheet(const Message& message, const std::string& title, const Style& style) {
  std::string out = title + "\n" + ToList(HumanList(message, style.lang));
  const Descriptor& type = *message.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (KindOf(field) != Kind::kMessage || !field.is_repeated()) continue;
    std::vector<const Descriptor*> types;
    const std::vector<Row> rows = RowsOf(message, field, &types);
    if (rows.empty()) continue;
    out += "\n" + Table(types, rows, FieldWord(field, style.lang), style);
  }
  return out;
}

std::string Csv(const Message& response, std::string_view csv_field) {
  if (csv_field.empty()) {
    return ToCsv(PlainGrid({response.GetDescriptor()}, {{.parts = {&response}}}));
  }
  const FieldDescriptor& field = *response.GetDescriptor()->FindFieldByName(std::string(csv_field));
  std::vector<const Descriptor*> types;
  std::vector<Row> rows = RowsOf(response, field, &types);
  if (types[0] == v1::ProductRow::descriptor()) {
    static const v1::ProductReconciliation none;
    types.push_back(v1::ProductReconciliation::descriptor());
    for (Row& row : rows) {
      row.parts.push_back(&none);
      for (const auto& reconciliation :
           static_cast<const v1::GetProductBudgetsResponse&>(response).reconciliations()) {
        if (reconciliation.fiscal_year() ==
            static_cast<const v1::ProductRow*>(row.parts[0])->fiscal_year()) {
          row.parts.back() = &reconciliation;
        }
      }
    }
  }
  return ToCsv(PlainGrid(types, rows));
}

// The fact of an event and the field that names it.
std::pair<const FieldDescriptor*, const Message*> FactOf(const events::v1::Event& event) {
  const auto* oneof = event.GetDescriptor()->FindOneofByName("fact");
  const FieldDescriptor* field = event.GetReflection()->GetOneofFieldDescriptor(event, oneof);
  if (field == nullptr) return {nullptr, nullptr};
  return {field, &event.GetReflection()->GetMessage(event, field)};
}

// What a message says, on one line: labels and values of all that is set, lists in brackets.
std::string Sentence(const Message& message, Lang lang) {
  std::vector<std::string> parts;
  std::vector<const FieldDescriptor*> fields;
  message.GetReflection()->ListFields(message, &fields);
  for (const FieldDescriptor* f : fields) {
    const std::string label = FieldWord(*f, lang) + " ";
    const auto* r = message.GetReflection();
    const int size = f->is_repeated() ? r->FieldSize(message, f) : 1;
    std::string values;
    for (int i = 0; i < size; ++i) {
      const int index = f->is_repeated() ? i : -1;
      if (i > 0) values += ", ";
      if (KindOf(*f) == Kind::kMessage) {
        const Message& inner =
            index < 0 ? r->GetMessage(message, f) : r->GetRepeatedMessage(message, f, index);
        values += "(" + Sentence(inner, lang) + ")";
      } else {
        values += HumanText(message, *f, index, lang);
      }
    }
    parts.push_back(label + values);
  }
  std::string sentence;
  for (const std::string& part : parts) sentence += (sentence.empty() ? "" : " · ") + part;
  return sentence;
}

constexpr std::size_t kPositionWidth = 9;
constexpr std::size_t kFactWidth = 34;

std::string EventLine(std::string_view position, std::string_view recorded, std::string_view day,
                      std::string_view year, std::string_view fact, std::string_view actor) {
  const auto padded = [](std::string_view text, std::size_t width) {
    const std::size_t used = DisplayWidth(text);
    return std::string(text) + std::string(width > used ? width - used : 0, ' ') + "  ";
  };
  const std::size_t used = DisplayWidth(position);
  return std::string(kPositionWidth > used ? kPositionWidth - used : 0, ' ') +
         std::string(position) + "  " + padded(recorded, 19) + padded(day, 12) + padded(year, 8) +
         padded(fact, kFactWidth) + std::string(actor) + "\n";
}

}  // namespace

std::string Show(const Message& response, std::string_view csv_field, const Style& style) {
  if (style.format == Format::kJson) return ToJson(response).dump(2) + "\n";
  if (style.format == Format::kCsv) return Csv(response, csv_field);

  std::string out;
  std::vector<std::pair<std::string, std::string>> facts;
  const Descriptor& type = *response.GetDescriptor();
  const bool yearly = &type == v1::GetYearlyExecutionResponse::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    std::string block;
    if (KindOf(field) != Kind::kMessage) {
      std::string text = HumanText(response, field, -1, style.lang);
      if (!text.empty()) facts.emplace_back(FieldWord(field, style.lang), std::move(text));
    } else if (!field.is_repeated()) {
      block = Sheet(response.GetReflection()->GetMessage(response, &field),
                    FieldWord(field, style.lang), style);
    } else if (yearly && field.name() == "totals") {
      continue;
    } else {
      std::vector<const Descriptor*> types;
      std::vector<Row> rows = RowsOf(response, field, &types);
      if (yearly) {
        rows = WithTotals(static_cast<const v1::GetYearlyExecutionResponse&>(response));
      }
      const std::string title = field.name() == "rows" ? "" : FieldWord(field, style.lang);
      block = Table(types, rows, title, style);
    }
    if (!block.empty()) out += (out.empty() ? "" : "\n") + block;
  }
  return out + (out.empty() ? "" : "\n") + ToList(facts);
}

void KeepRows(Message* response, std::string_view field, std::string_view value) {
  const auto* r = response->GetReflection();
  for (const char* name : {"rows", "years", "reconciliations"}) {
    const FieldDescriptor* rows = response->GetDescriptor()->FindFieldByName(name);
    const FieldDescriptor* key =
        rows == nullptr ? nullptr : rows->message_type()->FindFieldByName(std::string(field));
    if (key == nullptr) continue;
    int kept = 0;
    for (int i = 0; i < r->FieldSize(*response, rows); ++i) {
      if (PlainText(r->GetRepeatedMessage(*response, rows, i), *key, -1) != value) continue;
      r->SwapElements(response, rows, i, kept++);
    }
    while (r->FieldSize(*response, rows) > kept) r->RemoveLast(response, rows);
  }
  const FieldDescriptor* totals = response->GetDescriptor()->FindFieldByName("totals");
  if (totals != nullptr && field == "fiscal_year") r->ClearField(response, totals);
}

std::string ShowEventHeading(const Style& style) {
  if (style.format == Format::kJson) return "";
  if (style.format == Format::kCsv) {
    return "position,recorded_time,effective_date,fiscal_year,body_id,principal_id,agreement_id,"
           "request_id,fact,details\r\n";
  }
  const Lang lang = style.lang;
  return EventLine("Position", In(lang, "Enregistré (UTC)", "Recorded (UTC)"),
                   In(lang, "Date d'effet", "Effective"), In(lang, "Exercice", "Year"),
                   In(lang, "Fait", "Fact"), In(lang, "Par", "By"));
}

std::string FactSentence(const events::v1::Event& event, Lang lang) {
  const Message* fact = FactOf(event).second;
  return fact == nullptr ? "" : Sentence(*fact, lang);
}

std::string ShowEvent(const v1::EventRecord& record, const Style& style) {
  if (style.format == Format::kJson) return ToJson(record).dump() + "\n";
  const events::v1::Event& event = record.event();
  const auto [field, fact] = FactOf(event);
  const std::string position = std::to_string(record.position());
  if (style.format == Format::kCsv) {
    const std::string csv = ToCsv(
        {.rows = {{position, PlainInstant(event.recorded_time_us()),
                   PlainDay(event.effective_date()), std::to_string(event.fiscal_year()),
                   event.actor().body_id(), event.actor().principal_id(), event.agreement_id(),
                   event.request_id(), field == nullptr ? "" : field->name(),
                   fact == nullptr ? "" : ToJson(*fact).dump()}}});
    return csv.substr(2);  // the line of headings is empty
  }
  std::string out =
      EventLine(position, Instant(event.recorded_time_us(), style.lang),
                Day(event.effective_date(), style.lang), std::to_string(event.fiscal_year()),
                field == nullptr ? "" : FieldWord(*field, style.lang),
                event.actor().principal_id() + "@" + event.actor().body_id());
  if (fact != nullptr) {
    const std::string details = Sentence(*fact, style.lang);
    if (!details.empty()) out += std::string(kPositionWidth + 2, ' ') + details + "\n";
  }
  return out;
}

}  // namespace denier::cli
