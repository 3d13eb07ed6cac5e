// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// A davitd for tests of how clients speak: a q35 with two free slots, a port of the guest agent's
// kind whose back end is a ring buffer, and no guest, so that nothing but the client moves it.
// Owner: the test's thread.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "schema/runtime/json/value.h"
#include "tests/clients/wire.h"
#include "tests/support/vm.h"

namespace davit::testing {

class ClientTest : public ::testing::Test {
 protected:
  void SetUp() override;

  std::string socket() const { return vm_->dir().File("qmp"); }
  Vm& vm() { return *vm_; }

  // A connection that has read nothing yet.
  Wire Connect();
  // The next line, which ends as QMP's do, as JSON.
  static json::Value Message(Wire& wire);
  // The next message that is no event; those before it are dropped.
  static json::Value Reply(Wire& wire);
  // Sends, and gives the next message that is no event.
  static json::Value Ask(Wire& wire, std::string_view bytes);
  // The next event of that name. No reply may come before it.
  static json::Value Event(Wire& wire, std::string_view name);

 private:
  std::unique_ptr<Vm> vm_;
};

// With one connection, for clients that keep theirs. It has read the greeting and negotiated
// nothing; null after a failure.
class OneConnectionTest : public ClientTest {
 protected:
  void SetUp() override;

  std::unique_ptr<Wire> wire_;
};

// "done" for a reply that returns {}, "CLASS: TEXT" for an error, else its JSON.
std::string Outcome(const json::Value& reply);

#define EXPECT_DONE(reply) EXPECT_EQ(::davit::testing::Outcome(reply), "done")
#define EXPECT_REFUSED(reply, cls, text) \
  EXPECT_EQ(::davit::testing::Outcome(reply), std::string(cls) + ": " + (text))

}  // namespace davit::testing
