"""Where a request comes from: this machine's own programs, or a page of another origin.

A web page can send requests to a port of this machine, and DNS can name this machine by any
host; both are told by headers that a page cannot set.

Sources: Fetch Metadata Request Headers (w3c.github.io/webappsec-fetch-metadata), RFC 6454.
"""

import re

from werkzeug.datastructures import Headers

# A name that only DNS could lead here, as bucket.localhost might be, is refused as well.
_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
# A request of this origin's own page, and one that no page made.
_SITES = frozenset({"same-origin", "none"})


def host_problem(headers: Headers) -> str:
    """Return why the Host header is refused, "" where it names this machine."""
    host = headers.get("Host", "")
    if _HOST.fullmatch(host):
        return ""
    return (
        f"the Host header is {host[:100]!r}, expected 127.0.0.1, localhost or [::1] with any port "
        "(S3 by path, not by a bucket's host name)"
    )


def page_problem(headers: Headers) -> str:
    """Return why a request that a web page sent is refused, "" where no foreign page did."""
    site = headers.get("Sec-Fetch-Site")
    if site is not None and site not in _SITES:
        return f"a web page of another origin sent it (Sec-Fetch-Site: {site[:100]!r})"
    origin = headers.get("Origin")
    host = headers.get("Host", "")
    if origin is not None and origin.lower() != f"http://{host}".lower():
        return f"a web page of another origin sent it (Origin: {origin[:100]!r}, Host: {host!r})"
    return ""
