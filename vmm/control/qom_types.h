// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Objects of the machine's tree as values: what qom-list shows. Types are spelled as QEMU's:
// "child<virtio-rng-pci>", "link<bus>", "bool", "int", "guest statistics".
#pragma once

#include <string>
#include <vector>

namespace davit::control {

struct QomProperty {
  std::string name;
  std::string type;
};

struct QomObject {
  std::string type;  // "virtio-rng-pci"
  std::string id;    // of a device, as -device gave it; empty: it has none
  // Children, links, and what the object has at run time. The properties that the schema gives the
  // type (those of -device and -object) are not among them, unless they can change.
  std::vector<QomProperty> properties;
};

}  // namespace davit::control
