// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// AES-256 in cipher block chaining (FIPS 197; NIST SP 800-38A, 6.2), by OpenSSL's libcrypto: the
// one door to it. Pure; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "vmm/base/error.h"
#include "vmm/machine/secret/wiped_bytes.h"

namespace davit::machine {

inline constexpr size_t kAesKeyBytes = 32, kAesBlockBytes = 16;

// data: whole blocks, padding included, which stays in the result. Error: libcrypto cannot (no
// memory, a provider that forbids it).
Result<WipedBytes> DecryptAes256Cbc(std::span<const uint8_t, kAesKeyBytes> key,
                                    std::span<const uint8_t, kAesBlockBytes> iv,
                                    std::span<const uint8_t> data);

}  // namespace davit::machine
