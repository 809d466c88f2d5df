"""What makes broker, admin API and function worker ask everybody who he is, and speak TLS alone."""

from typing import Any

from connection.security import TOKEN_PLUGIN
from local_stack.secured import secrets
from local_stack.settings import Settings

CONNECTIONS, CONNECTIONS_OF_AN_ADDRESS = 1000, 500


def standalone_conf(settings: Settings) -> dict[str, Any]:
    """Return what `standalone.conf` has besides."""
    certificate, key = secrets.certificate(settings, secrets.PULSAR)
    return {
        "brokerServicePort": "",
        "brokerServicePortTls": settings.ports.broker,
        "webServicePort": "",
        "webServicePortTls": settings.ports.http,
        "tlsEnabled": "true",
        "tlsCertificateFilePath": certificate,
        "tlsKeyFilePath": key,
        "tlsTrustCertsFilePath": secrets.authority(settings),
        "tlsHostnameVerificationEnabled": "true",
        "brokerClientTlsEnabled": "true",
        "brokerClientTrustCertsFilePath": secrets.authority(settings),
        "brokerClientAuthenticationPlugin": TOKEN_PLUGIN,
        "brokerClientAuthenticationParameters": secrets.token(settings, secrets.BROKER).as_uri(),
        "authenticationEnabled": "true",
        "authorizationEnabled": "true",
        "authenticationProviders": "org.apache.pulsar.broker.authentication.AuthenticationProviderToken",
        **_tokens(settings),
        "superUserRoles": f"{secrets.BROKER},{secrets.PLATFORM}",
        # The roles get their rights before a deployment makes the topics.
        "allowAclChangesOnNonExistentTopics": "true",
        "brokerMaxConnections": CONNECTIONS,
        "brokerMaxConnectionsPerIp": CONNECTIONS_OF_AN_ADDRESS,
    }


def functions_worker_yml(settings: Settings) -> dict[str, Any]:
    """Return what `functions_worker.yml` has besides: standalone hands on the rest from the broker's settings."""
    return {
        "useTls": True,
        "tlsEnabled": True,
        "tlsTrustCertsFilePath": str(secrets.authority(settings)),
        "tlsEnableHostnameVerification": True,
        "properties": _tokens(settings),
    }


def client_conf(settings: Settings) -> dict[str, Any]:
    """Return what `client.conf` has besides, with which the stack's own `pulsar-admin` is the deployer."""
    return {
        "authPlugin": TOKEN_PLUGIN,
        "authParams": secrets.token(settings, secrets.DEPLOYER).as_uri(),
        "tlsTrustCertsFilePath": secrets.authority(settings),
        "tlsEnableHostnameVerification": "true",
    }


def _tokens(settings: Settings) -> dict[str, str]:
    """Return how Pulsar checks tokens."""
    return {"tokenPublicKey": secrets.public_key(settings).as_uri(), "tokenPublicAlg": secrets.ALGORITHM}
