#include "tests/bench/process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"

namespace denier::bench {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ServerProcess>> ServerProcess::Start(
    const std::vector<std::string>& arguments, const std::string& complaints) {
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe");
  const int errors = open(complaints.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const pid_t pid = fork();
  if (pid < 0) return absl::ErrnoToStatus(errno, "fork");
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(ends[1], STDOUT_FILENO);
    if (errors >= 0) dup2(errors, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(ends[1]);
  if (errors >= 0) close(errors);

  std::FILE* output = fdopen(ends[0], "r");
  std::array<char, 64> address{};
  const bool ready = std::fscanf(output, "%*s ready on %63s", address.data()) == 1;
  std::fclose(output);
  std::unique_ptr<ServerProcess> server(new ServerProcess(pid, address.data()));
  if (ready) return server;
  server->Kill();
  return absl::UnavailableError(
      absl::StrCat(arguments.front(), " has not started: ", TextOf(complaints)));
}

double ServerProcess::ResidentMib() const {
  std::istringstream status(TextOf(absl::StrCat("/proc/", pid_, "/status")));
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmRSS:" && status >> kib) return kib / 1024;
  }
  return 0;
}

void ServerProcess::Kill() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

absl::Status ServerProcess::Stop() {
  kill(pid_, SIGTERM);
  int ending = 0;
  waitpid(pid_, &ending, 0);
  pid_ = 0;
  if (WIFEXITED(ending) && WEXITSTATUS(ending) == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the server did not end in order: ", ending));
}

std::string ThisProgram() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

std::string ProgramBeside(const std::string& name) {
  return (std::filesystem::path(ThisProgram()).parent_path() / name).string();
}

absl::StatusOr<std::unique_ptr<ServerProcess>> StartDenierd(const std::string& data) {
  return ServerProcess::Start(
      {ProgramBeside("denierd"), "--data", data, "--init", "--listen", "127.0.0.1:0", "--metrics",
       "off", "--development", "--log-file", data + ".jsonl"},
      data + ".err");
}

ScratchFolder::ScratchFolder(const std::string& parent, const std::string& name)
    : path_(absl::StrCat(parent, "/", name, "-XXXXXX")) {
  // PostgreSQL runs as somebody else, in a folder below.
  if (mkdtemp(path_.data()) != nullptr && chmod(path_.c_str(), 0711) == 0) return;
  std::perror(path_.c_str());
  std::exit(2);
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

absl::Status CopyDataFolder(const std::string& from, const std::string& to) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::create_directories(to, error);
  for (fs::recursive_directory_iterator it(from, error), end; !error && it != end;
       it.increment(error)) {
    const fs::path there = fs::path(to) / fs::relative(it->path(), from);
    if (it->is_directory()) {
      fs::create_directories(there, error);
    } else if (it->path().extension() == ".sst") {
      fs::create_hard_link(it->path(), there, error);
    } else {
      fs::copy_file(it->path(), there, error);
    }
    if (error) break;
  }
  // What is measured next is not to wait for the disk to write this.
  sync();
  if (!error) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("copying ", from, ": ", error.message()));
}

std::uint64_t BytesIn(const std::string& folder) {
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

}  // namespace denier::bench
