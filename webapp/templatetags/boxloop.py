"""Template tags and filters, built in everywhere: icons, per cents, sizes, spans of time."""

from datetime import datetime

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """An icon of static/icons.svg: {% icon "upload" %}, {% icon "check" "s" %}."""
    return format_html(
        '<svg class="i {}" viewBox="0 0 24 24" aria-hidden="true"><use href="{}#{}"></use></svg>',
        css, static("icons.svg"), name,
    )  # fmt: skip


@register.filter
def basename(name: str) -> str:
    """The last part of a relative name: what tells photos of one folder apart."""
    return name.rpartition("/")[2] or name


@register.filter
def percent(value: float | None, digits: int = 1) -> str:
    """0.934 -> "93.4 %"; None -> "–"."""
    return "–" if value is None else f"{100 * value:.{digits}f} %"


@register.filter
def points(value: float | None, digits: int = 1) -> str:
    """A difference of two shares, in points: 0.053 -> "+5.3"; a typographic minus; None -> "–"."""
    if value is None:
        return "–"
    rounded = round(100 * value, digits)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else "±"
    return f"{sign}{abs(rounded):.{digits}f}"


@register.filter
def duration(seconds: float | None) -> str:
    """A span in words that fit its size: "0.4 s", "45 s", "3:28 min", "2 h 05 min"."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d} min"
    return f"{minutes // 60} h {minutes % 60:02d} min"


@register.filter
def about(seconds: float | None) -> str:
    """A forecast in words: "about 40 s", "about 3 min"."""
    if seconds is None:
        return "–"
    if seconds < 50:
        return f"about {max(5, round(seconds / 5) * 5)} s"
    if seconds < 3600:
        return f"about {max(1, round(seconds / 60))} min"
    return f"about {seconds / 3600:.1f} h"


@register.filter
def size(count: float | None) -> str:
    """Bytes with a unit: "41 kB", "6.3 MB"."""
    if count is None:
        return "–"
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit in {"B", "kB"} else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """A relative time, with the exact one on hover."""
    if moment is None:
        return ""
    seconds = (timezone.now() - moment).total_seconds()
    if seconds < 45:
        words = "just now"
    elif seconds < 3600:
        words = f"{max(1, round(seconds / 60))} min ago"
    elif seconds < 86400:
        words = f"{round(seconds / 3600)} h ago"
    elif seconds < 2 * 86400:
        words = "yesterday"
    elif seconds < 30 * 86400:
        words = f"{int(seconds // 86400)} days ago"
    else:
        words = moment.strftime("%-d %b %Y")
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(), moment.strftime("%Y-%m-%d %H:%M:%S UTC"), words,
    )  # fmt: skip
