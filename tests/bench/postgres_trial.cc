#include "tests/bench/postgres_trial.h"

#include <atomic>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "denier/events/v1/event.pb.h"

namespace denier::bench {
namespace {

using events::v1::Event;

std::vector<std::string> EnvelopeIds() {
  std::vector<std::string> ids;
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) ids.push_back(EnvelopeId(envelope));
  return ids;
}

// The first ones of a history: the agreement, and its envelopes.
constexpr std::uint64_t kEventsWithoutEnvelope = 1 + kEnvelopes;

// `event` as the other store keeps it. Its amounts are what it adds to what is available.
// `envelopes` grows with the commitments: that they are numbered as they are opened is relied on.
void Translate(const Event& event, StoredFact& fact, std::vector<std::string>& envelopes) {
  fact = {.kind = static_cast<int>(event.fact_case()),
          .year = event.fiscal_year(),
          .request_id = event.request_id(),
          .principal_id = event.actor().principal_id(),
          .body_id = event.actor().body_id(),
          .effective_date = event.effective_date(),
          .recorded_time_us = event.recorded_time_us()};
  if (event.has_credits_allocated()) {
    const auto& allocated = event.credits_allocated();
    fact.envelope_id = allocated.envelope_id();
    fact.ae_cents = allocated.ae_cents();
    fact.cp_cents = allocated.cp_cents();
  } else if (event.has_engaged()) {
    const auto& engaged = event.engaged();
    fact.envelope_id = engaged.envelope_id();
    envelopes.push_back(engaged.envelope_id());
    fact.commitment_id = engaged.commitment_id();
    fact.line_id = engaged.lines(0).line_id();
    fact.product_id = engaged.lines(0).product_id();
    fact.ae_cents = -engaged.lines(0).amount_cents();
  } else if (event.has_service_certified()) {
    const std::string& commitment = event.service_certified().commitment_id();  // "c-00000007"
    fact.envelope_id = envelopes[std::stoull(commitment.substr(2))];
    fact.commitment_id = event.service_certified().commitment_id();
    fact.line_id = event.service_certified().line_id();
  } else if (event.has_payment_requested()) {
    const auto& requested = event.payment_requested();
    fact.envelope_id = requested.paying_envelope_id();
    fact.commitment_id = requested.commitment_id();
    fact.line_id = requested.line_id();
    fact.cp_cents = -requested.net_cents();
  } else if (event.has_paid()) {
    // What it takes was held already.
    fact.envelope_id = event.paid().paying_envelope_id();
    fact.commitment_id = event.paid().commitment_id();
    fact.line_id = event.paid().line_id();
    fact.product_id = event.paid().product_id();
  }
}

}  // namespace

absl::Status CompareBalances(const Balances& balances, const Totals& totals) {
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) {
    for (int year = kFirstYear; year < kFirstYear + kYears; ++year) {
      const Cell& cell = totals.At(envelope, year);
      const Available wanted{kCreditsCents - cell.engaged, kCreditsCents - cell.held - cell.paid};
      const auto found = balances.find({EnvelopeId(envelope), year});
      if (found == balances.end() || found->second != wanted) {
        return absl::InternalError(absl::StrCat("PostgreSQL's balances of ", EnvelopeId(envelope),
                                                " in ", year, " are not those of the books"));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<PostgresTrial>> PostgresTrial::Start(Session& session) {
  absl::StatusOr<std::unique_ptr<Postgres>> postgres = Postgres::Start(session.options().folder);
  if (!postgres.ok()) return postgres.status();
  const absl::Status opened =
      (*postgres)->Open(EnvelopeIds(), kFirstYear, kYears, kCreditsCents, kCreditsCents);
  if (!opened.ok()) return opened;
  return std::unique_ptr<PostgresTrial>(new PostgresTrial(session, *std::move(postgres)));
}

absl::StatusOr<Load> PostgresTrial::Engage(Seconds time, bool hot) {
  return RunBest(hot ? Kind::kHot : Kind::kUnary, time);
}

absl::StatusOr<Load> PostgresTrial::EngageStreamed(Seconds time) {
  return RunBest(Kind::kStream, time);
}

absl::StatusOr<Load> PostgresTrial::RunBest(Kind kind, Seconds time) {
  int& best = best_[static_cast<std::size_t>(kind)];
  if (best == 0) {
    constexpr std::array kConnections = {1, 4, 16, 64};
    constexpr std::array kClients = {1, 2, 3, 4};
    double most = 0;
    for (const int connections : kind == Kind::kStream ? kClients : kConnections) {
      const absl::StatusOr<Load> load = Run(kind, time, connections);
      if (!load.ok()) return load;
      Session::Say(absl::StrCat("  PostgreSQL with ", connections,
                                " connections: ", static_cast<std::int64_t>(load->rate()), "/s"));
      if (load->rate() <= most) continue;
      most = load->rate();
      best = connections;
    }
  }
  return Run(kind, time, best);
}

absl::StatusOr<Load> PostgresTrial::Run(Kind kind, Seconds time, int connections) {
  const EngageCommands commands(session_.FreshLoadName(), kind == Kind::kHot);
  // Clients take commands at their own pace; what they have taken they send, and is accepted.
  std::vector<std::atomic<std::int64_t>> taken(std::size_t{kEnvelopes} * kYears);
  const EngagementSource source = [&](std::uint64_t number) {
    Engagement command = commands.At(number);
    taken[static_cast<std::size_t>(command.envelope * kYears + command.year - kFirstYear)] +=
        command.cents;
    return command;
  };
  constexpr std::uint64_t kAll = 900'000'000;
  const absl::Duration at_most = absl::Seconds(time.count());
  const absl::StatusOr<Rate> rate =
      kind == Kind::kStream ? postgres_->EngageStream(source, 0, kAll, at_most, connections)
                            : postgres_->EngageEach(source, 0, kAll, at_most, connections);
  if (!rate.ok()) return rate.status();
  if (rate->refused != 0) return absl::InternalError("PostgreSQL refuses the workload");
  for (int envelope = 0; envelope < kEnvelopes; ++envelope) {
    for (int year = 0; year < kYears; ++year) {
      engaged_.At(envelope, kFirstYear + year).engaged +=
          taken[static_cast<std::size_t>(envelope) * kYears + static_cast<std::size_t>(year)];
    }
  }
  events_ += rate->accepted;
  Load load;
  load.commands = rate->accepted;
  load.seconds = rate->seconds;
  return load;
}

absl::Status PostgresTrial::Check() {
  const absl::StatusOr<std::uint64_t> events = postgres_->CountEvents();
  if (!events.ok()) return events.status();
  if (*events != events_) {
    return absl::InternalError(
        absl::StrCat("PostgreSQL has ", *events, " events; ", events_, " were sent"));
  }
  const absl::StatusOr<Balances> balances = postgres_->ReadBalances();
  if (!balances.ok()) return balances.status();
  return CompareBalances(*balances, engaged_);
}

absl::StatusOr<std::unique_ptr<Postgres>> LoadHistory(Session& session, std::uint64_t events) {
  absl::StatusOr<std::unique_ptr<Postgres>> postgres = Postgres::Start(session.options().folder);
  if (!postgres.ok()) return postgres.status();
  HistoryEvents history(events, /*hashed=*/false);
  absl::Status failure;
  const auto next = [&]() -> const Event& {
    const absl::StatusOr<const Event*> event = history.Next();
    if (event.ok()) return **event;
    failure = event.status();
    return Event::default_instance();
  };
  for (std::uint64_t i = 0; i < kEventsWithoutEnvelope; ++i) next();
  std::vector<std::string> envelopes;  // of the commitments
  const absl::Status loaded = (*postgres)->Load(
      events - kEventsWithoutEnvelope, [&](std::uint64_t number, StoredFact& fact) {
        if (number > 0 && number % 1'000'000 == 0) {
          Session::Say(absl::StrCat("  ", number, " events loaded into PostgreSQL"));
        }
        Translate(next(), fact, envelopes);
      });
  if (!failure.ok()) return failure;
  if (!loaded.ok()) return loaded;
  const absl::StatusOr<Balances> balances = (*postgres)->ReadBalances();
  if (!balances.ok()) return balances.status();
  if (absl::Status wrong = CompareBalances(*balances, history.history().totals); !wrong.ok()) {
    return wrong;
  }
  return postgres;
}

}  // namespace denier::bench
