// The rules: books + command -> event, or a refusal. Pure: no clock, no thread, no storage; the
// same books and command give the same answer.
//
// Order of the checks of a command (the sequencer keeps it): CheckForm, Authorise, repetition of
// the request id, CheckEtag, Decide.
#ifndef DENIER_SERVICES_RULES_DECIDE_H_
#define DENIER_SERVICES_RULES_DECIDE_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/books.h"
#include "services/rules/refusal.h"

namespace denier::rules {

// An accepted command: the event without recorded time and request hash, which the sequencer adds.
using Decision = std::variant<events::v1::Event, Refusal>;

// The header of whichever command it is; nullptr: no command is set.
const v1::CommandHeader* HeaderOf(const v1::Command& command);

// What can be said of a command without books: the header is complete, identifiers and references
// are well formed, amounts are in range, dates exist. Any thread.
std::optional<Refusal> CheckForm(const v1::Command& command);

// UNKNOWN_FIELDS with the path of the message where the command, or what it holds, has a field that
// this program does not know. Any thread.
std::optional<Refusal> RefuseUnknownFields(const v1::Command& command);

// The keys of the commitment and the payment request that the command names: rows that deciding it
// is likely to read, for whoever reads those of many commands together. It has passed CheckForm.
std::vector<std::string> RowsNamedBy(const v1::Command& command);

// Role, body, assignment, mandate to act (permissions.h has the table). `original` is the event
// that a Reverse names, nullptr for the other commands and where there is none.
std::optional<Refusal> Authorise(const projections::Books& books,
                                 const events::v1::Principal& actor, const v1::Command& command,
                                 const events::v1::Event* original);

// The etag of the resource that the command names; empty when it names none, or a new one.
std::string EtagOf(const projections::Books& books, const v1::Command& command);

// ETAG_MOVED when the header carries an etag that is not EtagOf.
std::optional<Refusal> CheckEtag(const projections::Books& books, const v1::Command& command);

// The budget rules. The command has passed CheckForm and Authorise. Does not change the books.
Decision Decide(const projections::Books& books, const events::v1::Principal& actor,
                const v1::Command& command, const events::v1::Event* original);

// True when an accepted command moves the etag of the resource that it names, so that its answer
// carries one: the event's position.
bool MovesEtag(const v1::Command& command);

}  // namespace denier::rules

#endif  // DENIER_SERVICES_RULES_DECIDE_H_
