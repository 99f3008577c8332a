// The messages of the API as people type them and read them, derived from their descriptors: a new
// field has its option, its column and its json member without a line here.
//
// A field's short name drops what says how it is encoded: `ae_cents` is typed and shown as `ae` in
// euros, `act_reference` as `act`, `fiscal_year` as `year`, one of `lines` as `line`.
//
// Pure. The messages handed in are changed where it says so, and never kept.
#ifndef DENIER_SERVICES_CLI_FIELDS_H_
#define DENIER_SERVICES_CLI_FIELDS_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "services/cli/grid.h"
#include "services/cli/values.h"

namespace denier::cli {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// What a field holds, beyond its protobuf type.
enum class Kind {
  kAmount,
  kDay,
  kInstant,
  kYear,
  kNumber,
  kText,
  kBytes,
  kFlag,
  kChoice,
  kMessage
};

Kind KindOf(const FieldDescriptor& field);

// "ae", "act", "year", "accountant", "from-envelope".
std::string ShortName(const FieldDescriptor& field);

// "assigned_receipts" of CREDIT_SOURCE_ASSIGNED_RECEIPTS.
std::string ChoiceName(const EnumValueDescriptor& value);

// What to type for it: "EUROS", "AAAA-MM-JJ", "ae|cp", "id=…,product=…,amount=EUROS".
std::string Syntax(const FieldDescriptor& field, Lang lang);

// Sets `field` of `message` from what was typed; of a repeated field, adds to it (plain values may
// come several at once, between commas). A message is typed
//   as names and values    id=L1,amount=1000.00,product=snu,schedule=2022:500.00
//   as values in order     2022:500.00
//   or as protobuf json    {"line_id":"L1","amount_cents":100000}
// InvalidArgument in `lang` when it cannot be read; then the field's content is unspecified.
absl::Status SetField(Message* message, const FieldDescriptor& field, std::string_view text,
                      Lang lang);

// A field's text (of one of a repeated field's values, with `index`; else -1): plain for programs,
// or in the words of `lang` for people.
std::string PlainText(const Message& message, const FieldDescriptor& field, int index);
std::string HumanText(const Message& message, const FieldDescriptor& field, int index, Lang lang);

// The name of a field's column: "ae", "recorded_time", "envelope_id".
std::string ColumnName(const FieldDescriptor& field);

// The whole message; amounts are strings ("1495779.00"), so that no reader rounds them.
nlohmann::ordered_json ToJson(const Message& message);

// The dotted paths of every field that is no repeated message, in the order of the .proto.
std::vector<std::string> Leaves(const Descriptor& type);

// A row shows one message, or several joined (a commitment and one of its lines). A path is looked
// up in the first part whose type has it.
struct Row {
  std::vector<const Message*> parts;
  bool total = false;
};

// Csv: every leaf of the row's parts, a name that comes twice once.
Grid PlainGrid(const std::vector<const Descriptor*>& types, const std::vector<Row>& rows);

// For people: the columns of `paths`, headings from words.h.
Grid HumanGrid(const std::vector<const Descriptor*>& types, const std::vector<Row>& rows,
               const std::vector<std::string>& paths, Lang lang);

// The leaves that are set, with their labels.
std::vector<std::pair<std::string, std::string>> HumanList(const Message& message, Lang lang);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_FIELDS_H_
