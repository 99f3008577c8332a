#include "projections/movement.h"

#include <array>
#include <cassert>
#include <cstddef>

#include "denier/events/v1/event.pb.h"
#include "projections/event_version.h"

namespace denier::projections {
namespace {

using Kind = MovedAmount::Kind;

// Of a number below 64.
constexpr std::uint64_t Bit(std::size_t number) { return std::uint64_t{1} << number; }

// What is left of a number of several bytes. False: none ends before `end`.
bool ReadLongVarint(const char*& at, const char* end, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && at != end; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// One byte is what nearly all are.
inline bool ReadVarint(const char*& at, const char* end, std::uint64_t& value) {
  if (at == end || static_cast<unsigned char>(*at) >= 0x80) return ReadLongVarint(at, end, value);
  value = static_cast<unsigned char>(*at++);
  return true;
}

// The fields of a message: all are found in one loop, without a switch, and looked at afterwards.
class Fields {
 public:
  // False: they are not in the order of their numbers, as the generated code writes them, or one is
  // neither a number nor bytes, or its number is none that an event has. Called once, before
  // anything else.
  bool Find(std::string_view bytes) {
    const char* at = bytes.data();
    const char* const end = at + bytes.size();
    // The members are set in the end: until then these stay in registers.
    std::uint64_t found = 0;
    std::uint64_t repeated = 0;
    std::uint64_t of_type[2] = {0, 0};  // numbers, bytes
    std::size_t last = 0;
    while (at != end) {
      const char* const begin = at;
      std::uint64_t tag = 0;
      std::uint64_t value = 0;
      if (!ReadVarint(at, end, tag) || !ReadVarint(at, end, value)) return false;
      const std::size_t number = tag >> 3;
      const std::uint64_t type = tag & 7;
      if (number < last || number == 0 || number >= kNumbers) return false;
      if (type != kVarint && type != kLengthDelimited) return false;
      last = number;
      const std::uint64_t size = type == kVarint ? 0 : value;
      if (size > static_cast<std::uint64_t>(end - at)) return false;
      at += size;
      const std::uint64_t bit = Bit(number);
      Field& field = fields_[number];
      field.end = at;
      if ((found & bit) == 0) {
        field.begin = begin;
        field.value = value;
      }
      repeated |= found & bit;
      found |= bit;
      of_type[type / kLengthDelimited] |= bit;
    }
    found_ = found;
    repeated_ = repeated;
    numbers_ = of_type[0];
    of_bytes_ = of_type[1];
    return true;
  }

  // The bits of the numbers that there are.
  std::uint64_t found() const { return found_; }
  bool Has(std::size_t number) const { return (found_ & Bit(number)) != 0; }

  // False once a field was asked for as what it is not: what was answered then means nothing.
  bool ok() const { return ok_; }

  // Of the field of this number, which is no list; 0, or nothing, without it.
  std::int64_t Number(std::size_t number) {
    if (!Has(number)) return 0;
    ok_ = ok_ && ((of_bytes_ | repeated_) & Bit(number)) == 0;
    return static_cast<std::int64_t>(fields_[number].value);
  }
  int Int(std::size_t number) { return static_cast<int>(Number(number)); }
  // No amount that the rules let pass comes near 64 bits (rules/form.cc).
  std::int64_t Cents(std::size_t number) {
    constexpr std::int64_t kMost = std::int64_t{1} << 62;
    const std::int64_t cents = Number(number);
    ok_ = ok_ && cents < kMost && cents > -kMost;
    return cents;
  }
  std::string_view Bytes(std::size_t number) {
    if (!Has(number)) return {};
    ok_ = ok_ && ((numbers_ | repeated_) & Bit(number)) == 0;
    const Field& field = fields_[number];
    return ok_ ? std::string_view(field.end - field.value, field.value) : std::string_view();
  }

  // Calls `visit` with the bytes of each element of a list.
  template <class Visit>
  void ForEach(std::size_t number, Visit visit) {
    if (!Has(number)) return;
    ok_ = ok_ && (numbers_ & Bit(number)) == 0;
    // They stand together, since the order is that of the numbers.
    const Field& field = fields_[number];
    for (const char* at = field.begin; ok_ && at != field.end;) {
      std::uint64_t tag = 0;
      std::uint64_t size = 0;
      ok_ = ReadVarint(at, field.end, tag) && ReadVarint(at, field.end, size);
      assert(ok_ && size <= static_cast<std::uint64_t>(field.end - at));  // Find has seen to it
      visit(std::string_view(at, size));
      at += size;
    }
  }

 private:
  static constexpr std::size_t kNumbers = 64;
  static constexpr std::uint64_t kVarint = 0;
  static constexpr std::uint64_t kLengthDelimited = 2;

  struct Field {
    const char* begin;    // of the first one's tag
    const char* end;      // of the last one
    std::uint64_t value;  // of the first one: the number, or the size of its bytes
  };

  std::uint64_t found_ = 0;
  std::uint64_t numbers_ = 0;   // as numbers,
  std::uint64_t of_bytes_ = 0;  // as bytes,
  std::uint64_t repeated_ = 0;  // more than once
  bool ok_ = true;
  // Those that were found. The others are not initialised: 1.5 KiB for each message.
  std::array<Field, kNumbers> fields_;
};

bool ReadEngaged(std::string_view bytes, MovedAmount amount, Movement& movement) {
  using Engaged = events::v1::Engaged;
  using Line = events::v1::CommitmentLine;
  Fields engaged;
  // It is written when it is set alone.
  if (!engaged.Find(bytes) || engaged.Has(Engaged::kEarlyFieldNumber)) return false;
  amount.kind = Kind::kEngaged;
  amount.envelope_id = engaged.Bytes(Engaged::kEnvelopeIdFieldNumber);
  bool read = true;
  engaged.ForEach(Engaged::kLinesFieldNumber, [&](std::string_view line_bytes) {
    Fields line;
    read = read && line.Find(line_bytes);
    if (!read) return;
    amount.product_id = line.Bytes(Line::kProductIdFieldNumber);
    amount.cents = line.Cents(Line::kAmountCentsFieldNumber);
    movement.amounts.push_back(amount);
    read = line.ok();
  });
  return read && engaged.ok();
}

bool ReadRequested(std::string_view bytes, MovedAmount amount, Movement& movement) {
  using Requested = events::v1::PaymentRequested;
  Fields requested;
  if (!requested.Find(bytes)) return false;
  amount.kind = Kind::kRequested;
  amount.paying_envelope_id = requested.Bytes(Requested::kPayingEnvelopeIdFieldNumber);
  amount.cents = requested.Cents(Requested::kNetCentsFieldNumber);
  movement.amounts.push_back(amount);
  return requested.ok();
}

bool ReadPaid(std::string_view bytes, MovedAmount amount, Movement& movement) {
  using Paid = events::v1::Paid;
  Fields paid;
  if (!paid.Find(bytes)) return false;
  amount.kind = Kind::kPaid;
  amount.origin_year = paid.Int(Paid::kOriginYearFieldNumber);
  amount.hold_year = paid.Int(Paid::kHoldYearFieldNumber);
  amount.envelope_id = paid.Bytes(Paid::kLineEnvelopeIdFieldNumber);
  amount.paying_envelope_id = paid.Bytes(Paid::kPayingEnvelopeIdFieldNumber);
  amount.product_id = paid.Bytes(Paid::kProductIdFieldNumber);
  amount.cents = paid.Cents(Paid::kNetCentsFieldNumber);
  movement.amounts.push_back(amount);
  return paid.ok();
}

}  // namespace

bool ReadMovement(std::string_view bytes, Movement& movement) {
  using Event = events::v1::Event;
  constexpr std::uint64_t kOfEachEvent =
      Bit(Event::kRecordedTimeUsFieldNumber) | Bit(Event::kAgreementIdFieldNumber) |
      Bit(Event::kFiscalYearFieldNumber) | Bit(Event::kEffectiveDateFieldNumber) |
      Bit(Event::kActorFieldNumber) | Bit(Event::kRequestIdFieldNumber) |
      Bit(Event::kRequestSha256FieldNumber) | Bit(Event::kLateEntryFieldNumber) |
      Bit(Event::kWarningsFieldNumber) | Bit(Event::kVersionFieldNumber);
  movement.amounts.clear();
  Fields event;
  if (!event.Find(bytes)) return false;
  const int version = event.Int(Event::kVersionFieldNumber);
  if (version < 0 || version > kEventVersion) return false;
  movement.agreement_id = event.Bytes(Event::kAgreementIdFieldNumber);
  movement.fiscal_year = event.Int(Event::kFiscalYearFieldNumber);
  movement.effective_date = event.Int(Event::kEffectiveDateFieldNumber);
  event.Bytes(Event::kLateEntryFieldNumber);  // of another type it would be none
  const MovedAmount amount{.late = event.Has(Event::kLateEntryFieldNumber),
                           .fiscal_year = movement.fiscal_year};
  bool known = false;
  switch (event.found() & ~kOfEachEvent) {  // one fact, and nothing else
    case Bit(Event::kEngagedFieldNumber):
      known = ReadEngaged(event.Bytes(Event::kEngagedFieldNumber), amount, movement);
      break;
    case Bit(Event::kServiceCertifiedFieldNumber):
      event.Bytes(Event::kServiceCertifiedFieldNumber);
      known = true;
      break;
    case Bit(Event::kPaymentRequestedFieldNumber):
      known = ReadRequested(event.Bytes(Event::kPaymentRequestedFieldNumber), amount, movement);
      break;
    case Bit(Event::kPaidFieldNumber):
      known = ReadPaid(event.Bytes(Event::kPaidFieldNumber), amount, movement);
      break;
    default:
      break;
  }
  return known && event.ok();
}

}  // namespace denier::projections
