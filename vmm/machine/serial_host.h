// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// What the device isa-serial asks of the board. Owner: control thread, before the guest runs.
#pragma once

#include <cstdint>
#include <optional>

#include "vmm/backend/char/chardev.h"
#include "vmm/base/error.h"

namespace davit::machine {

// Where a port is.
struct SerialPlace {
  uint32_t index;  // COM1 is 0
  uint16_t iobase;
  uint8_t irq;
};

class SerialHost {
 public:
  virtual ~SerialHost() = default;
  // Makes the port with this index (nullopt: the first free one) and connects it. chardev: outlives
  // the board; null: what is sent is lost. Error: there is no such place or it is taken, or the
  // chardev is in use; nothing is left behind.
  virtual Result<SerialPlace> Add(std::optional<uint32_t> index, backend::Chardev* chardev) = 0;
  // Takes it away again.
  virtual void Remove(uint32_t index) = 0;
};

}  // namespace davit::machine
