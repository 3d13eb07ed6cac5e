// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See secret.h.
#include "vmm/machine/secret/secret.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "vmm/base/unique_fd.h"
#include "vmm/base/units.h"
#include "vmm/machine/host_file.h"
#include "vmm/machine/secret/aes_cbc.h"

namespace davit::machine {
namespace {

constexpr size_t kMaxBytes = kMiB;

tl::unexpected<Error> Unreadable(const std::string& path, std::string_view what, int error) {
  return Fail(fmt::format("Unable to read {0}: {1} “{0}”: {2}", path, what, std::strerror(error)));
}

Result<WipedBytes> ReadAll(const std::string& path, bool may_wait) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Unreadable(path, "Failed to open file", errno);
  struct stat info {};
  if (fstat(fd.get(), &info) < 0) return Unreadable(path, "Failed to open file", errno);
  // It might never end, or have no writer yet, which looks like one that has ended.
  if (!may_wait && S_ISFIFO(info.st_mode)) {
    return Fail(fmt::format("Unable to read {}: it is a FIFO, which only -object waits for", path));
  }
  WipedBytes bytes;
  WipedBytes buffer(4 * kKiB);
  for (;;) {
    const ssize_t n = may_wait ? ReadWaiting(fd.get(), buffer.data(), buffer.size())
                               : read(fd.get(), buffer.data(), buffer.size());
    if (n < 0) return Unreadable(path, "Error reading file", errno);
    if (n == 0) return bytes;
    bytes.Append(buffer.data(), static_cast<size_t>(n));
    if (bytes.size() > kMaxBytes) return Unreadable(path, "Error reading file", EFBIG);
  }
}

// As QEMU takes it: in groups of four, an incomplete one at the end is dropped; '=' counts nothing
// and takes a byte from the end of its group; newlines are skipped.
Result<WipedBytes> DecodeBase64(std::string_view text) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  WipedBytes bytes(text.size() / 4 * 3);
  size_t size = 0, have = 0;
  uint32_t group = 0;
  unsigned padding = 0;  // of the last two: bit 1 and bit 0
  for (const char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos && c != '=' && c != '\n') {
      return Fail("Base64 data contains invalid characters");
    }
    if (c == '\n') continue;
    group = group << 6 | (c == '=' ? 0 : static_cast<uint32_t>(value));
    padding = (padding << 1 | (c == '=' ? 1 : 0)) & 3;
    if (++have < 4) continue;
    bytes.data()[size++] = static_cast<uint8_t>(group >> 16);
    if ((padding & 2) == 0) bytes.data()[size++] = static_cast<uint8_t>(group >> 8);
    if ((padding & 1) == 0) bytes.data()[size++] = static_cast<uint8_t>(group);
    have = 0;
  }
  bytes.Shrink(size);
  return bytes;
}

}  // namespace

Status Secret::Take(const control::ObjectSpec& spec) {
  for (const auto& [name, value] : spec.properties) {
    if (name == "loaded") return Fail("Property 'secret.loaded' is not writable");
    if (!Property(name)) return Fail(fmt::format("Parameter '{}' is unexpected", name));
    const auto* const text = std::get_if<std::string>(&value.value);
    if (text == nullptr) {
      return Fail(fmt::format("Invalid parameter type for '{}', expected: string", name));
    }
    if (name == "data") data_.emplace(*text);
    if (name == "file") file_ = *text;
    if (name == "format") format_ = *text;
    if (name == "keyid") key_id_ = *text;
    if (name == "iv") iv_ = *text;
  }
  if (format_ && *format_ != "raw" && *format_ != "base64") {
    return Fail(fmt::format("Parameter 'format' does not accept value '{}'", *format_));
  }
  if (data_ && file_) return Fail("'file' and 'data' are mutually exclusive");
  if (!data_ && !file_) return Fail("Either 'file' or 'data' must be provided");
  return {};
}

Result<std::unique_ptr<Secret>> Secret::Create(const control::ObjectSpec& spec, const Find& find,
                                               bool may_wait) {
  std::unique_ptr<Secret> secret(new Secret);
  DAVIT_TRY(secret->Take(spec));
  if (secret->file_) {
    DAVIT_ASSIGN(secret->bytes_, ReadAll(*secret->file_, may_wait));
  } else {
    secret->bytes_ = WipedBytes(secret->data_->text());
  }
  if (secret->key_id_) {
    if (*secret->key_id_ == spec.id) {
      return Fail(fmt::format("Secret with id '{}' has no data", spec.id));
    }
    DAVIT_ASSIGN(const Secret* const key, find(*secret->key_id_));
    DAVIT_TRY(secret->Decrypt(*key));
  } else if (secret->format_ == "base64") {
    DAVIT_ASSIGN(secret->bytes_, DecodeBase64(secret->bytes_.text()));
  }
  return secret;
}

// The order of checks is QEMU's.
Status Secret::Decrypt(const Secret& key) {
  if (key.bytes().size() != kAesKeyBytes) {
    return Fail(fmt::format("Key should be {} bytes in length", kAesKeyBytes));
  }
  if (!iv_) return Fail("IV is required to decrypt secret");
  DAVIT_ASSIGN(const WipedBytes iv, DecodeBase64(*iv_));
  if (iv.size() != kAesBlockBytes) {
    return Fail(fmt::format("IV should be {} bytes in length not {}", kAesBlockBytes, iv.size()));
  }
  if (format_ == "base64") {
    DAVIT_ASSIGN(bytes_, DecodeBase64(bytes_.text()));
  }
  if (bytes_.size() % kAesBlockBytes != 0) {
    return Fail(fmt::format("Length {} must be a multiple of block size {}", bytes_.size(),
                            kAesBlockBytes));
  }
  DAVIT_ASSIGN(bytes_, DecryptAes256Cbc(key.bytes().first<kAesKeyBytes>(),
                                        iv.span().first<kAesBlockBytes>(), bytes_.span()));
  if (bytes_.size() == 0) return {};
  // RFC 5652, 6.3. As in QEMU the last byte alone is looked at, and 0 is none.
  const uint8_t padding = bytes_.span().back();
  if (padding > kAesBlockBytes) {
    return Fail(
        fmt::format("Incorrect number of padding bytes ({}) found on decrypted data", padding));
  }
  bytes_.Shrink(bytes_.size() - padding);
  return {};
}

std::optional<control::PropertyValue> Secret::Property(std::string_view name) const {
  const auto text = [](const std::optional<std::string>& value, const char* none = "") {
    return control::PropertyValue{value.value_or(none)};
  };
  if (name == "loaded") return control::PropertyValue{true};
  if (name == "data") return control::PropertyValue{std::string(data_ ? data_->text() : "")};
  if (name == "file") return text(file_);
  if (name == "format") return text(format_, "raw");
  if (name == "keyid") return text(key_id_);
  if (name == "iv") return text(iv_);
  return std::nullopt;
}

}  // namespace davit::machine
