// `denier replay`: all books from nothing, without a server, held against the stored ones.
#ifndef DENIER_SERVICES_CLI_REPLAY_H_
#define DENIER_SERVICES_CLI_REPLAY_H_

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/cli/offline.h"
#include "services/cli/values.h"
#include "store/head.h"

namespace denier::cli {

struct Replayed {
  store::Head head;  // all of its events were folded
  double seconds = 0;
  std::int64_t events_per_second = 0;
  // Where the stored rows stand; nothing: there are none to compare with, and `no_rows` says why.
  std::optional<store::Position> compared_at;
  absl::Status no_rows;
  RowsCompared compared;
};

// Folds every event of the data folder `data` into rows of a temporary folder, and compares the
// stored rows with them at the position where these stand: a server that was killed leaves them
// behind the log. Changes nothing in `data`. `progress` may be null.
// Errors of the folder as DataDirectory's and Log's. DATA_LOSS: the log is damaged, or an event
// does not decode or fold; the message names the position.
absl::StatusOr<Replayed> Replay(const std::string& data, std::ostream* progress, Lang lang);

}  // namespace denier::cli

#endif  // DENIER_SERVICES_CLI_REPLAY_H_
