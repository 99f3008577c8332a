#ifndef DENIER_TESTS_STORE_WAL_FILE_H_
#define DENIER_TESTS_STORE_WAL_FILE_H_

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>

namespace denier::store {

// How many bytes of the WAL in the file `path` were written: the log puts zeros behind them
// (zeroed_wal.h), and no record of the tests ends in one.
inline std::uint64_t WrittenBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  return bytes.find_last_not_of('\0') + 1;  // of zeros alone: 0
}

}  // namespace denier::store

#endif  // DENIER_TESTS_STORE_WAL_FILE_H_
