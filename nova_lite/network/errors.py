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


class IpAddressAlreadyAllocated(exception.Conflict):
    message = "IP address {address} is already in use on network {network_id}."


class InvalidIpForNetwork(exception.Invalid):
    message = "IP address {address} is not a valid IP for any of the subnets on network {network_id}."


class InvalidIpForSubnet(exception.Invalid):
    message = "IP address {address} is not a valid IP for the specified subnet {subnet_id}."


class InvalidSharedSetting(exception.Conflict):
    message = "Unable to reconfigure sharing settings for network {network_id}. Multiple projects are using it."


class PortBound(exception.Conflict):
    """The port is a server's, and the change asked for would pull it from under it."""
    message = "Port {port_id} belongs to server {server_id}: {what} cannot be changed here."


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
