// The words that people read, French and English: one table.
#ifndef DENIER_SERVICES_CLI_WORDS_H_
#define DENIER_SERVICES_CLI_WORDS_H_

#include <google/protobuf/descriptor.h>

#include <string>
#include <string_view>

#include "services/cli/values.h"

namespace denier::cli {

// The word for `name` (a field, "Message.field" where one word does not fit all, an RPC, an enum
// value); `name` itself when there is none.
std::string Word(std::string_view name, Lang lang);

bool HasWord(std::string_view name);

// The word for a field: its message's own, else the one that all fields of the name share.
std::string FieldWord(const google::protobuf::FieldDescriptor& field, Lang lang);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_WORDS_H_
