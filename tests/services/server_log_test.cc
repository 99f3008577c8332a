#include "services/server_log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "tests/store/temporary_folder.h"

namespace denier::services {
namespace {

using testing::ElementsAre;
using testing::MatchesRegex;

std::unique_ptr<ServerLog> Open(const std::string& file) {
  auto log = ServerLog::Open(file);
  EXPECT_TRUE(log.ok()) << log.status();
  return *std::move(log);
}

std::vector<std::string> LinesOf(const std::string& file) {
  std::vector<std::string> lines;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) lines.push_back(std::move(line));
  return lines;
}

TEST(ServerLogTest, ALineIsAnObjectThatKeepsTheOrderOfItsFields) {
  const store::TemporaryFolder folder;
  const std::string file = folder.path() + "/made/for/it.log";
  Open(file)->Write(ServerLog::Level::kWarning, "command_refused",
                    {{"rpc", "Engage"}, {"position", std::int64_t{-1}}, {"body", ""}});
  ASSERT_EQ(LinesOf(file).size(), 1U);
  EXPECT_THAT(LinesOf(file).front(),
              MatchesRegex("\\{\"time\":\"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
                           "\\.[0-9]{6}Z\",\"level\":\"warning\",\"event\":\"command_refused\","
                           "\"rpc\":\"Engage\",\"position\":-1,\"body\":\"\"\\}"));
}

TEST(ServerLogTest, AnyTextIsOneLineOfUtf8) {
  const store::TemporaryFolder folder;
  const std::string file = folder.path() + "/log";
  const std::vector<std::pair<std::string, std::string>> texts = {
      {"plain", "plain"},
      {"a \"quoted\\ \n\t\x01 word\x7f", "a \"quoted\\ \n\t\x01 word\x7f"},
      {"Délégué", "Délégué"},
      {"half \xc3", "half \xef\xbf\xbd"},
      {std::string("zero\0byte", 9), std::string("zero\0byte", 9)},
  };
  {
    const auto log = Open(file);
    for (const auto& [text, read] : texts) {
      log->Write(ServerLog::Level::kInfo, text, {{text, text}});
    }
  }
  const std::vector<std::string> lines = LinesOf(file);
  ASSERT_EQ(lines.size(), texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const nlohmann::json line = nlohmann::json::parse(lines[i]);
    EXPECT_EQ(line.at("event"), texts[i].second);
    EXPECT_EQ(line.at(texts[i].second), texts[i].second);
  }
}

// More lines than a batch, from several threads, up to the last moment; and what was there before
// stays.
TEST(ServerLogTest, NothingIsLostWhenItCloses) {
  constexpr std::int64_t kThreads = 4;
  constexpr std::int64_t kLines = 1'000;
  const store::TemporaryFolder folder;
  const std::string file = folder.path() + "/log";
  for (std::int64_t opening = 0; opening < 2; ++opening) {
    const auto log = Open(file);
    std::vector<std::thread> writers;
    for (std::int64_t thread = 0; thread < kThreads; ++thread) {
      writers.emplace_back([&log, thread, opening] {
        for (std::int64_t i = 0; i < kLines; ++i) {
          log->Write(ServerLog::Level::kInfo, "line",
                     {{"thread", thread}, {"number", opening * kLines + i}});
        }
      });
    }
    for (std::thread& writer : writers) writer.join();
    EXPECT_EQ(log->lost_lines(), 0);
  }
  std::array<std::int64_t, kThreads> next{};
  for (const std::string& text : LinesOf(file)) {
    const nlohmann::json line = nlohmann::json::parse(text);
    EXPECT_EQ(line.at("number"), next.at(line.at("thread"))++) << text;
  }
  EXPECT_THAT(next, ElementsAre(2 * kLines, 2 * kLines, 2 * kLines, 2 * kLines));
}

// How often the threads of this process but the caller's have gone to sleep.
std::int64_t SleepsOfOtherThreads() {
  std::int64_t sleeps = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/self/task")) {
    if (thread.path().filename() == std::to_string(gettid())) continue;
    constexpr std::string_view kName = "voluntary_ctxt_switches:";
    for (const std::string& line : LinesOf(thread.path() / "status")) {
      if (line.starts_with(kName)) sleeps += std::stoll(line.substr(kName.size()));
    }
  }
  return sleeps;
}

TEST(ServerLogTest, LinesThatFollowEachOtherWakeTheWriterTogether) {
  using Clock = std::chrono::steady_clock;
  const store::TemporaryFolder folder;
  const auto log = Open(folder.path() + "/log");
  const std::int64_t before = SleepsOfOtherThreads();
  std::int64_t lines = 0;
  const auto end = Clock::now() + std::chrono::milliseconds(200);
  for (auto next = Clock::now(); next < end; next += std::chrono::microseconds(100)) {
    while (Clock::now() < next) {
    }
    log->Write(ServerLog::Level::kInfo, "line", {{"number", lines++}});
  }
  EXPECT_LT((SleepsOfOtherThreads() - before) * 10, lines);
}

// Nobody reads the pipe: whoever writes a line does not wait for it, the oldest lines go, and are
// counted.
TEST(ServerLogTest, AStuckReaderCostsTheOldestLinesAndNobodysTime) {
  constexpr std::int64_t kLines = 40'000;
  const store::TemporaryFolder folder;
  const std::string pipe = folder.path() + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  const int reader = open(pipe.c_str(), O_RDWR | O_CLOEXEC);  // the log's end finds a reader
  ASSERT_GE(reader, 0);
  auto log = Open(pipe);
  for (std::int64_t i = 0; i < kLines; ++i) {
    log->Write(ServerLog::Level::kInfo, "line", {{"number", i}});
  }
  const std::int64_t lost = log->lost_lines();
  EXPECT_GT(lost, 0);

  std::string read;
  std::thread reading([&] {
    const std::string last = "\"number\":" + std::to_string(kLines - 1) + "}\n";
    std::array<char, 4096> buffer{};
    while (!read.ends_with(last)) {
      const ssize_t size = ::read(reader, buffer.data(), buffer.size());
      ASSERT_GT(size, 0);
      read.append(buffer.data(), static_cast<std::size_t>(size));
    }
  });
  log = nullptr;
  reading.join();
  close(reader);
  EXPECT_EQ(std::ranges::count(read, '\n'), kLines - lost);
}

TEST(ServerLogTest, AFileThatCannotBeOpenedIsNamed) {
  const auto log = ServerLog::Open("/dev/null/denierd.log");
  EXPECT_EQ(log.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(log.status().message()), testing::HasSubstr("/dev/null/denierd.log"));
}

}  // namespace
}  // namespace denier::services
