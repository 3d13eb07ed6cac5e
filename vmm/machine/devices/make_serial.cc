// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-serial and its ports: virtconsole, virtserialport.
#include <fmt/format.h>

#include "vmm/backend/char/registry.h"
#include "vmm/base/check.h"
#include "vmm/machine/devices/makers.h"
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

Result<backend::Chardev*> FindChardev(DeviceContext& context, const DeviceProperties& props) {
  const std::string id = props.Text("chardev");
  if (id.empty()) return nullptr;
  backend::Chardev* const chardev =
      context.chardevs != nullptr ? context.chardevs->Find(id) : nullptr;
  const auto fault = [&](std::string_view what) {
    return Fail(fmt::format("Property '{}.chardev' can't {} value '{}'", props.driver(), what, id));
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
  DAVIT_ASSIGN(config.chardev, FindChardev(context, props));
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
