"""Fields of an event batch and their types, by mParticle's published JSON Schema.

A field may be null where it may be missing. Beyond that schema are only fields that SDKs send and
those that our outputs add (docs/messages.md, "Strict validation").
"""

from typing import Annotated, Any, Final

from msgspec import Meta, Raw, Struct

from processor.codecs.fields import Int64
from processor.codecs.strict.published_events import (
    Closed,
    Flag,
    Id,
    Location,
    Loose,
    Number,
    Text,
    Whole,
    exactly,
    in_any_case,
)

Mpid = Int64 | Annotated[str, Meta(pattern=r"\A-?[0-9]{1,19}\Z")] | None
"""A number, or its decimal text, as those send it whose numbers have 53 bits."""


class Device(Closed, gc=False):
    """What is said of the device; its fields are columns of imports too."""

    brand: Loose = None
    product: Loose = None
    device: Loose = None
    android_uuid: Loose = None
    device_manufacturer: Loose = None
    platform: (
        Annotated[
            str,
            Meta(
                pattern=in_any_case(
                    "iOS",
                    "Android",
                    "web",
                    "tvOS",
                    "roku",
                    "out_of_band",
                    "alexa",
                    "smart_tv",
                    "fire_tv",
                    "xbox",
                )
            ),
        ]
        | None
    ) = None
    os_version: Loose = None
    device_model: Loose = None
    screen_height: Whole = None
    screen_width: Whole = None
    screen_dpi: Whole = None
    device_country: Loose = None
    locale_language: Loose = None
    locale_country: Loose = None
    network_country: Loose = None
    network_carrier: Loose = None
    network_code: Loose = None
    network_mobile_country_code: Loose = None
    timezone_offset: Number = None  # whole as published, but there are half hours
    build_identifier: Loose = None
    build_version_release: Loose = None
    http_header_user_agent: Loose = None
    ios_advertising_id: Id = None
    att_authorization_status: (
        Annotated[
            str, Meta(pattern=in_any_case("authorized", "denied", "not_determined", "restricted"))
        ]
        | None
    ) = None
    att_timestamp_unixtime_ms: Whole = None
    push_token: Loose = None
    cpu_architecture: Loose = None
    is_tablet: Flag = None
    push_notification_sound_enabled: Flag = None
    push_notification_vibrate_enabled: Flag = None
    radio_access_technology: Loose = None
    supports_telephony: Flag = None
    has_nfc: Flag = None
    bluetooth_enabled: Flag = None
    bluetooth_version: Loose = None
    ios_idfv: Id = None
    android_advertising_id: Id = None
    limit_ad_tracking: Flag = None
    amp_id: Loose = None
    is_dst: Flag = None
    roku_advertising_id: Id = None
    roku_publisher_id: Id = None
    microsoft_advertising_id: Loose = None
    microsoft_publisher_id: Loose = None
    fire_advertising_id: Id = None


class _Consent(Closed, kw_only=True, gc=False):
    consented: bool
    timestamp_unixtime_ms: Whole
    document: Loose = None
    location: Loose = None
    hardware_id: Loose = None
    regulation: Loose = None


class _Ccpa(Closed, gc=False):
    data_sale_opt_out: _Consent | None = None


class _ConsentState(Closed, gc=False):
    gdpr: dict[str, _Consent | None] | None = None
    ccpa: _Ccpa | None = None


class _Plan(Closed, kw_only=True, gc=False):
    plan_id: str
    plan_version: Whole = None


class _Context(Struct, gc=False):
    data_plan: _Plan | None = None
    location: Location | None = None


class _Attribution(Closed, kw_only=True, gc=False):
    service_provider: Loose
    publisher: Loose
    campaign: Loose


class _Application(Closed, gc=False):
    application_name: Loose = None
    application_version: Loose = None
    application_build_number: Loose = None
    install_referrer: Loose = None
    package: Loose = None
    os: (
        Annotated[
            str,
            Meta(
                pattern=in_any_case(
                    "IOS",
                    "Android",
                    "WindowsPhone",
                    "MobileWeb",
                    "UnityIOS",
                    "UnityAndroid",
                    "Desktop",
                    "TVOS",
                    "Roku",
                    "OutOfBand",
                    "Alexa",
                    "SmartTV",
                    "FireTV",
                    "Xbox",
                    "Unknown",
                )
            ),
        ]
        | None
    ) = None
    apple_search_ads_attributes: dict[str, dict[str, Loose] | None] | None = None


class _Source(Closed, kw_only=True, gc=False):
    channel: Annotated[
        str,
        Meta(
            pattern=in_any_case(
                "native", "javascript", "pixel", "desktop", "partner", "server_to_server", "unknown"
            )
        ),
    ]
    partner: Loose = None
    replay_request_id: Loose = None
    replay_job_id: Loose = None
    is_historical: Flag = None


class _Entry(Closed, kw_only=True, gc=False):
    """An identity as an entry of the array that outputs have."""

    identity_type: str
    identity: Loose
    timestamp_unixtime_ms: Whole = None


class _ConsentChange(Closed, kw_only=True, gc=False):
    purpose: str
    current: dict[str, Loose] | None
    old: dict[str, Loose] | None


class _Notification(Closed, kw_only=True, gc=False):
    """A change of consent that outputs tell of."""

    type: Annotated[str, Meta(pattern=exactly("gdpr_change", "ccpa_change"))]
    data: _ConsentChange


class Event(Struct, gc=False):
    """An event; its type says how its data is read."""

    event_type: str
    data: Raw


FIELDS: Final[dict[str, Any]] = {
    "events": list[Event] | None,
    "environment": Annotated[str, Meta(pattern=exactly("production", "development"))] | None,
    "mpid": Mpid,
    "origin_mpid": Mpid,
    "source_request_id": Text,
    "user_identities": dict[str, Loose] | list[_Entry] | None,
    "user_attributes": dict[str, Loose | list[Loose]] | None,
    "deleted_user_attributes": list[str] | None,
    "device_info": Device | None,
    "application_info": _Application | None,
    "consent_state": _ConsentState | None,
    "integration_attributes": dict[str, dict[str, Loose]] | None,
    "partner_identity": Loose,
    "partner_identities": dict[str, Loose] | None,
    "context": _Context | None,
    "batch_context": _Context | None,
    "ip": Text,
    "mp_deviceid": Id,
    "timestamp_unixtime_ms": Whole,
    "batch_id": Int64 | Text,
    "sdk_version": Loose,
    "job_id": Loose,
    "api_key": Loose,
    "api_keys": list[str] | None,
    "attribution_info": _Attribution | None,
    "source_info": _Source | None,
    "schema_version": Whole,
    "modified": Flag,
    "system_notifications": list[_Notification] | None,
}
