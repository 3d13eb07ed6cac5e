// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0

#include "ports.h"

#include "acpi.h"
#include "agent.h"
#include "clock.h"
#include "console.h"
#include "io.h"
#include "virtio.h"

namespace probe {
namespace {

constexpr uint32_t kConsoleId = 3;
constexpr uint64_t kMultiport = 1 << 1;
constexpr uint32_t kMaxPortsOffset = 4;  // in the configuration (5.3.4)
constexpr uint32_t kControlReceive = 2, kControlTransmit = 3;
constexpr uint32_t kMaxPorts = 3;
static_assert(2 * (kMaxPorts + 1) <= kMaxVirtioQueues);

// Events on the control queues (5.3.6.2).
constexpr uint16_t kDeviceReady = 0, kPortAdd = 1, kPortRemove = 2, kPortReady = 3,
                   kConsolePort = 4, kPortOpen = 6, kPortName = 7;
constexpr uint32_t kNoPort = 0xffffffff;
struct Control {
  uint32_t port;
  uint16_t event;
  uint16_t value;
};
static_assert(sizeof(Control) == 8);

constexpr char kAgentName[] = "org.qemu.guest_agent.0";

enum class Role : uint8_t { kClosed, kEcho, kAgent };
struct Port {
  Role role;
  bool offered;  // the device has the buffer
  uint8_t buffer[256];
};

VirtioDevice* device;
bool multiport;
Port port_table[kMaxPorts];
AgentInput agent_input;
uint8_t control_buffer[sizeof(Control) + sizeof kAgentName + 1];

constexpr uint32_t ReceiveQueue(uint32_t port) { return port == 0 ? 0 : 2 * (port + 1); }

void Offer(uint32_t queue, void* data, uint32_t size) {
  const VirtioBuffer buffer{data, size, true};
  SendVirtio(*device, queue, &buffer, 1);
}

bool Transmit(uint32_t queue, const void* data, uint32_t size) {
  const VirtioBuffer buffer{data, size, false};
  uint32_t length = 0;
  if (DoVirtio(*device, queue, &buffer, 1, length)) return true;
  Print("console: the device does not answer\n");
  device = nullptr;
  return false;
}

bool Tell(uint32_t port, uint16_t event, uint16_t value) {
  static Control message;
  message = {port, event, value};
  return Transmit(kControlTransmit, &message, sizeof message);
}

void Open(uint32_t number, Role role) {
  Port& port = port_table[number];
  port.role = role;
  if (role == Role::kAgent) agent_input = {};
  if (!port.offered) {
    port.offered = true;
    Offer(ReceiveQueue(number), port.buffer, sizeof port.buffer);
  }
  if (!multiport || !Tell(number, kPortOpen, 1)) return;
  Print("port: %u is %s\n", uint64_t{number}, role == Role::kAgent ? "the agent's" : "a console");
}

void HandleControl(const Control& message, const char* text) {
  const uint32_t number = message.port;
  if (number >= kMaxPorts) {
    if (message.event == kPortAdd) (void)Tell(number, kPortReady, 0);  // no place for it
    return;
  }
  Port& port = port_table[number];
  switch (message.event) {
    case kPortAdd:
      (void)Tell(number, kPortReady, 1);
      break;
    case kPortRemove:
      port.role = Role::kClosed;
      break;
    case kConsolePort:
      Open(number, Role::kEcho);
      break;
    case kPortName:
      if (Equal(text, kAgentName)) Open(number, Role::kAgent);
      break;
    case kPortOpen:
      if (port.role == Role::kAgent) agent_input = {};  // another speaker
      break;
    default:
      break;
  }
}

void ServeControl() {
  uint32_t length = 0;
  while (device != nullptr && TakeVirtio(*device, kControlReceive, length)) {
    static uint8_t bytes[sizeof control_buffer + 1];
    if (length > sizeof control_buffer) length = sizeof control_buffer;
    __builtin_memcpy(bytes, control_buffer, length);
    bytes[length] = 0;
    Offer(kControlReceive, control_buffer, sizeof control_buffer);
    if (length < sizeof(Control)) continue;
    Control message;
    __builtin_memcpy(&message, bytes, sizeof message);
    HandleControl(message, reinterpret_cast<const char*>(bytes + sizeof message));
  }
}

// What a line of the agent's speaker asks.
void ServeAgent(uint32_t number) {
  static AgentReply reply;
  DateTime now;
  AnswerAgent(agent_input.line, ReadClock(now) ? UnixSeconds(now) : 0, reply);
  Print("agent: %s\n", reply.name[0] != 0 ? reply.name : "not a command");
  if (reply.size != 0) (void)Transmit(ReceiveQueue(number) + 1, reply.text, reply.size);
  if (reply.action == AgentAction::kPowerOff) AcpiPowerOff();
  if (reply.action == AgentAction::kReset) AcpiReset();
}

void Hear(uint32_t number, uint32_t length) {
  Port& port = port_table[number];
  if (length > sizeof port.buffer) length = sizeof port.buffer;
  if (port.role == Role::kEcho && length != 0) {
    (void)Transmit(ReceiveQueue(number) + 1, port.buffer, length);
  }
  for (uint32_t i = 0; port.role == Role::kAgent && device != nullptr && i < length; ++i) {
    if (AddToLine(agent_input, char(port.buffer[i]))) ServeAgent(number);
  }
}

void ServePort(uint32_t number) {
  Port& port = port_table[number];
  uint32_t length = 0;
  while (device != nullptr && port.offered && TakeVirtio(*device, ReceiveQueue(number), length)) {
    port.offered = port.role != Role::kClosed;
    Hear(number, length);
    if (device != nullptr && port.offered) {
      Offer(ReceiveQueue(number), port.buffer, sizeof port.buffer);
    }
  }
}

}  // namespace

void StartPorts() {
  device = FindVirtioDevice(kConsoleId);
  for (Port& port : port_table) {
    port.role = Role::kClosed;
    port.offered = false;
  }
  if (device == nullptr) return;
  multiport = (VirtioFeatures(*device) & kMultiport) != 0;
  uint32_t queues = 2;
  if (multiport) {
    const uint32_t ports = VirtioConfig32(*device, kMaxPortsOffset);
    queues = 2 * ((ports < kMaxPorts ? ports : kMaxPorts) + 1);
  }
  WakeByVirtio(*device);
  if (!StartVirtio(*device, kMultiport, queues)) {
    Print("console: the device refused\n");
    device = nullptr;
    return;
  }
  if (!multiport) return Open(0, Role::kEcho);
  Offer(kControlReceive, control_buffer, sizeof control_buffer);
  (void)Tell(kNoPort, kDeviceReady, 1);
}

void ServePorts() {
  if (device == nullptr) return;
  if (multiport) ServeControl();
  for (uint32_t i = 0; i < kMaxPorts; ++i) ServePort(i);
}

void TestConsole() {
  static const char kText[] = "probe: console\n";
  if (device == nullptr) {
    Print("console: none\n");
  } else if (Transmit(ReceiveQueue(0) + 1, kText, sizeof kText - 1)) {
    Print("console: ok\n");
  }
}

}  // namespace probe
