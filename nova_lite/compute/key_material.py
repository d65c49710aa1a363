"""Keys: fingerprints of public keys and certificates, and new key pairs. Making a key takes about 0.1 s of CPU: call ``generate`` natively."""
import base64
import datetime
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from nova_lite import clock, exception

BITS = 2048
CERTIFICATE_DAYS = 3650
# Microsoft's user principal name, by which WinRM finds the account of a client certificate.
USER_PRINCIPAL_NAME = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
PEM, NO_PASSWORD = serialization.Encoding.PEM, serialization.NoEncryption()


def _colons(digest: bytes) -> str:
    return digest.hex(":")


def fingerprint(kind: str, public_key: str) -> str:
    """Of an OpenSSH public key (``ssh``: MD5) or a PEM certificate (``x509``: SHA-1), as pairs of hex digits. Raises Invalid."""
    if kind == "x509":
        try:
            return _colons(x509.load_pem_x509_certificate(public_key.encode()).fingerprint(hashes.SHA1()))
        except (ValueError, TypeError) as error:
            raise exception.Invalid(f"Keypair data is invalid: failed to generate X509 fingerprint. Error message: {error}")
    try:
        serialization.load_ssh_public_key(public_key.encode())
        blob = base64.b64decode(public_key.split(" ")[1])
    except Exception as error:
        # The library lets errors of several of its own families out, all of which mean that this is no key.
        raise exception.Invalid("Keypair data is invalid: failed to generate fingerprint") from error
    return _colons(hashlib.md5(blob, usedforsecurity=False).digest())


def generate(kind: str, user_id: str) -> tuple[str, str]:
    """A new (private key, public key): ``ssh``: RSA as PEM and OpenSSH; ``x509``: a PKCS#12 file in base64 and its PEM certificate."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    if kind == "x509":
        return _certificate(key, user_id)
    private = key.private_bytes(PEM, serialization.PrivateFormat.TraditionalOpenSSL, NO_PASSWORD).decode()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return private, f"{public} Generated-by-Nova"


def _certificate(key: rsa.RSAPrivateKey, user_id: str) -> tuple[str, str]:
    # Common names are limited to 64 characters; longer user ids stand whole in the principal name.
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, user_id[:64])])
    now = clock.now().replace(tzinfo=datetime.UTC)
    certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now)
                   .not_valid_after(now + datetime.timedelta(days=CERTIFICATE_DAYS))
                   .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
                   .add_extension(x509.SubjectAlternativeName([x509.OtherName(USER_PRINCIPAL_NAME, _utf8(f"{user_id}@localhost"))]),
                                  critical=False).sign(key, hashes.SHA256()))
    bundle = pkcs12.serialize_key_and_certificates(None, key, certificate, None, NO_PASSWORD)
    return base64.b64encode(bundle).decode(), certificate.public_bytes(PEM).decode()


def _utf8(text: str) -> bytes:
    """DER of a UTF8String."""
    content = text.encode()
    if len(content) < 0x80:
        return bytes([0x0C, len(content)]) + content
    length = len(content).to_bytes(2, "big").lstrip(b"\0")
    return bytes([0x0C, 0x80 | len(length)]) + length + content
