"""Removes from this machine every bridge, namespace and DHCP server of the cloud in the state folder that it is given, for when the cloud's
own daemon cannot: tools/quickstart.sh --clean runs it last.
"""
from nova_lite import concurrency

concurrency.patch()

import sys  # noqa: E402

from nova_lite.network.worker.manager import NetworkWorker  # noqa: E402
from nova_lite.network.worker.settings import NetworkSettings  # noqa: E402

if __name__ == "__main__":
    NetworkWorker(db=None, settings=NetworkSettings(state_path=sys.argv[1]), host="").remove_all()
