#include "store/anchor.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "store/encoding.h"
#include "store/replace_file.h"

namespace denier::store {
namespace {

// What a slot is made of (FORMAT.md, "Anchor").
constexpr std::string_view kMagic("denier anchor 1\n", 16);
constexpr std::size_t kCheckedBytes = kMagic.size() + sizeof(Position) + sizeof(Hash);
constexpr std::size_t kSlotBytes = kCheckedBytes + sizeof(Hash);
constexpr std::size_t kSlotDistance = 4096;  // no disk writes both in one piece
constexpr std::size_t kFileBytes = 2 * kSlotDistance;

absl::Status ToStatus(const rocksdb::IOStatus& status, std::string_view doing) {
  if (status.ok()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(
      "anchor: ", absl::string_view(doing.data(), doing.size()), ": ", status.ToString()));
}

std::string EncodeSlot(const Head& head) {
  std::string slot(kMagic);
  AppendLittleEndian64(head.next, &slot);
  slot.append(AsBytes(head.root));
  slot.append(AsBytes(Sha256Of(slot)));
  return slot;
}

std::optional<Head> DecodeSlot(std::string_view file, int slot) {
  const std::size_t offset = slot * kSlotDistance;
  if (file.size() < offset + kSlotBytes) return std::nullopt;
  const std::string_view bytes = file.substr(offset, kSlotBytes);
  if (!bytes.starts_with(kMagic)) return std::nullopt;
  if (bytes.substr(kCheckedBytes) != AsBytes(Sha256Of(bytes.substr(0, kCheckedBytes)))) {
    return std::nullopt;
  }
  Head head;
  head.next = ReadLittleEndian64(bytes.substr(kMagic.size()));
  bytes.copy(reinterpret_cast<char*>(head.root.data()), head.root.size(),
             kMagic.size() + sizeof(Position));
  return head;
}

}  // namespace

absl::StatusOr<Anchor::Slots> Anchor::ReadSlots(rocksdb::FileSystem& file_system,
                                                const std::string& path) {
  std::string bytes;
  const rocksdb::IOStatus status = rocksdb::ReadFileToString(&file_system, path, &bytes);
  if (status.IsNotFound() || status.IsPathNotFound()) {
    return absl::NotFoundError(absl::StrCat("there is no anchor ", path));
  }
  if (!status.ok()) return ToStatus(status, "reading");

  Slots slots{.heads = {DecodeSlot(bytes, 0), DecodeSlot(bytes, 1)}};
  slots.zero_elsewhere = bytes.size() == kFileBytes;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at % kSlotDistance >= kSlotBytes && bytes[at] != '\0') slots.zero_elsewhere = false;
  }
  return slots;
}

absl::StatusOr<Head> Anchor::Read(rocksdb::FileSystem& file_system, const std::string& path) {
  const absl::StatusOr<Slots> read = ReadSlots(file_system, path);
  if (!read.ok()) return read.status();
  const std::array<std::optional<Head>, 2>& slots = read->heads;
  if (!slots[0] && !slots[1]) {
    return absl::DataLossError(absl::StrCat("both slots of the anchor ", path, " are damaged"));
  }
  if (!slots[0] || !slots[1]) return *(slots[0] ? slots[0] : slots[1]);
  if (slots[0]->next == slots[1]->next && slots[0]->root != slots[1]->root) {
    return absl::DataLossError(
        absl::StrCat("the slots of the anchor ", path, " name two histories of one length"));
  }
  return slots[0]->next > slots[1]->next ? *slots[0] : *slots[1];
}

absl::StatusOr<std::unique_ptr<Anchor>> Anchor::Create(rocksdb::FileSystem& file_system,
                                                       const std::string& path, const Head& head) {
  std::string bytes = EncodeSlot(head);
  bytes.resize(kSlotDistance);
  bytes.append(EncodeSlot(head));
  bytes.resize(kFileBytes);

  // The old anchor holds until the new one is whole.
  std::unique_ptr<rocksdb::FSRandomRWFile> file;
  rocksdb::IOStatus status = ReplaceFile(file_system, path, bytes);
  if (status.ok()) {
    status = file_system.NewRandomRWFile(path, rocksdb::FileOptions(), &file, nullptr);
  }
  if (!status.ok()) return ToStatus(status, absl::StrCat("creating ", path));
  return std::unique_ptr<Anchor>(new Anchor(std::move(file), head));
}

Anchor::Anchor(std::unique_ptr<rocksdb::FSRandomRWFile> file, const Head& head)
    : file_(std::move(file)), head_(head) {}

absl::Status Anchor::Write(const Head& head) {
  const std::lock_guard<std::mutex> lock(mutex_);
  head_ = head;
  return WriteSlot();
}

absl::Status Anchor::Sync() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!dirty_) return absl::OkStatus();
  absl::Status status = SyncSlot();
  // The other slot is now the older one.
  if (status.ok()) status = WriteSlot();
  if (status.ok()) status = SyncSlot();
  return status;
}

absl::Status Anchor::WriteSlot() {
  dirty_ = true;  // whatever a failed write has left there
  return ToStatus(
      file_->Write(slot_ * kSlotDistance, EncodeSlot(head_), rocksdb::IOOptions(), nullptr),
      "writing");
}

absl::Status Anchor::SyncSlot() {
  const absl::Status status = ToStatus(file_->Sync(rocksdb::IOOptions(), nullptr), "syncing");
  if (!status.ok()) return status;
  slot_ = 1 - slot_;
  dirty_ = false;
  return absl::OkStatus();
}

}  // namespace denier::store
