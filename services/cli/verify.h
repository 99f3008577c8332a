// `denier verify`: everything that a data folder says, derived again from the bytes on the disk and
// compared, without a server.
//
// What is verified is what the disk has, not what some cache remembers: the command is a process of
// its own that has read nothing yet, and before it reads it has the operating system write out and
// forget every page of every file of the folder (fdatasync, POSIX_FADV_DONTNEED). What RocksDB then
// keeps in memory was read from the disk after that.
#ifndef DENIER_SERVICES_CLI_VERIFY_H_
#define DENIER_SERVICES_CLI_VERIFY_H_

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include "services/cli/offline.h"
#include "services/cli/values.h"
#include "store/head.h"
#include "store/position.h"

namespace denier::cli {

// In the order in which they are made and shown.
enum class Check {
  kFormat,       // FORMAT, and that no server runs on the folder
  kAnchor,       // both of its slots
  kFiles,        // RocksDB's files: the checksum of each; the WAL: that of each record
  kTree,         // batches without a hole, every root, every node; the anchor's root in the log
  kEvents,       // each decodes; recorded times, request ids, days and years are sound
  kRules,        // each is decided again, balances, and overdraws nothing
  kProjections,  // the stored rows and their reports are what the events give
  kCheckpoint,   // signed by the key, and the log begins with it
};
inline constexpr int kChecks = 8;

enum class Result {
  kPassed,
  kDamaged,
  kPartly,   // sound as far as it could be reached
  kSkipped,  // nothing there to check
};

// What one check found.
struct Finding {
  Check check = Check::kFormat;
  Result result = Result::kPassed;
  // Where the damage begins: at an event, or within [position, before).
  std::optional<store::Position> position = std::nullopt;
  std::optional<store::Position> before = std::nullopt;
  std::string detail = {};  // a sentence or two, in the language asked for
  int exit_code = 0;        // not 0: damaged
};

struct VerifyOptions {
  std::string data;           // the folder
  std::string scratch;        // an empty folder for rows that are computed again
  bool rows_readable = true;  // false: a process that opened the stored rows died of it
  std::string checkpoint;     // a signed note; empty: none is held against the log
  std::string verifier_key;   // whose
  std::ostream* progress = nullptr;
  Lang lang = Lang::kFrench;
};

struct Verified {
  store::Head head;         // up to here tree, events and rules are sound
  store::Position end = 0;  // where the log ends
};

// Makes all checks; tells `begins` before each and `found` after it. One check that fails does not
// keep the others from saying what can still be said. Changes nothing in the folder. May end the
// process where RocksDB does.
Verified Verify(const VerifyOptions& options, const std::function<void(Check)>& begins,
                const std::function<void(const Finding&)>& found);

// "tree"; for scripts.
std::string_view NameOf(Check check);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_VERIFY_H_
