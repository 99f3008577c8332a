// `denier checkpoint` and `denier proof`: how far the log has got, signed; and what a server says
// of its log, checked against what was signed, here and without trusting the server.
#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "denier/v1/audit_service.grpc.pb.h"
#include "denier/v1/audit_service.pb.h"
#include "nlohmann/json.hpp"
#include "projections/event_version.h"
#include "services/cli/client.h"
#include "services/cli/grid.h"
#include "services/cli/values.h"
#include "services/cli/verifier_key.h"
#include "services/cli/view.h"
#include "services/cli/whole_file.h"
#include "store/checkpoint.h"
#include "store/head.h"
#include "store/merkle.h"
#include "store/proof.h"
#include "store/sha256.h"

namespace denier::cli {
namespace {

using Json = nlohmann::ordered_json;
using google::protobuf::MethodDescriptor;
using store::Hash;
using store::Head;

const MethodDescriptor& Method(const char* name) {
  return *v1::GetCheckpointRequest::descriptor()
              ->file()
              ->FindServiceByName("AuditService")
              ->FindMethodByName(name);
}

// Whole, or not at all.
bool WriteWhole(const std::string& path, const std::string& bytes, std::ostream& out) {
  WholeFile file(path);
  {
    std::ofstream aside(file.aside(), std::ios::binary);
    aside << bytes << std::flush;
    if (!aside) return false;
  }
  return file.Commit(out).ok();
}

std::string TextOf(const absl::Status& status) { return std::string(status.message()); }

std::optional<Hash> HashOf(std::string_view bytes) {
  Hash hash;
  if (bytes.size() != hash.size()) return std::nullopt;
  bytes.copy(reinterpret_cast<char*>(hash.data()), hash.size());
  return hash;
}

std::string HexOf(std::string_view bytes) {
  const std::optional<Hash> hash = HashOf(bytes);
  return hash.has_value() ? store::ToHex(*hash) : "(" + std::to_string(bytes.size()) + " bytes)";
}

// Nothing where one of them is no hash.
std::optional<std::vector<Hash>> PathOf(
    const google::protobuf::RepeatedPtrField<std::string>& hashes) {
  std::vector<Hash> path;
  for (const std::string& bytes : hashes) {
    const std::optional<Hash> hash = HashOf(bytes);
    if (!hash.has_value()) return std::nullopt;
    path.push_back(*hash);
  }
  return path;
}

std::int64_t SizeOf(const Head& head) { return static_cast<std::int64_t>(head.next); }

}  // namespace

// What was checked, in order; the first that fails ends it.
class Client::Proof {
 public:
  explicit Proof(Client& client) : client_(client), lang_(client.style_.lang) {}

  // False, and the exit code is set: wrong usage, or the server's trouble. Nothing was checked.
  bool ReadKey(const std::string& text) {
    const absl::StatusOr<store::VerifierKey> key = ReadVerifierKey(text);
    if (!key.ok()) return Usage("--verifier-key: " + TextOf(key.status()));
    key_ = *key;
    return true;
  }
  bool ReadNote(const std::string& path, std::string* note) {
    std::optional<std::string> bytes = ReadWholeFile(path);
    if (!bytes.has_value()) {
      return Usage(Say("fichier illisible\u00a0: ", "unreadable file: ") + path);
    }
    *note = *std::move(bytes);
    return true;
  }

  // The other checks: true, and they are told; false, and they have failed, or could not be made.
  bool Signed(const char* check, const std::string& what, const std::string& note, Head* head);
  bool Covers(const Head& head, std::int64_t position);
  bool Inclusion(const Head& head, std::int64_t position);
  bool NotShorter(const Head& earlier, const Head& later, bool is_server);
  bool BeginsWith(const Head& earlier, const Head& later);

  // True: the bytes of the event were there to be hashed.
  bool showed_event() const { return record_.has_value(); }

  // Prints what was found, and `conclusion` if every check passed. Returns the exit code.
  int End(const std::string& conclusion);

 private:
  struct Line {
    const char* check;
    std::optional<bool> passed;  // nothing: it could not be made, which no proof needs
    std::string detail;
  };

  std::string Say(std::string_view french, std::string_view english) const {
    return In(lang_, french, english);
  }
  bool Usage(const std::string& what) {
    client_.terminal_.err << Say("denier\u00a0: ", "denier: ") << what << "\n";
    client_.exit_code_ = kUsage;
    return false;
  }
  bool Check(const char* check, bool passed, std::string detail) {
    lines_.push_back({check, passed, std::move(detail)});
    return passed;
  }
  std::string Events(std::int64_t count) const {
    return Count(count, lang_) +
           (count == 1 ? Say(" écriture", " event") : Say(" écritures", " events"));
  }
  bool Shorter(const Head& head, std::int64_t has);
  // Of the server, OK or UNKNOWN_POSITION; else the reason is told.
  bool Ask(const char* method, const Message& request, Message* response, bool* reaches);
  bool FetchStored(std::int64_t position);

  Client& client_;
  const Lang lang_;
  std::optional<store::VerifierKey> key_;
  std::vector<Line> lines_;
  std::optional<v1::EventRecord> record_;  // the event in question, as far as it is shown to us
};

bool Client::Proof::Signed(const char* check, const std::string& what, const std::string& note,
                           Head* head) {
  const absl::StatusOr<store::Checkpoint> checkpoint = store::OpenCheckpoint(note, *key_);
  if (checkpoint.ok()) {
    *head = checkpoint->head;
    return Check(check, true,
                 what + Say(" est signé par ", " is signed by ") + key_->name() +
                     Say("\u00a0: ", ": ") + Events(SizeOf(*head)) + Say(", racine ", ", root ") +
                     store::ToHex(head->root));
  }
  std::string why;
  if (absl::IsNotFound(checkpoint.status())) {
    why = Say(" n'est pas signé par cette clé", " is not signed by this key");
  } else if (absl::IsUnauthenticated(checkpoint.status())) {
    why = Say(" porte une signature fausse\u00a0: le texte ou la signature a été changé",
              " has a wrong signature: the text or the signature was changed");
  } else {
    why = Say(" n'est pas un point de contrôle de ce journal", " is no checkpoint of this log");
  }
  return Check(check, false, what + why + " (" + TextOf(checkpoint.status()) + ")");
}

bool Client::Proof::Covers(const Head& head, std::int64_t position) {
  if (position < SizeOf(head)) return true;
  return Check("position", false,
               Say("l'écriture ", "event ") + std::to_string(position) +
                   Say(" est au-delà de ce point de contrôle, qui porte sur ",
                       " is beyond this checkpoint, which is over ") +
                   Events(SizeOf(head)) +
                   Say("\u00a0; prenez-en un plus récent", "; take a newer one"));
}

bool Client::Proof::Ask(const char* method, const Message& request, Message* response,
                        bool* reaches) {
  const google::rpc::Status status =
      client_.connection_->Call(Method(method), request, client_.principal_, response);
  *reaches = true;
  if (status.code() == 0) return true;
  const Failure failure = FailureOf(status);
  if (failure.reason == "UNKNOWN_POSITION") {
    *reaches = false;
    return true;
  }
  client_.terminal_.err << Explain(failure, client_.endpoint_.server, lang_);
  client_.exit_code_ = ExitCodeOf(failure);
  return false;
}

bool Client::Proof::Shorter(const Head& head, std::int64_t has) {
  std::string detail = Say("le journal du serveur est PLUS COURT que le point de contrôle",
                           "the server's log is SHORTER than the checkpoint");
  if (has >= 0) {
    detail += Say("\u00a0: ", ": ") + Events(has) + Say(" au lieu de ", " instead of ") +
              Events(SizeOf(head)) +
              Say("\u00a0; il manque les positions ", "; missing are the positions ") +
              std::to_string(has) + Say(" à ", " to ") + std::to_string(SizeOf(head) - 1);
  } else {
    detail += Say(", qui porte sur ", ", which is over ") + Events(SizeOf(head));
  }
  return Check("length", false,
               detail + Say(". Un état antérieur a été remis en place, ou la fin est perdue",
                            ". An older state was put back, or the end was lost"));
}

// The bytes as stored, if the server shows this event to us.
bool Client::Proof::FetchStored(std::int64_t position) {
  v1::StreamEventsRequest request;
  request.set_from_position(position);
  request.set_until_position(position);
  request.set_with_stored(true);
  grpc::ClientContext context;
  client_.connection_->Prepare(&context, client_.principal_, /*timeouts=*/1);
  const auto stream =
      v1::AuditService::NewStub(client_.connection_->channel())->StreamEvents(&context, request);
  v1::StreamEventsResponse response;
  while (stream->Read(&response)) {
    for (const v1::EventRecord& record : response.records()) {
      if (record.position() == position) record_ = record;
    }
  }
  const google::rpc::Status status = RpcStatusOf(stream->Finish());
  if (status.code() == 0) return true;
  const Failure failure = FailureOf(status);
  client_.terminal_.err << Explain(failure, client_.endpoint_.server, lang_);
  client_.exit_code_ = ExitCodeOf(failure);
  return false;
}

bool Client::Proof::Inclusion(const Head& head, std::int64_t position) {
  v1::GetInclusionProofRequest request;
  request.set_position(position);
  request.set_size(SizeOf(head));
  v1::GetInclusionProofResponse proof;
  bool reaches = false;
  if (!Ask("GetInclusionProof", request, &proof, &reaches)) return false;
  if (!reaches) return Shorter(head, -1);
  if (!FetchStored(position)) return false;

  std::optional<Hash> leaf = HashOf(proof.leaf_hash());
  if (record_.has_value()) {
    leaf = store::LeafHash(record_->stored());
    const std::string bytes = Count(static_cast<std::int64_t>(record_->stored().size()), lang_);
    if (store::AsBytes(*leaf) != proof.leaf_hash()) {
      return Check("event", false,
                   Say("les octets que le serveur montre (", "the bytes that the server shows (") +
                       bytes + Say(") ont l'empreinte ", ") have the leaf hash ") +
                       store::ToHex(*leaf) +
                       Say(", et sa preuve porte sur ", ", and its proof is about ") +
                       HexOf(proof.leaf_hash()));
    }
    if (!projections::DecodeEvent(record_->stored(), static_cast<store::Position>(position),
                                  *record_->mutable_event())
             .ok()) {
      return Check("event", false,
                   Say("les octets que le serveur montre ne sont pas une écriture",
                       "the bytes that the server shows are no event"));
    }
    Check("event", true,
          Say("l'empreinte des ", "the leaf hash of the ") + bytes +
              Say(" octets de l'écriture, recalculée ici, est ",
                  " bytes of the event, computed here, is ") +
              store::ToHex(*leaf));
  } else {
    lines_.push_back({"event", std::nullopt,
                      Say("le serveur ne montre pas l'écriture elle-même, seulement son empreinte ",
                          "the server does not show the event itself, only its leaf hash ") +
                          HexOf(proof.leaf_hash())});
  }
  const std::optional<std::vector<Hash>> path = PathOf(proof.hashes());
  if (leaf.has_value() && path.has_value() &&
      store::VerifiesInclusion(*leaf, static_cast<store::Position>(position), head.next, *path,
                               head.root)) {
    return Check("path", true,
                 Say("de cette empreinte, les ", "from this leaf hash the ") +
                     std::to_string(path->size()) +
                     Say(" empreintes de la preuve mènent à la racine signée",
                         " hashes of the proof lead to the root that was signed"));
  }
  if (store::AsBytes(head.root) != proof.root()) {
    return Check("history", false,
                 Say("l'histoire du serveur est UNE AUTRE\u00a0: sur les mêmes ",
                     "the server's history is ANOTHER: over the same ") +
                     Events(SizeOf(head)) + Say(" sa racine est ", " its root is ") +
                     HexOf(proof.root()));
  }
  return Check(
      "path", false,
      Say("le chemin que donne le serveur ne mène pas de cette empreinte à la racine signée",
          "the path that the server gives does not lead from this leaf hash to the root "
          "that was signed"));
}

bool Client::Proof::NotShorter(const Head& earlier, const Head& later, bool is_server) {
  if (later.next >= earlier.next) return true;
  if (is_server) return Shorter(earlier, SizeOf(later));
  return Check("length", false,
               Say("le second point de contrôle (--new) porte sur MOINS d'écritures que le premier "
                   "(--old)\u00a0: ",
                   "the second checkpoint (--new) is over FEWER events than the first (--old): ") +
                   Events(SizeOf(later)) + Say(" au lieu de ", " instead of ") +
                   Events(SizeOf(earlier)));
}

bool Client::Proof::BeginsWith(const Head& earlier, const Head& later) {
  v1::GetConsistencyProofResponse proof;
  // What needs no proof: the empty log, and a log of the same size.
  if (earlier.next != 0 && earlier.next != later.next) {
    v1::GetConsistencyProofRequest request;
    request.set_old_size(SizeOf(earlier));
    request.set_new_size(SizeOf(later));
    bool reaches = false;
    if (!Ask("GetConsistencyProof", request, &proof, &reaches)) return false;
    if (!reaches) return Shorter(later, -1);
  } else {
    proof.set_old_root(std::string(store::AsBytes(later.root)));
    proof.set_new_root(std::string(store::AsBytes(later.root)));
  }
  const std::optional<std::vector<Hash>> path = PathOf(proof.hashes());
  if (path.has_value() && store::VerifiesConsistency(earlier, later, *path)) {
    return Check("path", true,
                 Say("les ", "the ") + std::to_string(path->size()) +
                     Say(" empreintes de la preuve donnent l'une et l'autre racine signée",
                         " hashes of the proof give both roots that were signed"));
  }
  const auto differs = [&](const Head& head, const std::string& root) {
    return Check(
        "history", false,
        Say("l'histoire a été RÉÉCRITE\u00a0: sur les ", "history was REWRITTEN: over the ") +
            Events(SizeOf(head)) + Say(" la racine signée est ", " the root signed is ") +
            store::ToHex(head.root) + Say(", celle du serveur ", ", the server's ") + HexOf(root));
  };
  if (store::AsBytes(earlier.root) != proof.old_root()) return differs(earlier, proof.old_root());
  if (store::AsBytes(later.root) != proof.new_root()) return differs(later, proof.new_root());
  return Check("path", false,
               Say("la preuve que donne le serveur ne donne pas les deux racines signées",
                   "the proof that the server gives does not give the two roots that were signed"));
}

int Client::Proof::End(const std::string& conclusion) {
  if (client_.exit_code_ != kDone) return client_.exit_code_;
  const bool proven = lines_.back().passed.value_or(false);
  std::ostream& out = client_.terminal_.out;
  if (client_.style_.format == Format::kTable) {
    for (const Line& line : lines_) {
      out << (!line.passed.has_value() ? "-    "
              : *line.passed           ? Say("oui  ", "yes  ")
                                       : Say("NON  ", "NO   "))
          << line.detail << "\n";
    }
    if (proven) {
      out << Say("PROUVÉ\u00a0: ", "PROVEN: ") << conclusion << "\n";
      if (record_.has_value()) {
        out << "\n" << ShowEventHeading(client_.style_) << ShowEvent(*record_, client_.style_);
      }
    } else {
      out << Say("NON PROUVÉ\u00a0: échec du contrôle «\u00a0",
                 "NOT PROVEN: the check that failed is \"")
          << lines_.back().check << Say("\u00a0».\n", "\".\n");
    }
  } else if (client_.style_.format == Format::kCsv) {
    Grid grid{.columns = {{"check"}, {"passed"}, {"detail"}}};
    for (const Line& line : lines_) {
      grid.rows.push_back({line.check,
                           !line.passed.has_value() ? ""
                           : *line.passed           ? "true"
                                                    : "false",
                           line.detail});
    }
    out << ToCsv(grid);
  } else {
    Json json;
    json["proven"] = proven;
    if (!proven) json["failed_check"] = lines_.back().check;
    for (const Line& line : lines_) {
      json["checks"].push_back({{"check", line.check},
                                {"passed", line.passed ? Json(*line.passed) : Json(nullptr)},
                                {"detail", line.detail}});
    }
    if (proven && record_.has_value()) json["event"] = ToJson(record_->event());
    out << json.dump(2) << "\n";
  }
  return proven ? kDone : kNotProven;
}

void Client::AddProofs() {
  const std::string group = Say("Preuves", "Proofs");
  const std::string file = Say("FICHIER", "FILE");

  CLI::App* checkpoint =
      AddSubcommand(&app_, "checkpoint",
                    Say("Le point de contrôle signé\u00a0: nombre d'écritures et racine du journal",
                        "The signed checkpoint: number of events and root of the log"));
  checkpoint->group(group);
  struct Wanted {
    std::optional<std::int64_t> size;
    bool fresh = false;
    bool key_only = false;
    std::string out;
  };
  const auto wanted = std::make_shared<Wanted>();
  checkpoint
      ->add_option("--size", wanted->size,
                   Say("Sur les N premières écritures ; sinon le dernier publié",
                       "Over the first N events; else the newest that was published"))
      ->option_text("N");
  checkpoint->add_flag(
      "--fresh", wanted->fresh,
      Say("Sur toutes les écritures de cet instant", "Over every event of this instant"));
  checkpoint->add_option("--out", wanted->out, Say("Dans ce fichier", "Into this file"))
      ->option_text(file);
  checkpoint->add_flag("--verifier-key", wanted->key_only,
                       Say("Seulement la clé qui sert à vérifier les signatures",
                           "Only the key that signatures are verified with"));
  checkpoint->final_callback([this, wanted] {
    action_ = [this, wanted] {
      return RunCheckpoint(wanted->size, wanted->fresh, wanted->key_only, wanted->out);
    };
  });

  CLI::App* proof = AddSubcommand(
      &app_, "proof",
      Say("Contrôle le journal du serveur par un point de contrôle, sans se fier au serveur",
          "Checks the server's log by a checkpoint, without trusting the server"));
  proof->group(group);
  proof->require_subcommand(1);
  const std::string codes =
      Say("Code de sortie 4\u00a0: un contrôle a échoué, son nom est donné.\nLa clé doit venir "
          "d'ailleurs que du serveur que l'on contrôle.",
          "Exit code 4: a check has failed, and its name is given.\nThe key should come from "
          "elsewhere than the server that is checked.");
  const auto key_option = [&](CLI::App* sub, std::string* key) {
    sub->add_option("--verifier-key,--key", *key,
                    Say("Clé du journal (NOM+EMPREINTE+CLÉ), ou un fichier qui la porte",
                        "The log's key (NAME+HASH+KEY), or a file that holds it"))
        ->required()
        ->option_text(Say("CLÉ (obligatoire)", "KEY (required)"));
  };

  struct Asked {
    std::int64_t position = 0;
    std::string earlier, later = "fresh", key, out;
  };
  CLI::App* inclusion =
      AddSubcommand(proof, "inclusion",
                    Say("Une écriture est dans le journal du point de contrôle, telle quelle",
                        "An event is in the log of the checkpoint, as it is"));
  const auto event = std::make_shared<Asked>();
  inclusion
      ->add_option("POSITION", event->position,
                   Say("Position de l'écriture", "Position of the event"))
      ->required()
      ->check(CLI::NonNegativeNumber)
      ->option_text(Say("(obligatoire)", "(required)"));
  inclusion
      ->add_option("--checkpoint", event->earlier,
                   Say("Le point de contrôle, gardé ailleurs", "The checkpoint, kept elsewhere"))
      ->required()
      ->option_text(file + Say(" (obligatoire)", " (required)"));
  key_option(inclusion, &event->key);
  inclusion->footer(codes);
  inclusion->final_callback([this, event] {
    action_ = [this, event] {
      return RunProveInclusion(event->position, event->earlier, event->key);
    };
  });

  CLI::App* consistency = AddSubcommand(
      proof, "consistency",
      Say("Le journal commence par celui d'un point de contrôle antérieur\u00a0: rien n'est "
          "réécrit",
          "The log begins with that of an earlier checkpoint: nothing was rewritten"));
  const auto logs = std::make_shared<Asked>();
  consistency
      ->add_option("--old", logs->earlier,
                   Say("Le point de contrôle antérieur, gardé ailleurs",
                       "The earlier checkpoint, kept elsewhere"))
      ->required()
      ->option_text(file + Say(" (obligatoire)", " (required)"));
  consistency
      ->add_option("--new", logs->later,
                   Say("Le point de contrôle ultérieur ; sinon celui de cet instant",
                       "The later checkpoint; else that of this instant"))
      ->option_text(file + "|fresh");
  key_option(consistency, &logs->key);
  consistency
      ->add_option("--out", logs->out,
                   Say("Garde ici le point de contrôle ultérieur, une fois prouvé",
                       "Keeps the later checkpoint here, once it is proven"))
      ->option_text(file);
  consistency->footer(codes);
  consistency->final_callback([this, logs] {
    action_ = [this, logs] {
      return RunProveConsistency(logs->earlier, logs->later, logs->key, logs->out);
    };
  });
}

int Client::RunCheckpoint(std::optional<std::int64_t> size, bool fresh, bool key_only,
                          const std::string& out_file) {
  if (!Connect(kReader)) return exit_code_;
  v1::GetCheckpointRequest request;
  if (size.has_value()) request.set_size(*size);
  request.set_fresh(fresh);
  v1::GetCheckpointResponse response;
  if (!Call(Method("GetCheckpoint"), request, &response)) return exit_code_;

  std::string text = response.note();
  if (key_only) {
    text = response.verifier_key() + "\n";
    terminal_.err << Say("Qui contrôle ce serveur doit tenir cette clé d'ailleurs que de lui.\n",
                         "Whoever checks this server should have this key from elsewhere.\n");
  } else if (style_.format == Format::kJson) {
    const Json json = {{"size", response.size()},
                       {"root", HexOf(response.root())},
                       {"verifier_key", response.verifier_key()},
                       {"note", response.note()}};
    text = json.dump(2) + "\n";
  } else if (style_.format == Format::kCsv) {
    text = ToCsv(Grid{.columns = {{"size"}, {"root"}, {"verifier_key"}, {"note"}},
                      .rows = {{std::to_string(response.size()), HexOf(response.root()),
                                response.verifier_key(), response.note()}}});
  }
  if (out_file.empty()) {
    terminal_.out << text;
    return kDone;
  }
  if (!WriteWhole(out_file, text, terminal_.out)) {
    terminal_.err << Say("denier\u00a0: impossible d'écrire ", "denier: cannot write ") << out_file
                  << "\n";
    return kTrouble;
  }
  terminal_.out << Say("Écrit dans ", "Written to ") << out_file << Say("\u00a0: ", ": ")
                << (key_only
                        ? Say("la clé de vérification", "the verifier key")
                        : Say("point de contrôle sur ", "checkpoint over ") +
                              Count(response.size(), style_.lang) + Say(" écritures", " events"))
                << "\n";
  return kDone;
}

int Client::RunProveInclusion(std::int64_t position, const std::string& checkpoint_file,
                              const std::string& key) {
  Proof proof(*this);
  std::string note;
  Head head;
  if (!proof.ReadKey(key) || !proof.ReadNote(checkpoint_file, &note)) return exit_code_;
  if (proof.Signed("signature", checkpoint_file, note, &head) && proof.Covers(head, position)) {
    if (!Connect(kReader)) return exit_code_;
    proof.Inclusion(head, position);
  }
  const std::string number = std::to_string(position);
  return proof.End(
      proof.showed_event()
          ? Say("l'écriture ", "event ") + number +
                Say(" est dans le journal de ce point de contrôle, à cette place et "
                    "telle quelle.",
                    " is in the log of this checkpoint, at this place and as it is.")
          : Say("une écriture de cette empreinte est à la position ",
                "an event with this leaf hash is at position ") +
                number +
                Say(" du journal de ce point de contrôle.", " of the log of this checkpoint."));
}

int Client::RunProveConsistency(const std::string& old_file, const std::string& new_file,
                                const std::string& key, const std::string& out_file) {
  Proof proof(*this);
  const bool fresh = new_file == "fresh";
  std::string old_note;
  std::string new_note;
  if (!proof.ReadKey(key) || !proof.ReadNote(old_file, &old_note)) return exit_code_;
  if (!fresh && !proof.ReadNote(new_file, &new_note)) return exit_code_;
  if (!Connect(kReader)) return exit_code_;
  if (fresh) {
    v1::GetCheckpointRequest request;
    request.set_fresh(true);
    v1::GetCheckpointResponse response;
    if (!Call(Method("GetCheckpoint"), request, &response)) return exit_code_;
    new_note = response.note();
  }
  Head earlier;
  Head later;
  const std::string what =
      fresh ? Say("le point de contrôle de cet instant (", "the checkpoint of this instant (") +
                  endpoint_.server + ")"
            : new_file;
  const bool proven = proof.Signed("signature", old_file, old_note, &earlier) &&
                      proof.Signed("new_signature", what, new_note, &later) &&
                      proof.NotShorter(earlier, later, fresh) && proof.BeginsWith(earlier, later);
  if (proven && !out_file.empty() && !WriteWhole(out_file, new_note, terminal_.out)) {
    terminal_.err << Say("denier\u00a0: impossible d'écrire ", "denier: cannot write ") << out_file
                  << "\n";
    exit_code_ = kTrouble;
  }
  return proof.End(Say("le journal de ", "the log of ") + Count(SizeOf(later), style_.lang) +
                   Say(" écritures commence par celui de ", " events begins with that of ") +
                   Count(SizeOf(earlier), style_.lang) +
                   Say("\u00a0: rien n'y a été changé, ôté ni inséré.",
                       ": nothing was changed, removed or inserted."));
}

}  // namespace denier::cli
