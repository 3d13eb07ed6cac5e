// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The properties of a device as a factory row reads them. The schema has typed them and filled in
// defaults (control::DeviceSpec), so that a property that the schema gives the driver is there with
// its type; anything else is a mistake of ours and ends the process. Immutable view; the spec
// outlives it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "vmm/control/types.h"

namespace davit::machine {

class DeviceProperties {
 public:
  explicit DeviceProperties(const control::DeviceSpec& spec, std::string path = {},
                            bool hot = false)
      : spec_(spec), path_(std::move(path)), hot_(hot) {}

  const std::string& driver() const { return spec_.driver; }
  const std::string& id() const { return spec_.id; }
  const std::string& bus() const { return spec_.bus; }
  // Of the device among the machine's objects: "/machine/peripheral/ID".
  const std::string& path() const { return path_; }

  // Made by device_add, when the guest may have run.
  bool hot() const { return hot_; }

  // Given, or it has a default.
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  // The property must be there.
  bool Bool(std::string_view name) const;
  uint64_t Uint(std::string_view name) const;
  int64_t Int(std::string_view name) const;
  // Strings, enumerations, links ("rng=ID"), MAC addresses. Empty when it was not given.
  std::string Text(std::string_view name) const;
  // An OnOffAuto: "auto" gives `automatic`.
  bool OnOff(std::string_view name, bool automatic) const;

 private:
  const control::PropertyValue* Find(std::string_view name) const;
  template <typename T>
  const T& Get(std::string_view name) const;

  const control::DeviceSpec& spec_;
  const std::string path_;
  const bool hot_;
};

}  // namespace davit::machine
