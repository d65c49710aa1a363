"""/servers/{id}/diagnostics: what the guest has used; in the words of libvirt until 2.47, in a form of its own from 2.48 on."""
from nova_lite import clock
from nova_lite.api.resource import Route
from nova_lite.compute.actions import diagnostics

PATH = "/v2.1/servers/{server_id}/diagnostics"
POLICY = "os_compute_api:os-server-diagnostics"


def classic(request, server_id):
    """One flat dict: cpu0_time, vda_read, tap1_rx, memory-rss, ..."""
    _, found = diagnostics.diagnostics(request.deps, request.ctx, server_id)
    shown = {f"cpu{number}_time": time for number, time in enumerate(found["cpu_times"])}
    for disk in found["disks"]:
        for word, field in (("read_req", "read_requests"), ("read", "read_bytes"), ("write_req", "write_requests"), ("write", "write_bytes"),
                            ("errors", "errors")):
            shown[f"{disk['name']}_{word}"] = disk[field]
    for nic in found["nics"]:
        for way in ("rx", "tx"):
            shown[f"{nic['name']}_{way}"] = nic[f"{way}_bytes"]
            shown.update({f"{nic['name']}_{way}_{word}": nic[f"{way}_{word}"] for word in ("packets", "errors", "drop")})
    return {**shown, "memory": found["memory_kib"], **{f"memory-{word}": value for word, value in found["memory_stats"].items()}}


def standard(request, server_id):
    """The same for every hypervisor."""
    server, found = diagnostics.diagnostics(request.deps, request.ctx, server_id)
    cpus = [{"id": number, "time": time, "utilisation": None} for number, time in enumerate(found["cpu_times"])]
    disks = [{**{field: disk[field] for field in ("read_bytes", "read_requests", "write_bytes", "write_requests")},
              "errors_count": disk["errors"]} for disk in found["disks"]]
    return {
        "state": diagnostics.POWER_WORDS[found["state"]], "driver": found["driver"], "hypervisor": found["hypervisor"],
        "hypervisor_os": found["hypervisor_os"], "config_drive": server.config_drive,
        "uptime": int((clock.now() - server.launched_at).total_seconds()) if server.launched_at else None,
        "num_cpus": len(cpus), "num_nics": len(found["nics"]), "num_disks": len(disks), "cpu_details": cpus, "disk_details": disks,
        "nic_details": [_nic(nic) for nic in found["nics"]],
        "memory_details": {"maximum": found["memory_kib"] >> 10, "used": found["memory_used_kib"] >> 10}}


def _nic(nic: dict) -> dict:
    shown = {"mac_address": nic["mac"]}
    for way in ("rx", "tx"):
        shown.update({f"{way}_octets": nic[f"{way}_bytes"], f"{way}_errors": nic[f"{way}_errors"], f"{way}_drop": nic[f"{way}_drop"],
                      f"{way}_packets": nic[f"{way}_packets"], f"{way}_rate": None})
    return shown


ROUTES = (
    Route("GET", PATH, classic, POLICY, until="2.47"),
    Route("GET", PATH, standard, POLICY, since="2.48"),
)
