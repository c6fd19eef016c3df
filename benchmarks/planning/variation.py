"""One field of the protocol that a comparison varies, as `--vary batch_size=16,64` asks for it."""

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from benchmarks.errors import UsageError, check_known
from benchmarks.planning.protocol import FIELDS, Protocol

VARIABLE = [name for name in FIELDS if name != "models"]


@dataclass(frozen=True)
class Variation:
    """A field of the protocol, and its values as YAML text.

    Raises:
        UsageError: no such field, or no value.
    """

    field: str
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        check_known("field", self.field, VARIABLE)
        if not self.texts:
            raise UsageError(f"--vary gives {self.field} no value; such as batch_size=16,64,256")

    @classmethod
    def parse(cls, text: str) -> "Variation":
        """Read `field=value,value,...`; commas within brackets do not separate values.

        Raises:
            UsageError: not of this form, or no such field.
        """
        field, equals, values = text.partition("=")
        if not equals:
            raise UsageError(
                f"--vary takes FIELD=VALUE,..., such as batch_size=16,64; not {text!r}"
            )
        return cls(field.strip(), split(values))

    def protocols(self, protocol: Protocol) -> list[Protocol]:
        """The protocol with each of the values.

        Raises:
            UsageError: a value that the field cannot take, or a value given twice.
        """
        found: list[Protocol] = []
        for text in self.texts:
            varied = protocol.varied(self.field, text)
            if varied in found:
                raise UsageError(f"--vary {self.field} has the value {text} twice")
            found.append(varied)
        return found

    def title(self, protocol: Protocol, protocol_name: str) -> str:
        """The name of the comparison, as it names a folder of results."""
        values = [in_words(getattr(varied, self.field)) for varied in self.protocols(protocol)]
        name = f"{protocol_name}+{self.field}={','.join(map(str, values))}"
        # A file system limits the length of a name, and which characters it may have.
        name = re.sub(r"[^\w.=+,-]+", "-", name, flags=re.ASCII).rstrip("-")
        return name if len(name) <= 120 else f"{name[:110]}-{sha256(name.encode()).hexdigest()[:8]}"


def in_words(value: Any) -> int | float | str:
    """A value of a field as tables and plots have it: a number, or a text."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "+".join(map(str, value)) or "none"
    return "none" if value is None else value


def label(model: str, field: str | None, value: int | float | str | None) -> str:
    """A model with its value of the varied field, such as `lenet, batch size 16`."""
    if field is None or value is None:
        return model
    return f"{model}, {field.replace('_', ' ')} {as_text(value)}"


def as_text(value: int | float | str) -> str:
    """A value that `in_words` returned, such as `0.001` or `adamw`."""
    return value if isinstance(value, str) else f"{value:,.10g}"


def split(text: str) -> tuple[str, ...]:
    """The parts between commas, except those in brackets: `a[b=1,c=2],d` has two."""
    parts: list[str] = []
    for part in text.split(","):
        if parts and parts[-1].count("[") > parts[-1].count("]"):
            parts[-1] += f",{part}"
        else:
            parts.append(part)
    return tuple(part.strip() for part in parts if part.strip())
