// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// See terminal.h.
#include "clients/qmp-shell/terminal.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

// readline wants stdio first.
#include <readline/history.h>
#include <readline/readline.h>

#include "vmm/base/unique_fd.h"

namespace davit::client {
namespace {

// Ctrl-C at the prompt is read from fd() and drops the line; while a command runs it ends the
// shell, which is the way out of one that takes too long.
class Interrupts {
 public:
  Interrupts() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    Hold(true);
    fd_.reset(signalfd(-1, &set_, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  int fd() const { return fd_.get(); }
  void Hold(bool held) { sigprocmask(held ? SIG_BLOCK : SIG_UNBLOCK, &set_, nullptr); }
  // Forgets those that came so far.
  void Drop() {
    signalfd_siginfo info;
    while (read(fd_.get(), &info, sizeof info) == sizeof info) continue;
  }

 private:
  sigset_t set_;
  UniqueFd fd_;
};

// readline calls back without a context.
struct Session {
  Shell* shell = nullptr;
  Interrupts* interrupts = nullptr;
  bool done = false;
  int status = 0;
  Completion completion;
};
Session session;

void Finish(int status) {
  session.done = true;
  session.status = status;
  rl_callback_handler_remove();
}

void Handle(Shell::Outcome outcome) {
  if (outcome == Shell::Outcome::kExit) Finish(0);
  if (outcome == Shell::Outcome::kLost) {
    std::cout << "The VM closed the connection.\n";
    Finish(0);
  }
}

void OnLine(char* raw) {
  if (raw == nullptr) {  // Ctrl-D
    std::cout << "\n";
    Finish(0);
    return;
  }
  const std::string line(raw);
  std::free(raw);
  if (line.find_first_not_of(" \t") != std::string::npos) add_history(line.c_str());
  session.interrupts->Drop();
  session.interrupts->Hold(false);
  const Shell::Outcome outcome = session.shell->Execute(line);
  session.interrupts->Hold(true);
  Handle(outcome);
}

char* NextCandidate(const char* /*text*/, int state) {
  static size_t index;
  if (state == 0) index = 0;
  const std::vector<std::string>& candidates = session.completion.candidates;
  return index < candidates.size() ? strdup(candidates[index++].c_str()) : nullptr;
}

char** OnComplete(const char* text, int start, int end) {
  session.completion =
      session.shell->Complete(std::string(rl_line_buffer, static_cast<size_t>(end)));
  // readline replaces from its own start of the word; cut what it keeps.
  const size_t keep = static_cast<size_t>(start) - session.completion.begin;
  for (std::string& candidate : session.completion.candidates) {
    candidate.erase(0, std::min(keep, candidate.size()));
  }
  rl_attempted_completion_over = 1;
  rl_completion_suppress_append = 1;
  return rl_completion_matches(text, NextCandidate);
}

std::string HistoryFile() {
  const char* home = std::getenv("HOME");
  return home == nullptr ? std::string() : std::string(home) + "/.qmp_history";
}

void ShowEvents() {
  char* line = rl_copy_text(0, rl_end);
  const int point = rl_point;
  rl_save_prompt();
  rl_replace_line("", 0);
  rl_redisplay();
  std::cout << "\r" << std::flush;
  const Shell::Outcome outcome = session.shell->PrintEvents();
  rl_restore_prompt();
  rl_replace_line(line, 0);
  rl_point = point;
  std::free(line);
  rl_on_new_line();
  rl_redisplay();
  if (outcome == Shell::Outcome::kLost) std::cout << "\n";
  Handle(outcome);
}

// Ctrl-C at the prompt.
void DropLine() {
  session.interrupts->Drop();
  rl_callback_sigcleanup();
  rl_free_line_state();
  using_history();  // back behind its last line
  std::cout << "^C\n" << std::flush;
  rl_replace_line("", 1);
  rl_on_new_line();
  rl_redisplay();
}

}  // namespace

int RunTerminal(Shell& shell) {
  Interrupts interrupts;
  session = Session{};
  session.shell = &shell;
  session.interrupts = &interrupts;
  rl_readline_name = "qmp-shell";
  rl_attempted_completion_function = OnComplete;
  rl_completer_word_break_characters = " ";
  rl_completer_quote_characters = "";
  const std::string history = HistoryFile();
  if (!history.empty()) read_history(history.c_str());
  stifle_history(1000);
  std::cout << "Type help for help, Tab to complete, Ctrl-D to leave.\n";
  const std::string prompt = shell.prompt();
  rl_callback_handler_install(prompt.c_str(), OnLine);
  while (!session.done) {
    pollfd fds[3] = {
        {STDIN_FILENO, POLLIN, 0}, {shell.fd(), POLLIN, 0}, {interrupts.fd(), POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[2].revents != 0) DropLine();
    if (fds[1].revents != 0) ShowEvents();
    if (!session.done && fds[0].revents != 0) rl_callback_read_char();
  }
  if (!history.empty() && write_history(history.c_str()) != 0) {
    std::cerr << "qmp-shell: could not write " << history << "\n";
  }
  return session.status;
}

}  // namespace davit::client
