#include "services/server_log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace denier::services {
namespace {

constexpr std::size_t kMostWaitingLines = 8'192;

// Has lines written together that come within 10 ms: waking the writer's thread for each one cost
// more than the line. Once it logs it is that thread's.
class Gathering final : public spdlog::sinks::sink {
 public:
  Gathering(std::shared_ptr<spdlog::sinks::sink> sink, spdlog::details::thread_pool& writer)
      : sink_(std::move(sink)), writer_(writer) {}

  void log(const spdlog::details::log_msg& line) override { sink_->log(line); }
  void flush() override {
    if (writer_.queue_size() > 0) return;  // more lines, or the end, which closes the file
    sink_->flush();
    for (int i = 0; i < 5 && writer_.queue_size() < kMostWaitingLines / 4; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  void set_pattern(const std::string& pattern) override { sink_->set_pattern(pattern); }
  void set_formatter(std::unique_ptr<spdlog::formatter> formatter) override {
    sink_->set_formatter(std::move(formatter));
  }

 private:
  const std::shared_ptr<spdlog::sinks::sink> sink_;
  spdlog::details::thread_pool& writer_;
};

// Instants are UTC, microseconds, RFC 3339.
std::string TimeText(std::chrono::system_clock::time_point now) {
  const std::int64_t us =
      std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(us / 1'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + size, sizeof text - size, ".%06dZ", static_cast<int>(us % 1'000'000));
  return text;
}

// As JSON has text: escaped, and what is not UTF-8 replaced. Nearly all text needs neither.
void AppendQuoted(std::string_view text, std::string& line) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
  if (plain) {
    line.append("\"").append(text).append("\"");
  } else {
    line.append(
        nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
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

}  // namespace

absl::StatusOr<std::unique_ptr<ServerLog>> ServerLog::Open(const std::string& file) {
  std::shared_ptr<spdlog::sinks::sink> sink;
  try {
    if (file.empty()) {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
    }
  } catch (const spdlog::spdlog_ex& error) {
    return absl::FailedPreconditionError(
        absl::StrCat("cannot write the log file ", file, ": ", error.what()));
  }
  auto writer = std::make_shared<spdlog::details::thread_pool>(kMostWaitingLines, 1);
  auto logger = std::make_shared<spdlog::async_logger>(
      "denierd", std::make_shared<Gathering>(std::move(sink), *writer), writer,
      spdlog::async_overflow_policy::overrun_oldest);
  logger->set_pattern("%v");
  logger->flush_on(spdlog::level::info);
  return std::unique_ptr<ServerLog>(new ServerLog(std::move(writer), std::move(logger)));
}

ServerLog::ServerLog(std::shared_ptr<spdlog::details::thread_pool> writer,
                     std::shared_ptr<spdlog::async_logger> logger)
    : writer_(std::move(writer)), logger_(std::move(logger)) {}

ServerLog::~ServerLog() = default;

void ServerLog::Write(Level level, std::string_view event, std::initializer_list<LogField> fields) {
  std::string line;
  line.reserve(320);
  line.append(R"({"time":")").append(TimeText(std::chrono::system_clock::now()));
  line.append(R"(","level":")").append(NameOf(level)).append(R"(","event":)");
  AppendQuoted(event, line);
  for (const LogField& field : fields) {
    line.append(",");
    AppendQuoted(field.name, line);
    line.append(":");
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      AppendQuoted(*text, line);
    } else {
      line.append(std::to_string(std::get<std::int64_t>(field.value)));
    }
  }
  line.append("}");
  logger_->log(spdlog::level::info, line);
}

std::int64_t ServerLog::lost_lines() const {
  return static_cast<std::int64_t>(writer_->overrun_counter());
}

}  // namespace denier::services
