// The export for spreadsheets and scripts: a row a posting.
//
// Two dialects. kFrench is what an office's spreadsheet opens by a double click: ';', decimal
// comma, UTF-8 with a byte order mark, CRLF, days JJ/MM/AAAA, French headings and words. kRfc4180
// is for programs: ',', decimal point, no byte order mark, ISO days and instants, names as in the
// API.
//
// Formula injection (kFrench only: it is the one that is opened in a spreadsheet): a cell of text
// that begins with = + - @ TAB or CR is written behind an apostrophe. Amounts, positions, years and
// days are made by us from numbers, and are not touched: -12,50 stays a number. kRfc4180 says what
// the books say, to the byte.
//
// A row is enough to add up: amounts of AE, CP and OUTSTANDING (`ledger`), planned and actual
// (`basis`) are never to be added together.
#ifndef DENIER_SERVICES_CLI_EXPORT_CSV_H_
#define DENIER_SERVICES_CLI_EXPORT_CSV_H_

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "services/cli/exported_log.h"

namespace denier::cli {

enum class CsvDialect : std::uint8_t { kFrench, kRfc4180 };

// The rows, by position, below a line of headings. A CSV cannot say where it comes from without
// ceasing to be one: ProvenanceNote goes beside it.
absl::Status WriteCsv(CsvDialect dialect, ExportedLog& log, std::ostream& out);

// What stands beside a CSV, in FILE.provenance.txt: the file's name and SHA-256, the size and root
// that it was made at, and the checkpoint as it was signed. In the dialect's language.
std::string ProvenanceNote(CsvDialect dialect, const Provenance& provenance,
                           const std::string& file, const store::Hash& sha256);

// `text` as a spreadsheet takes it for text: see above.
std::string Disarmed(std::string_view text);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXPORT_CSV_H_
