"""The docker command's settings: which engine it uses."""

import datetime as dt
import hashlib
import ipaddress
import json
import os
from pathlib import Path

import pytest
from answering_engine import answering_engine
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from byoi import errors
from byoi.local.docker import Engine
from byoi.local.docker_config import DEFAULT_HOST, DockerConfig, EngineAddress


def write_context(config: Path, name: str, **endpoint) -> Path:
    """Write a context as `docker context create` does; return where its certificates go."""
    folder = hashlib.sha256(name.encode()).hexdigest()
    meta = config / "contexts" / "meta" / folder
    meta.mkdir(parents=True)
    content = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (meta / "meta.json").write_text(json.dumps(content))
    return config / "contexts" / "tls" / folder / "docker"


def write_certificates(folder: Path) -> None:
    """Write ca.pem, cert.pem and key.pem of one that signs itself, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "engine")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "cert.pem").write_bytes(pem)
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose current context is `far`, and which has `near` as well."""
    write_context(tmp_path, "far", Host="tcp://10.1.2.3:2375", SkipTLSVerify=False)
    write_context(tmp_path, "near", Host="unix:///run/near.sock")
    (tmp_path / "config.json").write_text(json.dumps({"currentContext": "far"}))
    return tmp_path


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "tcp://10.1.2.3:2375"),
        ({"DOCKER_CONTEXT": "near"}, "unix:///run/near.sock"),
        ({"DOCKER_CONTEXT": "default"}, DEFAULT_HOST),
        ({"DOCKER_HOST": "tcp://10.9.9.9:1", "DOCKER_CONTEXT": "near"}, "tcp://10.9.9.9:1"),
        ({"DOCKER_HOST": ""}, "tcp://10.1.2.3:2375"),
    ],
)
def test_the_engine_is_the_one_of_the_docker_command(
    config: Path, variables: dict[str, str], url: str
):
    found = DockerConfig({"DOCKER_CONFIG": str(config), **variables}).find_engine()
    assert found == EngineAddress(url)


def test_the_configuration_is_in_the_home_directory_unless_it_is_elsewhere(tmp_path: Path):
    assert DockerConfig({"HOME": str(tmp_path)}).directory == tmp_path / ".docker"
    assert DockerConfig({"HOME": str(tmp_path)}).find_engine() == EngineAddress(DEFAULT_HOST)
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text("not JSON")
    assert DockerConfig({"HOME": str(tmp_path)}).read() == {}


def test_a_context_that_is_not_there_is_named(config: Path):
    environ = {"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "gone"}
    with pytest.raises(errors.MissingProgramError, match=r"docker context 'gone' cannot be read"):
        DockerConfig(environ).find_engine()
    assert Engine(environ).image_id("byoi:latest") == ""


def test_certificates_come_with_the_context_or_with_their_variables(tmp_path: Path):
    tls = write_context(tmp_path, "far", Host="tcp://10.1.2.3:2376", SkipTLSVerify=True)
    tls.mkdir(parents=True)
    environ = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_CONTEXT": "far"}
    found = DockerConfig(environ).find_engine()
    assert found == EngineAddress("tcp://10.1.2.3:2376", tls, is_verified=False)
    host = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_HOST": "tcp://10.1.2.3:2376"}
    assert DockerConfig(host).find_engine().certificates is None
    verified = {**host, "DOCKER_TLS_VERIFY": "1"}
    assert DockerConfig(verified).find_engine().certificates == tmp_path
    elsewhere = {**verified, "DOCKER_CERT_PATH": "/certificates"}
    assert DockerConfig(elsewhere).find_engine().certificates == Path("/certificates")


@pytest.mark.needs("docker")
def test_a_login_is_removed_and_others_stay(tmp_path: Path):
    stored = {"auths": {"127.0.0.1:5000": {"auth": "YTpi"}, "127.0.0.1:6000": {"auth": "YTpi"}}}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    Engine({**os.environ, "DOCKER_CONFIG": str(tmp_path)}).log_out("127.0.0.1:5000")
    left = json.loads((tmp_path / "config.json").read_text())
    assert list(left["auths"]) == ["127.0.0.1:6000"]


def test_without_the_docker_command_there_is_no_login_to_remove(tmp_path: Path):
    Engine({"PATH": str(tmp_path), "HOME": str(tmp_path)}).log_out("127.0.0.1:5000")


def test_an_engine_behind_tls_is_asked_and_a_stranger_is_not_believed(tmp_path: Path):
    write_certificates(tmp_path / "mine")
    write_certificates(tmp_path / "other")
    with answering_engine("127.0.0.1", tmp_path / "mine") as engine:
        environ = {"DOCKER_HOST": engine.url, "DOCKER_TLS_VERIFY": "1"}
        Engine({**environ, "DOCKER_CERT_PATH": str(tmp_path / "mine")}).require()
        with pytest.raises(errors.MissingProgramError, match=r"(?i)certificate"):
            Engine({**environ, "DOCKER_CERT_PATH": str(tmp_path / "other")}).require()
