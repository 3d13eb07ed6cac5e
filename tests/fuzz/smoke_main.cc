// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target without libFuzzer: smoke_main ROUNDS FILE... gives it the empty input, each
// file, each file cut short at many places, and ROUNDS mutations from a fixed seed, so that a run
// can be repeated. A crash or a failed check is the failure, and so is an end by the test's limit
// of time; the input is then left in $TEST_TMPDIR/input.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

// A sanitizer's report ends the process without a signal.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Input = std::vector<uint8_t>;

// What the signal handler needs: no allocation there.
std::string input_path;
const Input* running = nullptr;

void KeepInput() {
  const int fd = open(input_path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (fd < 0 || running == nullptr) return;
  (void)!write(fd, running->data(), running->size());
  close(fd);
}

void OnSignal(int signal) {
  KeepInput();
  std::signal(signal, SIG_DFL);
  raise(signal);
}

void Run(const Input& input) {
  // A copy of the exact size, so that a sanitizer sees a read behind the end.
  const Input exact(input);
  running = &exact;
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  running = nullptr;
}

// One random edit: flip a bit, set a byte that parsers care about, cut, repeat, insert.
void Mutate(Input& input, std::mt19937& random) {
  constexpr uint8_t kBytes[] = {0,   1,   0x7f, 0x80, 0xff, '{', '}',
                                '[', ']', '"',  '\'', '\\', ':', ','};
  const auto below = [&random](size_t n) { return n == 0 ? 0 : random() % n; };
  const size_t at = below(input.size());
  switch (random() % 6) {
    case 0:
      if (!input.empty()) input[at] ^= static_cast<uint8_t>(1U << below(8));
      break;
    case 1:
      if (!input.empty()) input[at] = kBytes[below(sizeof kBytes)];
      break;
    case 2:
      input.resize(at);
      break;
    case 3:
      input.insert(input.begin() + static_cast<ptrdiff_t>(at), kBytes[below(sizeof kBytes)]);
      break;
    case 4:
      if (!input.empty()) {
        const size_t length = below(std::min<size_t>(input.size() - at, 64)) + 1;
        const Input piece(
            input.begin() + static_cast<ptrdiff_t>(at),
            input.begin() + static_cast<ptrdiff_t>(std::min(at + length, input.size())));
        input.insert(input.end(), piece.begin(), piece.end());
      }
      break;
    default:
      for (size_t i = 0; i < 4 && at + i < input.size(); ++i) {
        input[at + i] = static_cast<uint8_t>(random());
      }
  }
}

Input Load(const char* path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path);
    std::exit(1);
  }
  return Input(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s ROUNDS [FILE...]\n", argv[0]);
    return 2;
  }
  const char* const dir = std::getenv("TEST_TMPDIR");
  input_path = std::string(dir == nullptr ? "/tmp" : dir) + "/input";
  for (const int signal : {SIGABRT, SIGTERM}) std::signal(signal, OnSignal);
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback(KeepInput);
  } else {
    for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) std::signal(signal, OnSignal);
  }
  std::vector<Input> corpus = {{}};
  for (int i = 2; i < argc; ++i) corpus.push_back(Load(argv[i]));
  for (const Input& input : corpus) {
    Run(input);
    const size_t step = input.size() / 64 + 1;
    for (size_t end = 0; end < input.size(); end += step) {
      Run(Input(input.begin(), input.begin() + static_cast<ptrdiff_t>(end)));
    }
  }
  std::mt19937 random(20260101);
  const int rounds = std::atoi(argv[1]);
  for (int i = 0; i < rounds; ++i) {
    Input input = corpus[random() % corpus.size()];
    const unsigned edits = 1 + random() % 8;
    for (unsigned e = 0; e < edits; ++e) Mutate(input, random);
    Run(input);
  }
  std::printf("%zu inputs of the corpus, %d mutations\n", corpus.size(), rounds);
  return 0;
}
