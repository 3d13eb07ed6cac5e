// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Serial ports: isa-serial; virtio-serial and its ports, virtconsole and virtserialport.
#include <fmt/format.h>

#include "vmm/backend/char/registry.h"
#include "vmm/base/check.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/machine/serial_host.h"
#include "vmm/virtio/console/port.h"

namespace davit::machine {
namespace {

constexpr uint64_t kMaxPorts = 511;

class SerialPortDevice final : public PlainDevice {
 public:
  explicit SerialPortDevice(std::unique_ptr<virtio::SerialPort> port) : port_(std::move(port)) {}
  std::optional<control::PropertyValue> Property(std::string_view name) const override {
    if (name != "nr") return std::nullopt;
    return control::PropertyValue{uint64_t{port_->number()}};
  }

 private:
  std::unique_ptr<virtio::SerialPort> port_;
};

class IsaSerialDevice final : public PlainDevice {
 public:
  IsaSerialDevice(SerialHost& host, const SerialPlace& place) : host_(host), place_(place) {}
  ~IsaSerialDevice() override { host_.Remove(place_.index); }
  std::optional<control::PropertyValue> Property(std::string_view name) const override {
    if (name == "index") return control::PropertyValue{uint64_t{place_.index}};
    if (name == "iobase") return control::PropertyValue{uint64_t{place_.iobase}};
    if (name == "irq") return control::PropertyValue{uint64_t{place_.irq}};
    return std::nullopt;
  }

 private:
  SerialHost& host_;
  const SerialPlace place_;
};

// owner: whose property it is in QEMU's words.
Result<backend::Chardev*> FindChardev(DeviceContext& context, const DeviceProperties& props,
                                      const std::string& owner) {
  const std::string id = props.Text("chardev");
  if (id.empty()) return nullptr;
  backend::Chardev* const chardev =
      context.chardevs != nullptr ? context.chardevs->Find(id) : nullptr;
  const auto fault = [&](std::string_view what) {
    return Fail(fmt::format("Property '{}.chardev' can't {} value '{}'", owner, what, id));
  };
  if (chardev == nullptr) return fault("find");
  if (!chardev->frontend_open()) return chardev;
  Error error = fault("take").value();
  error.message += fmt::format(": Device '{}' is in use", id);
  return Fail(std::move(error));
}

}  // namespace

MadeVirtio MakeSerial(DeviceContext&, const DeviceProperties& props) {
  const uint64_t ports = props.Uint("max_ports");
  if (ports == 0) return Fail("Maximum number of serial ports not specified");
  if (ports > kMaxPorts) return Fail(fmt::format("maximum ports supported: {}", kMaxPorts));
  return std::make_unique<virtio::Serial>(
      virtio::SerialConfig{static_cast<uint32_t>(ports), props.Bool("emergency-write")});
}

MadePlain MakeIsaSerial(DeviceContext& context, const DeviceProperties& props) {
  if (context.serial_ports == nullptr) {
    return Fail(fmt::format("No 'ISA' bus found for device '{}'", props.driver()));
  }
  std::optional<uint32_t> index;
  if (const uint64_t number = props.Uint("index"); number != UINT32_MAX) {
    index = static_cast<uint32_t>(number);
  }
  DAVIT_ASSIGN(backend::Chardev* const chardev, FindChardev(context, props, "serial"));
  DAVIT_ASSIGN(const SerialPlace place, context.serial_ports->Add(index, chardev));
  return std::make_unique<IsaSerialDevice>(*context.serial_ports, place);
}

MadePlain MakeSerialPort(DeviceContext& context, const DeviceProperties& props,
                         virtio::VirtioDevice& parent) {
  auto* const serial = dynamic_cast<virtio::Serial*>(&parent);
  DAVIT_CHECK(serial != nullptr);
  virtio::SerialPortConfig config;
  config.console = props.driver() == "virtconsole";
  config.name = props.Text("name");
  if (const uint64_t number = props.Uint("nr"); number != UINT32_MAX) {
    config.number = static_cast<uint32_t>(number);
  }
  DAVIT_ASSIGN(config.chardev, FindChardev(context, props, props.driver()));
  if (!props.id().empty()) {
    // The driver's reset closes ports too, on a vCPU's thread.
    config.on_guest_open = [&loop = context.loop, emit = context.emit, id = props.id()](bool open) {
      loop.Post([emit, id, open] { emit(control::SerialPortChangeEvent{id, open}); });
    };
  }
  DAVIT_ASSIGN(auto port, virtio::SerialPort::Create(*serial, std::move(config)));
  return std::make_unique<SerialPortDevice>(std::move(port));
}

}  // namespace davit::machine
