#include "projections/movement.h"

#include <cstddef>

#include "denier/events/v1/event.pb.h"
#include "projections/event_version.h"

namespace denier::projections {
namespace {

using Kind = MovedAmount::Kind;

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

// The fields of a message, which are asked for in the order of their numbers: so the generated code
// writes them. What is not asked for is passed over.
//
// Bytes that are in another order, or neither numbers nor bytes, or that have a number that no
// field of an event has, end the fields; so does asking for one as what it is not, or for one of a
// list. What was answered then means nothing, and Finish says so.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {
    ReadTag();
  }

  // Passes over all that is left. True: these were the fields of a message.
  bool Finish() {
    PassTo(kEnd);
    return ok_;
  }
  // True: they were, and none is left.
  bool AtEnd() const { return ok_ && number_ == kEnd; }

  // The number of the field after the last one that was asked for; kEnd if there is none.
  std::size_t next() const { return number_; }

  // Of the field of this number, which is no list; 0, or nothing, without it.
  std::int64_t Number(std::size_t number) {
    if (!Is(number, kVarint)) return 0;
    return static_cast<std::int64_t>(Once(number, ReadValue()));
  }
  int Int(std::size_t number) { return static_cast<int>(Number(number)); }
  // No amount that the rules let pass comes near 64 bits (rules/form.cc).
  std::int64_t Cents(std::size_t number) {
    constexpr std::int64_t kMost = std::int64_t{1} << 62;
    const std::int64_t cents = Number(number);
    if (cents >= kMost || cents <= -kMost) Fail();
    return cents;
  }
  std::string_view Bytes(std::size_t number) {
    if (!Is(number, kLengthDelimited)) return {};
    return Once(number, ReadBytes());
  }
  // Whether there is one of bytes, be they none.
  bool Has(std::size_t number) { return Bytes(number).data() != nullptr; }

  // Calls `visit` with the bytes of each element of a list.
  template <class Visit>
  void ForEach(std::size_t number, Visit visit) {
    while (Is(number, kLengthDelimited)) visit(ReadBytes());
  }

  static constexpr std::size_t kEnd = 64;

 private:
  static constexpr std::uint64_t kVarint = 0;
  static constexpr std::uint64_t kLengthDelimited = 2;

  void Fail() {
    ok_ = false;
    number_ = kEnd;
  }

  void ReadTag() {
    if (at_ == end_) {
      number_ = kEnd;
      return;
    }
    std::uint64_t tag = 0;
    const std::size_t last = number_;
    const bool read = ReadVarint(at_, end_, tag);
    number_ = tag >> 3;
    type_ = tag & 7;
    if (!read || number_ < last || number_ == 0 || number_ >= kEnd) Fail();
  }

  std::uint64_t ReadValue() {
    std::uint64_t value = 0;
    if (ReadVarint(at_, end_, value)) {
      ReadTag();
    } else {
      Fail();
    }
    return value;
  }

  std::string_view ReadBytes() {
    std::uint64_t size = 0;
    if (!ReadVarint(at_, end_, size) || size > static_cast<std::uint64_t>(end_ - at_)) {
      Fail();
      return {};
    }
    const std::string_view bytes(at_, size);
    at_ += size;
    ReadTag();
    return bytes;
  }

  void PassTo(std::size_t number) {
    while (number_ < number) {
      if (type_ == kVarint) {
        ReadValue();
      } else if (type_ == kLengthDelimited) {
        ReadBytes();
      } else {
        Fail();
      }
    }
  }

  // Whether the next field from `number` on is that one.
  bool Is(std::size_t number, std::uint64_t type) {
    PassTo(number);
    if (number_ != number) return false;
    if (type_ == type) return true;
    Fail();
    return false;
  }

  // `value`, if the field that was just read does not come again.
  template <class Value>
  Value Once(std::size_t number, Value value) {
    if (number_ == number) Fail();
    return value;
  }

  const char* at_;  // of the next field's value
  const char* const end_;
  std::size_t number_ = 0;  // of the next field
  std::uint64_t type_ = 0;
  bool ok_ = true;
};

bool ReadEngaged(std::string_view bytes, MovedAmount amount, Movement& movement) {
  using Engaged = events::v1::Engaged;
  using Line = events::v1::CommitmentLine;
  Fields engaged(bytes);
  amount.kind = Kind::kEngaged;
  amount.envelope_id = engaged.Bytes(Engaged::kEnvelopeIdFieldNumber);
  bool read = true;
  engaged.ForEach(Engaged::kLinesFieldNumber, [&](std::string_view line_bytes) {
    Fields line(line_bytes);
    amount.product_id = line.Bytes(Line::kProductIdFieldNumber);
    amount.cents = line.Cents(Line::kAmountCentsFieldNumber);
    movement.amounts.push_back(amount);
    read = read && line.Finish();
  });
  const bool early = engaged.Number(Engaged::kEarlyFieldNumber) != 0;
  return read && !early && engaged.Finish();
}

bool ReadRequested(std::string_view bytes, MovedAmount amount, Movement& movement) {
  using Requested = events::v1::PaymentRequested;
  Fields requested(bytes);
  amount.kind = Kind::kRequested;
  amount.paying_envelope_id = requested.Bytes(Requested::kPayingEnvelopeIdFieldNumber);
  amount.cents = requested.Cents(Requested::kNetCentsFieldNumber);
  movement.amounts.push_back(amount);
  return requested.Finish();
}

bool ReadPaid(std::string_view bytes, MovedAmount amount, Movement& movement) {
  using Paid = events::v1::Paid;
  Fields paid(bytes);
  amount.kind = Kind::kPaid;
  amount.envelope_id = paid.Bytes(Paid::kLineEnvelopeIdFieldNumber);
  amount.origin_year = paid.Int(Paid::kOriginYearFieldNumber);
  amount.product_id = paid.Bytes(Paid::kProductIdFieldNumber);
  amount.paying_envelope_id = paid.Bytes(Paid::kPayingEnvelopeIdFieldNumber);
  amount.cents = paid.Cents(Paid::kNetCentsFieldNumber);
  amount.hold_year = paid.Int(Paid::kHoldYearFieldNumber);
  movement.amounts.push_back(amount);
  return paid.Finish();
}

}  // namespace

bool ReadMovement(std::string_view bytes, Movement& movement) {
  using Event = events::v1::Event;
  movement.amounts.clear();
  Fields event(bytes);
  movement.agreement_id = event.Bytes(Event::kAgreementIdFieldNumber);
  movement.fiscal_year = event.Int(Event::kFiscalYearFieldNumber);
  movement.effective_date = event.Int(Event::kEffectiveDateFieldNumber);
  const MovedAmount amount{.late = event.Has(Event::kLateEntryFieldNumber),
                           .fiscal_year = movement.fiscal_year};
  const int version = event.Int(Event::kVersionFieldNumber);
  if (version < 0 || version > kEventVersion) return false;
  // One fact, and nothing else.
  const std::size_t fact = event.next();
  if (fact == Fields::kEnd) return false;
  const std::string_view its_bytes = event.Bytes(fact);
  if (!event.AtEnd()) return false;
  switch (fact) {
    case Event::kEngagedFieldNumber:
      return ReadEngaged(its_bytes, amount, movement);
    case Event::kServiceCertifiedFieldNumber:
      return true;
    case Event::kPaymentRequestedFieldNumber:
      return ReadRequested(its_bytes, amount, movement);
    case Event::kPaidFieldNumber:
      return ReadPaid(its_bytes, amount, movement);
    default:
      return false;
  }
}

}  // namespace denier::projections
