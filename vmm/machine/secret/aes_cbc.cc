// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See aes_cbc.h.
#include "vmm/machine/secret/aes_cbc.h"

#include <openssl/evp.h>

#include <memory>

#include "vmm/base/check.h"

namespace davit::machine {
namespace {

// Its own copy of the key is overwritten as it is freed.
struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};

}  // namespace

Result<WipedBytes> DecryptAes256Cbc(std::span<const uint8_t, kAesKeyBytes> key,
                                    std::span<const uint8_t, kAesBlockBytes> iv,
                                    std::span<const uint8_t> data) {
  DAVIT_CHECK(data.size() % kAesBlockBytes == 0 && data.size() <= INT32_MAX);
  WipedBytes plain(data.size());
  if (data.empty()) return plain;
  const std::unique_ptr<EVP_CIPHER_CTX, FreeContext> context(EVP_CIPHER_CTX_new());
  int count = 0;
  const bool done =
      context != nullptr &&
      EVP_DecryptInit_ex(context.get(), EVP_aes_256_cbc(), nullptr, key.data(), iv.data()) == 1 &&
      EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1 &&
      EVP_DecryptUpdate(context.get(), plain.data(), &count, data.data(),
                        static_cast<int>(data.size())) == 1;
  if (!done || static_cast<size_t>(count) != data.size()) {
    return Fail("libcrypto cannot decrypt with AES-256-CBC");
  }
  return plain;
}

}  // namespace davit::machine
