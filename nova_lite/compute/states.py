"""The life of a server as one table, and the second table that maps (vm_state, task_state) to the status that the API shows.

A row of ``ACTIONS`` says: in which vm_states an action may be asked, which task_state it shows while it runs, what vm_state its success and its
failure leave, what becomes of it when its worker is gone, and after how many seconds the sweep takes it for dead.
"""
import dataclasses

BUILDING, ACTIVE, STOPPED, PAUSED, SUSPENDED = "building", "active", "stopped", "paused", "suspended"
RESCUED, RESIZED, SHELVED, SHELVED_OFFLOADED = "rescued", "resized", "shelved", "shelved_offloaded"
SOFT_DELETED, DELETED, ERROR = "soft-delete", "deleted", "error"

LIVING = frozenset({BUILDING, ACTIVE, STOPPED, PAUSED, SUSPENDED, RESCUED, RESIZED, SHELVED, SHELVED_OFFLOADED, SOFT_DELETED, ERROR})

KEEP = "keep"
"""As a result state: what the server was in before."""

SCHEDULING, NETWORKING, SPAWNING, DELETING = "scheduling", "networking", "spawning", "deleting"
REBUILDING, REBUILD_SPAWNING = "rebuilding", "rebuild_spawning"
RESIZE_PREP, RESIZE_FINISH = "resize_prep", "resize_finish"
RESIZE_MIGRATING, RESIZE_MIGRATED = "resize_migrating", "resize_migrated"
SHELVING_OFFLOADING = "shelving_offloading"


@dataclasses.dataclass(frozen=True)
class Action:
    """One row. ``orphan``: ``retry`` (run it again from the start), ``probe`` (ask the hypervisor what is true and end with that), ``fail``.

    ``interrupts``: actions whose running task this one may take over (None: any). ``name``: as the 409 message and the instance-actions
    list call it. ``deadline``: seconds.
    """

    name: str
    allowed: frozenset[str]
    task_state: str
    success: str
    failure: str
    orphan: str
    deadline: float
    interrupts: frozenset[str] | None = frozenset()
    locked_ok: bool = False


def _row(name, allowed, task_state, success, failure, orphan, deadline, interrupts=(), locked_ok=False) -> tuple[str, Action]:
    return name, Action(name, frozenset(allowed), task_state, success, failure, orphan, deadline,
                        None if interrupts is None else frozenset(interrupts), locked_ok)


LOCAL = ("reboot", "reboot_hard", "start", "stop", "rebuild", "snapshot", "backup", "attach_interface", "detach_interface", "change_password",
         "pause", "suspend", "trigger_crash_dump")
"""Actions that nothing but the server's own host takes part in: once it is dead they wait for nobody."""
# fmt: off
ACTIONS: dict[str, Action] = dict((
    #    action         allowed vm_states                              task_state          success  failure  orphan   deadline interrupts
    _row("create",      (),                                            SCHEDULING,         ACTIVE,  ERROR,   "retry", 1800),
    _row("reboot",      (ACTIVE,),                                     "rebooting",        ACTIVE,  KEEP,    "probe", 600),
    _row("reboot_hard", (ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR),   "rebooting_hard",   ACTIVE,  ERROR,   "retry", 600, ("reboot", "reboot_hard")),
    _row("start",       (STOPPED,),                                    "powering-on",      ACTIVE,  KEEP,    "retry", 600),
    _row("stop",        (ACTIVE, ERROR),                               "powering-off",     STOPPED, KEEP,    "retry", 600),
    _row("rebuild",     (ACTIVE, STOPPED, ERROR),                      REBUILDING,         ACTIVE,  ERROR,   "retry", 1800),
    _row("evacuate",    (ACTIVE, STOPPED, ERROR),                      REBUILDING,         ACTIVE,  ERROR,   "retry", 3600, LOCAL, True),
    _row("rescue",      (ACTIVE, STOPPED, ERROR),                      "rescuing",         RESCUED, ERROR,   "retry", 1800),
    _row("unrescue",    (RESCUED,),                                    "unrescuing",       ACTIVE,  ERROR,   "retry", 600),
    _row("snapshot",    (ACTIVE, STOPPED, PAUSED, SUSPENDED),          "image_snapshot",   KEEP,    KEEP,    "retry", 14400, (), True),
    _row("backup",      (ACTIVE, STOPPED, PAUSED, SUSPENDED),          "image_backup",     KEEP,    KEEP,    "retry", 14400, (), True),
    _row("attach_interface", (ACTIVE, PAUSED, STOPPED),                "attaching_interface", KEEP, KEEP,    "retry", 300),
    _row("detach_interface", (ACTIVE, PAUSED, STOPPED),                "detaching_interface", KEEP, KEEP,    "retry", 600),
    _row("change_password", (ACTIVE,),                                 "updating_password", KEEP, KEEP,      "fail",  120),
    _row("resize",      (ACTIVE, STOPPED),                             RESIZE_PREP,        RESIZED, KEEP,    "retry", 3600),
    _row("migrate",     (ACTIVE, STOPPED),                             RESIZE_PREP,        RESIZED, KEEP,    "retry", 3600),
    _row("confirm_resize", (RESIZED,),                                 "resize_confirming", ACTIVE, KEEP,    "retry", 600),
    _row("revert_resize", (RESIZED,),                                  "resize_reverting", ACTIVE,  KEEP,    "retry", 1800),
    _row("live_migrate", (ACTIVE, PAUSED),                             "migrating",        KEEP,    KEEP,    "retry", 600),
    _row("pause",       (ACTIVE,),                                     "pausing",          PAUSED,  KEEP,    "retry", 120),
    _row("unpause",     (PAUSED,),                                     "unpausing",        ACTIVE,  KEEP,    "retry", 120),
    _row("suspend",     (ACTIVE,),                                     "suspending",       SUSPENDED, KEEP,  "retry", 900),
    _row("resume",      (SUSPENDED,),                                  "resuming",         ACTIVE,  KEEP,    "retry", 600),
    _row("shelve",      (ACTIVE, STOPPED, PAUSED, SUSPENDED),          "shelving",         SHELVED, KEEP,    "retry", 14400),
    _row("shelve_offload", (SHELVED,),                                 SHELVING_OFFLOADING, SHELVED_OFFLOADED, KEEP, "retry", 600),
    _row("unshelve",    (SHELVED, SHELVED_OFFLOADED),                  "unshelving",       ACTIVE,  KEEP,    "retry", 3600),
    _row("trigger_crash_dump", (ACTIVE, PAUSED, RESCUED, RESIZED, ERROR), "triggering_crash_dump", KEEP, KEEP, "fail", 120),
    _row("soft_delete", LIVING,                                        "soft-deleting",    SOFT_DELETED, KEEP, "retry", 600, None),
    _row("restore",     (SOFT_DELETED,),                               "restoring",        ACTIVE,  KEEP,    "retry", 600),
    _row("delete",      LIVING,                                        DELETING,           DELETED, ERROR,   "retry", 600, None),
))
# fmt: on

ASKED_AS = {"live_migrate": "os-migrateLive", "reboot_hard": "reboot", "soft_delete": "delete", "snapshot": "createImage", "backup": "createBackup",
            "change_password": "changePassword", "confirm_resize": "confirmResize", "revert_resize": "revertResize",
            "shelve_offload": "shelveOffload"}
"""The name that users know an action by, where the table splits it."""

RECORDED_AS = {"live_migrate": "live-migration"}
"""The name of the instance action, where it is another one yet."""

_STATUS = {
    ACTIVE: ("ACTIVE", {"rebooting": "REBOOT", "reboot_pending": "REBOOT", "reboot_started": "REBOOT", "rebooting_hard": "HARD_REBOOT",
                        "reboot_pending_hard": "HARD_REBOOT", "reboot_started_hard": "HARD_REBOOT", "updating_password": "PASSWORD",
                        "rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD",
                        "migrating": "MIGRATING", "resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE",
                        "resize_finish": "RESIZE"}),
    BUILDING: ("BUILD", {}),
    STOPPED: ("SHUTOFF", {"rebooting_hard": "HARD_REBOOT", "resize_prep": "RESIZE", "resize_migrating": "RESIZE", "resize_migrated": "RESIZE",
                          "resize_finish": "RESIZE", "rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD",
                          "rebuild_spawning": "REBUILD"}),
    RESIZED: ("VERIFY_RESIZE", {"resize_reverting": "REVERT_RESIZE"}),
    PAUSED: ("PAUSED", {"migrating": "MIGRATING"}),
    SUSPENDED: ("SUSPENDED", {}),
    RESCUED: ("RESCUE", {}),
    ERROR: ("ERROR", {"rebuilding": "REBUILD", "rebuild_block_device_mapping": "REBUILD", "rebuild_spawning": "REBUILD"}),
    DELETED: ("DELETED", {}),
    SOFT_DELETED: ("SOFT_DELETED", {}),
    SHELVED: ("SHELVED", {}),
    SHELVED_OFFLOADED: ("SHELVED_OFFLOADED", {}),
}

FAULT_STATUSES = frozenset({"ERROR", "DELETED"})
PROGRESS_STATUSES = frozenset({"ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING"})


def status(vm_state: str, task_state: str | None) -> str:
    """The API's ``status``: one of the documented upper-case words, ``UNKNOWN`` for states that this table lacks."""
    default, by_task = _STATUS.get(vm_state, ("UNKNOWN", {}))
    return by_task.get(task_state, default)


def states_of(word: str) -> list[tuple[str, str | None]]:
    """The inverse: (vm_state, task_state) pairs shown as ``word``; task_state None stands for all that the row does not name.

    Empty when no server can have that status.
    """
    found: list[tuple[str, str | None]] = []
    for vm_state, (default, by_task) in _STATUS.items():
        if default == word:
            found.append((vm_state, None))
        found += [(vm_state, task) for task, shown in by_task.items() if shown == word]
    return found


def special_tasks(vm_state: str) -> list[str]:
    """Task states under which servers of ``vm_state`` show another status than its default."""
    return list(_STATUS[vm_state][1])
