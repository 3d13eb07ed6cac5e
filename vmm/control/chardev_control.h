// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The character devices of the process as a control plane sees them: back ends of serial ports
// and monitors alike. daemon/ implements it, since the two live in different layers. Owner: control
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "vmm/base/error.h"
#include "vmm/base/unique_fd.h"

namespace davit::control {

// query-chardev row.
struct ChardevInfo {
  std::string label;
  std::string filename;  // "unix:/path,server=on", "null"
  bool frontend_open = false;
};

// What to make: a name of Backends() and the keys of -chardev, booleans as "on" and "off".
struct ChardevParams {
  std::string backend;
  std::vector<std::pair<std::string, std::string>> values;
  UniqueFd fd;  // what values name by number; taken over if the device can be made
};

// Errors are QEMU's.
class ChardevControl {
 public:
  virtual ~ChardevControl() = default;
  virtual std::vector<ChardevInfo> Chardevs() const = 0;
  virtual std::vector<std::string> Backends() const = 0;  // query-chardev-backends

  // They return the file name, as Chardevs() has it.
  virtual Result<std::string> Add(const std::string& id, ChardevParams params) = 0;
  virtual Result<std::string> Change(const std::string& id, ChardevParams params) = 0;
  // What hinders Change() whatever the parameters are, which have not been looked at.
  virtual Status CheckChange(const std::string& id) const = 0;
  // The same with the argument of -chardev, with and without id=.
  virtual Status AddText(const std::string& text) = 0;
  virtual Status ChangeText(const std::string& id, const std::string& text) = 0;
  virtual Status Remove(const std::string& id) = 0;
  virtual Status SendBreak(const std::string& id) = 0;

  // The oldest bytes of a ring buffer, which are taken out of it.
  virtual Result<std::string> RingbufRead(const std::string& id, uint64_t size) = 0;
  virtual Status RingbufWrite(const std::string& id, std::span<const std::byte> data) = 0;
};

}  // namespace davit::control
