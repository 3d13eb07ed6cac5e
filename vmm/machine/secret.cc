// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See secret.h.
#include "vmm/machine/secret.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "vmm/base/unique_fd.h"
#include "vmm/base/units.h"

namespace davit::machine {
namespace {

constexpr size_t kMaxBytes = kMiB;

// Empty: not given.
const std::string* TextOf(const control::ObjectSpec& spec, std::string_view name) {
  for (const auto& [given, value] : spec.properties) {
    if (given == name) return std::get_if<std::string>(&value.value);
  }
  return nullptr;
}

tl::unexpected<Error> Unreadable(const std::string& path, std::string_view what, int error) {
  return Fail(fmt::format("Unable to read {0}: {1} “{0}”: {2}", path, what, std::strerror(error)));
}

Result<std::string> ReadAll(const std::string& path) {
  // O_NONBLOCK: the control thread waits for no writer of a FIFO.
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return Unreadable(path, "Failed to open file", errno);
  std::string bytes;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t n = read(fd.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Unreadable(path, "Error reading file", errno);
    if (n == 0) return bytes;
    bytes.append(buffer.data(), static_cast<size_t>(n));
    if (bytes.size() > kMaxBytes) return Unreadable(path, "Error reading file", EFBIG);
  }
}

}  // namespace

Status CheckSecret(const control::ObjectSpec& spec) {
  for (const auto& [name, value] : spec.properties) {
    if (name == "loaded") return Fail("Property 'secret.loaded' is not writable");
    if (name == "keyid" || name == "iv") {
      return Fail(fmt::format("property '{}' of secret is not supported", name));
    }
    if (!ReadSecret(spec, name)) return Fail(fmt::format("Parameter '{}' is unexpected", name));
    if (!std::holds_alternative<std::string>(value.value)) {
      return Fail(fmt::format("Invalid parameter type for '{}', expected: string", name));
    }
  }
  const std::string* const data = TextOf(spec, "data");
  const std::string* const file = TextOf(spec, "file");
  if (data != nullptr && file != nullptr) return Fail("'file' and 'data' are mutually exclusive");
  if (data == nullptr && file == nullptr) return Fail("Either 'file' or 'data' must be provided");
  std::string bytes = data != nullptr ? *data : "";
  if (file != nullptr) {
    DAVIT_ASSIGN(bytes, ReadAll(*file));
  }
  const std::string* const format = TextOf(spec, "format");
  if (format == nullptr || *format == "raw") return {};
  if (*format != "base64") {
    return Fail(fmt::format("Parameter 'format' does not accept value '{}'", *format));
  }
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\n";
  if (bytes.find_first_not_of(kAlphabet) != std::string::npos) {
    return Fail("Base64 data contains invalid characters");
  }
  return {};
}

std::optional<control::PropertyValue> ReadSecret(const control::ObjectSpec& spec,
                                                 std::string_view name) {
  if (name == "loaded") return control::PropertyValue{true};
  for (const std::string_view known : {"data", "file", "format", "keyid", "iv"}) {
    if (name != known) continue;
    const std::string* const text = TextOf(spec, name);
    if (text != nullptr) return control::PropertyValue{*text};
    return control::PropertyValue{std::string(name == "format" ? "raw" : "")};
  }
  return std::nullopt;
}

}  // namespace davit::machine
