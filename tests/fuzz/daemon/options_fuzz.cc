// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Any bytes as a command line, a word a line. It parses or is refused with a text that names an
// option; -readconfig is left out, since it would open files of any name.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/options/parse.h"
#include "vmm/base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::string> words(1);
  for (size_t i = 0; i < size; ++i) {
    if (data[i] == '\n') {
      words.emplace_back();
    } else if (data[i] != 0) {
      words.back() += static_cast<char>(data[i]);
    }
  }
  std::vector<const char*> arguments;
  for (const std::string& word : words) {
    if (word.find("readconfig") != std::string::npos) return 0;
    arguments.push_back(word.c_str());
  }
  const auto options = davit::daemon::ParseCommandLine(arguments);
  DAVIT_CHECK(options.has_value() || !options.error().message.empty());
  return 0;
}
