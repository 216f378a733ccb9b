"""``idstream top``: how processes do now, from their ``/metrics``.

``rates`` makes a picture of two looks, pure; ``view`` shows it.
"""
