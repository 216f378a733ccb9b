"""Data of events by their type, as mParticle's published JSON Schema has it.

A field with a default may be missing, or null. One without must be there, and is null only where
its published type allows it. Unknown fields of ``data`` are allowed, those of the closed objects in
it are not (docs/messages.md, "Strict validation").
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from processor.codecs.fields import Int64

_HEX: Final = "[0-9a-fA-F]"
Uuid = Annotated[
    str, Meta(pattern=rf"\A{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}\Z")
]


def exactly(*values: str) -> str:
    """Return the pattern of text that is one of *values*."""
    return rf"\A(?:{'|'.join(values)})\Z"


def in_any_case(*values: str) -> str:
    """Return the pattern of text that is one of *values*, in upper or lower case."""
    return f"(?i){exactly(*values)}"


Flag = bool | None
Text = str | None
Loose = str | int | float | bool | None
"""Text that may be a number or a boolean as well, as most text of the published schema."""
Whole = Int64 | None
Id = Uuid | None
Number = int | float | None
Attributes = dict[str, Loose] | None


class Closed(Struct, forbid_unknown_fields=True, gc=False):
    """An object without further fields."""


class Location(Closed, kw_only=True, gc=False):
    """Where something happened."""

    latitude: Number
    longitude: Number
    accuracy: Number = None
    dma_code: Whole = None
    country_code: Loose = None
    region_code: Loose = None
    postal_code: Loose = None
    location_source: Loose = None
    city_name: Loose = None


class _DeviceState(Closed, gc=False):
    time_since_start_ms: Whole = None
    battery_level: Number = None
    data_connection_type: Loose = None
    data_connection_type_detail: Loose = None
    gps_state: Flag = None
    total_system_memory_usage_bytes: Whole = None
    disk_space_free_bytes: Whole = None
    external_disk_space_free_bytes: Whole = None
    cpu: Loose = None
    system_memory_available_bytes: Number = None
    system_memory_low: Flag = None
    system_memory_threshold_bytes: Number = None
    application_memory_available_bytes: Number = None
    application_memory_max_bytes: Number = None
    application_memory_total_bytes: Number = None
    device_orientation: Loose = None
    status_bar_orientation: Loose = None


class _Notification(Struct, kw_only=True, gc=False):
    type: Annotated[str, Meta(pattern=exactly("gdpr_change"))]


class _Data(Struct, gc=False):
    """Fields that the data of every event may have."""

    timestamp_unixtime_ms: Whole = None
    event_id: Whole = None
    event_num: Whole = None
    source_message_id: Text = None
    session_id: Whole = None
    session_uuid: Id = None
    session_start_unixtime_ms: Whole = None
    event_start_unixtime_ms: Whole = None
    custom_attributes: Attributes = None
    location: Location | None = None
    device_current_state: _DeviceState | None = None
    is_goal_defined: Flag = None
    lifetime_value_change: Number = None
    lifetime_value_attribute_name: Loose = None
    data_connection_type: Loose = None
    view_controller: Loose = None
    is_main_thread: Flag = None
    canonical_name: Loose = None
    event_system_notification_info: _Notification | None = None


class _Custom(_Data, kw_only=True, gc=False):
    event_name: str
    custom_event_type: Annotated[
        str,
        Meta(
            pattern=exactly(
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
            )
        ),
    ]
    custom_flags: Attributes = None


class _Product(Struct, gc=False):
    id: Text = None
    name: Text = None
    brand: Loose = None
    category: Loose = None
    variant: Loose = None
    position: Whole = None
    price: Number = None
    quantity: Number = None
    coupon_code: Loose = None
    added_to_cart_time_ms: Whole = None
    total_product_amount: Number = None
    custom_attributes: dict[str, Text] | None = None


class _ProductAction(Closed, kw_only=True, gc=False):
    action: Annotated[
        str,
        Meta(
            pattern=exactly(
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
            )
        ),
    ]
    checkout_step: Whole = None
    checkout_options: Loose = None
    product_action_list: Loose = None
    product_list_source: Loose = None
    transaction_id: Text = None
    affiliation: Loose = None
    total_amount: Number = None
    tax_amount: Number = None
    shipping_amount: Number = None
    coupon_code: Loose = None
    products: list[_Product] | None = None


class _Promotion(Closed, gc=False):
    id: Text = None
    name: Text = None
    creative: Loose = None
    position: Loose = None


class _PromotionAction(Closed, kw_only=True, gc=False):
    action: Annotated[str, Meta(pattern=exactly("view", "click"))]
    promotions: list[_Promotion] | None = None


class _Impression(Closed, kw_only=True, gc=False):
    product_impression_list: str
    products: list[_Product] | None


class _Cart(Closed, kw_only=True, gc=False):
    products: list[_Product]


class _Commerce(_Data, gc=False):
    """The published schema requires none of the three actions."""

    product_action: _ProductAction | None = None
    promotion_action: _PromotionAction | None = None
    product_impressions: list[_Impression] | None = None
    shopping_cart: _Cart | None = None
    currency_code: Loose = None
    screen_name: Text = None
    is_non_interactive: Flag = None
    event_name: Text = None
    custom_event_type: (
        Annotated[
            str,
            Meta(
                pattern=exactly(
                    "navigation",
                    "location",
                    "search",
                    "transaction",
                    "user_content",
                    "user_preference",
                    "social",
                    "other",
                    "media",
                    "add_to_cart",
                    "remove_from_cart",
                    "checkout",
                    "checkout_option",
                    "click",
                    "view_detail",
                    "purchase",
                    "refund",
                    "promotion_view",
                    "promotion_click",
                    "add_to_wishlist",
                    "remove_from_wishlist",
                    "impression",
                    "attribution",
                    "consent_granted",
                    "consent_denied",
                )
            ),
        ]
        | None
    ) = None
    custom_flags: Attributes = None


class _Screen(_Data, kw_only=True, gc=False):
    screen_name: str
    activity_type: Loose = None
    custom_flags: Attributes = None


class _SessionEnd(_Data, kw_only=True, gc=False):
    session_duration_ms: Whole


class _Transition(_Data, kw_only=True, gc=False):
    application_transition_type: Annotated[
        str,
        Meta(
            pattern=exactly(
                "application_initialized",
                "application_exit",
                "application_background",
                "application_foreground",
            )
        ),
    ]
    successfully_closed: Flag = None
    is_first_run: Flag = None
    is_upgrade: Flag = None
    push_notification_payload: Loose = None
    launch_referral: Loose = None


class _Registration(_Data, kw_only=True, gc=False):
    register: Flag
    registration_token: str


class _Push(_Data, kw_only=True, gc=False):
    push_message_token: Loose
    push_message_type: Annotated[str, Meta(pattern=exactly("sent", "received", "action"))]
    push_notification_payload: Loose
    message: Loose = None
    network: Loose = None
    application_state: Loose = None
    action_identifier: Loose = None
    push_message_behavior: Loose = None


class _OptOut(_Data, kw_only=True, gc=False):
    is_opted_out: Flag


class _Breadcrumb(_Data, kw_only=True, gc=False):
    label: str
    session_number: Whole = None


class _BreadcrumbEvent(Struct, kw_only=True, gc=False):
    event_type: Literal["breadcrumb"]
    data: _Breadcrumb


class _Crash(_Data, kw_only=True, gc=False):
    severity: Loose
    message: Loose
    class_name: Loose = None
    stack_trace: Loose = None
    topmost_context: Loose = None
    pl_crash_report_file_base64: Loose = None
    exception_handled: Flag = None
    ios_image_base_address: Whole = None
    ios_image_size: Whole = None
    session_number: Whole = None
    breadcrumbs: list[_BreadcrumbEvent] | None = None


class _Network(_Data, kw_only=True, gc=False):
    url: str
    response_code: Whole
    http_verb: Text = None
    time_elapsed: Whole = None
    bytes_in: Whole = None
    bytes_out: Whole = None
    data: Loose = None


class _AttributeChange(_Data, kw_only=True, gc=False):
    user_attribute_name: str
    new: Loose | list[Loose] = None
    old: Loose | list[Loose] = None
    deleted: Flag = None
    is_new_attribute: Flag = None


class _ChangedIdentity(Closed, kw_only=True, gc=False):
    """An identity, of any type: a workspace may have types of its own."""

    identity_type: str
    identity: Loose
    timestamp_unixtime_ms: Whole
    created_this_batch: Flag = None


class _IdentityChange(_Data, kw_only=True, gc=False):
    new: _ChangedIdentity | None
    old: _ChangedIdentity | None


class _ProfileChange(_Data, kw_only=True, gc=False):
    previous_mpid: Whole
    current_mpid: Whole
    profile_event_type: Annotated[
        str, Meta(pattern=exactly("signup", "login", "logout", "update", "delete"))
    ]


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
