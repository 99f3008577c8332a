#include "services/cli/export_journal.h"

#include <string_view>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "projections/touched.h"
#include "services/cli/fields.h"
#include "services/cli/values.h"

namespace denier::cli {
namespace {

using events::v1::Event;
using projections::Basis;
using projections::Posting;

bool IsLetterOrDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

// `id` with every byte that an account's name cannot have as `mark` and two hex digits.
std::string Escaped(std::string_view id, std::string_view also, std::string_view mark) {
  std::string text;
  for (std::size_t i = 0; i < id.size(); ++i) {
    const char c = id[i];
    // "--" is beancount's mark: no identifier may bring its own.
    const bool looks_like_mark = c == '-' && mark == "--" && i + 1 < id.size() && id[i + 1] == '-';
    if (IsLetterOrDigit(c) || (also.find(c) != std::string_view::npos && !looks_like_mark)) {
      text += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    text += mark;
    text += "0123456789ABCDEF"[byte >> 4];
    text += "0123456789ABCDEF"[byte & 15];
  }
  return text;
}

// What stands in a comment or between quotation marks; the books' identifiers have no such
// characters, a principal of a certificate may.
std::string Harmless(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == ';') c = '?';
  }
  return out;
}

std::string TreeOf(const Posting& posting) {
  const std::string ledger(Name(posting.ledger));
  return posting.basis == Basis::kPlanned ? "PLANNED-" + ledger : ledger;
}

// "Carryover-requested" of "carryover_requested".
std::string Capital(std::string_view account) {
  std::string name = Replace(std::string(account), '_', '-');
  name[0] = static_cast<char>(name[0] - 'a' + 'A');
  return name;
}

std::string_view FactOf(const Event& event) {
  const auto* facts = event.GetDescriptor()->FindOneofByName("fact");
  return event.GetReflection()->GetOneofFieldDescriptor(event, facts)->name();
}

class JournalWriter {
 public:
  JournalWriter(Journal journal, std::ostream& out) : journal_(journal), out_(out) {}

  void Head(const Provenance& provenance) {
    Comment("Denier: the log of delegated State credits (AE and CP), as a journal for " +
            std::string(journal_ == Journal::kHledger  ? "hledger"
                        : journal_ == Journal::kLedger ? "ledger"
                                                       : "beancount"));
    Comment(absl::StrCat("events: ", provenance.size));
    Comment("root: " + RootText(provenance));
    if (!provenance.agreement_id.empty()) Comment("agreement: " + provenance.agreement_id);
    if (provenance.partial) {
      Comment(provenance.root_computed
                  ? "partial: only this agreement's events; the root was checked over all of them"
                  : "partial: only the events that the caller may read; the root was not checked");
    }
    if (provenance.checkpoint.empty()) {
      Comment("checkpoint: none, the server has no key");
    } else {
      Comment("verifier key: " + provenance.verifier_key);
      Comment("checkpoint:");
      for (const std::string_view line : Split(provenance.checkpoint, '\n')) {
        Comment("  " + std::string(line));
      }
    }
    out_ << "\n";
    switch (journal_) {
      case Journal::kHledger:
        out_ << "decimal-mark .\ncommodity 1000.00 EUR\n";
        DeclareTags();
        break;
      case Journal::kLedger:
        out_ << "commodity EUR\n    format 1000.00 EUR\n";
        DeclareTags();
        break;
      case Journal::kBeancount:
        out_ << "option \"title\" \"Denier\"\n"
                "option \"operating_currency\" \"EUR\"\n"
                "option \"name_assets\" \"AE\"\n"
                "option \"name_liabilities\" \"CP\"\n"
                "option \"name_equity\" \"OUTSTANDING\"\n"
                "option \"name_income\" \"PLANNED-AE\"\n"
                "option \"name_expenses\" \"PLANNED-CP\"\n\n";
        break;
    }
  }

  void Write(const ExportedEvent& exported) {
    const Event& event = exported.event;
    const projections::PostingList postings = projections::Postings(event);
    const std::string day = PlainDay(event.effective_date());
    const std::string fact(FactOf(event));
    if (postings.empty()) {
      Comment(absl::StrCat(day, " (", exported.position, ") ", fact, " ",
                           Harmless(event.request_id()), ": moves no money"));
      return;
    }
    std::vector<std::string> accounts;
    for (const Posting& posting : postings) {
      accounts.push_back(AccountName(journal_, event.agreement_id(), posting));
      if (known_.insert(accounts.back()).second) {
        Declare(accounts.back(), event.agreement_id(), posting);
      }
    }
    const bool beancount = journal_ == Journal::kBeancount;
    if (beancount) {
      out_ << day << " * \"" << fact << "\"\n";
      Tag("  ", "position", absl::StrCat(exported.position), /*quoted=*/false);
    } else {
      out_ << day << " (" << exported.position << ") " << fact << "\n";
    }
    const std::string_view indent = beancount ? "  " : "    ";
    Tag(indent, "principal", event.actor().principal_id() + "@" + event.actor().body_id());
    Tag(indent, "recorded", PlainInstant(event.recorded_time_us()));
    Tag(indent, "request_id", event.request_id());
    const projections::Touched touched = projections::TouchedBy(event);
    if (!touched.commitment_id.empty()) Tag(indent, "commitment", touched.commitment_id);
    if (!touched.payment_request_id.empty()) {
      Tag(indent, "payment_request", touched.payment_request_id);
    }
    for (std::size_t i = 0; i < postings.size(); ++i) {
      const Posting& posting = postings[i];
      const std::string euros = PlainEuros(posting.cents);
      out_ << indent << accounts[i] << "  " << euros << " EUR\n";
      if (posting.origin_year != 0) {
        Tag("      ", "origin_year", absl::StrCat(posting.origin_year), /*quoted=*/!beancount);
      }
      if (!posting.product_id.empty()) Tag("      ", "product", posting.product_id);
    }
    out_ << "\n";
  }

 private:
  void DeclareTags() {
    for (const char* tag : {"principal", "recorded", "request_id", "commitment", "payment_request",
                            "origin_year", "product"}) {
      out_ << "tag " << tag << "\n";
    }
    out_ << "\n";
  }

  void Comment(const std::string& text) { out_ << "; " << text << "\n"; }

  void Tag(std::string_view indent, std::string_view name, std::string_view value,
           bool quoted = true) {
    if (journal_ == Journal::kBeancount) {
      out_ << indent << name << ": " << (quoted ? "\"" : "") << Harmless(value)
           << (quoted ? "\"" : "") << "\n";
    } else {
      out_ << indent << "; " << name << ": " << Harmless(value) << "\n";
    }
  }

  void Declare(const std::string& account, const std::string& agreement_id,
               const Posting& posting) {
    if (journal_ != Journal::kBeancount) {
      out_ << "account " << account << "\n";
      return;
    }
    out_ << "1970-01-01 open " << account << " EUR\n";
    Tag("  ", "agreement", agreement_id);
    Tag("  ", "envelope", posting.envelope_id);
    Tag("  ", "year", absl::StrCat(posting.fiscal_year), /*quoted=*/false);
    Tag("  ", "account", Name(posting.account));
  }

  const Journal journal_;
  std::ostream& out_;
  std::unordered_set<std::string> known_;
};

}  // namespace

std::string AccountName(Journal journal, const std::string& agreement_id, const Posting& posting) {
  const std::string account(Name(posting.account));
  if (journal == Journal::kBeancount) {
    return absl::StrCat(TreeOf(posting), ":A-", Escaped(agreement_id, "-", "--"), ":E-",
                        Escaped(posting.envelope_id, "-", "--"), ":", posting.fiscal_year, ":",
                        Capital(account));
  }
  return absl::StrCat(TreeOf(posting), ":", Escaped(agreement_id, "-._", "%"), ":",
                      Escaped(posting.envelope_id, "-._", "%"), ":", posting.fiscal_year, ":",
                      account);
}

absl::Status WriteJournal(Journal journal, const Provenance& provenance, ExportedLog& log,
                          std::ostream& out) {
  JournalWriter writer(journal, out);
  writer.Head(provenance);
  if (const absl::Status status = log.Rewind(); !status.ok()) return status;
  while (true) {
    const absl::StatusOr<const ExportedEvent*> next = log.Next();
    if (!next.ok()) return next.status();
    if (*next == nullptr) return absl::OkStatus();
    writer.Write(**next);
  }
}

}  // namespace denier::cli
