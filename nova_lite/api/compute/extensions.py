"""Extensions: the names under which old clients ask what this API can do. All of them are part of it; only these are there."""
from nova_lite import exception
from nova_lite.api import resource

POLICY = "os_compute_api:extensions"
FIXED = {"links": [], "namespace": "http://docs.openstack.org/compute/ext/fake_xml", "updated": "2014-12-03T00:00:00Z"}

# alias | name | what it adds
EXTENSIONS = (
    ("OS-DCF", "DiskConfig", "Disk management of servers."),
    ("OS-EXT-AZ", "ExtendedAvailabilityZone", "The availability zone in servers."),
    ("OS-EXT-IPS", "ExtendedIps", "The type of each address of a server."),
    ("OS-EXT-IPS-MAC", "ExtendedIpsMac", "The MAC of each address of a server."),
    ("OS-EXT-SRV-ATTR", "ExtendedServerAttributes", "Host and hypervisor in servers."),
    ("OS-EXT-STS", "ExtendedStatus", "Task, machine and power state in servers."),
    ("OS-FLV-DISABLED", "FlavorDisabled", "Whether a flavor is disabled."),
    ("OS-FLV-EXT-DATA", "FlavorExtraData", "The size of a flavor's ephemeral disk."),
    ("OS-SCH-HNT", "SchedulerHints", "Hints to the scheduler."),
    ("OS-SRV-USG", "ServerUsage", "When a server was launched and terminated."),
    ("OS-EXT-IMG-SIZE", "ImageSize", "The size of images."),
    ("image-metadata", "ImageMetadata", "Metadata of images, until 2.38."),
    ("images", "Images", "Images, until 2.35."),
    ("os-access-ips", "AccessIPs", "Access addresses of servers."),
    ("os-aggregates", "Aggregates", "Sets of hosts."),
    ("os-attach-interfaces", "AttachInterfaces", "Ports of servers."),
    ("os-availability-zone", "AvailabilityZone", "Availability zones."),
    ("os-block-device-mapping", "BlockDeviceMapping", "The disks of a new server."),
    ("os-config-drive", "ConfigDrive", "A disk with the server's metadata."),
    ("os-console-auth-tokens", "ConsoleAuthTokens", "Where the console of a token is."),
    ("os-console-output", "ConsoleOutput", "A server's console log."),
    ("os-consoles", "Consoles", "Consoles of servers."),
    ("os-extended-services", "ExtendedServices", "Why a service is disabled."),
    ("os-extended-services-delete", "ExtendedServicesDelete", "Services can be deleted."),
    ("os-flavor-access", "FlavorAccess", "Which projects may use a flavor."),
    ("os-flavor-extra-specs", "FlavorExtraSpecs", "What a flavor wants of hosts."),
    ("os-flavor-manage", "FlavorManage", "Flavors can be created and deleted."),
    ("os-flavor-rxtx", "FlavorRxtx", "The network factor of a flavor."),
    ("os-flavor-swap", "FlavorSwap", "The size of a flavor's swap disk."),
    ("os-hosts", "Hosts", "Hosts and their services."),
    ("os-hypervisor-status", "HypervisorStatus", "State and status in hypervisors."),
    ("os-hypervisors", "Hypervisors", "Compute hosts."),
    ("os-instance-actions", "InstanceActions", "What was done to a server."),
    ("os-instance_usage_audit_log", "OSInstanceUsageAuditLog", "Usage audits of hosts."),
    ("os-keypairs", "Keypairs", "Key pairs of users."),
    ("os-multiple-create", "MultipleCreate", "Several servers in one request."),
    ("os-personality", "Personality", "Files put into a server."),
    ("os-quota-class-sets", "QuotaClasses", "Quotas under a name."),
    ("os-quota-sets", "Quotas", "Quotas of projects."),
    ("os-security-groups", "SecurityGroups", "Security groups of servers."),
    ("os-server-external-events", "ServerExternalEvents", "What other services say has happened to servers."),
    ("os-server-list-multi-status", "ServerListMultiStatus", "Several states in one list request."),
    ("os-server-sort-keys", "ServerSortKeys", "Sorted lists of servers."),
    ("os-server-start-stop", "ServerStartStop", "Start and stop."),
    ("os-services", "Services", "The daemons."),
    ("os-simple-tenant-usage", "SimpleTenantUsage", "What projects used."),
    ("os-used-limits", "UsedLimits", "What is used of the limits."),
    ("os-used-limits-for-admin", "UsedLimitsForAdmin", "The limits of other projects."),
    ("os-user-data", "UserData", "Data for the server's first boot."),
    ("os-user-quotas", "UserQuotas", "Quotas of users in a project."),
)
BY_ALIAS = {alias: {"alias": alias, "name": name, "description": text, **FIXED} for alias, name, text in EXTENSIONS}


def index(request) -> dict:
    """All extensions."""
    return {"extensions": list(BY_ALIAS.values())}


def show(request, alias: str) -> dict:
    """One extension."""
    if alias not in BY_ALIAS:
        raise exception.NotFound()
    return {"extension": BY_ALIAS[alias]}


ROUTES = (
    resource.Route("GET", "/v2.1/extensions", index, POLICY),
    resource.Route("GET", "/v2.1/extensions/{alias}", show, POLICY),
)
