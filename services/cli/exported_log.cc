#include "services/cli/exported_log.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "projections/event_version.h"
#include "store/encoding.h"

namespace denier::cli {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
// Position, leaf hash, length of the bytes that follow.
constexpr std::size_t kHeaderBytes = 8 + 32 + 4;

absl::Status DiskFailed(std::string_view what) {
  return absl::UnavailableError(absl::StrCat(std::string(what), ": ", std::strerror(errno)));
}

}  // namespace

std::string RootText(const Provenance& provenance) {
  return provenance.root.has_value() ? store::ToHex(*provenance.root) : "";
}

absl::StatusOr<ExportedLog> ExportedLog::In(const std::string& folder) {
  std::string path = folder + "/denier-export-XXXXXX";
  const int descriptor = mkstemp(path.data());
  if (descriptor < 0) return DiskFailed(path);
  unlink(path.c_str());  // it is gone whichever way the program ends
  ExportedLog log;
  log.file_.reset(fdopen(descriptor, "w+b"));
  if (log.file_ == nullptr) {
    close(descriptor);
    return DiskFailed(path);
  }
  std::setvbuf(log.file_.get(), nullptr, _IOFBF, kBufferBytes);
  return log;
}

absl::Status ExportedLog::Add(std::uint64_t position, std::string_view stored,
                              std::string_view agreement_id) {
  if (position < next_) {
    return absl::DataLossError(absl::StrCat("position ", position, " came after ", next_ - 1));
  }
  const absl::Status decoded = projections::DecodeEvent(stored, position, event_.event);
  if (!decoded.ok()) return decoded;
  if (event_.event.fact_case() == events::v1::Event::FACT_NOT_SET) {
    return absl::DataLossError(absl::StrCat("the event at position ", position,
                                            " is of a kind that this version does not know"));
  }
  const store::Hash leaf = store::LeafHash(stored);
  tree_.Append(leaf);
  next_ = position + 1;
  if (!agreement_id.empty() && event_.event.agreement_id() != agreement_id) {
    return absl::OkStatus();
  }
  std::string header;
  store::AppendLittleEndian64(position, &header);
  header += store::AsBytes(leaf);
  store::AppendLittleEndian32(static_cast<std::uint32_t>(stored.size()), &header);
  if (std::fwrite(header.data(), 1, header.size(), file_.get()) != header.size() ||
      std::fwrite(stored.data(), 1, stored.size(), file_.get()) != stored.size()) {
    return DiskFailed("the events kept aside");
  }
  ++kept_;
  return absl::OkStatus();
}

absl::Status ExportedLog::Rewind() {
  if (std::fflush(file_.get()) != 0 || std::fseek(file_.get(), 0, SEEK_SET) != 0) {
    return DiskFailed("the events kept aside");
  }
  unread_ = kept_;
  return absl::OkStatus();
}

absl::StatusOr<const ExportedEvent*> ExportedLog::Next() {
  if (unread_ == 0) return nullptr;
  std::array<char, kHeaderBytes> header;
  if (std::fread(header.data(), 1, header.size(), file_.get()) != header.size()) {
    return DiskFailed("the events kept aside");
  }
  const std::string_view bytes(header.data(), header.size());
  event_.position = store::ReadLittleEndian64(bytes);
  std::memcpy(event_.leaf_hash.data(), header.data() + 8, 32);
  event_.stored.resize(store::ReadLittleEndian32(bytes.substr(40)));
  if (std::fread(event_.stored.data(), 1, event_.stored.size(), file_.get()) !=
      event_.stored.size()) {
    return DiskFailed("the events kept aside");
  }
  const absl::Status decoded =
      projections::DecodeEvent(event_.stored, event_.position, event_.event);
  if (!decoded.ok()) return decoded;
  --unread_;
  return &event_;
}

}  // namespace denier::cli
