#include "services/query_service.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "projections/calendar.h"
#include "projections/explain.h"
#include "projections/reports.h"
#include "projections/row_keys.h"
#include "services/execution_report_query.h"
#include "services/page_token.h"
#include "services/visibility.h"

namespace denier::services {
namespace {

using events::v1::Principal;
using projections::Depth;
using projections::Moment;
using rules::Refusal;
using store::Views;

constexpr std::size_t kRowsPerScan = 500;
// A page, or a list in a report, ends before it is too large for the caller's default limit of 4
// MiB.
constexpr std::size_t kMostListBytes = std::size_t{3} << 20;
// A page whose filters fit little is short rather than slow.
constexpr std::size_t kMostRowsLookedAt = 20'000;
constexpr int kMostInEnvelopeReport = 10'000;

// Which rows an answer needs: most are made from totals.
Depth DepthOf(const google::protobuf::Message& /*request*/) { return Depth::kTotals; }
Depth DepthOf(const v1::GetYearlyExecutionRequest& /*request*/) { return Depth::kYears; }
Depth DepthOf(const v1::GetCommitmentRequest& /*request*/) { return Depth::kRegisters; }
Depth DepthOf(const v1::ListCommitmentsRequest& /*request*/) { return Depth::kRegisters; }
Depth DepthOf(const v1::GetPaymentRequest& /*request*/) { return Depth::kRegisters; }
Depth DepthOf(const v1::ListPaymentsRequest& /*request*/) { return Depth::kRegisters; }
Depth DepthOf(const v1::GetManagedEnvelopeRequest& /*request*/) { return Depth::kRegisters; }
bool IsOfRegister(const v1::FigureName& name) {
  return name.report() == v1::REPORT_COMMITMENT || name.report() == v1::REPORT_PAYMENT;
}
Depth DepthOf(const v1::ExplainFigureRequest& request) {
  return IsOfRegister(request.name()) ? Depth::kRegisters : Depth::kTotals;
}

// What an answer is made from.
struct Query {
  const Principal& principal;
  const projections::QueryRows& rows;
  const store::Log& log;
  const Moment& moment;
  const grpc::CallbackServerContext& context;

  bool cancelled() const { return context.IsCancelled(); }
};

using Answered = std::optional<Refusal>;  // nothing: the response is filled in

Refusal Unknown(v1::ErrorReason reason, std::string_view name, const std::string& id) {
  return rules::Refuse(reason, "there is none of this identifier").With(name, id);
}

Refusal MissingAgreement() { return rules::InvalidField("header.agreement_id", "is required"); }
Refusal UnknownAgreement(const std::string& id) {
  return Unknown(v1::ERROR_REASON_UNKNOWN_AGREEMENT, "agreement_id", id);
}

template <class Row>
std::variant<Row, Refusal> Find(const Query& query, const std::string& key, Refusal unknown) {
  const absl::StatusOr<std::optional<std::string>> bytes = query.rows.Get(key);
  if (!bytes.ok()) return Unreadable(bytes.status());
  if (!bytes->has_value()) return unknown;
  Row row;
  if (!row.ParseFromString(**bytes)) return Undecodable(key);
  return row;
}

// An agreement, and what of it the caller may read.
struct Known {
  v1::Agreement agreement;
  Sight sight;
};

std::variant<Known, Refusal> FindAgreement(const Query& query, const v1::QueryHeader& header) {
  const std::string& id = header.agreement_id();
  if (id.empty()) return MissingAgreement();
  auto found = Find<v1::Agreement>(query, projections::AgreementKey(id), UnknownAgreement(id));
  if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
  auto& agreement = std::get<v1::Agreement>(found);
  auto sight = Sight::Of(query.principal, agreement, query.rows);
  if (auto* refusal = std::get_if<Refusal>(&sight)) return std::move(*refusal);
  return Known{std::move(agreement), std::get<Sight>(std::move(sight))};
}

// The rows that the reports of an agreement are made from, without what the caller may not see.
std::variant<projections::AgreementRows, Refusal> FindRows(const Query& query,
                                                           const v1::QueryHeader& header) {
  auto known = FindAgreement(query, header);
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  auto rows = projections::ReadAgreement(query.rows, header.agreement_id());
  if (!rows.ok()) return Unreadable(rows.status());
  std::get<Known>(known).sight.Narrow(*rows);
  return *std::move(rows);
}

// An envelope that the caller may see, and its balances.
std::variant<projections::EnvelopeRows, Refusal> FindEnvelope(const Query& query,
                                                              const Known& known,
                                                              const std::string& envelope_id) {
  if (envelope_id.empty()) return rules::InvalidField("envelope_id", "is required");
  auto envelope =
      projections::ReadEnvelope(query.rows, known.agreement.agreement_id(), envelope_id);
  if (absl::IsNotFound(envelope.status())) {
    return Unknown(v1::ERROR_REASON_UNKNOWN_ENVELOPE, "envelope_id", envelope_id);
  }
  if (!envelope.ok()) return Unreadable(envelope.status());
  if (!known.sight.SeesEnvelope(envelope_id)) {
    return NotYours(envelope->envelope.managing_body_id());
  }
  return *std::move(envelope);
}

// A filter must not make others' figures look like nothing.
std::optional<Refusal> RefuseBody(const Query& query, const Known& known,
                                  const std::string& body_id) {
  if (body_id.empty() || known.sight.everything() || body_id == query.principal.body_id()) {
    return std::nullopt;
  }
  return NotYours(body_id);
}
std::optional<Refusal> RefuseEnvelope(const Query& query, const Known& known,
                                      const std::string& envelope_id) {
  if (envelope_id.empty() || known.sight.SeesEnvelope(envelope_id)) return std::nullopt;
  auto found = FindEnvelope(query, known, envelope_id);
  return std::get<Refusal>(std::move(found));
}

// Adds rows below `prefix` that `keep` keeps, a page of them.
template <class Row, class Request>
Answered FillPage(const Query& query, const Request& request, const std::string& prefix,
                  absl::FunctionRef<bool(const Row&)> keep,
                  google::protobuf::RepeatedPtrField<Row>& page, std::string& next_page_token) {
  Request filters = request;
  filters.clear_page();
  filters.mutable_header()->clear_min_position();
  const std::string& rpc = Request::descriptor()->full_name();
  auto read = ReadPage(rpc, filters, request.page());
  if (auto* refusal = std::get_if<Refusal>(&read)) return std::move(*refusal);
  auto& start = std::get<PageStart>(read);

  std::string after = std::move(start.after);
  std::size_t looked_at = 0, bytes = 0;
  while (true) {
    if (query.cancelled()) return std::nullopt;
    const absl::StatusOr<std::vector<projections::QueryRows::Row>> rows =
        query.rows.Scan(prefix, after, kRowsPerScan);
    if (!rows.ok()) return Unreadable(rows.status());
    for (const projections::QueryRows::Row& stored : *rows) {
      const bool full = static_cast<std::size_t>(page.size()) == start.size ||
                        bytes >= kMostListBytes || looked_at == kMostRowsLookedAt;
      if (full) {
        next_page_token = PageToken(rpc, filters, after);
        return std::nullopt;
      }
      Row row;
      if (!row.ParseFromString(stored.value)) return Undecodable(stored.key);
      if (keep(row)) {
        bytes += stored.value.size();
        *page.Add() = std::move(row);
      }
      ++looked_at;
      after = stored.key;
    }
    if (rows->size() < kRowsPerScan) return std::nullopt;
  }
}

// Adds all rows below `prefix` that `keep` keeps, as far as they fit. False: some did not.
template <class Row>
std::variant<bool, Refusal> FillAll(const Query& query, const std::string& prefix,
                                    absl::FunctionRef<bool(const Row&)> keep,
                                    std::size_t most_bytes,
                                    google::protobuf::RepeatedPtrField<Row>& list) {
  std::string after;
  std::size_t bytes = 0;
  while (!query.cancelled()) {
    const absl::StatusOr<std::vector<projections::QueryRows::Row>> rows =
        query.rows.Scan(prefix, after, kRowsPerScan);
    if (!rows.ok()) return Unreadable(rows.status());
    for (const projections::QueryRows::Row& stored : *rows) {
      Row row;
      if (!row.ParseFromString(stored.value)) return Undecodable(stored.key);
      if (!keep(row)) continue;
      bytes += stored.value.size();
      if (list.size() == kMostInEnvelopeReport || bytes > most_bytes) return false;
      *list.Add() = std::move(row);
    }
    if (rows->size() < kRowsPerScan) return true;
    after = rows->back().key;
  }
  return true;
}

Answered Answer(const Query& query, const v1::GetAgreementRequest& request,
                v1::GetAgreementResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  auto& [agreement, sight] = std::get<Known>(known);
  sight.Narrow(agreement);
  *response.mutable_agreement() = std::move(agreement);
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::ListAgreementsRequest& request,
                v1::ListAgreementsResponse& response) {
  const Answered filled = FillPage<v1::Agreement>(
      query, request, projections::AgreementPrefix(),
      [&](const v1::Agreement& agreement) {
        const std::string& body = query.principal.body_id();
        return ReadsAllAgreements(query.principal) ||
               body == agreement.delegating_body().body_id() ||
               body == agreement.managing_body().body_id();
      },
      *response.mutable_agreements(), *response.mutable_next_page_token());
  if (filled.has_value()) return filled;
  for (v1::Agreement& agreement : *response.mutable_agreements()) {
    auto sight = Sight::Of(query.principal, agreement, query.rows);
    if (auto* refusal = std::get_if<Refusal>(&sight)) return std::move(*refusal);
    std::get<Sight>(sight).Narrow(agreement);
  }
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::GetEnvelopeRequest& request,
                v1::GetEnvelopeResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  auto envelope = FindEnvelope(query, std::get<Known>(known), request.envelope_id());
  if (auto* refusal = std::get_if<Refusal>(&envelope)) return std::move(*refusal);
  auto& rows = std::get<projections::EnvelopeRows>(envelope);
  auto years = projections::EnvelopeExecution(std::get<Known>(known).agreement, rows);
  if (!years.ok()) return Unreadable(years.status());
  *response.mutable_envelope() = std::move(rows.envelope);
  response.mutable_years()->Add(years->begin(), years->end());
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::ListEnvelopesRequest& request,
                v1::ListEnvelopesResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const Sight& sight = std::get<Known>(known).sight;
  const std::string& body = request.managing_body_id();
  if (auto refusal = RefuseBody(query, std::get<Known>(known), body)) return refusal;
  return FillPage<v1::Envelope>(
      query, request, projections::EnvelopePrefix(request.header().agreement_id()),
      [&](const v1::Envelope& envelope) {
        return sight.SeesEnvelope(envelope.envelope_id()) &&
               (body.empty() || envelope.managing_body_id() == body);
      },
      *response.mutable_envelopes(), *response.mutable_next_page_token());
}

Answered Answer(const Query& query, const v1::GetCommitmentRequest& request,
                v1::GetCommitmentResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const std::string& id = request.commitment_id();
  if (id.empty()) return rules::InvalidField("commitment_id", "is required");
  auto commitment =
      Find<v1::Commitment>(query, projections::CommitmentKey(request.header().agreement_id(), id),
                           Unknown(v1::ERROR_REASON_UNKNOWN_COMMITMENT, "commitment_id", id));
  if (auto* refusal = std::get_if<Refusal>(&commitment)) return std::move(*refusal);
  auto& row = std::get<v1::Commitment>(commitment);
  if (!std::get<Known>(known).sight.Sees(row)) return NotYours({});
  *response.mutable_commitment() = std::move(row);
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::ListCommitmentsRequest& request,
                v1::ListCommitmentsResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const Sight& sight = std::get<Known>(known).sight;
  if (auto refusal = RefuseEnvelope(query, std::get<Known>(known), request.envelope_id())) {
    return refusal;
  }
  return FillPage<v1::Commitment>(
      query, request, projections::CommitmentPrefix(request.header().agreement_id()),
      [&](const v1::Commitment& commitment) {
        const auto some_line = [&](auto fits) {
          return std::ranges::any_of(commitment.lines(), fits);
        };
        using Line = v1::CommitmentLineState;
        return sight.Sees(commitment) &&
               (request.envelope_id().empty() || some_line([&](const Line& line) {
                  return line.envelope_id() == request.envelope_id();
                })) &&
               (request.product_id().empty() || some_line([&](const Line& line) {
                  return line.product_id() == request.product_id();
                })) &&
               (request.origin_year() == 0 || some_line([&](const Line& line) {
                  return line.origin_year() == request.origin_year();
                })) &&
               (!request.open_only() ||
                some_line([](const Line& line) { return line.outstanding_cents() != 0; }));
      },
      *response.mutable_commitments(), *response.mutable_next_page_token());
}

Answered Answer(const Query& query, const v1::GetPaymentRequest& request,
                v1::GetPaymentResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const std::string& id = request.payment_request_id();
  if (id.empty()) return rules::InvalidField("payment_request_id", "is required");
  auto payment = Find<v1::PaymentRequest>(
      query, projections::PaymentKey(request.header().agreement_id(), id),
      Unknown(v1::ERROR_REASON_UNKNOWN_PAYMENT_REQUEST, "payment_request_id", id));
  if (auto* refusal = std::get_if<Refusal>(&payment)) return std::move(*refusal);
  auto& row = std::get<v1::PaymentRequest>(payment);
  if (!std::get<Known>(known).sight.Sees(row)) return NotYours({});
  *response.mutable_payment_request() = std::move(row);
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::ListPaymentsRequest& request,
                v1::ListPaymentsResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const Sight& sight = std::get<Known>(known).sight;
  if (!v1::PaymentState_IsValid(request.state())) {
    return rules::InvalidField("state", "is no state of a payment");
  }
  if (auto refusal = RefuseEnvelope(query, std::get<Known>(known), request.paying_envelope_id())) {
    return refusal;
  }
  return FillPage<v1::PaymentRequest>(
      query, request, projections::PaymentPrefix(request.header().agreement_id()),
      [&](const v1::PaymentRequest& payment) {
        return sight.Sees(payment) &&
               (request.paying_envelope_id().empty() ||
                payment.paying_envelope_id() == request.paying_envelope_id()) &&
               (request.commitment_id().empty() ||
                payment.commitment_id() == request.commitment_id()) &&
               (request.paid_year() == 0 || payment.paid_year() == request.paid_year()) &&
               (request.state() == v1::PAYMENT_STATE_UNSPECIFIED ||
                payment.state() == request.state());
      },
      *response.mutable_payment_requests(), *response.mutable_next_page_token());
}

Answered Answer(const Query& query, const v1::GetYearlyExecutionRequest& request,
                v1::GetYearlyExecutionResponse& response) {
  const std::string& id = request.header().agreement_id();
  if (id.empty()) return MissingAgreement();
  auto rows = projections::ReadYears(query.rows, id);
  if (absl::IsNotFound(rows.status())) return UnknownAgreement(id);
  if (!rows.ok()) return Unreadable(rows.status());
  const auto sight = Sight::OfBodies(query.principal, rows->agreement);
  if (const auto* refusal = std::get_if<Refusal>(&sight)) return *refusal;
  const std::string& body = request.managing_body_id();
  if (!body.empty() && !std::get<Sight>(sight).SeesBody(body)) return NotYours(body);
  std::get<Sight>(sight).Narrow(*rows);
  auto report = projections::YearlyExecution(*rows, body);
  if (!report.ok()) return Unreadable(report.status());
  response = *std::move(report);
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::GetManagedEnvelopeRequest& request,
                v1::GetManagedEnvelopeResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  const std::string& agreement_id = request.header().agreement_id();
  const std::string& envelope_id = request.envelope_id();
  auto envelope = FindEnvelope(query, std::get<Known>(known), envelope_id);
  if (auto* refusal = std::get_if<Refusal>(&envelope)) return std::move(*refusal);
  auto& rows = std::get<projections::EnvelopeRows>(envelope);
  auto years = projections::EnvelopeExecution(std::get<Known>(known).agreement, rows);
  if (!years.ok()) return Unreadable(years.status());

  auto commitments = FillAll<v1::Commitment>(
      query, projections::CommitmentPrefix(agreement_id),
      [&](const v1::Commitment& commitment) {
        return std::ranges::any_of(commitment.lines(), [&](const auto& line) {
          return line.envelope_id() == envelope_id;
        });
      },
      kMostListBytes / 2, *response.mutable_commitments());
  if (auto* refusal = std::get_if<Refusal>(&commitments)) return std::move(*refusal);
  auto payments = FillAll<v1::PaymentRequest>(
      query, projections::PaymentPrefix(agreement_id),
      [&](const v1::PaymentRequest& payment) {
        return payment.paying_envelope_id() == envelope_id;
      },
      kMostListBytes / 2, *response.mutable_payment_requests());
  if (auto* refusal = std::get_if<Refusal>(&payments)) return std::move(*refusal);
  response.set_truncated(!std::get<bool>(commitments) || !std::get<bool>(payments));
  *response.mutable_envelope() = std::move(rows.envelope);
  response.mutable_years()->Add(years->begin(), years->end());
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::GetOutstandingRequest& request,
                v1::GetOutstandingResponse& response) {
  auto rows = FindRows(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&rows)) return std::move(*refusal);
  auto report = projections::Outstanding(std::get<projections::AgreementRows>(rows));
  if (!report.ok()) return Unreadable(report.status());
  response = *std::move(report);
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::GetProductBudgetsRequest& request,
                v1::GetProductBudgetsResponse& response) {
  auto rows = FindRows(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&rows)) return std::move(*refusal);
  auto report = projections::ProductBudgets(std::get<projections::AgreementRows>(rows),
                                            request.fiscal_year());
  if (!report.ok()) return Unreadable(report.status());
  response = *std::move(report);
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::GetPaymentFollowUpRequest& request,
                v1::GetPaymentFollowUpResponse& response) {
  auto rows = FindRows(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&rows)) return std::move(*refusal);
  auto report = projections::PaymentFollowUp(std::get<projections::AgreementRows>(rows));
  if (!report.ok()) return Unreadable(report.status());
  response = *std::move(report);
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::GetTrialBalanceRequest& request,
                v1::GetTrialBalanceResponse& response) {
  auto rows = FindRows(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&rows)) return std::move(*refusal);
  auto report = projections::TrialBalance(std::get<projections::AgreementRows>(rows));
  if (!report.ok()) return Unreadable(report.status());
  response = *std::move(report);
  return std::nullopt;
}

Refusal NoFigure(const absl::Status& status, const v1::FigureName& name) {
  if (absl::IsNotFound(status)) {
    return Unknown(v1::ERROR_REASON_UNKNOWN_FIGURE, "figure", name.figure());
  }
  if (absl::IsInvalidArgument(status)) {
    return rules::InvalidField("name", std::string(status.message()));
  }
  return Unreadable(status);
}

// The row of a commitment or of a payment request, as its own query shows it.
std::variant<projections::Figure, Refusal> FindRegisterFigure(
    const Query& query, const v1::ExplainFigureRequest& request) {
  const v1::FigureName& name = request.name();
  absl::StatusOr<projections::Figure> figure;
  if (name.report() == v1::REPORT_COMMITMENT) {
    v1::GetCommitmentRequest of;
    *of.mutable_header() = request.header();
    of.set_commitment_id(name.commitment_id());
    v1::GetCommitmentResponse found;
    if (auto refusal = Answer(query, of, found)) return *std::move(refusal);
    figure = projections::FindFigure(found.commitment(), name);
  } else {
    v1::GetPaymentRequest of;
    *of.mutable_header() = request.header();
    of.set_payment_request_id(name.payment_request_id());
    v1::GetPaymentResponse found;
    if (auto refusal = Answer(query, of, found)) return *std::move(refusal);
    figure = projections::FindFigure(found.payment_request(), name);
  }
  if (!figure.ok()) return NoFigure(figure.status(), name);
  return *std::move(figure);
}

void SetShare(const projections::Share& share, v1::FigureShare& row) {
  const events::v1::Event& event = share.event;
  row.set_position(static_cast<std::int64_t>(share.position));
  row.set_recorded_time_us(event.recorded_time_us());
  row.set_effective_date(event.effective_date());
  row.set_fact(events::v1::Event::descriptor()->FindFieldByNumber(event.fact_case())->name());
  row.set_principal_id(event.actor().principal_id());
  row.set_body_id(event.actor().body_id());
  row.set_cents(share.cents);
}

Answered Answer(const Query& query, const v1::ExplainFigureRequest& request,
                v1::ExplainFigureResponse& response) {
  const v1::FigureName& name = request.name();
  if (!v1::Report_IsValid(name.report()) || name.report() == v1::REPORT_UNSPECIFIED) {
    return rules::InvalidField("name.report", "is required");
  }
  if (request.after_position() < -1)
    return rules::InvalidField("after_position", "want -1 or more");
  v1::ExplainFigureRequest filters = request;
  filters.clear_page();
  filters.mutable_header()->clear_min_position();
  const std::string& rpc = v1::ExplainFigureRequest::descriptor()->full_name();
  const auto page = ReadPage(rpc, filters, request.page());
  if (const auto* refusal = std::get_if<Refusal>(&page)) return *refusal;
  const auto& start = std::get<PageStart>(page);

  projections::AgreementRows rows;
  projections::Figure figure;
  projections::ExecutionReportScope period;
  if (name.report() == v1::REPORT_EXECUTION_REPORT) {
    auto known = FindAgreement(query, request.header());
    if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
    const int last_day = request.header().effective_until();
    if (!projections::IsDay(name.from_date()) || !projections::IsDay(name.until_date()) ||
        name.until_date() < name.from_date() || (last_day != 0 && last_day < name.from_date())) {
      return rules::InvalidField("name.from_date", "want the days of a period");
    }
    figure.name = name;
    period = {.agreement_id = request.header().agreement_id(),
              .from_date = name.from_date(),
              .until_date = name.until_date(),
              .effective_until = last_day};
    // As in the report: who sees everything has the checks over the whole agreement too.
    if (const Sight& sight = std::get<Known>(known).sight; !sight.everything()) {
      period.sees = [sight](std::string_view envelope_id) {
        return sight.SeesEnvelope(envelope_id);
      };
    }
  } else if (IsOfRegister(name)) {
    auto found = FindRegisterFigure(query, request);
    if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
    figure = std::get<projections::Figure>(std::move(found));
  } else {
    auto found = FindRows(query, request.header());
    if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
    rows = std::get<projections::AgreementRows>(std::move(found));
    auto of_rows = projections::FigureOf(rows, name);
    if (!of_rows.ok()) return NoFigure(of_rows.status(), name);
    figure = *std::move(of_rows);
  }

  // The first page sees every share, so that their sum is checked; later ones only theirs.
  const bool first_page = start.after.empty();
  const auto after = request.has_after_position()
                         ? static_cast<store::Position>(request.after_position() + 1)
                         : store::Position{0};
  // The digest in the token has vouched for the digits.
  const store::Position from = first_page ? after : std::strtoull(start.after.c_str(), nullptr, 10);
  absl::int128 before_cents = 0;
  const auto take = [&](const projections::Share& share) {
    if (share.position < after) {
      before_cents += share.cents;
    } else if (static_cast<std::size_t>(response.shares_size()) < start.size) {
      SetShare(share, *response.add_shares());
    } else if (response.next_page_token().empty()) {
      response.set_next_page_token(PageToken(rpc, filters, std::to_string(share.position)));
    }
    return first_page || response.next_page_token().empty();
  };
  const auto cancelled = [&] { return query.cancelled(); };
  const store::Position begin = first_page ? 0 : from;
  const bool of_period = name.report() == v1::REPORT_EXECUTION_REPORT;
  const absl::Status explained =
      of_period ? projections::ExplainExecutionReport(query.log, period, query.moment, begin,
                                                      figure, take, cancelled)
      : IsOfRegister(name)
          ? projections::ExplainRegister(query.log, request.header().agreement_id(), query.moment,
                                         figure, begin, take, cancelled)
          : projections::Explain(query.log, rows, query.moment, figure, begin, take, cancelled);
  if (absl::IsCancelled(explained)) return std::nullopt;
  if (absl::IsNotFound(explained) || absl::IsInvalidArgument(explained)) {
    return NoFigure(explained, name);
  }
  if (!explained.ok()) return Unreadable(explained);
  if (first_page) {
    response.set_figure_cents(figure.cents);
    response.set_before_cents(static_cast<std::int64_t>(before_cents));
  }
  return std::nullopt;
}

Answered Answer(const Query& query, const v1::GetExecutionReportRequest& request,
                v1::GetExecutionReportResponse& response) {
  auto known = FindAgreement(query, request.header());
  if (auto* refusal = std::get_if<Refusal>(&known)) return std::move(*refusal);
  return AnswerExecutionReport(
      request, std::get<Known>(known).sight, query.log, query.moment.next,
      [&query] { return query.cancelled(); }, response);
}

}  // namespace

std::variant<QueryService::Answerable, Refusal> QueryService::RowsFor(
    const v1::QueryHeader& header, Depth depth, const grpc::CallbackServerContext& context) {
  if (header.min_position() < -1) {
    return rules::InvalidField("header.min_position", "want -1 or more");
  }
  if (header.as_of_position() < -1) {
    return rules::InvalidField("header.as_of_position", "want -1 or more");
  }
  if (header.as_of_time_us() < 0) {
    return rules::InvalidField("header.as_of_time_us", "want 0 or more");
  }
  if (header.effective_until() != 0 && !projections::IsDay(header.effective_until())) {
    return rules::InvalidField("header.effective_until", "is no day");
  }
  Views::Snapshot stored = runner_.views()->TakeSnapshot();
  const absl::StatusOr<store::Cursor> cursor = stored.cursor();
  if (!cursor.ok()) return Unreadable(cursor.status());

  Moment moment{.next = cursor->next, .effective_until = header.effective_until()};
  if (header.has_as_of_position()) {
    moment.next = static_cast<store::Position>(header.as_of_position() + 1);
  } else if (header.has_as_of_time_us()) {
    const auto known = projections::EventsRecordedBy(log_, header.as_of_time_us());
    if (!known.ok()) return Unreadable(known.status());
    moment.next = *known;
  }
  if (moment == Moment{.next = cursor->next}) return Answerable{std::move(stored), moment};
  auto rows = past_.At(header.agreement_id(), moment, depth, &stored,
                       [&context] { return context.IsCancelled(); });
  if (absl::IsCancelled(rows.status())) {
    return rules::Refuse(v1::ERROR_REASON_DEADLINE_PASSED, "the call ended before its answer");
  }
  if (!rows.ok()) return Unreadable(rows.status());
  return Answerable{*std::move(rows), moment};
}

template <class Request, class Response>
grpc::ServerUnaryReactor* QueryService::Start(grpc::CallbackServerContext& context,
                                              const Request& request, Response& response) {
  const v1::QueryHeader& header = request.header();
  // gRPC keeps all three until the call has ended.
  const auto work = [&](const Principal& principal) -> Answered {
    auto found = RowsFor(header, DepthOf(request), context);
    if (auto* refusal = std::get_if<Refusal>(&found)) return std::move(*refusal);
    const auto& [rows, moment] = std::get<Answerable>(found);
    Answered refusal = Answer(Query{principal, rows, log_, moment, context}, request, response);
    response.set_position(static_cast<std::int64_t>(moment.next) - 1);
    return refusal;
  };
  const std::int64_t last = std::max(header.has_min_position() ? header.min_position() : -1,
                                     header.has_as_of_position() ? header.as_of_position() : -1);
  const auto wait_for = last < 0 ? 0 : static_cast<store::Position>(last) + 1;
  return StartRead({runner_, principals_, readers_}, context, request, wait_for, work);
}

#define DENIER_START(Name)                                                                     \
  template grpc::ServerUnaryReactor* QueryService::Start(grpc::CallbackServerContext& context, \
                                                         const v1::Name##Request& request,     \
                                                         v1::Name##Response& response);
DENIER_QUERIES(DENIER_START)
#undef DENIER_START

}  // namespace denier::services
