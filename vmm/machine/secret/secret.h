// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The object `secret`: bytes that are given inline or in a file, raw or in base64, and that may be
// encrypted (AES-256-CBC, padded as in PKCS #7) with the bytes of another secret. They are read,
// checked and decrypted when the object is made, as in QEMU; no part of davit but other secrets
// takes one yet. The bytes stand in no message, and are overwritten when the object goes; what a
// client asks back (qom-get of `data`) is what it gave, not what that decrypts to.
// Owner: control thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "vmm/base/error.h"
#include "vmm/control/types.h"
#include "vmm/machine/secret/wiped_bytes.h"

namespace davit::machine {

class Secret {
 public:
  // The secret of this id. Error: there is none, or it is no secret.
  using Find = std::function<Result<const Secret*>(const std::string& id)>;

  // may_wait: for what a FIFO or another slow file gives; if not, a FIFO is refused, and nothing is
  // waited for. Error: QEMU's words; of the file: why it cannot be read. A file of more than 1 MiB
  // is refused.
  static Result<std::unique_ptr<Secret>> Create(const control::ObjectSpec& spec, const Find& find,
                                                bool may_wait);

  // The value of a property, given or not. nullopt: there is none of this name.
  std::optional<control::PropertyValue> Property(std::string_view name) const;
  std::span<const uint8_t> bytes() const { return bytes_.span(); }

 private:
  Secret() = default;
  Status Take(const control::ObjectSpec& spec);
  Status Decrypt(const Secret& key);

  std::optional<WipedBytes> data_;  // as it was given
  std::optional<std::string> file_, format_, key_id_, iv_;
  WipedBytes bytes_;
};

}  // namespace davit::machine
