// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// The init of the Linux guests under test: reports the machine on the console, obeys one-line
// commands there and the power button. Static; every line of it begins with "init: ".
//
//   clock        monotonic and real time, in ns        cat PATH    a file, line by line
//   cpus         processors online                     ls PATH     names in a folder
//   load NAME... kernel modules                        read PATH N reads N bytes
//   write PATH TEXT
//   fill PATH MIB THREADS   writes the pattern of a disk (disk.cc), synced
//   sum PATH MIB THREADS    the checksum of what is there
//   touch MIB    a process takes and writes memory     free        it goes
//   sh COMMAND   busybox's shell: output and status    spawn COMMAND   the same, not waited for
//   vsock echo PORT         gives one peer back what it sends
//   vsock send PORT BYTES   sends the host the pattern and reads it back
//   poweroff | reboot                                  stay on|off obey the power button or only
//   report it

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/guest/init/commands.h"
#include "tests/guest/init/set_up.h"

namespace {

bool obey_button = true;

void LoadModule(const char* path) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;  // built into the kernel, or not wanted
  if (syscall(SYS_finit_module, fd, "", 0) != 0) printf("init: %s: %s\n", path, strerror(errno));
  close(fd);
}

// Names with spaces between them.
void LoadModules(const std::string& names) {
  for (size_t at = 0; at < names.size();) {
    const size_t end = std::min(names.find(' ', at), names.size());
    LoadModule(("/modules/" + names.substr(at, end - at) + ".ko").c_str());
    at = end + 1;
  }
  printf("init: load %s\n", names.c_str());
}

void SetUp() {
  davit::guest_init::SetUpConsole();
  LoadModule("/modules/evdev.ko");
  LoadModule("/modules/button.ko");
}

std::vector<pollfd> OpenInputs() {
  std::vector<pollfd> inputs;
  for (int i = 0; i < 8; ++i) {
    const int fd = open(("/dev/input/event" + std::to_string(i)).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) inputs.push_back({fd, POLLIN, 0});
  }
  return inputs;
}

long long Nanoseconds(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void PrintBanner(size_t inputs) {
  utsname name{};
  uname(&name);
  struct sysinfo info {};
  sysinfo(&info);
  printf("init: up kernel %s cpus %ld memory-kib %llu inputs %zu boot-ns %lld\n", name.release,
         sysconf(_SC_NPROCESSORS_ONLN),
         static_cast<unsigned long long>(info.totalram) * info.mem_unit / 1024, inputs,
         Nanoseconds(CLOCK_MONOTONIC));
}

void PrintFile(const char* path) {
  FILE* file = fopen(path, "re");
  if (file == nullptr) {
    printf("init: %s: %s\n", path, strerror(errno));
    return;
  }
  char line[512];
  while (fgets(line, sizeof line, file) != nullptr) {
    line[strcspn(line, "\n")] = 0;
    printf("init: | %s\n", line);
  }
  fclose(file);
  printf("init: end\n");
}

void PrintFolder(const char* path) {
  DIR* dir = opendir(path);
  if (dir == nullptr) {
    printf("init: %s: %s\n", path, strerror(errno));
    return;
  }
  while (const dirent* entry = readdir(dir)) printf("init: | %s\n", entry->d_name);
  closedir(dir);
  printf("init: end\n");
}

// Reads `count` bytes and says how many different ones there were.
void ReadBytes(const std::string& arguments) {
  const size_t space = arguments.find(' ');
  const std::string path = arguments.substr(0, space);
  const long count = space == std::string::npos ? 0 : atol(arguments.c_str() + space);
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  long got = 0, different = 0;
  bool seen[256] = {};
  unsigned char buffer[4096];
  while (fd >= 0 && got < count) {
    const size_t want = static_cast<size_t>(count - got);
    const ssize_t n = read(fd, buffer, want < sizeof buffer ? want : sizeof buffer);
    if (n <= 0) break;
    for (ssize_t i = 0; i < n; ++i) {
      if (!seen[buffer[i]]) ++different;
      seen[buffer[i]] = true;
    }
    got += n;
  }
  printf("init: read %ld different %ld\n", got, different);
  if (fd >= 0) close(fd);
}

void WriteText(const std::string& arguments) {
  const size_t space = arguments.find(' ');
  const int fd = open(arguments.substr(0, space).c_str(), O_WRONLY | O_CLOEXEC);
  const std::string text = space == std::string::npos ? "" : arguments.substr(space + 1);
  const bool done = fd >= 0 && write(fd, text.data(), text.size()) >= 0;
  printf("init: write %s\n", done ? "done" : strerror(errno));
  if (fd >= 0) close(fd);
}

void End(int how, const char* what) {
  printf("init: %s\n", what);
  fflush(stdout);
  tcdrain(1);
  reboot(how);
  printf("init: %s: %s\n", what, strerror(errno));
}

// Those of other files. False: none of them.
bool RunTopicCommand(const std::string& word, const std::string& rest) {
  if (word == "fill") {
    init::FillDisk(rest);
  } else if (word == "sum") {
    init::SumDisk(rest);
  } else if (word == "touch") {
    init::TouchMemory(rest);
  } else if (word == "free") {
    init::FreeMemory();
    printf("init: free done\n");
  } else if (word == "sh") {
    init::RunShell(rest);
  } else if (word == "spawn") {
    init::Spawn(rest);
  } else if (word == "vsock") {
    init::UseSocket(rest);
  } else {
    return false;
  }
  return true;
}

void RunCommand(const std::string& line) {
  const size_t space = line.find(' ');
  const std::string word = line.substr(0, space);
  const std::string rest = space == std::string::npos ? "" : line.substr(space + 1);
  if (word == "clock") {
    printf("init: clock %lld %lld\n", Nanoseconds(CLOCK_MONOTONIC), Nanoseconds(CLOCK_REALTIME));
  } else if (word == "cpus") {
    printf("init: cpus %ld\n", sysconf(_SC_NPROCESSORS_ONLN));
  } else if (word == "cat") {
    PrintFile(rest.c_str());
  } else if (word == "ls") {
    PrintFolder(rest.c_str());
  } else if (word == "load") {
    LoadModules(rest);
  } else if (word == "read") {
    ReadBytes(rest);
  } else if (word == "write") {
    WriteText(rest);
  } else if (word == "stay") {
    obey_button = rest != "on";
    printf("init: stay %s\n", rest.c_str());
  } else if (word == "poweroff") {
    End(RB_POWER_OFF, "poweroff");
  } else if (word == "reboot") {
    End(RB_AUTOBOOT, "reboot");
  } else if (!word.empty() && !RunTopicCommand(word, rest)) {
    printf("init: unknown command %s\n", word.c_str());
  }
}

void ReadConsole(std::string* pending) {
  char buffer[256];
  const ssize_t n = read(0, buffer, sizeof buffer);
  if (n <= 0) return;
  pending->append(buffer, static_cast<size_t>(n));
  for (size_t end; (end = pending->find('\n')) != std::string::npos;) {
    const std::string line = pending->substr(0, end);
    pending->erase(0, end + 1);
    RunCommand(line);
  }
}

void ReadInput(int fd) {
  input_event event{};
  if (read(fd, &event, sizeof event) != sizeof event) return;
  if (event.type != EV_KEY || event.code != KEY_POWER || event.value != 1) return;
  printf("init: power button\n");
  if (obey_button) End(RB_POWER_OFF, "poweroff");
}

}  // namespace

int main() {
  SetUp();
  std::vector<pollfd> fds = {{0, POLLIN, 0}};
  const std::vector<pollfd> inputs = OpenInputs();
  fds.insert(fds.end(), inputs.begin(), inputs.end());
  PrintBanner(inputs.size());
  std::string pending;
  for (;;) {
    if (poll(fds.data(), fds.size(), -1) <= 0) continue;
    init::Reap();
    if (fds[0].revents != 0) ReadConsole(&pending);
    for (size_t i = 1; i < fds.size(); ++i) {
      if (fds[i].revents != 0) ReadInput(fds[i].fd);
    }
  }
}
