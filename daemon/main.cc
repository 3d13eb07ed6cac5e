// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// davitd: one virtual machine, steered over QMP. Exit status: the VM's, or 1 with a line on stderr
// when it could not be set up; a signal that comes before it is ends the process as signals do, but
// not before all has been undone.
#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "daemon/app.h"
#include "daemon/help.h"
#include "daemon/options/parse.h"
#include "daemon/process/signals.h"

namespace davit::daemon {
namespace {

int Complain(const std::string& message) {
  std::fprintf(stderr, "davitd: %s\n", message.c_str());
  return 1;
}

// A caller may have closed them. No descriptor of ours may get such a number: what is printed would
// go there, and -daemonize puts /dev/null in its place. What we start inherits them, so they are
// not closed on exec. False: /dev/null cannot be opened.
bool FillStandardStreams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    if (open("/dev/null", O_RDWR) < 0) return false;  // gets the lowest number that is free
  }
  return true;
}

int Main(std::span<const char* const> arguments) {
  std::vector<std::string> warnings;
  Result<Options> options = ParseCommandLine(arguments, &warnings);
  for (const std::string& warning : warnings) Complain(warning);
  if (!options) return Complain(options.error().message);
  if (options->show) {
    std::fputs(HelpText(*options->show, *options).c_str(), stdout);
    return 0;
  }
  const Result<int> status = RunApp(std::move(*options));
  if (status) return *status;
  Complain(status.error().message);
  TerminationSignals::Unblock();
  return 1;
}

}  // namespace
}  // namespace davit::daemon

int main(int argc, char** argv) {
  // What a large message or a slow client took is given back at once: without a fixed threshold the
  // allocator would keep such blocks for itself after the first one.
  mallopt(M_MMAP_THRESHOLD, 128 * 1024);
  mallopt(M_TRIM_THRESHOLD, 256 * 1024);
  if (!davit::daemon::FillStandardStreams()) return 1;  // nobody could be told
  try {
    return davit::daemon::Main({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "davitd: internal error: %s\n", error.what());
    return 1;
  }
}
