#include "services/cli/execution_report_document.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <tuple>

#include "services/cli/grid.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

using v1::ExecutionReport;
using Row = v1::ExecutionReportRow;
using Kind = ReportCell::Kind;

// A column or line of figures of `Source`.
template <class Source>
struct Figure {
  std::string_view french, english;
  std::int64_t (Source::*get)() const;
  bool only_when_used = false;  // left out where every one is 0
  bool part = false;            // of the figure above it
  bool strong = false;
};

std::string Quoted(const std::string& text, Lang lang) {
  return lang == Lang::kFrench ? "«\u00a0" + text + "\u00a0»" : "\"" + text + "\"";
}

std::string None(Lang lang) { return In(lang, "Néant", "None"); }

std::string Or(const std::string& first, const std::string& second) {
  return first.empty() ? second : first;
}

std::string Hex(const std::string& bytes) {
  std::string hex;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    hex += "0123456789abcdef"[value >> 4];
    hex += "0123456789abcdef"[value & 15];
  }
  return hex;
}

// A number in Chorus, with our own identifier where that is another.
std::string Numbered(const std::string& chorus, const std::string& id) {
  if (chorus.empty() || chorus == id) return id;
  return id.empty() ? chorus : chorus + " (" + id + ")";
}

std::string ContractOf(const events::v1::CommitmentReferences& references) {
  if (references.framework_contract().empty()) return references.contract();
  if (references.contract().empty()) return references.framework_contract();
  return references.contract() + " / " + references.framework_contract();
}

std::string Choice(const std::string& name, Lang lang) { return Word(name, lang); }

class Writer {
 public:
  Writer(const v1::GetExecutionReportResponse& response, const ReportSource& source, Lang lang)
      : response_(response), report_(response.report()), source_(source), lang_(lang) {
    for (const Row& row : report_.envelopes()) labels_[row.envelope_id()] = row.label();
    bodies_[report_.delegating_body().body_id()] = report_.delegating_body().label();
    bodies_[report_.managing_body().body_id()] = report_.managing_body().label();
  }

  ReportDocument Write() {
    document_.title = Say("Compte rendu de gestion", "Execution report");
    document_.subtitle = Say("Convention de délégation de gestion ", "Delegation agreement ") +
                         Quoted(report_.agreement_id(), lang_) + " — " +
                         Say("période du ", "period from ") + Day(report_.from_date(), lang_) +
                         Say(" au ", " to ") + Day(report_.until_date(), lang_);
    WriteFacts();
    Summary();
    Envelopes();
    Months();
    Origins();
    Commitments();
    Payments();
    Products();
    Accruals();
    Schedule();
    Plans();
    Carryovers();
    Reconciliations();
    Entries();
    Mandate();
    Checks();
    WriteProof();
    return std::move(document_);
  }

 private:
  // French puts a space that does not break before a colon and a semicolon.
  std::string Say(std::string_view french, std::string_view english) const {
    std::string text = In(lang_, french, english);
    if (lang_ == Lang::kEnglish) return text;
    for (const std::string_view mark : {" :", " ;", " ?"}) {
      for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += 3) {
        text.replace(at, 1, "\u00a0");
      }
    }
    return text;
  }
  std::string Span(const events::v1::Term& term) const {
    return Say("du ", "from ") + Day(term.valid_from(), lang_) + Say(" au ", " to ") +
           Day(term.valid_until(), lang_);
  }
  std::string Period() const {
    return Say("du ", "from ") + Day(report_.from_date(), lang_) + Say(" au ", " to ") +
           Day(report_.until_date(), lang_);
  }
  // "DINUM, coaching 2022", or the identifier of an envelope without a name.
  std::string EnvelopeName(const std::string& id) const {
    const auto found = labels_.find(id);
    return found == labels_.end() || found->second.empty() ? id : found->second;
  }
  std::string FactWord(const std::string& fact) const { return Word(fact, lang_); }

  ReportSection& Section(std::string title) {
    return document_.sections.emplace_back(ReportSection{.title = std::move(title)});
  }
  ReportTable& Table(ReportSection& section, std::string title = "") const {
    ReportTable& table = section.tables.emplace_back();
    table.title = std::move(title);
    table.none = None(lang_);
    return table;
  }
  static void Column(ReportTable& table, std::string heading, Kind kind = Kind::kText) {
    table.columns.push_back({std::move(heading), kind});
  }

  // Columns of figures, those that no source uses left out.
  template <class Source, class Sources>
  std::vector<Figure<Source>> Figures(ReportTable& table, const Sources& sources,
                                      const std::vector<Figure<Source>>& figures) const {
    std::vector<Figure<Source>> used;
    for (const Figure<Source>& figure : figures) {
      const bool shown =
          !figure.only_when_used || std::ranges::any_of(sources, [&](const Source& source) {
            return (source.*figure.get)() != 0;
          });
      if (!shown) continue;
      Column(table, Say(figure.french, figure.english), Kind::kCents);
      used.push_back(figure);
    }
    return used;
  }

  // Figures as lines, and the rows they come from as columns: as many as stand side by side.
  void Statement(ReportSection& section, const std::string& title,
                 const std::vector<std::pair<std::string, const Row*>>& columns,
                 const std::vector<Figure<Row>>& figures) const {
    constexpr std::size_t kAbreast = 4;
    for (std::size_t begin = 0; begin < columns.size(); begin += kAbreast) {
      const std::size_t end = std::min(begin + kAbreast, columns.size());
      ReportTable& table =
          Table(section, begin == 0 ? title : title + Say(" (suite)", " (continued)"));
      Column(table, Say("Rubrique", "Item"));
      for (std::size_t i = begin; i < end; ++i) Column(table, columns[i].first, Kind::kCents);
      for (const Figure<Row>& figure : figures) {
        const bool used = std::ranges::any_of(
            columns, [&](const auto& column) { return (column.second->*figure.get)() != 0; });
        if (figure.only_when_used && !used) continue;
        if (figure.strong) table.totals.insert(table.rows.size());
        if (figure.part) table.parts.insert(table.rows.size());
        auto& cells = table.rows.emplace_back();
        cells.push_back(ReportCell::Text((figure.part ? Say("dont ", "of which ") : "") +
                                         Say(figure.french, figure.english)));
        for (std::size_t i = begin; i < end; ++i) {
          cells.push_back(ReportCell::Cents((columns[i].second->*figure.get)()));
        }
      }
    }
  }

  static const std::vector<Figure<Row>>& AeFigures() {
    static const std::vector<Figure<Row>> figures = {
        {"AE ouvertes", "AE opened", &Row::ae_opened},
        {"reports reçus", "carried over", &Row::ae_carried_in, true, true},
        {"Reprise d'antériorité", "Imported history", &Row::ae_imported, true},
        {"AE engagées", "AE engaged", &Row::ae_engaged},
        {"Retraits sur engagements de l'année", "Withdrawn, of the year",
         &Row::ae_withdrawn_current, true},
        {"AE consommées", "AE consumed", &Row::ae_consumed, false, false, true},
        {"Retraits sur engagements antérieurs", "Withdrawn, of earlier years",
         &Row::ae_withdrawn_prior, true},
        {"AE rendues indisponibles", "AE made unavailable", &Row::ae_unavailable, true},
        {"AE reportées ou demandées en report", "AE carried out or asked for", &Row::ae_carried_out,
         true},
        {"AE tombées (non consommées)", "AE lapsed", &Row::ae_lapsed, true},
        {"AE mises en réserve, en fin de période", "AE frozen, at the end", &Row::ae_frozen, true},
        {"AE disponibles, en fin de période", "AE available, at the end", &Row::ae_available},
    };
    return figures;
  }
  static const std::vector<Figure<Row>>& CpFigures() {
    static const std::vector<Figure<Row>> figures = {
        {"CP ouverts", "CP opened", &Row::cp_opened},
        {"reports obtenus", "carried over", &Row::cp_carried_in, true, true},
        {"Reprise d'antériorité", "Imported history", &Row::cp_imported, true},
        {"CP consommés (payés)", "CP consumed (paid)", &Row::cp_paid, false, false, true},
        {"Reports demandés, sans décision", "Carry-overs asked for, undecided",
         &Row::cp_carryover_requested, true},
        {"Reports accordés sur l'exercice suivant", "Carried over to the next year",
         &Row::cp_carryover_granted, true},
        {"CP tombés (non consommés)", "CP lapsed", &Row::cp_lapsed, true},
        {"CP mis en réserve, en fin de période", "CP frozen, at the end", &Row::cp_frozen, true},
        {"CP retenus par des demandes de paiement", "CP held by payment requests", &Row::cp_held,
         true},
        {"CP disponibles, en fin de période", "CP available, at the end", &Row::cp_available},
    };
    return figures;
  }
  static const std::vector<Figure<Row>>& DebtFigures() {
    static const std::vector<Figure<Row>> figures = {
        {"Restes à payer en début de période", "Outstanding at the start", &Row::outstanding_start},
        {"+ engagé", "+ engaged", &Row::outstanding_engaged},
        {"+ corrections d'ouverture", "+ opening corrections", &Row::opening_corrections, true},
        {"+ réimputations reçues (– cédées)", "+ reimputed in (- out)", &Row::outstanding_reimputed,
         true},
        {"– retraits", "- withdrawn", &Row::outstanding_withdrawn, true},
        {"– payé", "- paid", &Row::outstanding_paid},
        {"Avant retraits sur engagements antérieurs", "Before withdrawals of earlier years",
         &Row::outstanding_before_withdrawals, true},
        {"Restes à payer en fin de période", "Outstanding at the end", &Row::outstanding, false,
         false, true},
    };
    return figures;
  }

  void WriteFacts() {
    auto& facts = document_.facts;
    const auto body = [](const events::v1::Body& body) {
      return body.label().empty() ? body.body_id() : body.label() + " (" + body.body_id() + ")";
    };
    facts.emplace_back(Say("Délégant", "Delegating body"), body(report_.delegating_body()));
    facts.emplace_back(Say("Délégataire", "Managing body"), body(report_.managing_body()));
    std::string programme = Say("programme ", "programme ") + report_.programme();
    if (!report_.operational_budget().empty()) programme += ", BOP " + report_.operational_budget();
    if (!report_.operating_unit().empty()) programme += ", UO " + report_.operating_unit();
    facts.emplace_back(Say("Imputation", "Budget"), programme);
    std::string acts;
    for (const auto& act : report_.acts()) {
      if (!acts.empty()) acts += " ; ";
      acts += act.act_id();
      if (act.signed_date() != 0) {
        acts += Say(", signé le ", ", signed ") + Day(act.signed_date(), lang_);
      }
      if (act.published_date() != 0) {
        acts += Say(", publié le ", ", published ") + Day(act.published_date(), lang_);
      }
    }
    facts.emplace_back(Say("Actes", "Acts"), acts);
    std::string terms;
    for (const auto& term : report_.terms()) {
      terms += (terms.empty() ? "" : " ; ") + Span(term);
    }
    facts.emplace_back(Say("Mandat", "Mandate"), terms);
    std::string years;
    for (int year = report_.from_date() / 10000; year <= report_.until_date() / 10000; ++year) {
      const bool closed =
          std::ranges::find(report_.closed_years(), year) != report_.closed_years().end();
      years += (years.empty() ? "" : " ; ") + std::to_string(year) +
               (closed ? Say(", clos", ", closed") : Say(", ouvert", ", open"));
    }
    facts.emplace_back(Say("Exercices", "Budget years"), years);
    facts.emplace_back(Say("Arrêté à", "Reflects"), Position());
    if (source_.effective_until != 0) {
      facts.emplace_back(Say("Limité à", "Limited to"),
                         Say("ce qui prend effet au plus tard le ", "what takes effect by ") +
                             Day(source_.effective_until, lang_));
    }
  }

  std::string Position() const {
    std::string text = Say("l'écriture n°\u00a0", "entry ") + std::to_string(response_.position());
    if (report_.recorded_time_us() != 0) {
      text += Say(", enregistrée le ", ", recorded ") + Instant(report_.recorded_time_us(), lang_) +
              " UTC";
    }
    return text;
  }

  // The bodies, and all of them where there are several.
  std::vector<std::pair<std::string, const Row*>> Bodies() const {
    std::vector<std::pair<std::string, const Row*>> columns;
    for (const Row& row : report_.bodies()) columns.emplace_back(row.managing_body(), &row);
    if (columns.size() != 1) columns.emplace_back("Total", &report_.total());
    return columns;
  }

  void Summary() {
    ReportSection& section = Section(Say("Synthèse par service gestionnaire", "Summary by body"));
    section.sheet = Say("Synthèse", "Summary");
    section.notes.push_back(Say("Mouvements ", "Movements ") + Period() +
                            Say(" ; soldes au ", "; balances on ") +
                            Day(report_.until_date(), lang_) +
                            Say(". AE et CP sont deux comptabilités distinctes, jamais compensées.",
                                ". AE and CP are two ledgers, never netted."));
    Statement(section, Say("Autorisations d'engagement (AE)", "Commitment authority (AE)"),
              Bodies(), AeFigures());
    Statement(section, Say("Crédits de paiement (CP)", "Payment credits (CP)"), Bodies(),
              CpFigures());
    Statement(section, Say("Restes à payer", "Outstanding commitments"), Bodies(), DebtFigures());
  }

  void Envelopes() {
    ReportSection& section = Section(Say("Exécution par enveloppe", "Execution by envelope"));
    section.sheet = Say("Enveloppes", "Envelopes");
    std::vector<std::pair<std::string, const Row*>> columns;
    for (const Row& row : report_.envelopes()) {
      columns.emplace_back(EnvelopeName(row.envelope_id()) + " (" + row.managing_body() + ")",
                           &row);
    }
    if (columns.empty()) {
      Column(Table(section), Say("Enveloppe", "Envelope"));
      return;
    }
    Statement(section, Say("Autorisations d'engagement (AE)", "Commitment authority (AE)"), columns,
              AeFigures());
    Statement(section, Say("Crédits de paiement (CP)", "Payment credits (CP)"), columns,
              CpFigures());
    Statement(section, Say("Restes à payer", "Outstanding commitments"), columns, DebtFigures());
  }

  void Months() {
    ReportSection& section = Section(Say("Consommation mensuelle", "Consumption by month"));
    section.sheet = Say("Mois", "Months");
    section.chart = ReportChart::kMonths;
    section.notes.push_back(
        Say("Les cumuls partent du 1er janvier de l'exercice. Une écriture passée après la fin de "
            "son exercice compte au 31 décembre, un engagement par anticipation au 1er janvier.",
            "Cumulated figures begin on 1 January. An entry made after the end of its budget year "
            "counts on 31 December, an early commitment on 1 January."));
    const bool imported = std::ranges::any_of(report_.months(), [](const auto& month) {
      return month.ae_imported() != 0 || month.cp_imported() != 0;
    });
    if (imported) {
      section.notes.push_back(Say(
          "Les crédits ouverts comprennent ici la reprise d'antériorité, comptée au 1er janvier "
          "de l'exercice d'origine.",
          "Opened credits include imported history here, which counts on 1 January of its year "
          "of origin."));
    }
    ReportTable& table = Table(section);
    Column(table, Say("Mois", "Month"));
    for (const auto& [french, english] :
         {std::pair("AE ouvertes", "AE opened"), std::pair("AE consommées", "AE consumed"),
          std::pair("Cumul des AE consommées", "AE consumed to date"),
          std::pair("CP ouverts", "CP opened"), std::pair("CP payés", "CP paid"),
          std::pair("Cumul des CP payés", "CP paid to date")}) {
      Column(table, Say(french, english), Kind::kCents);
    }
    std::int64_t sums[4] = {};
    for (const auto& month : report_.months()) {
      const std::int64_t ae = month.ae_opened() + month.ae_imported();
      const std::int64_t cp = month.cp_opened() + month.cp_imported();
      sums[0] += ae;
      sums[1] += month.ae_consumed();
      sums[2] += cp;
      sums[3] += month.cp_paid();
      table.rows.push_back({ReportCell::Text(MonthName(month.month(), month.fiscal_year(), lang_)),
                            ReportCell::Cents(ae), ReportCell::Cents(month.ae_consumed()),
                            ReportCell::Cents(month.ae_consumed_to_date()), ReportCell::Cents(cp),
                            ReportCell::Cents(month.cp_paid()),
                            ReportCell::Cents(month.cp_paid_to_date())});
    }
    table.totals.insert(table.rows.size());
    table.rows.push_back({ReportCell::Text("Total"), ReportCell::Cents(sums[0]),
                          ReportCell::Cents(sums[1]), ReportCell::Text(""),
                          ReportCell::Cents(sums[2]), ReportCell::Cents(sums[3]),
                          ReportCell::Text("")});
  }

  template <class Source>
  static const std::vector<Figure<Source>>& DebtColumns() {
    static const std::vector<Figure<Source>> figures = {
        {"Début de période", "Start", &Source::outstanding_start},
        {"Engagé", "Engaged", &Source::outstanding_engaged},
        {"Corrections", "Corrections", &Source::opening_corrections, true},
        {"Retraits", "Withdrawn", &Source::outstanding_withdrawn, true},
        {"Réimputé", "Reimputed", &Source::outstanding_reimputed, true},
        {"Payé", "Paid", &Source::outstanding_paid},
        {"Reste à payer", "Outstanding", &Source::outstanding},
    };
    return figures;
  }

  template <class Source, class Sources>
  static void Sum(std::vector<ReportCell>& cells, const std::vector<Figure<Source>>& figures,
                  const Sources& sources, const std::function<bool(const Source&)>& fits) {
    for (const Figure<Source>& figure : figures) {
      std::int64_t sum = 0;  // its parts fit: the report has it as a figure of its own
      for (const Source& source : sources) {
        if (fits(source)) sum += (source.*figure.get)();
      }
      cells.push_back(ReportCell::Cents(sum));
    }
  }

  void Origins() {
    using Source = v1::ExecutionReportOrigin;
    ReportSection& section = Section(
        Say("Restes à payer par exercice d'origine", "Outstanding commitments by year of origin"));
    section.sheet = Say("Restes à payer", "Outstanding");
    section.chart = ReportChart::kOrigins;
    ReportTable& table = Table(section);
    Column(table, Say("Service gestionnaire", "Managing body"));
    Column(table, Say("Exercice d'origine", "Year of origin"), Kind::kNumber);
    table.keys = 2;
    const auto figures = Figures(table, report_.origins(), DebtColumns<Source>());
    for (const Source& origin : report_.origins()) {
      auto& cells = table.rows.emplace_back();
      cells.push_back(ReportCell::Text(origin.managing_body()));
      cells.push_back(ReportCell::Number(origin.origin_year()));
      for (const auto& figure : figures) cells.push_back(ReportCell::Cents((origin.*figure.get)()));
    }
    if (table.rows.empty()) return;
    table.totals.insert(table.rows.size());
    auto& cells = table.rows.emplace_back();
    cells.push_back(ReportCell::Text("Total"));
    cells.push_back(ReportCell::Text(""));
    Sum<Source>(cells, figures, report_.origins(), [](const Source&) { return true; });
  }

  void Commitments() {
    using Source = v1::ExecutionReportCommitment;
    ReportSection& section =
        Section(Say("Exécution par engagement juridique", "Execution by commitment"));
    section.sheet = Say("Engagements", "Commitments");
    section.notes.push_back(
        Say("Engagements qui ont bougé pendant la période ou qui restent dus à sa fin : numéro "
            "Chorus (et identifiant), marché, créancier.",
            "Commitments that moved in the period or are owed at its end: number in Chorus (and "
            "identifier), contract, payee."));
    ReportTable& table = Table(section);
    Column(table, Say("Engagement juridique", "Commitment"));
    Column(table, Say("Marché / accord-cadre", "Contract / framework"));
    Column(table, Say("Créancier", "Payee"));
    const auto figures = Figures(table, report_.commitments(), DebtColumns<Source>());
    std::string envelope;
    const auto subtotal = [&] {
      table.totals.insert(table.rows.size());
      auto& cells = table.rows.emplace_back();
      cells.push_back(ReportCell::Text(Say("Sous-total ", "Subtotal ") + EnvelopeName(envelope)));
      cells.resize(3);
      Sum<Source>(cells, figures, report_.commitments(),
                  [&](const Source& source) { return source.envelope_id() == envelope; });
    };
    for (const Source& commitment : report_.commitments()) {
      if (commitment.envelope_id() != envelope) {
        if (!envelope.empty()) subtotal();
        envelope = commitment.envelope_id();
        table.headings.insert(table.rows.size());
        table.rows.emplace_back().push_back(
            ReportCell::Text(commitment.managing_body() + " – " + EnvelopeName(envelope)));
        table.rows.back().resize(table.columns.size());
      }
      auto& cells = table.rows.emplace_back();
      std::string name =
          commitment.commitment_id().empty()
              ? Say("Dépenses sans engagement préalable", "Expenses without prior commitment")
              : Numbered(commitment.references().chorus_commitment(), commitment.commitment_id());
      if (commitment.imported()) name += Say(", repris", ", imported");
      cells.push_back(ReportCell::Text(std::move(name)));
      cells.push_back(ReportCell::Text(ContractOf(commitment.references())));
      cells.push_back(ReportCell::Text(commitment.references().payee()));
      for (const auto& figure : figures) {
        cells.push_back(ReportCell::Cents((commitment.*figure.get)()));
      }
    }
    if (!envelope.empty()) subtotal();
    if (report_.envelopes_size() < 2 || table.rows.empty()) return;
    table.totals.insert(table.rows.size());
    auto& cells = table.rows.emplace_back();
    cells.push_back(ReportCell::Text("Total"));
    cells.resize(3);
    Sum<Source>(cells, figures, report_.commitments(), [](const Source&) { return true; });
  }

  void Payments() {
    using Source = v1::ExecutionReportPayment;
    ReportSection& section = Section(Say("Paiements de la période", "Payments of the period"));
    section.sheet = Say("Paiements", "Payments");
    ReportTable& table = Table(section);
    Column(table, Say("Date", "Date"), Kind::kDay);
    Column(table, Say("Demande de paiement", "Payment request"));
    Column(table, Say("Engagement", "Commitment"));
    Column(table, Say("Facture", "Invoice"));
    Column(table, Say("Créancier", "Payee"));
    Column(table, Say("Objet", "For"));
    Column(table, Say("Enveloppe", "Envelope"));
    table.keys = 2;
    const bool differ = std::ranges::any_of(report_.payments(), [](const Source& payment) {
      return payment.gross_cents() != payment.net_cents();
    });
    std::vector<Figure<Source>> all = {
        {"Brut", "Gross", &Source::gross_cents, false},
        {"Avance récupérée", "Recovered", &Source::recovered_cents, true},
        {"Retenue", "Retained", &Source::retained_cents, true},
        {"Payé", "Paid", &Source::net_cents, false},
    };
    if (!differ) all = {all.back()};
    const auto figures = Figures(table, report_.payments(), all);
    for (const Source& payment : report_.payments()) {
      std::string object = payment.nature() != events::v1::EXPENSE_NATURE_UNSPECIFIED
                               ? Choice(events::v1::ExpenseNature_Name(payment.nature()), lang_)
                               : Choice(events::v1::PaymentType_Name(payment.type()), lang_);
      if (payment.fact() == "opening_imported") object += Say(", repris", ", imported");
      if (payment.fact() != "paid" && payment.fact() != "paid_without_commitment" &&
          payment.fact() != "opening_imported") {
        object = FactWord(payment.fact());
      }
      auto& cells = table.rows.emplace_back();
      cells.push_back(ReportCell::Day(payment.paid_date()));
      cells.push_back(ReportCell::Text(
          Numbered(payment.references().chorus_payment_request(), payment.payment_request_id())));
      cells.push_back(ReportCell::Text(Or(payment.chorus_commitment(), payment.commitment_id())));
      cells.push_back(ReportCell::Text(payment.references().invoice()));
      cells.push_back(ReportCell::Text(payment.references().payee()));
      cells.push_back(ReportCell::Text(std::move(object)));
      cells.push_back(ReportCell::Text(EnvelopeName(payment.paying_envelope_id())));
      for (const auto& figure : figures) {
        cells.push_back(ReportCell::Cents((payment.*figure.get)()));
      }
    }
    if (table.rows.empty()) return;
    table.totals.insert(table.rows.size());
    auto& cells = table.rows.emplace_back();
    cells.push_back(ReportCell::Text("Total"));
    cells.resize(7);
    Sum<Source>(cells, figures, report_.payments(), [](const Source&) { return true; });
  }

  void Products() {
    using Source = v1::ExecutionReportProduct;
    ReportSection& section = Section(Say("Exécution par produit", "Execution by product"));
    section.sheet = Say("Produits", "Products");
    ReportTable& table = Table(section);
    Column(table, Say("Exercice", "Year"), Kind::kNumber);
    Column(table, Say("Produit", "Product"));
    table.keys = 2;
    const std::vector<Figure<Source>> all = {
        {"Budget estimé", "Estimated budget", &Source::budget},
        {"Quote-part des frais communs", "Share of common costs", &Source::common_share, true},
        {"AE engagées", "AE engaged", &Source::ae_engaged},
        {"Retraits", "Withdrawn", &Source::ae_withdrawn_current, true},
        {"CP payés", "CP paid", &Source::cp_paid},
        {"Reste à payer", "Outstanding", &Source::outstanding},
        {"Budget moins engagé", "Budget less engaged", &Source::budget_difference},
    };
    const auto figures = Figures(table, report_.products(), all);
    int year = 0;
    const auto total = [&] {
      table.totals.insert(table.rows.size());
      auto& cells = table.rows.emplace_back();
      cells.push_back(ReportCell::Text(Say("Total ", "Total ") + std::to_string(year)));
      cells.resize(2);
      Sum<Source>(cells, figures, report_.products(),
                  [&](const Source& product) { return product.fiscal_year() == year; });
      // The shares are in the common costs' own budget already.
      for (std::size_t i = 0; i < figures.size(); ++i) {
        if (figures[i].get == &Source::common_share) cells[2 + i] = ReportCell::Text("");
      }
    };
    for (const Source& product : report_.products()) {
      if (year != 0 && product.fiscal_year() != year) total();
      year = product.fiscal_year();
      auto& cells = table.rows.emplace_back();
      cells.push_back(ReportCell::Number(year));
      cells.push_back(ReportCell::Text(product.product_id().empty()
                                           ? Say("(sans produit)", "(no product)")
                                           : Or(product.label(), product.product_id())));
      for (const auto& figure : figures) {
        cells.push_back(ReportCell::Cents((product.*figure.get)()));
      }
    }
    if (year != 0) total();
    for (const auto& line : report_.reconciliations()) {
      if (line.kind() != v1::RECONCILIATION_KIND_PRODUCTS || line.difference_cents() == 0) continue;
      section.notes.push_back(std::to_string(line.fiscal_year()) +
                              Say(" : les budgets des produits et frais communs font ",
                                  ": the budgets of the products and the common costs make ") +
                              Euros(line.left_cents(), lang_) +
                              Say(", le financement ", ", the financing ") +
                              Euros(line.right_cents(), lang_) + Say(" ; écart ", "; difference ") +
                              Euros(line.difference_cents(), lang_) +
                              Say(", que rien n'absorbe.", ", which nothing absorbs."));
    }
  }

  void Accruals() {
    using Source = v1::ExecutionReportAccrual;
    ReportSection& section = Section(
        Say("Service fait non payé (charges à payer)", "Delivered and not yet paid (accruals)"));
    section.sheet = Say("Charges à payer", "Accruals");
    section.notes.push_back(Say("Au ", "On ") + Day(report_.until_date(), lang_) +
                            Say(". Une avance ne règle pas de service fait ; une retenue reste due "
                                "jusqu'à sa libération.",
                                ". An advance settles no delivered service; a retention is owed "
                                "until it is released."));
    ReportTable& table = Table(section);
    Column(table, Say("Engagement juridique", "Commitment"));
    Column(table, Say("Ligne", "Line"));
    Column(table, Say("Marché", "Contract"));
    Column(table, Say("Créancier", "Payee"));
    table.keys = 2;
    const std::vector<Figure<Source>> all = {
        {"Service fait", "Certified", &Source::certified_cents},
        {"Réglé", "Settled", &Source::settled_cents},
        {"Charge à payer", "Accrued", &Source::accrued_cents},
    };
    const auto figures = Figures(table, report_.accruals(), all);
    for (const Source& accrual : report_.accruals()) {
      auto& cells = table.rows.emplace_back();
      cells.push_back(ReportCell::Text(
          Numbered(accrual.references().chorus_commitment(), accrual.commitment_id())));
      cells.push_back(ReportCell::Text(accrual.line_id()));
      cells.push_back(ReportCell::Text(ContractOf(accrual.references())));
      cells.push_back(ReportCell::Text(accrual.references().payee()));
      for (const auto& figure : figures) {
        cells.push_back(ReportCell::Cents((accrual.*figure.get)()));
      }
    }
    if (table.rows.empty()) return;
    table.totals.insert(table.rows.size());
    auto& cells = table.rows.emplace_back();
    cells.push_back(ReportCell::Text("Total"));
    cells.resize(4);
    Sum<Source>(cells, figures, report_.accruals(), [](const Source&) { return true; });
  }

  void Schedule() {
    using Source = v1::ExecutionReportInstalment;
    ReportSection& section = Section(Say("Échéancier des paiements", "Schedule of payments"));
    section.sheet = Say("Échéancier", "Schedule");
    section.notes.push_back(
        Say("Les paiements d'une ligne couvrent ses échéances dans l'ordre des exercices ; ce "
            "qu'elle ne doit plus est retiré des dernières. Le reste est échu quand son exercice "
            "est fini au ",
            "A line's payments cover its years in their order; what it no longer owes is taken "
            "from the last. What is left is overdue when its year was over on ") +
        Day(report_.until_date(), lang_) + ".");
    const auto year_of = [&](const Source& source) {
      if (source.fiscal_year() == 0) {
        return ReportCell::Text(Say("sans échéancier", "no schedule"));
      }
      return ReportCell::Text(std::to_string(source.fiscal_year()) +
                              (source.fiscal_year() > report_.until_date() / 10000
                                   ? Say(" (prévision)", " (planned)")
                                   : ""));
    };
    const auto overdue = [](const Source& source) {
      return source.overdue() ? source.unpaid_cents() : 0;
    };
    {
      struct Due {
        ReportCell year;
        std::int64_t scheduled = 0, covered = 0, unpaid = 0, overdue = 0;
      };
      std::map<int, Due> years;  // those without a schedule last
      Due all;
      for (const Source& source : report_.instalments()) {
        Due& due = years[source.fiscal_year() == 0 ? 9999 : source.fiscal_year()];
        due.year = year_of(source);
        for (Due* sum : {&due, &all}) {
          sum->scheduled += source.scheduled_cents();
          sum->covered += source.covered_cents();
          sum->unpaid += source.unpaid_cents();
          sum->overdue += overdue(source);
        }
      }
      ReportTable& table = Table(section, Say("Par exercice", "By year"));
      Column(table, Say("Échéance", "Due in"));
      Column(table, Say("Prévu", "Scheduled"), Kind::kCents);
      Column(table, Say("Payé", "Paid"), Kind::kCents);
      Column(table, Say("Reste à payer", "Outstanding"), Kind::kCents);
      Column(table, Say("dont échu et non payé", "of which overdue"), Kind::kCents);
      const auto add = [&](const ReportCell& name, const Due& due) {
        table.rows.push_back({name, ReportCell::Cents(due.scheduled),
                              ReportCell::Cents(due.covered), ReportCell::Cents(due.unpaid),
                              ReportCell::Cents(due.overdue)});
      };
      for (const auto& [year, due] : years) add(due.year, due);
      if (!years.empty()) {
        table.totals.insert(table.rows.size());
        add(ReportCell::Text("Total"), all);
      }
    }
    ReportTable& table =
        Table(section, Say("Ce qui reste à payer, par ligne", "What is outstanding, by line"));
    Column(table, Say("Engagement juridique", "Commitment"));
    Column(table, Say("Ligne", "Line"));
    Column(table, Say("Créancier", "Payee"));
    Column(table, Say("Échéance", "Due in"));
    table.keys = 2;
    Column(table, Say("Prévu", "Scheduled"), Kind::kCents);
    Column(table, Say("Payé", "Paid"), Kind::kCents);
    Column(table, Say("Reste à payer", "Outstanding"), Kind::kCents);
    Column(table, Say("dont échu", "of which overdue"), Kind::kCents);
    for (const Source& source : report_.instalments()) {
      if (source.unpaid_cents() == 0) continue;
      table.rows.push_back(
          {ReportCell::Text(
               Numbered(source.references().chorus_commitment(), source.commitment_id())),
           ReportCell::Text(source.line_id()), ReportCell::Text(source.references().payee()),
           year_of(source), ReportCell::Cents(source.scheduled_cents()),
           ReportCell::Cents(source.covered_cents()), ReportCell::Cents(source.unpaid_cents()),
           ReportCell::Cents(overdue(source))});
    }
  }

  void Plans() {
    using Source = v1::ExecutionReportPlan;
    ReportSection& section = Section(Say("Prévision et exécution", "Planned and executed"));
    section.sheet = Say("Prévision", "Plan");
    section.notes.push_back(
        Say("La prévision est celle de l'exercice entier ; l'exécution va du 1er janvier à la fin "
            "de l'exercice ou de la période. Écart : exécuté moins prévu.",
            "The plan is the whole year's; execution goes from 1 January to the end of the year or "
            "of the period. Difference: executed less planned."));
    const auto write = [&](const std::string& title, const std::vector<Figure<Source>>& all) {
      ReportTable& table = Table(section, title);
      Column(table, Say("Exercice", "Year"));
      Column(table, Say("Enveloppe", "Envelope"));
      table.keys = 2;
      const auto figures = Figures(table, report_.plans(), all);
      for (const Source& plan : report_.plans()) {
        const bool only_planned = plan.ae_consumed() == 0 && plan.cp_paid() == 0 &&
                                  std::ranges::find(report_.closed_years(), plan.fiscal_year()) ==
                                      report_.closed_years().end();
        auto& cells = table.rows.emplace_back();
        cells.push_back(ReportCell::Text(std::to_string(plan.fiscal_year()) +
                                         (only_planned ? Say(" (prévision)", " (planned)") : "")));
        cells.push_back(ReportCell::Text(EnvelopeName(plan.envelope_id())));
        for (const auto& figure : figures) {
          cells.push_back(ReportCell::Cents((plan.*figure.get)()));
        }
      }
    };
    write(Say("AE et CP", "AE and CP"), {{"AE (prévision)", "AE planned", &Source::planned_ae},
                                         {"AE consommées", "AE consumed", &Source::ae_consumed},
                                         {"Écart AE", "AE difference", &Source::ae_difference},
                                         {"CP (prévision)", "CP planned", &Source::planned_cp},
                                         {"CP payés", "CP paid", &Source::cp_paid},
                                         {"Écart CP", "CP difference", &Source::cp_difference}});
    if (report_.plans().empty()) return;
    write(Say("Restes à payer", "Outstanding commitments"),
          {{"Reste à payer (prévision)", "Planned", &Source::planned_outstanding},
           {"Reste à payer", "Executed", &Source::outstanding},
           {"Écart", "Difference", &Source::outstanding_difference},
           {"Écart propre à la prévision", "The plan's own difference", &Source::planned_difference,
            true}});
  }

  void Carryovers() {
    using Source = v1::ExecutionReportCarryover;
    ReportSection& section = Section(Say("Reports de crédits", "Carry-overs"));
    section.sheet = Say("Reports", "Carry-overs");
    const auto write = [&](const std::string& title, bool refused) {
      ReportTable& table = Table(section, title);
      Column(table, Say("Report", "Carry-over"));
      Column(table, Say("Enveloppe", "Envelope"));
      Column(table, Say("Crédits", "Credits"));
      Column(table, Say("Situation", "State"));
      Column(table, Say("Actes", "Acts"));
      Column(table, Say("Demandé", "Asked for"), Kind::kCents);
      if (!refused) {
        Column(table, Say("Obtenu", "Granted"), Kind::kCents);
        Column(table, Say("Mis à disposition", "Made available"), Kind::kCents);
      }
      Column(table, Say("Tombé", "Lapsed"), Kind::kCents);
      for (const Source& source : report_.carryovers()) {
        const v1::Carryover& carryover = source.carryover();
        if ((carryover.state() == v1::CARRYOVER_STATE_REFUSED) != refused) continue;
        std::string state = Choice(v1::CarryoverState_Name(carryover.state()), lang_);
        const int day = source.available_date() != 0 ? source.available_date()
                        : source.decided_date() != 0 ? source.decided_date()
                                                     : source.requested_date();
        state += Say(" le ", " on ") + Day(day, lang_);
        std::string acts = carryover.order_reference();
        if (!carryover.act_reference().empty()) acts += " ; " + carryover.act_reference();
        if (!source.derogation_reference().empty()) {
          acts += Say(" ; dérogation ", "; derogation ") + source.derogation_reference();
        }
        auto& cells = table.rows.emplace_back();
        cells.push_back(ReportCell::Text(carryover.carryover_id()));
        cells.push_back(ReportCell::Text(EnvelopeName(carryover.envelope_id())));
        cells.push_back(
            ReportCell::Text(Choice(events::v1::CreditKind_Name(carryover.kind()), lang_) + " " +
                             std::to_string(carryover.from_year()) + " → " +
                             std::to_string(carryover.from_year() + 1)));
        cells.push_back(ReportCell::Text(std::move(state)));
        cells.push_back(ReportCell::Text(std::move(acts)));
        cells.push_back(ReportCell::Cents(carryover.requested_cents()));
        if (!refused) {
          cells.push_back(ReportCell::Cents(carryover.granted_cents()));
          cells.push_back(ReportCell::Cents(carryover.available_cents()));
        }
        cells.push_back(ReportCell::Cents(source.lapsed_cents()));
      }
    };
    write(Say("Reports refusés", "Refused"), true);
    write(Say("Autres reports", "Others"), false);
  }

  void Reconciliations() {
    ReportSection& section =
        Section(Say("Rapprochements : écarts constatés", "Reconciliation: differences"));
    section.sheet = Say("Rapprochements", "Reconciliation");
    section.notes.push_back(Say("Un écart reste visible : rien ne l'absorbe.",
                                "A difference stays visible: nothing "
                                "absorbs it."));
    ReportTable& table = Table(section);
    Column(table, Say("Rapprochement", "Reconciliation"));
    Column(table, Say("Exercice", "Year"));
    Column(table, Say("Enveloppe", "Envelope"));
    table.keys = 3;
    Column(table, Say("Premier montant", "First"), Kind::kCents);
    Column(table, Say("Second montant", "Second"), Kind::kCents);
    Column(table, Say("Écart", "Difference"), Kind::kCents);
    for (const auto& line : report_.reconciliations()) {
      table.rows.push_back(
          {ReportCell::Text(Choice(v1::ReconciliationKind_Name(line.kind()), lang_)),
           ReportCell::Text(line.fiscal_year() == 0 ? Say("période", "period")
                                                    : std::to_string(line.fiscal_year())),
           ReportCell::Text(line.envelope_id().empty() ? Say("convention", "agreement")
                                                       : EnvelopeName(line.envelope_id())),
           ReportCell::Cents(line.left_cents()), ReportCell::Cents(line.right_cents()),
           ReportCell::Cents(line.difference_cents())});
    }
  }

  void Entries() {
    using Source = v1::ExecutionReportEntry;
    ReportSection& section = Section(Say("Contre-passations, écritures tardives et corrections",
                                         "Reversals, late entries and corrections"));
    section.sheet = Say("Corrections", "Corrections");
    ReportTable& table = Table(section);
    Column(table, Say("Écriture", "Entry"), Kind::kNumber);
    Column(table, Say("Date d'effet", "Effective"), Kind::kDay);
    Column(table, Say("Nature", "Kind"));
    Column(table, Say("Pièce", "About"));
    Column(table, Say("Motif", "Reason"));
    Column(table, Say("Auteur, approbateur", "By, approved by"));
    const std::vector<Figure<Source>> all = {
        {"AE ouvertes", "AE opened", &Source::ae_opened, true},
        {"AE consommées", "AE consumed", &Source::ae_consumed},
        {"CP ouverts", "CP opened", &Source::cp_opened, true},
        {"CP payés", "CP paid", &Source::cp_paid},
        {"Reste à payer", "Outstanding", &Source::outstanding},
    };
    const auto figures = Figures(table, report_.entries(), all);
    for (const Source& entry : report_.entries()) {
      std::string kind = FactWord(entry.fact());
      if (entry.has_reversed_position()) {
        kind += Say(" de l'écriture n°\u00a0", " of entry ") +
                std::to_string(entry.reversed_position()) + " (" + FactWord(entry.reversed_fact()) +
                ")";
      }
      if (entry.late()) {
        kind += Say(", tardive sur ", ", late in ") + std::to_string(entry.fiscal_year());
      }
      std::string about = entry.commitment_id();
      if (!entry.payment_request_id().empty()) {
        about += (about.empty() ? "" : ", ") + entry.payment_request_id();
      }
      auto& cells = table.rows.emplace_back();
      cells.push_back(ReportCell::Number(entry.position()));
      cells.push_back(ReportCell::Day(entry.effective_date()));
      cells.push_back(ReportCell::Text(std::move(kind)));
      cells.push_back(ReportCell::Text(std::move(about)));
      cells.push_back(ReportCell::Text(entry.reason_reference()));
      cells.push_back(
          ReportCell::Text(entry.principal_id() + "@" + entry.body_id() +
                           (entry.approved_by().empty()
                                ? ""
                                : Say(", approuvé par ", ", approved by ") + entry.approved_by())));
      for (const auto& figure : figures) {
        cells.push_back(ReportCell::Cents((entry.*figure.get)()));
      }
    }
  }

  void Mandate() {
    ReportSection& section = Section(Say("Interruptions du mandat", "Gaps in the mandate"));
    section.sheet = Say("Mandat", "Mandate");
    ReportTable& table = Table(section);
    Column(table, Say("Du", "From"), Kind::kDay);
    Column(table, Say("Au", "To"), Kind::kDay);
    Column(table, Say("Acte qui y met fin", "Act that ends it"));
    for (const auto& gap : report_.gaps()) {
      table.rows.push_back({ReportCell::Day(gap.valid_from()), ReportCell::Day(gap.valid_until()),
                            ReportCell::Text(gap.act_id())});
    }
  }

  void Checks() {
    ReportSection& section = Section(Say("Contrôles d'arrêté", "Checks"));
    section.sheet = Say("Contrôles", "Checks");
    section.notes.push_back(Say(
        "Chaque montant a été établi de deux manières ; à la moindre différence ce compte rendu "
        "n'aurait pas été produit.",
        "Each figure was made in two ways; at the least difference there would be no report."));
    ReportTable& table = Table(section);
    Column(table, Say("Contrôle", "Check"));
    Column(table, Say("Première manière", "One way"), Kind::kCents);
    Column(table, Say("Seconde manière", "The other"), Kind::kCents);
    Column(table, Say("Résultat", "Result"));
    for (const auto& check : report_.checks()) {
      table.rows.push_back({ReportCell::Text(Choice(v1::ReportCheckKind_Name(check.kind()), lang_)),
                            ReportCell::Cents(check.left_cents()),
                            ReportCell::Cents(check.right_cents()),
                            ReportCell::Text(check.left_cents() == check.right_cents()
                                                 ? Say("concordant", "agree")
                                                 : Say("DISCORDANT", "DIFFER"))});
    }
  }

  // The same document again, to the byte.
  std::string Command() const {
    std::string command = "denier report execution-report --agreement " + report_.agreement_id() +
                          " --from " + PlainDay(report_.from_date()) + " --until " +
                          PlainDay(report_.until_date()) + " --as-of " +
                          std::to_string(response_.position());
    if (source_.effective_until != 0) {
      command += " --effective-until " + PlainDay(source_.effective_until);
    }
    return command;
  }

  void WriteProof() {
    document_.proof_title = Say("Origine et preuve de ce document", "Origin and proof");
    document_.recorded_time_us = report_.recorded_time_us();
    const std::string root = Hex(source_.root);
    document_.footer = report_.agreement_id() + Say(", écriture n°\u00a0", ", entry ") +
                       std::to_string(response_.position()) + Say(", racine ", ", root ") +
                       root.substr(0, 16) + "…";
    auto& proof = document_.proof;
    proof.emplace_back(Say("Position", "Position"), Position());
    proof.emplace_back(Say("Racine de Merkle", "Merkle root"), root);
    proof.emplace_back(Say("Pour le refaire", "To make it again"), Command());
    if (source_.note.empty()) {
      proof.emplace_back(Say("Point de contrôle", "Checkpoint"),
                         Say("Aucun : le serveur n'a pas de clé pour signer.",
                             "None: the server has no key to sign with."));
    } else {
      proof.emplace_back(Say("Clé de vérification", "Verifier key"), source_.verifier_key);
      document_.checkpoint = source_.note;
    }
    document_.signatures = {Say("Pour le délégataire", "For the managing body"),
                            Say("Pour le délégant", "For the delegating body")};
  }

 public:
  static std::string MonthName(int month, int year, Lang lang) {
    static constexpr std::string_view kFrench[] = {"janvier",   "février", "mars",     "avril",
                                                   "mai",       "juin",    "juillet",  "août",
                                                   "septembre", "octobre", "novembre", "décembre"};
    static constexpr std::string_view kEnglish[] = {
        "January", "February", "March",     "April",   "May",      "June",
        "July",    "August",   "September", "October", "November", "December"};
    const auto i = static_cast<std::size_t>(month - 1);
    return In(lang, kFrench[i], kEnglish[i]) + " " + std::to_string(year);
  }

 private:
  const v1::GetExecutionReportResponse& response_;
  const ExecutionReport& report_;
  const ReportSource& source_;
  const Lang lang_;
  std::map<std::string, std::string> labels_;  // by envelope
  std::map<std::string, std::string> bodies_;
  ReportDocument document_;
};

}  // namespace

std::string TextOf(const ReportCell& cell, Lang lang) {
  switch (cell.kind) {
    case ReportCell::Kind::kText:
      return cell.text;
    case ReportCell::Kind::kCents:
      return Euros(cell.value, lang);
    case ReportCell::Kind::kDay:
      return Day(static_cast<std::int32_t>(cell.value), lang);
    case ReportCell::Kind::kNumber:
      return std::to_string(cell.value);
  }
  return "";
}

ReportDocument MakeDocument(const v1::GetExecutionReportResponse& response,
                            const ReportSource& source, Lang lang) {
  return Writer(response, source, lang).Write();
}

std::string ToText(const ReportDocument& document, const Style& style) {
  std::string out = document.title + "\n" + document.subtitle + "\n\n" + ToList(document.facts);
  int number = 0;
  for (const ReportSection& section : document.sections) {
    out += "\n" + std::to_string(++number) + ". " + section.title + "\n";
    for (const std::string& note : section.notes) out += "   " + note + "\n";
    for (const ReportTable& table : section.tables) {
      Grid grid{.title = table.title, .keys = table.keys, .totals = table.totals};
      for (const ReportTable::Column& column : table.columns) {
        grid.columns.push_back({column.heading, column.kind == ReportCell::Kind::kCents});
      }
      for (const auto& row : table.rows) {
        auto& cells = grid.rows.emplace_back();
        for (const ReportCell& cell : row) cells.push_back(TextOf(cell, style.lang));
      }
      out += "\n" + ToTable(grid, style.width, table.none);
    }
  }
  out += "\n" + document.proof_title + "\n" + ToList(document.proof);
  if (!document.checkpoint.empty()) out += "\n" + document.checkpoint;
  return out;
}

}  // namespace denier::cli
