#include "services/cli/fields.h"

#include <gtest/gtest.h>

#include "denier/events/v1/event.pb.h"
#include "denier/v1/command_service.pb.h"
#include "denier/v1/resources.pb.h"
#include "services/cli/words.h"

namespace denier::cli {
namespace {

absl::Status Set(Message* message, const char* field, std::string_view text) {
  return SetField(message, *message->GetDescriptor()->FindFieldByName(field), text, Lang::kEnglish);
}

TEST(ShortNameTest, DropsHowAFieldIsEncoded) {
  const auto name = [](const Descriptor* type, const char* field) {
    return ShortName(*type->FindFieldByName(field));
  };
  EXPECT_EQ(name(v1::AllocateRequest::descriptor(), "ae_cents"), "ae");
  EXPECT_EQ(name(v1::AllocateRequest::descriptor(), "act_reference"), "act");
  EXPECT_EQ(name(v1::AllocateRequest::descriptor(), "envelope_id"), "envelope");
  EXPECT_EQ(name(v1::CommandHeader::descriptor(), "fiscal_year"), "year");
  EXPECT_EQ(name(v1::EngageRequest::descriptor(), "lines"), "line");
  EXPECT_EQ(name(v1::CreateEnvelopeRequest::descriptor(), "accountant_ids"), "accountant");
  EXPECT_EQ(name(v1::CreateEnvelopeRequest::descriptor(), "payable_origin_years"),
            "payable-origin-year");
}

TEST(SetFieldTest, TakesALineByNamesByOrderAndAsJson) {
  v1::EngageRequest by_name, by_order, as_json;
  ASSERT_TRUE(Set(&by_name, "lines",
                  "id=L1,amount=1000.00,product=snu,schedule=2022:500.00,schedule=2023:500.00")
                  .ok());
  ASSERT_TRUE(Set(&by_order, "lines", "L1:snu:1000").ok());
  ASSERT_TRUE(Set(&as_json, "lines",
                  R"({"line_id":"L1","product_id":"snu","amount_cents":"100000","schedule":[]})")
                  .ok());
  EXPECT_EQ(as_json.DebugString(), by_order.DebugString());
  ASSERT_EQ(by_name.lines(0).schedule_size(), 2);
  EXPECT_EQ(by_name.lines(0).schedule(1).fiscal_year(), 2023);
  EXPECT_EQ(by_name.lines(0).schedule(1).amount_cents(), 50000);
  by_name.mutable_lines(0)->clear_schedule();
  EXPECT_EQ(by_name.DebugString(), by_order.DebugString());
}

TEST(SetFieldTest, TakesSeveralPlainValuesAtOnce) {
  v1::CreateEnvelopeRequest request;
  ASSERT_TRUE(Set(&request, "payable_origin_years", "2020,2021").ok());
  ASSERT_TRUE(Set(&request, "payable_origin_years", "2022").ok());
  EXPECT_EQ(request.payable_origin_years_size(), 3);
  events::v1::Product product;
  ASSERT_TRUE(Set(&product, "objectives", "Faire ceci, puis cela").ok());
  EXPECT_EQ(product.objectives_size(), 1);
}

TEST(SetFieldTest, NamesWhatIsWrong) {
  const auto says = [](Message* message, const char* field, std::string_view text) {
    return std::string(Set(message, field, text).message());
  };
  v1::EngageRequest engage;
  v1::AllocateRequest allocate;
  EXPECT_EQ(says(&engage, "lines", "id=L1,sum=5"),
            "\"sum=5\": unknown key; the keys are id, product, amount, schedule");
  EXPECT_EQ(says(&engage, "lines", "id=L1,amount"), "\"amount\": a value is missing");
  EXPECT_EQ(says(&engage, "lines", "id=L1,amount=1.001"),
            "\"1.001\": want an amount in euros, at most two decimals, such as 183072.00");
  EXPECT_EQ(says(&engage, "lines", "a:b:1:2022:5"), "\"a:b:1:2022:5\": too many values");
  EXPECT_EQ(says(&allocate, "source", "lottery"),
            "\"lottery\": want one of initial|amending-act|decree|assigned-receipts");
  EXPECT_EQ(says(&allocate, "source", "unspecified"),
            "\"unspecified\": want one of initial|amending-act|decree|assigned-receipts");
  EXPECT_FALSE(Set(&engage, "lines", R"({"line_id":"L1","sum":1})").ok());
  v1::CommandHeader header;
  EXPECT_FALSE(Set(&header, "fiscal_year", "0").ok());
  EXPECT_FALSE(Set(&header, "effective_date", "2022-02-30").ok());
}

TEST(JsonTest, KeepsAmountsExactAndNamesShort) {
  v1::PaymentRequest payment;
  payment.set_payment_request_id("DP1");
  payment.set_state(v1::PAYMENT_STATE_PAID);
  payment.set_net_cents(149577900);
  payment.set_paid_date(20220331);
  const auto json = ToJson(payment);
  EXPECT_EQ(json["net"], "1495779.00");
  EXPECT_EQ(json["paid_date"], "2022-03-31");
  EXPECT_EQ(json["state"], "paid");
  EXPECT_EQ(json["requested_date"], nullptr);
  EXPECT_EQ(json["gross"], "0.00");
}

TEST(PlainGridTest, JoinsACommitmentAndItsLines) {
  v1::Commitment commitment;
  commitment.set_commitment_id("EJ1");
  commitment.mutable_references()->set_contract("M-7");
  auto* line = commitment.add_lines();
  line->set_line_id("L1");
  line->set_engaged_cents(100);
  const Grid grid = PlainGrid({v1::Commitment::descriptor(), v1::CommitmentLineState::descriptor()},
                              {{.parts = {&commitment, line}}});
  const auto cell = [&grid](std::string_view heading) -> std::string {
    for (std::size_t i = 0; i < grid.columns.size(); ++i) {
      if (grid.columns[i].heading == heading) return grid.rows[0][i];
    }
    return "no column";
  };
  EXPECT_EQ(cell("commitment_id"), "EJ1");
  EXPECT_EQ(cell("references_contract"), "M-7");
  EXPECT_EQ(cell("line_id"), "L1");
  EXPECT_EQ(cell("engaged"), "1.00");
}

// Every field, choice and fact that people may meet has a French and an English word.
void ExpectWords(const Descriptor& type, std::set<const Descriptor*>* seen) {
  if (!seen->insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (KindOf(field) == Kind::kMessage) {
      if (field.message_type()->file()->package().starts_with("denier")) {
        ExpectWords(*field.message_type(), seen);
      }
      if (!field.is_repeated() || field.name() == "rows") continue;
    }
    EXPECT_TRUE(HasWord(field.name()) || HasWord(type.name() + "." + field.name()))
        << field.full_name();
    if (KindOf(field) != Kind::kChoice) continue;
    for (int v = 1; v < field.enum_type()->value_count(); ++v) {
      EXPECT_TRUE(HasWord(field.enum_type()->value(v)->name()));
    }
  }
}

TEST(WordsTest, CoverTheResourcesTheReportsTheCommandsAndTheFacts) {
  std::set<const Descriptor*> seen;
  const auto* queries =
      v1::Agreement::descriptor()->file()->pool()->FindServiceByName("denier.v1.QueryService");
  const auto* commands = v1::Command::descriptor()->file()->FindServiceByName("CommandService");
  ASSERT_NE(queries, nullptr);
  for (const auto* service : {queries, commands}) {
    for (int i = 0; i < service->method_count(); ++i) {
      if (service->method(i)->client_streaming()) continue;
      EXPECT_TRUE(HasWord(service->method(i)->name())) << service->method(i)->name();
      ExpectWords(*service->method(i)->output_type(), &seen);
      const Descriptor& request = *service->method(i)->input_type();
      for (int f = 0; f < request.field_count(); ++f) {
        const FieldDescriptor& field = *request.field(f);
        if (field.name() == "header" || field.name() == "page") continue;
        EXPECT_TRUE(HasWord(field.name()) || HasWord(request.name() + "." + field.name()))
            << field.full_name();
        if (KindOf(field) == Kind::kMessage) ExpectWords(*field.message_type(), &seen);
      }
    }
  }
  const auto* facts = events::v1::Event::descriptor()->FindOneofByName("fact");
  for (int i = 0; i < facts->field_count(); ++i) {
    const FieldDescriptor& fact = *facts->field(i);
    EXPECT_NE(FieldWord(fact, Lang::kFrench), fact.name());
    if (fact.message_type() != events::v1::Reversed::descriptor()) {
      ExpectWords(*fact.message_type(), &seen);
    }
  }
}

}  // namespace
}  // namespace denier::cli
