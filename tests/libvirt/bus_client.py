#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""bus_client.py ADDRESS DOMAIN start|stop: libvirt-dbus on the bus at ADDRESS.

Starts the service and finds DOMAIN, then starts it, paused, and asks after it, or shuts it down. Prints
what it sees, one a line. Waits are for replies and signals, with a deadline each.
"""

import os
import subprocess
import sys

from gi.repository import Gio, GLib

DEADLINE_MS = 45_000
NAME = "org.libvirt"
ROOT = "/org/libvirt/QEMU"
DOMAIN = "org.libvirt.Domain"
KINDS = ["Defined", "Undefined", "Started", "Suspended", "Resumed", "Stopped", "Shutdown",
         "PMSuspended", "Crashed"]


class Service:
    def __init__(self, bus):
        self.bus = bus
        self.loop = GLib.MainLoop()
        self.events = []
        self.up = False

    def call(self, path, interface, method, arguments=None, result=None):
        answer = self.bus.call_sync(NAME, path, interface, method, arguments,
                                    GLib.VariantType(result) if result else None,
                                    Gio.DBusCallFlags.NONE, DEADLINE_MS, None)
        return answer.unpack()

    def property(self, path, interface, name):
        arguments = GLib.Variant("(ss)", (interface, name))
        return self.call(path, "org.freedesktop.DBus.Properties", "Get", arguments, "(v)")[0]

    def wait(self, condition, what):
        late = []

        def give_up():
            late.append(True)
            self.loop.quit()

        timer = GLib.timeout_add(DEADLINE_MS, give_up)
        while not condition():
            self.loop.run()
            if late:
                raise TimeoutError(f"no {what} within the time; seen: {self.events}")
        GLib.source_remove(timer)

    def await_name(self):
        def appeared(*_):
            self.up = True
            self.loop.quit()

        Gio.bus_watch_name_on_connection(self.bus, NAME, Gio.BusNameWatcherFlags.NONE, appeared, None)
        self.wait(lambda: self.up, NAME)

    def listen(self, domain):
        def event(_, __, ___, ____, _____, arguments):
            path, kind, _ = arguments.unpack()
            if path == domain:
                self.events.append(KINDS[kind])
                self.loop.quit()

        self.bus.signal_subscribe(NAME, "org.libvirt.Connect", "DomainEvent", ROOT, None,
                                  Gio.DBusSignalFlags.NONE, event)

    def expect(self, kind):
        self.wait(lambda: kind in self.events, kind)
        print("event:", kind)


def find(service, name):
    paths = service.call(ROOT, "org.libvirt.Connect", "ListDomains", GLib.Variant("(u)", (0,)))[0]
    names = {service.property(path, DOMAIN, "Name"): path for path in paths}
    print("listed:", name)
    return names[name]


def start(service, domain):
    paused, balloon = 1, 4  # of VIR_DOMAIN_START_, VIR_DOMAIN_STATS_
    service.call(domain, DOMAIN, "Create", GLib.Variant("(u)", (paused,)))
    service.expect("Started")
    stats = service.call(domain, DOMAIN, "GetStats", GLib.Variant("(uu)", (balloon, 0)))[0]
    print("memory:", stats["balloon.maximum"], "KiB")


def stop(service, domain):
    service.call(domain, DOMAIN, "Shutdown", GLib.Variant("(u)", (0,)))
    service.expect("Shutdown")
    service.expect("Stopped")


def run(service, name, verb):
    service.await_name()
    domain = find(service, name)
    service.listen(domain)
    print("active:", service.property(domain, DOMAIN, "Active"))
    {"start": start, "stop": stop}[verb](service, domain)
    print("active:", service.property(domain, DOMAIN, "Active"))


def main():
    address, name, verb = sys.argv[1:]
    environment = dict(os.environ, DBUS_SYSTEM_BUS_ADDRESS=address)
    bus = Gio.DBusConnection.new_for_address_sync(
        address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
        | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
    with subprocess.Popen(["/usr/sbin/libvirt-dbus", "--system"], env=environment) as service:
        try:
            run(Service(bus), name, verb)
        finally:
            service.terminate()


if __name__ == "__main__":
    main()
