// Bytes that were compressed piece by piece, as LZ4 blocks: how the events of a large batch stand
// on disk (FORMAT.md, "Batch").
//
//   std::string chunks;
//   AppendChunk("some ", &chunks);
//   AppendChunk("bytes", &chunks);
//   std::string room;
//   auto bytes = ReadChunks(chunks, /*most=*/100, &room);  // "some bytes"
#ifndef DENIER_STORE_CHUNKS_H_
#define DENIER_STORE_CHUNKS_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace denier::store {

// Compresses `bytes`, at least one and less than 1 GiB, to a chunk behind those that are there.
void AppendChunk(std::string_view bytes, std::string* chunks);

// The bytes of all the chunks. They lie in `room`, which grows to what is needed and is kept for
// the next time. Nothing: the chunks are damaged, or hold more than `most` (at most 1 GiB) bytes.
std::optional<std::string_view> ReadChunks(std::string_view chunks, std::size_t most,
                                           std::string* room);

}  // namespace denier::store

#endif  // DENIER_STORE_CHUNKS_H_
