#include "tests/bench/scan.h"

#include <rocksdb/iterator.h>
#include <rocksdb/options.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "store/encoding.h"
#include "tests/bench/raw_store.h"

namespace denier::bench {
namespace {

using events::v1::Event;

// The fields of one protobuf message, one after the other.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // False at the end, and where the bytes are no message.
  bool Next() {
    if (at_ >= end_) return false;
    const std::uint64_t tag = Varint();
    number_ = static_cast<int>(tag >> 3);
    switch (tag & 7) {
      case 0:
        value_ = Varint();
        return true;
      case 2: {
        const std::uint64_t size = Varint();
        if (size > static_cast<std::uint64_t>(end_ - at_)) return false;
        bytes_ = {at_, size};
        at_ += size;
        return true;
      }
      default:
        return false;  // an event has neither fixed nor floating numbers
    }
  }

  int number() const { return number_; }
  std::int64_t value() const { return static_cast<std::int64_t>(value_); }
  std::string_view bytes() const { return bytes_; }

 private:
  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (int shift = 0; at_ < end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return value;
  }

  const char* at_;
  const char* const end_;
  int number_ = 0;
  std::uint64_t value_ = 0;
  std::string_view bytes_;
};

// Of one event.
struct Needed {
  std::int64_t year = 0, origin_year = 0, hold_year = 0;
  std::string_view envelope, other_envelope, product;
  std::int64_t ae = 0, cp = 0;
};

// Whatever was read is used.
void Use(const Needed& needed) { asm volatile("" : : "g"(&needed) : "memory"); }

bool Read(std::string_view event, Scanned& scanned) {
  Needed needed;
  int fact = 0;
  std::string_view fact_bytes;
  for (Fields fields(event); fields.Next();) {
    if (fields.number() == Event::kFiscalYearFieldNumber) {
      needed.year = fields.value();
    } else if (fields.number() >= Event::kAgreementCreated) {
      fact = fields.number();
      fact_bytes = fields.bytes();
    }
  }
  Fields fields(fact_bytes);
  switch (fact) {
    case Event::kAgreementCreated:
    case Event::kEnvelopeCreated:
    case Event::kServiceCertified:
      break;  // move nothing
    case Event::kCreditsAllocated:
      while (fields.Next()) {
        if (fields.number() == 1) needed.envelope = fields.bytes();
        if (fields.number() == 2) needed.ae = fields.value();
        if (fields.number() == 3) needed.cp = fields.value();
      }
      break;
    case Event::kEngaged:
      while (fields.Next()) {
        if (fields.number() == 2) needed.envelope = fields.bytes();
        if (fields.number() != 3) continue;
        for (Fields line(fields.bytes()); line.Next();) {
          if (line.number() == 2) needed.product = line.bytes();
          if (line.number() == 3) needed.ae = line.value();
        }
        scanned.engaged += needed.ae;
      }
      break;
    case Event::kPaymentRequested:
      while (fields.Next()) {
        if (fields.number() == 5) needed.envelope = fields.bytes();
        if (fields.number() == 9) needed.cp = fields.value();
      }
      scanned.requested += needed.cp;
      break;
    case Event::kPaid:
      while (fields.Next()) {
        if (fields.number() == 4) needed.other_envelope = fields.bytes();
        if (fields.number() == 5) needed.origin_year = fields.value();
        if (fields.number() == 6) needed.product = fields.bytes();
        if (fields.number() == 7) needed.envelope = fields.bytes();
        if (fields.number() == 12) needed.cp = fields.value();
        if (fields.number() == 13) needed.hold_year = fields.value();
      }
      scanned.paid += needed.cp;
      break;
    default:
      return false;
  }
  Use(needed);
  ++scanned.events;
  return true;
}

}  // namespace

absl::StatusOr<Scanned> ScanLog(rocksdb::DB& db) {
  Scanned scanned;
  const rocksdb::Slice after_batches("c");
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &after_batches;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> it(db.NewIterator(options));
  std::string room;
  for (it->Seek("b"); it->Valid(); it->Next()) {
    const auto packed = PackedEvents(it->value().ToStringView(), &room);
    if (!packed) return absl::DataLossError("a batch is damaged");
    std::string_view events = *packed;
    while (!events.empty()) {
      const std::size_t size = store::ReadLittleEndian32(events);
      if (!Read(events.substr(4, size), scanned)) {
        return absl::InternalError(
            absl::StrCat("the scan does not know event ", scanned.events, " of the log"));
      }
      events.remove_prefix(4 + size);
    }
  }
  if (!it->status().ok()) return absl::InternalError(it->status().ToString());
  return scanned;
}

}  // namespace denier::bench
