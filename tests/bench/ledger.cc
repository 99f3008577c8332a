#include "tests/bench/ledger.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <optional>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace denier::bench {
namespace {

constexpr char kLedger[] = "/usr/bin/ledger";

absl::Status Failed(std::string_view words) {
  return absl::InternalError(absl::StrCat("ledger: ", std::string(words)));
}

// The cents of "-1495779.00"; ledger leaves out decimals that are zero.
std::optional<std::int64_t> CentsOf(std::string_view text) {
  const std::size_t point = text.find('.');
  std::string digits(text.substr(0, point));
  std::string decimals(point == std::string_view::npos ? "" : text.substr(point + 1));
  while (decimals.size() > 2 && decimals.back() == '0') decimals.pop_back();
  if (decimals.size() > 2) return std::nullopt;
  decimals.resize(2, '0');
  std::int64_t cents = 0;
  if (!absl::SimpleAtoi(digits + decimals, &cents)) return std::nullopt;
  return cents;
}

// What the program prints, and how it ends.
struct Printed {
  int status = -1;
  std::string text;
};

absl::StatusOr<Printed> Run(const std::string& journal) {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return Failed(std::strerror(errno));
  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&files, ends[1], STDERR_FILENO);
  // --args-only: nothing of the caller's own configuration.
  std::array<std::string, 8> words = {
      "ledger",     "--args-only",
      "-f",         journal,
      "balance",    "--flat",
      "--no-total", "--balance-format=%(account)|%(quantity(scrub(display_total)))\n"};
  std::array<char*, 9> arguments{};
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
  std::string locale = "LC_ALL=C.UTF-8";
  std::array<char*, 2> environment = {locale.data(), nullptr};
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, kLedger, &files, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&files);
  close(ends[1]);
  Printed printed;
  std::array<char, 16384> buffer;
  while (error == 0) {
    const ssize_t got = read(ends[0], buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    printed.text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  close(ends[0]);
  if (error != 0) return Failed(absl::StrCat(kLedger, ": ", std::strerror(error)));
  while (waitpid(pid, &printed.status, 0) < 0 && errno == EINTR) {
  }
  return printed;
}

}  // namespace

absl::Status WriteFiguresOnly(const std::string& from, const std::string& to) {
  std::ifstream in(from);
  std::ofstream out(to);
  std::string line;
  bool in_transaction = false;
  while (std::getline(in, line)) {
    const std::size_t first = line.find_first_not_of(' ');
    const bool is_transaction = first == 0 && line[0] >= '0' && line[0] <= '9';
    if (is_transaction) in_transaction = true;
    // A transaction ends with an empty line; what stands outside of one declares or remarks.
    if (first == std::string::npos) in_transaction = false;
    if (!in_transaction || line[first] == ';') continue;
    if (is_transaction) out << '\n';
    out << line << '\n';
  }
  out.close();
  if (in.bad() || !in.eof()) return Failed(from + ": cannot be read");
  if (!out) return Failed(to + ": cannot be written");
  return absl::OkStatus();
}

absl::StatusOr<LedgerReport> RunLedger(const std::string& journal) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  const absl::StatusOr<Printed> printed = Run(journal);
  if (!printed.ok()) return printed.status();
  if (printed->status != 0) return Failed(printed->text);
  LedgerReport report;
  report.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  for (std::string_view rest = printed->text; !rest.empty();) {
    const std::size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    const std::size_t bar = line.rfind('|');
    if (bar == std::string_view::npos) return Failed(line);
    const std::optional<std::int64_t> cents = CentsOf(line.substr(bar + 1));
    if (!cents.has_value()) return Failed(line);
    if (*cents != 0) report.cents[std::string(line.substr(0, bar))] = *cents;
  }
  return report;
}

}  // namespace denier::bench
