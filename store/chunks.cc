#include "store/chunks.h"

#include <lz4.h>

#include <cassert>
#include <cstdint>
#include <limits>

#include "store/encoding.h"

namespace denier::store {
namespace {

// The number of bytes, and to how many they were compressed.
constexpr std::size_t kHeaderBytes = 2 * sizeof(std::uint32_t);

}  // namespace

void AppendChunk(std::string_view bytes, std::string* chunks) {
  assert(bytes.size() < std::size_t{1} << 30);
  const int size = static_cast<int>(bytes.size());
  const int most = LZ4_compressBound(size);
  const std::size_t begin = chunks->size();
  chunks->resize(begin + kHeaderBytes + static_cast<std::size_t>(most));
  const int used =
      LZ4_compress_default(bytes.data(), chunks->data() + begin + kHeaderBytes, size, most);
  assert(used > 0);
  std::string header;
  AppendLittleEndian32(static_cast<std::uint32_t>(size), &header);
  AppendLittleEndian32(static_cast<std::uint32_t>(used), &header);
  chunks->replace(begin, kHeaderBytes, header);
  chunks->resize(begin + kHeaderBytes + static_cast<std::size_t>(used));
}

std::optional<std::string_view> ReadChunks(std::string_view chunks, std::size_t most,
                                           std::string* room) {
  std::size_t total = 0;
  while (!chunks.empty()) {
    if (chunks.size() < kHeaderBytes) return std::nullopt;
    const std::size_t size = ReadLittleEndian32(chunks);
    const std::size_t used = ReadLittleEndian32(chunks.substr(sizeof(std::uint32_t)));
    chunks.remove_prefix(kHeaderBytes);
    if (size == 0 || size > most - total) return std::nullopt;
    if (used > chunks.size() || used > std::numeric_limits<int>::max()) return std::nullopt;
    if (room->size() < total + size) room->resize(total + size);
    const int read = LZ4_decompress_safe(chunks.data(), room->data() + total,
                                         static_cast<int>(used), static_cast<int>(size));
    if (read < 0 || static_cast<std::size_t>(read) != size) return std::nullopt;
    chunks.remove_prefix(used);
    total += size;
  }
  return std::string_view(*room).substr(0, total);
}

}  // namespace denier::store
