"""Hands /answers.json to archinstall's own reader of its configuration, and refuses what that reader never looks at.

Stand-ins are for what needs a C library or the machine itself: parted, cryptography (of encrypted answers), libcrypt, epoll, the list of disks.
What reads the answers is archinstall's code as it is published."""

import ctypes
import json
import select
import sys
import types

sys.path.insert(0, "/site")


class StandIn(types.ModuleType):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


class Library:
    def __getattr__(self, name):
        function = types.SimpleNamespace()
        setattr(self, name, function)
        return function


class Disks:
    def detect_pre_mounted_mods(self, path):
        return []


for name in (
    "parted cryptography cryptography.fernet cryptography.hazmat cryptography.hazmat.primitives"
    " cryptography.hazmat.primitives.kdf cryptography.hazmat.primitives.kdf.argon2"
).split():
    sys.modules[name] = StandIn(name)
ctypes.CDLL = lambda *_, **__: Library()
select.EPOLLIN = select.EPOLLHUP = 0
select.epoll = None
handler = types.ModuleType("archinstall.lib.disk.device_handler")
handler.device_handler, handler.DeviceHandler = Disks(), Disks
sys.modules[handler.__name__] = handler


class Asked(dict):
    """A table of the answers that knows which of its keys were looked at."""

    def __init__(self, place, table):
        super().__init__((key, ask(f"{place}{key}", value)) for key, value in table.items())
        self.place, self.seen = place, set()

    def get(self, key, default=None):
        self.seen.add(key)
        return super().get(key, default)

    def __getitem__(self, key):
        self.seen.add(key)
        return super().__getitem__(key)

    def items(self):
        self.seen.update(self)
        return super().items()

    def unseen(self):
        for key, value in super().items():
            if key not in self.seen:
                yield self.place + key
            else:
                yield from unseen(value)


def ask(place, value):
    if isinstance(value, dict):
        return Asked(place + ".", value)
    if isinstance(value, list):
        return [ask(f"{place}[{index}]", item) for index, item in enumerate(value)]
    return value


def unseen(value):
    if isinstance(value, Asked):
        yield from value.unseen()
    elif isinstance(value, list):
        for item in value:
            yield from unseen(item)


sys.argv = ["archinstall", "--config", "/answers.json", "--silent"]
from archinstall.lib import args  # noqa: E402

# The reader itself, with the tables that it is given.
taken = args.ArchConfig.from_config.__func__
answers = []


def from_config(cls, config, arguments):
    answers.append(Asked("", config))
    return taken(cls, answers[0], arguments)


args.ArchConfig.from_config = classmethod(from_config)


def complaint():
    """What is wrong with the answers; empty: nothing."""
    try:
        configuration = args.ArchConfigHandler().config
        # What it made of the answers can be written again.
        json.loads(configuration.user_config_to_json())
        json.loads(configuration.user_credentials_to_json())
    except SystemExit:
        return "archinstall refuses it, see above"
    except Exception as error:
        return f"archinstall refuses it: {type(error).__name__}: {error}"
    # `script` is looked at by the caller of the reader.
    ignored = sorted(set(answers[0].unseen()) - {"script"})
    return f"archinstall does not look at {', '.join(ignored)}" if ignored else ""


complaint()
