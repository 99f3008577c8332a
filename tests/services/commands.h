// Commands and principals as tests write them: what a test does not care about has a value already.
//
//   Engage("ec-1", "coaching", {{"l1", 183'072'00}})            // header: 2022, request id "ec-1"
//   Dated(Engage("ec-2", "coaching", {{"l1", 1}}), 20230301)    // another day
#ifndef DENIER_TESTS_SERVICES_COMMANDS_H_
#define DENIER_TESTS_SERVICES_COMMANDS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "denier/events/v1/types.pb.h"
#include "denier/v1/command_service.pb.h"

namespace denier::services {

inline constexpr std::string_view kAgreement = "engagement-civique";
inline constexpr int kDay = 20220601;

// ------------------------------------------------------------------------------- Who

inline events::v1::Principal Principal(std::string id, std::string body, events::v1::Role role) {
  events::v1::Principal principal;
  principal.set_principal_id(std::move(id));
  principal.set_body_id(std::move(body));
  principal.add_roles(role);
  return principal;
}
inline events::v1::Principal Manager() {
  return Principal("pm-1", "DJEPVA", events::v1::ROLE_PROGRAMME_MANAGER);
}
inline events::v1::Principal Officer(std::string body = "DINUM") {
  return Principal("ao-1", std::move(body), events::v1::ROLE_AUTHORISING_OFFICER);
}
inline events::v1::Principal Accountant() {
  return Principal("acc-1", "DCM", events::v1::ROLE_ACCOUNTANT);
}

// ------------------------------------------------------------------------------ What

// `command` with its header: request `id`, the tests' agreement and day.
template <class Request>
Request& Begin(Request& request, std::string_view id) {
  request.mutable_header()->set_request_id(std::string(id));
  request.mutable_header()->set_agreement_id(std::string(kAgreement));
  request.mutable_header()->set_effective_date(kDay);
  return request;
}

// The header of whichever command it is, to be changed.
inline v1::CommandHeader& Header(v1::Command& command) {
  const auto& reflection = *command.GetReflection();
  auto* request = reflection.MutableMessage(
      &command,
      reflection.GetOneofFieldDescriptor(command, v1::Command::descriptor()->oneof_decl(0)));
  return static_cast<v1::CommandHeader&>(*request->GetReflection()->MutableMessage(
      request, request->GetDescriptor()->FindFieldByNumber(1)));
}
inline v1::Command Dated(v1::Command command, int day) {
  Header(command).set_effective_date(day);
  return command;
}
inline v1::Command DryRun(v1::Command command) {
  Header(command).set_validate_only(true);
  return command;
}
inline v1::Command Renamed(v1::Command command, std::string_view request_id) {
  Header(command).set_request_id(std::string(request_id));
  return command;
}

// Between DJEPVA and DINUM, in force and with a ceiling of `ceiling_cents` in each of the years.
inline v1::Command CreateAgreement(std::string_view id, int first_year, int last_year,
                                   std::int64_t ceiling_cents) {
  v1::Command command;
  auto& request = Begin(*command.mutable_create_agreement(), id);
  request.mutable_header()->set_effective_date(first_year * 10000 + 101);
  request.mutable_delegating_body()->set_body_id("DJEPVA");
  request.mutable_delegating_body()->set_label("DJEPVA");
  request.mutable_managing_body()->set_body_id("DINUM");
  request.mutable_managing_body()->set_label("DINUM");
  request.set_programme("163");
  request.set_operational_budget("163-CDJE");
  request.set_operating_unit("163-CDJE-STET");
  request.set_signed_date(first_year * 10000 + 101);
  request.set_published_date(first_year * 10000 + 115);
  request.mutable_term()->set_act_id(std::string(kAgreement));
  request.mutable_term()->set_valid_from(first_year * 10000 + 101);
  request.mutable_term()->set_valid_until(last_year * 10000 + 1231);
  for (int year = first_year; year <= last_year; ++year) {
    auto& ceiling = *request.add_ceilings();
    ceiling.set_fiscal_year(year);
    ceiling.set_ae_cents(ceiling_cents);
    ceiling.set_cp_cents(ceiling_cents);
  }
  return command;
}

inline v1::Command CreateEnvelope(std::string_view id, std::string_view envelope,
                                  std::string_view body, const std::vector<int>& origin_years) {
  v1::Command command;
  auto& request = Begin(*command.mutable_create_envelope(), id);
  request.set_envelope_id(std::string(envelope));
  request.set_label(std::string(envelope));
  request.set_managing_body_id(std::string(body));
  request.add_accountant_ids("acc-1");
  for (int year : origin_years) request.add_payable_origin_years(year);
  return command;
}

inline v1::Command Allocate(std::string_view id, std::string_view envelope, std::int64_t ae_cents,
                            std::int64_t cp_cents) {
  v1::Command command;
  auto& request = Begin(*command.mutable_allocate(), id);
  request.set_envelope_id(std::string(envelope));
  request.set_ae_cents(ae_cents);
  request.set_cp_cents(cp_cents);
  request.set_source(events::v1::CREDIT_SOURCE_INITIAL);
  request.set_act_reference("LFI");
  return command;
}

struct Line {
  std::string id;
  std::int64_t cents;
};

// Its commitment has the identifier of the request.
inline v1::Command Engage(std::string_view id, std::string_view envelope,
                          const std::vector<Line>& lines) {
  v1::Command command;
  auto& request = Begin(*command.mutable_engage(), id);
  request.set_commitment_id(std::string(id));
  request.set_envelope_id(std::string(envelope));
  request.mutable_references()->set_payee("payee-1");
  for (const Line& line : lines) {
    auto& engaged = *request.add_lines();
    engaged.set_line_id(line.id);
    engaged.set_amount_cents(line.cents);
  }
  return command;
}

inline v1::Command Certify(std::string_view id, std::string_view commitment, std::string_view line,
                           std::int64_t cents) {
  v1::Command command;
  auto& request = Begin(*command.mutable_certify_service(), id);
  request.set_commitment_id(std::string(commitment));
  request.set_line_id(std::string(line));
  request.set_amount_cents(cents);
  request.set_certificate_reference("pv-1");
  return command;
}

// Its payment request has the identifier of the request.
inline v1::Command RequestPayment(std::string_view id, std::string_view commitment,
                                  std::string_view line, std::string_view paying_envelope,
                                  std::int64_t cents) {
  v1::Command command;
  auto& request = Begin(*command.mutable_request_payment(), id);
  request.set_payment_request_id(std::string(id));
  request.set_type(events::v1::PAYMENT_TYPE_SERVICE);
  request.set_commitment_id(std::string(commitment));
  request.set_line_id(std::string(line));
  request.set_paying_envelope_id(std::string(paying_envelope));
  request.set_gross_cents(cents);
  request.set_net_cents(cents);
  return command;
}

inline v1::Command Pay(std::string_view id, std::string_view payment_request) {
  v1::Command command;
  auto& request = Begin(*command.mutable_pay(), id);
  request.set_payment_request_id(std::string(payment_request));
  request.set_payment_reference("pay-1");
  return command;
}

inline v1::Command Reverse(std::string_view id, std::int64_t position) {
  v1::Command command;
  Begin(*command.mutable_reverse(), id).set_reversed_position(position);
  return command;
}

}  // namespace denier::services

#endif  // DENIER_TESTS_SERVICES_COMMANDS_H_
