#include "projections/movement.h"

#include <cstddef>
#include <cstdint>

#include "denier/events/v1/event.pb.h"
#include "projections/event_version.h"

namespace denier::projections {
namespace {

using Fields = events::v1::Event;

// Reads the fields of a message in the order of their numbers, as the generated code writes them.
// Anything else ends it: ok() is false then, and the values read so far mean nothing.
class FieldReader {
 public:
  explicit FieldReader(std::string_view bytes)
      : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // The next field, which Skip, Number or Bytes must then take. False: none is left.
  bool Next() {
    if (at_ == end_ || !ok_) return false;
    const std::uint64_t tag = Varint();
    const auto number = static_cast<int>(tag >> 3);
    ok_ = ok_ && tag < kMostTag && number >= number_ && number > 0;
    repeats_ = number == number_;
    number_ = number;
    type_ = static_cast<int>(tag & 7);
    return ok_;
  }

  bool ok() const { return ok_; }
  int number() const { return number_; }
  // True when the field before had the same number: only a list's has.
  bool repeats() const { return repeats_; }

  std::int64_t Number() {
    ok_ = ok_ && type_ == kVarint && !repeats_;
    return ok_ ? static_cast<std::int64_t>(Varint()) : 0;
  }
  int Int() { return static_cast<int>(Number()); }
  // No amount that the rules let pass comes near 64 bits (rules/form.cc).
  std::int64_t Cents() {
    constexpr std::int64_t kMost = std::int64_t{1} << 62;
    const std::int64_t cents = Number();
    ok_ = ok_ && cents < kMost && cents > -kMost;
    return ok_ ? cents : 0;
  }
  std::string_view Bytes() {
    ok_ = ok_ && !repeats_;
    return Element();
  }
  // Of a list.
  std::string_view Element() {
    ok_ = ok_ && type_ == kLengthDelimited;
    const std::uint64_t size = ok_ ? Varint() : 0;
    if (!ok_ || size > static_cast<std::uint64_t>(end_ - at_)) {
      ok_ = false;
      return {};
    }
    const std::string_view bytes(at_, size);
    at_ += size;
    return bytes;
  }
  void Skip() {
    if (type_ == kVarint) {
      Varint();
    } else {
      Element();
    }
  }
  void Refuse() { ok_ = false; }

 private:
  static constexpr int kVarint = 0;
  static constexpr int kLengthDelimited = 2;
  static constexpr std::uint64_t kMostTag = std::uint64_t{1} << 32;

  std::uint64_t Varint() {
    // One byte is what nearly all are.
    if (at_ != end_ && static_cast<unsigned char>(*at_) < 0x80) {
      return static_cast<unsigned char>(*at_++);
    }
    return LongVarint();
  }
  std::uint64_t LongVarint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*at_++);
      value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }

  const char* at_;
  const char* end_;
  int number_ = 0;
  int type_ = 0;
  bool repeats_ = false;
  bool ok_ = true;
};

bool ReadLine(std::string_view bytes, EngagedLine& line) {
  using Line = events::v1::CommitmentLine;
  FieldReader fields(bytes);
  while (fields.Next()) {
    switch (fields.number()) {
      case Line::kProductIdFieldNumber:
        line.product_id = fields.Bytes();
        break;
      case Line::kAmountCentsFieldNumber:
        line.amount_cents = fields.Cents();
        break;
      default:
        fields.Skip();
    }
  }
  return fields.ok();
}

bool ReadEngaged(std::string_view bytes, const EntryHead& head, PostingList& postings) {
  using Engaged = events::v1::Engaged;
  EngagedLine line;
  FieldReader fields(bytes);
  while (fields.Next()) {
    switch (fields.number()) {
      case Engaged::kEnvelopeIdFieldNumber:
        line.envelope_id = fields.Bytes();
        break;
      case Engaged::kLinesFieldNumber:
        line.product_id = {};
        line.amount_cents = 0;
        if (!ReadLine(fields.Element(), line)) fields.Refuse();
        Post(head, line, postings);
        break;
      case Engaged::kEarlyFieldNumber:  // written when it is set alone
        fields.Refuse();
        break;
      default:
        fields.Skip();
    }
  }
  return fields.ok();
}

bool ReadRequested(std::string_view bytes, const EntryHead& head, PostingList& postings) {
  using Requested = events::v1::PaymentRequested;
  PaymentHold hold;
  FieldReader fields(bytes);
  while (fields.Next()) {
    switch (fields.number()) {
      case Requested::kPayingEnvelopeIdFieldNumber:
        hold.paying_envelope_id = fields.Bytes();
        break;
      case Requested::kNetCentsFieldNumber:
        hold.net_cents = fields.Cents();
        break;
      default:
        fields.Skip();
    }
  }
  Post(head, hold, postings);
  return fields.ok();
}

bool ReadPaid(std::string_view bytes, const EntryHead& head, PostingList& postings) {
  using Paid = events::v1::Paid;
  Payment payment;
  FieldReader fields(bytes);
  while (fields.Next()) {
    switch (fields.number()) {
      case Paid::kLineEnvelopeIdFieldNumber:
        payment.line_envelope_id = fields.Bytes();
        break;
      case Paid::kOriginYearFieldNumber:
        payment.origin_year = fields.Int();
        break;
      case Paid::kProductIdFieldNumber:
        payment.product_id = fields.Bytes();
        break;
      case Paid::kPayingEnvelopeIdFieldNumber:
        payment.paying_envelope_id = fields.Bytes();
        break;
      case Paid::kNetCentsFieldNumber:
        payment.net_cents = fields.Cents();
        break;
      case Paid::kHoldYearFieldNumber:
        payment.hold_year = fields.Int();
        break;
      default:
        fields.Skip();
    }
  }
  Post(head, payment, postings);
  return fields.ok();
}

}  // namespace

bool ReadMovement(std::string_view bytes, Movement& movement) {
  movement.agreement_id = {};
  movement.fiscal_year = 0;
  movement.effective_date = 0;
  movement.postings.clear();
  EntryHead head;
  bool known = false;
  FieldReader fields(bytes);
  while (fields.Next()) {
    switch (fields.number()) {
      case Fields::kAgreementIdFieldNumber:
        movement.agreement_id = fields.Bytes();
        break;
      case Fields::kFiscalYearFieldNumber:
        movement.fiscal_year = head.fiscal_year = fields.Int();
        break;
      case Fields::kEffectiveDateFieldNumber:
        movement.effective_date = fields.Int();
        break;
      case Fields::kLateEntryFieldNumber:
        fields.Bytes();
        head.late = true;
        break;
      case Fields::kVersionFieldNumber:
        if (const int version = fields.Int(); version < 0 || version > kEventVersion) return false;
        break;
      case Fields::kEngagedFieldNumber:
        known = !known && ReadEngaged(fields.Bytes(), head, movement.postings);
        break;
      case Fields::kServiceCertifiedFieldNumber:
        fields.Bytes();
        known = !known;
        break;
      case Fields::kPaymentRequestedFieldNumber:
        known = !known && ReadRequested(fields.Bytes(), head, movement.postings);
        break;
      case Fields::kPaidFieldNumber:
        known = !known && ReadPaid(fields.Bytes(), head, movement.postings);
        break;
      case Fields::kRecordedTimeUsFieldNumber:
      case Fields::kActorFieldNumber:
      case Fields::kRequestIdFieldNumber:
      case Fields::kRequestSha256FieldNumber:
      case Fields::kWarningsFieldNumber:
        fields.Skip();
        break;
      default:  // another fact, which may be any
        return false;
    }
  }
  return known && fields.ok();
}

}  // namespace denier::projections
