#include "services/errors.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <optional>

#include "google/rpc/error_details.pb.h"

namespace denier::services {
namespace {

using grpc::StatusCode;

// U+00A0: neither an amount nor a French colon may begin a line.
constexpr std::string_view kNoBreakSpace = "\u00a0";

struct Entry {
  StatusCode code;
  // {name} is a fact of the refusal, or its field. A part in [brackets] is left out when the
  // refusal has not all the facts that it speaks of.
  std::string_view french;
};

// No default: a new reason does not compile until it has a code and words.
Entry EntryOf(v1::ErrorReason reason) {
  switch (reason) {
    case v1::ERROR_REASON_INVALID_FIELD:
      return {StatusCode::INVALID_ARGUMENT,
              "La demande est mal formée[ : le champ « {field} » manque ou n'est pas valable]. "
              "Corrigez-la et renvoyez-la."};
    case v1::ERROR_REASON_UNKNOWN_FIELDS:
      return {StatusCode::INVALID_ARGUMENT,
              "La demande contient des champs que ce serveur ne connaît pas[ (dans « {field} »)] : "
              "il refuse de les ignorer. Mettez à jour le serveur, ou retirez ces champs."};

    case v1::ERROR_REASON_UNKNOWN_PRINCIPAL:
      return {
          StatusCode::PERMISSION_DENIED,
          "L'auteur de la demande n'est pas identifié : il faut un identifiant, un service et au "
          "moins un rôle. Présentez un certificat qui les porte (CN, O, OU)."};
    case v1::ERROR_REASON_WRONG_ROLE:
      return {StatusCode::PERMISSION_DENIED,
              "Votre rôle ne permet pas cet acte[ : il revient au rôle « {role} »]. "
              "Faites-le faire par une personne qui a ce rôle."};
    case v1::ERROR_REASON_WRONG_BODY:
      return {StatusCode::PERMISSION_DENIED,
              "Cet acte n'est pas du ressort de votre service[ : il revient à "
              "{managing_body}][ pour l'enveloppe {envelope_id}]. Adressez-vous à ce "
              "service."};
    case v1::ERROR_REASON_NOT_ASSIGNED:
      return {StatusCode::PERMISSION_DENIED,
              "Ce comptable n'est pas assignataire de l'enveloppe[ {envelope_id}]. Faites agir un "
              "comptable assignataire, ou demandez au délégant de l'assigner."};
    case v1::ERROR_REASON_SAME_PERSON:
      return {
          StatusCode::PERMISSION_DENIED,
          "L'ordonnateur qui a demandé ce paiement ne peut pas le payer : les deux fonctions sont "
          "incompatibles (décret GBCP, art. 9). Un autre comptable doit agir."};
    case v1::ERROR_REASON_APPROVER_MISSING:
      return {
          StatusCode::PERMISSION_DENIED,
          "Cet acte demande l'accord d'une seconde personne, autre que son auteur. Indiquez qui "
          "l'a approuvé."};

    case v1::ERROR_REASON_UNKNOWN_AGREEMENT:
      return {StatusCode::NOT_FOUND,
              "La convention[ {agreement_id}] est inconnue. Vérifiez son identifiant, ou créez-la "
              "d'abord."};
    case v1::ERROR_REASON_UNKNOWN_ENVELOPE:
      return {StatusCode::NOT_FOUND,
              "L'enveloppe[ {envelope_id}] est inconnue dans cette convention. Vérifiez son "
              "identifiant, ou créez-la d'abord."};
    case v1::ERROR_REASON_UNKNOWN_COMMITMENT:
      return {StatusCode::NOT_FOUND,
              "L'engagement[ {commitment_id}] est inconnu dans cette convention. Vérifiez son "
              "identifiant."};
    case v1::ERROR_REASON_UNKNOWN_LINE:
      return {StatusCode::NOT_FOUND,
              "L'engagement[ {commitment_id}] n'a pas de ligne[ {line_id}] de ce nom. Vérifiez "
              "l'identifiant de la ligne."};
    case v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST:
      return {
          StatusCode::NOT_FOUND,
          "La demande de paiement[ {payment_request_id}] est inconnue. Vérifiez son identifiant, "
          "ou présentez-la d'abord."};
    case v1::ERROR_REASON_UNKNOWN_CARRYOVER:
      return {StatusCode::NOT_FOUND,
              "Le report[ {carryover_id}] est inconnu. Vérifiez son identifiant, ou demandez-le "
              "d'abord."};
    case v1::ERROR_REASON_UNKNOWN_PRODUCT:
      return {
          StatusCode::NOT_FOUND,
          "Le produit[ {product_id}] ne figure pas dans la convention. Vérifiez son identifiant, "
          "ou ajoutez-le par un avenant."};
    case v1::ERROR_REASON_UNKNOWN_POSITION:
      return {StatusCode::NOT_FOUND,
              "Le journal n'a pas d'écriture à cette position[ ({position})]. Vérifiez le numéro."};
    case v1::ERROR_REASON_UNKNOWN_ACT:
      return {StatusCode::NOT_FOUND,
              "L'acte[ {act_id}] est inconnu : ni la convention ni un avenant ne porte ce nom. "
              "Vérifiez son identifiant."};
    case v1::ERROR_REASON_UNKNOWN_FIGURE:
      return {StatusCode::NOT_FOUND,
              "Cet état n'a pas de chiffre de ce nom[ : « {figure} »]. Vérifiez la ligne et la "
              "colonne."};

    case v1::ERROR_REASON_REQUEST_ID_REUSED:
      return {StatusCode::ALREADY_EXISTS,
              "Cet identifiant de demande[ ({request_id})] a déjà servi pour un autre "
              "contenu. Rien n'a changé. Prenez un nouvel identifiant pour une nouvelle "
              "demande."};
    case v1::ERROR_REASON_IDENTIFIER_TAKEN:
      return {StatusCode::ALREADY_EXISTS,
              "Cet identifiant est déjà pris[ : convention {agreement_id}][ : avenant "
              "{amendment_id}][ : enveloppe {envelope_id}][ : engagement "
              "{commitment_id}][ : ligne {line_id}][ : paiement {payment_id}][ : demande "
              "de paiement {payment_request_id}][ : report {carryover_id}]. "
              "Choisissez-en un autre."};

    case v1::ERROR_REASON_ETAG_MOVED:
      return {StatusCode::ABORTED,
              "Quelqu'un d'autre a modifié cette fiche depuis votre lecture[ (version actuelle : "
              "{current_etag})]. Relisez-la, puis recommencez."};
    case v1::ERROR_REASON_GROUP_REFUSED:
      return {
          StatusCode::ABORTED,
          "Une autre commande du même lot a été refusée : le lot est tout ou rien, rien n'a été "
          "enregistré. Corrigez celle-là, puis renvoyez le lot."};

    case v1::ERROR_REASON_AE_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Les autorisations d'engagement ne suffisent pas[ : {asked_cents} demandés, "
              "{available_cents} disponibles][ sur l'enveloppe {envelope_id}][ en {fiscal_year}]. "
              "Réduisez le montant, ou faites mettre des AE à disposition."};
    case v1::ERROR_REASON_CP_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Les crédits de paiement ne suffisent pas[ : {asked_cents} demandés, "
              "{available_cents} disponibles][ sur l'enveloppe {envelope_id}][ en {fiscal_year}]. "
              "Réduisez le montant, faites mettre des CP à disposition, ou attendez l'exercice "
              "suivant."};
    case v1::ERROR_REASON_CEILING_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Le plafond de la convention serait dépassé[ en {fiscal_year}][ : "
              "{asked_cents} demandés en {kind}, il reste {available_cents}][ : "
              "{opened_ae_cents} d'AE et {opened_cp_cents} de CP sont déjà ouverts]. "
              "Réduisez le montant, ou relevez le plafond par un avenant."};
    case v1::ERROR_REASON_CEILING_MISSING:
      return {StatusCode::FAILED_PRECONDITION,
              "La convention ne fixe pas de plafond pour cet exercice[ ({fiscal_year})]. Fixez-le "
              "d'abord par un avenant."};
    case v1::ERROR_REASON_FROZEN_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "La réserve ne contient pas ce montant[ : {asked_cents} à dégeler, "
              "{available_cents} mis en réserve][ sur l'enveloppe {envelope_id}]. "
              "Réduisez le montant."};
    case v1::ERROR_REASON_REST_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Le montant dépasse le reste de la ligne d'engagement[ {line_id}][ : "
              "{asked_cents} demandés, {rest_cents} restants]. Réduisez-le, ou prenez un "
              "engagement complémentaire."};
    case v1::ERROR_REASON_MANDATE_EXPIRED:
      return {
          StatusCode::FAILED_PRECONDITION,
          "La délégation n'est pas en vigueur à la date de cet acte[ ({effective_date})]"
          "[ : elle a pris fin le {valid_until}]. Renouvelez-la par un avenant, ou faites agir le "
          "délégant."};
    case v1::ERROR_REASON_YEAR_CLOSED:
      return {StatusCode::FAILED_PRECONDITION,
              "L'exercice[ {fiscal_year}] est clos : il ne reçoit plus d'écriture. Imputez sur "
              "l'exercice ouvert, ou demandez une écriture tardive avec motif et accord."};
    case v1::ERROR_REASON_WRONG_YEAR:
      return {StatusCode::FAILED_PRECONDITION,
              "La date d'effet[ ({effective_date})] et l'exercice[ ({fiscal_year})] ne "
              "vont pas ensemble pour cet acte. Corrigez la date ou l'exercice."};
    case v1::ERROR_REASON_SERVICE_NOT_CERTIFIED:
      return {StatusCode::FAILED_PRECONDITION,
              "Le service fait n'est pas certifié pour ce montant[ : {asked_cents} à "
              "payer, {certified_cents} certifiés et non encore payés]. Certifiez le "
              "service fait, ou demandez une avance."};
    case v1::ERROR_REASON_CERTIFICATION_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Le service fait dépasserait le montant de la ligne[ {line_id}][ : "
              "{asked_cents} à certifier, {available_cents} encore certifiables]. "
              "Réduisez-le, ou prenez un engagement complémentaire."};
    case v1::ERROR_REASON_ADVANCE_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "La récupération dépasse les avances encore ouvertes[ : {asked_cents} à "
              "récupérer, {available_cents} d'avances]. Réduisez-la."};
    case v1::ERROR_REASON_RETENTION_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "La retenue de garantie dépasse ce qui est permis[ : {asked_cents} pour "
              "{available_cents} au plus]. On retient au plus 5 % du brut, et l'on ne "
              "libère que ce qui a été retenu. Réduisez le montant."};
    case v1::ERROR_REASON_ORIGIN_NOT_PAYABLE:
      return {
          StatusCode::FAILED_PRECONDITION,
          "Les CP de cette enveloppe[ ({envelope_id})] ne peuvent pas payer un engagement de cet "
          "exercice d'origine[ ({origin_year})]. Payez sur une autre enveloppe, ou faites étendre "
          "ses exercices payables."};
    case v1::ERROR_REASON_PAYMENT_STATE:
      return {StatusCode::FAILED_PRECONDITION,
              "L'état de la demande de paiement[ {payment_request_id}][ ({state})] ne "
              "permet pas cet acte, ou une autre repose sur elle. Consultez-la avant "
              "d'agir."};
    case v1::ERROR_REASON_PAYMENT_SUSPENDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Le comptable a suspendu la demande de paiement[ {payment_request_id}][ "
              "(motif : {reason_reference})]. Faites lever la suspension, ou requérez le "
              "paiement."};
    case v1::ERROR_REASON_CARRYOVER_STATE:
      return {StatusCode::FAILED_PRECONDITION,
              "L'état du report[ {carryover_id}][ ({state})] ne permet pas cet acte. "
              "Consultez-le avant d'agir."};
    case v1::ERROR_REASON_CARRYOVER_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Le montant dépasse ce qui reste du report[ {carryover_id}][ : "
              "{asked_cents} pour {available_cents} au plus]. Réduisez-le."};
    case v1::ERROR_REASON_CARRYOVER_CAP_EXCEEDED:
      return {StatusCode::FAILED_PRECONDITION,
              "Le plafond des reports de CP du programme serait dépassé (LOLF, art. 15)[ "
              ": {asked_cents} demandés, il reste {available_cents}][ sur {cap_cents}]. "
              "Réduisez le report, ou citez la loi de finances qui y déroge."};
    case v1::ERROR_REASON_CARRYOVER_TOO_LATE:
      return {StatusCode::FAILED_PRECONDITION,
              "L'arrêté de report vient trop tard (LOLF, art. 15)[ : il fallait le "
              "prendre au plus tard le {until}]. Citez la loi de finances qui y déroge, "
              "ou renoncez au report."};
    case v1::ERROR_REASON_PROGRAMME_CREDITS_MISSING:
      return {
          StatusCode::FAILED_PRECONDITION,
          "Les crédits initiaux du programme[ pour {fiscal_year}] ne sont pas saisis : le plafond "
          "des reports en dépend. Saisissez-les d'abord."};
    case v1::ERROR_REASON_EARLY_COMMITMENT:
      return {StatusCode::FAILED_PRECONDITION,
              "Cet engagement par anticipation n'est pas permis : il se prend à partir "
              "du 1er novembre, dans la limite du quart des crédits de l'exercice[ "
              "({asked_cents} demandés, {available_cents} permis)], et tant que ceux de "
              "l'année suivante ne sont pas ouverts. Attendez, ou réduisez le montant."};
    case v1::ERROR_REASON_VISA_MISSING:
      return {StatusCode::FAILED_PRECONDITION,
              "Cet engagement[ de {asked_cents}] demande le visa du contrôleur "
              "budgétaire[, obligatoire à partir de {threshold_cents}]. Obtenez-le, puis "
              "indiquez sa référence."};
    case v1::ERROR_REASON_NOT_REVERSIBLE:
      return {StatusCode::FAILED_PRECONDITION,
              "Cette écriture[ ({position})] ne peut pas être contre-passée[ : elle l'a "
              "déjà été par l'écriture {reversed_by}] : d'autres reposent sur elle, ou "
              "sa nature ne le permet pas. Contre-passez d'abord celles qui la suivent."};
    case v1::ERROR_REASON_NOT_REINSTATABLE:
      return {StatusCode::FAILED_PRECONDITION,
              "Ce remboursement ne peut pas rétablir des crédits[ : {asked_cents} pour "
              "{available_cents} au plus][ : le paiement est de {paid_year}][ : la "
              "demande est à l'état « {state} »]. Un rétablissement suit un paiement, "
              "sans le dépasser, jusqu'à la fin de l'année suivante ; au-delà, c'est une "
              "recette de l'État."};
    case v1::ERROR_REASON_CLOSING_ORDER:
      return {StatusCode::FAILED_PRECONDITION,
              "L'exercice[ {fiscal_year}] ne peut pas être clos ou rouvert maintenant[ : "
              "{open_year} est encore ouvert][ : {early_cents} engagés par anticipation "
              "attendent des crédits sur {envelope_id}]. Les exercices finis se closent "
              "dans l'ordre, et seul le dernier clos se rouvre."};
    case v1::ERROR_REASON_NOT_REIMPUTABLE:
      return {
          StatusCode::FAILED_PRECONDITION,
          "Cette réimputation n'est pas possible : elle ne change rien, ou mène là où l'écriture "
          "ne peut pas aller. Vérifiez l'enveloppe et le produit d'arrivée."};
    case v1::ERROR_REASON_NOT_CORRECTABLE:
      return {StatusCode::FAILED_PRECONDITION,
              "Cette ligne[ {line_id}] est de l'exercice : une correction ne vise que "
              "les lignes d'exercices antérieurs. Utilisez un retrait ou un engagement "
              "complémentaire."};
    case v1::ERROR_REASON_AMOUNT_OVERFLOW:
      return {
          StatusCode::FAILED_PRECONDITION,
          "Un total dépasserait ce que les livres peuvent porter (64 bits de centimes). Vérifiez "
          "le montant."};

    case v1::ERROR_REASON_MANDATE_IN_FORCE:
      return {
          StatusCode::FAILED_PRECONDITION,
          "Le délégant ne peut pas reprendre les engagements : la délégation est encore en vigueur"
          "[ jusqu'au {valid_until}], ou la convention laisse le délégataire les solder. Attendez "
          "sa fin, ou changez la convention par un avenant."};
    case v1::ERROR_REASON_NO_CHECKPOINT_KEY:
      return {StatusCode::FAILED_PRECONDITION,
              "Ce serveur n'a pas de clé pour signer l'état du journal. Démarrez-le avec une clé "
              "(--checkpoint-key)."};
    case v1::ERROR_REASON_NO_BACKUP_FOLDER:
      return {StatusCode::FAILED_PRECONDITION,
              "Ce serveur n'a pas de dossier de sauvegarde. Démarrez-le avec un dossier "
              "(--backup-dir)."};

    case v1::ERROR_REASON_OVERLOADED:
      return {
          StatusCode::RESOURCE_EXHAUSTED,
          "Le serveur a trop de demandes en attente. Rien n'a été enregistré. Recommencez dans un "
          "instant, avec le même identifiant de demande."};
    case v1::ERROR_REASON_DISK_FULL:
      return {StatusCode::RESOURCE_EXHAUSTED,
              "Le disque du serveur est presque plein : rien n'a été enregistré. Prévenez "
              "l'exploitant, puis recommencez avec le même identifiant de demande."};
    case v1::ERROR_REASON_OUTCOME_UNKNOWN:
      return {StatusCode::UNAVAILABLE,
              "Le disque du serveur a échoué : on ne sait pas si la demande est enregistrée. "
              "Renvoyez-la telle quelle, avec le même identifiant : elle ne comptera qu'une fois."};
    case v1::ERROR_REASON_STOPPING:
      return {StatusCode::UNAVAILABLE,
              "Le serveur s'arrête : la demande n'a pas été traitée. Recommencez quand il sera "
              "revenu, avec le même identifiant de demande."};
    case v1::ERROR_REASON_DAMAGED:
      return {StatusCode::DATA_LOSS,
              "Des données enregistrées sont endommagées[ ({first_difference})]. Prévenez "
              "l'exploitant : les livres doivent être vérifiés avant de s'y fier."};
    case v1::ERROR_REASON_POSITION_NOT_REACHED:
      return {
          StatusCode::DEADLINE_EXCEEDED,
          "Les états n'ont pas atteint à temps la position demandée[ ({position})]. Recommencez, "
          "ou accordez un délai plus long."};
    case v1::ERROR_REASON_DEADLINE_PASSED:
      return {StatusCode::DEADLINE_EXCEEDED,
              "Le délai accordé est passé avant que vienne le tour de la demande : rien n'a été "
              "enregistré. Recommencez avec un délai plus long et le même identifiant."};
    case v1::ERROR_REASON_BACKUP_FAILED:
      return {
          StatusCode::UNAVAILABLE,
          "La sauvegarde n'a pas pu être faite ; les comptes n'en sont pas touchés. Vérifiez le "
          "dossier de sauvegarde et la place qu'il a, puis recommencez."};

    case v1::ERROR_REASON_UNSPECIFIED:
    case v1::ErrorReason_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::ErrorReason_INT_MAX_SENTINEL_DO_NOT_USE_:
      break;
  }
  return {StatusCode::UNKNOWN, "La demande a échoué. Prévenez l'exploitant du serveur."};
}

// How long to wait before the same request is worth another try; nothing: it is not.
std::optional<std::chrono::milliseconds> RetryDelayOf(v1::ErrorReason reason) {
  using namespace std::chrono_literals;
  if (reason == v1::ERROR_REASON_OVERLOADED) return 200ms;
  if (reason == v1::ERROR_REASON_OUTCOME_UNKNOWN) return 2s;  // what a restart takes
  if (reason == v1::ERROR_REASON_DISK_FULL) return 30s;       // somebody must make room
  return std::nullopt;
}

// Details travel in trailers, of which a client takes 8 KiB: what a caller sent and a refusal names
// must not drown the refusal.
std::string Shortened(const std::string& value) {
  constexpr std::size_t kMostBytes = 200;
  if (value.size() <= kMostBytes) return value;
  std::size_t size = kMostBytes;
  while (size > 0 && (static_cast<unsigned char>(value[size]) & 0xc0) == 0x80) --size;  // UTF-8
  return value.substr(0, size) + "…";
}

// Values of enumerations, as they stand in facts.
struct Word {
  std::string_view value;
  std::string_view french;
};
constexpr Word kWords[] = {
    {"ROLE_PROGRAMME_MANAGER", "responsable de programme"},
    {"ROLE_AUTHORISING_OFFICER", "ordonnateur"},
    {"ROLE_ACCOUNTANT", "comptable"},
    {"ROLE_AUDITOR", "auditeur"},
    {"ROLE_OPERATOR", "exploitant"},
    {"PAYMENT_STATE_REQUESTED", "demandée"},
    {"PAYMENT_STATE_SUSPENDED", "suspendue"},
    {"PAYMENT_STATE_REQUISITIONED", "requise"},
    {"PAYMENT_STATE_REJECTED", "rejetée"},
    {"PAYMENT_STATE_PAID", "payée"},
    {"PAYMENT_STATE_REVERSED", "contre-passée"},
    {"PAYMENT_STATE_IMPORTED", "payée avant la convention"},
    {"CARRYOVER_STATE_REQUESTED", "demandé"},
    {"CARRYOVER_STATE_GRANTED", "accordé"},
    {"CARRYOVER_STATE_REFUSED", "refusé"},
    {"CARRYOVER_STATE_AVAILABLE", "mis à disposition"},
    {"CARRYOVER_STATE_REVERSED", "contre-passé"},
};

bool IsDay(std::string_view fact) {
  return fact.ends_with("_date") || fact == "until" || fact == "valid_until";
}

// A fact as a French sentence has it; nothing: it says nothing, such as a day that is not set.
std::optional<std::string> FrenchValue(std::string_view fact, const std::string& value) {
  if (fact.ends_with("_cents")) {
    std::int64_t cents = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), cents);
    if (error != std::errc() || end != value.data() + value.size()) return std::nullopt;
    return FrenchEuros(cents);
  }
  if (IsDay(fact)) {
    if (value.size() != 8) return std::nullopt;
    return value.substr(6, 2) + "/" + value.substr(4, 2) + "/" + value.substr(0, 4);
  }
  for (const Word& word : kWords) {
    if (word.value == value) return std::string(word.french);
  }
  return Shortened(value);
}

std::optional<std::string> FactOf(const rules::Refusal& refusal, std::string_view name) {
  if (name == "field" && !refusal.field.empty()) return refusal.field;
  for (const auto& [fact, value] : refusal.facts) {
    if (fact == name) return FrenchValue(name, value);
  }
  return std::nullopt;
}

// `text` without brackets, its {facts} filled in; nothing when one is missing.
std::optional<std::string> Fill(std::string_view text, const rules::Refusal& refusal) {
  std::string filled;
  while (!text.empty()) {
    const std::size_t open = text.find('{');
    filled += text.substr(0, open);
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find('}', open);
    const std::optional<std::string> value =
        FactOf(refusal, text.substr(open + 1, close - open - 1));
    if (!value.has_value()) return std::nullopt;
    filled += *value;
    text.remove_prefix(close + 1);
  }
  return filled;
}

// French puts a no-break space before its tall punctuation and inside its quotation marks.
std::string Typeset(std::string_view text) {
  std::string set;
  while (!text.empty()) {
    const bool before = text.starts_with(" :") || text.starts_with(" ;") ||
                        text.starts_with(" %") || text.starts_with(" »");
    if (before) {
      set += kNoBreakSpace;
      text.remove_prefix(1);
    } else if (text.starts_with("« ")) {
      set += "«";
      set += kNoBreakSpace;
      text.remove_prefix(std::string_view("« ").size());
    } else {
      set += text.front();
      text.remove_prefix(1);
    }
  }
  return set;
}

}  // namespace

grpc::StatusCode CodeOf(v1::ErrorReason reason) { return EntryOf(reason).code; }

std::string_view NameOf(v1::ErrorReason reason) {
  std::string_view name = v1::ErrorReason_Name(reason);
  constexpr std::string_view kPrefix = "ERROR_REASON_";
  if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
  return name;
}

std::string FrenchEuros(std::int64_t cents) {
  // The magnitude of the smallest int64 has no positive twin, but an unsigned one.
  const std::uint64_t magnitude =
      cents < 0 ? -static_cast<std::uint64_t>(cents) : static_cast<std::uint64_t>(cents);
  const std::string euros = std::to_string(magnitude / 100);
  const std::string rest = std::to_string(magnitude % 100);

  std::string text = cents < 0 ? "-" : "";
  for (std::size_t i = 0; i < euros.size(); ++i) {
    if (i > 0 && (euros.size() - i) % 3 == 0) text += kNoBreakSpace;
    text += euros[i];
  }
  text += ",";
  if (rest.size() == 1) text += "0";
  text += rest;
  text += kNoBreakSpace;
  text += "€";
  return text;
}

std::string FrenchOf(const rules::Refusal& refusal) {
  std::string_view text = EntryOf(refusal.reason).french;
  std::string french;
  while (!text.empty()) {
    const std::size_t open = text.find('[');
    french += Fill(text.substr(0, open), refusal).value_or("");
    if (open == std::string_view::npos) break;
    const std::size_t close = text.find(']', open);
    french += Fill(text.substr(open + 1, close - open - 1), refusal).value_or("");
    text.remove_prefix(close + 1);
  }
  return Typeset(french);
}

google::rpc::Status RpcStatusOf(const rules::Refusal& refusal) {
  google::rpc::Status status;
  status.set_code(CodeOf(refusal.reason));
  status.set_message(refusal.message);

  google::rpc::ErrorInfo info;
  info.set_reason(std::string(NameOf(refusal.reason)));
  info.set_domain("denier");
  for (const auto& [name, value] : refusal.facts) {
    (*info.mutable_metadata())[name] = Shortened(value);
  }
  status.add_details()->PackFrom(info);

  if (!refusal.field.empty()) {
    google::rpc::BadRequest bad_request;
    google::rpc::BadRequest::FieldViolation& violation = *bad_request.add_field_violations();
    violation.set_field(refusal.field);
    violation.set_description(refusal.message);
    status.add_details()->PackFrom(bad_request);
  }

  google::rpc::LocalizedMessage localized;
  localized.set_locale("fr");
  localized.set_message(FrenchOf(refusal));
  status.add_details()->PackFrom(localized);

  if (const auto delay = RetryDelayOf(refusal.reason)) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(delay->count() / 1000);
    retry.mutable_retry_delay()->set_nanos(static_cast<int>(delay->count() % 1000) * 1'000'000);
    status.add_details()->PackFrom(retry);
  }
  return status;
}

grpc::Status StatusOf(const rules::Refusal& refusal) {
  const google::rpc::Status status = RpcStatusOf(refusal);
  return grpc::Status(CodeOf(refusal.reason), status.message(), status.SerializeAsString());
}

v1::ErrorReason ReasonOf(const grpc::Status& status) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  if (!details.ParseFromString(status.error_details())) return reason;
  for (const google::protobuf::Any& detail : details.details()) {
    if (detail.UnpackTo(&info)) v1::ErrorReason_Parse("ERROR_REASON_" + info.reason(), &reason);
  }
  return reason;
}

}  // namespace denier::services
