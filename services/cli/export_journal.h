// The export for plain-text accounting: a journal that hledger, ledger or beancount adds up by
// itself.
//
// Five trees of accounts, never netted: AE, CP, OUTSTANDING (restes à payer), PLANNED-AE and
// PLANNED-CP. Each sums to zero, as the books' ledgers do; signs are the books' (posting.h). Below
// them an account is agreement, envelope, budget year, account of the trial balance:
//   hledger, ledger   AE:engagement-civique:coaching-2022:2022:engaged
//   beancount         AE:A-engagement-civique:E-coaching-2022:2022:Engaged
// The year of origin and the product stand as tags (metadata) on the posting.
//
// Names are one to one. For hledger and ledger a ':' within an identifier is written %3A. beancount
// knows letters, digits and '-' only, and wants a capital first: hence A- and E-, any other byte as
// --HH (two hex digits: '.' is --2E, '_' --5F, ':' --3A), and '-' before a second '-' as --2D. Its
// five root names are set by options to the five trees. Its `open` lines carry agreement, envelope,
// year and account as the books write them, and the day 1970-01-01, for entries of any year.
#ifndef DENIER_SERVICES_CLI_EXPORT_JOURNAL_H_
#define DENIER_SERVICES_CLI_EXPORT_JOURNAL_H_

#include <cstdint>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "projections/posting.h"
#include "services/cli/exported_log.h"

namespace denier::cli {

enum class Journal : std::uint8_t { kHledger, kLedger, kBeancount };

// UTF-8, LF. Comments at the top say what the journal was made at. Then a transaction an event, by
// position: its date is the effective date; position, fact, principal, recorded time, request id,
// commitment and payment request stand in its code, description and tags. An event that moves no
// money is a comment. An account is declared before its first use, so that the tools' strict checks
// pass. Memory: the names of the accounts.
absl::Status WriteJournal(Journal journal, const Provenance& provenance, ExportedLog& log,
                          std::ostream& out);

// The account of a posting of `agreement_id`.
std::string AccountName(Journal journal, const std::string& agreement_id,
                        const projections::Posting& posting);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXPORT_JOURNAL_H_
