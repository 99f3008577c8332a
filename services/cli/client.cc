#include "services/cli/client.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <random>

#include "denier/v1/admin_service.pb.h"
#include "denier/v1/audit_service.grpc.pb.h"
#include "denier/v1/command_service.pb.h"
#include "denier/v1/query_service.pb.h"
#include "services/cli/apply.h"
#include "services/cli/completion.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

const ServiceDescriptor& CommandService() {
  return *v1::CommandHeader::descriptor()->file()->FindServiceByName("CommandService");
}

const ServiceDescriptor& QueryService() {
  return *v1::QueryHeader::descriptor()->file()->FindServiceByName("QueryService");
}

const ServiceDescriptor& AdminService() {
  return *v1::GetStatusRequest::descriptor()->file()->FindServiceByName("AdminService");
}

std::unique_ptr<Message> NewMessage(const Descriptor& type) {
  return std::unique_ptr<Message>(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->New());
}

// The header of a request: a CommandHeader or a QueryHeader.
template <typename Header>
Header* HeaderOf(Message* request) {
  const FieldDescriptor* field = request->GetDescriptor()->FindFieldByName("header");
  return static_cast<Header*>(request->GetReflection()->MutableMessage(request, field));
}

// Where the help lists a command: Command numbers its fields by the tens of their subject.
std::string GroupOf(const MethodDescriptor& method, Lang lang) {
  const Descriptor& command = *v1::Command::descriptor();
  for (int i = 0; i < command.field_count(); ++i) {
    if (command.field(i)->message_type() != method.input_type()) continue;
    const int number = command.field(i)->number();
    if (number < 20) return In(lang, "Conventions et enveloppes", "Agreements and envelopes");
    if (number < 30) return In(lang, "Crédits", "Credits");
    if (number < 36) return In(lang, "Reports et clôtures", "Carry-overs and closings");
    break;
  }
  return In(lang, "Engagements et paiements", "Commitments and payments");
}

// Random like a UUID of version 4: unique without asking anybody.
std::string NewRequestId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 32; ++i) {
    if (i == 8 || i == 12 || i == 16 || i == 20) id += '-';
    const unsigned nibble = random() & 15;
    id += "0123456789abcdef"[i == 12 ? 4 : i == 16 ? (nibble & 3) | 8 : nibble];
  }
  return id;
}

// What CLI11 says of a wrong command line, in French.
std::string InFrench(std::string text) {
  const auto replace = [&text](std::string_view from, std::string_view to) {
    const std::size_t at = text.find(from);
    if (at != std::string::npos) text.replace(at, from.size(), to);
  };
  replace("A subcommand is required", "il manque une commande");
  replace("The following arguments were not expected:", "arguments inattendus :");
  replace("The following argument was not expected:", "argument inattendu :");
  replace(" is required", " est obligatoire");
  replace(" excludes ", " exclut ");
  replace("required TEXT missing", "valeur manquante");
  replace("1 valeur manquante", "valeur manquante");
  replace("At Most 1 required but received", "une seule valeur permise, reçu :");
  return text;
}

// CLI11's help, aligned by what the terminal shows: CLI11 counts bytes, and French has accents.
class Help : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool positional) const override {
    return Entry(make_option_name(option, positional) + make_option_opts(option),
                 make_option_desc(option));
  }
  std::string make_subcommand(const CLI::App* sub) const override {
    return Entry(sub->get_display_name(true), sub->get_description());
  }
  std::string make_help(const CLI::App* app, std::string name,
                        CLI::AppFormatMode mode) const override {
    std::string help = CLI::Formatter::make_help(app, std::move(name), mode);
    for (std::size_t at; (at = help.find("\n\n\n")) != std::string::npos;) help.erase(at, 1);
    return help;
  }

 private:
  std::string Entry(const std::string& name, const std::string& meaning) const {
    const std::size_t width = DisplayWidth(name) + 2;
    const std::string gap = width < column_width_ ? std::string(column_width_ - width, ' ')
                                                  : "\n" + std::string(column_width_, ' ');
    return "  " + name + gap + meaning + "\n";
  }
};

std::string Upper(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return text;
}

}  // namespace

Lang LangOf(int argc, const char* const* argv) {
  const char* asked = std::getenv("DENIER_LANG");
  std::string lang = asked == nullptr ? "" : asked;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--lang" && i + 1 < argc) lang = argv[i + 1];
    if (argument.starts_with("--lang=")) lang = argument.substr(7);
  }
  return lang == "en" ? Lang::kEnglish : Lang::kFrench;
}

Client::Client(Lang lang, Terminal terminal)
    : terminal_(terminal), style_{.lang = lang, .format = Format::kTable, .width = terminal.width} {
  app_.name("denier");
  app_.description(Say("Denier : la comptabilité des crédits délégués de l'État.",
                       "Denier: accounting for delegated State credits."));
  app_.fallthrough();
  app_.require_subcommand(1);
  app_.set_help_flag("-h,--help", Say("Affiche cette aide", "Shows this help"));
  app_.set_version_flag("--version", "denier " DENIER_VERSION,
                        Say("Affiche la version", "Shows the version"));
  const auto help = std::make_shared<Help>();
  help->column_width(34);
  help->label("Positionals", "Arguments");
  help->label("SUBCOMMAND", Say("COMMANDE", "COMMAND"));
  app_.formatter(help);
  app_.footer(Say(
      "Chaque commande a son aide\u00a0: denier COMMANDE --help. Codes de sortie\u00a0: 0 fait, 1 "
      "refusé, 2 mal écrit, 3 serveur ou connexion.\nSans --format, les résultats sont des "
      "tableaux, même hors d'un terminal.",
      "Every command has its help: denier COMMAND --help. Exit codes: 0 done, 1 refused, 2 "
      "wrong usage, 3 server or connection.\nWithout --format, results are tables, off a "
      "terminal too."));

  AddGeneralOptions();
  AddCommands();
  AddQueries("report", Say("États et comptes rendus", "Reports"),
             {{"yearly-execution", "GetYearlyExecution", "rows", v1::REPORT_YEARLY_EXECUTION},
              {"envelope", "GetManagedEnvelope", "years", v1::REPORT_MANAGED_ENVELOPE},
              {"outstanding", "GetOutstanding", "rows", v1::REPORT_OUTSTANDING},
              {"products", "GetProductBudgets", "rows", v1::REPORT_PRODUCT_BUDGETS},
              {"follow-up", "GetPaymentFollowUp", "rows", v1::REPORT_PAYMENT_FOLLOW_UP},
              {"trial-balance", "GetTrialBalance", "rows", v1::REPORT_TRIAL_BALANCE}});
  AddQueries("get", Say("Une fiche", "One resource"),
             {{"agreement", "GetAgreement", "agreement"},
              {"envelope", "GetEnvelope", "envelope"},
              {"commitment", "GetCommitment", "commitment"},
              {"payment", "GetPayment", "payment_request"}});
  AddQueries("list", Say("Des fiches, avec filtres", "Resources, with filters"),
             {{"agreements", "ListAgreements", "agreements"},
              {"envelopes", "ListEnvelopes", "envelopes"},
              {"commitments", "ListCommitments", "commitments"},
              {"payments", "ListPayments", "payment_requests"}});
  AddExecutionReport();
  AddExplain();
  AddEvents();
  AddExport();
  AddProofs();
  AddApply();
  AddAdmin("status", "GetStatus");
  AddAdmin("rebuild", "RebuildProjections");
  AddBackup();
  AddReplay();
  AddVerify();
  AddCompletion();
}

int Client::Run(int argc, const char* const* argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    terminal_.out << app_.help();
    return kDone;
  } catch (const CLI::CallForVersion&) {
    terminal_.out << app_.version() << "\n";
    return kDone;
  } catch (const CLI::ParseError& error) {
    std::string what = error.what();
    // A word that is no command is worth more than "a command is required".
    const std::vector<std::string> unknown = app_.remaining(/*recurse=*/true);
    if (error.get_name() == "RequiredError" && !unknown.empty()) {
      what = Say("argument ou commande inconnus\u00a0: ", "unknown argument or command: ") +
             unknown.front();
    }
    terminal_.err << "denier\u00a0: " << (style_.lang == Lang::kFrench ? InFrench(what) : what)
                  << "\n";
    std::string name = "denier";
    for (const CLI::App* sub = &app_; !sub->get_subcommands().empty();) {
      sub = sub->get_subcommands().front();
      name += " " + sub->get_name();
    }
    terminal_.err << Say("Aide : ", "Help: ") << name << " --help\n";
    return kUsage;
  }
  return action_();
}

const Message& Client::request(std::string_view method) const {
  for (const auto& [name, request] : requests_) {
    if (name == method) return *request;
  }
  std::abort();
}

void Client::AddGeneralOptions() {
  const auto text = [this](const char* name, std::string* value, const char* env,
                           const std::string& type, const std::string& help) {
    app_.add_option(name, *value, help + (env == nullptr ? "" : std::string(" [") + env + "]"))
        ->envname(env == nullptr ? "" : env)
        ->option_text(type)
        ->group(Say("Options générales", "General options"));
  };
  endpoint_.server = "127.0.0.1:7163";
  text("--server", &endpoint_.server, "DENIER_SERVER", Say("HÔTE:PORT", "HOST:PORT"),
       Say("Serveur ; sinon 127.0.0.1:7163", "Server; else 127.0.0.1:7163"));
  text("--as", &as_, "DENIER_AS", Say("id@SERVICE:rôle,…", "id@BODY:role,…"),
       Say("Au nom de qui, en mode développement ; sinon ",
           "Whom to act as, in development mode; else ") +
           kReader);
  text("--agreement", &agreement_, "DENIER_AGREEMENT", "ID",
       Say("Convention ; inutile quand le serveur n'en a qu'une",
           "Agreement; not needed when the server has only one"));
  text("--ca", &endpoint_.ca_file, "DENIER_CA", Say("FICHIER", "FILE"),
       Say("Autorité de certification du serveur (TLS)",
           "The server's certificate authority (TLS)"));
  text("--cert", &endpoint_.certificate_file, "DENIER_CERT", Say("FICHIER", "FILE"),
       Say("Certificat du client (mTLS) : dit au nom de qui",
           "Client certificate (mTLS): says whom to act as"));
  text("--key", &endpoint_.key_file, "DENIER_KEY", Say("FICHIER", "FILE"),
       Say("Clé privée du certificat", "The certificate's private key"));
  const std::string group = Say("Options générales", "General options");
  app_.add_option_function<double>(
          "--timeout", [this](double seconds) { timeout_s_ = seconds; },
          Say("Délai d'un appel ; sinon 30", "Deadline of a call; else 30"))
      ->check(CLI::PositiveNumber)
      ->option_text(Say("SECONDES", "SECONDS"))
      ->group(group);
  app_.add_option_function<std::string>(
          "--format",
          [this](const std::string& format) {
            style_.format = format == "csv"    ? Format::kCsv
                            : format == "json" ? Format::kJson
                                               : Format::kTable;
          },
          Say("Forme des résultats ; sinon table", "Form of the results; else table"))
      ->check(CLI::IsMember({"table", "csv", "json"}))
      ->option_text("table|csv|json")
      ->group(group);
  app_.add_option_function<std::string>(
          "--lang", [](const std::string&) {},  // LangOf has read it
          Say("Langue ; sinon fr", "Language; else fr") + std::string(" [DENIER_LANG]"))
      ->check(CLI::IsMember({"fr", "en"}))
      ->option_text("fr|en")
      ->group(group);
}

CLI::App* Client::AddSubcommand(CLI::App* parent, const std::string& name,
                                const std::string& help) {
  CLI::App* sub = parent->add_subcommand(name, help);
  sub->footer(Say(
      "Options générales (--server, --as, --agreement, --format, --lang, …)\u00a0: denier --help",
      "General options (--server, --as, --agreement, --format, --lang, …): denier --help"));
  return sub;
}

Message* Client::NewRequest(const MethodDescriptor& method) {
  requests_.emplace_back(method.name(), NewMessage(*method.input_type()));
  return requests_.back().second.get();
}

CLI::Option* Client::AddField(CLI::App* sub, Message* message, const FieldDescriptor& field,
                              const std::string& names) {
  const auto set = [this, message, &field, names](const std::string& text) {
    const absl::Status status = SetField(message, field, text, style_.lang);
    if (!status.ok()) throw CLI::ValidationError(names, std::string(status.message()));
  };
  const std::string help = FieldWord(field, style_.lang);
  if (KindOf(field) == Kind::kFlag) {
    return sub->add_flag_callback(
        names, [set] { set("true"); }, help);
  }
  CLI::Option* option;
  if (field.is_repeated()) {
    option = sub->add_option_function<std::vector<std::string>>(
                    names,
                    [set](const std::vector<std::string>& texts) {
                      for (const std::string& text : texts) set(text);
                    },
                    help + Say(" (répétable)", " (may be repeated)"))
                 ->allow_extra_args(false);
  } else {
    option = sub->add_option_function<std::string>(names, set, help);
  }
  return option->option_text(Syntax(field, style_.lang));
}

void Client::AddFields(CLI::App* sub, Message* message, bool positionals) {
  const Descriptor& type = *message->GetDescriptor();
  // The identifiers that a command begins with are its arguments. Those of Reimpute exclude each
  // other, so they have names.
  bool leading = positionals && &type != v1::ReimputeRequest::descriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.name() == "header" || field.name() == "page") continue;
    const std::string name = ShortName(field);
    leading = leading && !field.is_repeated() &&
              (field.name().ends_with("_id") || field.name() == "reversed_position");
    if (leading) {
      AddField(sub, message, field, Upper(Replace(name, '-', '_')))
          ->required()
          ->option_text(Say("(obligatoire)", "(required)"));
    } else {
      AddField(sub, message, field,
               "--" + name + (field.name() == "managing_body_id" ? ",--body" : ""));
    }
  }
}

void Client::AddCommands() {
  const ServiceDescriptor& service = CommandService();
  for (int i = 0; i < service.method_count(); ++i) {
    const MethodDescriptor& method = *service.method(i);
    if (method.client_streaming()) continue;  // `apply` uses it
    CLI::App* sub = AddSubcommand(&app_, Kebab(method.name()), Word(method.name(), style_.lang));
    sub->group(GroupOf(method, style_.lang));
    Message* request = NewRequest(method);
    if (&method == service.FindMethodByName("CreateAgreement")) {
      sub->add_option("AGREEMENT", agreement_, Word("agreement_id", style_.lang))
          ->required()
          ->option_text(Say("(obligatoire)", "(required)"));
    }
    AddFields(sub, request, /*positionals=*/true);

    auto* header = HeaderOf<v1::CommandHeader>(request);
    const Descriptor& type = *v1::CommandHeader::descriptor();
    const std::string group = Say("Options de toute commande", "Options of every command");
    const auto add = [&](Message* message, const char* field, const char* name) {
      const FieldDescriptor& f = *message->GetDescriptor()->FindFieldByName(field);
      return AddField(sub, message, f, name)->group(group);
    };
    add(header, "effective_date", "--date")
        ->required()
        ->option_text(Syntax(*type.FindFieldByName("effective_date"), style_.lang) +
                      Say(" (obligatoire)", " (required)"));
    add(header, "fiscal_year", "--year")
        ->description(Say("Exercice ; sinon celui de la date d'effet",
                          "Budget year; else that of the effective date"));
    add(header, "request_id", "--request-id")
        ->description(Say("Identifiant de demande, le même pour répéter ; sinon tiré au sort",
                          "Request id, the same to repeat; else drawn at random"));
    add(header, "etag", "--etag")
        ->description(Say("Seulement si la fiche n'a pas bougé depuis cet etag",
                          "Only if the resource has not moved since this etag"));
    add(header, "validate_only", "--validate-only")
        ->description(Say("À blanc : même réponse, rien n'est enregistré",
                          "Dry run: the same answer, nothing is recorded"));
    auto* late = NewMessage(*events::v1::LateEntry::descriptor()).release();
    requests_.emplace_back("late:" + method.name(), std::unique_ptr<Message>(late));
    add(late, "reason_reference", "--late-reason")
        ->description(Say("Écriture tardive en exercice clos : référence du motif",
                          "Late entry into a closed year: the reason's reference"));
    add(late, "approved_by", "--late-approver")
        ->description(Say("Écriture tardive : qui l'a approuvée", "Late entry: who approved it"));

    sub->final_callback([this, &method, request, header, late] {
      if (late->ByteSizeLong() > 0) header->mutable_late_entry()->CopyFrom(*late);
      action_ = [this, &method, request] { return RunCommand(method, request); };
    });
  }
}

void Client::AddQueries(const char* name, const std::string& help,
                        const std::vector<Query>& queries) {
  CLI::App* parent = AddSubcommand(&app_, name, help);
  parent->group(Say("Consultation", "Reading"));
  parent->require_subcommand(1);
  for (const Query& query : queries) {
    const MethodDescriptor& method = *QueryService().FindMethodByName(query.method);
    CLI::App* sub = AddSubcommand(parent, query.name, Word(method.name(), style_.lang));
    sub->group(Say("Commandes", "Commands"));
    Message* request = NewRequest(method);
    const bool report = parent->get_name() == "report";
    if (method.name() == "GetAgreement") {
      sub->add_option("AGREEMENT", agreement_, Word("agreement_id", style_.lang))->option_text(" ");
    }
    if (report) {
      const FieldDescriptor* envelope = method.input_type()->FindFieldByName("envelope_id");
      if (envelope != nullptr) {
        AddField(sub, request, *envelope, "ENVELOPE")
            ->required()
            ->option_text(Say("(obligatoire)", "(required)"));
      }
      sub->add_option("--year", year_, Say("Seulement cet exercice", "Only this year"))
          ->check(CLI::Range(1, 9999))
          ->option_text(Say("AAAA", "YYYY"));
      sub->add_option("--body", body_,
                      Say("Seulement ce service gestionnaire", "Only this managing body"))
          ->option_text("ID");
    } else {
      AddFields(sub, request, /*positionals=*/parent->get_name() == "get");
    }
    const FieldDescriptor* page = method.input_type()->FindFieldByName("page");
    if (page != nullptr) {
      Message* inner = request->GetReflection()->MutableMessage(request, page);
      AddFields(sub, inner, /*positionals=*/false);
    }
    sub->add_option("--min-position", min_position_,
                    Say("Attend que cette écriture soit dans l'état",
                        "Waits until this event is in the answer"))
        ->option_text("N");
    AddMoment(sub);
    if (report) {
      AddAsOf(sub, "--compare", &compare_,
              Say("Ce qui a changé de --as-of à ce moment, et par quelles écritures",
                  "What has changed from --as-of to this moment, and by which events"));
      if (IsOfFolders(method)) AddData(sub);
    }
    sub->final_callback([this, &method, request, query] {
      const std::string csv_field = query.csv_field;
      action_ = [this, &method, request, csv_field, of = query.report] {
        return compare_ ? RunCompare(of, method, request) : RunQuery(method, csv_field, request);
      };
    });
  }
}

void Client::AddEvents() {
  CLI::App* sub = AddSubcommand(
      &app_, "events",
      Say("Les écritures du journal, dans leur ordre", "The events of the log, in their order"));
  sub->group(Say("Consultation", "Reading"));
  requests_.emplace_back("StreamEvents", std::make_unique<v1::StreamEventsRequest>());
  auto* request = static_cast<v1::StreamEventsRequest*>(requests_.back().second.get());
  AddField(sub, request, *request->GetDescriptor()->FindFieldByName("from_position"), "--from")
      ->description(Say("Première position ; sinon 0", "First position; else 0"));
  AddField(sub, request, *request->GetDescriptor()->FindFieldByName("follow"), "--follow")
      ->description(Say("Reste à l'écoute des écritures à venir", "Goes on with what is to come"));
  AddField(sub, request, *request->GetDescriptor()->FindFieldByName("until_position"), "--until")
      ->description(Say("Dernière position", "Last position"));
  v1::EventFilter* filter = request->mutable_filter();
  for (const char* name : {"envelope_id", "commitment_id", "fact", "principal_id", "body_id",
                           "effective_from", "effective_until"}) {
    const FieldDescriptor& field = *v1::EventFilter::descriptor()->FindFieldByName(name);
    AddField(sub, filter, field, "--" + ShortName(field));
  }
  const auto instant = [&](const std::string& name, DayEdge edge, const std::string& help,
                           auto set) {
    sub->add_option_function<std::string>(
           name,
           [this, name, edge, set](const std::string& text) {
             const auto time_us = ParseInstant(text, edge);
             if (!time_us) throw NotAMoment(name, text);
             set(*time_us);
           },
           help)
        ->option_text(Say("JOUR|INSTANT", "DAY|INSTANT"));
  };
  instant("--recorded-from", DayEdge::kBegin,
          Say("Enregistrées à partir de ce jour (Paris) ou de cet instant",
              "Recorded on this day (Paris), at this instant, or later"),
          [filter](std::int64_t time_us) { filter->set_recorded_from_us(time_us); });
  instant("--recorded-until", DayEdge::kEnd,
          Say("Enregistrées jusqu'à ce jour (Paris) ou cet instant",
              "Recorded on this day (Paris), at this instant, or before"),
          [filter](std::int64_t time_us) { filter->set_recorded_until_us(time_us); });
  sub->get_option("--fact")->description(Say("Seulement ce fait, tel que credits_allocated",
                                             "Only this fact, such as credits_allocated"));
  sub->final_callback(
      [this, request] { action_ = [this, request] { return RunEvents(*request); }; });
}

void Client::AddApply() {
  CLI::App* sub = AddSubcommand(&app_, "apply",
                                Say("Envoie un fichier de commandes (JSON, une par ligne)",
                                    "Sends a file of commands (JSON, one a line)"));
  sub->group(Say("Fichiers et exploitation", "Files and operation"));
  const auto path = std::make_shared<std::string>();
  const auto atomic = std::make_shared<bool>(false);
  sub->add_option("FILE", *path,
                  Say("Fichier ; « - » : l'entrée standard", "File; \"-\": standard input"))
      ->required()
      ->option_text(Say("(obligatoire)", "(required)"));
  sub->add_flag("--atomic", *atomic,
                Say("Tout ou rien pour les lignes qui se suivent d'un même auteur (5000 au plus)",
                    "All or nothing for lines in a row of one principal (at most 5000)"));
  sub->footer(Say(
      "Une ligne\u00a0: "
      "{\"as\":\"pm-1@DJEPVA:programme_manager\",\"command\":{\"allocate\":{\"header\":{…},…}},"
      "\"expect\":\"AE_EXCEEDED\"}\nLes commandes partent dans l'ordre du fichier. « expect » "
      "(facultatif) est le motif du refus attendu. L'envoi s'arrête au premier\nrésultat "
      "inattendu. Rejouer le fichier est sans effet\u00a0: chaque commande porte son request_id.\n"
      "Avec un certificat, c'est lui qui dit au nom de qui, et « as » ne compte pas.",
      "A line: "
      "{\"as\":\"pm-1@DJEPVA:programme_manager\",\"command\":{\"allocate\":{\"header\":{…},…}},"
      "\"expect\":\"AE_EXCEEDED\"}\nCommands are sent in the order of the file. \"expect\" "
      "(optional) is the reason of the refusal that must come. Sending\nstops at the first "
      "unexpected outcome. Sending the file again is harmless: every command has its "
      "request_id.\nWith a certificate it is the certificate that says whom to act as, and \"as\" "
      "does not count."));
  sub->final_callback([this, path, atomic] {
    action_ = [this, path, atomic] { return RunApply(*path, *atomic); };
  });
}

void Client::AddAdmin(const char* name, const char* method_name) {
  const MethodDescriptor& method = *AdminService().FindMethodByName(method_name);
  CLI::App* sub = AddSubcommand(&app_, name, Word(method.name(), style_.lang));
  sub->group(Say("Fichiers et exploitation", "Files and operation"));
  Message* request = NewRequest(method);
  sub->final_callback([this, &method, request] {
    action_ = [this, &method, request] { return RunAdmin(method, *request); };
  });
}

void Client::AddCompletion() {
  CLI::App* sub =
      AddSubcommand(&app_, "completion",
                    Say("Écrit la complétion pour un shell", "Writes the completion for a shell"));
  sub->group(Say("Fichiers et exploitation", "Files and operation"));
  const auto shell = std::make_shared<std::string>();
  sub->add_option("SHELL", *shell, Say("Le shell", "The shell"))
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->option_text("bash|zsh|fish");
  sub->footer(Say("Par exemple\u00a0: source <(denier completion bash)",
                  "For example: source <(denier completion bash)"));
  sub->final_callback([this, shell] {
    action_ = [this, shell] {
      terminal_.out << CompletionScript(app_, *shell);
      return kDone;
    };
  });
}

bool Client::Connect(std::string_view default_principal) {
  if (!data_.empty()) return OpenFolder();
  const auto principal = ParsePrincipal(as_.empty() ? default_principal : as_);
  if (!principal) {
    terminal_.err << Say("denier\u00a0: --as doit être id@SERVICE:rôle[,rôle], les rôles étant ",
                         "denier: --as must be id@BODY:role[,role], roles being ")
                  << "programme_manager, authorising_officer, accountant, auditor, operator\n";
    exit_code_ = kUsage;
    return false;
  }
  principal_ = *principal;
  if (endpoint_.certificate_file.empty() != endpoint_.key_file.empty()) {
    terminal_.err << Say("denier\u00a0: --cert et --key vont ensemble\n",
                         "denier: --cert and --key go together\n");
    exit_code_ = kUsage;
    return false;
  }
  endpoint_.timeout = std::chrono::milliseconds(static_cast<std::int64_t>(timeout_s_ * 1000));
  try {
    connection_ = std::make_unique<Connection>(endpoint_);
  } catch (const std::runtime_error& error) {
    terminal_.err << Say("denier\u00a0: fichier illisible ou vide\u00a0: ",
                         "denier: unreadable or empty file: ")
                  << error.what() << "\n";
    exit_code_ = kUsage;
    return false;
  }
  return true;
}

bool Client::Call(const MethodDescriptor& method, const Message& request, Message* response) {
  if (folder_ != nullptr) return AskFolder(method, request, response);
  const google::rpc::Status status = connection_->Call(method, request, principal_, response);
  if (status.code() == 0) return true;
  Failure failure = FailureOf(status);
  for (auto& [name, why] : failure.fields) {
    // What the person typed: the option rather than the field.
    const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
    if (field != nullptr) name = "--" + ShortName(*field);
  }
  terminal_.err << Explain(failure, endpoint_.server, style_.lang);
  if (as_.empty() && failure.reason == "WRONG_ROLE" && endpoint_.certificate_file.empty()) {
    terminal_.err << "  "
                  << Say("Sans --as, denier lit en tant que ", "Without --as, denier reads as ")
                  << principal_.id << "@" << principal_.body
                  << Say("\u00a0; dites au nom de qui vous agissez.\n", "; say whom you act as.\n");
  }
  const FieldDescriptor* header = request.GetDescriptor()->FindFieldByName("header");
  if (IsOutcomeUnknown(failure) && header != nullptr &&
      header->message_type() == v1::CommandHeader::descriptor()) {
    const auto& sent =
        static_cast<const v1::CommandHeader&>(request.GetReflection()->GetMessage(request, header));
    terminal_.err << Say("  Pour répéter sans risque de doublon\u00a0: --request-id ",
                         "  To repeat it without counting twice: --request-id ")
                  << sent.request_id() << "\n";
  }
  exit_code_ = ExitCodeOf(failure);
  return false;
}

bool Client::FindAgreement() {
  if (!agreement_.empty()) return true;
  v1::ListAgreementsRequest request;
  request.mutable_page()->set_page_size(1000);
  v1::ListAgreementsResponse response;
  if (!Call(*QueryService().FindMethodByName("ListAgreements"), request, &response)) return false;
  if (response.agreements_size() == 1) {
    agreement_ = response.agreements(0).agreement_id();
    return true;
  }
  exit_code_ = kUsage;
  if (response.agreements().empty() && folder_ != nullptr) {
    terminal_.err << Say("denier\u00a0: ce dossier n'a pas de convention à ce moment.\n",
                         "denier: at that moment this folder has no agreement.\n");
    return false;
  }
  if (response.agreements().empty()) {
    terminal_.err << Say(
        "denier\u00a0: ce serveur n'a pas de convention que vous puissiez lire. Créez-la "
        "(create-agreement), ou nommez-la avec --agreement.\n",
        "denier: this server has no agreement that you may read. Enter one (create-agreement), or "
        "name it with --agreement.\n");
    return false;
  }
  terminal_.err << Say("denier\u00a0: plusieurs conventions ; choisissez avec --agreement\u00a0:\n",
                       "denier: several agreements; choose with --agreement:\n");
  for (const auto& agreement : response.agreements()) {
    terminal_.err << "  " << agreement.agreement_id() << "\n";
  }
  return false;
}

int Client::RunCommand(const MethodDescriptor& method, Message* request) {
  if (!Connect(kReader) || !FindAgreement()) return exit_code_;
  auto* header = HeaderOf<v1::CommandHeader>(request);
  header->set_agreement_id(agreement_);
  if (header->request_id().empty()) header->set_request_id(NewRequestId());

  const auto response = NewMessage(*method.output_type());
  if (!Call(method, *request, response.get())) return exit_code_;
  const FieldDescriptor* field = response->GetDescriptor()->FindFieldByName("result");
  const Message& result = response->GetReflection()->GetMessage(*response, field);

  if (style_.format == Format::kJson) {
    auto json = ToJson(result);
    json["request_id"] = header->request_id();
    terminal_.out << json.dump(2) << "\n";
  } else if (style_.format == Format::kCsv) {
    Grid grid = PlainGrid({result.GetDescriptor()}, {{.parts = {&result}}});
    grid.columns.push_back({.heading = "request_id"});
    grid.rows[0].push_back(header->request_id());
    terminal_.out << ToCsv(grid);
  } else {
    auto list = HumanList(result, style_.lang);
    if (header->validate_only()) list.erase(list.begin());  // a dry run has no position
    list.emplace_back(Word("request_id", style_.lang), header->request_id());
    terminal_.out << (header->validate_only() ? Say("Serait accepté ; rien n'est enregistré",
                                                    "Would be accepted; nothing is recorded")
                                              : Say("Accepté", "Accepted"))
                  << "\n"
                  << ToList(list);
  }
  return kDone;
}

bool Client::Ask(const MethodDescriptor& method, Message* request, Message* response) {
  auto* header = HeaderOf<v1::QueryHeader>(request);
  if (method.name() != "ListAgreements") {
    if (!FindAgreement()) return false;
    header->set_agreement_id(agreement_);
  }
  SetMoment(header);

  // A filter that the request has is the server's; otherwise the rows are picked here.
  const auto* r = request->GetReflection();
  const FieldDescriptor* body = request->GetDescriptor()->FindFieldByName("managing_body_id");
  const FieldDescriptor* year = request->GetDescriptor()->FindFieldByName("fiscal_year");
  if (!body_.empty() && body != nullptr) r->SetString(request, body, body_);
  if (!year_.empty() && year != nullptr) {
    r->SetInt32(request, year, static_cast<std::int32_t>(*ParseNumber(year_)));
  }

  const FieldDescriptor* page_field = request->GetDescriptor()->FindFieldByName("page");
  if (page_field == nullptr) {
    if (!Call(method, *request, response)) return false;
  } else {
    // All pages, unless one was asked for.
    auto* page = static_cast<v1::Page*>(r->MutableMessage(request, page_field));
    const bool all = page->page_size() == 0 && page->page_token().empty();
    if (all) page->set_page_size(1000);
    const FieldDescriptor* next = response->GetDescriptor()->FindFieldByName("next_page_token");
    do {
      response->GetReflection()->ClearField(response, next);
      const auto part = NewMessage(*method.output_type());
      if (!Call(method, *request, part.get())) return false;
      response->MergeFrom(*part);
      page->set_page_token(response->GetReflection()->GetString(*response, next));
    } while (all && !page->page_token().empty());
    if (style_.format == Format::kCsv && !page->page_token().empty()) {
      terminal_.err << Word("next_page_token", style_.lang) << " " << page->page_token() << "\n";
    }
  }
  if (!year_.empty()) KeepRows(response, "fiscal_year", year_);
  if (!body_.empty() && body == nullptr) KeepRows(response, "managing_body", body_);
  return true;
}

int Client::RunQuery(const MethodDescriptor& method, const std::string& csv_field,
                     Message* request) {
  const auto response = NewMessage(*method.output_type());
  if (!Connect(kReader) || !Ask(method, request, response.get())) return exit_code_;
  terminal_.out << Show(*response, csv_field, style_);
  return kDone;
}

int Client::RunEvents(const Message& request) {
  if (!Connect(kReader)) return exit_code_;
  auto wanted = static_cast<const v1::StreamEventsRequest&>(request);
  wanted.mutable_filter()->set_agreement_id(agreement_);
  grpc::ClientContext context;
  connection_->Prepare(&context, principal_, /*timeouts=*/0);
  const auto stream =
      v1::AuditService::NewStub(connection_->channel())->StreamEvents(&context, wanted);
  terminal_.out << ShowEventHeading(style_);
  v1::StreamEventsResponse response;
  while (stream->Read(&response)) {
    for (const auto& record : response.records()) terminal_.out << ShowEvent(record, style_);
    terminal_.out << std::flush;
  }
  const google::rpc::Status status = RpcStatusOf(stream->Finish());
  if (status.code() == 0) return kDone;
  const Failure failure = FailureOf(status);
  terminal_.err << Explain(failure, endpoint_.server, style_.lang);
  return ExitCodeOf(failure);
}

int Client::RunApply(const std::string& path, bool atomic) {
  std::ifstream opened;
  if (path != "-") {
    opened.open(path);
    if (!opened) {
      terminal_.err << Say("denier\u00a0: fichier illisible\u00a0: ", "denier: unreadable file: ")
                    << path << "\n";
      return kUsage;
    }
  }
  const auto steps = ParseSteps(path == "-" ? terminal_.in : opened, path, style_.lang);
  if (!steps.ok()) {
    terminal_.err << steps.status().message() << "\n";
    return kUsage;
  }
  if (!Connect(kReader)) return exit_code_;

  const std::string total = Count(static_cast<std::int64_t>(steps->size()), style_.lang);
  const Applied applied =
      Apply(connection_.get(), *steps, path, atomic, style_.lang, [&](std::size_t answered) {
        if (!terminal_.progress) return;
        terminal_.err << "\r" << Count(static_cast<std::int64_t>(answered), style_.lang) << " / "
                      << total << std::flush;
      });
  if (terminal_.progress) terminal_.err << "\r\x1b[K";
  terminal_.err << applied.problem;

  const auto plain = [](std::int64_t n) { return std::to_string(n); };
  if (style_.format == Format::kTable) {
    const auto count = [this](std::int64_t n) { return Count(n, style_.lang); };
    terminal_.out << ToList(
        {{Say("Acceptées", "Accepted"), count(applied.accepted)},
         {Say("Refusées comme attendu", "Refused as expected"), count(applied.refused_as_expected)},
         {Say("Déjà enregistrées", "Repeated"), count(applied.repeated)},
         {Say("Dernière position", "Last position"), plain(applied.last_position)}});
  } else if (style_.format == Format::kCsv) {
    terminal_.out << ToCsv(
        {.columns = {{"accepted"}, {"refused_as_expected"}, {"repeated"}, {"last_position"}},
         .rows = {{plain(applied.accepted), plain(applied.refused_as_expected),
                   plain(applied.repeated), plain(applied.last_position)}}});
  } else {
    terminal_.out << nlohmann::ordered_json{{"accepted", applied.accepted},
                                            {"refused_as_expected", applied.refused_as_expected},
                                            {"repeated", applied.repeated},
                                            {"last_position", applied.last_position}}
                         .dump(2)
                  << "\n";
  }
  return applied.code;
}

int Client::RunAdmin(const MethodDescriptor& method, const Message& request) {
  // A rebuild takes as long as the log is long.
  if (method.name() == "RebuildProjections" && app_.get_option("--timeout")->count() == 0) {
    timeout_s_ = 3600;
  }
  if (!Connect(kOperator)) return exit_code_;
  const auto response = NewMessage(*method.output_type());
  if (!Call(method, request, response.get())) return exit_code_;
  terminal_.out << Show(*response, "", style_);
  return kDone;
}

}  // namespace denier::cli
