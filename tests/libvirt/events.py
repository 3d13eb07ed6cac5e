#!/usr/bin/env python3
# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""Prints the events of all domains, one a line, from the line "listening" on.

    lifecycle DOMAIN KIND DETAIL     Started Booted, Stopped Crashed, ...
    reboot DOMAIN
    balloon DOMAIN KIB
    removed DOMAIN ALIAS
    agent DOMAIN connected|disconnected
"""

import libvirt

KINDS = ["Defined", "Undefined", "Started", "Suspended", "Resumed", "Stopped", "Shutdown",
         "PMSuspended", "Crashed"]
DETAILS = {
    "Started": ["Booted", "Migrated", "Restored", "FromSnapshot", "Wakeup"],
    "Suspended": ["Paused", "Migrated", "IOError", "Watchdog"],
    "Resumed": ["Unpaused", "Migrated"],
    "Stopped": ["Shutdown", "Destroyed", "Crashed", "Migrated", "Saved", "Failed"],
    "Shutdown": ["Finished", "Guest", "Host"],
    "Crashed": ["Panicked", "CrashLoaded"],
}


def say(what, domain, *more):
    print(what, domain.name(), *more, flush=True)


def lifecycle(_, domain, kind, detail, __):
    name = KINDS[kind]
    details = DETAILS.get(name, [])
    say("lifecycle", domain, name, details[detail] if detail < len(details) else detail)


def main():
    libvirt.virEventRegisterDefaultImpl()
    connection = libvirt.openReadOnly("qemu:///system")

    def on(event, callback):
        connection.domainEventRegisterAny(None, event, callback, None)

    on(libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, lifecycle)
    on(libvirt.VIR_DOMAIN_EVENT_ID_REBOOT, lambda _, d, __: say("reboot", d))
    on(libvirt.VIR_DOMAIN_EVENT_ID_BALLOON_CHANGE, lambda _, d, kib, __: say("balloon", d, kib))
    on(libvirt.VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, lambda _, d, alias, __: say("removed", d, alias))
    on(libvirt.VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE,
       lambda _, d, state, *__: say("agent", d, "connected" if state == 1 else "disconnected"))
    print("listening", flush=True)
    while connection.isAlive():
        libvirt.virEventRunDefaultImpl()


if __name__ == "__main__":
    main()
