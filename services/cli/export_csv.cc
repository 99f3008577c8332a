#include "services/cli/export_csv.h"

#include <vector>

#include "absl/status/statusor.h"
#include "services/cli/export_rows.h"
#include "services/cli/values.h"

namespace denier::cli {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// RFC 4180, section 2: quotation marks only where they are needed, and doubled within.
std::string Field(std::string_view text, char separator) {
  const char special[] = {separator, '"', '\r', '\n', '\0'};
  if (text.find_first_of(special) == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string FrenchText(const ExportColumn& column, const ExportCell& cell) {
  switch (column.kind) {
    case CellKind::kText:
      return Disarmed(cell.text);
    case CellKind::kWord:
      return cell.word;
    case CellKind::kNumber:
      return std::to_string(cell.number);
    case CellKind::kDay:
      return Day(static_cast<std::int32_t>(cell.number), Lang::kFrench);
    case CellKind::kInstant:
      return Instant(cell.number, Lang::kFrench);
    case CellKind::kEuros:
      return Replace(PlainEuros(cell.number), '.', ',');
  }
  return "";
}

std::string RfcText(const ExportColumn& column, const ExportCell& cell) {
  switch (column.kind) {
    case CellKind::kText:
    case CellKind::kWord:
      return cell.text;
    case CellKind::kNumber:
      return std::to_string(cell.number);
    case CellKind::kDay:
      return PlainDay(static_cast<std::int32_t>(cell.number));
    case CellKind::kInstant:
      return PlainInstant(cell.number);
    case CellKind::kEuros:
      return PlainEuros(cell.number);
  }
  return "";
}

}  // namespace

std::string Disarmed(std::string_view text) {
  const bool armed =
      !text.empty() && std::string_view("=+-@\t\r").find(text[0]) != std::string_view::npos;
  return (armed ? "'" : "") + std::string(text);
}

absl::Status WriteCsv(CsvDialect dialect, ExportedLog& log, std::ostream& out) {
  const bool french = dialect == CsvDialect::kFrench;
  const char separator = french ? ';' : ',';
  const std::vector<ExportColumn>& columns = PostingColumns();
  std::string line(french ? kByteOrderMark : "");
  for (const ExportColumn& column : columns) {
    if (&column != &columns.front()) line += separator;
    line += Field(french ? column.french : column.name, separator);
  }
  out << line << "\r\n";

  ExportRows rows;
  if (const absl::Status status = log.Rewind(); !status.ok()) return status;
  while (true) {
    const absl::StatusOr<const ExportedEvent*> next = log.Next();
    if (!next.ok()) return next.status();
    if (*next == nullptr) return absl::OkStatus();
    rows.OfPostings(**next, [&](const ExportRow& row) {
      line.clear();
      for (std::size_t i = 0; i < columns.size(); ++i) {
        if (i > 0) line += separator;
        if (row[i].empty) continue;
        line +=
            Field(french ? FrenchText(columns[i], row[i]) : RfcText(columns[i], row[i]), separator);
      }
      out << line << "\r\n";
    });
  }
}

std::string ProvenanceNote(CsvDialect dialect, const Provenance& provenance,
                           const std::string& file, const store::Hash& sha256) {
  const bool french = dialect == CsvDialect::kFrench;
  const auto say = [french](const char* in_french, const char* in_english) {
    return std::string(french ? in_french : in_english);
  };
  std::string note =
      say("Export Denier : d'où vient ce fichier", "Denier export: where this file comes from") +
      "\n";
  const auto line = [&note](const std::string& name, const std::string& value) {
    note += name + ": " + value + "\n";
  };
  line(say("fichier", "file"), file);
  line("sha256", store::ToHex(sha256));
  line(say("écritures", "events"), std::to_string(provenance.size));
  line(say("racine", "root"), RootText(provenance));
  if (!provenance.agreement_id.empty()) {
    line(say("convention", "agreement"), provenance.agreement_id);
  }
  line(say("partiel", "partial"), !provenance.partial ? say("non", "no") : say("oui", "yes"));
  line(say("racine vérifiée sur toutes les écritures", "root checked over all events"),
       provenance.root_computed ? say("oui", "yes") : say("non", "no"));
  if (provenance.checkpoint.empty()) {
    line(say("point de contrôle", "checkpoint"),
         say("aucun, le serveur n'a pas de clé", "none, the server has no key"));
    return note;
  }
  line(say("clé de vérification", "verifier key"), provenance.verifier_key);
  return note + say("point de contrôle", "checkpoint") + ":\n\n" + provenance.checkpoint;
}

}  // namespace denier::cli
