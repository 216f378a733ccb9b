"""A broker that asks who is there: SASL over TLS, certificates of clients, and rights."""

import re

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.docs.pages import text
from tests.security.certificates import Certificates
from tests.servers.kafka import ANSWER_S, Kafka
from tests.servers.kafka_node import JavaNode, Listener, in_memory
from tests.servers.ports import free_port

USER = "idstream"
PASSWORD = "of the user's"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


class SecureKafka(Kafka):
    """A cluster with two more listeners; who comes in by the plain one may do everything."""

    def __init__(self, certificates: Certificates) -> None:
        listeners = [
            Listener("SASL", free_port(), "SASL_SSL"),
            Listener("MUTUAL", free_port(), "SSL"),
        ]
        self.sasl, self.mutual = (f"localhost:{one.port}" for one in listeners)
        node = JavaNode(folder=in_memory(), listeners=listeners, more=_properties(certificates))
        node.start()
        super().__init__(node.bootstrap, node)
        self._let_in(USER, PASSWORD)

    def _let_in(self, user: str, password: str) -> None:
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        change = UserScramCredentialUpsertion(user, info, password.encode())
        self.admin.alter_user_scram_credentials([change])[user].result(ANSWER_S)

    def allow(self, user: str, rights: list[tuple[ResourceType, str, AclOperation]]) -> None:
        """Give *user* these rights; a name of a transactional id is a prefix."""
        made = self.admin.create_acls([_binding(user, *right) for right in rights])
        assert made
        for done in made.values():
            done.result(ANSWER_S)


def _properties(certificates: Certificates) -> dict[str, str]:
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificates.server),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "listener.name.mutual.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": r"RULE:^CN=([^,]+).*$/$1/,DEFAULT",
        "listener.name.sasl.sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
        "listener.name.sasl.scram-sha-512.sasl.jaas.config": f"{SCRAM} required;",
        "listener.name.sasl.plain.sasl.jaas.config": f'{PLAIN} required user_{USER}="{PASSWORD}";',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


def _binding(user: str, kind: ResourceType, name: str, operation: AclOperation) -> AclBinding:
    is_prefix = kind is ResourceType.TRANSACTIONAL_ID
    pattern = ResourcePatternType.PREFIXED if is_prefix else ResourcePatternType.LITERAL
    return AclBinding(kind, name, pattern, f"User:{user}", "*", operation, AclPermissionType.ALLOW)


def documented(command: str) -> list[tuple[str, list[str]]]:
    """Return the rows of the page of operations for *command*: resources and operations."""
    table = text("docs/operations.md").partition("Kafka ACLs for `User:idstream`:")[2]
    rows = re.findall(
        r"^\| (?!resource|-)(.+?) \| (.+?) \|$", table.partition("\n\nAn ")[0], re.MULTILINE
    )
    other = re.compile(r"^for `idstream ([^`]+)`: ")
    found = []
    for resource, operations in rows:
        whose = other.match(resource)
        if (whose[1] if whose else "run") == command:
            plain = re.sub(r" \(.*?\)", "", operations)
            found.append((other.sub("", resource), plain.split(", ")))
    return found
