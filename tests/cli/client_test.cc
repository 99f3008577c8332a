#include "services/cli/client.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <sstream>

#include "denier/v1/command_service.pb.h"
#include "services/cli/completion.h"

namespace denier::cli {
namespace {

using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::util::MessageDifferencer;
using ::testing::HasSubstr;

struct Shell {
  std::istringstream in;
  std::ostringstream out, err;
  Client client{Lang::kEnglish, {.in = in, .out = out, .err = err}};

  int Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "denier");
    std::vector<const char*> argv;
    for (const std::string& argument : arguments) argv.push_back(argument.c_str());
    return client.Run(static_cast<int>(argv.size()), argv.data());
  }
};

std::vector<const MethodDescriptor*> UnaryCommands() {
  const ServiceDescriptor* service =
      v1::Command::descriptor()->file()->FindServiceByName("CommandService");
  std::vector<const MethodDescriptor*> methods;
  for (int i = 0; i < service->method_count(); ++i) {
    if (!service->method(i)->client_streaming()) methods.push_back(service->method(i));
  }
  return methods;
}

// What a person types for a field, and the same set on the message without the client's help.
std::string Sample(Message* message, const FieldDescriptor& field) {
  const auto* r = message->GetReflection();
  const bool many = field.is_repeated();
  const auto number = [&](std::int32_t value) {
    many ? r->AddInt32(message, &field, value) : r->SetInt32(message, &field, value);
  };
  switch (KindOf(field)) {
    case Kind::kAmount:
      r->SetInt64(message, &field, 123456);
      return "1234.56";
    case Kind::kDay:
      number(20220105);
      return "2022-01-05";
    case Kind::kYear:
      number(2022);
      return "2022";
    case Kind::kNumber:
      r->SetInt64(message, &field, 7);
      return "7";
    case Kind::kText:
      many ? r->AddString(message, &field, "X1") : r->SetString(message, &field, "X1");
      return "X1";
    case Kind::kFlag:
      r->SetBool(message, &field, true);
      return "true";
    case Kind::kChoice:
      r->SetEnum(message, &field, field.enum_type()->value(1));
      return ChoiceName(*field.enum_type()->value(1));
    case Kind::kMessage: {
      Message* inner = many ? r->AddMessage(message, &field) : r->MutableMessage(message, &field);
      const bool nested = inner->GetDescriptor()->field_count() > 0 &&
                          field.containing_type()->name().find("Request") == std::string::npos;
      std::string text;
      for (int i = 0; i < inner->GetDescriptor()->field_count(); ++i) {
        const FieldDescriptor& f = *inner->GetDescriptor()->field(i);
        const std::string value = Sample(inner, f);
        text +=
            nested ? (i > 0 ? ":" : "") + value : (i > 0 ? "," : "") + ShortName(f) + "=" + value;
      }
      return text;
    }
    case Kind::kInstant:
    case Kind::kBytes:
      break;
  }
  ADD_FAILURE() << "no sample of " << field.full_name();
  return "";
}

TEST(CommandsTest, EveryRpcHasASubcommandThatFillsInEveryFieldOfItsRequest) {
  ASSERT_GE(UnaryCommands().size(), 36u);
  for (const MethodDescriptor* method : UnaryCommands()) {
    SCOPED_TRACE(method->name());
    Shell shell;
    CLI::App* sub = shell.client.app().get_subcommand(Kebab(method->name()));

    std::unique_ptr<Message> expected(google::protobuf::MessageFactory::generated_factory()
                                          ->GetPrototype(method->input_type())
                                          ->New());
    std::vector<std::string> arguments;
    const auto add_option = [&](const std::string& option, const std::string& value) {
      arguments.push_back(option);
      arguments.push_back(value);
    };
    if (method->name() == "CreateAgreement") arguments.push_back("CONV");
    for (int i = 0; i < method->input_type()->field_count(); ++i) {
      const FieldDescriptor& field = *method->input_type()->field(i);
      if (field.name() == "header") continue;
      const std::string value = Sample(expected.get(), field);
      if (KindOf(field) == Kind::kFlag) {
        arguments.push_back("--" + ShortName(field));
        continue;
      }
      const bool named = sub->get_option_no_throw("--" + ShortName(field)) != nullptr;
      named ? add_option("--" + ShortName(field), value) : arguments.push_back(value);
    }
    auto* header = static_cast<v1::CommandHeader*>(expected->GetReflection()->MutableMessage(
        expected.get(), method->input_type()->FindFieldByName("header")));
    header->set_request_id("R1");
    header->set_effective_date(20220105);
    header->set_fiscal_year(2023);
    header->set_etag("E1");
    header->set_validate_only(true);
    header->mutable_late_entry()->set_reason_reference("L1");
    header->mutable_late_entry()->set_approved_by("pm-2");
    for (const auto& [option, value] :
         std::vector<std::pair<std::string, std::string>>{{"--request-id", "R1"},
                                                          {"--date", "2022-01-05"},
                                                          {"--year", "2023"},
                                                          {"--etag", "E1"},
                                                          {"--late-reason", "L1"},
                                                          {"--late-approver", "pm-2"}}) {
      add_option(option, value);
    }
    arguments.push_back("--validate-only");

    arguments.insert(arguments.begin(), Kebab(method->name()));
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    ASSERT_NO_THROW(shell.client.app().parse(arguments));
    std::string differences;
    MessageDifferencer differencer;
    differencer.ReportDifferencesToString(&differences);
    EXPECT_TRUE(differencer.Compare(*expected, shell.client.request(method->name())))
        << differences;
  }
}

TEST(CommandsTest, EveryOneHasHelpInBothLanguages) {
  for (const Lang lang : {Lang::kFrench, Lang::kEnglish}) {
    std::istringstream in;
    std::ostringstream out, err;
    Client client(lang, {.in = in, .out = out, .err = err});
    for (const CLI::App* sub : client.app().get_subcommands({})) {
      EXPECT_FALSE(sub->get_description().empty()) << sub->get_name();
      for (const CLI::Option* option : sub->get_options()) {
        EXPECT_FALSE(option->get_description().empty()) << sub->get_name() << option->get_name();
      }
    }
  }
}

TEST(CommandsTest, ANegativeAmountIsAValue) {
  Shell shell;
  std::vector<std::string> arguments = {"2022-01-05", "--date", "-12.50",         "--change",
                                        "L1",         "EJ1",    "correct-opening"};
  shell.client.app().parse(arguments);
  EXPECT_EQ(static_cast<const v1::CorrectOpeningRequest&>(shell.client.request("CorrectOpening"))
                .change_cents(),
            -1250);
}

TEST(UsageTest, ExitsWithTwoAndSaysWhatIsWrong) {
  const auto error = [](std::vector<std::string> arguments) {
    Shell shell;
    EXPECT_EQ(shell.Run(std::move(arguments)), kUsage);
    EXPECT_EQ(shell.out.str(), "");
    return shell.err.str();
  };
  EXPECT_THAT(error({}), HasSubstr("subcommand is required"));
  EXPECT_THAT(error({"frob"}), HasSubstr("frob"));
  EXPECT_THAT(error({"report", "frob"}), HasSubstr("frob"));
  EXPECT_THAT(error({"allocate", "E", "--ae", "1.00"}), HasSubstr("--date is required"));
  EXPECT_THAT(error({"allocate", "--date", "2022-01-05"}), HasSubstr("ENVELOPE is required"));
  EXPECT_THAT(error({"allocate", "E", "--ae", "1.005", "--date", "2022-01-05"}),
              HasSubstr("1.005"));
  EXPECT_THAT(error({"allocate", "E", "--date", "2022-02-30"}), HasSubstr("2022-02-30"));
  EXPECT_THAT(error({"report", "products", "--format", "xml"}), HasSubstr("xml"));
  EXPECT_THAT(error({"report", "products", "--as", "nobody"}), HasSubstr("--as"));
  EXPECT_THAT(error({"report", "products", "--cert", "x.pem"}), HasSubstr("--key"));
  EXPECT_THAT(error({"report", "products", "--ca", "/nonexistent.pem"}),
              HasSubstr("/nonexistent.pem"));
  EXPECT_THAT(error({"apply", "/nonexistent.jsonl"}), HasSubstr("/nonexistent.jsonl"));
}

TEST(UsageTest, WithoutAServerItExitsWithThreeAndSaysHowToStartOne) {
  Shell shell;
  // Port 1 of the loopback: nobody listens there without being root.
  EXPECT_EQ(shell.Run({"report", "products", "--server", "127.0.0.1:1"}), kTrouble);
  EXPECT_THAT(shell.err.str(), HasSubstr("127.0.0.1:1"));
  EXPECT_THAT(shell.err.str(), HasSubstr("deploy/quickstart"));
}

TEST(UsageTest, ACommandOfUnknownOutcomeNamesItsRequestId) {
  Shell shell;
  EXPECT_EQ(shell.Run({"allocate", "E", "--ae", "1", "--date", "2022-01-05", "--agreement", "A",
                       "--request-id", "R-77", "--server", "127.0.0.1:1"}),
            kTrouble);
  EXPECT_THAT(shell.err.str(), HasSubstr("--request-id R-77"));
}

TEST(HelpTest, StandsOnStandardOutput) {
  Shell shell;
  EXPECT_EQ(shell.Run({"engage", "--help"}), kDone);
  EXPECT_THAT(shell.out.str(), HasSubstr("--line id=ID,product=ID,amount=EUROS"));
  EXPECT_EQ(shell.err.str(), "");
}

TEST(LangTest, ComesFromTheArgumentsBeforeTheyAreParsed) {
  const char* english[] = {"denier", "--lang", "en"};
  const char* joined[] = {"denier", "--lang=en", "x"};
  const char* none[] = {"denier", "x", "y"};
  EXPECT_EQ(LangOf(3, english), Lang::kEnglish);
  EXPECT_EQ(LangOf(3, joined), Lang::kEnglish);
  EXPECT_EQ(LangOf(3, none), Lang::kFrench);
}

TEST(CompletionTest, KnowsCommandsOptionsAndChoices) {
  Shell shell;
  for (const char* name : {"bash", "zsh", "fish"}) {
    const std::string script = CompletionScript(shell.client.app(), name);
    EXPECT_THAT(script, HasSubstr("request-payment"));
    EXPECT_THAT(script, HasSubstr("yearly-execution"));
    EXPECT_THAT(script, HasSubstr("late-approver"));
    EXPECT_THAT(script, HasSubstr("initial amending-act decree assigned-receipts"));
  }
  EXPECT_EQ(CompletionScript(shell.client.app(), "tcsh"), "");
}

}  // namespace
}  // namespace denier::cli
