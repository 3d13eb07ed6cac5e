// Copyright the davit authors
// SPDX-License-Identifier: Apache-2.0
//
// Which keys each structured option has. Groups and keys are QEMU's; only keys that davit
// acts on are here, so that another is refused by name.
#include "daemon/options/table.h"

namespace davit::daemon {
namespace {

using enum ParamType;

constexpr ParamSpec kMachine[] = {
    {"type", kString, "machine type"},
    {"accel", kString, "accelerators to try, separated by ':'"},
    {"kernel_irqchip", kString, "where the interrupt controllers are: on, split"},
    {"kernel-irqchip", kString, "where the interrupt controllers are: on, split"},
    {"kernel", kString, "Linux kernel image file"},
    {"initrd", kString, "Linux initial ramdisk file"},
    {"append", kString, "Linux kernel command line"},
    {"dtb", kString, "device tree file"},
    {"dumpdtb", kString, "write the device tree to this file and quit"},
    {"memory-backend", kString, "id of the object that is the main memory"},
};
constexpr ParamSpec kAccel[] = {
    {"accel", kString, "accelerator"},
};
constexpr ParamSpec kSmp[] = {
    {"cpus", kNumber, "CPUs at start"},    {"sockets", kNumber, "sockets on the board"},
    {"dies", kNumber, "dies in a socket"}, {"clusters", kNumber, "clusters in a die"},
    {"cores", kNumber, "cores in a die"},  {"threads", kNumber, "threads in a core"},
    {"maxcpus", kNumber, "CPUs at most"},
};
constexpr ParamSpec kMemory[] = {
    {"size", kSize, "initial size; a plain number is in MiB"},
    {"slots", kNumber, "slots for hot-plug"},
    {"maxmem", kSize, "size with all slots filled"},
};
constexpr ParamSpec kMachineMemory[] = {
    {"size", kSize, "initial size"},
    {"max-size", kSize, "size with all slots filled"},
    {"slots", kNumber, "slots for hot-plug"},
};
constexpr ParamSpec kBoot[] = {
    {"order", kString, "devices to try, by letter"},
    {"once", kString, "devices to try at the first boot"},
    {"menu", kBoolean, "interactive boot menu"},
    {"splash", kString, "picture of the boot menu"},
    {"splash-time", kNumber, "milliseconds of the picture"},
    {"reboot-timeout", kNumber, "milliseconds before a failed boot is tried again"},
    {"strict", kBoolean, "only the devices of the order"},
};
constexpr ParamSpec kRtc[] = {
    {"base", kString, "utc, localtime or a date"},
    {"clock", kString, "host, rt or vm"},
    {"driftfix", kString, "what becomes of lost ticks: none or slew"},
};
constexpr ParamSpec kFwCfg[] = {
    {"name", kString, "name of the file; yours should begin with opt/"},
    {"file", kString, "host file with its content"},
    {"string", kString, "its content"},
};
constexpr ParamSpec kOvercommit[] = {
    {"mem-lock", kBoolean, "lock guest memory in RAM"},
    {"cpu-pm", kBoolean, "let the guest idle the host CPU"},
};
constexpr ParamSpec kAction[] = {
    {"reboot", kString, "reset or shutdown"},
    {"shutdown", kString, "poweroff or pause"},
    {"panic", kString, "pause, shutdown, exit-failure or none"},
    {"watchdog", kString, "reset, shutdown, poweroff, inject-nmi, pause, debug or none"},
};
constexpr ParamSpec kChardev[] = {
    {"id", kString, "name of the device"},
    {"backend", kString, "file, mux, null, pipe, pty, ringbuf, socket, stdio or udp"},
    {"path", kString, "file, or UNIX socket"},
    {"abstract", kBoolean, "the path is a name without a file"},
    {"tight", kBoolean, "abstract: the name ends where the path does"},
    {"host", kString, "TCP or UDP address"},
    {"port", kString, "TCP or UDP port"},
    {"localaddr", kString, "UDP: own address"},
    {"localport", kString, "UDP: own port"},
    {"fd", kString, "open socket"},
    {"ipv4", kBoolean, "IPv4 only"},
    {"ipv6", kBoolean, "IPv6 only"},
    {"server", kBoolean, "listen"},
    {"wait", kBoolean, "wait for the first client"},
    {"delay", kBoolean, "Nagle's algorithm"},
    {"nodelay", kBoolean, "no Nagle's algorithm"},
    {"reconnect", kNumber, "seconds from a lost connection to the next"},
    {"allow-remote", kBoolean, "listen off loopback too"},
    {"append", kBoolean, "add to the file"},
    {"logfile", kString, "file that what the guest sends goes to as well"},
    {"logappend", kBoolean, "add to the log"},
    {"signal", kBoolean, "control characters of the terminal send signals"},
    {"mux", kBoolean, "several devices on one back end"},
    {"chardev", kString, "mux: the back end"},
    {"size", kSize, "ringbuf: bytes, a power of two"},
};
constexpr ParamSpec kMon[] = {
    {"id", kString, "name of the monitor"},
    {"mode", kString, "control"},
    {"chardev", kString, "id of the character device"},
    {"pretty", kBoolean, "indent replies"},
};
constexpr ParamSpec kName[] = {
    {"guest", kString, "name of the guest"},
    {"process", kString, "name of the process"},
    {"debug-threads", kBoolean, "name the threads"},
};
constexpr ParamSpec kMsg[] = {
    {"timestamp", kBoolean, "time before each message"},
    {"guest-name", kBoolean, "name of the guest before each message"},
};
constexpr ParamSpec kGlobal[] = {
    {"driver", kString, "driver of the devices"},
    {"property", kString, "name of the property"},
    {"value", kString, "value of the property"},
};
constexpr ParamSpec kDisplay[] = {
    {"type", kString, "none"},
};

constexpr ParamSpec kAddFd[] = {
    {"fd", kNumber, "descriptor that the process was started with"},
    {"set", kNumber, "number of the set"},
    {"opaque", kString, "text that query-fdsets shows"},
};
constexpr ParamSpec kSandbox[] = {
    {"enable", kBoolean, "take system calls away"},
    {"obsolete", kString, "those that no program needs: allow or deny"},
    {"elevateprivileges", kString, "those that change the user: allow, deny or children"},
    {"spawn", kString, "other processes and programs: allow or deny"},
    {"resourcecontrol", kString, "priorities, affinities, limits: allow or deny"},
};
constexpr ParamSpec kAudiodev[] = {
    {"driver", kString, "none"},
    {"id", kString, "name of the back end"},
};

constexpr ParamSpec kDrive[] = {
    {"file", kString, "image, or block device of the host"},
    {"if", kString, "none, or virtio for a disk on it"},
    {"format", kString, "raw"},
    {"driver", kString, "same as format"},
    {"id", kString, "name of the drive"},
    {"index", kNumber, "number of the drive"},
    {"media", kString, "disk"},
    {"node-name", kString, "name of the block node"},
    {"cache", kString, "none, writeback, writethrough, directsync or unsafe"},
    {"cache.direct", kBoolean, "pass by the page cache"},
    {"cache.no-flush", kBoolean, "drop flushes"},
    {"cache.writeback", kBoolean, "the guest has a write cache"},
    {"aio", kString, "threads, native or io_uring"},
    {"file.locking", kString, "keep other processes out: auto, on or off"},
    {"readonly", kBoolean, "for reading alone"},
    {"read-only", kBoolean, "same as readonly"},
    {"werror", kString, "what to do when a write fails: report, ignore, stop or enospc"},
    {"rerror", kString, "what to do when a read fails: report, ignore or stop"},
    {"discard", kString, "ignore, or unmap to give storage back"},
    {"detect-zeroes", kString, "what becomes of written zeros: off, on or unmap"},
    {"throttling.bps-total", kNumber, "bytes a second"},
    {"throttling.bps-total-max", kNumber, "bytes a second in a burst"},
    {"throttling.bps-total-max-length", kNumber, "seconds of a burst"},
    {"throttling.bps-read", kNumber, "bytes read a second"},
    {"throttling.bps-read-max", kNumber, "bytes read a second in a burst"},
    {"throttling.bps-read-max-length", kNumber, "seconds of a burst"},
    {"throttling.bps-write", kNumber, "bytes written a second"},
    {"throttling.bps-write-max", kNumber, "bytes written a second in a burst"},
    {"throttling.bps-write-max-length", kNumber, "seconds of a burst"},
    {"throttling.iops-total", kNumber, "operations a second"},
    {"throttling.iops-total-max", kNumber, "operations a second in a burst"},
    {"throttling.iops-total-max-length", kNumber, "seconds of a burst"},
    {"throttling.iops-read", kNumber, "reads a second"},
    {"throttling.iops-read-max", kNumber, "reads a second in a burst"},
    {"throttling.iops-read-max-length", kNumber, "seconds of a burst"},
    {"throttling.iops-write", kNumber, "writes a second"},
    {"throttling.iops-write-max", kNumber, "writes a second in a burst"},
    {"throttling.iops-write-max-length", kNumber, "seconds of a burst"},
    {"throttling.iops-size", kNumber, "bytes that count as one operation"},
    {"throttling.group", kString, "drives that share the limits"},
};

}  // namespace

constinit const ParamSchema kMachineSchema{.group = "machine",
                                           .dialect = Dialect::kKeyval,
                                           .implied = "type",
                                           .open = true,
                                           .params = kMachine};
constinit const ParamSchema kAccelSchema{
    .group = "accel", .implied = "accel", .open = true, .params = kAccel};
constinit const ParamSchema kSmpSchema{.group = "smp-opts",
                                       .dialect = Dialect::kKeyval,
                                       .implied = "cpus",
                                       .prefix = "smp",
                                       .params = kSmp};
constinit const ParamSchema kMemorySchema{.group = "memory", .implied = "size", .params = kMemory};
constinit const ParamSchema kMachineMemorySchema{
    .group = {}, .dialect = Dialect::kKeyval, .prefix = "memory", .params = kMachineMemory};
constinit const ParamSchema kBootSchema{.group = "boot-opts",
                                        .dialect = Dialect::kKeyval,
                                        .implied = "order",
                                        .prefix = "boot",
                                        .params = kBoot};
constinit const ParamSchema kRtcSchema{.group = "rtc", .params = kRtc};
constinit const ParamSchema kFwCfgSchema{.group = "fw_cfg", .implied = "name", .params = kFwCfg};
constinit const ParamSchema kOvercommitSchema{.group = "overcommit", .params = kOvercommit};
constinit const ParamSchema kActionSchema{.group = "action", .params = kAction};
constinit const ParamSchema kChardevSchema{
    .group = "chardev", .implied = "backend", .params = kChardev};
constinit const ParamSchema kMonSchema{.group = "mon", .implied = "chardev", .params = kMon};
constinit const ParamSchema kNameSchema{.group = "name", .implied = "guest", .params = kName};
constinit const ParamSchema kMsgSchema{.group = "msg", .params = kMsg};
constinit const ParamSchema kDisplaySchema{
    .group = {}, .dialect = Dialect::kKeyval, .implied = "type", .params = kDisplay};
constinit const ParamSchema kAudiodevSchema{
    .group = {}, .dialect = Dialect::kKeyval, .implied = "driver", .params = kAudiodev};
constinit const ParamSchema kAddFdSchema{.group = "add-fd", .params = kAddFd};
constinit const ParamSchema kSandboxSchema{
    .group = "sandbox", .implied = "enable", .params = kSandbox};
constinit const ParamSchema kSmbiosSchema{.group = "smbios", .open = true, .params = {}};
constinit const ParamSchema kBlockdevSchema{
    .group = {}, .dialect = Dialect::kKeyval, .implied = "driver", .open = true, .params = {}};
constinit const ParamSchema kDriveSchema{.group = "drive", .open = true, .params = kDrive};
constinit const ParamSchema kNumaSchema{
    .group = "numa", .implied = "type", .open = true, .params = {}};
constinit const ParamSchema kObjectSchema{
    .group = "object", .implied = "qom-type", .open = true, .params = {}};
constinit const ParamSchema kDeviceSchema{
    .group = "device", .implied = "driver", .open = true, .params = {}};
constinit const ParamSchema kGlobalSchema{.group = "global", .open = true, .params = kGlobal};
constinit const ParamSchema kNetdevSchema{
    .group = "netdev", .implied = "type", .open = true, .params = {}};
constinit const ParamSchema kNicSchema{
    .group = "nic", .implied = "type", .open = true, .params = {}};
constinit const ParamSchema kNetSchema{
    .group = "net", .implied = "type", .open = true, .params = {}};

}  // namespace davit::daemon
