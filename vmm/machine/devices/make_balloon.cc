// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-balloon.
#include <fmt/format.h>

#include <memory>

#include "vmm/control/events.h"
#include "vmm/machine/devices/last_value.h"
#include "vmm/machine/devices/makers.h"
#include "vmm/virtio/balloon/balloon.h"

namespace davit::machine {

MadeVirtio MakeBalloon(DeviceContext& context, const DeviceProperties& props) {
  if (context.has_virtio(virtio::kIdBalloon)) return Fail("Only one balloon device is supported");
  virtio::BalloonConfig config;
  config.deflate_on_oom = props.Bool("deflate-on-oom");
  config.free_page_hint = props.Bool("free-page-hint");
  config.free_page_reporting = props.Bool("free-page-reporting");
  config.page_poison = props.Bool("page-poison");
  if (config.free_page_hint && props.Text("iothread").empty()) {
    return Fail("'free-page-hint' requires 'iothread' to be set");
  }
  config.timer_loop = &context.loop;
  config.on_change = TellLastValue(context.loop, [emit = context.emit](uint64_t actual) {
    emit(control::BalloonChangeEvent{actual});
  });
  return std::make_unique<virtio::Balloon>(std::move(config));
}

namespace {

constexpr std::string_view kStats = kBalloonRunTime[0].name;
constexpr std::string_view kInterval = kBalloonRunTime[1].name;

}  // namespace

std::optional<Result<control::PropertyValue>> GetBalloonProperty(virtio::VirtioDevice& device,
                                                                 std::string_view name) {
  auto& balloon = static_cast<virtio::Balloon&>(device);
  if (name == kInterval) {
    return control::PropertyValue{static_cast<int64_t>(balloon.polling_interval())};
  }
  if (name != kStats) return std::nullopt;
  const virtio::BalloonStats stats = balloon.Stats();
  control::PropertyMap values;
  for (size_t i = 0; i < stats.values.size(); ++i) {
    values.push_back({std::string(virtio::kBalloonStatNames[i]), {stats.values[i]}});
  }
  return control::PropertyValue{
      control::PropertyMap{{"stats", {std::move(values)}}, {"last-update", {stats.last_update}}}};
}

std::optional<Status> SetBalloonProperty(virtio::VirtioDevice& device, std::string_view name,
                                         const control::PropertyValue& value) {
  if (name == kStats) return Fail("Property 'virtio-balloon-device.guest-stats' is not writable");
  if (name != kInterval) return std::nullopt;
  const auto* const negative = std::get_if<int64_t>(&value.value);
  const auto* const seconds = std::get_if<uint64_t>(&value.value);
  if (negative == nullptr && seconds == nullptr) {
    return Fail(fmt::format("Invalid parameter type for '{}', expected: integer", kInterval));
  }
  if (negative != nullptr) return Fail("timer value must be greater than zero");
  if (*seconds > UINT32_MAX) return Fail("timer value is too big");
  static_cast<virtio::Balloon&>(device).SetPollingInterval(static_cast<uint32_t>(*seconds));
  return Status();
}

}  // namespace davit::machine
