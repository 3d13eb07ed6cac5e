// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A hostile QMP session against a running VM: after each the guest answers on its serial port, the
// monitor answers another client, no descriptor is left behind, and the resident memory of the
// process is within kGrowth of what it was.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients/lib/address.h"
#include "tests/integration/common.h"
#include "vmm/base/unique_fd.h"

namespace davit::testing {
namespace {

using client::Client;

// What a process may keep after an attack: what malloc holds back, and the bounds of ADR 0005 for
// one client that still is there (256 KiB of events, as much of replies, its input).
constexpr long kGrowth = 4096;  // KiB

class HostileTest : public VmTest {
 protected:
  void SetUp() override {
    VmTest::SetUp();
    if (IsSkipped()) return;
    vm_ = StartReady();
    ASSERT_NE(vm_, nullptr);
    // One ordinary client comes and goes, so that what is made once is made.
    ASSERT_OK(Client::Connect(vm_->qmp_address()));
    ExpectAlive(*vm_);
    resident_ = StatusKiB(pid(), "VmRSS");
    descriptors_ = OpenDescriptors(pid());
    ASSERT_GT(resident_, 0);
  }

  void TearDown() override {
    if (vm_ == nullptr) return;
    ExpectAlive(*vm_);
    ExpectNoDescriptorLeft();
    const long now = StatusKiB(pid(), "VmRSS");
    EXPECT_LE(now, resident_ + kGrowth) << "resident before: " << resident_ << " KiB";
    auto last = Connect();
    ASSERT_NE(last, nullptr);
    ASSERT_OK(last->Execute("quit"));
    EXPECT_EQ(vm_->process().Wait(kReplyTime).value_or(-1), 0);
  }

  pid_t pid() { return vm_->process().pid(); }

  std::unique_ptr<Client> Connect() {
    auto client = Client::Connect(vm_->qmp_address());
    EXPECT_TRUE(client) << client.error();
    return client ? std::move(*client) : nullptr;
  }

  // The end of a connection is seen some turns of the server's loop later, each answer is a turn.
  void ExpectNoDescriptorLeft() {
    const auto deadline = std::chrono::steady_clock::now() + kReplyTime;
    auto witness = Connect();
    ASSERT_NE(witness, nullptr);
    const int expected = descriptors_ + 1;
    while (OpenDescriptors(pid()) > expected && std::chrono::steady_clock::now() < deadline) {
      ASSERT_OK(witness->Execute("query-status"));
    }
    EXPECT_LE(OpenDescriptors(pid()), expected);
  }

  // The session still answers once the parser is reset; returns how many errors came before that.
  static int ErrorsBeforeAnAnswer(Client& client) {
    EXPECT_TRUE(client.SendRaw("\xff{\"execute\":\"query-name\",\"id\":\"end\"}\n"));
    for (int errors = 0;; ++errors) {
      auto message = client.ReadMessage(kReplyTime);
      if (!message) {
        ADD_FAILURE() << "no answer after " << errors << " errors: " << message.error();
        return -1;
      }
      if ((*message)["id"] == json::Value("end")) {
        EXPECT_NE(message->AsObject()->Find("return"), nullptr);
        return errors;
      }
      EXPECT_EQ((*message)["error"]["class"], json::Value("GenericError"));
    }
  }

  // Sends this as a session of its own.
  int Attack(const std::string& bytes) {
    auto client = Connect();
    if (client == nullptr) return -1;
    EXPECT_TRUE(client->SendRaw(bytes));
    return ErrorsBeforeAnAnswer(*client);
  }

  std::unique_ptr<Vm> vm_;
  long resident_ = 0;
  int descriptors_ = 0;
};

TEST_F(HostileTest, Garbage) {
  EXPECT_GE(Attack("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), 1);
  EXPECT_GE(Attack("}{][,:\n"), 1);
  EXPECT_GE(Attack("[1,2,3] null true 3.5 \"text\"\n"), 1);
  EXPECT_GE(Attack("{\"execute\":\"query-status\",\"arguments\":[],\"id\":{}}\n"), 1);
  EXPECT_GE(Attack("{\"execute\":\"\\ud800\\u0000\",\"execute\":1}\n"), 1);
  EXPECT_GE(Attack("\x16\x03\x01\x02\x80\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\n"), 1);
  std::string all;
  for (int i = 0; i < 2048; ++i) all += static_cast<char>(i * 31 + (i >> 8));
  EXPECT_GE(Attack(all + "\n\xff"), 1);
}

TEST_F(HostileTest, ResetByte) {
  EXPECT_GE(Attack("\xff"), 1);
  EXPECT_GE(Attack(std::string(2000, '\xff')), 1);
  EXPECT_GE(Attack("{\"execute\":\"qu\xff"), 1);
  EXPECT_GE(Attack("{\"execute\":\"stop\",\"arguments\":{\"a\":[[[\xff\xff"), 1);
}

TEST_F(HostileTest, TenMegabyteLine) {
  const std::string ten(10'000'000, 'a');
  EXPECT_GE(Attack(ten + "\n"), 1);
  EXPECT_GE(Attack("\"" + ten + "\"\n"), 1);
  EXPECT_GE(Attack("{\"execute\":\"query-status\",\"arguments\":{\"" + ten + "\":1}}\n"), 1);
  EXPECT_GE(Attack("{\"execute\":\"human-monitor-command\",\"arguments\":"
                   "{\"command-line\":7,\"x\":\"" +
                   ten + "\"}}\n"),
            1);
  EXPECT_GE(Attack("{\"execute\":\"query-status\",\"arguments\":{\"a\":\"" + ten + "\xff"), 1);
}

TEST_F(HostileTest, DeepNesting) {
  EXPECT_GE(Attack(std::string(2000, '[') + "\n"), 1);
  EXPECT_GE(Attack(std::string(2000, '[') + std::string(2000, ']') + "\n"), 1);
  std::string objects;
  for (int i = 0; i < 2000; ++i) objects += "{\"execute\":";
  EXPECT_GE(Attack(objects + "1" + std::string(2000, '}') + "\n"), 1);
  EXPECT_GE(Attack("{\"execute\":\"query-status\",\"id\":" + std::string(2000, '[') +
                   std::string(2000, ']') + "}\n"),
            1);
}

TEST_F(HostileTest, HalfACommandThenClose) {
  for (int i = 0; i < 50; ++i) {
    auto client = Connect();
    ASSERT_NE(client, nullptr);
    ASSERT_OK(client->SendRaw("{\"execute\":\"stop\",\"arguments\":{"));
  }
  for (int i = 0; i < 20; ++i) {
    auto client = Connect();
    ASSERT_NE(client, nullptr);
    const int fds[] = {0, 1, 2};
    ASSERT_TRUE(SendWithFds(client->fd(), "{\"execute\":\"getfd\"", {fds, fds + 3}));
  }
  // Closed with replies unread: the server's write finds nobody.
  for (int i = 0; i < 20; ++i) {
    auto client = Connect();
    ASSERT_NE(client, nullptr);
    ASSERT_OK(
        client->SendRaw("{\"execute\":\"query-qmp-schema\"}{\"execute\":\"query-qmp-schema\"}"));
  }
}

TEST_F(HostileTest, TwoHundredClients) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 200; ++i) {
    // Every other one never says a word.
    auto client =
        i % 2 == 0 ? Client::Connect(vm_->qmp_address()) : Client::Open(vm_->qmp_address());
    ASSERT_OK(client);
    clients.push_back(std::move(*client));
  }
  ExpectAlive(*vm_);
  for (size_t i = 0; i < clients.size(); i += 2) {
    ASSERT_OK(clients[i]->SendRaw("{\"execute\":\"query-status\",\"id\":1}"));
  }
  for (size_t i = 0; i < clients.size(); i += 2) {
    auto reply = clients[i]->ReadMessage(kReplyTime);
    ASSERT_OK(reply);
    EXPECT_EQ((*reply)["return"]["status"], json::Value("running"));
  }
  // One event reaches all who asked for it, and nobody else.
  ASSERT_OK(vm_->qmp().Execute("stop"));
  ASSERT_OK(vm_->qmp().Execute("cont"));
  for (size_t i = 0; i < clients.size(); ++i) {
    if (i % 2 == 0) {
      ASSERT_OK(clients[i]->WaitEvent("STOP", kReplyTime));
      ASSERT_OK(clients[i]->WaitEvent("RESUME", kReplyTime));
    } else {
      ASSERT_OK(clients[i]->Pump());
      EXPECT_FALSE(clients[i]->TakeEvent());
    }
  }
}

// Runs stop and cont so often, in batches; the answers are read, the events dropped.
void Flood(Client& client, int pairs) {
  constexpr int kBatch = 50;
  std::string commands;
  for (int i = 0; i < kBatch; ++i) {
    commands += "{\"execute\":\"stop\"}{\"execute\":\"cont\"}";
  }
  for (int sent = 0; sent < pairs; sent += kBatch) {
    ASSERT_OK(client.SendRaw(commands));
    for (int replies = 0; replies < 2 * kBatch;) {
      auto message = client.ReadMessage(kReplyTime);
      ASSERT_OK(message);
      if (message->AsObject()->Find("return") != nullptr) ++replies;
    }
  }
}

TEST_F(HostileTest, ClientThatNeverReadsDuringAnEventFlood) {
  auto silent = Connect();
  ASSERT_NE(silent, nullptr);
  auto flooder = Connect();
  ASSERT_NE(flooder, nullptr);
  // 20,000 events, about 2 MB: more than a socket and what the server keeps hold.
  Flood(*flooder, 10'000);
  EXPECT_LE(StatusKiB(pid(), "VmHWM"), resident_ + kGrowth);
  ExpectAlive(*vm_);
  // It is told by an end of file: first whole events, then nothing.
  int events = 0;
  for (;;) {
    auto line = silent->ReadLine(kReplyTime);
    if (!line) break;
    ++events;
    ASSERT_TRUE(line->starts_with("{\"timestamp\"")) << *line;
  }
  EXPECT_GT(events, 100);
  EXPECT_LT(events, 20'000);
  EXPECT_CONTAINS(vm_->process().Stderr(), "davitd: warning: ");
}

TEST_F(HostileTest, ClientThatNeverReadsItsReplies) {
  auto client = Connect();
  ASSERT_NE(client, nullptr);
  std::string commands;
  while (commands.size() < 60'000) commands += "{\"execute\":\"query-version\"}";
  // It stands still: its own commands are no longer taken, and nobody else notices.
  size_t sent = 0;
  int refused = 0;
  while (refused < 20 && sent < (64u << 20)) {
    const ssize_t n = send(client->fd(), commands.data(), commands.size(), MSG_DONTWAIT);
    if (n > 0) {
      sent += static_cast<size_t>(n);
      refused = 0;
    } else {
      ++refused;
      ASSERT_EQ(vm_->RunState(), "running");
    }
  }
  EXPECT_EQ(refused, 20) << sent << " bytes of commands were taken";
  EXPECT_LE(StatusKiB(pid(), "VmHWM"), resident_ + kGrowth);
  ExpectAlive(*vm_);
}

TEST_F(HostileTest, DescriptorsRunOut) {
  constexpr int kFree = 8;
  const auto count = static_cast<rlim_t>(descriptors_ + kFree);
  const rlimit limit{count, count};
  ASSERT_EQ(prlimit(pid(), RLIMIT_NOFILE, &limit, nullptr), 0);
  std::vector<std::unique_ptr<Client>> served;
  for (int i = 0; i < kFree; ++i) served.push_back(Connect());
  // No descriptor is left for these; the others are served on.
  auto address = client::ParseAddress(vm_->qmp_address());
  ASSERT_OK(address);
  std::vector<UniqueFd> waiting;
  for (int i = 0; i < 4; ++i) {
    auto socket = client::Connect(*address);
    ASSERT_OK(socket);
    waiting.push_back(std::move(*socket));
  }
  // For some of its further tries.
  const auto end = std::chrono::steady_clock::now() + milliseconds(700);
  while (std::chrono::steady_clock::now() < end) ASSERT_OK(served[0]->Execute("query-status"));
  const std::string err = vm_->process().Stderr();
  EXPECT_CONTAINS(err, "Too many open files");
  EXPECT_EQ(err.find("Too many"), err.rfind("Too many")) << err;
  served.clear();
  for (UniqueFd& socket : waiting) EXPECT_TRUE(Client::Open(std::move(socket)));
}

TEST_F(HostileTest, RoundsOfAllKindsLeaveNothing) {
  const auto round = [&] {
    Attack("{\"execute\":\"query-status\",\"arguments\":{\"a\":\"" + std::string(1 << 20, 'x') +
           "\xff");
    Attack(std::string(2000, '{') + "\n");
    auto half = Connect();
    ASSERT_NE(half, nullptr);
    ASSERT_OK(half->SendRaw("{\"execute\":"));
    auto flooder = Connect();
    ASSERT_NE(flooder, nullptr);
    Flood(*flooder, 50);
    ASSERT_OK(vm_->qmp().Pump());
    while (vm_->qmp().TakeEvent()) {
    }
  };
  for (int i = 0; i < 5; ++i) round();
  const long after_five = StatusKiB(pid(), "VmRSS");
  for (int i = 0; i < 25; ++i) round();
  EXPECT_LE(StatusKiB(pid(), "VmRSS"), after_five + 1024);
}

}  // namespace
}  // namespace davit::testing
