"""``Settings``: everything that is configured, and what follows from it.

Records get their rules, spaces their policies and fingerprints, operators their warnings.
"""

from typing import Final

from msgspec import Struct

from processor.computed.definition import Scope
from processor.identity.model import IdentityPolicy, Space
from processor.rules import InputRules, Lifetimes, Limits, Rules, SpaceRules, WorkspaceRules
from processor.settings.advice import Advice, advice
from processor.settings.secret import Secret
from processor.settings.sections import (
    CheckSettings,
    ClockSettings,
    KafkaSettings,
    ObservabilitySettings,
    RedisSettings,
    RegistrySettings,
    ServeSettings,
)

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Settings(Struct, frozen=True):
    """Everything that is configured, checked. Its repr shows no secret."""

    kafka: KafkaSettings
    schema_registry: RegistrySettings | None
    redis: RedisSettings
    limits: Limits
    observability: ObservabilitySettings
    workspaces: dict[str, WorkspaceRules]
    inputs: dict[str, InputRules]
    fingerprints: dict[str, str]
    computed: dict[str, Scope] = {}
    """What identity scopes define to be computed; those that define nothing are not here."""
    check: CheckSettings = CheckSettings()
    serve: ServeSettings | None = None
    """None where the configuration has no such section: there is nothing to serve then."""
    clock: ClockSettings = ClockSettings()
    token_key: Secret = Secret("")
    """Hex of the 32 bytes that key tokens and MPIDs; empty without a ``key_file``."""

    def rules(self) -> Rules:
        """Return the rules of records."""
        roles, formats = self.kafka.topics.roles, self.kafka.formats
        return Rules(
            inputs=self.inputs,
            roles=roles,
            limits=self.limits,
            formats={
                name: formats.get(name, formats.get(role, "json")) for name, role in roles.items()
            },
        )

    def avro_topics(self) -> dict[str, str]:
        """Return the output topics that are written in Avro, by role."""
        outputs, formats = self.kafka.topics.outputs, self.kafka.formats
        return {role: name for role, name in outputs.items() if formats.get(role) == "avro"}

    def registry_url(self) -> str:
        """Return the address of the schema registry, '' where there is none. Never log it."""
        return "" if self.schema_registry is None else self.schema_registry.url.reveal()

    def key(self) -> bytes:
        """Return the key of tokens and MPIDs, empty where there is none."""
        return bytes.fromhex(self.token_key.reveal())

    def spaces(self) -> tuple[Space, ...]:
        """Return every space: each identity scope in production and in development."""
        return tuple(
            Space(scope, environment)
            for scope in sorted(self.fingerprints)
            for environment in ("production", "development")
        )

    def space_rules(self) -> tuple[SpaceRules, ...]:
        """Return the rules of every space."""
        return tuple(
            SpaceRules(
                space,
                self.policy(space.scope),
                self.fingerprint(space.scope),
                self.lifetimes(space.scope),
            )
            for space in self.spaces()
        )

    def lifetimes(self, scope: str) -> Lifetimes | None:
        """Return the lifetimes that the workspaces of *scope* share; None where nobody ages."""
        return next(w.lifetimes for w in self.workspaces.values() if w.scope == scope)

    def policy(self, scope: str) -> IdentityPolicy:
        """Return the identity policy that the workspaces of *scope* share."""
        return next(w.policy for w in self.workspaces.values() if w.scope == scope)

    def fingerprint(self, scope: str) -> str:
        """Return a hash of the settings that decisions in *scope* depend on, token key included."""
        return self.fingerprints[scope]

    def advice(self) -> tuple[Advice, ...]:
        """Return warnings of settings that are allowed but probably not meant."""
        found = list(advice(self.workspaces, self.inputs))
        if not self.token_key.reveal():
            text = "not set: identifier tokens and MPIDs can be guessed by trying values"
            found.append(Advice("redis.key_file", text))
        served = self.serve
        if served is not None and served.host not in LOOPBACK and served.tls_cert_file is None:
            text = "others can reach it without TLS: tokens and profiles would be read on the way,"
            found.append(Advice("serve.host", f"{text} unless a proxy before it has TLS"))
        return tuple(found)
