"""The network room's errors, by the type names that Network API clients look for (``NeutronError.type``)."""
from nova_lite import exception


class InvalidInput(exception.Invalid):
    """A field's value cannot be."""


class NetworkInUse(exception.Conflict):
    message = "Unable to complete operation on network {network_id}. There are one or more ports still in use on the network, id: {port_id}."


class SubnetInUse(exception.Conflict):
    message = "Unable to complete operation on subnet {subnet_id}: One or more ports have an IP allocation from this subnet."


class PortInUse(exception.Conflict):
    message = "Port {port_id} is still in use."


class MacAddressInUse(exception.Conflict):
    message = "Unable to complete operation for network {network_id}. The mac address {mac} is in use."


class IpAddressInUse(exception.Conflict):
    message = "IP address {address} already allocated in subnet {subnet_id}"


class IpAddressGenerationFailure(exception.Conflict):
    message = "No more IP addresses available on network {network_id}."


class OverlappingSubnet(InvalidInput):
    message = ("Invalid input for operation: Requested subnet with cidr: {cidr} for network: {network_id} overlaps with another subnet.")


class SegmentInUse(exception.Conflict):
    message = "The segmentation id {vni} is in use by another network."


class SecurityGroupNotFound(exception.NotFound):
    message = "Security group {group_id} does not exist"


class SecurityGroupRuleNotFound(exception.NotFound):
    message = "Security group rule {rule_id} does not exist"


class SecurityGroupInUse(exception.Conflict):
    message = "Security Group {group_id} in use."


class SecurityGroupCannotRemoveDefault(exception.Conflict):
    message = "Insufficient rights for removing default security group."


class OverQuota(exception.Conflict):
    message = "Quota exceeded for resources: ['{resource}']."
