// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The generated command table: from JSON arguments to the handler and back, and the client's side.
#include "schema/runtime/test_schema/commands.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "schema/runtime/json/json.h"
#include "schema/runtime/test_schema/client.h"

namespace davit::qapi_test {
namespace {

class FakeContext : public CommandContext {
 public:
  Result<UniqueFd> TakeFd() override { return Fail("No file descriptor supplied via SCM_RIGHTS"); }
  qapi::NamedFds& named_fds() override { return fds_; }
  bool in_preconfig() const override { return false; }
  uint64_t session_id() const override { return 1; }

 private:
  qapi::NamedFds fds_;
};

class FakeHandlers : public TestSchemaCommands {
 public:
  Status Nothing(CommandContext&) override { return {}; }
  Result<Everything> Echo(CommandContext&, const Everything& args) override { return args; }
  Result<Base> Add(CommandContext&, const AddArgs& args) override {
    return Base{.id = std::to_string(args.a + args.b.value_or(0))};
  }
  Status Connect(CommandContext&, const Address& args) override {
    return Fail(ErrorCode::kDeviceNotFound,
                std::string("cannot connect to ") + ToString(args.type));
  }
  Result<std::vector<Chain>> QueryChain(CommandContext&) override {
    return std::vector<Chain>{{.n = 1, .next = {}}, {.n = 2, .next = {Chain{.n = 3, .next = {}}}}};
  }
  void SlowAdd(CommandContext&, const SlowAddArgs& args, Completion<Base> done) override {
    pending_n = args.a;
    pending = std::move(done);
  }
  void SlowNothing(CommandContext&, Completion<void> done) override { done({}); }
  Result<json::Value> Raw(CommandContext&, json::Object args) override { return json::Value(args); }
  Status Silent(CommandContext&) override { return {}; }
  Status Urgent(CommandContext&) override { return {}; }
  Status Early(CommandContext&) override { return {}; }

  int64_t pending_n = 0;
  Completion<Base> pending;
};

class GeneratedCommands : public testing::Test, public qapi::Caller {
 protected:
  // What the command answered: JSON text, "error: ..." or "" so far.
  std::string Run(std::string_view name, std::string_view arguments = "{}") {
    answer_.clear();
    FindCommand(name)->invoke(handlers_, context_, *json::Parse(arguments)->AsObject(),
                              [this](Result<json::Value> result) {
                                EXPECT_EQ(answer_, "") << "answered twice";
                                answer_ = result ? json::Write(*result)
                                                 : "error: " + result.error().message;
                              });
    return answer_;
  }

  Result<json::Value> Call(std::string_view command, json::Object arguments) override {
    Result<json::Value> out = Fail("not answered");
    FindCommand(command)->invoke(handlers_, context_, std::move(arguments),
                                 [&out](Result<json::Value> result) { out = std::move(result); });
    return out;
  }

  FakeHandlers fake_;
  FakeContext context_;
  Handlers handlers_{.test_schema = &fake_};
  std::string answer_;
};

TEST(CommandTable, IsSortedAndFound) {
  EXPECT_TRUE(std::is_sorted(Commands().begin(), Commands().end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));
  EXPECT_EQ(Commands().size(), 12u);
  for (const CommandEntry& entry : Commands()) EXPECT_EQ(FindCommand(entry.name), &entry);
  EXPECT_EQ(FindCommand("nothin"), nullptr);
  EXPECT_EQ(FindCommand("zzz"), nullptr);
}

TEST(CommandTable, FlagsAreTheSchemas) {
  EXPECT_FALSE(FindCommand("silent")->success_response);
  EXPECT_TRUE(FindCommand("nothing")->success_response);
  EXPECT_TRUE(FindCommand("urgent")->allow_oob);
  EXPECT_FALSE(FindCommand("nothing")->allow_oob);
  EXPECT_TRUE(FindCommand("early")->allow_preconfig);
  EXPECT_TRUE(FindCommand("slow-add")->coroutine);
  EXPECT_FALSE(FindCommand("add")->coroutine);
}

TEST(CommandTable, RunStatesAreBitsOfTheEnum) {
  const CommandEntry& early = *FindCommand("early");
  EXPECT_FALSE(early.LegalIn(static_cast<unsigned>(RunState::kPaused)));
  EXPECT_TRUE(early.LegalIn(static_cast<unsigned>(RunState::kRunning)));
  EXPECT_TRUE(FindCommand("nothing")->LegalIn(0));
}

TEST_F(GeneratedCommands, NothingAnswersAnEmptyObject) {
  EXPECT_EQ(Run("nothing"), "{}");
  EXPECT_EQ(Run("nothing", R"({"x": 1})"), "error: Parameter 'x' is unexpected");
}

TEST_F(GeneratedCommands, ArgumentsReachTheHandler) {
  EXPECT_EQ(Run("add", R"({"a": 2, "b": 3})"), R"({"id": "5"})");
  EXPECT_EQ(Run("add", R"({"a": 2})"), R"({"id": "2"})");
  EXPECT_EQ(Run("add"), "error: Parameter 'a' is missing");
  EXPECT_EQ(Run("add", R"({"a": 2, "c": 3})"), "error: Parameter 'c' is unexpected");
}

TEST_F(GeneratedCommands, BoxedArguments) {
  EXPECT_EQ(Run("echo", R"({"id": "e", "n": 3})"), R"({"n": 3, "id": "e"})");
  EXPECT_EQ(Run("connect", R"({"type": "null"})"), "error: cannot connect to null");
}

TEST_F(GeneratedCommands, ErrorClassOfTheHandlerPasses) {
  const Status status = client::Connect(*this, Address{.type = Kind::kNull, .id = {}, .u = {}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kDeviceNotFound);
}

TEST_F(GeneratedCommands, ListsAreReturned) {
  EXPECT_EQ(Run("query-chain"), R"([{"n": 1}, {"n": 2, "next": {"n": 3}}])");
}

TEST_F(GeneratedCommands, CoroutineAnswersLater) {
  EXPECT_EQ(Run("slow-add", R"({"a": 4})"), "");
  EXPECT_EQ(fake_.pending_n, 4);
  fake_.pending(Base{.id = "late"});
  EXPECT_EQ(answer_, R"({"id": "late"})");
  EXPECT_EQ(Run("slow-add", "{}"), "error: Parameter 'a' is missing");
  EXPECT_EQ(Run("slow-nothing"), "{}");
}

TEST_F(GeneratedCommands, GenFalseSeesRawJson) {
  EXPECT_EQ(Run("raw", R"({"whatever": [1]})"), R"({"whatever": [1]})");
}

TEST_F(GeneratedCommands, WithoutHandlersNotFound) {
  handlers_.test_schema = nullptr;
  EXPECT_EQ(Run("nothing"), "error: The command nothing has not been found");
}

TEST_F(GeneratedCommands, ClientDecodesTheReply) {
  const Result<Base> sum = client::Add(*this, {.a = 1, .b = 2});
  ASSERT_TRUE(sum);
  EXPECT_EQ(sum->id, "3");
  EXPECT_TRUE(client::Nothing(*this));
  EXPECT_EQ(client::QueryChain(*this)->size(), 2u);
}

}  // namespace
}  // namespace davit::qapi_test
