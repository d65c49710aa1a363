"""Key pairs over REST, at every version where they change."""
import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import pkcs12

from nova_lite.api.compute import keypairs as module
from nova_lite.compute import key_material
from tests.unit.api.compute_client import OTHER_USER, QUOTA, USER, ComputeClient, changes, expected

BRIEF = {"name": (None, None), "public_key": (None, None), "fingerprint": (None, None), "type": (2, None)}
CREATED = {**BRIEF, "user_id": (None, None)}
FULL = {**CREATED, "id": (None, None), "created_at": (None, None), "updated_at": (None, None), "deleted": (None, None), "deleted_at": (None, None)}
MEMBER = {"roles": ("member",)}


@pytest.fixture
def api(tmp_path):
    client = ComputeClient(tmp_path)
    yield client
    client.db.close()


@pytest.fixture(scope="module")
def public():
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    return key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode() + " me@here"


def add(api, public, name="mine", version="2.96", **rest):
    who = {key: rest.pop(key) for key in ("roles", "user") if key in rest}
    return api("POST", "/os-keypairs", {"keypair": {"name": name, "public_key": public, **rest}}, version, **who)


@pytest.mark.parametrize("version", changes(module.FULL, module.CREATE, module.LIST))
def test_the_keys_of_every_version(api, public, version):
    minor = int(version[2:])
    status, created = add(api, public, version=version)
    assert status == (201 if minor >= 2 else 200)
    assert set(created["keypair"]) == expected(CREATED, version)
    status, shown = api("GET", "/os-keypairs/mine", version=version)
    assert status == 200 and set(shown["keypair"]) == expected(FULL, version)
    listed = api("GET", "/os-keypairs", version=version)[1]
    assert set(listed["keypairs"][0]["keypair"]) == expected(BRIEF, version)
    assert api("DELETE", "/os-keypairs/mine", version=version) == (204 if minor >= 2 else 202, None)


def test_a_stored_key_is_shown_as_it_came(api, public):
    created = add(api, public)[1]["keypair"]
    assert created["public_key"] == public and created["user_id"] == USER and created["type"] == "ssh"
    digits = created["fingerprint"].split(":")
    assert len(digits) == 16 and all(len(pair) == 2 for pair in digits)
    shown = api("GET", "/os-keypairs/mine")[1]["keypair"]
    assert shown["deleted"] is False and shown["deleted_at"] is None and shown["updated_at"] is None and "T" in shown["created_at"]


def test_the_fingerprint_of_a_known_key():
    # ssh-keygen -l -E md5 says the same of this key.
    known = ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDx8nkQv/zgGgB4rMYmIf+6A4l6Rr+o/6lHBQdW5aYd44bd8JttDCE/F/pNRr0lRE+PiqSPO8nDPHw0010JeMH9gYgnnFlyY"
             "3/OcJ02RhIPyyxYpv9FhY+2YiUkpwFOcLImyrxEsYXpD/0d3ac30bNH6Sw9JD9UZHYcpSxsIbECHw== Generated-by-Nova")
    assert key_material.fingerprint("ssh", known) == "1e:2c:9b:56:79:4b:45:77:f9:ca:7a:98:2c:b0:d5:3c"


def test_a_generated_pair_fits_together(api):
    status, created = api("POST", "/os-keypairs", {"keypair": {"name": "made"}}, "2.91", **MEMBER)
    assert status == 201 and set(created["keypair"]) == {"name", "public_key", "fingerprint", "type", "user_id", "private_key"}
    private = created["keypair"]["private_key"]
    assert private.startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    key = serialization.load_pem_private_key(private.encode(), None)
    assert key.key_size == 2048
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    assert created["keypair"]["public_key"] == f"{public} Generated-by-Nova"
    assert "private_key" not in api("GET", "/os-keypairs/made", **MEMBER)[1]["keypair"]
    assert api.text("POST", "/os-keypairs", {"keypair": {"name": "late"}}, "2.92") == (
        400, "Invalid input for field/attribute keypair. Value: {'name': 'late'}. 'public_key' is a required property")


def test_a_certificate_for_winrm(api):
    status, created = api("POST", "/os-keypairs", {"keypair": {"name": "win", "type": "x509"}}, "2.2")
    assert status == 201 and created["keypair"]["type"] == "x509"
    certificate = x509.load_pem_x509_certificate(created["keypair"]["public_key"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.OtherName)[0].value.endswith(f"{USER}@localhost".encode())
    key, inside, _ = pkcs12.load_key_and_certificates(base64.b64decode(created["keypair"]["private_key"]), None)
    assert inside == certificate and key.public_key().public_numbers() == certificate.public_key().public_numbers()
    assert len(created["keypair"]["fingerprint"].split(":")) == 20
    again = add(api, created["keypair"]["public_key"], "copy", type="x509")
    assert again[0] == 201 and again[1]["keypair"]["fingerprint"] == created["keypair"]["fingerprint"]


def test_a_very_long_user_id_gets_a_certificate():
    private, public = key_material.generate("x509", "u" * 200)
    names = x509.load_pem_x509_certificate(public.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.OtherName)[0].value == b"\x0c\x81\xd2" + b"u" * 200 + b"@localhost"


@pytest.mark.parametrize("bad", ["", "ssh-rsa", "ssh-rsa JUNK me", "no key at all", "ssh-rsa AAAAB3NzaC1yc2EAAAADAQAB", "ключ"])
def test_what_is_no_public_key_is_400(api, bad):
    assert api.text("POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": bad}}) == (
        400, "Keypair data is invalid: failed to generate fingerprint")
    status, message = api.text("POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": bad, "type": "x509"}})
    assert status == 400 and message.startswith("Keypair data is invalid: failed to generate X509 fingerprint.")
    assert api("GET", "/os-keypairs")[1] == {"keypairs": []}


@pytest.mark.parametrize(("name", "version", "status"), [
    ("me@home.net", "2.92", 201), ("me@home.net", "2.91", 400), ("two words", "2.91", 201), ("under_score-dash", "2.1", 200), ("", "2.1", 400),
    (" padded ", "2.96", 400), ("x" * 255, "2.96", 201), ("x" * 256, "2.96", 400), ("a/b", "2.96", 400), ("k€y", "2.96", 400), (None, "2.96", 400)])
def test_names(api, public, name, version, status):
    assert add(api, public, name, version)[0] == status


def test_fields_are_unknown_before_their_version(api, public):
    assert add(api, public, "a", "2.1", type="ssh")[0] == 400
    assert add(api, public, "a", "2.9", user_id=OTHER_USER)[0] == 400
    assert add(api, public, "a", "2.2", type="dsa")[0] == 400


def test_a_name_is_taken_once_for_each_user(api, public):
    add(api, public)
    assert add(api, public)[0] == 409
    assert api.text("POST", "/os-keypairs", {"keypair": {"name": "mine", "public_key": public}}) == (409, "Key pair 'mine' already exists.")
    assert add(api, public, user=OTHER_USER)[0] == 201
    assert api.text("GET", "/os-keypairs/none") == (404, f"Keypair none not found for user {USER}")
    assert api("DELETE", "/os-keypairs/none")[0] == 404


def test_administrators_act_for_other_users(api, public):
    assert add(api, public, user_id=OTHER_USER)[1]["keypair"]["user_id"] == OTHER_USER
    assert api("GET", "/os-keypairs")[1] == {"keypairs": []}
    assert len(api("GET", f"/os-keypairs?user_id={OTHER_USER}")[1]["keypairs"]) == 1
    assert api("GET", f"/os-keypairs/mine?user_id={OTHER_USER}", version="2.10")[0] == 200
    assert api("GET", f"/os-keypairs/mine?user_id={OTHER_USER}", version="2.9")[0] == 404, "the parameter is ignored before its version"
    for method, path in (("GET", "/os-keypairs"), ("GET", "/os-keypairs/mine"), ("DELETE", "/os-keypairs/mine")):
        assert api(method, f"{path}?user_id={OTHER_USER}", **MEMBER)[0] == 403
    assert add(api, public, "theirs", user_id=OTHER_USER, **MEMBER)[0] == 403
    assert api("DELETE", f"/os-keypairs/mine?user_id={OTHER_USER}")[0] == 204


def test_pages(api, public):
    for name in ("c", "a", "b"):
        add(api, public, name)
    page = api("GET", "/os-keypairs?limit=2")[1]
    assert [item["keypair"]["name"] for item in page["keypairs"]] == ["a", "b"]
    assert page["keypairs_links"] == [{"rel": "next", "href": "http://cloud:8774/compute/v2.1/os-keypairs?limit=2&marker=b"}]
    rest = api("GET", "/os-keypairs?limit=2&marker=b")[1]
    assert [item["keypair"]["name"] for item in rest["keypairs"]] == ["c"] and "keypairs_links" not in rest
    assert api.text("GET", "/os-keypairs?marker=none") == (400, "Marker none could not be found.")
    assert len(api("GET", "/os-keypairs?limit=1", version="2.34")[1]["keypairs"]) == 3, "no pages before 2.35"
    assert api("GET", "/os-keypairs?other=1")[0] == 400


def test_the_quota_of_a_user(tmp_path, public):
    api = ComputeClient(tmp_path, quota_defaults={**QUOTA, "key_pairs": 2})
    assert [add(api, public, name)[0] for name in ("a", "b", "c")] == [201, 201, 403]
    assert api.text("POST", "/os-keypairs", {"keypair": {"name": "c", "public_key": public}}) == (403, "Quota exceeded, too many key pairs.")
    assert add(api, public, "c", user=OTHER_USER)[0] == 201
    assert add(api, public, "a")[0] == 403
    assert api("DELETE", "/os-keypairs/a")[0] == 204
    assert add(api, public, "b")[0] == 409 and add(api, public, "c")[0] == 201, "a refused key pair counts for nothing"
