#include "store/batch.h"

#include "store/encoding.h"
#include "store/merkle.h"

namespace denier::store {

void Batch::Add(std::string_view event) {
  // An event too long for the 32 bits makes a batch that Log::Append refuses.
  AppendLittleEndian32(static_cast<std::uint32_t>(event.size()), &bytes_);
  bytes_.append(event);
  leaves_.push_back(LeafHash(event));
}

void Batch::Clear() {
  bytes_.clear();
  leaves_.clear();
}

}  // namespace denier::store
