// Deciding a stored event again: the command that it answers is made out of it, the rules decide
// that on the books before it, and the event that comes out must be the stored one. `denier verify`
// does it with the whole log, so that events which the rules would never have let in are found,
// however valid their checksums.
//
//   projections::Books books;
//   for (each position) {
//     projections::DecodeEvent(bytes, position, event);
//     // For a reversal: the event at event.reversed().reversed_position(), decoded like it.
//     if (auto wrong = rules::Redecide(books, position, event, original, hash)) {
//       say(rules::Describe(*wrong));
//     }
//     books.Fold(event, position);
//   }
//
// What is checked: the form of the command; role, body, assignment, mandate, second approver and
// officer against accountant, for the actor that the event names (Authorise); every rule, those
// that the law dates as they stood on the event's day (dated_rules.h); every field of the event,
// warnings and version included, and nothing beside them; that the reversed entry is the one in the
// log; and that `request_sha256` is the hash of that command. Where a command may have been said in
// several ways that come to the same event, one of them must have the hash:
//   - the header's fiscal year, given or left to the day;
//   - the header's etag, empty or the one that the resource had in the books (another one would
//     have been refused), so that etags need not be in the event;
//   - `references` that are empty, given or not (Engage, ImportOpening, RequestPayment);
//   - CreateAgreement's after_term, its default given or not;
//   - Reimpute's envelope and product that stay, named or not.
// validate_only has no part in the hash, and a dry run leaves no event.
//
// What cannot be decided again, because it is not in the event or not the rules':
//   - that the actor held the roles and acted for the body that the event names: its certificate
//     was seen by the server alone;
//   - recorded_time_us, and that it never decreases along the log; that a request id stands once
//   for
//     its body: both are the sequencer's, and whoever walks over the log can check them;
//   - whether a version-0 OpeningCorrected (`product_unstated`) is of the line's product: it says
//     none; every other field of it is checked;
//   - what was refused: it is not in the log.
// Every kind of fact can be decided again.
#ifndef DENIER_SERVICES_RULES_REDECIDE_H_
#define DENIER_SERVICES_RULES_REDECIDE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/books.h"
#include "services/rules/refusal.h"

namespace denier::rules {

// How a stored event is not what the rules make of its command.
struct Disagreement {
  std::int64_t position = 0;
  // The first field that differs, as a path of proto names below the event
  // ("engaged.lines[0].amount_cents", "request_sha256"); empty when the rules refuse the command.
  std::string field = {};
  // Its two values, as text; empty where one side does not have the field.
  std::string stored = {};
  std::string decided = {};
  // The rules' refusal; nothing when they accept the command and come to another event.
  std::optional<Refusal> refusal = std::nullopt;
};

// One English sentence, which names the position and the field or the refusal's reason and numbers.
std::string Describe(const Disagreement& disagreement);

// The 32 bytes that `request_sha256` has for a command: services::ContentHash (sequencer.h). It is
// given, because the rules know no cryptography.
using ContentHash = absl::FunctionRef<std::string(const v1::Command&)>;

// Decides `event`, which stands at `position` in the current form (event_version.h), again.
// `books_before` have folded the events [0, position) and are not changed; should they fail to read
// a row, the answer means nothing: look at books_before.status(). `original`: the event that a
// reversal names, nullptr for other facts and where the log has none there.
// Nothing: the rules come to the same event. Not for two threads at once on the same books.
std::optional<Disagreement> Redecide(const projections::Books& books_before, std::int64_t position,
                                     const events::v1::Event& event,
                                     const events::v1::Event* original, ContentHash content_hash);

// The command that `event` answers, said in the shortest way; without a command when the event has
// no fact. The inverse of Decide.
v1::Command CommandFrom(const events::v1::Event& event);

}  // namespace denier::rules

#endif  // DENIER_SERVICES_RULES_REDECIDE_H_
