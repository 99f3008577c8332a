// The server's log: one JSON object a line, for whoever runs it and whoever reads who tried what.
//
//   {"time":"2022-03-31T08:30:00.123456Z","level":"warning","event":"command_refused",
//    "rpc":"Engage","request_id":"r-1","principal":"officer-2","body":"DINUM",
//    "reason":"WRONG_BODY","duration_us":412}
#ifndef DENIER_SERVICES_SERVER_LOG_H_
#define DENIER_SERVICES_SERVER_LOG_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <variant>

#include "absl/status/statusor.h"

namespace denier::services {

struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t> value;
};

// Thread-safe. Lines are written in the order of the calls, by a thread of its own that gathers
// what comes within some milliseconds, so writing one costs the caller neither a system call nor,
// as a rule, a wake-up, and never blocks it: when 8,192 lines wait, because the disk or whoever
// reads the pipe is stuck, the oldest are lost and counted, as are lines that the disk had no room
// for.
class ServerLog {
 public:
  enum class Level { kInfo, kWarning, kError };

  // Appends to `file`, whose folder is made where it is missing; empty: to stderr.
  // FAILED_PRECONDITION: the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<ServerLog>> Open(const std::string& file);

  // Writes what waits.
  ~ServerLog();
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  // Any text: it is escaped, and what is not UTF-8 is replaced. Fields keep their order.
  void Write(Level level, std::string_view event, std::initializer_list<LogField> fields);

  std::int64_t lost_lines() const;

 private:
  ServerLog(int file, bool is_ours);

  void WriteInTurn();

  const int file_;
  const bool is_ours_;  // to be closed

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by mutex_:
  std::deque<std::string> waiting_;  // lines, each with its end
  bool writer_sleeps_ = false;       // nothing waits: it wants to be woken by the next line
  bool closing_ = false;
  std::int64_t lost_ = 0;

  std::thread writer_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_SERVER_LOG_H_
