// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See fixture.h.
#include "tests/clients/fixture.h"

#include <utility>

#include "schema/runtime/json/json.h"
#include "vmm/base/check.h"

namespace davit::testing {

void ClientTest::SetUp() {
  auto vm =
      Vm::Start({.args = {"-machine", "q35", "-accel", "qtest", "-nodefaults", "-display", "none",
                          "-m", "64", "-device", "pcie-root-port,id=port0,chassis=1", "-device",
                          "pcie-root-port,id=port1,chassis=2", "-device",
                          "virtio-serial-pci,id=serial", "-chardev", "ringbuf,id=agent,size=4096",
                          "-device", "virtserialport,chardev=agent,name=org.linuxcontainers.incus"},
                 .serial_stdio = false});
  ASSERT_TRUE(vm) << vm.error();
  vm_ = std::move(*vm);
}

Wire ClientTest::Connect() {
  auto wire = Wire::Connect(socket());
  DAVIT_CHECK(wire);
  return std::move(*wire);
}

json::Value ClientTest::Message(Wire& wire) {
  auto line = wire.ReadTo("\r\n");
  if (!line) {
    ADD_FAILURE() << line.error();
    return {};
  }
  auto message = json::Parse(*line);
  EXPECT_TRUE(message) << *line;
  return message ? std::move(*message) : json::Value();
}

json::Value ClientTest::Reply(Wire& wire) {
  for (;;) {
    json::Value message = Message(wire);
    if (message["event"].is_null()) return message;
  }
}

json::Value ClientTest::Ask(Wire& wire, std::string_view bytes) {
  const Status sent = wire.Send(bytes);
  EXPECT_TRUE(sent) << sent.error();
  return Reply(wire);
}

json::Value ClientTest::Event(Wire& wire, std::string_view name) {
  for (;;) {
    json::Value message = Message(wire);
    if (message["event"] == json::Value(name)) return message;
    if (message["event"].is_null()) {
      ADD_FAILURE() << "no event " << name;
      return message;
    }
  }
}

void OneConnectionTest::SetUp() {
  ClientTest::SetUp();
  if (HasFatalFailure() || IsSkipped()) return;
  wire_ = std::make_unique<Wire>(Connect());
  EXPECT_TRUE(Message(*wire_)["QMP"].is_object());
}

std::string Outcome(const json::Value& reply) {
  if (reply["return"] == json::Value(json::Object())) return "done";
  const std::string* cls = reply["error"]["class"].AsString();
  const std::string* text = reply["error"]["desc"].AsString();
  // Some clients read it as a map of strings: there is nothing else in it.
  if (cls == nullptr || text == nullptr || reply["error"].AsObject()->size() != 2) {
    return json::Write(reply);
  }
  return *cls + ": " + *text;
}

}  // namespace davit::testing
