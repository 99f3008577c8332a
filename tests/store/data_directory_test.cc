#include "store/data_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "tests/store/temporary_folder.h"

namespace denier::store {
namespace {

using ::testing::HasSubstr;

class DataDirectoryTest : public ::testing::Test {
 protected:
  std::string path() const { return folder_.path() + "/data"; }

  void Initialize() {
    const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(path(), true);
    ASSERT_TRUE(directory.ok()) << directory.status();
  }

  void WriteFile(const std::string& name, const std::string& content) {
    std::ofstream(path() + "/" + name) << content;
  }

  std::string ContentOf(const std::string& name) const {
    std::ifstream file(path() + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static std::string Message(const absl::StatusOr<DataDirectory>& directory) {
    return std::string(directory.status().message());
  }

  TemporaryFolder folder_;
};

TEST_F(DataDirectoryTest, NothingThereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(DataDirectory::Open(path(), false).status()));
  EXPECT_FALSE(std::filesystem::exists(path())) << "nothing is made that nobody asked for";
  std::filesystem::create_directory(path());
  EXPECT_TRUE(absl::IsNotFound(DataDirectory::Open(path(), false).status()));
  EXPECT_TRUE(std::filesystem::is_empty(path()));
}

TEST_F(DataDirectoryTest, InitializesAMissingFolderWithThoseAboveIt) {
  const std::string deep = path() + "/below/it/";
  EXPECT_TRUE(DataDirectory::Open(deep, true).ok());
  EXPECT_TRUE(DataDirectory::Open(deep, false).ok());
}

TEST_F(DataDirectoryTest, InitializesAnEmptyFolder) {
  std::filesystem::create_directories(path() + "/lost+found");  // an empty disk's
  EXPECT_TRUE(DataDirectory::Open(path(), true).ok());
  EXPECT_TRUE(DataDirectory::Open(path(), false).ok());
}

TEST_F(DataDirectoryTest, InitializesAgainWhatWasInterrupted) {
  std::filesystem::create_directory(path());
  WriteFile("LOCK", "1234\n");
  WriteFile("FORMAT.new", "denier da");
  EXPECT_TRUE(absl::IsNotFound(DataDirectory::Open(path(), false).status()));
  EXPECT_TRUE(DataDirectory::Open(path(), true).ok());
}

TEST_F(DataDirectoryTest, InitializeOpensWhatIsThere) {
  Initialize();
  WriteFile("anchor", "something");
  EXPECT_TRUE(DataDirectory::Open(path(), true).ok());
}

TEST_F(DataDirectoryTest, ForeignFilesAreNotTakenOver) {
  std::filesystem::create_directory(path());
  WriteFile("thesis.tex", "years of work");
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(path(), true);
  EXPECT_TRUE(absl::IsFailedPrecondition(directory.status()));
  EXPECT_THAT(Message(directory), HasSubstr("thesis.tex"));
  EXPECT_FALSE(std::filesystem::exists(path() + "/LOCK"));
}

TEST_F(DataDirectoryTest, AFileInItsPlaceIsRefused) {
  std::ofstream(path()) << "a file";
  EXPECT_TRUE(absl::IsFailedPrecondition(DataDirectory::Open(path(), false).status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(DataDirectory::Open(path(), true).status()));
}

TEST_F(DataDirectoryTest, NamesItsPaths) {
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(path(), true);
  EXPECT_EQ(directory->path(), path());
  EXPECT_EQ(directory->views_path(), path() + "/views");
}

TEST_F(DataDirectoryTest, ASecondUserIsRefusedWithThePidOfTheFirst) {
  Initialize();
  int opened[2];
  ASSERT_EQ(pipe(opened), 0);
  const pid_t other = fork();
  if (other == 0) {
    const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(path(), false);
    [[maybe_unused]] ssize_t written = write(opened[1], directory.ok() ? "y" : "n", 1);
    while (true) pause();
  }
  char answer = 0;
  ASSERT_EQ(read(opened[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');

  const absl::StatusOr<DataDirectory> second = DataDirectory::Open(path(), false);
  EXPECT_TRUE(absl::IsFailedPrecondition(second.status()));
  EXPECT_THAT(Message(second), HasSubstr("pid " + std::to_string(other)));

  // The lock ends with its process, however that ends.
  kill(other, SIGKILL);
  waitpid(other, nullptr, 0);
  EXPECT_TRUE(DataDirectory::Open(path(), false).ok());
  close(opened[0]);
  close(opened[1]);
}

TEST_F(DataDirectoryTest, HoldsTheLockAsLongAsItLivesWhereverItIsMoved) {
  std::optional<DataDirectory> holder;
  {
    absl::StatusOr<DataDirectory> directory = DataDirectory::Open(path(), true);
    ASSERT_TRUE(directory.ok());
    holder = *std::move(directory);
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(DataDirectory::Open(path(), false).status()));
  holder.reset();
  EXPECT_TRUE(DataDirectory::Open(path(), false).ok());
}

TEST_F(DataDirectoryTest, ANewerFormatIsRefusedWithBothVersions) {
  Initialize();
  WriteFile("FORMAT", "denier data folder, format 12\n");
  const absl::StatusOr<DataDirectory> directory = DataDirectory::Open(path(), false);
  EXPECT_TRUE(absl::IsFailedPrecondition(directory.status()));
  EXPECT_THAT(Message(directory), HasSubstr("format 12"));
  EXPECT_THAT(Message(directory), HasSubstr("up to 3"));
  EXPECT_TRUE(absl::IsFailedPrecondition(DataDirectory::Open(path(), true).status()));
}

TEST_F(DataDirectoryTest, AnOlderFormatIsReadAndRaisedWhenAskedTo) {
  Initialize();
  WriteFile("FORMAT", "denier data folder, format 1\n");
  EXPECT_TRUE(DataDirectory::Open(path(), false).ok());
  EXPECT_TRUE(DataDirectory::OpenForReading(path()).ok());
  EXPECT_EQ(ContentOf("FORMAT"), "denier data folder, format 1\n");
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(DataDirectory::RaiseFormat(path()).ok());
    EXPECT_EQ(ContentOf("FORMAT"), "denier data folder, format 3\n");
  }
  WriteFile("FORMAT", "denier data folder, format 4\n");
  EXPECT_TRUE(absl::IsFailedPrecondition(DataDirectory::RaiseFormat(path())));
}

TEST_F(DataDirectoryTest, AnUnreadableFormatIsDataLoss) {
  Initialize();
  for (const char* content :
       {"", "denier", "denier data folder, format \n", "denier data folder, format 0\n",
        "denier data folder, format -1\n", "denier data folder, format 1",
        "DENIER data folder, 1\n", "denier data folder, format 99999999999\n",
        "denier data folder, format 1\nmore"}) {
    WriteFile("FORMAT", content);
    EXPECT_TRUE(absl::IsDataLoss(DataDirectory::Open(path(), false).status())) << content;
    EXPECT_TRUE(absl::IsDataLoss(DataDirectory::Open(path(), true).status())) << content;
  }
}

TEST_F(DataDirectoryTest, AFolderThatIsNotOursToWriteIsPermissionDenied) {
  Initialize();
  chmod(folder_.path().c_str(), 0755);  // so that it is the data folder that lets nobody through
  chmod(path().c_str(), 0555);
  const pid_t child = fork();
  if (child == 0) {
    // As nobody, since root may write everywhere.
    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(2);
    const bool refused = absl::IsPermissionDenied(DataDirectory::Open(path(), false).status());
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  chmod(path().c_str(), 0755);
}

}  // namespace
}  // namespace denier::store
