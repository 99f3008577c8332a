#include "services/server_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace denier::services {
namespace {

constexpr std::size_t kMostWaitingLines = 8'192;

// How long lines are gathered at most. One system call, and one wake-up of the writer, then do for
// the hundred lines of a busy server.
constexpr std::chrono::milliseconds kGathering{5};

// Instants are UTC, microseconds, RFC 3339.
void AppendTime(std::chrono::system_clock::time_point now, std::string& line) {
  // Lines come by the thousand a second, and the calendar costs more than the rest of a line.
  struct Second {
    std::time_t count = -1;
    char text[24];
  };
  thread_local Second second;
  const std::int64_t us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(us / 1'000'000);
  if (second.count != seconds) {
    std::tm utc{};
    gmtime_r(&seconds, &utc);
    std::strftime(second.text, sizeof second.text, "%Y-%m-%dT%H:%M:%S", &utc);
    second.count = seconds;
  }
  line += second.text;
  char digits[] = ".000000Z";
  std::int64_t rest = us % 1'000'000;
  for (int i = 6; i > 0; --i, rest /= 10) digits[i] = static_cast<char>('0' + rest % 10);
  line += digits;
}

const char* NameOf(ServerLog::Level level) {
  switch (level) {
    case ServerLog::Level::kInfo:
      return "info";
    case ServerLog::Level::kWarning:
      return "warning";
    case ServerLog::Level::kError:
      return "error";
  }
  return "error";
}

void AppendJson(std::string_view text, std::string& line) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (plain) {
    line.append(1, '"').append(text).append(1, '"');
  } else {
    line += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
}

void AppendJson(std::int64_t number, std::string& line) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number);
  line.append(digits, end.ptr);
}

// False: not all of it.
bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerLog>> ServerLog::Open(const std::string& file) {
  if (file.empty()) {
    return std::unique_ptr<ServerLog>(new ServerLog(STDERR_FILENO, /*is_ours=*/false));
  }
  std::error_code ignored;  // opening the file says what is wrong
  std::filesystem::create_directories(std::filesystem::path(file).parent_path(), ignored);
  const int opened = open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (opened < 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot write the log file ", file, ": ", std::strerror(errno)));
  }
  return std::unique_ptr<ServerLog>(new ServerLog(opened, /*is_ours=*/true));
}

ServerLog::ServerLog(int file, bool is_ours)
    : file_(file), is_ours_(is_ours), writer_([this] { WriteInTurn(); }) {}

ServerLog::~ServerLog() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  changed_.notify_one();
  writer_.join();
  if (is_ours_) close(file_);
}

void ServerLog::Write(Level level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(256);
  line += "{\"time\":\"";
  AppendTime(std::chrono::system_clock::now(), line);
  line.append("\",\"level\":\"").append(NameOf(level)).append("\",\"event\":");
  AppendJson(event, line);
  for (const LogField& field : fields) {
    line += ',';
    AppendJson(field.name, line);
    line += ':';
    std::visit([&](const auto& value) { AppendJson(value, line); }, field.value);
  }
  line += "}\n";

  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kMostWaitingLines) {
      waiting_.pop_front();
      ++lost_;
    }
    waiting_.push_back(std::move(line));
    wake = std::exchange(writer_sleeps_, false);
  }
  if (wake) changed_.notify_one();
}

// The writer.
void ServerLog::WriteInTurn() {
  bool torn = false;  // the last line in the file has no end
  std::string bytes;
  std::unique_lock lock(mutex_);
  while (true) {
    writer_sleeps_ = waiting_.empty();
    changed_.wait(lock, [this] { return !waiting_.empty() || closing_; });
    if (waiting_.empty()) return;
    const std::deque<std::string> lines = std::exchange(waiting_, {});
    lock.unlock();
    bytes = torn ? "\n" : "";
    for (const std::string& line : lines) bytes += line;
    torn = !WriteAll(file_, bytes);
    lock.lock();
    if (torn) lost_ += static_cast<std::int64_t>(lines.size());
    changed_.wait_for(lock, kGathering, [this] { return closing_; });
  }
}

std::int64_t ServerLog::lost_lines() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace denier::services
