"""``[kafka.client]``: which of librdkafka's own settings may be given.

A setting that would load code, weaken TLS or break a promise of the processor is refused.
"""

from typing import Final

from processor.settings.error import Mistakes, SettingsError, hint
from processor.settings.librdkafka import KNOWN, REFUSED, WEAKENS
from processor.settings.sections import ClientValue, KafkaSettings

LONGEST_TRANSACTION_MS: Final = 60_000

_ON: Final = {"true", "t", "1"}


def check_client(kafka: KafkaSettings) -> None:
    """Raise SettingsError for an entry that is refused or unknown; its value is not told.

    Entries of ``client_files`` count too, once their files have been read.
    """
    mistakes = Mistakes()
    for key in kafka.client_files:
        with mistakes.noted():
            _check_name(key, f"kafka.client_files.{key}")
    for key, value in kafka.client_options().items():
        where = "client_files" if key in kafka.client_files else "client"
        with mistakes.noted():
            _check_name(key, f"kafka.{where}.{key}")
            _check_value(key, value, f"kafka.{where}.{key}")
    mistakes.check()


def _check_name(key: str, where: str) -> None:
    if key in REFUSED:
        raise SettingsError(f"{where}: refused, it {REFUSED[key]}; remove it")
    if not any(key in known for known in KNOWN.values()):
        known = frozenset[str]().union(*KNOWN.values())
        raise SettingsError(
            f"{where}: no setting that may be given to librdkafka; remove it or correct its"
            f" spelling{hint(key, known)}"
        )


def _check_value(key: str, value: ClientValue, where: str) -> None:
    text = str(value).strip().lower()
    if (key == "enable.ssl.certificate.verification" and text not in _ON) or (
        key == "ssl.endpoint.identification.algorithm" and text != "https"
    ):
        raise SettingsError(f"{where}: refused, this value {WEAKENS}")
    if key == "transaction.timeout.ms" and not _is_short(text):
        most = LONGEST_TRANSACTION_MS
        raise SettingsError(
            f"{where}: at most {most}; a dead process holds up its heirs for that long"
        )


def _is_short(milliseconds: str) -> bool:
    return milliseconds.isdecimal() and int(milliseconds) <= LONGEST_TRANSACTION_MS
