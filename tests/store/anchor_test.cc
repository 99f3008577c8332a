#include "store/anchor.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "store/merkle.h"
#include "tests/faults/fault_file_system.h"
#include "tests/store/temporary_folder.h"

namespace denier::store {
namespace {

using faults::Effect;
using faults::FaultFileSystem;
using faults::Operation;
using faults::Unsynced;

constexpr std::size_t kSlotBytes = 88;

Head HeadOf(Position next) { return Head{next, LeafHash(std::to_string(next))}; }

class AnchorTest : public ::testing::Test {
 protected:
  AnchorTest() : disk_(std::make_shared<FaultFileSystem>()), path_(folder_.path() + "/anchor") {}

  std::unique_ptr<Anchor> Create(const Head& head) {
    absl::StatusOr<std::unique_ptr<Anchor>> anchor = Anchor::Create(*disk_, path_, head);
    EXPECT_TRUE(anchor.ok()) << anchor.status();
    return *std::move(anchor);
  }

  absl::StatusOr<Head> Read() const { return Anchor::Read(*rocksdb::FileSystem::Default(), path_); }

  std::string Content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  void SetContent(const std::string& content) {
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << content;
  }

  TemporaryFolder folder_;
  std::shared_ptr<FaultFileSystem> disk_;
  const std::string path_;
};

TEST_F(AnchorTest, MissingIsNotFound) { EXPECT_TRUE(absl::IsNotFound(Read().status())); }

TEST_F(AnchorTest, HoldsTheHeadThatItWasCreatedWith) {
  Create(HeadOf(7));
  EXPECT_EQ(*Read(), HeadOf(7));
}

TEST_F(AnchorTest, IsDurableWhenCreated) {
  Create(HeadOf(7));
  disk_->LosePower(Unsynced::kDrop);
  EXPECT_EQ(*Read(), HeadOf(7));
}

TEST_F(AnchorTest, ReplacesAnOlderOneWhole) {
  Create(HeadOf(7));
  Create(HeadOf(3));
  EXPECT_EQ(*Read(), HeadOf(3));
}

TEST_F(AnchorTest, KeepsTheOldOneWhenThePowerGoesDuringCreate) {
  Create(HeadOf(7));
  disk_->Plan({Operation::kSync, "anchor.new", Effect::kPowerOff});
  EXPECT_TRUE(absl::IsUnavailable(Anchor::Create(*disk_, path_, HeadOf(9)).status()));
  disk_->LosePower(Unsynced::kTear);
  EXPECT_EQ(*Read(), HeadOf(7));
}

TEST_F(AnchorTest, WriteSurvivesTheProcess) {
  const std::unique_ptr<Anchor> anchor = Create(HeadOf(7));
  EXPECT_TRUE(anchor->Write(HeadOf(8)).ok());
  EXPECT_TRUE(anchor->Write(HeadOf(9)).ok());
  EXPECT_EQ(*Read(), HeadOf(9));
}

TEST_F(AnchorTest, SyncSurvivesAPowerLoss) {
  const std::unique_ptr<Anchor> anchor = Create(HeadOf(7));
  EXPECT_TRUE(anchor->Write(HeadOf(8)).ok());
  EXPECT_TRUE(anchor->Sync().ok());
  EXPECT_TRUE(anchor->Write(HeadOf(9)).ok());
  disk_->LosePower(Unsynced::kDrop);
  EXPECT_EQ(*Read(), HeadOf(8));
}

TEST_F(AnchorTest, SyncOfNothingNewIsFree) {
  const std::unique_ptr<Anchor> anchor = Create(HeadOf(7));
  EXPECT_TRUE(anchor->Write(HeadOf(8)).ok());
  EXPECT_TRUE(anchor->Sync().ok());
  const int syncs = disk_->SyncsOf("anchor");
  EXPECT_TRUE(anchor->Sync().ok());
  EXPECT_EQ(disk_->SyncsOf("anchor"), syncs);
}

// Whatever a power loss leaves of the write that no sync had reached, the head synced before it, or
// the new one, is there; at every point at which the power can go.
TEST_F(AnchorTest, TornWriteNeverTakesTheSyncedHeadAway) {
  for (const Operation operation : {Operation::kWrite, Operation::kSync}) {
    for (int skip = 0; skip < 4; ++skip) {
      for (std::uint32_t seed = 0; seed < 20; ++seed) {
        disk_ = std::make_shared<FaultFileSystem>();
        const std::unique_ptr<Anchor> anchor = Create(HeadOf(0));
        disk_->Plan({operation, "anchor", Effect::kPowerOff, skip});
        Position synced = 0, written = 0;
        while (true) {
          ++written;
          if (!anchor->Write(HeadOf(written)).ok()) break;
          if (!anchor->Sync().ok()) break;
          synced = written;
        }
        disk_->LosePower(Unsynced::kTear, seed);
        const absl::StatusOr<Head> head = Read();
        ASSERT_TRUE(head.ok()) << head.status();
        EXPECT_GE(head->next, synced);
        EXPECT_EQ(*head, HeadOf(head->next)) << "a mixture";
      }
    }
  }
}

TEST_F(AnchorTest, AtRestOneDamagedSlotTakesNothingAway) {
  {
    const std::unique_ptr<Anchor> anchor = Create(HeadOf(7));
    EXPECT_TRUE(anchor->Write(HeadOf(8)).ok());
    EXPECT_TRUE(anchor->Sync().ok());
  }
  const std::string whole = Content();
  std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
  const auto set_byte = [&file](std::size_t at, char byte) {
    file.seekp(static_cast<std::streamoff>(at));
    file.put(byte).flush();
  };
  for (const std::size_t slot : {0, 4096}) {
    for (std::size_t bit = 0; bit < 8 * kSlotBytes; ++bit) {
      const std::size_t at = slot + bit / 8;
      set_byte(at, static_cast<char>(whole[at] ^ 1 << bit % 8));
      ASSERT_EQ(*Read(), HeadOf(8)) << "bit " << bit << " of the slot at " << slot;
      set_byte(at, whole[at]);
    }
  }
  EXPECT_EQ(Content(), whole);
}

TEST_F(AnchorTest, BothSlotsDamagedIsDataLoss) {
  Create(HeadOf(7));
  std::string content = Content();
  content[20] ^= 1;
  content[4096 + 20] ^= 1;
  SetContent(content);
  EXPECT_TRUE(absl::IsDataLoss(Read().status()));
  SetContent(content.substr(0, 10));
  EXPECT_TRUE(absl::IsDataLoss(Read().status()));
  SetContent("");
  EXPECT_TRUE(absl::IsDataLoss(Read().status()));
}

TEST_F(AnchorTest, TwoHistoriesOfOneLengthAreDataLoss) {
  Create(HeadOf(7));
  const std::string one = Content();
  Create(Head{7, LeafHash("another")});
  SetContent(one.substr(0, 4096) + Content().substr(4096));
  EXPECT_TRUE(absl::IsDataLoss(Read().status()));
}

TEST_F(AnchorTest, ReportsWhatTheDiskReports) {
  const std::unique_ptr<Anchor> anchor = Create(HeadOf(7));
  disk_->Plan({Operation::kWrite, "anchor", Effect::kError});
  EXPECT_TRUE(absl::IsUnavailable(anchor->Write(HeadOf(8))));
  EXPECT_TRUE(anchor->Write(HeadOf(8)).ok());
  disk_->Plan({Operation::kSync, "anchor", Effect::kError});
  EXPECT_TRUE(absl::IsUnavailable(anchor->Sync()));
}

}  // namespace
}  // namespace denier::store
