// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The character devices of the process as a control plane sees them: back ends of serial ports
// and monitors alike. daemon/ implements it, since the two live in different layers. Owner: control
// thread.
#pragma once

#include <string>
#include <vector>

namespace davit::control {

// query-chardev row.
struct ChardevInfo {
  std::string label;
  std::string filename;  // "unix:/path,server=on", "null"
  bool frontend_open = false;
};

class ChardevControl {
 public:
  virtual ~ChardevControl() = default;
  virtual std::vector<ChardevInfo> Chardevs() const = 0;
  virtual std::vector<std::string> Backends() const = 0;  // query-chardev-backends
};

}  // namespace davit::control
