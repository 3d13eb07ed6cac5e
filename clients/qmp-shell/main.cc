// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// qmp-shell: options, and the choice between a terminal and a script on standard input.
#include <getopt.h>
#include <unistd.h>

#include <iostream>
#include <string>

#include "clients/lib/client.h"
#include "clients/qmp-shell/shell.h"
#include "clients/qmp-shell/terminal.h"
#include "schema/qapi/help.h"

namespace davit::client {
namespace {

constexpr const char* kUsage =
    "usage: qmp-shell [-H] [-N] [-p] [-v] [-w EVENT] ADDRESS\n"
    "  ADDRESS                 path of a UNIX socket, unix:PATH, HOST:PORT or tcp:HOST:PORT\n"
    "  -H, --hmp               human monitor commands (sent by human-monitor-command)\n"
    "  -N, --skip-negotiation  do not negotiate: qmp_capabilities is left to you\n"
    "  -p, --pretty            print replies over several lines\n"
    "  -v, --verbose           show the messages that are sent\n"
    "  -w, --wait EVENT        when the script has ended, go on until this event has come\n"
    "Without a terminal, commands are read from standard input, one a line; the first that fails\n"
    "ends the script with exit status 1, as does an end of the connection before what --wait is "
    "for.\n";

constexpr option kLongOptions[] = {
    {"hmp", no_argument, nullptr, 'H'},
    {"skip-negotiation", no_argument, nullptr, 'N'},
    {"pretty", no_argument, nullptr, 'p'},
    {"verbose", no_argument, nullptr, 'v'},
    {"help", no_argument, nullptr, 'h'},
    {"wait", required_argument, nullptr, 'w'},
    {nullptr, 0, nullptr, 0},
};

// wait: an event, or empty.
int RunScript(Shell& shell, const std::string& wait) {
  int number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    switch (shell.Execute(line)) {
      case Shell::Outcome::kOk:
      // What is left may still hold: wait-event of an event that came. Commands fail by themselves.
      case Shell::Outcome::kLost:
        break;
      case Shell::Outcome::kExit:
        return 0;
      case Shell::Outcome::kFailed:
        std::cerr << "qmp-shell: line " << number << " failed: " << line << "\n";
        return 1;
    }
  }
  if (shell.EndOfScript() != Shell::Outcome::kOk) return 1;
  if (wait.empty() || shell.WaitFor(wait) == Shell::Outcome::kOk) return 0;
  return 1;
}

int Fatal(const std::string& message) {
  std::cerr << "qmp-shell: " << message << "\n";
  return 1;
}

int Main(int argc, char** argv) {
  ShellOptions options;
  options.documentation = qapi::CommandHelp;
  std::string wait;
  bool negotiate = true;
  for (int c; (c = getopt_long(argc, argv, "HNpvw:h", kLongOptions, nullptr)) != -1;) {
    switch (c) {
      case 'H':
        options.hmp = true;
        break;
      case 'N':
        negotiate = false;
        break;
      case 'p':
        options.pretty = true;
        break;
      case 'v':
        options.verbose = true;
        break;
      case 'w':
        wait = optarg;
        break;
      case 'h':
        std::cout << kUsage;
        return 0;
      default:
        std::cerr << kUsage;
        return 2;
    }
  }
  if (optind + 1 != argc) {
    std::cerr << kUsage;
    return 2;
  }
  Result<std::unique_ptr<Client>> client = Client::Open(argv[optind]);
  if (!client) return Fatal(client.error().message);
  if (negotiate) {
    if (Status status = (*client)->Negotiate(); !status) return Fatal(status.error().message);
  }
  Shell shell(std::move(*client), options, std::cout);
  if (negotiate) shell.LearnCommands();
  if (isatty(STDIN_FILENO) == 0) return RunScript(shell, wait);
  const int status = RunTerminal(shell);
  if (status != 0 || wait.empty()) return status;
  return shell.WaitFor(wait) == Shell::Outcome::kOk ? 0 : 1;
}

}  // namespace
}  // namespace davit::client

int main(int argc, char** argv) { return davit::client::Main(argc, argv); }
