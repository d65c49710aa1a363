"""Every option, once: registered with oslo.config, read by ``cmd/wiring.py`` and handed on as plain values.

``GROUPS`` is the table. tools/generate_samples.sh prints it as etc/nova_lite/nova-lite.conf.sample, ``nova-lite-manage config show``
what is in force.
"""
import os
import socket

from oslo_config import cfg, types

ConfigOpts = cfg.ConfigOpts
PORT = types.Integer(0, 65535)

DEFAULT = (
    cfg.StrOpt("host", default=socket.gethostname(), sample_default="<this machine's host name>",
               help="Name of this host: how its workers are addressed and what users with admin rights see."),
    cfg.HostAddressOpt("my_ip", default="127.0.0.1", help="Address of this host that the other hosts can reach (tunnels, images)."),
    cfg.StrOpt("state_path", default="/var/lib/nova-lite", help="Folder of all that this host keeps: database, images, disks, logs."),
    cfg.BoolOpt("debug", default=False, help="Log debug lines too."),
    cfg.StrOpt("log_file", help="File of the log; standard error where this is not set."),
)
API = (
    cfg.StrOpt("listen", default="127.0.0.1", help="Address that the APIs listen on."),
    cfg.Opt("port", type=PORT, default=8774, help="Port of all APIs, each under its path prefix (/identity, /compute, ...)."),
    cfg.StrOpt("public_url", help="URL prefix that clients reach the APIs under (catalog, links). http://<listen>:<port> if not set."),
    cfg.DictOpt("own_ports", default={}, help="APIs that listen on a port of their own besides the shared one: compute:8775,image:9292"),
    cfg.StrOpt("auth_strategy", default="builtin", choices=("builtin", "keystone", "noauth"),
               help="Who says who the caller is: the built-in identity service, a real Keystone, or (tests only) the caller itself."),
    cfg.IntOpt("max_limit", default=1000, min=1, help="Most items on one page of a list."),
    cfg.IntOpt("max_request_body_size", default=1 << 20, help="Largest body in bytes, image uploads excepted."),
    cfg.StrOpt("policy_file", default="policy.yaml", help="Policies that differ from the defaults; see policy.yaml.sample."),
)
DATABASE = (
    cfg.StrOpt("connection", secret=True, help="SQLAlchemy URL of the state database. sqlite:///<state_path>/nova-lite.db if not set."),
    cfg.IntOpt("pool_size", default=10, min=1, help="Connections kept open by one process."),
)
RPC = (
    cfg.StrOpt("url", default="memory://", secret=True, help="The broker: memory:// (one process) or amqp://user:password@host:5672/vhost."),
    cfg.IntOpt("workers", default=64, min=1, help="Messages of one topic that a process works on at once."),
    cfg.FloatOpt("round_trip_interval", default=10.0, help="Seconds between two proofs that messages still come back."),
    cfg.FloatOpt("publish_timeout", default=5.0, help="Seconds that a send waits for a broker that is away."),
)
SERVICE = (
    cfg.FloatOpt("report_interval", default=10.0, min=0.1, help="Seconds between two heartbeats of a daemon."),
    cfg.FloatOpt("down_time", default=60.0, min=0.5, help="Seconds without a heartbeat after which a daemon counts as down."),
    cfg.FloatOpt("sweep_interval", default=10.0, min=0.1, help="Seconds between two sweeps for tasks whose worker is gone."),
)
SCHEDULER = (
    cfg.FloatOpt("refresh_interval", default=30.0, help="Seconds after which the host table is read anew even if no doorbell rang."),
    cfg.IntOpt("max_attempts", default=3, min=1, help="Hosts that are tried for one server before it ends in ERROR."),
    cfg.IntOpt("host_subset_size", default=1, min=1, help="Choose at random among this many of the best hosts."),
    cfg.FloatOpt("ram_weight_multiplier", default=1.0, help="Weight of free RAM; negative stacks."),
    cfg.FloatOpt("cpu_weight_multiplier", default=1.0, help="Weight of free vCPUs; negative stacks."),
    cfg.FloatOpt("disk_weight_multiplier", default=1.0, help="Weight of free disk; negative stacks."),
    cfg.FloatOpt("io_ops_weight_multiplier", default=-1.0, help="Weight of builds and moves under way; negative prefers idle hosts."),
    cfg.FloatOpt("build_failure_weight_multiplier", default=1000000.0, help="Weight against hosts whose last builds failed."),
    cfg.BoolOpt("shuffle_best_same_weighed_hosts", default=False, help="Choose at random among hosts of the same best weight."),
    cfg.ListOpt("enabled_filters", default=["AvailabilityZoneFilter", "ComputeFilter", "ComputeCapabilitiesFilter", "ImagePropertiesFilter",
                                            "ServerGroupAntiAffinityFilter", "ServerGroupAffinityFilter"],
                help="Filters in force, in order; room for RAM, vCPUs and disk, and traits, are always asked for."),
    cfg.FloatOpt("num_instances_weight_multiplier", default=0.0, help="Weight of the number of servers; negative spreads."),
    cfg.FloatOpt("hypervisor_version_weight_multiplier", default=1.0, help="Weight of newer hypervisors; negative prefers older ones."),
    cfg.FloatOpt("soft_affinity_weight_multiplier", default=1.0, help="Weight of servers of the same group, where its policy is soft-affinity."),
    cfg.FloatOpt("soft_anti_affinity_weight_multiplier", default=1.0, help="Weight against servers of the same soft-anti-affinity group."),
    cfg.FloatOpt("holes_weight_multiplier", default=0.0, help="Weight of full hosts where the server takes no room that servers of the "
                 "sizes in demand would find: packs denser than best fit."),
    cfg.FloatOpt("pci_weight_multiplier", default=1.0, help="Weight against free PCI devices: keeps them for servers that ask for some."),
    cfg.FloatOpt("best_fit_weight_multiplier", default=0.0, help="Weight of full hosts, vCPUs and RAM together: keeps large holes whole."),
    cfg.ListOpt("metrics_weight_setting", default=[], help="Metrics that hosts are weighed by, with ratios: cpu.percent=-1.0, cpu.iowait.percent=-2"),
    cfg.FloatOpt("metrics_weight_multiplier", default=1.0, help="Weight of the sum of these."),
    cfg.BoolOpt("metrics_required", default=True, help="Refuse hosts that do not tell them, as MetricsFilter does; else such hosts come last."),
    cfg.FloatOpt("metrics_weight_of_unavailable", default=-10000.0, help="The sum of hosts that do not tell them."),
    cfg.FloatOpt("image_props_weight_multiplier", default=0.0, help="Weight of servers with the same image properties (hw_, os_, img_); negative "
                 "spreads them. Where it is 0 they are not looked at."),
    cfg.ListOpt("image_props_weight_setting", default=[], help="Properties that count for it, with weights: os_distro=2,hw_machine_type=0.5. All if "
                "not set."),
    cfg.DictOpt("weight_multipliers", default={}, help="Multipliers of weighers that other packages bring: rack_weight_multiplier:2.0"),
    cfg.IntOpt("max_io_ops_per_host", default=8, min=1, help="Builds and moves under way on one host (IoOpsFilter, AggregateIoOpsFilter)."),
    cfg.IntOpt("max_instances_per_host", default=50, min=1, help="Servers on one host (NumInstancesFilter, AggregateNumInstancesFilter)."),
    cfg.StrOpt("image_properties_default_architecture", help="Architecture of images that name none (ImagePropertiesFilter)."),
    cfg.ListOpt("isolated_images", default=[], help="Images that run only on isolated_hosts (IsolatedHostsFilter)."),
    cfg.ListOpt("isolated_hosts", default=[], help="Hosts kept for isolated_images (IsolatedHostsFilter)."),
    cfg.BoolOpt("restrict_isolated_hosts_to_isolated_images", default=True, help="Keep all other images away from isolated_hosts."),
    cfg.StrOpt("aggregate_image_properties_isolation_namespace", help="Only aggregate metadata whose keys start with this and the separator count."),
    cfg.StrOpt("aggregate_image_properties_isolation_separator", default=".", help="Stands between that namespace and the property."),
)
COMPUTE = (
    cfg.StrOpt("driver", default="libvirt", help="Hypervisor driver, by entry point name of nova_lite.virt: libvirt, fake."),
    cfg.FloatOpt("cpu_allocation_ratio", default=4.0, min=0.01, help="vCPUs promised for each core."),
    cfg.FloatOpt("ram_allocation_ratio", default=1.0, min=0.01, help="MB of RAM promised for each MB."),
    cfg.FloatOpt("disk_allocation_ratio", default=1.0, min=0.01, help="GB of disk promised for each GB."),
    cfg.IntOpt("reserved_host_memory_mb", default=512, min=0, help="MB of RAM kept for the host itself."),
    cfg.IntOpt("reserved_host_disk_mb", default=0, min=0, help="MB of disk kept for the host itself."),
    cfg.IntOpt("reserved_host_cpus", default=0, min=0, help="Cores kept for the host itself."),
    cfg.StrOpt("cpu_shared_set", help="CPUs of the host that guests share: 4-12,^8,15. All if neither this nor cpu_dedicated_set is set."),
    cfg.StrOpt("cpu_dedicated_set", help="CPUs of the host that are given to one guest each (hw:cpu_policy=dedicated); none if not set."),
    cfg.MultiStrOpt("reserved_huge_pages", default=[], help="Large pages that guests do not get: node:0,size:2048,count:64."),
    cfg.StrOpt("default_availability_zone", default="nova", help="Zone of hosts that are in no zone aggregate."),
    cfg.StrOpt("default_schedule_zone", help="Zone of servers that ask for none; any zone if not set."),
    cfg.ListOpt("compute_monitors", default=[], help="What each host tells about its load for MetricsWeigher: cpu. One write a host every three "
                "report_interval, so off by default."),
    cfg.IntOpt("max_concurrent_builds", default=10, min=0, help="Guests that one host builds at once; 0 is no limit."),
    cfg.IntOpt("max_concurrent_live_migrations", default=1, min=0, help="Running guests that leave one host at once; 0 is no limit."),
    cfg.IntOpt("shutdown_timeout", default=60, min=0, help="Seconds that a guest has to shut down before its power is cut."),
    cfg.IntOpt("reboot_timeout", default=60, min=1, help="Seconds that a guest has to restart by itself before it is reset."),
    cfg.BoolOpt("allow_resize_to_same_host", default=True, help="Resize servers on the host where they are."),
    cfg.FloatOpt("resize_confirm_window", default=86400.0, min=0, help="Seconds after which a resize is confirmed by itself; 0: never."),
    cfg.FloatOpt("shelved_offload_time", default=0.0, min=-1.0,
                 help="Seconds after which a shelved server leaves its host; 0: at once, -1: never by itself."),
    cfg.FloatOpt("shelved_poll_interval", default=3600.0, min=0.1, help="Seconds between two looks for shelved servers whose time to leave it is."),
    cfg.FloatOpt("reclaim_interval", default=0.0, min=0,
                 help="Seconds for which deleted servers can be restored before they are deleted for good; 0 deletes them at once."),
    cfg.Opt("transfer_port", type=PORT, default=0, help="Port of my_ip where other hosts read disks of servers that leave; any free one if 0."),
    cfg.StrOpt("transfer_certificate", help="PEM file of the certificate, for my_ip, with which disks are sent; in clear text if not set."),
    cfg.StrOpt("transfer_key", help="PEM file of the key of transfer_certificate."),
    cfg.StrOpt("transfer_authority", help="PEM file of who signed the other hosts' transfer_certificate; the system's authorities if not set."),
    cfg.Opt("console_port", type=PORT, default=0, help="Port of my_ip on which console proxies reach this host's guests; any free one if 0."),
    cfg.BoolOpt("resume_guests_state_on_host_boot", default=False,
                help="Start guests that ran when the host went down, once it was booted and its worker runs; else their servers are SHUTOFF."),
    cfg.FloatOpt("power_sync_interval", default=10.0, min=0.1, help="Seconds between two comparisons of power states with the hypervisor."),
    cfg.FloatOpt("fake_delay", default=0.0, min=0, help="Seconds that each slow operation of the fake driver takes."),
    cfg.FloatOpt("fake_move_seconds", default=0.0, min=0, help="Seconds that a running guest of the fake driver takes to another host."),
    cfg.IntOpt("fake_hosts", default=1, min=1, help="Compute hosts that one worker with the fake driver plays."),
    cfg.BoolOpt("fake_keep", default=False, help="Keep the fake driver's machines in a file of state_path: guests outlive the worker."),
    cfg.IntOpt("fake_vcpus", default=64, min=1, help="Cores of a host of the fake driver."),
    cfg.IntOpt("fake_memory_mb", default=512000, min=1, help="MB of RAM of a host of the fake driver."),
    cfg.IntOpt("fake_disk_gb", default=10000, min=1, help="GB of disk of a host of the fake driver."),
    cfg.StrOpt("provider_config_location", default="/etc/nova_lite/provider_config",
               help="Folder of *.yaml files, Nova's provider config, that give this host custom resource classes and traits."),
    cfg.ListOpt("fake_pci_devices", default=[], help="PCI devices of a host of the fake driver: vendor:product:count, as 8086:0443:2."),
    cfg.IntOpt("fake_numa_nodes", default=1, min=0, help="NUMA nodes of a host of the fake driver."),
    cfg.IntOpt("fake_threads", default=1, min=1, help="Threads of each of its cores."),
    cfg.IntOpt("fake_large_pages", default=0, min=0, help="Pages of 2 MB of each of its NUMA nodes."),
)
LIBVIRT = (
    cfg.StrOpt("connection_uri", help="Where libvirt listens. qemu:///system if not set, lxc:///system where virt_type is lxc."),
    cfg.StrOpt("virt_type", default="auto", choices=("auto", "kvm", "qemu", "lxc"),
               help="kvm, or plain qemu (slow); auto takes kvm only where the CPU has vmx or svm and /dev/kvm opens. "
                    "lxc: containers, which share the host's kernel: for users whom you would give root on the host."),
    cfg.StrOpt("cpu_mode", choices=("host-model", "host-passthrough", "custom", "none"), help="CPU shown to guests; by virt_type if not set."),
    cfg.StrOpt("live_migration_uri", default="qemu+tcp://%s/system",
               help="libvirt of another host, %s its address, as this host's libvirtd reaches it: whoever reaches it, too, rules that host."),
    cfg.HostAddressOpt("live_migration_inbound_addr", help="Address of this host for running guests that come. my_ip if not set."),
    cfg.BoolOpt("live_migration_with_native_tls", default=False, help="Encrypt memory and disks on their way; QEMU's certificates must be there."),
    cfg.IntOpt("live_migration_bandwidth", default=0, min=0, help="MiB/s of one migration; 0 is no limit."),
    cfg.IntOpt("live_migration_downtime", default=500, min=100, help="Milliseconds that a guest may stand still at the switch."),
    cfg.IntOpt("live_migration_downtime_steps", default=10, min=3, help="Steps in which that is allowed."),
    cfg.IntOpt("live_migration_downtime_delay", default=75, min=3, help="Seconds between two steps, for each GB of memory and disk."),
    cfg.IntOpt("live_migration_completion_timeout", default=800, min=0, help="Seconds that a migration may take for each GB; 0 is no limit."),
    cfg.StrOpt("live_migration_timeout_action", default="abort", choices=("abort", "force_complete"), help="What happens after that."),
    cfg.BoolOpt("live_migration_permit_auto_converge", default=True, help="Slow a guest down that writes faster than its memory moves."),
    cfg.BoolOpt("live_migration_permit_post_copy", default=False,
                help="Let force_complete start the guest at the destination before all of its memory is there: lost if the link breaks then."),
)
NETWORK = (
    cfg.StrOpt("driver", default="linux", choices=("linux", "none"), help="linux makes bridges and namespaces; none only addresses (fake hosts)."),
    cfg.IntOpt("vxlan_port", default=4789, help="UDP port of the tunnels between hosts."),
    cfg.IntOpt("mtu", default=1500, min=576, help="MTU of the network between hosts; tunnels take 50 bytes of it."),
    cfg.StrOpt("dns_domain", default="novalocal", help="Domain of guests' names."),
    cfg.ListOpt("dns_servers", default=[], help="Name servers that guests are told where a subnet names none."),
)
IDENTITY = (
    cfg.IntOpt("token_expiration", default=3600, min=60, help="Seconds that a token lives."),
    cfg.FloatOpt("token_recheck_interval", default=5.0, min=0,
                 help="Seconds for which an API process believes what it read of a token. What other processes change of users, roles and "
                      "revocations counts there after as long; what it changes itself counts at once."),
    cfg.StrOpt("fernet_keys", help="Folder of the token keys. <state_path>/fernet-keys if not set."),
    cfg.StrOpt("admin_password", secret=True, help="Password that the first start gives the user admin; random, and said once, if not set."),
    cfg.StrOpt("region", default="RegionOne", help="Region name in the catalog."),
)
IMAGE = (
    cfg.StrOpt("store", help="Folder of the images. <state_path>/image-store if not set."),
    cfg.IntOpt("max_size", default=1 << 40, help="Largest image in bytes."),
    cfg.StrOpt("url", help="Image endpoint that compute hosts without the store fetch from, with /image. From public_url if not set."),
    cfg.StrOpt("service_secret", secret=True, help="Shared by all daemons: signs what workers fetch, and console tokens. In state_path if not set."),
)
QUOTA = tuple(
    cfg.IntOpt(name, default=default, min=-1, help=f"{text}; -1 is no limit.") for name, default, text in (
        ("instances", 10, "Servers of a project"), ("cores", 20, "vCPUs of a project"), ("ram", 51200, "MB of RAM of a project"),
        ("metadata_items", 128, "Metadata items of a server"), ("injected_files", 5, "Injected files of a server"),
        ("injected_file_content_bytes", 10240, "Bytes of an injected file"), ("injected_file_path_bytes", 255, "Bytes of an injected file's path"),
        ("key_pairs", 100, "Key pairs of a user"), ("server_groups", 10, "Server groups of a project"),
        ("server_group_members", 10, "Servers of a group"), ("networks", 100, "Networks of a project"), ("subnets", 100, "Subnets of a project"),
        ("ports", 500, "Ports of a project"), ("routers", 10, "Routers of a project"), ("floatingips", 50, "Floating IPs of a project"),
        ("security_groups", 10, "Security groups of a project"), ("security_group_rules", 100, "Security group rules of a project")))
CONSOLEPROXY = (
    cfg.BoolOpt("enabled", default=True, help="Whether nova-lite-all-in-one serves consoles itself."),
    cfg.StrOpt("listen", help="Address that consoles are served on. As api.listen if not set."),
    cfg.Opt("port", type=PORT, default=6080, help="Port that consoles are served on, pages and websockets alike; any free one if 0."),
    cfg.ListOpt("allowed_origins", default=[], help="Host names, besides the proxy's own, whose pages may open consoles."),
    cfg.StrOpt("novnc_path", default="/usr/share/novnc", help="Folder of noVNC (package novnc), served as /."),
    cfg.StrOpt("spice_path", default="/usr/share/spice-html5", help="Folder of the SPICE page (package spice-html5), served as /spice/."),
)
CONSOLEAUTH = (
    cfg.IntOpt("token_ttl", default=600, min=0, help="Seconds for which the URL of a console opens it."),
)
VNC = (
    cfg.BoolOpt("enabled", default=True, help="Give guests a screen that VNC shows. Nothing listens on the host: it is reached through the proxy."),
    cfg.StrOpt("novncproxy_base_url", help="Page that users open. /vnc_lite.html of this machine's console proxy if not set."),
)
SPICE = (
    cfg.BoolOpt("enabled", default=False, help="Give guests a screen that SPICE shows; QEMU must have it."),
    cfg.StrOpt("html5proxy_base_url", help="Page that users open. /spice/spice_auto.html of this machine's console proxy if not set."),
)
SERIAL_CONSOLE = (
    cfg.BoolOpt("enabled", default=True, help="Let users type on the serial line of guests."),
    cfg.StrOpt("base_url", help="Websocket that users open. ws:// and this machine's console proxy if not set."),
)
PCI = (
    cfg.MultiStrOpt("alias", default=[], help="A kind of PCI device that flavors ask for (pci_passthrough:alias=a1:2), as JSON; for the API and the "
                    'scheduler. {"name": "a1", "vendor_id": "8086", "product_id": "0443", "device_type": "type-PCI", "numa_policy": "legacy"}'),
    cfg.MultiStrOpt("device_spec", default=[], help="PCI devices of this host that guests may be given, as JSON: by vendor_id and product_id, by "
                    'address, or by devname. {"address": "0000:81:00.*", "resource_class": "CUSTOM_FPGA"}'),
)
METADATA = (
    cfg.StrOpt("vendordata_file", help="JSON file that guests see as vendor_data.json."),
)
GROUPS: dict[str, tuple[cfg.Opt, ...]] = {
    "DEFAULT": DEFAULT, "api": API, "database": DATABASE, "rpc": RPC, "service": SERVICE, "scheduler": SCHEDULER, "compute": COMPUTE,
    "libvirt": LIBVIRT, "network": NETWORK, "identity": IDENTITY, "image": IMAGE, "quota": QUOTA, "metadata": METADATA,
    "consoleproxy": CONSOLEPROXY, "consoleauth": CONSOLEAUTH, "vnc": VNC, "spice": SPICE, "serial_console": SERIAL_CONSOLE, "pci": PCI,
}


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The table as oslo.config's sample generator wants it (entry point ``oslo.config.opts``)."""
    return [(group, list(options)) for group, options in GROUPS.items()]


def load(argv: list[str] | None = None, files: list[str] | None = None, prog: str = "nova-lite") -> cfg.ConfigOpts:
    """Read the options: command line, then ``--config-file`` (default /etc/nova_lite/nova-lite.conf where it exists), then defaults."""
    conf = cfg.ConfigOpts()
    for group, options in GROUPS.items():
        conf.register_opts(options, group=None if group == "DEFAULT" else group)
    conf.register_cli_opts([DEFAULT[3], DEFAULT[4]])
    if files is None:
        usual = "/etc/nova_lite/nova-lite.conf"
        files = [usual] if os.path.exists(usual) else []
    conf(argv if argv is not None else [], project="nova_lite", prog=prog, default_config_files=files)
    return conf


def section(conf: ConfigOpts, name: str) -> dict[str, str]:
    """A section of the configuration files that a library reads by its own names, as text."""
    found: dict[str, str] = {}
    for path in conf.config_file or ():
        sections: dict = {}
        cfg.ConfigParser(path, sections).parse()
        found.update({key: values[-1] for key, values in sections.get(name, {}).items()})
    return found
