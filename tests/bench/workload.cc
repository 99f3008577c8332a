#include "tests/bench/workload.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "projections/books.h"
#include "projections/event_version.h"
#include "services/rules/decide.h"
#include "services/rules/redecide.h"
#include "services/sequencer.h"
#include "store/batch.h"
#include "store/data_directory.h"
#include "store/log.h"

namespace denier::bench {
namespace {

using events::v1::Event;

constexpr std::int64_t kFirstRecordedUs = 1'609'459'200'000'000;  // 1 January 2021, UTC
constexpr std::uint64_t kRedecided = 20'000;
// Commitments that are under way at the same time.
constexpr std::size_t kOpen = 5'000;
// Certify, request, pay, three times.
constexpr int kStepsAfterEngage = 9;
constexpr std::array<const char*, 4> kProducts = {"snu", "jeveuxaider", "api", "commun"};

std::string Numbered(char kind, std::uint64_t number) {
  std::array<char, 24> text{};
  std::snprintf(text.data(), text.size(), "%c-%08llu", kind,
                static_cast<unsigned long long>(number));
  return text.data();
}

events::v1::Principal Actor(const char* id, const char* body, events::v1::Role role) {
  events::v1::Principal actor;
  actor.set_principal_id(id);
  actor.set_body_id(body);
  actor.add_roles(role);
  return actor;
}
const events::v1::Principal& Manager() {
  static const auto& actor =
      *new events::v1::Principal(Actor("pm-1", "DJEPVA", events::v1::ROLE_PROGRAMME_MANAGER));
  return actor;
}
const events::v1::Principal& Officer() {
  static const auto& actor =
      *new events::v1::Principal(Actor("ao-1", "DINUM", events::v1::ROLE_AUTHORISING_OFFICER));
  return actor;
}
const events::v1::Principal& Accountant() {
  static const auto& actor =
      *new events::v1::Principal(Actor("acc-1", "DCM", events::v1::ROLE_ACCOUNTANT));
  return actor;
}

std::string HashOf(const v1::Command& command) {
  return std::string(store::AsBytes(services::ContentHash(command)));
}

// The header that `command`'s request has.
template <class Request>
Request& Begin(Request& request, std::string request_id, int day) {
  request.mutable_header()->set_request_id(std::move(request_id));
  request.mutable_header()->set_agreement_id(std::string(kAgreement));
  request.mutable_header()->set_effective_date(day);
  return request;
}

v1::Command CreateAgreement() {
  v1::Command command;
  auto& request = Begin(*command.mutable_create_agreement(), "a-1", kFirstYear * 10000 + 101);
  request.mutable_delegating_body()->set_body_id("DJEPVA");
  request.mutable_delegating_body()->set_label("DJEPVA");
  request.mutable_managing_body()->set_body_id("DINUM");
  request.mutable_managing_body()->set_label("DINUM");
  request.set_programme("163");
  request.set_operational_budget("163-CDJE");
  request.set_operating_unit("163-CDJE-STET");
  request.set_signed_date(kFirstYear * 10000 + 101);
  request.set_published_date(kFirstYear * 10000 + 115);
  request.mutable_term()->set_act_id(std::string(kAgreement));
  request.mutable_term()->set_valid_from(kFirstYear * 10000 + 101);
  request.mutable_term()->set_valid_until((kFirstYear + kYears - 1) * 10000 + 1231);
  for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
    auto& ceiling = *request.add_ceilings();
    ceiling.set_fiscal_year(year);
    ceiling.set_ae_cents(kEnvelopes * kCreditsCents);
    ceiling.set_cp_cents(kEnvelopes * kCreditsCents);
    for (const char* id : kProducts) {
      auto& product = *request.add_products();
      product.set_product_id(id);
      product.set_label(id);
      product.set_fiscal_year(year);
      product.set_budget_cents(kEnvelopes * kCreditsCents / 4);
    }
  }
  return command;
}

v1::Command CreateEnvelope(int envelope) {
  v1::Command command;
  auto& request = Begin(*command.mutable_create_envelope(), absl::StrCat("e-", envelope),
                        kFirstYear * 10000 + 102);
  request.set_envelope_id(EnvelopeId(envelope));
  request.set_label(absl::StrCat("Enveloppe ", envelope));
  request.set_managing_body_id("DINUM");
  request.add_accountant_ids("acc-1");
  for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
    request.add_payable_origin_years(year);
  }
  return command;
}

v1::Command Allocate(int envelope, int year) {
  v1::Command command;
  auto& request = Begin(*command.mutable_allocate(), absl::StrCat("al-", envelope, "-", year),
                        year * 10000 + 103);
  request.set_envelope_id(EnvelopeId(envelope));
  request.set_ae_cents(kCreditsCents);
  request.set_cp_cents(kCreditsCents);
  request.set_source(events::v1::CREDIT_SOURCE_INITIAL);
  request.set_act_reference("LFI");
  return command;
}

// A commitment that is under way.
struct Commitment {
  std::uint64_t number = 0;
  int envelope = 0;
  int origin_year = 0;
  int product = 0;
  std::int64_t part_cents = 0;  // what is paid each time: a third of the line
  int steps = 0;                // done since it was engaged
  int hold_year = 0;            // of the payment request that waits
};

}  // namespace

std::string EnvelopeId(int envelope) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "env-%03d", envelope);
  return text.data();
}

std::vector<v1::Command> SetupCommands() {
  std::vector<v1::Command> commands = {CreateAgreement()};
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) {
    commands.push_back(CreateEnvelope(envelope));
  }
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) {
    for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
      commands.push_back(Allocate(envelope, year));
    }
  }
  return commands;
}

Cell& Cell::operator+=(const Cell& other) {
  engaged += other.engaged;
  held += other.held;
  paid += other.paid;
  outstanding += other.outstanding;
  return *this;
}

Cell Totals::OfYear(int year) const {
  Cell sum;
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) sum += At(envelope, year);
  return sum;
}

Totals& Totals::operator+=(const Totals& other) {
  for (std::size_t i = 0; i < cells_.size(); ++i) cells_[i] += other.cells_[i];
  return *this;
}

class HistoryEvents::Writer {
 public:
  Writer(std::uint64_t events, bool hashed) : events_(events), hashed_(hashed) {}

  const History& history() const { return history_; }

  // The next event; the object is the same each time.
  absl::StatusOr<const Event*> Next() {
    if (history_.events < kSetupEvents) {
      if (absl::Status decided = Setup(history_.events); !decided.ok()) return decided;
    } else {
      event_.Clear();
      event_.set_version(projections::kEventVersion);
      event_.set_agreement_id(std::string(kAgreement));
      event_.set_request_id(Numbered('r', history_.events));
      Act();
    }
    event_.set_recorded_time_us(kFirstRecordedUs +
                                static_cast<std::int64_t>(history_.events) * 9'000'000);
    if (hashed_) event_.set_request_sha256(HashOf(rules::CommandFrom(event_)));
    ++history_.events;
    return &event_;
  }

 private:
  // Event `number` of the first ones, as the rules make it.
  absl::Status Setup(std::uint64_t number) {
    const v1::Command& command = setup_[number];
    rules::Decision decision = rules::Decide(books_, Manager(), command, nullptr);
    if (const auto* refusal = std::get_if<rules::Refusal>(&decision)) {
      return absl::InternalError(absl::StrCat("the workload is refused: ", refusal->message));
    }
    event_ = std::get<Event>(std::move(decision));
    return books_.Fold(event_, number);
  }

  // Opens a commitment, or takes one a step further.
  void Act() {
    const int year =
        kFirstYear + static_cast<int>((history_.events - kSetupEvents) * kYears /
                                      std::max<std::uint64_t>(events_ - kSetupEvents, 1));
    Date(year);
    // Of the open ones any; and as many are opened as come to their end.
    if (open_.empty() || (open_.size() < kOpen && Any(1 + kStepsAfterEngage) == 0)) {
      Engage(year);
    } else {
      std::swap(open_[static_cast<std::size_t>(Any(static_cast<int>(open_.size())))], open_.back());
      Advance(open_.back(), year);
      if (open_.back().steps == kStepsAfterEngage) open_.pop_back();
    }
  }

  void Date(int year) {
    event_.set_fiscal_year(year);
    event_.set_effective_date(year * 10000 + (1 + Any(12)) * 100 + 1 + Any(28));
  }

  void Engage(int year) {
    Commitment commitment;
    commitment.number = history_.commitments++;
    commitment.envelope = Any(kEnvelopes);
    commitment.origin_year = year;
    commitment.product = Any(static_cast<int>(kProducts.size()));
    commitment.part_cents = 1 + Any(50'000);
    *event_.mutable_actor() = Officer();
    auto& fact = *event_.mutable_engaged();
    fact.set_commitment_id(Numbered('c', commitment.number));
    fact.set_envelope_id(EnvelopeId(commitment.envelope));
    fact.set_opens_commitment(true);
    fact.mutable_references()->set_payee(Numbered('b', commitment.number % 1000));
    auto& line = *fact.add_lines();
    line.set_line_id("1");
    line.set_product_id(kProducts[static_cast<std::size_t>(commitment.product)]);
    line.set_amount_cents(3 * commitment.part_cents);
    Cell& cell = history_.totals.At(commitment.envelope, year);
    cell.engaged += line.amount_cents();
    cell.outstanding += line.amount_cents();
    open_.push_back(commitment);
  }

  void Advance(Commitment& commitment, int year) {
    const std::string id = Numbered('c', commitment.number);
    const std::string request =
        absl::StrCat(Numbered('p', commitment.number), "-", commitment.steps / 3);
    switch (commitment.steps++ % 3) {
      case 0: {
        *event_.mutable_actor() = Officer();
        auto& fact = *event_.mutable_service_certified();
        fact.set_commitment_id(id);
        fact.set_line_id("1");
        fact.set_amount_cents(commitment.part_cents);
        fact.set_certificate_reference("pv-1");
        break;
      }
      case 1: {
        *event_.mutable_actor() = Officer();
        auto& fact = *event_.mutable_payment_requested();
        fact.set_payment_request_id(request);
        fact.set_type(events::v1::PAYMENT_TYPE_SERVICE);
        fact.set_commitment_id(id);
        fact.set_line_id("1");
        fact.set_paying_envelope_id(EnvelopeId(commitment.envelope));
        fact.set_gross_cents(commitment.part_cents);
        fact.set_net_cents(commitment.part_cents);
        fact.mutable_references()->set_invoice(request);
        history_.totals.At(commitment.envelope, year).held += commitment.part_cents;
        commitment.hold_year = year;
        break;
      }
      case 2: {
        // In the year whose CP are held, though it may be recorded in the next.
        year = commitment.hold_year;
        Date(year);
        *event_.mutable_actor() = Accountant();
        auto& fact = *event_.mutable_paid();
        fact.set_payment_request_id(request);
        fact.set_commitment_id(id);
        fact.set_line_id("1");
        fact.set_line_envelope_id(EnvelopeId(commitment.envelope));
        fact.set_origin_year(commitment.origin_year);
        fact.set_product_id(kProducts[static_cast<std::size_t>(commitment.product)]);
        fact.set_paying_envelope_id(EnvelopeId(commitment.envelope));
        fact.set_type(events::v1::PAYMENT_TYPE_SERVICE);
        fact.set_gross_cents(commitment.part_cents);
        fact.set_net_cents(commitment.part_cents);
        fact.set_hold_year(year);
        fact.set_payment_reference("vir-1");
        Cell& cell = history_.totals.At(commitment.envelope, year);
        cell.held -= commitment.part_cents;
        cell.paid += commitment.part_cents;
        cell.outstanding -= commitment.part_cents;
        break;
      }
    }
  }

  // From 0 to `below` - 1.
  int Any(int below) { return static_cast<int>(random_() % static_cast<std::uint64_t>(below)); }

  const std::uint64_t events_;
  const bool hashed_;
  History history_;
  const std::vector<v1::Command> setup_ = SetupCommands();
  projections::Books books_;  // for the first events
  std::vector<Commitment> open_;
  std::mt19937_64 random_{20'210'120};
  Event event_;
};

HistoryEvents::HistoryEvents(std::uint64_t events, bool hashed)
    : writer_(std::make_unique<Writer>(events, hashed)) {}
HistoryEvents::~HistoryEvents() = default;
absl::StatusOr<const Event*> HistoryEvents::Next() { return writer_->Next(); }
const History& HistoryEvents::history() const { return writer_->history(); }

absl::StatusOr<History> WriteHistory(const std::string& folder, std::uint64_t count,
                                     const std::function<void(std::uint64_t)>& progress) {
  const auto directory = store::DataDirectory::Open(folder, /*initialize=*/true);
  if (!directory.ok()) return directory.status();
  auto log = store::Log::Open(folder, {.initialize = true, .sync = false});
  if (!log.ok()) return log.status();

  HistoryEvents events(count);
  History written;
  projections::Books books;
  store::Batch batch;
  std::mt19937_64 random(7);
  std::string bytes;
  std::uint64_t event_bytes = 0;
  while (events.history().events < count) {
    // Small batches in the odd half-million, large ones in the even: half of the events each.
    const std::uint64_t stretch =
        std::min<std::uint64_t>(500'000, std::max<std::uint64_t>(count / 20, 1'000));
    const bool small = events.history().events / stretch % 2 == 1;
    const std::uint64_t size =
        std::min(small ? 1 + random() % 32 : 1000, count - events.history().events);
    batch.Clear();
    for (std::uint64_t i = 0; i < size; ++i) {
      const std::uint64_t position = events.history().events;
      const absl::StatusOr<const Event*> event = events.Next();
      if (!event.ok()) return event.status();
      if (position < kRedecided) {
        const auto wrong =
            rules::Redecide(books, static_cast<std::int64_t>(position), **event, nullptr, HashOf);
        if (wrong.has_value()) return absl::InternalError(rules::Describe(*wrong));
        if (absl::Status folded = books.Fold(**event, position); !folded.ok()) return folded;
      }
      (*event)->SerializeToString(&bytes);
      event_bytes += bytes.size();
      batch.Add(bytes);
    }
    const auto appended = (*log)->Append(batch, (*log)->head().next);
    if (!appended.ok()) return appended.status();
    progress(events.history().events);
  }
  written = events.history();
  written.event_bytes = event_bytes;
  return written;
}

// ----------------------------------------------------------------------------------- Commands

namespace {

// Where the number of a command stands in its serialized form, to be overwritten.
constexpr std::string_view kNumberMark = "#########";
constexpr std::size_t kPlacesACommand = 2;  // request id, commitment id

std::vector<std::size_t> PlacesOf(std::string_view mark, const std::string& bytes) {
  std::vector<std::size_t> places;
  for (std::size_t at = bytes.find(mark); at != std::string::npos;
       at = bytes.find(mark, at + mark.size())) {
    places.push_back(at);
  }
  return places;
}

void WriteDigits(char* to, std::uint64_t number) {
  for (std::size_t i = kNumberMark.size(); i > 0; --i) {
    to[i - 1] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

}  // namespace

EngageCommands::EngageCommands(std::string_view name, bool hot) : name_(name) {
  v1::ExecuteCommandsRequest message;
  for (int i = 0; i < kCycle; ++i) {
    Amount& amount = amounts_[static_cast<std::size_t>(i)];
    amount.envelope = hot ? 0 : i % kEnvelopes;
    amount.year = kFirstYear + i / kEnvelopes % kYears;
    amount.cents = 100 + i * 37 % 900;

    v1::EngageRequest& request = *message.add_commands()->mutable_engage();
    const std::string id = absl::StrCat(std::string(name), "-", std::string(kNumberMark));
    Begin(request, id, amount.year * 10000 + 601);
    request.set_commitment_id(id);
    request.set_envelope_id(EnvelopeId(amount.envelope));
    request.mutable_references()->set_payee("payee-1");
    auto& line = *request.add_lines();
    line.set_line_id("1");
    line.set_product_id(kProducts[static_cast<std::size_t>(i) % kProducts.size()]);
    line.set_amount_cents(amount.cents);

    Pattern unary{request.SerializeAsString(), {}};
    unary.digits = PlacesOf(kNumberMark, unary.bytes);
    unary_.push_back(std::move(unary));
  }
  message_.bytes = message.SerializeAsString();
  message_.digits = PlacesOf(kNumberMark, message_.bytes);
}

grpc::ByteBuffer EngageCommands::Fill(const Pattern& pattern, std::uint64_t first,
                                      std::size_t places_a_command) {
  grpc::Slice slice(pattern.bytes.size());
  auto* bytes = const_cast<std::uint8_t*>(slice.begin());  // ours alone so far
  std::ranges::copy(pattern.bytes, bytes);
  for (std::size_t i = 0; i < pattern.digits.size(); ++i) {
    WriteDigits(reinterpret_cast<char*>(bytes + pattern.digits[i]), first + i / places_a_command);
  }
  return {&slice, 1};
}

grpc::ByteBuffer EngageCommands::Unary(std::uint64_t number) const {
  return Fill(unary_[number % kCycle], number, kPlacesACommand);
}

grpc::ByteBuffer EngageCommands::Message(std::uint64_t first) const {
  return Fill(message_, first, kPlacesACommand);
}

Engagement EngageCommands::At(std::uint64_t number) const {
  const Amount& amount = amounts_[number % kCycle];
  std::string digits(kNumberMark);
  WriteDigits(digits.data(), number);
  const std::string id = absl::StrCat(name_, "-", digits);
  return {.envelope = amount.envelope,
          .year = amount.year,
          .cents = amount.cents,
          .request_id = id,
          .commitment_id = id};
}

Totals EngageCommands::Engaged(std::uint64_t count) const {
  Totals totals;
  for (std::size_t i = 0; i < amounts_.size(); ++i) {
    const std::uint64_t times = count / kCycle + (i < count % kCycle ? 1 : 0);
    const std::int64_t cents = amounts_[i].cents * static_cast<std::int64_t>(times);
    Cell& cell = totals.At(amounts_[i].envelope, amounts_[i].year);
    cell.engaged += cents;
    cell.outstanding += cents;
  }
  return totals;
}

}  // namespace denier::bench
