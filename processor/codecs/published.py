"""The published shape of an event batch (semantics §6): its fields and types, event by event."""

from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Raw, Struct

from processor.codecs.scalar import Int64, Scalar

_HEX: Final = "[0-9a-fA-F]"
Uuid = Annotated[
    str, Meta(pattern=f"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$")
]
Flag = bool | None
Text = str | None
Time = Int64 | None
Id = Uuid | None
Number = Int64 | float | None
Attributes = dict[str, Scalar] | None


class _Closed(Struct, forbid_unknown_fields=True, gc=False):
    """An object without further fields."""


class _Location(Struct, gc=False):
    latitude: float
    longitude: float


class _Data(Struct, gc=False):
    """What the data of every event may have."""

    timestamp_unixtime_ms: Time = None
    event_start_unixtime_ms: Time = None
    session_start_unixtime_ms: Time = None
    event_num: Time = None
    source_message_id: Text = None
    session_uuid: Id = None
    custom_attributes: Attributes = None
    location: _Location | None = None


class _Custom(_Data, kw_only=True, gc=False):
    event_name: str
    custom_event_type: Literal[
        "navigation",
        "location",
        "search",
        "transaction",
        "user_content",
        "user_preference",
        "social",
        "other",
        "media",
        "attribution",
    ]


class _Product(Struct, gc=False):
    id: Text = None
    name: Text = None
    brand: Text = None
    category: Text = None
    variant: Text = None
    coupon_code: Text = None
    price: Number = None
    quantity: Number = None
    position: Time = None
    total_product_amount: Number = None
    custom_attributes: Attributes = None


class _ProductAction(Struct, kw_only=True, gc=False):
    action: Literal[
        "add_to_cart",
        "remove_from_cart",
        "checkout",
        "checkout_option",
        "click",
        "view_detail",
        "purchase",
        "refund",
        "add_to_wishlist",
        "remove_from_wish_list",
    ]
    products: list[_Product] | None = None


class _Commerce(_Data, gc=False):
    product_action: _ProductAction | None = None
    currency_code: Text = None
    screen_name: Text = None
    is_non_interactive: Flag = None


class _Screen(_Data, kw_only=True, gc=False):
    screen_name: str


class _SessionEnd(_Data, kw_only=True, gc=False):
    session_duration_ms: Int64


class _Transition(_Data, kw_only=True, gc=False):
    application_transition_type: Literal[
        "application_initialized",
        "application_exit",
        "application_background",
        "application_foreground",
    ]


class _Registration(_Data, kw_only=True, gc=False):
    register: bool
    registration_token: str


class _Push(_Data, kw_only=True, gc=False):
    push_message_token: str
    push_message_type: Literal["sent", "received", "action"]
    push_notification_payload: str


class _OptOut(_Data, kw_only=True, gc=False):
    is_opted_out: bool


class _Crash(_Data, kw_only=True, gc=False):
    severity: str
    message: str


class _Network(_Data, kw_only=True, gc=False):
    url: str
    response_code: Int64


class _Breadcrumb(_Data, kw_only=True, gc=False):
    label: str


class _AttributeChange(_Data, kw_only=True, gc=False):
    user_attribute_name: str


class _ChangedIdentity(Struct, kw_only=True, gc=False):
    identity_type: str
    identity: Text
    timestamp_unixtime_ms: Time = None
    created_this_batch: Flag = None


class _IdentityChange(_Data, kw_only=True, gc=False):
    new: _ChangedIdentity | None
    old: _ChangedIdentity | None


class _ProfileChange(_Data, kw_only=True, gc=False):
    previous_mpid: Int64 | None
    current_mpid: Int64 | None
    profile_event_type: Literal["signup", "login", "logout", "update", "delete"]


EVENT_DATA: Final[dict[str, type[Struct]]] = {
    "custom_event": _Custom,
    "commerce_event": _Commerce,
    "screen_view": _Screen,
    "session_start": _Data,
    "session_end": _SessionEnd,
    "application_state_transition": _Transition,
    "push_registration": _Registration,
    "push_message": _Push,
    "opt_out": _OptOut,
    "crash_report": _Crash,
    "network_performance": _Network,
    "breadcrumb": _Breadcrumb,
    "user_attribute_change": _AttributeChange,
    "user_identity_change": _IdentityChange,
    "profile": _ProfileChange,
    "first_run": _Data,
    "uninstall": _Data,
}


class _Device(_Closed, gc=False):
    brand: Text = None
    product: Text = None
    device: Text = None
    android_uuid: Text = None
    device_manufacturer: Text = None
    platform: (
        Literal[
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
        ]
        | None
    ) = None
    os_version: Text = None
    device_model: Text = None
    screen_height: Time = None
    screen_width: Time = None
    screen_dpi: Time = None
    device_country: Text = None
    locale_language: Text = None
    locale_country: Text = None
    network_country: Text = None
    network_carrier: Text = None
    network_code: Text = None
    network_mobile_country_code: Text = None
    timezone_offset: Number = None
    build_identifier: Text = None
    build_version_release: Text = None
    http_header_user_agent: Text = None
    ios_advertising_id: Id = None
    att_authorization_status: (
        Literal["authorized", "denied", "not_determined", "restricted"] | None
    ) = None
    att_timestamp_unixtime_ms: Time = None
    push_token: Text = None
    cpu_architecture: Text = None
    is_tablet: Flag = None
    push_notification_sound_enabled: Flag = None
    push_notification_vibrate_enabled: Flag = None
    radio_access_technology: Text = None
    supports_telephony: Flag = None
    has_nfc: Flag = None
    bluetooth_enabled: Flag = None
    bluetooth_version: Text = None
    ios_idfv: Id = None
    android_advertising_id: Id = None
    limit_ad_tracking: Flag = None
    amp_id: Text = None
    is_dst: Flag = None
    roku_advertising_id: Id = None
    roku_publisher_id: Id = None
    microsoft_advertising_id: Text = None
    microsoft_publisher_id: Text = None
    fire_advertising_id: Id = None


class _Consent(_Closed, kw_only=True, gc=False):
    consented: bool
    timestamp_unixtime_ms: Int64
    document: Text = None
    location: Text = None
    hardware_id: Text = None
    regulation: Text = None


class _Ccpa(_Closed, gc=False):
    data_sale_opt_out: _Consent | None = None


class _ConsentState(_Closed, gc=False):
    gdpr: dict[str, _Consent] | None = None
    ccpa: _Ccpa | None = None


class _Plan(Struct, kw_only=True, gc=False):
    plan_id: str
    plan_version: Time = None


class _Context(Struct, gc=False):
    data_plan: _Plan | None = None
    location: _Location | None = None


class _Attribution(Struct, kw_only=True, gc=False):
    service_provider: str
    publisher: str
    campaign: str


class _Application(Struct, gc=False):
    application_name: Text = None
    application_version: Text = None
    application_build_number: Text = None
    install_referrer: Text = None
    package: Text = None
    os: Text = None
    apple_search_ads_attributes: dict[str, dict[str, Text] | None] | None = None


class Event(Struct, gc=False):
    """An event, its data still to be read by its type."""

    event_type: str
    data: Raw = Raw(b"null")


FIELDS: Final[dict[str, Any]] = {
    "events": list[Event] | None,
    "environment": (Literal["production", "development"] | None),
    "mpid": Int64 | None,
    "origin_mpid": Int64 | None,
    "source_request_id": Text,
    "user_identities": dict[str, Scalar] | None,
    "user_attributes": dict[str, Int64 | float | str | bool | list[Scalar] | None] | None,
    "deleted_user_attributes": list[str] | None,
    "device_info": _Device | None,
    "application_info": _Application | None,
    "consent_state": _ConsentState | None,
    "integration_attributes": dict[str, dict[str, Text]] | None,
    "partner_identity": Text,
    "partner_identities": dict[str, Text] | None,
    "context": _Context | None,
    "batch_context": _Context | None,
    "ip": Text,
    "mp_deviceid": Id,
    "timestamp_unixtime_ms": Time,
    "batch_id": Int64 | Text,
    "sdk_version": Text,
    "job_id": Text,
    "api_key": Text,
    "api_keys": list[str] | None,
    "attribution_info": _Attribution | None,
    "source_info": dict[str, Raw] | None,
    "schema_version": Time,
    "modified": Flag,
}
