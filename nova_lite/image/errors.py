"""Errors of the image room alone."""
from nova_lite import exception


class StoreFull(exception.TooLarge):
    """The file system of the store has no room."""
    message = "Image storage media is full: There is not enough disk space on the image storage media."


class ImageTooLarge(exception.TooLarge):
    """The data is longer than the store takes."""
    message = "The incoming image is too large: it may have at most {maximum} bytes."


class UploadCut(exception.Invalid):
    """The client went away, or sent another number of bytes than it announced."""
    message = "The upload of image {image_id} was cut off after {size} bytes."


class ImageGone(exception.NovaLiteError):
    """The image was deleted while its data came in."""
    status = 410
    message = ("Image {image_id} could not be found after upload. The image may have been deleted during the upload, cleaning up the "
               "chunks uploaded.")


class LimitExceeded(exception.TooLarge):
    """More properties, tags or members than an image may have."""
    message = "The limit has been exceeded on the number of allowed image {what}. Attempted: {count}, Maximum: {maximum}"
