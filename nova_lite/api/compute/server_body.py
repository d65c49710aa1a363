"""The bodies and query strings of /servers as tables."""
from nova_lite.api.body import Body, Param, Query
from nova_lite.api.compute import values
from nova_lite.db import server_lists

IPV4 = {"type": "string", "format": "ipv4"}
IPV6 = {"type": "string", "format": "ipv6"}
DISK_CONFIG = {"type": "string", "enum": ["AUTO", "MANUAL"]}
TAG = {"type": "string", "pattern": "^[^,/]*$", "minLength": 1, "maxLength": 60}
DESCRIPTION = {"type": ["string", "null"], "minLength": 0, "maxLength": 255, "pattern": r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"}
FQDN = {"type": "string", "pattern": "^[a-zA-Z0-9-._]*$", "minLength": 1, "maxLength": 255}
HOSTNAME = {"type": "string", "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$", "minLength": 2, "maxLength": 63}
PERSONALITY = {"type": "array", "items": {
    "type": "object", "properties": {"path": {"type": "string"}, "contents": {"type": "string", "format": "base64"}},
    "required": ["path", "contents"], "additionalProperties": False}}
CERTIFICATES = {"type": ["array", "null"], "minItems": 1, "maxItems": 50, "uniqueItems": True, "items": {"type": "string", "minLength": 1}}
IMAGE_REF = {"oneOf": [{"type": "string", "format": "uuid"}, {"type": "string", "maxLength": 0}]}
SECURITY_GROUPS = {"type": "array", "items": {"type": "object", "properties": {"name": values.NAME}, "additionalProperties": False}}


def _networks(strict: bool, tag: bool) -> dict:
    item = {"fixed_ip": {"type": "string", "format": "ip"}, "port": {"type": ["string", "null"], "format": "uuid"},
            "uuid": {"type": "string", "format": "uuid"} if strict else {"type": "string"}}
    if tag:
        item["tag"] = TAG
    listed = {"type": "array", "items": {"type": "object", "properties": item, "additionalProperties": False}}
    return {"oneOf": [listed, {"type": "string", "enum": ["none", "auto"]}]} if strict else listed


def _block_devices(v2: bool, tag: bool = False, volume_type: bool = False) -> dict:
    item: dict = {
        "virtual_name": {"type": "string", "maxLength": 255}, "volume_id": {"type": "string", "format": "uuid"},
        "snapshot_id": {"type": "string", "format": "uuid"}, "volume_size": values.POSITIVE,
        "device_name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._/-]*$"},
        "delete_on_termination": values.BOOLEAN, "no_device": {}, "connection_info": {"type": "string", "maxLength": 16777215}}
    if v2:
        item.update({
            "source_type": {"type": "string", "enum": ["volume", "image", "snapshot", "blank"]},
            "uuid": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$"},
            "image_id": {"type": "string", "format": "uuid"}, "destination_type": {"type": "string", "enum": ["local", "volume"]},
            "guest_format": {"type": "string", "maxLength": 255}, "device_type": {"type": "string", "maxLength": 255},
            "disk_bus": {"type": "string", "maxLength": 255},
            "boot_index": {"type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"}})
    if tag:
        item["tag"] = TAG
    if volume_type:
        item["volume_type"] = {"type": ["string", "null"], "minLength": 0, "maxLength": 255}
    return {"type": "array", "items": {"type": "object", "properties": item, "additionalProperties": False}}


_SERVER_IDS = {"oneOf": [{"type": "string", "format": "uuid"}, {"type": "array", "items": {"type": "string", "format": "uuid"}}]}
HINTS = {"type": "object", "additionalProperties": True, "properties": {
    "group": _SERVER_IDS, "different_host": _SERVER_IDS, "same_host": _SERVER_IDS,
    "query": {"type": ["string", "object"]}, "target_cell": values.NAME, "build_near_host_ip": {"type": "string", "format": "ip"},
    "different_cell": {"type": ["string", "array"], "items": {"type": "string"}}, "cidr": {"type": "string", "pattern": "^/[0-9a-f.:]+$"}}}

CREATE = Body("server", (
    Param("name", values.NAME, required=True),
    Param("flavorRef", {"type": ["string", "integer"], "minLength": 1}, required=True),
    Param("imageRef", IMAGE_REF),
    Param("adminPass", {"type": "string"}),
    Param("metadata", values.METADATA),
    Param("networks", _networks(False, False), until="2.31"),
    Param("networks", _networks(False, True), since="2.32", until="2.36"),
    Param("networks", _networks(True, False), since="2.37", until="2.41", required=True),
    Param("networks", _networks(True, True), since="2.42", required=True),
    Param("OS-DCF:diskConfig", DISK_CONFIG),
    Param("accessIPv4", IPV4),
    Param("accessIPv6", IPV6),
    Param("personality", PERSONALITY, until="2.56"),
    Param("availability_zone", values.NAME),
    Param("block_device_mapping", _block_devices(False)),
    Param("block_device_mapping_v2", _block_devices(True), until="2.31"),
    Param("block_device_mapping_v2", _block_devices(True, tag=True), since="2.32", until="2.32"),
    Param("block_device_mapping_v2", _block_devices(True), since="2.33", until="2.41"),
    Param("block_device_mapping_v2", _block_devices(True, tag=True), since="2.42", until="2.66"),
    Param("block_device_mapping_v2", _block_devices(True, tag=True, volume_type=True), since="2.67"),
    Param("config_drive", values.BOOLEAN),
    Param("key_name", values.NAME),
    Param("min_count", values.POSITIVE),
    Param("max_count", values.POSITIVE),
    Param("return_reservation_id", values.BOOLEAN),
    Param("security_groups", SECURITY_GROUPS),
    Param("user_data", {"type": "string", "format": "base64", "maxLength": 65535}),
    Param("description", DESCRIPTION, since="2.19"),
    Param("tags", {"type": "array", "items": TAG, "maxItems": 50}, since="2.52"),
    Param("trusted_image_certificates", CERTIFICATES, since="2.63"),
    Param("host", FQDN, since="2.74"),
    Param("hypervisor_hostname", FQDN, since="2.74"),
    Param("hostname", HOSTNAME, since="2.90", until="2.93"),
    Param("hostname", FQDN, since="2.94"),
), beside=(Param("os:scheduler_hints", HINTS), Param("OS-SCH-HNT:scheduler_hints", HINTS)))

UPDATE = Body("server", (
    Param("name", values.NAME),
    Param("OS-DCF:diskConfig", DISK_CONFIG),
    Param("accessIPv4", IPV4),
    Param("accessIPv6", IPV6),
    Param("description", DESCRIPTION, since="2.19"),
    Param("hostname", HOSTNAME, since="2.90", until="2.93"),
    Param("hostname", FQDN, since="2.94"),
))

JOINED = ("block_device_mapping", "services", "metadata", "system_metadata", "info_cache", "security_groups", "pci_devices", "tags", "flavor",
          "host_status", "extra", "fault", "virtual_interfaces")
IGNORED_SORT_KEYS = ("created_at_", "cell_name", "deleted", "deleted_at", "disable_terminate", "ephemeral_gb", "id", "info_cache", "internal_id",
                     "memory_mb", "metadata", "name", "old_flavor", "os_type", "pci_devices", "root_gb", "security_groups", "services",
                     "shutdown_terminate", "vcpus", "vm_mode", "architecture", "default_ephemeral_device", "default_swap_device",
                     "fault", "launched_on", "pci_requests", "reservation_id", "system_metadata", "tags", "vcpu_model", "trusted_certs")
_KEYS = sorted(set(server_lists.SORT_KEYS) - {"locked"})
_MOMENT = {"type": "string", "format": "date-time"}
_PATTERN_FILTERS = ("kernel_id", "ramdisk_id", "hostname", "key_name", "power_state", "node", "flavor", "reservation_id", "launched_at",
                    "terminated_at", "availability_zone", "name", "display_name", "description", "display_description", "locked_by",
                    "root_device_name", "config_drive", "access_ip_v4", "access_ip_v6", "auto_disk_config", "progress", "ip", "ip6", "created_at")
_TEXT_FILTERS = ("user_id", "project_id", "tenant_id", "launch_index", "image_ref", "image", "vm_state", "task_state", "host", "uuid", "sort_dir",
                 "all_tenants", "soft_deleted", "deleted", "status")
LIST = Query((
    Param("limit", values.PAGE_SIZE),
    Param("marker", values.TEXT),
    Param("sort_key", {"type": "string", "enum": [*_KEYS, *IGNORED_SORT_KEYS]}, until="2.72"),
    Param("sort_key", {"type": "string", "enum": ["locked", *_KEYS, *IGNORED_SORT_KEYS]}, since="2.73", until="2.74"),
    Param("sort_key", {"type": "string", "enum": ["locked", *_KEYS]}, since="2.75"),
    *[Param(name, {"type": "string", "format": "regex"}) for name in _PATTERN_FILTERS],
    *[Param(name, values.TEXT) for name in _TEXT_FILTERS],
    Param("changes-since", _MOMENT),
    Param("changes-before", _MOMENT, since="2.66"),
    *[Param(name, {"type": "string", "format": "regex"}, since="2.26") for name in ("tags", "tags-any", "not-tags", "not-tags-any")],
    Param("locked", values.TEXT, since="2.73"),
), strict_since="2.75")
