"""Every error that crosses a room: a few families, each with the HTTP status the APIs answer with, and their leaves.

``message`` is written for the person who asked: it names the field or thing and says what to do about it. Errors cross RPC by
class name (``REGISTRY``), so a leaf takes only a message and plain keyword details.
"""

REGISTRY: dict[str, type["NovaLiteError"]] = {}


class NovaLiteError(Exception):
    """Root of the families. ``status``: HTTP status; ``message``: default text, formatted with ``details``."""

    status = 500
    message = "An unexpected error has occurred."

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        REGISTRY[cls.__name__] = cls

    def __init__(self, message: str | None = None, **details):
        self.details = details
        self.text = message if message is not None else self.message.format(**details)
        super().__init__(self.text)

    def __str__(self) -> str:
        return self.text


# ---- families --------------------------------------------------------------------------------------------------------------
class Invalid(NovaLiteError):
    """What was asked is malformed or refers to what cannot be used."""
    status = 400
    message = "Invalid input."


class Unauthorized(NovaLiteError):
    """No valid token or credentials."""
    status = 401
    message = "The request you have made requires authentication."


class Forbidden(NovaLiteError):
    """The caller is known and may not do this."""
    status = 403
    message = "Policy doesn't allow {action} to be performed."


class NotFound(NovaLiteError):
    """The thing does not exist, or not for this caller."""
    status = 404
    message = "The resource could not be found."


class Conflict(NovaLiteError):
    """The thing is in a state that does not allow this."""
    status = 409
    message = "Conflict."


class TooLarge(NovaLiteError):
    """The body or upload is larger than allowed."""
    status = 413
    message = "Request is too large."


class QuotaExceeded(Forbidden):
    """A project's or user's quota does not allow more."""
    message = "Quota exceeded for {resource}."


class Unsupported(NovaLiteError):
    """The API has it, and no driver of ours does."""
    status = 501
    message = "The requested functionality is not supported."


class Unavailable(NovaLiteError):
    """A part of the service cannot be reached now; trying again may help."""
    status = 503
    message = "The service is temporarily unavailable."


# ---- leaves ----------------------------------------------------------------------------------------------------------------
class NoValidHost(Unavailable):
    """No host can take the server; the text counts the reasons."""
    message = "No valid host was found. {reason}"


class ServerNotFound(NotFound):
    message = "Instance {server_id} could not be found."


class FlavorNotFound(NotFound):
    message = "Flavor {flavor_id} could not be found."


class ImageNotFound(NotFound):
    message = "Image {image_id} could not be found."


class NetworkNotFound(NotFound):
    message = "Network {network_id} could not be found."


class SubnetNotFound(NotFound):
    message = "Subnet {subnet_id} could not be found."


class PortNotFound(NotFound):
    message = "Port {port_id} could not be found."


class KeyPairNotFound(NotFound):
    message = "Keypair {name} not found for user {user_id}"


class ServerGroupNotFound(NotFound):
    message = "Instance group {group_id} could not be found."


class HostNotFound(NotFound):
    message = "Compute host {host} could not be found."


class NoMoreAddresses(Conflict):
    message = "No more IP addresses available on network {network_id}."


class TaskInProgress(Conflict):
    """Another task holds the server."""
    message = "Cannot '{action}' instance {server_id} while it is in task_state {task_state}"


class TaskLost(Conflict):
    """The task's token is no longer the server's: a newer task, the sweep or a delete took over. Stop at once, undo what is yours."""
    message = "The task {token} on server {server_id} is no longer current."


class ServerLocked(Conflict):
    message = "Instance {server_id} is locked"


class GuestNotFound(NotFound):
    """The hypervisor has no guest of this server."""
    message = "Guest {server_id} not found on this host."


class HypervisorError(NovaLiteError):
    """The hypervisor refused or failed; the text is for the operator and the server's fault."""
    message = "The hypervisor failed: {reason}"


class SourceFailed(HypervisorError):
    """The host that a server leaves cannot let it go, whoever takes it; the text says why."""
    message = "The host that the server leaves failed: {reason}"


class MoveRefused(Invalid):
    """A host that would have to take a guest, or let it go, cannot; the text says what is in the way."""
    message = "Migration pre-check error: {reason}"


class MoveCancelled(Conflict):
    """A user ended the move; the server stays where it is."""
    message = "The migration of server {server_id} was aborted."


class GuestAgentMissing(Conflict):
    """The guest runs no agent that would do this, or the agent does not answer."""
    message = "QEMU guest agent is not enabled"


class ConsoleTypeUnavailable(Invalid):
    """The guest, its host or the configuration has no console of this type."""
    message = "Unavailable console type {console_type}."


class ConsoleTypeInvalid(Invalid):
    """No such type of a protocol."""
    message = "Invalid console type {console_type}"


class ImageUnusable(Invalid):
    """The image's bytes are not what its record says, or are of a form that is not safe to run."""
    message = "Image {image_id} is unacceptable: {reason}"


class DiskFull(HypervisorError):
    message = "Not enough disk space on host {host}: {reason}"


class RpcTimeout(Unavailable):
    message = "No answer from {topic} to {method} within {timeout} s."


class RpcUnavailable(Unavailable):
    message = "The message broker cannot be reached: {reason}"


class RemoteError(NovaLiteError):
    """An error of a class that this process does not know, raised at the other end of an RPC call."""
    message = "{kind}: {text}"


class DatabaseUnavailable(Unavailable):
    message = "The database cannot be reached now."


class DatabaseDeadlock(Unavailable):
    """The database chose this transaction as a victim; nothing was written, running it again is safe."""
    message = "The transaction lost against another one; nothing was changed."


class PolicyNotAuthorized(Forbidden):
    message = "Policy doesn't allow {action} to be performed."


class ConfigurationError(NovaLiteError):
    """An option's value cannot work here; the text names the option and the remedy."""
    message = "{reason}"
