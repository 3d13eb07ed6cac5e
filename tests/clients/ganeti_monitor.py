# Copyright the davit authors
# SPDX-License-Identifier: Apache-2.0
"""ganeti_monitor.py MODULE SOCKET: Ganeti's own QMP module against the monitor at SOCKET.

MODULE is its hv_kvm/monitor.py. The rest of Ganeti, which wants a cluster's worth of packages, is
not loaded: what the module takes from it is put in its place here.
"""

import array
import importlib.util
import json
import os
import socket
import sys
import types


def stand_in(name, **members):
    module = types.ModuleType(name)
    module.__dict__.update(members)
    sys.modules[name] = module
    return module


def send_fds(sock, data, fds):
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
    sock.sendmsg([data], [rights])


class Bits(list):
    def __init__(self, count):
        super().__init__([False] * count)

    def setall(self, value):
        self[:] = [value] * len(self)


def load(path):
    errors = stand_in(
        "ganeti.errors",
        HypervisorError=type("HypervisorError", (Exception,), {}),
        HotplugError=type("HotplugError", (Exception,), {}),
        ProgrammerError=type("ProgrammerError", (Exception,), {}),
    )
    utils = stand_in(
        "ganeti.utils",
        ErrnoOrStr=str,
        SendFds=send_fds,
        GetFreeSlot=lambda slots: slots.index(False),
    )
    constants = stand_in("ganeti.constants", QEMU_PCI_SLOTS=32)
    serializer = stand_in(
        "ganeti.serializer",
        LoadJson=json.loads,
        DumpJson=lambda data: (json.dumps(data) + "\n").encode(),
    )
    stand_in("ganeti", errors=errors, utils=utils, constants=constants, serializer=serializer)
    stand_in("bitarray", bitarray=Bits)
    spec = importlib.util.spec_from_file_location("monitor", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    monitor = load(sys.argv[1])
    with monitor.QmpConnection(sys.argv[2]) as qmp:
        assert qmp.version[:2] == (7, 2), qmp.version
        assert qmp.package.startswith("davit "), qmp.package
    # These connect and close by themselves.
    qmp = monitor.QmpConnection(sys.argv[2])
    qmp.CheckDiskHotAddSupport()
    qmp.CheckNicHotAddSupport()
    assert qmp.HasDevice("serial")
    assert not qmp.HasDevice("nothing")
    assert qmp.GetFreePCISlot() > 0
    assert qmp.HasDynamicAutoReadOnly()
    with monitor.QmpConnection(sys.argv[2]) as qmp:
        null = os.open("/dev/null", os.O_RDWR)
        qmp._GetFd(null, "hotnic-0")
        fdset = qmp._AddFd(null)
        qmp._RemoveFdset(fdset)
        try:
            qmp.Execute("device_del", {"id": "nothing"})
        except sys.modules["ganeti.errors"].HypervisorError as error:
            assert "Device 'nothing' not found (DeviceNotFound)" in str(error), error
        else:
            raise AssertionError("device_del of nothing")


main()
