// The server's log: one JSON object a line, for whoever runs it and whoever reads who tried what.
//
//   {"time":"2022-03-31T08:30:00.123456Z","level":"warning","event":"command_refused",
//    "rpc":"Engage","request_id":"r-1","principal":"officer-2","body":"DINUM",
//    "reason":"WRONG_BODY","duration_us":412}
#ifndef DENIER_SERVICES_SERVER_LOG_H_
#define DENIER_SERVICES_SERVER_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "absl/status/statusor.h"

namespace spdlog {
class async_logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace denier::services {

struct LogField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t> value;
};

// Thread-safe. Lines are written by a thread of its own, some 10 ms later at most (a process that
// is killed loses those), so writing one never blocks the caller: when 8,192 lines wait, because
// the disk or whoever reads the pipe is stuck, the oldest are lost and counted.
class ServerLog {
 public:
  enum class Level { kInfo, kWarning, kError };

  // Appends to `file`; empty: to stderr. FAILED_PRECONDITION: the file cannot be opened.
  static absl::StatusOr<std::unique_ptr<ServerLog>> Open(const std::string& file);

  // Writes what waits.
  ~ServerLog();
  ServerLog(const ServerLog&) = delete;
  ServerLog& operator=(const ServerLog&) = delete;

  // Any text: it is escaped, and what is not UTF-8 is replaced. Fields keep their order.
  void Write(Level level, std::string_view event, std::initializer_list<LogField> fields);

  std::int64_t lost_lines() const;

 private:
  ServerLog(std::shared_ptr<spdlog::details::thread_pool> writer,
            std::shared_ptr<spdlog::async_logger> logger);

  std::shared_ptr<spdlog::details::thread_pool> writer_;
  std::shared_ptr<spdlog::async_logger> logger_;
};

}  // namespace denier::services

#endif  // DENIER_SERVICES_SERVER_LOG_H_
