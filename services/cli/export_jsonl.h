// The export for verifiers: every event with the bytes that were hashed, one JSON object a line.
#ifndef DENIER_SERVICES_CLI_EXPORT_JSONL_H_
#define DENIER_SERVICES_CLI_EXPORT_JSONL_H_

#include <ostream>

#include "absl/status/status.h"
#include "services/cli/exported_log.h"

namespace denier::cli {

// UTF-8, LF. Line 1 says what it is:
//   {"denier_export":1,"size":N,"root":"<hex>","checkpoint":"<note>","verifier_key":"<key>",
//    "partial":false}
// and has "agreement_id" too where only one agreement's events follow. Then a line an event, by
// position:
//   {"position":0,"leaf_hash":"<hex>","event":{protobuf's JSON, field names as in the .proto},
//    "stored":"<base64>"}
// Whoever verifies hashes and decodes `stored`; `event` says the same, to be read.
absl::Status WriteJsonl(const Provenance& provenance, ExportedLog& log, std::ostream& out);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_EXPORT_JSONL_H_
