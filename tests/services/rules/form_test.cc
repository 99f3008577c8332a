// What can be said of a command without books: malformed, missing, out of range.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <limits>
#include <map>

#include "tests/services/rules/budget.h"

namespace denier::budget {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr std::int64_t kMost = 10'000'000'000'000;

// Every command with every field filled.
std::vector<Act> FullCommands() {
  Act create = CreateAgreement();
  {
    auto& request = *create.command.mutable_create_agreement();
    request.set_operational_budget("163-CDJE");
    request.set_published_date(20210201);
    request.set_after_term(events::v1::AFTER_TERM_DELEGATE_SETTLES);
    request.mutable_delegating_body()->set_label("Délégant");
    request.mutable_managing_body()->set_label("Délégataire");
    for (auto& product : *request.mutable_products()) {
      product.add_sites("site");
      product.set_ambition("ambition");
      product.add_objectives("objectif");
    }
    auto& threshold = *request.add_visa_thresholds();
    threshold.set_applies_from(20220101);
    threshold.set_amount_cents(1);
    threshold.set_act_reference("order-1");
  }
  Act amend = Renew(20230101, 20231231);
  {
    auto& request = *amend.command.mutable_amend_agreement();
    request.set_published_date(20220601);
    request.set_after_term(events::v1::AFTER_TERM_DELEGATE_SETTLES);
    *request.mutable_ceilings() = create.command.create_agreement().ceilings();
    *request.mutable_products() = create.command.create_agreement().products();
    *request.mutable_visa_thresholds() = create.command.create_agreement().visa_thresholds();
  }
  Act envelope = CreateEnvelope("coaching");
  envelope.command.mutable_create_envelope()->set_label("Coaching 2022");
  const auto refer = [](auto& references) {
    references.set_chorus_commitment("2022-1");
    references.set_contract("contract-1");
    references.set_framework_contract("contract-2");
    references.set_payee("payee-1");
  };
  Act opening = ImportOpening(2021, 10, 5);
  {
    auto& request = *opening.command.mutable_import_opening();
    refer(*request.mutable_references());
    request.mutable_lines(0)->set_product_id("snu");
    request.mutable_lines(0)->set_withdrawn_cents(1);
    request.mutable_lines(0)->mutable_payments(0)->set_chorus_payment_request("dp-1");
  }
  Act plan = ImportPlan(1, 1);
  plan.command.mutable_import_plan()->set_source_reference("plan-1");
  plan.command.mutable_import_plan()->mutable_lines(0)->set_outstanding_cents(1);
  Act grant = GrantCarryover(1);
  grant.command.mutable_grant_carryover()->set_derogation_reference("act-1");
  Act engage = Engage(1);
  {
    auto& request = *engage.command.mutable_engage();
    refer(*request.mutable_references());
    request.set_visa_reference("visa-1");
    request.mutable_lines(0)->set_product_id("snu");
    auto& scheduled = *request.mutable_lines(0)->add_schedule();
    scheduled.set_fiscal_year(2022);
    scheduled.set_amount_cents(1);
  }
  Act certify = Certify(1);
  certify.command.mutable_certify_service()->set_certificate_reference("pv-1");
  Act request = RequestNet(100, 1, 1);
  {
    auto& payment = *request.command.mutable_request_payment();
    payment.mutable_references()->set_chorus_payment_request("dp-1");
    payment.mutable_references()->set_invoice("invoice-1");
    payment.mutable_references()->set_payee("payee-1");
    payment.set_nature(events::v1::EXPENSE_NATURE_OTHER);
    payment.set_product_id("snu");
  }
  Act pay = Pay();
  pay.command.mutable_pay()->set_payment_reference("payment-1");
  Act interest = PayWithoutCommitment();
  interest.command.mutable_pay_without_commitment()->set_payment_reference("payment-1");
  Act reimpute = ReimputeLine("coaching", "snu");
  reimpute.command.mutable_reimpute()->set_payment_request_id("dp-1");

  std::vector<Act> acts = {create,
                           amend,
                           RecordPublication(),
                           TakeOver(),
                           envelope,
                           UpdateEnvelope("coaching", {"acc-1"}, {2022}),
                           RecordProgrammeCredits(1),
                           RecordRecyclingBasis(1),
                           Allocate(1),
                           Deallocate("coaching", 1, 1),
                           Freeze("coaching", 1, 1),
                           Release("coaching", 1, 1),
                           Cancel("coaching", 1, 1),
                           Transfer("coaching", "djepva", 1, 1),
                           opening,
                           CorrectOpening(-1),
                           plan,
                           RequestCarryover(events::v1::CREDIT_KIND_AE, 1, 2022),
                           grant,
                           RefuseCarryover(),
                           MakeCarryoverAvailable(1),
                           CloseYear(2022),
                           ReopenYear(2022),
                           engage,
                           Withdraw(1),
                           certify,
                           request,
                           pay,
                           interest,
                           Suspend(),
                           Resume(),
                           Reject(),
                           Requisition(),
                           Reinstate(1),
                           reimpute,
                           Reverse(1)};
  for (Act& act : acts) {
    act = act.Late();
    act.header().set_request_id("request-1");
    act.header().set_fiscal_year(2022);
    act.header().set_etag("7");
  }
  return acts;
}

// Calls `visit(message, field, path)` for each field of the command, and of the messages in it;
// lists by their first element.
template <class Visit>
void EachField(Message& message, const std::string& path, Visit visit) {
  const auto& reflection = *message.GetReflection();
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    const std::string here = path + field.name();
    visit(message, field, here);
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (!field.is_repeated()) {
      if (reflection.HasField(message, &field)) {
        EachField(*reflection.MutableMessage(&message, &field), here + ".", visit);
      }
    } else if (reflection.FieldSize(message, &field) != 0) {
      EachField(*reflection.MutableRepeatedMessage(&message, &field, 0), here + "[0].", visit);
    }
  }
}
template <class Visit>
void EachFieldOf(v1::Command& command, Visit visit) {
  const auto& reflection = *command.GetReflection();
  Message& request = *reflection.MutableMessage(
      &command,
      reflection.GetOneofFieldDescriptor(command, v1::Command::descriptor()->oneof_decl(0)));
  EachField(request, "", visit);
}

// The refusal names the field.
testing::AssertionResult RefusedAt(const v1::Command& command, const std::string& path) {
  const auto refusal = rules::CheckForm(command);
  if (!refusal.has_value()) return testing::AssertionFailure() << path << " is let through";
  if (refusal->reason != kInvalidField || refusal->field != path) {
    return testing::AssertionFailure()
           << path << ": " << testing::PrintToString(*refusal) << " instead";
  }
  return testing::AssertionSuccess();
}
bool IsAmount(const FieldDescriptor& field) {
  return field.cpp_type() == FieldDescriptor::CPPTYPE_INT64 && field.name() != "reversed_position";
}

TEST(FormTest, EveryCommandIsThereAndWellFormed) {
  std::set<int> kinds;
  for (Act& act : FullCommands()) {
    EXPECT_EQ(rules::CheckForm(act.command), std::nullopt) << act.command.ShortDebugString();
    kinds.insert(act.command.command_case());
  }
  EXPECT_EQ(kinds.size(), 36U);
}

// The fields that may be left empty, and why. Of all others the absence is refused.
const std::map<std::string, const char*> kOptional = {
    {"header.fiscal_year", "0 is the year of the day"},
    {"header.etag", "unconditional"},
    {"header.late_entry", "the year is open"},
    {"published_date", "not published yet"},
    {"operational_budget", "the document names none"},
    {"after_term", "the default, or unchanged"},
    {"term", "an amendment that renews nothing"},
    {"delegating_body.label", "a name for reports"},
    {"managing_body.label", "a name for reports"},
    {"label", "a name for reports"},
    {"products[0].ambition", "reference data"},
    {"visa_reference", "below the threshold"},
    {"references", "known later"},
    {"references.chorus_commitment", "known later"},
    {"references.contract", "there may be none"},
    {"references.framework_contract", "there may be none"},
    {"references.payee", "known to Chorus"},
    {"references.chorus_payment_request", "known later"},
    {"references.invoice", "an advance has none"},
    {"lines[0].payments[0].chorus_payment_request", "before Chorus"},
    {"lines[0].product_id", "serves none"},
    {"product_id", "serves none"},
    {"derogation_reference", "within cap and day"},
    {"certificate_reference", "kept elsewhere"},
    {"nature", "on a commitment"},
    {"payment_reference", "the accountant's own"},
    {"to_envelope_id", "unchanged"},
    {"to_product_id", "unchanged"},
    {"source_reference", "a plan without document"},
};
// Those that are optional in one command and required in the others.
bool IsOptional(const v1::Command& command, const std::string& path) {
  if (command.has_request_payment() && (path == "commitment_id" || path == "line_id")) {
    return true;  // without commitment
  }
  if (command.has_reimpute() &&
      (path == "commitment_id" || path == "line_id" || path == "payment_request_id")) {
    return true;  // one of the two
  }
  if (command.has_record_publication() && path == "published_date") return false;
  if (command.has_create_agreement() && path == "term") return false;
  if (command.has_transfer() && path == "to_envelope_id") return false;
  return kOptional.count(path) != 0;
}

TEST(FormTest, WhatIsRequiredIsMissed) {
  std::set<std::string> optional_seen;
  for (const Act& act : FullCommands()) {
    v1::Command full = act.command;
    EachFieldOf(full, [&](Message& message, const FieldDescriptor& field, const std::string& path) {
      const bool amount_that_may_be_zero =
          IsAmount(field) && field.name() != "amount_cents" && field.name() != "gross_cents" &&
          field.name() != "net_cents" && field.name() != "initial_cp_cents" &&
          field.name() != "engaged_cents" && field.name() != "change_cents";
      const bool list_that_may_be_empty =
          field.is_repeated() && !(path == "lines" && field.is_repeated());
      if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL || amount_that_may_be_zero ||
          list_that_may_be_empty || field.name() == "reversed_position") {
        return;
      }
      // The path of the field, cleared in a copy.
      const std::string was = message.SerializeAsString();
      message.GetReflection()->ClearField(&message, &field);
      if (IsOptional(act.command, path)) {
        optional_seen.insert(path);
        EXPECT_EQ(rules::CheckForm(full), std::nullopt)
            << act.command.ShortDebugString() << " without " << path;
      } else {
        EXPECT_TRUE(RefusedAt(full, path)) << act.command.ShortDebugString();
      }
      message.ParseFromString(was);
    });
  }
  for (const auto& [path, reason] : kOptional) {
    EXPECT_EQ(optional_seen.count(path), 1U) << path << " (" << reason << ") is in no command";
  }
}

TEST(FormTest, AmountsStayWithinTheBoundAndAreNotNegative) {
  for (const Act& act : FullCommands()) {
    v1::Command command = act.command;
    EachFieldOf(
        command, [&](Message& message, const FieldDescriptor& field, const std::string& path) {
          if (!IsAmount(field) || field.is_repeated()) return;
          const auto& reflection = *message.GetReflection();
          const std::int64_t was = reflection.GetInt64(message, &field);
          const bool may_be_negative =
              field.name() == "change_cents" || field.name() == "outstanding_cents";
          struct Row {
            std::int64_t cents;
            bool accepted;
          };
          const Row rows[] = {{kMost, true},
                              {kMost + 1, false},
                              {std::numeric_limits<std::int64_t>::max(), false},
                              {-1, may_be_negative},
                              {-kMost, may_be_negative},
                              {-kMost - 1, false},
                              {std::numeric_limits<std::int64_t>::min(), false}};
          for (const Row& row : rows) {
            reflection.SetInt64(&message, &field, row.cents);
            if (row.accepted) {
              EXPECT_EQ(rules::CheckForm(command), std::nullopt) << path << " " << row.cents;
            } else {
              EXPECT_TRUE(RefusedAt(command, path)) << row.cents;
            }
          }
          reflection.SetInt64(&message, &field, was);
        });
  }
}

bool IsText(const FieldDescriptor& field) {
  return field.name() == "label" || field.name() == "ambition" || field.name() == "objectives" ||
         field.name() == "sites";
}

TEST(FormTest, IdentifiersAndReferencesAreOpaqueNeverText) {
  const std::string longest(64, 'a');
  struct Row {
    std::string text;
    bool accepted;
  };
  const Row rows[] = {{"A", true},
                      {"0163-CDJE-STET", true},
                      {"a.b_c:d-e", true},
                      {longest, true},
                      {longest + "a", false},
                      {"Jean Dupont", false},
                      {"a/b", false},
                      {"référence", false},
                      {"a\n", false},
                      {std::string("a\0b", 3), false},
                      {"a@b", false}};
  for (const Act& act : FullCommands()) {
    v1::Command command = act.command;
    EachFieldOf(command,
                [&](Message& message, const FieldDescriptor& field, const std::string& path) {
                  if (field.cpp_type() != FieldDescriptor::CPPTYPE_STRING || IsText(field)) return;
                  const auto& reflection = *message.GetReflection();
                  for (const Row& row : rows) {
                    std::string here = path;
                    std::string was;
                    if (field.is_repeated()) {
                      here += "[0]";
                      was = reflection.GetRepeatedString(message, &field, 0);
                      reflection.SetRepeatedString(&message, &field, 0, row.text);
                    } else {
                      was = reflection.GetString(message, &field);
                      reflection.SetString(&message, &field, row.text);
                    }
                    if (row.accepted) {
                      EXPECT_EQ(rules::CheckForm(command), std::nullopt) << here << " " << row.text;
                    } else {
                      EXPECT_TRUE(RefusedAt(command, here)) << row.text;
                    }
                    if (field.is_repeated()) {
                      reflection.SetRepeatedString(&message, &field, 0, was);
                    } else {
                      reflection.SetString(&message, &field, was);
                    }
                  }
                });
  }
}

TEST(FormTest, LabelsAreTextOfAnyScriptAndBounded) {
  const auto labelled = [](std::string label) {
    Act act = CreateEnvelope("coaching");
    act.header().set_request_id("request-1");
    act.command.mutable_create_envelope()->set_label(std::move(label));
    return act.command;
  };
  EXPECT_EQ(rules::CheckForm(labelled("Accompagnement « coaching » 2022")), std::nullopt);
  EXPECT_EQ(rules::CheckForm(labelled(std::string(2000, 'a'))), std::nullopt);
  EXPECT_TRUE(RefusedAt(labelled(std::string(2001, 'a')), "label"));
}

TEST(FormTest, DaysExistAndYearsAreWithinTheBooks) {
  struct Row {
    int value;
    bool a_day, a_year;
  };
  const Row rows[] = {{20220331, true, false},
                      {20240229, true, false},
                      {20230229, false, false},
                      {20220431, false, false},
                      {20221301, false, false},
                      {20220100, false, false},
                      {20220001, false, false},
                      {20000101, true, false},
                      {19991231, false, false},
                      {21991231, true, false},
                      {22000101, false, false},
                      {220331, false, false},
                      {-20220331, false, false},
                      {2000, false, true},
                      {2199, false, true},
                      {1999, false, false},
                      {2200, false, false},
                      {-1, false, false},
                      {std::numeric_limits<int>::max(), false, false},
                      {std::numeric_limits<int>::min(), false, false}};
  for (const Act& act : FullCommands()) {
    v1::Command command = act.command;
    EachFieldOf(
        command, [&](Message& message, const FieldDescriptor& field, const std::string& path) {
          if (field.cpp_type() != FieldDescriptor::CPPTYPE_INT32) return;
          const bool year = field.name().find("year") != std::string::npos;
          const auto& reflection = *message.GetReflection();
          for (const Row& row : rows) {
            std::string here = path;
            int was = 0;
            if (field.is_repeated()) {
              here += "[0]";
              was = reflection.GetRepeatedInt32(message, &field, 0);
              reflection.SetRepeatedInt32(&message, &field, 0, row.value);
            } else {
              was = reflection.GetInt32(message, &field);
              reflection.SetInt32(&message, &field, row.value);
            }
            if (year ? row.a_year : row.a_day) {
              EXPECT_EQ(rules::CheckForm(command), std::nullopt) << here << " " << row.value;
            } else {
              EXPECT_TRUE(RefusedAt(command, here)) << row.value;
            }
            if (field.is_repeated()) {
              reflection.SetRepeatedInt32(&message, &field, 0, was);
            } else {
              reflection.SetInt32(&message, &field, was);
            }
          }
        });
  }
}

TEST(FormTest, EnumValuesAreKnown) {
  int seen = 0;
  for (const Act& act : FullCommands()) {
    v1::Command command = act.command;
    EachFieldOf(command,
                [&](Message& message, const FieldDescriptor& field, const std::string& path) {
                  if (field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM) return;
                  ++seen;
                  const auto& reflection = *message.GetReflection();
                  const int was = reflection.GetEnumValue(message, &field);
                  for (int value : {99, -1}) {
                    reflection.SetEnumValue(&message, &field, value);
                    EXPECT_TRUE(RefusedAt(command, path)) << value;
                  }
                  reflection.SetEnumValue(&message, &field, was);
                });
  }
  EXPECT_EQ(seen, 6);  // source, kind, type, nature, after_term twice
}

TEST(FormTest, ListsHaveAtMostAThousandElements) {
  Act engage = Engage(1);
  engage.header().set_request_id("request-1");
  auto& lines = *engage.command.mutable_engage()->mutable_lines();
  while (lines.size() < 1000) *lines.Add() = lines.Get(0);
  EXPECT_EQ(rules::CheckForm(engage.command), std::nullopt);
  *lines.Add() = lines.Get(0);
  EXPECT_TRUE(RefusedAt(engage.command, "lines"));
}

TEST(FormTest, CommandsThatMoveCreditsMoveSome) {
  for (Act act : {Allocate("coaching", 0, 0), Deallocate("coaching", 0, 0),
                  Freeze("coaching", 0, 0), Release("coaching", 0, 0), Cancel("coaching", 0, 0),
                  Transfer("coaching", "djepva", 0, 0)}) {
    act.header().set_request_id("request-1");
    EXPECT_TRUE(RefusedAt(act.command, "ae_cents"));
  }
}

TEST(FormTest, ACommandIsSet) { EXPECT_TRUE(RefusedAt(v1::Command(), "command")); }

TEST(FormTest, APositionIsNotNegative) {
  Act reverse = Reverse(-1);
  reverse.header().set_request_id("request-1");
  EXPECT_TRUE(RefusedAt(reverse.command, "reversed_position"));
}

}  // namespace
}  // namespace denier::budget
