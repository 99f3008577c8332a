// Who may do what: one table, a row a command.
#ifndef DENIER_SERVICES_RULES_PERMISSIONS_H_
#define DENIER_SERVICES_RULES_PERMISSIONS_H_

#include <span>

#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"

namespace denier::rules {

// Whose body a command is for.
enum class Whose {
  kDelegatingBody,  // the body that delegates
  kManagingBody,    // the body that manages each envelope that the command names
  kAnyAssigned,     // any body: the principal is assigned to the envelope as accountant
};

struct Permission {
  v1::Command::CommandCase command;
  events::v1::Role role;
  Whose whose;
  bool second_approver = false;  // `approved_by` is another principal
};

// Every command but Reverse, which needs what its entry needed.
std::span<const Permission> Permissions();

// The row of a command; of a Reverse: of the command that made `original`. nullptr: nobody may.
const Permission* PermissionFor(v1::Command::CommandCase command,
                                const events::v1::Event* original);

// The command that makes a fact of this kind.
v1::Command::CommandCase CommandOf(events::v1::Event::FactCase fact);

}  // namespace denier::rules

#endif  // DENIER_SERVICES_RULES_PERMISSIONS_H_
