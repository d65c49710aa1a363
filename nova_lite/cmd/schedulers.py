"""The scheduler put together. Imported where one runs: numpy costs 20 MB."""
from nova_lite.cmd import daemons, scheduling
from nova_lite.cmd.wiring import Site
from nova_lite.compute import moves, removal, task
from nova_lite.interfaces.scheduler import SchedulerInterface
from nova_lite.scheduler.sweep import Sweep
from nova_lite.service.daemon import Daemon


def scheduler(here: Site) -> Daemon:
    """A scheduler, with the sweep over the whole cloud. Raises ConfigurationError for a filter or weigher that does not exist."""
    conf = here.conf
    daemon = daemons.daemon(here, "nova-scheduler", conf.host)
    manager = scheduling.manager(here, task.fail, daemon.hears_others, moves.give_up)
    daemon.register()
    daemon.on_start(manager.start)
    daemons.serve(here, daemon, SchedulerInterface, manager)
    daemon.every(min(1.0, conf.service.report_interval), manager.tick)
    daemon.every(conf.service.sweep_interval, Sweep(
        here.db, manager, removal.end, moves.abandon, conf.service.down_time, daemon.hears_others).run)
    return daemon
