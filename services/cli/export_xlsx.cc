#include "services/cli/export_xlsx.h"

#include <xlsxwriter.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "services/cli/export_rows.h"
#include "services/cli/fields.h"
#include "services/cli/values.h"
#include "services/cli/words.h"
#include "services/cli/xlsx_book.h"

namespace denier::cli {
namespace {

constexpr lxw_row_t kMostRows = LXW_ROW_MAX;
// Beyond this many events a sheet may need ZIP64 (4 GiB), which not every reader knows.
constexpr std::uint64_t kMostPlainEvents = 500'000;
std::string Footer(const Provenance& provenance) {
  const std::string root = RootText(provenance);
  return absl::StrCat("&L&8Denier, ", provenance.size, " écritures, racine ",
                      root.empty() ? "inconnue" : root.substr(0, 16) + "…", "&R&8&A, page &P / &N");
}

void SetPage(lxw_worksheet* sheet, const Provenance& provenance) {
  worksheet_set_paper(sheet, 9);  // A4
  worksheet_set_margins(sheet, 0.4, 0.4, 0.6, 0.6);
  worksheet_set_footer(sheet, Footer(provenance).c_str());
}

// A table over as many sheets as its rows need.
class Table {
 public:
  struct Pick {
    std::string_view column;  // its name
    double width;             // in characters
  };

  // `columns` is what the rows come in, `picks` is what is shown of it, in which order; the first
  // `printed` go to paper.
  Table(Book& book, const Provenance& provenance, std::string name,
        const std::vector<ExportColumn>& columns, const std::vector<Pick>& picks, lxw_col_t printed)
      : book_(book), provenance_(provenance), name_(std::move(name)), printed_(printed) {
    for (const Pick& pick : picks) {
      const auto found =
          std::find_if(columns.begin(), columns.end(),
                       [&pick](const ExportColumn& column) { return column.name == pick.column; });
      shown_.push_back({&*found, static_cast<std::size_t>(found - columns.begin()), pick.width});
    }
    Open();
  }

  // OUT_OF_RANGE: see WriteXlsx.
  absl::Status Add(const ExportRow& cells) {
    if (row_ == kMostRows) {
      Close();
      Open();
    }
    for (lxw_col_t column = 0; column < shown_.size(); ++column) {
      const ExportCell& cell = cells[shown_[column].index];
      if (cell.empty) continue;
      switch (shown_[column].column->kind) {
        case CellKind::kText:
          worksheet_write_string(sheet_, row_, column, Clipped(cell.text).c_str(), book_.words);
          break;
        case CellKind::kWord:
          worksheet_write_string(sheet_, row_, column, cell.word.c_str(), book_.words);
          break;
        case CellKind::kNumber:
          worksheet_write_number(sheet_, row_, column, static_cast<double>(cell.number),
                                 book_.number);
          break;
        case CellKind::kDay: {
          lxw_datetime day = DateOf(cell.number);
          worksheet_write_datetime(sheet_, row_, column, &day, book_.day);
          break;
        }
        case CellKind::kInstant: {
          lxw_datetime instant = InstantOf(cell.number);
          worksheet_write_datetime(sheet_, row_, column, &instant, book_.instant);
          break;
        }
        case CellKind::kEuros:
          if (cell.number > kMostCents || cell.number < -kMostCents) {
            return absl::OutOfRangeError(
                absl::StrCat("an amount of ", cell.number, " cents in sheet ", name_));
          }
          worksheet_write_number(sheet_, row_, column, EurosOf(cell.number), book_.euros);
          break;
      }
    }
    ++row_;
    return absl::OkStatus();
  }

  // Once all rows are there.
  void Close() {
    const lxw_row_t last = std::max<lxw_row_t>(row_, 2) - 1;
    worksheet_autofilter(sheet_, 0, 0, last, static_cast<lxw_col_t>(shown_.size() - 1));
    worksheet_print_area(sheet_, 0, 0, last, printed_ - 1);
  }

 private:
  struct Shown {
    const ExportColumn* column;
    std::size_t index;
    double width;
  };

  void Open() {
    const std::string name = sheets_++ == 0 ? name_ : absl::StrCat(name_, " ", sheets_);
    sheet_ = workbook_add_worksheet(book_.workbook, name.c_str());
    SetPage(sheet_, provenance_);
    worksheet_set_header(sheet_, "&L&\"Liberation Sans,Bold\"&12&A");
    worksheet_set_landscape(sheet_);
    worksheet_fit_to_pages(sheet_, 1, 0);
    worksheet_repeat_rows(sheet_, 0, 0);
    worksheet_freeze_panes(sheet_, 1, 1);
    worksheet_set_row(sheet_, 0, 32, nullptr);
    for (lxw_col_t column = 0; column < shown_.size(); ++column) {
      worksheet_set_column(sheet_, column, column, shown_[column].width, nullptr);
      worksheet_write_string(sheet_, 0, column, std::string(shown_[column].column->french).c_str(),
                             book_.heading);
    }
    row_ = 1;
  }

  Book& book_;
  const Provenance& provenance_;
  const std::string name_;
  const lxw_col_t printed_;
  std::vector<Shown> shown_;
  lxw_worksheet* sheet_ = nullptr;
  int sheets_ = 0;
  lxw_row_t row_ = 0;
};

// What the cover says of the events themselves.
struct Summary {
  std::uint64_t events = 0;
  std::vector<std::string> agreements;
  std::int64_t recorded_us = 0;  // of the last one
};

absl::StatusOr<Summary> Summarise(ExportedLog& log) {
  Summary summary;
  if (const absl::Status status = log.Rewind(); !status.ok()) return status;
  while (true) {
    const absl::StatusOr<const ExportedEvent*> next = log.Next();
    if (!next.ok()) return next.status();
    if (*next == nullptr) return summary;
    const events::v1::Event& event = (*next)->event;
    ++summary.events;
    summary.recorded_us = event.recorded_time_us();
    if (event.has_agreement_created()) summary.agreements.push_back(event.agreement_id());
  }
}

void WriteCover(Book& book, const Provenance& provenance, const Summary& summary) {
  lxw_worksheet* sheet = workbook_add_worksheet(book.workbook, "Export");
  SetPage(sheet, provenance);
  worksheet_fit_to_pages(sheet, 1, 1);
  worksheet_gridlines(sheet, LXW_HIDE_ALL_GRIDLINES);
  worksheet_set_column(sheet, 0, 0, 2, nullptr);
  worksheet_set_column(sheet, 1, 1, 26, nullptr);
  worksheet_set_column(sheet, 2, 2, 78, nullptr);
  lxw_row_t row = 1;
  worksheet_set_row(sheet, row, 28, nullptr);
  worksheet_write_string(sheet, row, 1, "Crédits délégués\u00a0: export du journal", book.title);
  row += 2;
  const auto line = [&](const char* name, const std::string& text, lxw_format* format,
                        int lines = 1) {
    worksheet_set_row(sheet, row, 6 + 13 * lines, nullptr);
    worksheet_write_string(sheet, row, 1, name, book.name);
    worksheet_write_string(sheet, row++, 2, text.c_str(), format);
  };
  const auto count = [](std::uint64_t n) {
    return Count(static_cast<std::int64_t>(n), Lang::kFrench);
  };

  std::string agreements;
  for (const std::string& id : summary.agreements) {
    agreements += (agreements.empty() ? "" : ", ") + id;
  }
  line("Convention", agreements, book.text);
  line("Journal",
       count(provenance.size) + " écritures" +
           (provenance.size == 0 ? "" : absl::StrCat(", positions 0 à ", provenance.size - 1)),
       book.text);
  line("Dernière écriture", Instant(summary.recorded_us, Lang::kFrench) + " UTC", book.text);
  line("Racine de Merkle", provenance.root.has_value() ? RootText(provenance) : "inconnue",
       book.note);
  if (provenance.root_computed) {
    line("Contrôle",
         provenance.checkpoint.empty()
             ? "Racine calculée sur toutes les écritures. Le serveur n'a pas de clé\u00a0: aucun "
               "point de contrôle ne l'atteste."
             : "Racine calculée sur toutes les écritures, égale à celle du point de contrôle.",
         book.text);
  }
  if (provenance.partial) {
    line("EXPORT PARTIEL",
         absl::StrCat(
             count(summary.events), " écritures sur ", count(provenance.size),
             provenance.root_computed
                 ? "\u00a0: celles d'une seule convention. La racine a été vérifiée sur toutes."
                 : "\u00a0: celles que le demandeur peut lire. La racine n'a pas été vérifiée."),
         book.warning);
  }
  if (!provenance.checkpoint.empty()) {
    std::string note = provenance.checkpoint;
    while (note.ends_with('\n')) note.pop_back();
    const auto lines = static_cast<int>(std::count(note.begin(), note.end(), '\n')) + 2;
    line("Point de contrôle", note, book.note, lines);
    line("Clé de vérification", provenance.verifier_key, book.note, 2);
  }
  ++row;
  line("Exécution annuelle",
       "L'état du serveur à cette position, par exercice et service gestionnaire\u00a0: crédits "
       "ouverts, consommés, restes à payer, prévision.",
       book.text, 2);
  line("Écritures", "Chaque écriture du journal, avec son empreinte dans l'arbre de Merkle.",
       book.text);
  line("Mouvements",
       "Ce que chaque écriture déplace, de compte à compte. Les livres AE, CP et restes à payer, "
       "exécutés ou prévus, ne s'additionnent jamais entre eux\u00a0; chacun se solde à zéro.",
       book.text, 2);
  line("Signes",
       "Positif\u00a0: ce qu'une enveloppe a ou a consommé. Négatif\u00a0: d'où cela vient "
       "(origine, reprise d'antériorité, report de N-1).",
       book.text, 2);
  ++row;
  line(
      "Refaire et vérifier",
      absl::StrCat("denier export xlsx --as-of ", provenance.size == 0 ? 0 : provenance.size - 1,
                   " --out FICHIER redonne ce fichier, octet pour octet. Les mêmes écritures, avec "
                   "leurs octets, pour un vérificateur indépendant\u00a0: denier export jsonl."),
      book.text, 2);
}

// The columns of the yearly execution, in bands.
struct Band {
  const char* name;
  std::vector<const char*> fields;
};

const std::vector<Band>& Bands() {
  static const auto* bands = new std::vector<Band>{
      {"Autorisations d'engagement (AE)",
       {"ae_opened", "ae_carried_in", "ae_imported", "ae_frozen", "ae_engaged",
        "ae_withdrawn_current", "ae_withdrawn_prior", "ae_consumed", "ae_unavailable", "ae_early",
        "ae_available", "ae_carried_out", "ae_lapsed"}},
      {"Crédits de paiement (CP)",
       {"cp_opened", "cp_carried_in", "cp_imported", "cp_frozen", "cp_held", "cp_paid",
        "cp_available", "cp_carryover_requested", "cp_carryover_granted", "cp_lapsed"}},
      {"Restes à payer", {"opening_corrections", "outstanding_before_withdrawals", "outstanding"}},
      {"Prévision", {"planned_ae", "planned_cp", "planned_outstanding", "planned_difference"}},
  };
  return *bands;
}

// These stand there even when every row has 0: their absence would be a question.
bool StandsAlways(std::string_view field) {
  for (const std::string_view name :
       {"ae_opened", "ae_engaged", "ae_consumed", "ae_available", "cp_opened", "cp_carried_in",
        "cp_paid", "cp_available", "cp_lapsed", "outstanding"}) {
    if (field == name) return true;
  }
  return false;
}

std::int64_t CentsOf(const v1::ExecutionRow& row, const FieldDescriptor& field) {
  return row.GetReflection()->GetInt64(row, &field);
}

absl::Status WriteExecution(Book& book, const Provenance& provenance,
                            const ExecutionByAgreement& execution) {
  lxw_worksheet* sheet = workbook_add_worksheet(book.workbook, "Exécution annuelle");
  SetPage(sheet, provenance);
  worksheet_set_landscape(sheet);
  worksheet_set_header(sheet, "&L&\"Liberation Sans,Bold\"&12&A");
  worksheet_set_print_scale(sheet, 58);
  worksheet_freeze_panes(sheet, 2, 3);
  worksheet_repeat_rows(sheet, 0, 1);
  worksheet_repeat_columns(sheet, 0, 2);
  worksheet_set_column(sheet, 0, 0, 20, nullptr);
  worksheet_set_column(sheet, 1, 1, 10, nullptr);
  worksheet_set_column(sheet, 2, 2, 14, nullptr);

  // Bands, and the fields of each that some row uses.
  std::vector<std::pair<const char*, std::vector<const FieldDescriptor*>>> bands;
  for (const Band& band : Bands()) {
    bands.emplace_back(band.name, std::vector<const FieldDescriptor*>());
    for (const char* name : band.fields) {
      const FieldDescriptor& field = *v1::ExecutionRow::descriptor()->FindFieldByName(name);
      bool used = StandsAlways(name);
      for (const auto& [agreement, response] : execution) {
        for (const v1::ExecutionRow& row : response.rows()) used |= CentsOf(row, field) != 0;
      }
      if (used) bands.back().second.push_back(&field);
    }
    if (bands.back().second.empty()) bands.pop_back();
  }

  // On paper AE, then CP, then the rest.
  std::vector<lxw_col_t> breaks;
  worksheet_set_row(sheet, 0, 18, nullptr);
  lxw_col_t column = 3;
  for (const auto& [name, fields] : bands) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
      worksheet_write_string(sheet, 0, static_cast<lxw_col_t>(column + i), i == 0 ? name : "",
                             book.band);
    }
    column = static_cast<lxw_col_t>(column + fields.size());
    if (name == Bands()[0].name || name == Bands()[1].name) breaks.push_back(column);
  }
  const lxw_col_t columns = column;
  worksheet_set_column(sheet, 3, columns - 1, 15, nullptr);
  breaks.push_back(0);
  worksheet_set_v_pagebreaks(sheet, breaks.data());

  worksheet_set_row(sheet, 1, 45, nullptr);
  column = 0;
  for (const char* heading : {"Convention", "Exercice", "Service gestionnaire"}) {
    worksheet_write_string(sheet, 1, column++, heading, book.heading);
  }
  for (const auto& [name, fields] : bands) {
    for (const FieldDescriptor* field : fields) {
      worksheet_write_string(sheet, 1, column++, FieldWord(*field, Lang::kFrench).c_str(),
                             book.heading);
    }
  }

  lxw_row_t at = 2;
  absl::Status status;
  const auto write = [&](const std::string& agreement, const v1::ExecutionRow& row, bool total) {
    lxw_format* words = total ? book.total_words : book.words;
    lxw_format* number = total ? book.total_number : book.number;
    lxw_format* euros = total ? book.total_euros : book.euros;
    worksheet_write_string(sheet, at, 0, agreement.c_str(), words);
    if (total) {
      worksheet_write_string(sheet, at, 1, "Total", words);
    } else {
      worksheet_write_number(sheet, at, 1, row.fiscal_year(), number);
    }
    worksheet_write_string(sheet, at, 2, row.managing_body().c_str(), words);
    lxw_col_t to = 3;
    for (const auto& [name, fields] : bands) {
      // A total over all years would compare the plan of some with what all of them spent.
      const bool plan = std::string_view(name) == Bands().back().name;
      for (const FieldDescriptor* field : fields) {
        const std::int64_t cents = CentsOf(row, *field);
        if (cents > kMostCents || cents < -kMostCents) {
          status = absl::OutOfRangeError(absl::StrCat("an amount of ", cents, " cents"));
        }
        if (plan && (total || !row.has_plan())) {
          worksheet_write_blank(sheet, at, to++, euros);
        } else {
          worksheet_write_number(sheet, at, to++, EurosOf(cents), euros);
        }
      }
    }
    ++at;
  };
  for (const auto& [agreement, response] : execution) {
    for (const v1::ExecutionRow& total : response.totals()) {
      for (const v1::ExecutionRow& row : response.rows()) {
        if (row.managing_body() == total.managing_body()) write(agreement, row, false);
      }
      write(agreement, total, true);
    }
  }
  worksheet_autofilter(sheet, 1, 0, std::max<lxw_row_t>(at, 3) - 1, columns - 1);
  return status;
}

absl::Status WriteTables(Book& book, const Provenance& provenance, ExportedLog& log) {
  Table events(book, provenance, "Écritures", EventColumns(),
               {{"position", 10},
                {"effective_date", 12},
                {"fiscal_year", 10},
                {"fact", 29},
                {"envelope_ids", 30},
                {"commitment_id", 16},
                {"line_id", 8},
                {"payment_request_id", 22},
                {"principal_id", 18},
                {"body_id", 12},
                {"recorded_time", 19},
                {"detail", 70},
                {"agreement_id", 20},
                {"late_reason", 18},
                {"request_id", 22},
                {"leaf_hash", 68}},
               11);
  Table postings(book, provenance, "Mouvements", PostingColumns(),
                 {{"position", 10},
                  {"effective_date", 12},
                  {"fact", 29},
                  {"envelope_id", 18},
                  {"managing_body_id", 14},
                  {"fiscal_year", 10},
                  {"ledger", 15},
                  {"basis", 10},
                  {"account", 22},
                  {"origin_year", 10},
                  {"product_id", 14},
                  {"commitment_id", 16},
                  {"payment_request_id", 22},
                  {"amount", 18},
                  {"principal_id", 18},
                  {"body_id", 12},
                  {"recorded_time", 19},
                  {"agreement_id", 20},
                  {"request_id", 22}},
                 14);
  ExportRows rows;
  if (const absl::Status status = log.Rewind(); !status.ok()) return status;
  absl::Status status;
  while (status.ok()) {
    const absl::StatusOr<const ExportedEvent*> next = log.Next();
    if (!next.ok()) return next.status();
    if (*next == nullptr) break;
    status = events.Add(rows.OfEvent(**next));
    rows.OfPostings(**next, [&](const ExportRow& row) {
      if (status.ok()) status = postings.Add(row);
    });
  }
  events.Close();
  postings.Close();
  return status;
}

}  // namespace

absl::Status WriteXlsx(const Provenance& provenance, const ExecutionByAgreement& execution,
                       ExportedLog& log, const std::string& path) {
  const absl::StatusOr<Summary> summary = Summarise(log);
  if (!summary.ok()) return summary.status();
  const std::string folder = path.substr(0, path.rfind('/') + 1) + ".";
  lxw_workbook_options options{};
  options.constant_memory = LXW_TRUE;  // a sheet's rows go to a temporary file as they come
  options.tmpdir = Plain(folder.c_str());
  options.use_zip64 = summary->events > kMostPlainEvents ? LXW_TRUE : LXW_FALSE;
  lxw_workbook* workbook = workbook_new_opt(path.c_str(), &options);
  if (workbook == nullptr) return absl::UnavailableError(path);
  lxw_doc_properties properties{};
  properties.title = Plain("Crédits délégués : export du journal");
  properties.author = Plain("Denier");
  // 0 would be now.
  properties.created = std::max<std::int64_t>(summary->recorded_us / 1'000'000, 1);
  workbook_set_properties(workbook, &properties);

  Book book(workbook);
  WriteCover(book, provenance, *summary);
  absl::Status status = WriteExecution(book, provenance, execution);
  if (status.ok()) status = WriteTables(book, provenance, log);
  const lxw_error closed = workbook_close(workbook);
  if (!status.ok()) return status;
  if (closed == LXW_NO_ERROR) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": ", lxw_strerror(closed)));
}

}  // namespace denier::cli
