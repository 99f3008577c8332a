#include "services/cli/export_jsonl.h"

#include <google/protobuf/util/json_util.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace denier::cli {

absl::Status WriteJsonl(const Provenance& provenance, ExportedLog& log, std::ostream& out) {
  nlohmann::ordered_json head = {{"denier_export", 1},
                                 {"size", provenance.size},
                                 {"root", RootText(provenance)},
                                 {"checkpoint", provenance.checkpoint},
                                 {"verifier_key", provenance.verifier_key},
                                 {"partial", provenance.partial}};
  if (!provenance.agreement_id.empty()) head["agreement_id"] = provenance.agreement_id;
  out << head.dump() << "\n";

  google::protobuf::util::JsonPrintOptions names;
  names.preserve_proto_field_names = true;
  events::v1::Event event;
  if (const absl::Status status = log.Rewind(); !status.ok()) return status;
  while (true) {
    const absl::StatusOr<const ExportedEvent*> next = log.Next();
    if (!next.ok()) return next.status();
    if (*next == nullptr) return absl::OkStatus();
    const ExportedEvent& exported = **next;
    // As it was written, not in the current form: a later program makes the same line.
    std::string json;
    if (!event.ParseFromString(exported.stored) ||
        !google::protobuf::util::MessageToJsonString(event, &json, names).ok()) {
      return absl::DataLossError(
          absl::StrCat("the event at position ", exported.position, " has no JSON form"));
    }
    out << absl::StrCat("{\"position\":", exported.position, ",\"leaf_hash\":\"",
                        store::ToHex(exported.leaf_hash), "\",\"event\":", json, ",\"stored\":\"",
                        absl::Base64Escape(exported.stored), "\"}\n");
  }
}

}  // namespace denier::cli
