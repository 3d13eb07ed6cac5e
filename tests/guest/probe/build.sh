#!/usr/bin/env bash
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
#
# build.sh OUT_ELF OUT_BZIMAGE OUT_CC SOURCES... : compiles and links the probe guest, wraps its flat
# form as a bzImage and writes both as byte arrays for image.h. Run by the genrule in BUILD.
set -euo pipefail
elf=$1 bzimage=$2 array=$3
shift 3
sources=() script='' setup=''
for file in "$@"; do
  case $file in
    */setup.S) setup=$file ;;
    *.ld) script=$file ;;
    *.cc | *.S) sources+=("$file") ;;
  esac
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Only general registers and the first x86-64 instructions: KVM's software emulator has no more.
"${CC:-gcc}" -std=c++20 -O2 -Wall -Wextra -Werror -march=x86-64 -mgeneral-regs-only \
  -ffreestanding -fno-pic -no-pie -static -nostdlib -mno-red-zone -fno-stack-protector \
  -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-asynchronous-unwind-tables \
  -fcf-protection=none -Wl,-T,"$script" -Wl,--build-id=none -Wl,-z,noexecstack \
  -Wl,--no-warn-rwx-segments "${sources[@]}" -o "$elf"

objcopy -O binary "$elf" "$work/flat"
truncate -s %16 "$work/flat"
init_size=$((0x$(nm "$elf" | awk '$3 == "bss_end" { print $1 }') - 0x100000))
"${CC:-gcc}" -c "$setup" -o "$work/setup.o" -DINIT_SIZE="$init_size" \
  -DSYSSIZE="$(($(stat -c %s "$work/flat") / 16))"
ld --oformat binary -Ttext 0 -e 0 "$work/setup.o" -o "$work/setup"
cat "$work/setup" "$work/flat" > "$bzimage"

bytes() {
  echo "alignas(16) const unsigned char $1[] = {"
  od -An -v -tx1 "$2" | sed 's/ \(..\)/0x\1,/g'
  echo "};"
}
{
  echo '#include "tests/guest/probe/image.h"'
  echo 'namespace davit { namespace {'
  bytes kBzImage "$bzimage"
  bytes kElf "$elf"
  echo '}'
  echo 'std::span<const std::byte> ProbeGuestImage() { return std::as_bytes(std::span(kBzImage)); }'
  echo 'std::span<const std::byte> ProbeGuestElf() { return std::as_bytes(std::span(kElf)); }'
  echo '}'
} > "$array"
